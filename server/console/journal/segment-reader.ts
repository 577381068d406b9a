/** The records of one segment file, block by block, from the block on in which an offset is. */
import { type FileHandle, open } from 'node:fs/promises'
import { blockBytes, decodeBlock, headerBytes, offsetInHeader, type StoredRecord } from './record.ts'

/** Records from a block on that begins before `from`; of a segment that has been removed meanwhile, none. */
export async function* recordsOf(path: string, from: number): AsyncGenerator<StoredRecord[]> {
  const file = await openIfThere(path)
  if (!file) return
  try {
    for (let number = await blockOf(file, from); ; number += 1) {
      const block = await readBlock(file, number)
      const records = decodeBlock(block)
      if (records.length > 0) yield records
      if (block.length < blockBytes) return
    }
  } finally {
    await file.close()
  }
}

/**
 * The last block whose first record is before the offset, or the first block. What begins at the offset may follow a
 * mark at the same offset in the block before, hence "before".
 */
async function blockOf(file: FileHandle, from: number): Promise<number> {
  const { size } = await file.stat()
  let [low, high] = [0, Math.max(0, Math.ceil(size / blockBytes) - 1)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const offset = await firstOffset(file, middle)
    if (offset !== undefined && offset < from) low = middle
    else high = middle - 1
  }
  // The headers were believed so far; begin earlier where the disk has damaged the one that was chosen.
  while (low > 0 && decodeBlock(await readBlock(file, low)).length === 0) low -= 1
  return low
}

async function firstOffset(file: FileHandle, number: number): Promise<number | undefined> {
  const header = Buffer.allocUnsafe(headerBytes)
  const { bytesRead } = await file.read(header, 0, headerBytes, number * blockBytes)
  return offsetInHeader(header.subarray(0, bytesRead))
}

/** A new buffer each time, for entries are views of it. */
async function readBlock(file: FileHandle, number: number): Promise<Buffer> {
  const block = Buffer.allocUnsafeSlow(blockBytes)
  const { bytesRead } = await file.read(block, 0, blockBytes, number * blockBytes)
  return block.subarray(0, bytesRead)
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
