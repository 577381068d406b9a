import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSlots } from './limits.ts'

const never = new AbortController().signal

describe('a line for places', () => {
  test('never lets in more than there are places, and everyone gets a turn', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 30 }),
        async (places, comers) => {
          const slots = createSlots(places, comers, 'turns')
          let working = 0
          let most = 0
          const work = async () => {
            const leave = await slots.acquire(never)
            working += 1
            most = Math.max(most, working)
            await new Promise((resolve) => setImmediate(resolve))
            working -= 1
            leave()
            leave()
          }
          await Promise.all(Array.from({ length: comers }, work))
          expect(most).toBe(Math.min(places, comers))
          expect([slots.working, slots.waiting]).toEqual([0, 0])
        },
      ),
      { numRuns: 30 },
    )
  })

  test('refuses whoever finds the line full', async () => {
    const slots = createSlots(1, 1, 'turns')
    const leave = await slots.acquire(never)
    const second = slots.acquire(never)
    await expect(slots.acquire(never)).rejects.toMatchObject({ code: 'overloaded' })
    leave()
    await second
  })

  test('lets who gave up leave the line', async () => {
    const slots = createSlots(1, 5, 'turns')
    const leave = await slots.acquire(never)
    const control = new AbortController()
    const second = slots.acquire(control.signal)
    const third = slots.acquire(never)
    control.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
    leave()
    await third
    expect(slots.waiting).toBe(0)
  })
})
