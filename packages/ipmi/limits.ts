/** Bounded waiting: at most so many at work, at most so many in line, and whoever gives up leaves the line. */
import { IpmiError } from './errors.ts'

export type Slots = {
  /** Waits for a place; the function it gives must be called once, when done. */
  acquire(signal: AbortSignal): Promise<() => void>
  readonly working: number
  readonly waiting: number
}

/**
 * A line for `places` at once, first come first served.
 *
 * @throws IpmiError 'overloaded' from acquire when `line` are waiting already; the signal's reason when it fires
 */
export function createSlots(places: number, line: number, what: string): Slots {
  const waiting = new Set<() => void>()
  let working = 0

  const leave = () => {
    let left = false
    return () => {
      if (left) return
      left = true
      const [next] = waiting
      if (next === undefined) working -= 1
      else next()
    }
  }

  return {
    get working() {
      return working
    },
    get waiting() {
      return waiting.size
    },
    acquire(signal) {
      if (signal.aborted) return Promise.reject(signal.reason)
      if (working < places) {
        working += 1
        return Promise.resolve(leave())
      }
      if (waiting.size >= line) {
        const words = `more than ${line} requests are waiting for ${what}; ask less often or raise the limit`
        return Promise.reject(new IpmiError('overloaded', words))
      }
      return new Promise((resolve, reject) => {
        const enter = () => {
          waiting.delete(enter)
          signal.removeEventListener('abort', giveUp)
          resolve(leave())
        }
        const giveUp = () => {
          waiting.delete(enter)
          reject(signal.reason)
        }
        waiting.add(enter)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}
