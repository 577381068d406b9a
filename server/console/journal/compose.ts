/** Records as they go to the file in one write: split and padded so that none crosses a block. */
import { blockBytes, encode, encodeMark, headerBytes, type Kind, kinds, type Mark } from './record.ts'

/** One place for every append of the process: they are synchronous. */
const scratch = Buffer.allocUnsafe(64 * 1024)
/** A piece of a payload smaller than this is not worth a record of its own; the block is padded instead. */
const smallestPiece = 256

export interface Draft {
  readonly kind: Kind
  readonly at: number
  readonly offset: number
  readonly payload: Buffer
}

export const bytesDraft = (at: number, offset: number, payload: Buffer): Draft => ({
  kind: kinds.bytes,
  at,
  offset,
  payload,
})

export const markDraft = (at: number, offset: number, mark: Mark): Draft => ({
  kind: kinds.mark,
  at,
  offset,
  payload: encodeMark(mark),
})

/** What to write at `filePosition`. Valid until the next call. */
export function compose(filePosition: number, drafts: readonly Draft[]): Buffer {
  const target = scratchFor(drafts)
  let position = 0
  for (const draft of drafts) {
    let start = 0
    do {
      const left = draft.payload.length - start
      const room = blockBytes - ((filePosition + position) % blockBytes) - headerBytes
      const length = draft.kind === kinds.bytes && room >= smallestPiece ? Math.min(left, room) : left
      if (room < length) {
        const padding = room + headerBytes
        target.fill(0, position, position + padding)
        position += padding
        continue
      }
      const { kind, at, payload } = draft
      position = encode(target, position, { kind, at, offset: draft.offset + start, payload, start, length })
      start += length
    } while (start < draft.payload.length)
  }
  return target.subarray(0, position)
}

function scratchFor(drafts: readonly Draft[]): Buffer {
  let most = 0
  for (const { payload } of drafts) {
    // A header for each block that the payload touches, and at most one block's padding.
    most +=
      payload.length +
      headerBytes * (2 + Math.ceil(payload.length / (blockBytes - headerBytes))) +
      blockBytes / 2
  }
  return most <= scratch.length ? scratch : Buffer.allocUnsafe(most)
}
