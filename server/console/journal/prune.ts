/** What a journal may keep: whole segments go, oldest first. */
import { closeSync, openSync, type Stats, statSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { endOf } from './extent.ts'
import { listSegments, segmentPath, type VisibleSegment, visibleSegments } from './segments.ts'

export interface Limits {
  /** A segment is left for the next one when it has grown to this. */
  readonly segmentBytes: number
  /** Of one node's journal. */
  readonly maxBytes: number
  readonly maxAgeMs: number
}

export const defaultLimits: Limits = {
  segmentBytes: 1024 ** 2,
  maxBytes: 64 * 1024 ** 2,
  maxAgeMs: 90 * 86_400_000,
}

/** A writer looks for its segment again after so long a silence; a sweep removes no newest segment younger than that. */
export const quietMs = 60_000
/** However small its segments are (a service that is restarted all day), a journal has no more of them than this. */
const mostSegments = 256

export interface Kept {
  readonly path: string
  readonly bytes: number
  readonly writtenAt: number
  /** The one that says where the journal ends: it stays, if only as an empty file. */
  readonly newest: boolean
}

/** Prunes if so many segments may be too much, for a writer that has just begun one: sizes cost a look at each file. */
export function pruneIfMany(directory: string, segments: number, limits: Limits, now: number): void {
  if (segments > mostSegments || segments * limits.segmentBytes > limits.maxBytes)
    prune(directory, limits, now)
}

/** Removes what is too much, too old, or hidden by a later holder, and returns what stays. Never throws. */
export function prune(directory: string, limits: Limits, now: number): Kept[] {
  try {
    const all = listSegments(directory)
    const visible = visibleSegments(all)
    const paths = new Set(visible.map(({ path }) => path))
    for (const { path } of all) if (!paths.has(path)) remove(path)
    return pruneVisible(visible, limits, now)
  } catch {
    return []
  }
}

function pruneVisible(visible: readonly VisibleSegment[], limits: Limits, now: number): Kept[] {
  const sizes = visible.map(({ path }) => statOf(path))
  const cost = (stats: Stats | undefined) => Math.max(stats?.size ?? 0, limits.maxBytes / mostSegments)
  let total = sizes.reduce((sum, stats) => sum + cost(stats), 0)
  const kept: Kept[] = []
  for (const [index, segment] of visible.entries()) {
    const stats = sizes[index]
    if (!stats) continue
    const newest = index === visible.length - 1
    // Only from the front: a clock that was wrong for a while must not tear holes.
    const expired = kept.length === 0 && now - stats.mtimeMs > Math.max(limits.maxAgeMs, newest ? quietMs : 0)
    if (newest) {
      const path = expired && stats.size > 0 ? replace(segment) : segment.path
      kept.push({ path, bytes: stats.size, writtenAt: stats.mtimeMs, newest })
    } else if (expired || (kept.length === 0 && total > limits.maxBytes)) {
      remove(segment.path)
      total -= cost(stats)
    } else kept.push({ path: segment.path, bytes: stats.size, writtenAt: stats.mtimeMs, newest })
  }
  return kept
}

/** Puts an empty segment in the place of an expired one: its name keeps the end, so that no offset is given twice. */
function replace(segment: VisibleSegment): string {
  const { fence, number } = segment
  const path = segmentPath(dirname(segment.path), { first: endOf(segment), fence, number: number + 1 })
  closeSync(openSync(path, 'a', 0o600))
  remove(segment.path)
  return path
}

/** Another process may have been first. */
export function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or a disk that cannot be written now: the next time will do.
  }
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false })
}
