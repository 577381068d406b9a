/**
 * Appends to the journal of one node.
 *
 * An append is one `write` to an open file, done before it returns, because the BMC's packet is acknowledged right after
 * and never sent again: what is written is in the kernel's page cache and stays there when this process is killed. It is
 * not synced to the disk: a loss of power may take the last seconds, and a sync would cost each keystroke milliseconds.
 * The write itself costs one or two microseconds, less than handing it to another thread would.
 */
import { bytesDraft, compose, type Draft, markDraft } from './compose.ts'
import { type Descriptors, descriptorPool, shareOfDescriptors } from './descriptors.ts'
import { localEnd, localStart } from './extent.ts'
import { type Files, nodeFiles } from './files.ts'
import { type Hole, holeDraft, holeOf, type Reason, reasonOf } from './holes.ts'
import { type Limits, pruneIfMany, quietMs } from './prune.ts'
import { headerBytes, type Mark, maximumOffset, missingBytes } from './record.ts'
import { checkDirectory, listSegments, segmentPath } from './segments.ts'

export interface JournalOptions {
  /** Of this node: see `journalDirectory`. */
  readonly directory: string
  /** The holder's fencing number: segments of a higher one count where they overlap. */
  readonly fence: number
  /** The end as the database knows it. Where less than that is on this disk, the rest is marked as recorded elsewhere. */
  readonly minimumOffset: number
  readonly limits: Limits
  readonly now?: () => number
  /** Shared by all journals of the process unless given. */
  readonly descriptors?: Descriptors
  /** For tests of disks that refuse. */
  readonly files?: Files
}

export interface Journal {
  /** The oldest offset still kept. */
  readonly start: number
  /** The offset that the next byte gets. */
  readonly end: number
  /** False while the disk refuses: offsets go on, bytes are not kept, and a gap will say so. */
  readonly recording: boolean
  /** Why it is not, or was not until the gap could be written. */
  readonly refusal: Reason | undefined
  /** Appends, and returns the offset of the first byte. Never throws and never waits. */
  append(bytes: Buffer): number
  /** Says something between bytes, at the present end, and returns that. A `gap` with `bytes` moves the end by so many. */
  mark(mark: Mark): number
  /** Gives back the file. What comes later is not kept. */
  close(): void
}

interface OpenSegment {
  readonly path: string
  readonly createdAt: number
  /** Whole records only: what a failed write left behind them is cut off. */
  size: number
  writtenAt: number
}

/** One object and functions that take it, rather than closures: a thousand silent consoles cost a megabyte less. */
interface Writer {
  readonly directory: string
  readonly fence: number
  readonly limits: Limits
  readonly now: () => number
  readonly descriptors: Descriptors
  readonly files: Files
  end: number
  /** What is missing and not yet said on disk. */
  holes: readonly Hole[]
  segment: OpenSegment | undefined
  recording: boolean
  retryAt: number
  closed: boolean
}

/** Files that all journals of a process keep open together. */
const sharedDescriptors = descriptorPool(shareOfDescriptors())
/** How long a disk that refused is left alone. */
const retryAfterMs = 1_000
const none: readonly never[] = []

/**
 * Opens a node's journal for appending. One writer a process and node. It touches no file before there is something to
 * append: a console that says nothing costs none. It writes segments of its own only, never after what another wrote.
 */
export function openJournal(options: JournalOptions): Journal {
  const writer = writerOf(options)
  return {
    get start() {
      return localStart(writer.directory) ?? writer.end
    },
    get end() {
      return writer.end
    },
    get recording() {
      return writer.recording
    },
    get refusal() {
      return writer.holes.at(-1)?.reason
    },
    append: (bytes) => {
      if (bytes.length === 0) return writer.end
      return keep(writer, bytesDraft(writer.now(), writer.end, bytes), bytes.length)
    },
    mark: (mark) => keep(writer, markDraft(writer.now(), writer.end, mark), missingBytes(mark)),
    close: () => close(writer),
  }
}

function writerOf(options: JournalOptions): Writer {
  const { directory, limits, minimumOffset, now = Date.now } = options
  checkDirectory(directory)
  const local = localEnd(directory, limits.segmentBytes)
  const end = Math.max(local.end, minimumOffset)
  return {
    directory,
    // A database brought back from a backup counts from an older number: what is written now must be seen all the same.
    fence: Math.max(options.fence, local.fence),
    limits,
    now,
    descriptors: options.descriptors ?? sharedDescriptors,
    files: options.files ?? nodeFiles,
    end,
    holes: end > local.end ? [holeOf('elsewhere', local.end, end - local.end, now())] : none,
    segment: undefined,
    recording: true,
    retryAt: 0,
    closed: false,
  }
}

/** Keeps one draft, or counts it as missing. Returns its offset. */
function keep(writer: Writer, draft: Draft, span: number): number {
  const offset = writer.end
  if (writer.closed || offset + span > maximumOffset) return offset
  // A clock that was set back must not make a disk wait for the old time.
  const waits = draft.at < writer.retryAt && draft.at >= writer.retryAt - retryAfterMs
  if (waits) lose(writer, draft, span)
  else {
    try {
      write(writer, writer.holes.length === 0 ? [draft] : [...writer.holes.map(holeDraft), draft], draft.at)
      writer.holes = none
      writer.recording = true
      writer.retryAt = 0
    } catch (error) {
      writer.retryAt = draft.at + retryAfterMs
      lose(writer, draft, span, error)
    }
  }
  writer.end += span
  return offset
}

function lose(writer: Writer, { at }: Draft, span: number, error?: unknown): void {
  writer.recording = false
  const last = writer.holes.at(-1)
  if (last && last.reason !== 'elsewhere') {
    last.bytes += span
    last.records += 1
  } else writer.holes = [...writer.holes, holeOf(reasonOf(error), writer.end, span, at, 1)]
}

/** All of the drafts or, if the disk refuses, none. */
function write(writer: Writer, drafts: readonly Draft[], at: number): void {
  const [segment, descriptor] = openedFor(writer, drafts, at)
  const data = compose(segment.size, drafts)
  try {
    let written = 0
    // A disk that fills up takes a part; the next write says why.
    while (written < data.length)
      written += writer.files.write(descriptor, data, written, data.length - written)
  } catch (error) {
    cutOff(writer, segment, descriptor)
    throw error
  }
  segment.size += data.length
  segment.writtenAt = at
}

function openedFor(writer: Writer, drafts: readonly Draft[], at: number): [OpenSegment, number] {
  const segment = segmentFor(writer, drafts, at)
  try {
    return [segment, writer.descriptors.of(writer, () => writer.files.open(segment.path, 'append'))]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    // Removed while its descriptor was lent to others: the next one is created, and open.
    leave(writer)
    return openedFor(writer, drafts, at)
  }
}

function cutOff(writer: Writer, segment: OpenSegment, descriptor: number): void {
  try {
    writer.files.truncate(descriptor, segment.size)
  } catch {
    // Readers stop at the record that is not whole; the next one goes to another file.
    leave(writer)
  }
}

function segmentFor(writer: Writer, drafts: readonly Draft[], at: number): OpenSegment {
  if (writer.segment && !isOver(writer, writer.segment, drafts, at)) return writer.segment
  leave(writer)
  writer.segment = create(writer, drafts[0]?.offset ?? writer.end, at)
  return writer.segment
}

function isOver(
  { limits, files }: Writer,
  { path, size, createdAt, writtenAt }: OpenSegment,
  drafts: readonly Draft[],
  at: number,
): boolean {
  let grown = size
  for (const { payload } of drafts) grown += headerBytes + payload.length
  if (size > 0 && grown > limits.segmentBytes) return true
  // Bytes go with their whole segment, so a slow console's segments must not span much more than the age.
  if (size > 0 && at - createdAt > Math.max(limits.maxAgeMs / 8, quietMs)) return true
  return at - writtenAt > quietMs && !files.exists(path)
}

function create(writer: Writer, first: number, at: number): OpenSegment {
  const { directory, fence, files, descriptors } = writer
  const segments = listSegments(directory)
  const same = segments.filter((one) => one.first === first && one.fence === fence)
  const path = segmentPath(directory, { first, fence, number: (same.at(-1)?.number ?? -1) + 1 })
  files.makeDirectory(directory)
  descriptors.of(writer, () => files.open(path, 'create'))
  pruneIfMany(directory, segments.length + 1, writer.limits, at)
  return { path, createdAt: at, size: 0, writtenAt: at }
}

function leave(writer: Writer): void {
  writer.segment = undefined
  writer.descriptors.release(writer)
}

function close(writer: Writer): void {
  // The last chance to say what is missing.
  if (!writer.closed && !writer.recording) {
    try {
      write(writer, writer.holes.map(holeDraft), writer.now())
    } catch {
      // The disk refuses still; the next holder finds its end behind the database's and says so.
    }
  }
  leave(writer)
  writer.closed = true
}
