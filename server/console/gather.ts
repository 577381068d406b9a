/**
 * Gathers what a machine prints in quick succession: who watches is told of it at most so often, and a hundred who
 * watch a flood do not cost a hundred writes a packet. What comes alone is passed on at once.
 */
export interface Gatherer {
  add(offset: number, bytes: Buffer): void
  /** Passes on what waits. */
  flush(): void
}

/** Passed on is at most so much at once. */
const mostBytes = 32 * 1024

export function createGatherer(everyMs: number, pass: (offset: number, bytes: Buffer) => void): Gatherer {
  let waiting: Buffer[] = []
  let from = 0
  let size = 0
  let passedAtMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  const flush = () => {
    clearTimeout(timer)
    if (waiting.length === 0) return
    const bytes = Buffer.concat(waiting)
    waiting = []
    size = 0
    passedAtMs = performance.now()
    pass(from, bytes)
  }

  return {
    add(offset, bytes) {
      // Offsets have gone on without bytes.
      if (offset !== from + size) flush()
      if (waiting.length === 0) {
        const sinceMs = performance.now() - passedAtMs
        if (sinceMs >= everyMs) {
          passedAtMs = performance.now()
          return pass(offset, bytes)
        }
        from = offset
        timer = setTimeout(flush, everyMs - sinceMs)
      }
      waiting.push(bytes)
      size += bytes.length
      if (size >= mostBytes) flush()
    },
    flush,
  }
}
