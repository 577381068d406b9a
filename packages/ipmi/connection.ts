/** One account on one BMC: one operation at a time, over a session that is opened when needed and renewed when lost. */
import type { Command, Operation, Reply } from './command.ts'
import { getDeviceId } from './commands.ts'
import { type Patience, pause, unlessAborted } from './converse.ts'
import { IpmiError } from './errors.ts'
import { createSlots, type Slots } from './limits.ts'
import { busyPause, type Link, type LinkSettings, unreadable } from './link.ts'
import { openLink } from './open-link.ts'
import type { Account } from './target.ts'
import type { Transport } from './transport.ts'

export type Connection = {
  perform<T>(operation: Operation<T>, signal: AbortSignal): Promise<T>
  readonly hasSession: boolean
  /** Whether nothing is under way or waiting. */
  readonly idle: boolean
  /** When a caller last used it, and when the BMC was last heard, on performance.now()'s clock. */
  readonly usedAtMs: number
  readonly heardAtMs: number
  /** Asks something harmless so that the BMC does not time the session out; a lost session is forgotten. */
  keepAlive(signal: AbortSignal): Promise<void>
  /** Closes the session, if any, at the BMC. */
  closeSession(): Promise<void>
}

export type ConnectionDeps = {
  transport: Transport
  settings: LinkSettings & { maxQueuedPerBmc: number }
  /** Places for operations of all connections. */
  slots: Slots
  /** Makes room for one more session; called before opening. */
  makeRoom(): void
  /** A session was opened (1) or is gone (-1). */
  counted(change: 1 | -1): void
}

export function createConnection(account: Account, deps: ConnectionDeps): Connection {
  const { transport, settings } = deps
  const turns = createSlots(1, settings.maxQueuedPerBmc, 'this BMC')
  let link: Link | undefined
  let usedAtMs = performance.now()

  const open = async (signal: AbortSignal): Promise<Link> => {
    deps.makeRoom()
    deps.counted(1)
    try {
      const peer = await unlessAborted(transport.resolve(account.address, account.port), signal)
      link = await openLink(account, peer, transport, settings, signal)
      return link
    } catch (error) {
      deps.counted(-1)
      throw error
    }
  }

  const take = (): Link | undefined => {
    const taken = link
    link = undefined
    if (taken !== undefined) deps.counted(-1)
    return taken
  }

  const exchange = async (command: Command, patience: Patience, signal: AbortSignal) => {
    const current = link ?? (await open(signal))
    try {
      const reply = await current.exchange(command, patience, signal)
      if (reply === undefined) take()?.abandon()
      return { reply, garbled: current.garbled }
    } catch (error) {
      // Given up on while the BMC was silent: the next request must not start by waiting for the same silence.
      const silent = current.unanswered >= doubtfulTries
      if (silent) take()?.abandon()
      const outOfTime = error instanceof IpmiError && error.code === 'timeout'
      if (outOfTime && command.once) throw unknownOutcome(command)
      throw outOfTime && silent ? fellSilent(command) : error
    }
  }

  const send = async (command: Command, signal: AbortSignal): Promise<Reply> => {
    let renewals = 0
    for (let busy = 0; ; ) {
      const reused = link !== undefined
      const silentMs = performance.now() - (link?.heardAtMs ?? 0)
      const patience = reused && !command.once && silentMs > doubtfulAfterMs ? doubtful(settings) : settings
      const { reply, garbled } = await exchange(command, patience, signal)
      if (reply === undefined) {
        if (garbled !== undefined) throw unreadable(command, garbled)
        if (command.once) throw unknownOutcome(command)
        if (renewals >= renewalsAtMost) throw lost(command)
        renewals += 1
        continue
      }
      if (!busyCodes.has(reply.completionCode) || busy >= busyRetries || command.once) return reply
      busy += 1
      await pause(busyPause(settings, busy), signal)
    }
  }

  return {
    async perform(operation, signal) {
      const leaveTurn = await turns.acquire(signal)
      try {
        const leaveSlot = await deps.slots.acquire(signal)
        try {
          return await operation((command) => send(command, signal))
        } finally {
          leaveSlot()
        }
      } finally {
        usedAtMs = performance.now()
        leaveTurn()
      }
    },
    async keepAlive(signal) {
      if (turns.working > 0 || link === undefined) return
      const leaveTurn = await turns.acquire(signal)
      try {
        await exchange(getDeviceId, doubtful(settings), signal)
      } finally {
        leaveTurn()
      }
    },
    get hasSession() {
      return link !== undefined
    },
    get idle() {
      return turns.working === 0
    },
    get usedAtMs() {
      return usedAtMs
    },
    get heardAtMs() {
      return link?.heardAtMs ?? 0
    },
    async closeSession() {
      await take()?.close()
    },
  }
}

/** A session that may have died unnoticed is given up sooner than one heard a moment ago. */
const doubtfulAfterMs = 3_000
const doubtfulTries = 2
const doubtful = (settings: Patience): Patience => ({
  ...settings,
  tries: Math.min(doubtfulTries, settings.tries),
})

/** How often one command may have its session opened anew. */
const renewalsAtMost = 2

/** Node busy, and timeout while processing. */
const busyCodes: ReadonlySet<number> = new Set([0xc0, 0xc3])
const busyRetries = 3

const unknownOutcome = (command: Command) =>
  new IpmiError('timeout', `no answer to ${command.name}: it may have been done or not; read the power state`)

const fellSilent = (command: Command) =>
  new IpmiError(
    'unreachable',
    `it answered until now but not to ${command.name}; check the BMC and the network`,
  )

const lost = (command: Command) =>
  new IpmiError('session-lost', `the session fell silent at ${command.name}; try again, or reset the BMC`)
