/** The wheel of timers: late by a tick at most, never early, and nothing that was taken back. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWheel } from './wheel.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('each runs once, in its tick, also beyond a whole turn of the wheel', () => {
  const wheel = createWheel(10, 8)
  const ran: [number, number][] = []
  const startedAt = performance.now()
  for (const ms of [0, 1, 10, 75, 80, 81, 160, 1_000]) {
    wheel.after(ms, () => ran.push([ms, performance.now() - startedAt]))
  }
  vi.advanceTimersByTime(2_000)
  expect(ran.map(([ms]) => ms)).toEqual([0, 1, 10, 75, 80, 81, 160, 1_000])
  for (const [ms, at] of ran) {
    expect(at).toBeGreaterThanOrEqual(ms)
    expect(at).toBeLessThanOrEqual(ms + 20)
  }
})

test('what was taken back does not run, not even from within the same tick', () => {
  const wheel = createWheel(10, 8)
  const ran: string[] = []
  const cancel = wheel.after(50, () => ran.push('cancelled before'))
  wheel.after(20, () => cancelWithin())
  const cancelWithin = wheel.after(20, () => ran.push('cancelled within its tick'))
  cancel()
  cancel()
  wheel.after(30, () => ran.push('kept'))
  vi.advanceTimersByTime(200)
  expect(ran).toEqual(['kept'])
})

test('its interval runs only while something waits, and begins again', () => {
  const wheel = createWheel(10, 8)
  let ran = 0
  for (let round = 0; round < 2; round += 1) {
    wheel.after(25, () => {
      ran += 1
    })
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(100)
    expect(vi.getTimerCount()).toBe(0)
  }
  expect(ran).toBe(2)
})
