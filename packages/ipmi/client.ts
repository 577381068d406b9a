/** The client of all BMCs: one UDP socket for commands and one for consoles, bounded work, sessions kept while they are used. */
import { createHmac, randomBytes } from 'node:crypto'
import { type BootSetting, type BootWish, getBootDevice, setBootDevice } from './boot.ts'
import type { Operation, Reply } from './command.ts'
import {
  type ChannelAuthentication,
  type ChassisStatus,
  changeSessionPrivilege,
  chassisControl,
  chassisStatus,
  type DeviceId,
  deviceId,
  identify,
  type PowerAction,
  raw,
  sessionPrivilege,
} from './commands.ts'
import { type Connection, createConnection } from './connection.ts'
import { createConsoles } from './consoles.ts'
import { discover } from './discover.ts'
import { aboutBmc, IpmiError } from './errors.ts'
import { createSlots } from './limits.ts'
import type { Sol, SolOptions } from './sol-options.ts'
import { type Account, accountOf, describeBmc, type Privilege, type Target } from './target.ts'
import { createTransport } from './transport.ts'

export type ClientOptions = {
  /** Operations at work at once, over all BMCs. At most maxSessions. */
  maxConcurrent?: number
  /** Operations waiting for a place, over all BMCs; more are refused as 'overloaded'. */
  maxQueued?: number
  /** Operations waiting for one account on one BMC; more are refused as 'overloaded'. */
  maxQueuedPerBmc?: number
  /** Sessions open at once; the one unused longest makes room. */
  maxSessions?: number
  /** A session no caller used for so long is closed. BMCs drop silent ones after 30 to 60 seconds. */
  sessionIdleMs?: number
  /** If not 0, a silent session is kept alive this often while sessionIdleMs lasts. */
  keepAliveMs?: number
  /** Wait for an answer before sending again; later waits grow, up to four times as long. */
  replyTimeoutMs?: number
  /** Sends of one message at most. */
  tries?: number
  /** One message and its answer, all tries together. */
  exchangeTimeoutMs?: number
  /** Wait before asking again a BMC that says it is busy; twice as long each time, three times at most. */
  busyPauseMs?: number
  /** Whether datagrams may go to a numeric address, also one that a name leads to; unless given, to any. */
  allows?: (address: string) => boolean
  /** A whole operation with waiting, opening a session and all commands, unless the call says otherwise. */
  deadlineMs?: number
}

export type CallOptions = { signal?: AbortSignal; deadlineMs?: number }

/** Every method throws IpmiError, with the BMC's address in the message. */
export type IpmiClient = {
  deviceId(target: Target, call?: CallOptions): Promise<DeviceId>
  chassisStatus(target: Target, call?: CallOptions): Promise<ChassisStatus>
  /** Asks for a power action; that it was accepted does not mean the machine has got there. */
  chassisControl(target: Target, action: PowerAction, call?: CallOptions): Promise<void>
  identify(target: Target, seconds: number | 'forever', call?: CallOptions): Promise<void>
  setBootDevice(target: Target, wish: BootWish, call?: CallOptions): Promise<void>
  getBootDevice(target: Target, call?: CallOptions): Promise<BootSetting>
  sessionPrivilege(target: Target, call?: CallOptions): Promise<Privilege>
  changeSessionPrivilege(target: Target, privilege: Privilege, call?: CallOptions): Promise<Privilege>
  raw(target: Target, command: Parameters<typeof raw>[0], call?: CallOptions): Promise<Reply>
  /** Asks, without logging in, what a BMC speaks. Not authenticated: a hint. */
  discover(target: Pick<Target, 'address' | 'port'>, call?: CallOptions): Promise<ChannelAuthentication>
  /** Runs commands of your own in one session, not interleaved with others'. */
  perform<T>(target: Target, operation: Operation<T>, call?: CallOptions): Promise<T>
  /** Opens the machine's serial console, on a session of its own, and keeps it until it is closed or lost. */
  openSol(target: Target, options: SolOptions, call?: CallOptions): Promise<Sol>
  stats(): { sessions: number; consoles: number; working: number; waiting: number; strayDatagrams: number }
  /** Refuses what is waiting or under way, closes every session at its BMC (about a second at most) and the socket. */
  close(): Promise<void>
}

/** Makes a client. It opens its socket when first used and must be closed. */
export function createIpmiClient({ allows, ...options }: ClientOptions = {}): IpmiClient {
  const settings = { ...defaults, ...options }
  checkSettings(settings)
  const transport = createTransport(allows)
  // Some BMCs know a session by the port that it comes from: commands would end the console's, and it theirs.
  const consoleTransport = createTransport(allows)
  const slots = createSlots(settings.maxConcurrent, settings.maxQueued, 'BMCs')
  const connections = new Map<string, Connection>()
  const farewells = new Set<Promise<void>>()
  const underWay = new Set<AbortController>()
  const identityKey = randomBytes(32)
  let sessions = 0
  let closed = false

  const deps = {
    transport,
    settings,
    slots,
    counted: (change: 1 | -1) => {
      sessions += change
    },
    makeRoom: () => {
      if (sessions < settings.maxSessions) return
      const oldest = connections.entries().find(([, connection]) => connection.idle && connection.hasSession)
      if (oldest !== undefined) retire(...oldest)
    },
  }

  const consoles = createConsoles({ ...deps, transport: consoleTransport })

  const retire = (key: string, connection: Connection) => {
    connections.delete(key)
    const farewell = connection.closeSession().finally(() => farewells.delete(farewell))
    farewells.add(farewell)
  }

  const tidy = () => {
    const now = performance.now()
    for (const [key, connection] of connections) {
      if (!connection.idle) continue
      if (!connection.hasSession) connections.delete(key)
      else if (now - connection.usedAtMs >= settings.sessionIdleMs) retire(key, connection)
      else if (settings.keepAliveMs > 0 && now - connection.heardAtMs >= settings.keepAliveMs) {
        bounded({}, (signal) => connection.keepAlive(signal)).catch(() => {})
      }
    }
  }
  const tidyEveryMs = Math.max(
    50,
    Math.min(settings.sessionIdleMs, settings.keepAliveMs || Infinity, 20_000) / 4,
  )
  const tidying = setInterval(tidy, tidyEveryMs).unref()

  /** The connection for an account; any other password, key or privilege is another connection. */
  const connectionFor = (account: Account): Connection => {
    const key = identityOf(account, identityKey)
    const connection = connections.get(key) ?? createConnection(account, deps)
    connections.delete(key)
    connections.set(key, connection)
    return connection
  }

  /** Runs something under the call's signal and deadline and the client's life. */
  const bounded = async <T>(call: CallOptions, run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    if (closed) throw closedError()
    const control = new AbortController()
    const deadlineMs = call.deadlineMs ?? settings.deadlineMs
    const onAbort = () => control.abort(new IpmiError('aborted', 'the request was given up by its caller'))
    const words = `no result within ${deadlineMs} ms; the BMC or this client is overloaded, or allow more time`
    const timer = setTimeout(() => control.abort(new IpmiError('timeout', words)), deadlineMs)
    call.signal?.addEventListener('abort', onAbort, { once: true })
    if (call.signal?.aborted) onAbort()
    underWay.add(control)
    try {
      return await run(control.signal)
    } finally {
      clearTimeout(timer)
      underWay.delete(control)
      call.signal?.removeEventListener('abort', onAbort)
    }
  }

  const perform = async <T>(target: Target, operation: Operation<T>, call: CallOptions = {}): Promise<T> => {
    try {
      const account = accountOf(target)
      return await bounded(call, (signal) => connectionFor(account).perform(operation, signal))
    } catch (error) {
      throw aboutBmc(error, describeBmc(target))
    }
  }

  return {
    deviceId: (target, call) => perform(target, deviceId, call),
    chassisStatus: (target, call) => perform(target, chassisStatus, call),
    chassisControl: (target, action, call) => perform(target, chassisControl(action), call),
    identify: (target, seconds, call) => perform(target, identify(seconds), call),
    setBootDevice: (target, wish, call) => perform(target, setBootDevice(wish), call),
    getBootDevice: (target, call) => perform(target, getBootDevice, call),
    sessionPrivilege: (target, call) => perform(target, sessionPrivilege, call),
    changeSessionPrivilege: (target, privilege, call) =>
      perform(target, changeSessionPrivilege(privilege), call),
    raw: (target, command, call) => perform(target, raw(command), call),
    async discover(target, call = {}) {
      try {
        return await bounded(call, (signal) => discover(target, transport, settings, signal))
      } catch (error) {
        throw aboutBmc(error, describeBmc(target))
      }
    },
    perform,
    async openSol(target, options, call = {}) {
      const bmc = describeBmc(target)
      try {
        const account = accountOf(target)
        return await bounded(call, (signal) => consoles.open(account, bmc, options, signal))
      } catch (error) {
        throw aboutBmc(error, bmc)
      }
    },
    stats: () => ({
      sessions,
      consoles: consoles.count,
      working: slots.working,
      waiting: slots.waiting,
      strayDatagrams: transport.strays + consoleTransport.strays,
    }),
    async close() {
      if (closed) return
      closed = true
      clearInterval(tidying)
      for (const control of underWay) control.abort(closedError())
      // What was under way takes a turn of the loop to let go of its connection.
      await new Promise((resolve) => setImmediate(resolve))
      for (const [key, connection] of connections) retire(key, connection)
      await Promise.allSettled([consoles.close(), ...farewells])
      await Promise.all([transport.close(), consoleTransport.close()])
    },
  }
}

const defaults = {
  maxConcurrent: 256,
  maxQueued: 20_000,
  maxQueuedPerBmc: 32,
  maxSessions: 4_096,
  sessionIdleMs: 20_000,
  keepAliveMs: 0,
  replyTimeoutMs: 1_000,
  tries: 5,
  exchangeTimeoutMs: 10_000,
  busyPauseMs: 500,
  deadlineMs: 20_000,
  graceMs: 200,
}

function checkSettings(settings: typeof defaults): void {
  for (const [name, value] of Object.entries(settings)) {
    const least = name === 'keepAliveMs' || name.startsWith('maxQueued') ? 0 : 1
    if (!(Number.isFinite(value) && value >= least)) {
      throw new IpmiError('invalid-argument', `${name} must be a number of at least ${least}`)
    }
  }
  if (settings.maxConcurrent > settings.maxSessions) {
    throw new IpmiError('invalid-argument', 'maxConcurrent must not be more than maxSessions')
  }
}

const closedError = () => new IpmiError('closed', 'the IPMI client is closed; make a new one')

/** A name for an account that gives nothing away about its secrets. */
function identityOf(account: Account, key: Buffer): string {
  const { address, port, suite, role, username, password, bmcKey } = account
  const secrets = [username, password, bmcKey].map((bytes) => bytes.toString('hex'))
  return createHmac('sha256', key)
    .update(JSON.stringify([address, port, suite.id, role, ...secrets]))
    .digest('base64')
}
