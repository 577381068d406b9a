/** The WebSocket door: bytes as binary frames; beside them, for who asks for it, control messages as text. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Authenticator } from '../../access/index.ts'
import { LeaseholdError, statusOf } from '../../errors.ts'
import { answerRaw } from '../../raw-answer.ts'
import type { Buffers } from '../buffers.ts'
import { closeCodeFor, closeCodeOf } from '../endings.ts'
import { insistent } from '../insistent.ts'
import { requestOf, subprotocol } from '../protocol.ts'
import type { Visit } from '../tickets.sql.ts'
import {
  type Attach,
  type Attachment,
  type Control,
  endings,
  type Mode,
  modes,
  type Sink,
  type Visitor,
} from '../types.ts'
import { typist } from '../typist.ts'

export interface WebsocketDoorDeps {
  attach: Attach
  authenticator: Authenticator
  /** Uses a ticket up. */
  redeem(
    ticket: string,
    cameFrom: { origin: string | undefined; sameOrigin: boolean },
  ): Promise<(Visit & { nodeUuid: string; mode: Mode }) | undefined>
  /** Who visitors are now; null for those whose proof is no longer good. */
  recheck(visitors: readonly Visitor[]): Promise<ReadonlyMap<Visitor, Visitor['caller'] | null>>
  log: Logger
  buffers: Buffers
  /** Bytes in memory for one watcher that does not keep up. */
  bufferBytes: number
}

export interface WebsocketDoor {
  /** Takes an HTTP upgrade, if it is one for a console; false when it is not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  close(): Promise<void>
}

/** A peer is asked this often whether it lives. It is gone when it was silent so many times, and took nothing either. */
const pingEveryMs = 15_000
const silentTimes = 2
const messageLimitBytes = 64 * 1024
const connectionsAtMost = 10_000
const helloTimeoutMs = 15_000

export function createWebsocketDoor(deps: WebsocketDoorDeps): WebsocketDoor {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: messageLimitBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => [subprotocol, 'binary'].find((each) => offered.has(each)) ?? false,
  })
  let arriving = 0
  const peers = new WeakMap<WebSocket, Peer>()
  const pinging = setInterval(() => {
    for (const socket of server.clients) {
      const peer = peers.get(socket)
      if (peer && isGone(peer)) socket.terminate()
      else socket.ping()
    }
  }, pingEveryMs)
  pinging.unref()

  /** Finds out who comes, and lets them in. */
  const welcome = async (asked: Asked, request: IncomingMessage, relay: Relay): Promise<Attachment> => {
    const wish = wishOf(asked.query)
    const { visitor, ident, mode, only } = await identify(deps, asked, wish.mode, request)
    const { offset, scrollbackBytes } = wish
    const door = offersControl(request)
      ? { sink: relay.sink, around: (attachment: Attachment) => attachment }
      : insistent(mode, relay.sink)
    const attachment = await deps.attach(visitor, ident, { mode, offset, scrollbackBytes }, door.sink)
    if (only === undefined || attachment.node.uuid === only) return door.around(attachment)
    attachment.close()
    throw new LeaseholdError('unauthenticated', 'The ticket is for another node.')
  }

  return {
    upgrade(request, socket, head) {
      const asked = readRequest(request)
      if (asked === undefined) return false
      socket.on('error', () => {})
      const handshake = (then: (webSocket: WebSocket) => void) => {
        if (!socket.destroyed) server.handleUpgrade(request, socket, head, then)
      }
      const refuse = (error: unknown) => {
        if (!(error instanceof LeaseholdError))
          deps.log.error({ err: error }, 'a console could not be opened')
        // A page is told nothing of a refused upgrade: it gets in, and is told by the close code.
        if (!offersControl(request)) return answerError(request, socket, error)
        handshake((webSocket) => {
          const { code, text } = closeCodeFor(error)
          webSocket.close(code, text)
          setTimeout(() => webSocket.terminate(), 2_000).unref()
        })
      }
      if (server.clients.size + arriving >= connectionsAtMost) {
        refuse(new LeaseholdError('unavailable', 'Too many consoles are open here; try again later.'))
        return true
      }
      arriving += 1
      const relay = createRelay()
      const coming = welcome(asked, request, relay)
      const letIn = within(coming, helloTimeoutMs).then(
        (attachment) => {
          if (socket.destroyed) return attachment.close()
          socket.once('close', () => attachment.close())
          handshake((webSocket) => {
            const peer: Peer = { socket, silent: 0, taken: 0, behind: 0 }
            peers.set(webSocket, peer)
            webSocket.on('pong', () => {
              peer.silent = 0
            })
            relay.open(serve(webSocket, attachment, deps))
            attachment.drained()
          })
        },
        (error: unknown) => {
          refuse(error)
          // Let in when it was too late.
          coming.then((attachment) => attachment.close()).catch(() => {})
        },
      )
      letIn
        .catch((error: unknown) => {
          deps.log.error({ err: error }, 'a console could not be opened')
          socket.destroy()
        })
        .finally(() => {
          arriving -= 1
        })
      return true
    },
    async close() {
      clearInterval(pinging)
      for (const socket of server.clients) {
        socket.close(closeCodeOf('stopping'), endings.stopping)
        setTimeout(() => socket.terminate(), 300).unref()
      }
      server.close()
    },
  }
}

/** What is known of the other side: how often it did not answer, how much it had taken by then, and had not. */
interface Peer {
  readonly socket: Duplex
  silent: number
  taken: number
  behind: number
}

/**
 * A slow one answers late: the question waits behind what it has not taken yet. That it goes on taking is an answer,
 * too; if nothing waits, the system takes a question for anybody.
 */
function isGone(peer: Peer): boolean {
  const { bytesWritten = 0, writableLength } = peer.socket as Duplex & { bytesWritten?: number }
  const taken = bytesWritten - writableLength
  peer.silent = peer.behind > 0 && taken > peer.taken ? 0 : peer.silent + 1
  peer.taken = taken
  peer.behind = writableLength
  return peer.silent > silentTimes
}

/** A sink that keeps the little that is said before the handshake is done. */
interface Relay {
  sink: Sink
  open(sink: Sink): void
}

function createRelay(): Relay {
  let opened: Sink | undefined
  const early: ((sink: Sink) => void)[] = []
  const pass = (say: (sink: Sink) => void) => {
    if (opened) say(opened)
    else early.push(say)
  }
  return {
    sink: {
      bytes(offset, bytes) {
        if (opened) return opened.bytes(offset, bytes)
        early.push((sink) => void sink.bytes(offset, bytes))
        return false
      },
      control: (message) => pass((sink) => sink.control(message)),
      writable: () => opened?.writable(),
      ended: (ending) => pass((sink) => sink.ended(ending)),
    },
    open(sink) {
      opened = sink
      for (const say of early.splice(0)) say(sink)
    },
  }
}

/** What a URL asks for. */
interface Asked {
  ident: string | undefined
  query: URLSearchParams
  /** A ticket, or a console token of esi-leap's kind. */
  ticket: string | undefined
}

/**
 * Reads `/v1/nodes/NODE/console?mode=&offset=&scrollback=&ticket=`, or any path with `?token=`, as esi-leap's clients have it.
 * Undefined for everything else.
 */
function readRequest(request: IncomingMessage): Asked | undefined {
  const base = 'http://console.invalid'
  const path = request.url ?? '/'
  if (!URL.canParse(path, base)) return undefined
  const url = new URL(path, base)
  const ident = /^(?:\/v1)?\/nodes\/([^/]+)\/console$/.exec(url.pathname)?.[1]
  const ticket = url.searchParams.get('ticket') ?? url.searchParams.get('token') ?? undefined
  if (ident === undefined && ticket === undefined) return undefined
  return { ident: ident === undefined ? undefined : safely(ident), query: url.searchParams, ticket }
}

/** How the console is to be opened. @throws LeaseholdError 'invalid': who meant to look on must not get the keyboard. */
function wishOf(query: URLSearchParams) {
  const named = query.get('mode')
  const mode = modes.find((each) => each === named)
  if (named !== null && mode === undefined)
    throw new LeaseholdError('invalid', `mode must be one of ${modes.join(', ')}.`)
  const bytes = (name: string): number | undefined => {
    const value = query.get(name)
    if (value === null) return undefined
    if (!/^\d{1,15}$/.test(value))
      throw new LeaseholdError('invalid', `${name} must be a number of bytes, of 1 to 15 digits.`)
    return Number(value)
  }
  return { mode, offset: bytes('offset'), scrollbackBytes: bytes('scrollback') }
}

const safely = (encoded: string): string => {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}

/** Who comes, to which node, to do what; a ticket lets into `only` one. @throws LeaseholdError 'unauthenticated', the same for every reason. */
async function identify(
  deps: WebsocketDoorDeps,
  asked: Asked,
  wanted: Mode | undefined,
  request: IncomingMessage,
): Promise<{ visitor: Visitor; ident: string; mode: Mode; only?: string }> {
  const origin = request.headers.origin
  const address = request.socket.remoteAddress ?? ''
  if (asked.ticket !== undefined) {
    const ticket = await deps.redeem(asked.ticket, { origin, sameOrigin: isSameOrigin(request) })
    if (!ticket)
      throw new LeaseholdError('unauthenticated', 'The ticket is unknown, used, or over; get another one.')
    const { nodeUuid, mode, proof, door, address: from } = ticket
    const caller = await callerOf(deps, proof)
    return {
      visitor: { caller, proof, door: door ?? 'websocket', address: from ?? address },
      ident: asked.ident ?? nodeUuid,
      mode,
      only: nodeUuid,
    }
  }
  // A page of another site must not use what a browser would send along by itself.
  if (!isSameOrigin(request)) throw new LeaseholdError('unauthenticated', 'Pages come in with a ticket.')
  const token = headerOf(request, 'x-auth-token')
  const serviceToken = headerOf(request, 'x-service-token')
  const caller = await deps.authenticator.authenticate({
    token,
    serviceToken,
    method: 'GET',
    path: (request.url ?? '/').split('?')[0] as string,
  })
  return {
    visitor: {
      caller,
      proof: { kind: 'token', token: token ?? '', ...(serviceToken === undefined ? {} : { serviceToken }) },
      door: 'websocket',
      address,
    },
    ident: asked.ident as string,
    mode: wanted ?? 'write',
  }
}

async function callerOf(deps: WebsocketDoorDeps, proof: Visitor['proof']): Promise<Visitor['caller']> {
  const visitor = { proof } as Visitor
  const caller = (await deps.recheck([visitor])).get(visitor)
  if (!caller) throw new LeaseholdError('unauthenticated', 'What the ticket was got with is no longer valid.')
  return caller
}

const headerOf = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** No browser, or a page of this service itself. */
function isSameOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

const offersControl = (request: IncomingMessage): boolean =>
  (headerOf(request, 'sec-websocket-protocol') ?? '').split(',').some((each) => each.trim() === subprotocol)

/** Ties a WebSocket and an attachment together. */
function serve(
  socket: WebSocket,
  attachment: Attachment,
  { buffers, bufferBytes }: Pick<WebsocketDoorDeps, 'buffers' | 'bufferBytes'>,
): Sink {
  const speaksControl = socket.protocol === subprotocol
  const share = buffers.join(() => attachment.drained(), bufferBytes - largestChunkBytes)
  const note = () => share.keeps(socket.bufferedAmount)
  const keys = typist(attachment, socket)

  const control = (message: Control) => {
    // Who does not even read these is of no use to anybody.
    if (socket.bufferedAmount > 2 * bufferBytes) socket.terminate()
    else if (speaksControl) socket.send(JSON.stringify(message), note)
  }
  socket.on('message', (data, isBinary) => {
    const bytes = data as Buffer
    if (isBinary || !speaksControl) return keys.type(bytes)
    const request = requestOf(bytes.toString('utf8'))
    if (request) attachment.request(request)
    else control({ type: 'error', error: 'this is no request; see docs/consoles.md' })
  })
  socket.on('close', () => {
    share.leave()
    attachment.close()
  })
  socket.on('error', () => {})
  return {
    bytes(_offset, bytes) {
      socket.send(bytes, { binary: true }, note)
      return note()
    },
    control,
    writable: keys.writable,
    ended(ending) {
      socket.close(closeCodeOf(ending), endings[ending])
      // Within the second in which a watcher is to be cut, whether it answers or not.
      setTimeout(() => socket.terminate(), 300).unref()
    },
  }
}

/** What the hub gives at once at most, with room for a frame's header. */
const largestChunkBytes = 68 * 1024

function answerError({ method }: IncomingMessage, socket: Duplex, error: unknown): void {
  const { code, message } =
    error instanceof LeaseholdError
      ? error
      : { code: 'unavailable' as const, message: 'The console could not be opened; try again.' }
  const status = statusOf[code]
  answerRaw(socket, status, { error: { code: status, title: code, message } }, method)
}

/** What `work` gives, unless it takes too long. */
function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new LeaseholdError('unavailable', 'The console could not be opened in time; try again.')),
      ms,
    )
    work.then(resolve, reject).finally(() => clearTimeout(late))
  })
}
