/** Finds text in a journal: streaming, with bounded memory, also where a match crosses records and segments. */
import { setImmediate } from 'node:timers/promises'
import { LeaseholdError } from '../../errors.ts'
import { plainText } from './plain.ts'
import { batches, type Entry, type Span } from './reader.ts'
import { type Sought, seek, soughtOf } from './seek.ts'

export interface SearchOptions extends Span {
  /** Text as UTF-8, or bytes as they are. */
  readonly what: string | Buffer
  /** Whether A to Z match a to z. */
  readonly ignoreCase?: boolean
  /** At most so many matches; 100 unless given. */
  readonly limit?: number
}

export interface Match {
  readonly offset: number
  readonly at: Date
  /**
   * The line around the match as far as it is in the asked span, without control sequences; of a long one the first
   * 512 characters.
   */
  readonly line: string
}

const longestNeedle = 1_024
/** How much of a line is shown on either side of a match. */
const contextBytes = 200
/** Characters of a line that are shown. */
const longestShown = 512

/** Matches by offset; those that overlap an earlier one are left out. @throws LeaseholdError 'invalid' */
export async function* search(directory: string, options: SearchOptions): AsyncGenerator<Match> {
  const { what, limit = 100, ignoreCase = false } = options
  const sought = typeof what === 'string' ? Buffer.from(what) : what
  if (sought.length === 0 || sought.length > longestNeedle)
    throw new LeaseholdError('invalid', `What is sought must have 1 to ${longestNeedle} bytes.`)
  let left = limit
  if (left <= 0) return
  for await (const match of matches(batches(directory, options), soughtOf(sought, ignoreCase))) {
    yield match
    left -= 1
    if (left <= 0) return
    // A line may be long in the making: others have their turn between two.
    await setImmediate()
  }
}

async function* matches(source: AsyncIterable<Entry[]>, sought: Sought) {
  let window = windowAt(0)
  for await (const entries of source) {
    for (const run of runsOf(entries)) {
      if (run.offset !== window.base + window.bytes.length) {
        yield* matchesIn(window, sought, true)
        window = windowAt(run.offset)
      }
      window.bytes = Buffer.concat([window.bytes, ...run.pieces])
      window.times.push(...run.times)
      yield* matchesIn(window, sought, false)
      forget(window)
    }
  }
  yield* matchesIn(window, sought, true)
}

/** What is searched now: a batch, and of what was before it as much as a match or its context may need. */
interface Window {
  /** Offset of the first byte. */
  base: number
  bytes: Buffer
  /** Where in `bytes` the search goes on, and how many bytes before that may be the beginning of a match. */
  position: number
  matched: number
  /** When the bytes came, by the offset from which on they came then. */
  times: { readonly offset: number; readonly at: Date }[]
}

const windowAt = (base: number): Window => ({
  base,
  bytes: Buffer.alloc(0),
  position: 0,
  matched: 0,
  times: [],
})

/** Bytes of a batch that follow one another without a gap; a mark between them is no gap. */
interface Run {
  readonly offset: number
  readonly pieces: Buffer[]
  readonly times: Window['times']
}

function runsOf(entries: readonly Entry[]): Run[] {
  const runs: Run[] = []
  let end = -1
  for (const { offset, at, bytes } of entries) {
    if (!bytes) continue
    if (offset !== end) runs.push({ offset, pieces: [], times: [] })
    const run = runs.at(-1) as Run
    run.pieces.push(bytes)
    run.times.push({ offset, at })
    end = offset + bytes.length
  }
  return runs
}

/** Matches that can be told with their context; the others wait for more bytes, unless there are none to come. */
function* matchesIn(window: Window, sought: Sought, last: boolean): Generator<Match> {
  const { bytes, base } = window
  for (;;) {
    const { found, ...reached } = seek(sought, bytes, window)
    Object.assign(window, reached)
    if (!found) return
    const end = reached.position
    const start = end - sought.needle.length
    const lineEnd = lineEndAfter(bytes, end)
    if (lineEnd === undefined && !last && bytes.length < end + contextBytes) {
      window.position = start
      return
    }
    const line = bytes.subarray(lineStartBefore(bytes, start), lineEnd ?? end + contextBytes)
    const time = window.times.findLast(({ offset }) => offset <= base + start)
    yield { offset: base + start, at: time?.at as Date, line: plainLine(line) }
  }
}

function lineStartBefore(bytes: Buffer, position: number): number {
  const furthest = Math.max(0, position - contextBytes)
  for (let start = position; start > furthest; start -= 1) if (isLineEnd(bytes[start - 1])) return start
  return furthest
}

function lineEndAfter(bytes: Buffer, position: number): number | undefined {
  const furthest = Math.min(bytes.length, position + contextBytes)
  for (let end = position; end < furthest; end += 1) if (isLineEnd(bytes[end])) return end
  return undefined
}

const isLineEnd = (byte: number | undefined): boolean => byte === 0x0a || byte === 0x0d

function plainLine(bytes: Buffer): string {
  const plain = plainText()
  let line = ''
  for (const character of bytes.toString()) {
    line += plain.write(character)
    if (line.length >= longestShown) break
  }
  return (line + plain.end()).trim().slice(0, longestShown).toWellFormed()
}

function forget(window: Window): void {
  const gone = Math.max(0, window.position - window.matched - contextBytes)
  window.bytes = window.bytes.subarray(gone)
  window.base += gone
  window.position -= gone
  const first = window.times.findLastIndex(({ offset }) => offset <= window.base)
  if (first > 0) window.times.splice(0, first)
}
