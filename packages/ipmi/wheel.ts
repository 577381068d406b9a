/** Timers for thousands of sessions on one interval of the process: cheap to set, cheap to take back, coarse. */

export type Wheel = {
  /** Runs something once, not before `ms` and up to one tick later; the function it gives takes that back. */
  after(ms: number, run: () => void): () => void
  stop(): void
}

type Entry = { run: () => void; slot: number; rounds: number }

/** The interval runs only while something waits. It does not keep the process alive. */
export function createWheel(tickMs = 25, slots = 512): Wheel {
  const rim = Array.from({ length: slots }, () => new Set<Entry>())
  let interval: NodeJS.Timeout | undefined
  let turnedAtMs = 0
  let position = 0
  let waiting = 0

  const turn = () => {
    // After the process stood still the ticks missed are made up for: timers come late, never early.
    for (let due = Math.floor((performance.now() - turnedAtMs) / tickMs); due > 0; due -= 1) {
      turnedAtMs += tickMs
      position = (position + 1) % slots
      const slot = rim[position]
      if (slot === undefined || slot.size === 0) continue
      for (const entry of [...slot]) {
        if (!slot.has(entry)) continue
        if (entry.rounds > 0) {
          entry.rounds -= 1
          continue
        }
        slot.delete(entry)
        waiting -= 1
        entry.run()
      }
    }
    if (waiting > 0) return
    clearInterval(interval)
    interval = undefined
  }

  return {
    after(ms, run) {
      if (interval === undefined) {
        turnedAtMs = performance.now()
        interval = setInterval(turn, tickMs).unref()
      }
      const ticks = Math.ceil((performance.now() - turnedAtMs + ms) / tickMs)
      const entry = {
        run,
        slot: (position + Math.max(1, ticks)) % slots,
        rounds: Math.floor((Math.max(1, ticks) - 1) / slots),
      }
      rim[entry.slot]?.add(entry)
      waiting += 1
      return () => {
        if (rim[entry.slot]?.delete(entry)) waiting -= 1
      }
    },
    stop() {
      clearInterval(interval)
      interval = undefined
      for (const slot of rim) slot.clear()
      waiting = 0
    },
  }
}
