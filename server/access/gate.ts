/** A bound on how much of something happens at once: so many at work, so many waiting, the rest is refused. */
import { LeaseholdError } from '../errors.ts'

export interface Gate {
  /**
   * Runs `work` as soon as there is room.
   * @throws LeaseholdError 'unavailable' when the queue is full or there is no room in time; else what `work` throws.
   */
  run<T>(work: () => Promise<T>): Promise<T>
}

export interface GateLimits {
  atOnce: number
  waiting: number
  /** Longest wait for room. */
  waitMs: number
  /** Names the work in the refusal: "Too many {what} at once". */
  what: string
}

/** Makes a gate. */
export function createGate({ atOnce, waiting, waitMs, what }: GateLimits): Gate {
  let working = 0
  /** Those who wait, in their order; each is told by being called. */
  const queue = new Set<() => void>()
  const refusal = () =>
    new LeaseholdError('unavailable', `Too many ${what} at once; try again in a second.`, {
      retryAfterSeconds: 1,
    })

  const enter = async (): Promise<void> => {
    if (working < atOnce) {
      working++
      return
    }
    if (queue.size >= waiting) throw refusal()
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => {
        queue.delete(proceed)
        reject(refusal())
      }, waitMs)
      const proceed = () => {
        clearTimeout(late)
        resolve()
      }
      queue.add(proceed)
    })
  }
  /** Hands the place to the next in the queue, or frees it. */
  const leave = (): void => {
    const next = queue.values().next().value
    if (next) {
      queue.delete(next)
      next()
    } else working--
  }

  return {
    async run(work) {
      await enter()
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
