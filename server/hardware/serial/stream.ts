/** A serial line over a stream of bytes that looks after itself: TCP, or a channel of SSH. */
import type { Duplex } from 'node:stream'
import type { Line, LineEvents } from '../types.ts'
import { unavailable } from './access.ts'

/** What the bytes look like on the way: nothing special, or telnet. */
export interface Coding {
  /** Reads what came; replies of the protocol's own go out by `send`. */
  decode(bytes: Buffer): Buffer
  encode(bytes: Buffer): Buffer
}

export interface StreamLine {
  line: Line
  /** The line is gone, for a reason that the stream does not know of. */
  lose(words: string): void
}

/** Makes a line of a stream that is open. `end` lets go of what the stream lives on; it may be called twice. */
export function lineOver(
  stream: Duplex,
  events: LineEvents,
  coding: Coding,
  name: string,
  end: () => void,
): StreamLine {
  let over = false
  let queued = 0

  const lose = (words: string, cause?: unknown) => {
    if (over) return
    over = true
    end()
    events.lost({ taken: false, error: unavailable(words, cause) })
  }
  stream.on('data', (bytes: Buffer) => {
    if (over) return
    const plain = coding.decode(bytes)
    if (plain.length === 0) return
    try {
      events.data(plain)
    } catch (error) {
      lose(`Console ${name}: what the machine sent could not be recorded.`, error)
    }
  })
  stream.on('error', (error) => lose(`Console ${name}: the connection broke (${error.message}).`, error))
  stream.on('close', () => lose(`Console ${name}: the other side closed the connection.`))
  stream.on('end', () => lose(`Console ${name}: the other side closed the connection.`))

  return {
    lose,
    line: {
      get queued() {
        return queued
      },
      write(bytes) {
        if (over || queued + bytes.length > mostQueued) return false
        if (bytes.length === 0) return true
        queued += bytes.length
        stream.write(coding.encode(Buffer.from(bytes)), () => {
          queued -= bytes.length
          if (queued === 0 && !over) events.drained()
        })
        return true
      },
      async close() {
        over = true
        end()
      },
    },
  }
}

const mostQueued = 65_536

export const plainly: Coding = { decode: (bytes) => bytes, encode: (bytes) => bytes }
