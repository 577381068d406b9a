/**
 * The way to a console that another conductor keeps: a WebSocket to it, with a ticket for the visitor. When that
 * conductor goes and a third one takes the console over, the visitor stays, and goes on at the byte it was at.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { LeaseholdError } from '../errors.ts'
import type { Db } from '../store/index.ts'
import { endingOfCode } from './endings.ts'
import { holderOf } from './holders.sql.ts'
import { subprotocol } from './protocol.ts'
import { issueTicket } from './tickets.sql.ts'
import type { Attachment, AttachOptions, Control, Request, Sink, Visitor } from './types.ts'

/** How long a way is looked for anew before the visitor is sent away. */
const searchMs = 30_000
const ticketSeconds = 30
const handshakeMs = 5_000
/** Keys that wait for a way to the machine, at most. */
const queueBytes = 64 * 1024

export interface ForwardDeps {
  db: Db
  /** Set when the console has come to this process in the meantime: the visitor must come again. */
  isHere(nodeUuid: string): boolean
}

/** @throws LeaseholdError 'unavailable' when no conductor keeps it, or the one that does cannot be reached. */
export async function attachElsewhere(
  deps: ForwardDeps,
  visitor: Visitor,
  console: { nodeUuid: string; name: string | null; spanId: string },
  options: AttachOptions,
  sink: Sink,
): Promise<Attachment> {
  const { nodeUuid } = console
  let next = options.offset
  let mode = options.mode
  let socket: WebSocket | undefined
  let left = false
  let queued = 0

  const connect = async (): Promise<WebSocket> => {
    const holder = await holderOf(deps.db, nodeUuid)
    if (!holder?.url || deps.isHere(nodeUuid))
      throw new LeaseholdError('unavailable', 'No conductor keeps this console at the moment; try again.', {
        retryAfterSeconds: 1,
      })
    const { ticket } = await issueTicket(deps.db, {
      nodeUuid,
      spanId: console.spanId,
      userId: visitor.caller.userId,
      projectId: visitor.caller.projectId,
      mode,
      origin: null,
      reusable: false,
      lifeSeconds: ticketSeconds,
      proof: visitor.proof,
      door: visitor.door,
      address: visitor.address,
    })
    const query = new URLSearchParams({ ticket })
    const { scrollbackBytes } = options
    if (next !== undefined) query.set('offset', String(next))
    else if (scrollbackBytes !== undefined) query.set('scrollback', String(scrollbackBytes))
    const base = holder.url.replace(/^http/, 'ws')
    return open(new WebSocket(`${base}/v1/nodes/${nodeUuid}/console?${query}`, subprotocol, webSocketOptions))
  }

  const listen = (opened: WebSocket) => {
    socket = opened
    opened.on('message', (data, isBinary) => {
      if (left) return
      if (!isBinary) return hear(JSON.parse((data as Buffer).toString('utf8')) as Control)
      const bytes = data as Buffer
      const offset = next ?? 0
      next = offset + bytes.length
      if (!sink.bytes(offset, bytes)) opened.pause()
    })
    const closed = (code: number) => {
      socket = undefined
      const ending = endingOfCode(code)
      if (left) return
      if (ending) {
        left = true
        sink.ended(ending)
      } else void search()
    }
    opened.on('close', closed)
    if (opened.readyState !== WebSocket.OPEN) return closed(1006)
    opened.on('error', () => {})
    opened.resume()
    sink.writable()
  }

  const hear = (message: Control) => {
    if (message.type === 'hello') next = message.offset
    if (message.type === 'gap') next = message.to
    // Whoever had the keyboard asks for it again on the next way; who lost it only looks on.
    if (message.type === 'mode') mode = message.mode === 'write' ? 'take' : 'read'
    sink.control(message)
  }

  const search = async () => {
    sink.control({ type: 'reconnecting' })
    const until = performance.now() + searchMs
    while (!left && performance.now() < until) {
      await sleep(200 + Math.random() * 300)
      try {
        const opened = await connect()
        if (left) return opened.close()
        return listen(opened)
      } catch {
        // Nobody keeps it yet, or cannot be reached, or the database cannot: looked for again until it is late.
      }
    }
    if (left) return
    left = true
    sink.ended('unavailable')
  }

  const say = (request: Request) => {
    if (request.type === 'release') mode = 'read'
    if (request.type === 'take' || request.type === 'force') mode = 'take'
    // The other side hears so many a second; what it does not even read is not kept for it.
    if (socket && socket.bufferedAmount < queueBytes) socket.send(JSON.stringify(request))
  }

  const first = await connect()
  listen(first)
  return {
    node: { uuid: nodeUuid, name: console.name },
    write(bytes) {
      if (!socket || queued + bytes.length > queueBytes) return false
      queued += bytes.length
      socket.send(bytes, { binary: true }, () => {
        queued -= bytes.length
        sink.writable()
      })
      return true
    },
    request: say,
    drained: () => socket?.resume(),
    close() {
      left = true
      socket?.close()
    },
  }
}

const webSocketOptions = { handshakeTimeout: handshakeMs, perMessageDeflate: false, maxPayload: 1024 * 1024 }

/** Waits for the handshake. @throws LeaseholdError as the other conductor refuses, 'unavailable' when it does not answer. */
function open(socket: WebSocket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.terminate()
      reject(
        new LeaseholdError(
          'unavailable',
          'The conductor that keeps this console does not answer; try again.',
          {
            cause: error,
            retryAfterSeconds: 1,
          },
        ),
      )
    })
    socket.once('open', () => {
      // Until somebody listens: what the other side says first must not be missed.
      socket.pause()
      resolve(socket)
    })
  })
}
