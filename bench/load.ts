/** Closed-loop load: so many callers, each sends its next request when it has its answer. */
import { percentile } from './statistics.ts'

export interface Run {
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** Answers of failure. */
  failed: number
}

export interface Load {
  atOnce: number
  /** New requests are sent for so long. */
  ms: number
  /** And at most so many. */
  atMost: number
}

/** Calls `send` with 0, 1, 2...; it says whether it succeeded. @throws what `send` throws */
export async function runLoad(load: Load, send: (serial: number) => Promise<boolean>): Promise<Run> {
  const durations: number[] = []
  let serial = 0
  let failed = 0
  const begun = performance.now()
  const caller = async () => {
    while (serial < load.atMost && performance.now() - begun < load.ms) {
      const sent = performance.now()
      if (!(await send(serial++))) failed++
      durations.push(performance.now() - sent)
    }
  }
  await Promise.all(Array.from({ length: load.atOnce }, caller))
  const seconds = (performance.now() - begun) / 1000
  return {
    perSecond: durations.length / seconds,
    p50Ms: percentile(durations, 0.5),
    p99Ms: percentile(durations, 0.99),
    failed,
  }
}

/** Does `work` for every item, `atOnce` at a time. */
export async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const waiting = items.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of waiting) await work(item)
    }),
  )
}
