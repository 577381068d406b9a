/** Keeps one line open: opens it, opens it again when it is lost, for as long as the console is on. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, LeaseholdError, messageOf } from '../errors.ts'
import type { Line, LineEvents } from '../hardware/index.ts'
import type { LineState, LineStatus } from './types.ts'

export interface SupervisorDeps {
  /** One try. */
  open(events: LineEvents, signal: AbortSignal): Promise<Line>
  /** As in LineEvents. */
  data(bytes: Buffer): void
  remember(session: Record<string, unknown>): void | Promise<void>
  noted(event: 'break' | 'overrun'): void
  writable(): void
  changed(status: LineStatus, before: LineStatus): void
  /** How long one try may take, milliseconds. */
  openTimeoutMs: number
}

export interface Supervisor {
  readonly status: LineStatus
  /** False when there is no room: nothing was taken. What is typed while the line is down goes nowhere. */
  write(bytes: Buffer): boolean
  sendBreak(): boolean
  /** Lets go of the line and opens it anew: the way to the machine has changed. */
  reopen(reason: string): void
  close(): Promise<void>
}

/** Shortest and longest pause between two tries, milliseconds; a random time in between, wider after each failure. */
const pauseMs = { least: 250, first: 500, most: 5_000 }
/** A line that stood for so long starts the count of failures anew. */
const soundMs = 10_000

/** The pause before the next try, after so many that failed in a row; `random` is from 0 to 1. */
export const pauseBefore = (failures: number, random: number): number =>
  pauseMs.least +
  random * (Math.min(pauseMs.most, pauseMs.first * 2 ** Math.min(failures, 10)) - pauseMs.least)

export function superviseLine(deps: SupervisorDeps): Supervisor {
  const ending = new AbortController()
  let status: LineStatus = { state: 'idle', since: new Date(), ...well }
  let line: Line | undefined
  /** Ends what is under way: a try, a line that stands, a pause. */
  let interrupt: (reason: string) => void = () => {}

  const enter = (state: LineState, { reason, plainReason }: Trouble = well) => {
    if (status.state === state && status.reason === reason) return
    const before = status
    status = { state, reason, plainReason, since: status.state === state ? status.since : new Date() }
    deps.changed(status, before)
  }

  /** Opens the line and holds it until it is lost. @returns whether it stood, and why it is gone */
  const hold = async (): Promise<{ stoodMs: number; trouble: Trouble; silent: boolean }> => {
    const attempt = new AbortController()
    const late = setTimeout(
      () => attempt.abort(new LeaseholdError('unavailable', `no line within ${deps.openTimeoutMs / 1000} s`)),
      deps.openTimeoutMs,
    )
    const gone = Promise.withResolvers<{ trouble: Trouble; silent: boolean }>()
    interrupt = (reason) => {
      attempt.abort(new LeaseholdError('unavailable', reason))
      gone.resolve({ trouble: { reason, plainReason: reason }, silent: true })
    }
    let live = true
    const whileLive =
      <Args extends unknown[]>(call: (...args: Args) => void) =>
      (...args: Args) => {
        if (live) call(...args)
      }
    try {
      const opened = await deps.open(
        {
          data: whileLive(deps.data),
          activating: whileLive(() => enter('activating', status)),
          remember: (session) => (live ? deps.remember(session) : undefined),
          noted: whileLive(deps.noted),
          drained: whileLive(deps.writable),
          lost: ({ error }) => gone.resolve({ trouble: troubleOf(error), silent: isSilence(error) }),
        },
        attempt.signal,
      )
      clearTimeout(late)
      line = opened
      const sinceMs = performance.now()
      enter('up')
      deps.writable()
      const why = await gone.promise
      live = false
      line = undefined
      if (ending.signal.aborted) enter('idle')
      else enter('backing off', why.trouble)
      await opened.close().catch(() => {})
      return { stoodMs: performance.now() - sinceMs, ...why }
    } catch (error) {
      return { stoodMs: 0, trouble: troubleOf(error), silent: isSilence(error) }
    } finally {
      live = false
      clearTimeout(late)
    }
  }

  const run = async () => {
    for (let failures = 0; !ending.signal.aborted; ) {
      enter('opening', status)
      const { stoodMs, trouble, silent } = await hold()
      // A machine that is silent is asked again soon: the asking itself is patient, and costs it nothing.
      failures = stoodMs > soundMs || silent ? 0 : failures + 1
      if (ending.signal.aborted) break
      enter('backing off', trouble)
      const pause = new AbortController()
      interrupt = () => pause.abort()
      await sleep(pauseBefore(failures, Math.random()), undefined, {
        signal: pause.signal,
        ref: false,
      }).catch(() => {})
    }
    enter('idle')
  }
  // Begins after its maker has it.
  const running = Promise.resolve().then(run)

  return {
    get status() {
      return status
    },
    write: (bytes) => line?.write(bytes) ?? true,
    sendBreak() {
      if (!line?.sendBreak) return false
      line.sendBreak()
      return true
    },
    reopen: (reason) => interrupt(reason),
    async close() {
      ending.abort()
      interrupt('the console is closed')
      await running
    },
  }
}

type Trouble = Pick<LineStatus, 'reason' | 'plainReason'>
const well: Trouble = { reason: null, plainReason: null }

/** What is told to those who are not to learn how the machine is reached: by the error's code. */
const plainReasons: Readonly<Partial<Record<ErrorCode, string>>> = {
  unavailable: 'the machine’s serial line does not answer; it is tried again all the time',
  conflict: 'another program has the machine’s serial line',
}
const plainRefusal = 'the machine’s serial line cannot be opened; whoever owns the machine can see why'

const troubleOf = (error: unknown): Trouble => ({
  reason: messageOf(error),
  plainReason: (error instanceof LeaseholdError && plainReasons[error.code]) || plainRefusal,
})

/** No answer, as against a refusal. */
const isSilence = (error: unknown): boolean => error instanceof LeaseholdError && error.code === 'unavailable'
