/**
 * The way to a console: a WebSocket that is made anew when it breaks, going on at the very byte it had come to. What
 * it had come to is known from `hello` and counted from there, so nothing is shown twice and nothing is left out.
 */
import { WebSocket } from 'ws'
import {
  type Control,
  endingOfCode,
  endings,
  type Mode,
  type Request,
  subprotocol,
} from '../console/client/index.ts'
import type { Access, TlsOptions } from './keystone.ts'

export interface LinkDeps {
  node: string
  mode: Mode
  offset: number | undefined
  scrollbackBytes: number | undefined
  tls: TlsOptions
  /** A token, a new one each time. @throws Error when the cloud gives none. */
  access(): Promise<Access>
  /** False when no more should come before `drained`. */
  onBytes(bytes: Buffer): boolean
  onControl(message: Control): void
  /** Its connection broke, and it is looked for again; or it is there again. */
  onLost(why: string): void
  /** There is room for keys again. */
  onWritable(): void
  /** It is over. */
  onEnd(end: LinkEnd): void
  timings?: Partial<LinkTimings>
}

export interface LinkEnd {
  kind: 'cut' | 'refused'
  words: string
}

export interface LinkTimings {
  handshakeMs: number
  /** A peer that has not answered a ping for so long is gone. */
  silenceMs: number
  /** Between attempts: at random between nothing and this, which doubles up to `longestWaitMs`. */
  firstWaitMs: number
  longestWaitMs: number
  /** How long it is tried for. */
  giveUpMs: number
}

export interface Link {
  /** Keys. False when they were not taken: there is no connection, or it is full. */
  write(bytes: Buffer): boolean
  request(request: Request): void
  drained(): void
  /** Says goodbye; `onEnd` is not called. */
  close(): void
}

const defaultTimings: LinkTimings = {
  handshakeMs: 20_000,
  silenceMs: 10_000,
  firstWaitMs: 250,
  longestWaitMs: 5_000,
  giveUpMs: 300_000,
}
/** Keys on their way. */
const mostUnsentBytes = 64 * 1024
/** Close codes of what can not be had: no such node, or no right to it. */
const refusals = [4403, 4404]

export function openLink(deps: LinkDeps): Link {
  const timings = { ...defaultTimings, ...deps.timings }
  let socket: WebSocket | undefined
  let known: Access | undefined
  let next = deps.offset
  /** Bytes that come again, because the service went back further than we asked. */
  let doubled = 0
  let writes = false
  /** On this connection; on any. */
  let greeted = false
  let greetedEver = false
  let over = false
  let lostSinceMs = performance.now()
  let waitMs = timings.firstWaitMs
  let timer: NodeJS.Timeout | undefined

  const end = (kind: LinkEnd['kind'], words: string) => {
    if (over) return
    over = true
    clearTimeout(timer)
    socket?.terminate()
    deps.onEnd({ kind, words })
  }

  const hear = (message: Control) => {
    if (message.type === 'hello') {
      greeted = true
      greetedEver = true
      waitMs = timings.firstWaitMs
      doubled = Math.max(0, (next ?? message.offset) - message.offset)
      next = message.offset
    }
    if (message.type === 'hello' || message.type === 'mode') writes = message.mode === 'write'
    if (message.type === 'gap') next = message.to
    deps.onControl(message)
  }

  const read = (bytes: Buffer): boolean => {
    next = (next ?? 0) + bytes.length
    const fresh = bytes.subarray(doubled)
    doubled = Math.max(0, doubled - bytes.length)
    return fresh.length === 0 || deps.onBytes(fresh)
  }

  const again = (why: string) => {
    if (over) return
    // At the start whoever calls is there to mend it.
    if (!greetedEver) return end('cut', why)
    if (greeted) {
      greeted = false
      lostSinceMs = performance.now()
      deps.onLost(why)
    }
    if (performance.now() - lostSinceMs > timings.giveUpMs) return end('cut', why)
    timer = setTimeout(() => void connect(), Math.random() * waitMs)
    waitMs = Math.min(waitMs * 2, timings.longestWaitMs)
  }

  const connect = async (): Promise<void> => {
    const isFresh = known === undefined
    try {
      known ??= await deps.access()
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error)
      return again(words)
    }
    if (over) return
    const opened = new WebSocket(urlOf(known, deps, { offset: next, mode: modeNow() }), subprotocol, {
      headers: known.token === undefined ? {} : { 'x-auth-token': known.token },
      handshakeTimeout: timings.handshakeMs,
      maxPayload: 16 * 1024 * 1024,
      perMessageDeflate: false,
      ...deps.tls,
    })
    socket = opened
    let refused: string | undefined
    const stopPinging = watchSilence(opened, timings.silenceMs)
    opened.on('message', (data, isBinary) => {
      if (over) return
      const bytes = data as Buffer
      if (isBinary) {
        if (!read(bytes)) opened.pause()
        return
      }
      const message = controlOf(bytes)
      if (message) hear(message)
    })
    opened.on('unexpected-response', (_request, response) => {
      refused = `the service answers ${response.statusCode} ${response.statusMessage}`
      response.resume()
      opened.terminate()
    })
    opened.on('error', (error) => {
      refused ??= error.message
    })
    opened.on('close', (code, reason) => {
      stopPinging()
      if (over) return
      socket = undefined
      const words = reason.toString() || refused || 'the connection was lost'
      if (code === 4401 && (greeted || !isFresh)) {
        // The token may just have expired: another one tells.
        known = undefined
        return again(words)
      }
      if (refusals.includes(code)) return end(greeted ? 'cut' : 'refused', words)
      const ending = endingOfCode(code)
      if (ending || (code >= 4400 && code < 4500))
        return end('cut', ending && greeted ? endings[ending] : words)
      again(words)
    })
  }
  /** Whoever had the keyboard takes it back from the connection that is lost, which may not be known to be yet. */
  const modeNow = (): Mode => (writes ? 'take' : deps.mode)

  void connect()
  return {
    write(bytes) {
      if (!greeted || socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > mostUnsentBytes)
        return false
      socket.send(bytes, { binary: true }, () => deps.onWritable())
      return true
    },
    request(request) {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request))
    },
    drained: () => socket?.resume(),
    close() {
      over = true
      clearTimeout(timer)
      const closing = socket
      if (!closing) return
      closing.close()
      setTimeout(() => closing.terminate(), 500)
    },
  }
}

/** Undefined for what is none, as from something between that is not the service. */
function controlOf(bytes: Buffer): Control | undefined {
  try {
    const message: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof message === 'object' && message !== null ? (message as Control) : undefined
  } catch {
    return undefined
  }
}

/** Where a console is; a question of the last byte seen and of what one wants. */
export function urlOf(
  access: Access,
  { node, scrollbackBytes }: Pick<LinkDeps, 'node' | 'scrollbackBytes'>,
  at: { offset: number | undefined; mode: Mode },
): string {
  const query = new URLSearchParams({ mode: at.mode })
  if (at.offset !== undefined) query.set('offset', String(at.offset))
  else if (scrollbackBytes !== undefined) query.set('scrollback', String(scrollbackBytes))
  return `${access.endpoint.replace(/^http/, 'ws')}/v1/nodes/${encodeURIComponent(node)}/console?${query}`
}

/** Ends a connection whose peer does not answer. */
function watchSilence(socket: WebSocket, silenceMs: number): () => void {
  let heard = true
  const note = () => {
    heard = true
  }
  socket.on('pong', note).on('message', note).on('ping', note)
  const timer = setInterval(() => {
    // One that we ourselves do not read can not be heard.
    if (socket.readyState !== WebSocket.OPEN || socket.isPaused) return
    if (!heard) return socket.terminate()
    heard = false
    socket.ping()
  }, silenceMs)
  return () => clearInterval(timer)
}
