import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createThrottle, type ThrottleOptions } from './throttle.ts'

/** A throttle whose clock the test moves. */
function clocked(options: ThrottleOptions = {}) {
  let nowMs = 1_000_000
  const throttle = createThrottle({ ...options, now: () => nowMs })
  const waitSeconds = (account: string, address: string): number => {
    try {
      throttle.check(account, address)
      return 0
    } catch (error) {
      expect(error).toMatchObject({ code: 'too-many' })
      return (error as { retryAfterSeconds: number }).retryAfterSeconds
    }
  }
  const pass = (seconds: number): void => {
    nowMs += seconds * 1000
  }
  const fail = (times: number, account: string, address: string): void => {
    for (let index = 0; index < times; index++) throttle.failed(account, address)
  }
  return { throttle, waitSeconds, pass, fail }
}

describe('the throttle', () => {
  test('lets five failures of an account pass, then doubles the wait with each', () => {
    const { waitSeconds, fail } = clocked()
    fail(5, 'ann', '192.0.2.1')
    expect(waitSeconds('ann', '192.0.2.1')).toBe(0)
    const waits = [1, 2, 4, 8].map(() => {
      fail(1, 'ann', '192.0.2.1')
      return waitSeconds('ann', '192.0.2.1')
    })
    expect(waits).toEqual([1, 2, 4, 8])
  })

  test('is about one account at one address: others go on', () => {
    const { waitSeconds, fail } = clocked()
    fail(10, 'ann', '192.0.2.1')
    expect(waitSeconds('ann', '192.0.2.2')).toBe(0)
    expect(waitSeconds('bob', '192.0.2.1')).toBe(0)
  })

  test('is about an address, too, whatever accounts it tries', () => {
    const { waitSeconds, throttle } = clocked()
    for (let index = 0; index < 60; index++) throttle.failed(`account ${index}`, '192.0.2.1')
    expect(waitSeconds('yet another', '192.0.2.1')).toBe(512)
    expect(waitSeconds('yet another', '192.0.2.2')).toBe(0)
  })

  test('forgets an account when it succeeds, but not what else its address did', () => {
    const { waitSeconds, throttle, fail } = clocked({ freePerAddress: 12 })
    fail(5, 'ann', '192.0.2.1')
    fail(5, 'bob', '192.0.2.1')
    throttle.succeeded('ann', '192.0.2.1')
    fail(5, 'ann', '192.0.2.1')
    expect(waitSeconds('ann', '192.0.2.1')).toBe(0)
    fail(3, 'carl', '192.0.2.1')
    expect(waitSeconds('dan', '192.0.2.1')).toBe(1)
  })

  test('never makes anybody wait longer than the longest wait, and forgets after another', () => {
    const { waitSeconds, pass, fail } = clocked({ longestWaitMs: 60_000 })
    fail(2000, 'ann', '192.0.2.1')
    expect(waitSeconds('ann', '192.0.2.1')).toBe(60)
    pass(121)
    fail(1, 'ann', '192.0.2.1')
    expect(waitSeconds('ann', '192.0.2.1')).toBe(0)
  })

  test('takes the /64 of an IPv6 address for its address, and an embedded IPv4 address for that', () => {
    const { waitSeconds, fail } = clocked()
    fail(6, 'ann', '2001:db8::1')
    expect(waitSeconds('ann', '2001:db8:0:0:ffff::2')).toBe(1)
    expect(waitSeconds('ann', '2001:db8:0:1::1')).toBe(0)
    fail(6, 'ann', '::ffff:192.0.2.1')
    expect(waitSeconds('ann', '192.0.2.1')).toBe(1)
  })

  test('keeps no more counters than it may', () => {
    const { waitSeconds, fail } = clocked({ maxEntries: 100 })
    fail(6, 'ann', '192.0.2.1')
    for (let index = 0; index < 100; index++) fail(1, `account ${index}`, `198.51.100.${index}`)
    expect(waitSeconds('ann', '192.0.2.1')).toBe(0)
  })

  test('allows, over any time, only so many guesses of one account as the doubling leaves room for', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 500 }), (pauses) => {
        const { waitSeconds, throttle, pass } = clocked({ longestWaitMs: 3_600_000 })
        let guesses = 0
        let elapsed = 0
        for (const pause of pauses) {
          if (waitSeconds('ann', '192.0.2.1') === 0) {
            throttle.failed('ann', '192.0.2.1')
            guesses++
          }
          pass(pause)
          elapsed += pause
        }
        // After the n-th paid guess the waits so far sum to 2^(n-1) - 1 seconds; a pause of an hour forgets.
        const periods = 1 + Math.floor(elapsed / 3600)
        expect(guesses).toBeLessThanOrEqual(periods * (6 + Math.ceil(Math.log2(elapsed + 2))))
      }),
    )
  })
})
