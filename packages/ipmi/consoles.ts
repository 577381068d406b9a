/** The consoles of one client: each on a session of its own, all of them on one socket and one clock. */
import { unlessAborted } from './converse.ts'
import { aboutBmc, type IpmiError } from './errors.ts'
import type { LinkSettings } from './link.ts'
import { openLink } from './open-link.ts'
import { runSol } from './sol.ts'
import { type Activation, activateSol } from './sol-open.ts'
import type { Sol, SolOptions } from './sol-options.ts'
import type { SolQuirk } from './sol-quirks.ts'
import type { Account } from './target.ts'
import type { Transport } from './transport.ts'
import { createWheel } from './wheel.ts'
import { payloadTypes } from './wire/index.ts'

export type Consoles = {
  open(account: Account, bmc: string, options: SolOptions, signal: AbortSignal): Promise<Sol>
  readonly count: number
  /** Ends all of them at their BMCs, at the same time. */
  close(): Promise<void>
}

export type ConsolesDeps = {
  transport: Transport
  settings: LinkSettings
  /** Makes room for one more session; called before opening. */
  makeRoom(): void
  /** A session was opened (1) or is gone (-1). */
  counted(change: 1 | -1): void
}

export function createConsoles({ transport, settings, makeRoom, counted }: ConsolesDeps): Consoles {
  const wheel = createWheel()
  const open = new Set<Sol>()
  const farewells = new Set<Promise<void>>()
  const turn = createPace(opensAtOnce, opensEveryMs)
  // A BMC that is on its way back is to be found soon; each knock is one small datagram.
  const patience: LinkSettings = {
    ...settings,
    replyTimeoutMs: Math.min(settings.replyTimeoutMs, 500),
    growth: 1,
    tries: Math.max(settings.tries, 100),
  }

  const start = async (
    account: Account,
    bmc: string,
    options: SolOptions,
    signal: AbortSignal,
    gone: () => void,
  ): Promise<Sol> => {
    const quirks: ReadonlySet<SolQuirk> = new Set(options.quirks)
    const peer = await unlessAborted(transport.resolve(account.address, account.port), signal)
    const link = await openLink(account, peer, transport, patience, signal)
    // The machine may speak before the answer has been read.
    const early: [Buffer, number][] = []
    let activation: Activation
    try {
      await unlessAborted(Promise.resolve(options.onSession?.(link.bmcId)), signal)
      options.onActivating?.()
      link.onPayload(payloadTypes.sol, (payload, at) => {
        if (early.length < mostEarly) early.push([payload, at])
      })
      activation = await activateSol(link, account.port, options, quirks, patience, signal)
    } catch (error) {
      link.abandon()
      throw error
    }
    let given = false
    let lostEarly: IpmiError | undefined
    const onLost = (error: IpmiError) => {
      if (given) options.onLost(aboutBmc(error, bmc) as IpmiError)
      else lostEarly = error
    }
    const { sol, take } = runSol(link, wheel, activation, { ...options, onLost }, quirks, (farewell) => {
      open.delete(sol)
      gone()
      if (farewell === undefined) return
      const done = farewell.finally(() => farewells.delete(done))
      farewells.add(done)
    })
    open.add(sol)
    for (const [payload, at] of early) take(payload, at)
    if (lostEarly !== undefined) throw lostEarly
    given = true
    return sol
  }

  return {
    async open(account, bmc, options, signal) {
      await turn(signal)
      makeRoom()
      counted(1)
      let counting = true
      const gone = () => {
        if (counting) counted(-1)
        counting = false
      }
      try {
        return await start(account, bmc, options, signal, gone)
      } catch (error) {
        gone()
        throw error
      }
    },
    get count() {
      return open.size
    },
    async close() {
      for (const sol of open) void sol.close()
      await Promise.allSettled(farewells)
      wheel.stop()
    },
  }
}

/** So many openings start together: more answers than that at once would not fit into the socket's buffer. */
const opensAtOnce = 48
const opensEveryMs = 20
const mostEarly = 16

/** Lets `many` pass every `ms`, in the order they came. */
function createPace(many: number, ms: number): (signal: AbortSignal) => Promise<void> {
  const waiting = new Set<() => void>()
  let left = many
  let refilling = false

  const refill = () => {
    left = many
    for (const pass of waiting) {
      if (left === 0) break
      left -= 1
      pass()
    }
    refilling = left < many
    if (refilling) setTimeout(refill, ms)
  }

  return (signal) => {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (!refilling) setTimeout(refill, ms)
    refilling = true
    if (left > 0 && waiting.size === 0) {
      left -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const pass = () => {
        waiting.delete(pass)
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        waiting.delete(pass)
        reject(signal.reason)
      }
      waiting.add(pass)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }
}
