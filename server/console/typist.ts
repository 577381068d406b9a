/** Keys on their way to the machine: what finds no room waits, in order, and no more is read until it is gone. */
import type { Attachment } from './types.ts'

export interface Typist {
  type(bytes: Buffer): void
  /** There is room again. */
  writable(): void
}

/** A line takes all of what it is given or nothing: what is larger than its queue would wait for ever. */
const pieceBytes = 4096

/** `source` is where the keys come from; what it has read already when it is paused still comes. */
export function typist(attachment: Attachment, source: { pause(): void; resume(): void }): Typist {
  const waiting: Buffer[] = []
  return {
    type(bytes) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes)
        if (waiting.length === 0 && attachment.write(piece)) continue
        waiting.push(piece)
        source.pause()
      }
    },
    writable() {
      if (waiting.length === 0) return
      while (waiting[0] && attachment.write(waiting[0])) waiting.shift()
      if (waiting.length === 0) source.resume()
    },
  }
}
