/**
 * Reads a journal, whoever writes it now. Nothing outside of the asked span is told: not a byte, not a mark, not a time.
 * A mark at `from` belongs to the span, one at `to` to the next.
 */
import { extent, localStart } from './extent.ts'
import { decodeMark, kinds, type Mark, missingBytes, type StoredRecord } from './record.ts'
import { recordsOf } from './segment-reader.ts'
import { listSegments, type VisibleSegment, visibleSegments } from './segments.ts'

export interface BytesEntry {
  readonly offset: number
  readonly at: Date
  readonly bytes: Buffer
  readonly mark?: undefined
}

/** A gap's mark has `reason`, `from`, `to` and `bytes`: what of it is in the asked span. */
export interface MarkEntry {
  readonly offset: number
  readonly at: Date
  readonly mark: Mark
  readonly bytes?: undefined
}

export type Entry = BytesEntry | MarkEntry

export interface Span {
  /** The start of the journal, unless given. */
  readonly from?: number
  /** Exclusive; unless given, the end when the reading begins. */
  readonly to?: number
  readonly signal?: AbortSignal
}

/** All of a span that is on disk when it begins; what is written later is not read. */
export async function* readJournal(directory: string, options: Span = {}): AsyncGenerator<Entry> {
  for await (const entries of batches(directory, options)) yield* entries
}

/** The offset after an entry. */
export function endOf(entry: Entry): number {
  return entry.offset + (entry.bytes ? entry.bytes.length : missingBytes(entry.mark))
}

/** Entries of a span, a block of the file at a time. */
export async function* batches(directory: string, options: Span = {}): AsyncGenerator<Entry[]> {
  const { signal } = options
  const segments = visibleSegments(listSegments(directory))
  const start = segments[0]?.first
  if (start === undefined) return
  const view = viewOf(directory, options.from ?? start, options.to)
  for (const segment of segments.slice(firstToRead(segments, view.from))) {
    for await (const records of recordsOf(segment.path, view.from)) {
      signal?.throwIfAborted()
      const entries = records.flatMap((record) => view.see(record, segment.limit))
      if (entries.length > 0) yield entries
      if (view.done) return
    }
  }
  const rest = view.rest(segments.at(-1)?.first as number)
  if (rest.length > 0) yield rest
}

/** The last segment that begins before the offset: marks at the offset may still stand in it. */
function firstToRead(segments: readonly VisibleSegment[], from: number): number {
  return Math.max(
    0,
    segments.findLastIndex(({ first }) => first < from),
  )
}

/** What of the records is in [from, to), in order, each offset once, with a gap for each that is in none. */
function viewOf(directory: string, from: number, asked: number | undefined) {
  const to = asked ?? extent(directory).end
  let cursor = from
  let lastAt: Date | undefined
  let done = asked === undefined ? from > to : from >= to
  /** Marks at the end are the next span's, unless nobody said where this one ends. */
  const isBehind = (offset: number, span: number) =>
    offset > to || (offset === to && (span > 0 || asked !== undefined))

  const gap = (until: number, at: Date): Entry => {
    const [offset, end] = [cursor, Math.min(until, to)]
    cursor = end
    // Asked for now: segments may have gone since the reading began.
    const reason = offset < (localStart(directory) ?? offset) ? 'expired' : 'damaged'
    return {
      offset,
      at: lastAt ?? at,
      mark: { kind: 'gap', reason, from: offset, to: end, bytes: end - offset },
    }
  }

  const see = (record: StoredRecord, limit: number): Entry[] => {
    if (done) return []
    const mark = record.kind === kinds.mark ? decodeMark(record.payload) : undefined
    const span = mark ? missingBytes(mark) : record.payload.length
    const [offset, end] = [Math.max(record.offset, cursor), Math.min(record.offset + span, limit, to)]
    if (record.offset > limit || (record.offset === limit && span > 0)) return []
    if (isBehind(record.offset, span)) {
      done = true
      return cursor < to ? [gap(to, new Date())] : []
    }
    if (span > 0 ? end <= offset : record.offset < cursor) return []
    const at = new Date(record.at)
    const before = offset > cursor ? [gap(offset, at)] : []
    lastAt = at
    cursor = Math.max(cursor, end)
    if (!mark)
      return [
        ...before,
        { offset, at, bytes: record.payload.subarray(offset - record.offset, end - record.offset) },
      ]
    return [...before, { offset, at, mark: span > 0 ? cut(mark, offset, end, end - offset === span) : mark }]
  }

  return {
    from,
    see,
    get done() {
      return done
    },
    /** Where the newest segment is empty, its name alone says how far the journal went. */
    rest: (end: number): Entry[] => (!done && cursor < Math.min(end, to) ? [gap(end, new Date())] : []),
  }
}

/** A gap that goes on outside of the span says nothing but its kind. */
function cut(mark: Mark, from: number, to: number, whole: boolean): Mark {
  const details = whole ? mark : { kind: mark.kind, reason: mark.reason }
  return { ...details, from, to, bytes: to - from }
}
