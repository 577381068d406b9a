/** Something done again and again, one after the other, until it is stopped. */
import type { Logger } from 'pino'

export interface Loop {
  /** Does it now, or once more after the present turn. */
  soon(): void
  /** No further turn begins; waits for the one under way. */
  stop(): Promise<void>
}

/** A turn that throws is logged, and the next comes at its time. */
export function every(intervalMs: number, log: Logger, name: string, turn: () => Promise<unknown>): Loop {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let again = false
  let current: Promise<void> | undefined
  const run = () => {
    if (stopped) return
    if (current) {
      again = true
      return
    }
    clearTimeout(timer)
    again = false
    current = turn()
      .catch((error: unknown) => log.warn({ err: error }, `${name} failed; it is tried again`))
      .then(() => {
        current = undefined
        if (stopped) return
        // Spread over time: conductors that were started together do not ask together for ever.
        timer = setTimeout(run, again ? 0 : intervalMs * (0.9 + 0.2 * Math.random()))
      })
  }
  timer = setTimeout(run, intervalMs * Math.random())
  return {
    soon: run,
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await current
    },
  }
}
