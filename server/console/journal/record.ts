/**
 * A record of the journal as bytes: a header of 20 bytes and what it holds, either bytes of the serial line or a mark.
 *
 * Records never cross a multiple of 32 KiB in their file. So a reader may start at any such block without having read
 * what is before it, and never has to look for a record inside of what a machine has printed, which could be forged.
 *
 * ```
 * 0  checksum  4  CRC-32 of all that follows
 * 4  version   1  1; 0 fills the rest of a block
 * 5  kind      1  1 bytes, 2 mark
 * 6  length    2  of what the record holds
 * 8  time      6  milliseconds since 1970
 * 14 offset    6  of the first byte, or of the place between bytes where the mark stands
 * ```
 */
import { crc32 } from 'node:zlib'

export const blockBytes = 32 * 1024
export const headerBytes = 20
const version = 1
export const kinds = { bytes: 1, mark: 2 } as const
export type Kind = (typeof kinds)[keyof typeof kinds]

/** Offsets are 48 bits: a console at 1 MB/s reaches that in nine years. */
export const maximumOffset = 2 ** 48 - 1

/** What is said between bytes. A `gap` with `bytes` stands for so many bytes that were not kept. */
export interface Mark {
  readonly kind: string
  readonly [detail: string]: unknown
}

export interface StoredRecord {
  readonly kind: Kind
  readonly offset: number
  readonly at: number
  readonly payload: Buffer
}

/** Writes one record at `position` of `target` and returns the position after it. The payload fits into its block. */
export function encode(
  target: Buffer,
  position: number,
  record: { kind: Kind; at: number; offset: number; payload: Buffer; start: number; length: number },
): number {
  const end = position + headerBytes + record.length
  target[position + 4] = version
  target[position + 5] = record.kind
  target.writeUInt16BE(record.length, position + 6)
  target.writeUIntBE(record.at, position + 8, 6)
  target.writeUIntBE(record.offset, position + 14, 6)
  record.payload.copy(target, position + headerBytes, record.start, record.start + record.length)
  target.writeUInt32BE(crc32(target.subarray(position + 4, end)), position)
  return end
}

/** The offset in a header that looks like one; its checksum is not looked at. */
export function offsetInHeader(header: Buffer): number | undefined {
  const [versionByte, kind] = [header[4], header[5]]
  const like = header.length >= headerBytes && versionByte === version && (kind === 1 || kind === 2)
  return like ? header.readUIntBE(14, 6) : undefined
}

/**
 * The records of one block, up to the first that is not whole. At the end of a file that is one being written, or torn
 * when its writer was killed; elsewhere the disk has damaged it.
 */
export function decodeBlock(block: Buffer): StoredRecord[] {
  const records: StoredRecord[] = []
  let position = 0
  for (;;) {
    const record = decode(block, position)
    if (!record) return records
    records.push(record)
    position += headerBytes + record.payload.length
  }
}

/** Whether a block begins with a record that its checksum vouches for. */
export const isWhole = (block: Buffer): boolean => decode(block, 0) !== undefined

function decode(block: Buffer, position: number): StoredRecord | undefined {
  if (position + headerBytes > block.length || block[position + 4] !== version) return undefined
  const start = position + headerBytes
  const end = start + block.readUInt16BE(position + 6)
  if (end > block.length) return undefined
  if (crc32(block.subarray(position + 4, end)) !== block.readUInt32BE(position)) return undefined
  const kind = block[position + 5]
  if (kind !== kinds.bytes && kind !== kinds.mark) return undefined
  const at = block.readUIntBE(position + 8, 6)
  return { kind, at, offset: block.readUIntBE(position + 14, 6), payload: block.subarray(start, end) }
}

const longestMark = 8 * 1024

/** A mark as it is written; details too long to be of use are left out rather than refused. */
export function encodeMark(mark: Mark): Buffer {
  const whole = Buffer.from(JSON.stringify(mark))
  if (whole.length <= longestMark) return whole
  const { kind, bytes } = mark
  return Buffer.from(
    JSON.stringify({ kind: kind.slice(0, 100), ...(bytes ? { bytes } : {}), shortened: true }),
  )
}

export function decodeMark(payload: Buffer): Mark {
  try {
    const value: unknown = JSON.parse(payload.toString())
    if (typeof value === 'object' && value !== null && 'kind' in value) return value as Mark
  } catch {
    // The checksum was right, so another version has written it; that there is something is worth showing.
  }
  return { kind: 'unknown' }
}

/** How far a mark moves the offset: bytes that a gap stands for. */
export function missingBytes(mark: Mark): number {
  const { kind, bytes } = mark
  return kind === 'gap' && Number.isSafeInteger(bytes) && (bytes as number) > 0 ? (bytes as number) : 0
}
