/**
 * What goes out to one SSH client: the machine's bytes on stdout, words about them on stderr, in order, and never more
 * in memory than agreed, however little the client takes.
 */
import type { Socket } from 'node:net'
import type { Connection, ServerChannel } from 'ssh2'
import type { Share } from '../buffers.ts'
import { forgetWritten, isExchangingKeys } from './ssh-library.ts'

export interface Output {
  /** The machine's bytes. False when no more should come before `onRoom`; these are taken all the same. */
  bytes(bytes: Buffer): boolean
  /** A line for the person, without its end. */
  say(line: string): void
  /** Text for whoever asked for it, on stdout. */
  print(text: string): void
  /** After all of that: the exit status, and the end of the channel. */
  end(status: number): void
  /** Nothing goes out any more. */
  stop(): void
}

export interface OutputDeps {
  channel: ServerChannel
  connection: Connection
  socket: Socket
  share: Share
  newline: '\n' | '\r\n'
}

interface Piece {
  stream: 'stdout' | 'stderr'
  bytes: Buffer
}

/** What is written to the channel at once. */
const pieceBytes = 32 * 1024
/** Lines that wait for a client that takes nothing; newer ones are left out, and counted. */
const mostLines = 100

export function createOutput(deps: OutputDeps): Output {
  const { channel, connection, socket, share, newline } = deps
  const queue: Piece[] = []
  let queuedBytes = 0
  let lines = 0
  let midLine = false
  let leftOut = 0
  let writing = false
  let stopped = false
  let status: number | undefined

  const add = (stream: Piece['stream'], bytes: Buffer) => {
    queue.push({ stream, bytes })
    queuedBytes += bytes.length
  }

  const addLine = (line: string) => {
    lines++
    // The machine's line may be half-written on the same screen.
    const before = newline === '\r\n' && midLine ? newline : ''
    midLine = false
    add('stderr', Buffer.from(before + line + newline))
  }

  /** The next bytes for one stream: as many as fit, so that a chatty machine does not make a packet of each byte. */
  const take = (): Piece | undefined => {
    const first = queue.shift()
    if (!first) return undefined
    const parts = [first.bytes]
    let length = first.bytes.length
    if (first.stream === 'stderr') lines--
    else
      while (queue[0]?.stream === 'stdout' && length + queue[0].bytes.length <= pieceBytes) {
        parts.push((queue.shift() as Piece).bytes)
        length += (parts.at(-1) as Buffer).length
      }
    queuedBytes -= length
    return { stream: first.stream, bytes: parts.length === 1 ? first.bytes : Buffer.concat(parts) }
  }

  const pump = () => {
    // One at a time: see forgetWritten.
    if (stopped || writing || socket.writableNeedDrain || isExchangingKeys(connection)) return
    const piece = take()
    if (!piece) {
      if (status !== undefined) finish(status)
      return
    }
    writing = true
    const stream = piece.stream === 'stdout' ? channel : channel.stderr
    stream.write(piece.bytes, () => {
      writing = false
      forgetWritten(channel)
      if (leftOut > 0 && lines < mostLines) {
        addLine(`[${leftOut} more messages were left out]`)
        leftOut = 0
      }
      pump()
      share.keeps(queuedBytes)
    })
  }

  const finish = (code: number) => {
    stop()
    channel.exit(code)
    channel.end()
  }

  const stop = () => {
    stopped = true
    queue.length = 0
    share.leave()
    socket.off('drain', pump)
    connection.off('rekey', pump)
  }
  socket.on('drain', pump)
  connection.on('rekey', pump)

  return {
    bytes(bytes) {
      if (stopped || status !== undefined) return true
      add('stdout', bytes)
      midLine = bytes.at(-1) !== 0x0a
      pump()
      return share.keeps(queuedBytes)
    },
    say(line) {
      if (stopped || status !== undefined) return
      if (lines < mostLines) addLine(line)
      else leftOut++
      pump()
    },
    print(text) {
      if (stopped) return
      add('stdout', Buffer.from(text.replaceAll('\n', newline)))
      pump()
    },
    end(code) {
      status ??= code
      pump()
    },
    stop,
  }
}
