/** Keys on their way to the machine: what finds no room waits, in order, and no more is read until it is gone. */
import type { Attachment } from './types.ts'

export interface Typist {
  type(bytes: Buffer): void
  /** There is room again. */
  writable(): void
}

/** `source` is where the keys come from; what it has read already when it is paused still comes. */
export function typist(attachment: Attachment, source: { pause(): void; resume(): void }): Typist {
  const waiting: Buffer[] = []
  return {
    type(bytes) {
      if (waiting.length === 0 && attachment.write(bytes)) return
      waiting.push(bytes)
      source.pause()
    },
    writable() {
      if (waiting.length === 0) return
      while (waiting[0] && attachment.write(waiting[0])) waiting.shift()
      if (waiting.length === 0) source.resume()
    },
  }
}
