/**
 * The records of one segment file, block by block, from the block on in which an offset is.
 *
 * Finding the block is a few reads of 20 bytes, done at once: handing each to a thread and back costs fifty times what
 * the read does. What may be much, the blocks, is read by a thread.
 */
import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { blockBytes, decodeBlock, headerBytes, isWhole, offsetInHeader, type StoredRecord } from './record.ts'

const readAsync = promisify(read)
/** Blocks that are read at once. */
const stride = 4

/** Records from a block on that begins before `from`; of a segment that has been removed meanwhile, none. */
export async function* recordsOf(path: string, from: number): AsyncGenerator<StoredRecord[]> {
  const file = openIfThere(path)
  if (file === undefined) return
  try {
    for (let number = blockOf(file, from); ; number += stride) {
      // A new buffer each time, for entries are views of it.
      const buffer = Buffer.allocUnsafeSlow(stride * blockBytes)
      const { bytesRead } = await readAsync(file, buffer, 0, buffer.length, number * blockBytes)
      for (let position = 0; position < bytesRead; position += blockBytes) {
        const records = decodeBlock(buffer.subarray(position, Math.min(position + blockBytes, bytesRead)))
        if (records.length > 0) yield records
      }
      if (bytesRead < buffer.length) return
    }
  } finally {
    closeSync(file)
  }
}

/**
 * The last block whose first record is before the offset, or the first block. What begins at the offset may follow a
 * mark at the same offset in the block before, hence "before".
 */
function blockOf(file: number, from: number): number {
  let [low, high] = [0, Math.max(0, Math.ceil(fstatSync(file).size / blockBytes) - 1)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const offset = offsetInHeader(readAt(file, middle, headerBytes))
    if (offset !== undefined && offset < from) low = middle
    else high = middle - 1
  }
  // The headers were believed so far; begin earlier where the disk has damaged the one that was chosen.
  while (low > 0 && !isWhole(readAt(file, low, blockBytes))) low -= 1
  return low
}

function readAt(file: number, block: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  return buffer.subarray(0, readSync(file, buffer, 0, length, block * blockBytes))
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
