/**
 * The files of a journal: `<first offset>-<fence>-<number>.seg` in a directory named by UUIDs, the node's first. All that can
 * be known of a segment without opening it is in its name, and names sort as offsets do.
 */
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LeaseholdError } from '../../errors.ts'

export interface Segment {
  readonly path: string
  /** Offset of its first record. */
  readonly first: number
  /** The fencing number of the holder that wrote it. */
  readonly fence: number
  /** Tells segments apart that one holder, or one that came back, began at the same offset. */
  readonly number: number
}

/** A segment and the offset from which on a later holder's segments count instead. */
export interface VisibleSegment extends Segment {
  readonly limit: number
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** The node's UUID and one that its console has got; the node's alone, as it was once. */
const journal = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/
const name = /^(\d{15})-(\d{16})-(\d{6})\.seg$/

export const isUuid = (text: string): boolean => uuid.test(text)

export const isJournal = (text: string): boolean => journal.test(text)

/** Where a journal is. @throws LeaseholdError 'invalid' for anything but UUIDs: no path leads out of the root. */
export function journalDirectory(root: string, journal: string): string {
  if (!isJournal(journal)) throw new LeaseholdError('invalid', 'A journal belongs to a node, named by UUID.')
  return join(root, journal)
}

/** Refuses a directory that is not a journal's, before anything is written to it or removed. */
export function checkDirectory(directory: string): void {
  journalDirectory('', basename(directory))
}

export function segmentPath(directory: string, segment: Omit<Segment, 'path'>): string {
  const { first, fence, number } = segment
  const digits = (value: number, width: number) => String(value).padStart(width, '0')
  return join(directory, `${digits(first, 15)}-${digits(fence, 16)}-${digits(number, 6)}.seg`)
}

/** Segments by offset, then fence; none when there is no directory. */
export function listSegments(directory: string): Segment[] {
  const names = namesIn(directory)
  return names.sort().flatMap((file) => {
    const parts = name.exec(file)
    if (!parts) return []
    const [first, fence, number] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
    return [{ path: join(directory, file), first, fence, number }]
  })
}

/**
 * What counts where segments overlap: a holder that was taken over but stood still and does not know it goes on writing
 * its own segment. From where a later holder began, only the later one's segments count.
 */
export function visibleSegments(segments: readonly Segment[]): VisibleSegment[] {
  // The first offset of each fence: few, however many segments there are.
  const begun = new Map<number, number>()
  for (const { fence, first } of segments) begun.set(fence, Math.min(first, begun.get(fence) ?? first))
  const limits = new Map<number, number>()
  let limit = Number.POSITIVE_INFINITY
  for (const [fence, first] of [...begun].sort(([one], [other]) => other - one)) {
    limits.set(fence, limit)
    limit = Math.min(limit, first)
  }
  return segments
    .map((segment) => ({ ...segment, limit: limits.get(segment.fence) as number }))
    .filter((segment) => segment.first <= segment.limit)
}

/** Removes the journal of a console that is gone. */
export async function removeJournal(directory: string): Promise<void> {
  checkDirectory(directory)
  await rm(directory, { recursive: true, force: true })
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
