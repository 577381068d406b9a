/** One kept connection to a switch: opened when needed, reused, closed when idle, not tried while the breaker is open. */
import { asSwitchError, SwitchError } from './errors.ts'
import type { Driver, Reply, Request, Session, SwitchEvent, SwitchTarget } from './types.ts'

export type Link = {
  /** The open session, or a new one. `fresh` closes the old one first. @throws SwitchError */
  session: (options?: { fresh?: boolean }) => Promise<Session>
  /** Starts the clock after which an idle session is closed. */
  rest: () => void
  close: () => Promise<void>
}

export type LinkOptions = {
  connectTimeoutMs: number
  idleSessionMs: number
  breakerFailures: number
  breakerOpenMs: number
  onEvent: (event: SwitchEvent) => void
}

export function createLink(driver: Driver, target: SwitchTarget, options: LinkOptions): Link {
  let open: Session<Request, Reply> | undefined
  let idle: NodeJS.Timeout | undefined
  let failures = 0
  let lastFailure: SwitchError | undefined
  let closedUntil = 0

  async function session({ fresh = false } = {}): Promise<Session> {
    clearTimeout(idle)
    if (open?.alive() && !fresh) return open
    await drop()
    if (lastFailure !== undefined && Date.now() < closedUntil)
      throw new SwitchError(
        lastFailure.code,
        `not tried again before ${new Date(closedUntil).toISOString()} after ${failures} failures in a row; the last: ${lastFailure.message}`,
        { cause: lastFailure },
      )
    const began = Date.now()
    try {
      open = await driver.transport.connect(target, { timeoutMs: options.connectTimeoutMs })
    } catch (error) {
      lastFailure = asSwitchError(error, `cannot connect to ${target.address}`)
      failures++
      if (failures >= options.breakerFailures) closedUntil = Date.now() + options.breakerOpenMs
      options.onEvent({ event: 'connect-failed', error: lastFailure.message })
      throw lastFailure
    }
    failures = 0
    lastFailure = undefined
    options.onEvent({ event: 'connected', tookMs: Date.now() - began })
    return open
  }

  function rest(): void {
    clearTimeout(idle)
    idle = setTimeout(() => void drop(), options.idleSessionMs)
    idle.unref()
  }

  async function drop(): Promise<void> {
    clearTimeout(idle)
    const old = open
    open = undefined
    await old?.close().catch(() => undefined)
  }

  return { session, rest, close: drop }
}
