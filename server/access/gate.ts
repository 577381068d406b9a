/** A bound on how much of something happens at once: so many at work, so many waiting, the rest is refused. */
import { LeaseholdError } from '../errors.ts'

export interface Gate {
  /**
   * Runs `work` as soon as there is room.
   * @throws LeaseholdError 'unavailable' at once when the queue is full; else whatever `work` throws.
   */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** Makes a gate; `what` names the work in the refusal: "Too many {what} at once". */
export function createGate(limits: { atOnce: number; waiting: number; what: string }): Gate {
  let working = 0
  const queue: (() => void)[] = []

  const enter = async (): Promise<void> => {
    if (working < limits.atOnce) {
      working++
      return
    }
    if (queue.length >= limits.waiting)
      throw new LeaseholdError('unavailable', `Too many ${limits.what} at once; try again in a second.`, {
        retryAfterSeconds: 1,
      })
    await new Promise<void>((resolve) => queue.push(resolve))
  }
  /** Hands the place to the next in the queue, or frees it. */
  const leave = (): void => {
    const next = queue.shift()
    if (next) next()
    else working--
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
