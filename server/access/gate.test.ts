import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createGate } from './gate.ts'

const limits = { atOnce: 2, waiting: 3, waitMs: 1000, what: 'things' }

describe('a gate', () => {
  test('lets only so many work at once, the others in their order', async () => {
    const gate = createGate(limits)
    let working = 0
    let most = 0
    const done: number[] = []
    const work = (index: number) =>
      gate.run(async () => {
        most = Math.max(most, ++working)
        await sleep(5)
        working--
        done.push(index)
      })
    await Promise.all([0, 1, 2, 3, 4].map(work))
    expect(most).toBe(2)
    expect(done).toEqual([0, 1, 2, 3, 4])
  })

  test('refuses at once when the queue is full, and lets in again afterwards', async () => {
    const gate = createGate(limits)
    const { promise, resolve } = Promise.withResolvers<void>()
    const admitted = Array.from({ length: 5 }, () => gate.run(() => promise))
    await expect(gate.run(async () => 'in')).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterSeconds: 1,
    })
    resolve()
    await Promise.all(admitted)
    expect(await gate.run(async () => 'in')).toBe('in')
  })

  test('refuses who has waited too long, whose place another then has', async () => {
    const gate = createGate({ ...limits, atOnce: 1, waiting: 1, waitMs: 20 })
    const { promise, resolve } = Promise.withResolvers<void>()
    const first = gate.run(() => promise)
    await expect(gate.run(async () => 'late')).rejects.toMatchObject({ code: 'unavailable' })
    const next = gate.run(async () => 'next')
    resolve()
    await first
    expect(await next).toBe('next')
  })

  test('is left also by work that fails', async () => {
    const gate = createGate({ ...limits, atOnce: 1, waiting: 0 })
    await expect(gate.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await gate.run(async () => 'in')).toBe('in')
  })
})
