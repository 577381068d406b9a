/**
 * The page's end of a console: one WebSocket after the other, and where in the journal we are. However often a
 * connection is lost, each byte reaches the screen once, in order, or as a gap that is said. Knows no document.
 *
 * @import { Control, Mode, Request } from '../types.ts'
 */

/**
 * Why the page can not go on by itself: sign in again, nothing more to be seen, or something to be done first.
 * @typedef {{ kind: 'sign-in' | 'over' | 'denied' | 'not-found' | 'conflict', message: string }} Ending
 */

/**
 * What can be said against letting us in. `mode`: not in this mode, but perhaps as a reader.
 * @typedef {{ kind: 'again' | 'mode' | Ending['kind'], message: string }} Refusal
 */

/**
 * How the link is. `waiting`: the connection is lost, and made anew after `delayMs`; `full`: let go on purpose, until
 * the screen has shown what came.
 * @typedef {{ at: 'connecting' | 'open' | 'full' } | { at: 'waiting', delayMs: number, message: string }} LinkState
 */

/**
 * @typedef {object} Surroundings
 * @property {(mode: Mode) => Promise<{ ticket: string } | { refusal: Refusal }>} ticket
 * @property {(parameters: string) => SocketLike} open A socket; the parameters are of its URL.
 * @property {(offset: number, bytes: Uint8Array, done: () => void) => void} bytes Shows bytes; `done` when it has.
 * @property {(control: Control) => void} control
 * @property {(gap: { from: number, to: number, reason: string }) => void} gap
 * @property {(state: LinkState) => void} state
 * @property {(ending: Ending) => void} ended
 * @property {(message: string) => void} note What the reader should know, and need not do anything about.
 * @property {() => number} [random]
 */

/**
 * What we use of a WebSocket.
 * @typedef {object} SocketLike
 * @property {string} binaryType
 * @property {((event: { data: unknown }) => void) | null} onmessage
 * @property {((event: { code: number, reason: string }) => void) | null} onclose
 * @property {(data: string | Uint8Array<ArrayBuffer>) => void} send
 * @property {() => void} close
 */

/**
 * A WebSocket can not be told to wait, so bytes that the screen has not shown yet pile up in the tab. At the first
 * mark we hang up: the journal keeps what is to come, and at the second mark we go on where we were.
 */
export const fullBytes = 16 * 1024 * 1024
export const roomBytes = 2 * 1024 * 1024
export const shortestDelayMs = 250
export const longestDelayMs = 5000
/** How often a silent connection is asked for a sign of life; two askings without one, and it counts as lost. */
export const askEveryMs = 10_000
/** Keys go in frames of this size at most, so that a pasted file is no frame that a server refuses. */
export const keysInFrame = 4096

/**
 * Close codes after which coming again is of no use: signed out, asked for what is not, no right, none left, sent away,
 * the node has changed hands, switched off. One that is full (4429) has room again when somebody leaves.
 * @type {Record<number, Ending['kind']>}
 */
const endings = {
  4401: 'sign-in',
  4400: 'over',
  4403: 'over',
  4404: 'not-found',
  4408: 'over',
  4409: 'conflict',
  4410: 'over',
}

/**
 * Makes a link; `start` begins it.
 * @param {Surroundings} around
 */
export function createLink(around) {
  const random = around.random ?? Math.random
  /** The offset that the screen waits for; undefined before the first byte. @type {number | undefined} */
  let next
  /** Where we are in what the server sends. */
  let position = 0
  /** @type {Mode} */
  let wanted = 'read'
  /** @type {SocketLike | undefined} */
  let socket
  let greeted = false
  let failures = 0
  let unshown = 0
  let full = false
  let asked = 0
  /** Said on closing and on switching, so that what comes late from before is not heeded. */
  let round = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let asking
  let lastGap = ''
  /** The service's names for us, one a connection. @type {Set<string>} */
  const selves = new Set()

  async function connect() {
    const mine = ++round
    clearTimeout(retry)
    retry = undefined
    around.state({ at: 'connecting' })
    const answer = await around.ticket(wanted)
    if (mine !== round) return
    if ('refusal' in answer) return refused(answer.refusal)
    const parameters = new URLSearchParams({ mode: wanted, ticket: answer.ticket })
    if (next !== undefined) parameters.set('offset', String(next))
    greeted = false
    asked = 0
    const opened = around.open(`${parameters}`)
    socket = opened
    opened.binaryType = 'arraybuffer'
    opened.onmessage = ({ data }) => {
      if (mine !== round) return
      asked = 0
      if (typeof data === 'string') control(/** @type {Control} */ (JSON.parse(data)))
      else if (greeted) received(new Uint8Array(/** @type {ArrayBuffer} */ (data)))
    }
    opened.onclose = ({ code, reason }) => {
      if (mine === round) closed(code, reason)
    }
    clearInterval(asking)
    asking = setInterval(() => {
      if (++asked > 2) closed(1006, 'nothing was heard for some time')
      else if (greeted) request({ type: 'ping' })
    }, askEveryMs)
  }

  /** @param {Refusal} refusal */
  function refused({ kind, message }) {
    if (kind === 'again') return later(message)
    if (kind !== 'mode') return end({ kind, message })
    if (wanted === 'read') return end({ kind: 'denied', message })
    wanted = 'read'
    around.note(message)
    void connect()
  }

  /** @param {Control} message */
  function control(message) {
    if (message.type === 'hello') greet(message)
    if (!greeted) return
    if (message.type === 'mode') wanted = message.mode
    if (message.type === 'gap') {
      position = message.to
      gap(message.from, message.to, message.reason)
    } else around.control(message)
  }

  /** @param {Extract<Control, { type: 'hello' }>} hello */
  function greet(hello) {
    greeted = true
    failures = 0
    position = hello.offset
    if (next === undefined) next = hello.offset
    else if (hello.end < next) {
      // A journal that ends before what we have seen is another one.
      gap(next, next, 'the journal was begun anew')
      next = hello.offset
    }
    around.state({ at: 'open' })
    if (wanted !== 'read' && hello.mode === 'read') {
      // Where a connection has died silently, the service may still hold it to be alive, and typing.
      if (hello.watchers.some(({ id, mode }) => mode === 'write' && selves.has(id))) request({ type: 'take' })
      else around.note('The keyboard is with somebody else now.')
    }
    wanted = hello.mode
    selves.add(hello.watcher)
  }

  /** @param {Uint8Array} bytes */
  function received(bytes) {
    // Not said, but so.
    if (next === undefined || position > next) gap(next ?? position, position, 'not in the journal')
    const seen = Math.min(Math.max((next ?? position) - position, 0), bytes.length)
    position += bytes.length
    if (seen === bytes.length) return
    const fresh = seen === 0 ? bytes : bytes.subarray(seen)
    next = position
    unshown += fresh.length
    around.bytes(position - fresh.length, fresh, () => {
      unshown -= fresh.length
      if (full && unshown <= roomBytes) {
        full = false
        void connect()
      }
    })
    if (unshown > fullBytes && !full) {
      full = true
      hangUp()
      around.state({ at: 'full' })
    }
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {string} reason
   */
  function gap(from, to, reason) {
    const name = `${from} ${to} ${reason}`
    const start = Math.max(from, next ?? from)
    // Said before: behind it, or right at it, as may be after a reconnection.
    if (to < start || (to === start && (from < to || name === lastGap))) return
    lastGap = name
    next = to
    around.gap({ from: start, to, reason })
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  function closed(code, reason) {
    const wasIn = greeted
    hangUp()
    if (code === 4403 && !wasIn) refused({ kind: 'mode', message: reason })
    else if (code in endings) end({ kind: /** @type {Ending['kind']} */ (endings[code]), message: reason })
    else later(reason || (code === 1012 ? 'The service is stopping.' : 'The connection was lost.'))
  }

  /** @param {string} message */
  function later(message) {
    const most = Math.min(longestDelayMs, shortestDelayMs * 2 ** (failures + 1))
    failures += 1
    const delayMs = Math.round(shortestDelayMs + random() * (most - shortestDelayMs))
    around.state({ at: 'waiting', delayMs, message })
    retry = setTimeout(() => void connect(), delayMs)
  }

  function hangUp() {
    round += 1
    clearTimeout(retry)
    retry = undefined
    clearInterval(asking)
    const old = socket
    socket = undefined
    greeted = false
    if (!old) return
    old.onmessage = null
    old.onclose = null
    old.close()
  }

  /** @param {Ending} ending */
  function end(ending) {
    hangUp()
    around.ended(ending)
  }

  /** @param {Request} message */
  function request(message) {
    if (!socket || !greeted) return false
    socket.send(JSON.stringify(message))
    return true
  }

  return {
    /**
     * Begins, or begins anew; with an offset, there.
     * @param {{ mode?: Mode, offset?: number }} [options]
     */
    start({ mode, offset } = {}) {
      hangUp()
      full = false
      if (mode) wanted = mode
      if (offset !== undefined) next = offset
      failures = 0
      void connect()
    },
    /** Does not wait for the next attempt any longer. */
    hurry() {
      if (retry !== undefined) void connect()
    },
    /**
     * Keys for the machine; false when there is no connection, and then they are dropped: nobody wants a key of a
     * minute ago to be pressed now.
     * @param {Uint8Array<ArrayBuffer>} bytes
     */
    send(bytes) {
      if (!socket || !greeted) return false
      for (let at = 0; at < bytes.length; at += keysInFrame) socket.send(bytes.subarray(at, at + keysInFrame))
      return true
    },
    request,
    stop: hangUp,
  }
}
