/** Where a journal begins and ends, from the names of its segments and the last block of the last one. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { blockBytes, decodeBlock, decodeMark, kinds, missingBytes, type StoredRecord } from './record.ts'
import { listSegments, type Segment, visibleSegments } from './segments.ts'

export interface Extent {
  /** The oldest offset still kept. */
  readonly start: number
  /** The offset that the next byte gets. */
  readonly end: number
}

/** Of a node that has no journal: from 0 to 0. Costs the listing of a directory and the reading of one block. */
export function extent(directory: string): Extent {
  const segments = visibleSegments(listSegments(directory))
  const last = segments.at(-1)
  if (!last) return { start: 0, end: 0 }
  try {
    return { start: segments[0]?.first as number, end: endOf(last) }
  } catch (error) {
    // The sweep has put an empty one in its place since: its name is listed now.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return extent(directory)
    throw error
  }
}

/**
 * The end and the highest fencing number, for a writer that must begin somewhere even if the disk does not let itself be
 * read: then behind all that may be there, so that no offset is given twice.
 */
export function localEnd(directory: string, segmentBytes: number): { end: number; fence: number } {
  let segments: Segment[] = []
  try {
    segments = listSegments(directory)
    const fence = segments.reduce((highest, segment) => Math.max(highest, segment.fence), 0)
    return { end: extent(directory).end, fence }
  } catch {
    const last = segments.at(-1)
    return last ? { end: last.first + segmentBytes, fence: last.fence } : { end: 0, fence: 0 }
  }
}

/** The oldest offset, unless there is none or it cannot be read. */
export function localStart(directory: string): number | undefined {
  try {
    return visibleSegments(listSegments(directory))[0]?.first
  } catch {
    return undefined
  }
}

/** The offset after the last whole record of a segment. */
export function endOf(segment: Segment): number {
  const last = lastRecord(segment.path)
  return last ? offsetAfter(last) : segment.first
}

function offsetAfter(record: StoredRecord): number {
  const span = record.kind === kinds.bytes ? record.payload.length : missingBytes(decodeMark(record.payload))
  return record.offset + span
}

/** The last whole record; a torn one after it, from a write that a kill cut short, was never acknowledged. */
function lastRecord(path: string): StoredRecord | undefined {
  const descriptor = openSync(path, 'r')
  try {
    const block = Buffer.allocUnsafe(blockBytes)
    for (let number = Math.ceil(fstatSync(descriptor).size / blockBytes) - 1; number >= 0; number -= 1) {
      const length = readSync(descriptor, block, 0, blockBytes, number * blockBytes)
      const last = decodeBlock(block.subarray(0, length)).at(-1)
      if (last) return last
    }
    return undefined
  } finally {
    closeSync(descriptor)
  }
}
