/** How often somebody may ask for something: some at once, then some a second. */

/** @returns whether the next one is in time */
export function createPace(perSecond: number, atOnce: number): () => boolean {
  let left = atOnce
  let countedAtMs = performance.now()
  return () => {
    const nowMs = performance.now()
    left = Math.min(atOnce, left + ((nowMs - countedAtMs) / 1000) * perSecond)
    countedAtMs = nowMs
    if (left < 1) return false
    left -= 1
    return true
  }
}
