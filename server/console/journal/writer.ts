/**
 * Appends to the journal of one node.
 *
 * An append is one `write` to an open file, done before it returns, because the BMC's packet is acknowledged right after
 * and never sent again: what is written is in the kernel's page cache and stays there when this process is killed. It is
 * not synced to the disk: a loss of power may take the last seconds, and a sync would cost each keystroke milliseconds.
 * The write itself costs one or two microseconds, less than handing it to another thread would.
 */
import { bytesDraft, compose, type Draft, markDraft } from './compose.ts'
import { type Descriptors, descriptorPool } from './descriptors.ts'
import { localEnd, localStart } from './extent.ts'
import { type Files, nodeFiles } from './files.ts'
import { type Hole, holeDraft, holeOf, reasonOf } from './holes.ts'
import { type Limits, prune, quietMs } from './prune.ts'
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

/** Files that all journals of a process keep open together. */
const openFiles = 512
const sharedDescriptors = descriptorPool(openFiles)
/** How long a disk that refused is left alone. */
const retryAfterMs = 1_000

/**
 * Opens a node's journal for appending. One writer a process and node. It touches no file before there is something to
 * append: a console that says nothing costs none. It writes segments of its own only, never after what another wrote.
 */
export function openJournal(options: JournalOptions): Journal {
  const { directory, limits, now = Date.now, descriptors = sharedDescriptors } = options
  const files = options.files ?? nodeFiles
  checkDirectory(directory)
  const { end: localOffset, fence: lastFence } = localEnd(directory, limits.segmentBytes)
  // A database brought back from a backup counts from an older number: what is written now must be seen all the same.
  const fence = Math.max(options.fence, lastFence)
  let end = Math.max(localOffset, options.minimumOffset)
  let holes: readonly Hole[] =
    end > localOffset ? [holeOf('elsewhere', localOffset, end - localOffset, now())] : none
  let segment: OpenSegment | undefined
  let recording = true
  let retryAt = 0
  let closed = false
  const owner = {}

  /** Keeps one draft, or counts it as missing. */
  const keep = (draft: Draft, span: number): number => {
    const offset = end
    if (closed || end + span > maximumOffset) return offset
    // A clock that was set back must not make a disk wait for the old time.
    const waits = draft.at < retryAt && draft.at >= retryAt - retryAfterMs
    if (waits) lose(draft, span)
    else {
      try {
        write(holes.length === 0 ? [draft] : [...holes.map(holeDraft), draft], draft.at)
        holes = none
        recording = true
        retryAt = 0
      } catch (error) {
        retryAt = draft.at + retryAfterMs
        lose(draft, span, error)
      }
    }
    end += span
    return offset
  }

  const lose = ({ at }: Draft, span: number, error?: unknown): void => {
    const last = holes.at(-1)
    if (last && last.reason !== 'elsewhere') {
      last.bytes += span
      last.records += 1
    } else holes = [...holes, holeOf(reasonOf(error), end, span, at, 1)]
    recording = false
  }

  const write = (drafts: readonly Draft[], at: number): void => {
    const [into, descriptor] = opened(drafts, at)
    const data = compose(into.size, drafts)
    try {
      let written = 0
      // A disk that fills up takes a part; the next write says why.
      while (written < data.length) written += files.write(descriptor, data, written, data.length - written)
    } catch (error) {
      cutOff(into, descriptor)
      throw error
    }
    into.size += data.length
    into.writtenAt = at
  }

  const opened = (drafts: readonly Draft[], at: number): [OpenSegment, number] => {
    const into = segmentFor(drafts, at)
    try {
      return [into, descriptors.of(owner, () => files.open(into.path, 'append'))]
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      // Removed while its descriptor was lent to others: the next one is created, and open.
      leave()
      return opened(drafts, at)
    }
  }

  const cutOff = (into: OpenSegment, descriptor: number): void => {
    try {
      files.truncate(descriptor, into.size)
    } catch {
      leave()
    }
  }

  const leave = (): void => {
    segment = undefined
    descriptors.release(owner)
  }

  const segmentFor = (drafts: readonly Draft[], at: number): OpenSegment => {
    if (segment && isOver(segment, drafts, at)) leave()
    if (!segment) {
      segment = create(drafts[0]?.offset ?? end, at)
      prune(directory, limits, at)
    }
    return segment
  }

  const isOver = (
    { path, size, createdAt, writtenAt }: OpenSegment,
    drafts: readonly Draft[],
    at: number,
  ) => {
    const more = drafts.reduce((sum, { payload }) => sum + headerBytes + payload.length, 0)
    if (size > 0 && size + more > limits.segmentBytes) return true
    // Bytes go with their whole segment, so a slow console's segments must not span much more than the age.
    if (size > 0 && at - createdAt > Math.max(limits.maxAgeMs / 8, quietMs)) return true
    return at - writtenAt > quietMs && !files.exists(path)
  }

  const create = (first: number, at: number): OpenSegment => {
    const same = listSegments(directory).filter((one) => one.first === first && one.fence === fence)
    const path = segmentPath(directory, { first, fence, number: (same.at(-1)?.number ?? -1) + 1 })
    files.makeDirectory(directory)
    descriptors.of(owner, () => files.open(path, 'create'))
    return { path, createdAt: at, size: 0, writtenAt: at }
  }

  return {
    get start() {
      return localStart(directory) ?? end
    },
    get end() {
      return end
    },
    get recording() {
      return recording
    },
    append: (bytes) => (bytes.length === 0 ? end : keep(bytesDraft(now(), end, bytes), bytes.length)),
    mark: (mark) => keep(markDraft(now(), end, mark), missingBytes(mark)),
    close() {
      // The last chance to say what is missing.
      const missing = holes.filter(({ reason }) => reason !== 'elsewhere')
      if (!closed && missing.length > 0) {
        try {
          write(holes.map(holeDraft), now())
        } catch {
          // The disk refuses still; the next holder finds its end behind the database's and says so.
        }
      }
      leave()
      closed = true
    },
  }
}
const none: readonly Hole[] = []
