import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createGatherer } from './gather.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test('what comes alone is passed on at once, what comes quickly together and soon', () => {
  const passed: string[] = []
  const gatherer = createGatherer(8, (offset, bytes) => void passed.push(`${offset} ${bytes}`))
  gatherer.add(5, Buffer.from('a'))
  expect(passed).toEqual(['5 a'])
  gatherer.add(6, Buffer.from('b'))
  gatherer.add(7, Buffer.from('cd'))
  expect(passed).toEqual(['5 a'])
  vi.advanceTimersByTime(8)
  expect(passed).toEqual(['5 a', '6 bcd'])
  vi.advanceTimersByTime(8)
  gatherer.add(9, Buffer.from('e'))
  expect(passed).toEqual(['5 a', '6 bcd', '9 e'])
})

test('whatever comes, when and with which gaps, every byte is passed on once, at its offset, in order', () => {
  const piece = fc.record({
    length: fc.integer({ min: 1, max: 20_000 }),
    gap: fc.constantFrom(0, 0, 0, 7),
    pauseMs: fc.integer({ min: 0, max: 12 }),
    flush: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const [came, passed]: [string[], string[]] = [[], []]
      const each = (list: string[]) => (offset: number, bytes: Buffer) => {
        for (const [at, byte] of bytes.entries()) list.push(`${offset + at} ${byte}`)
      }
      const gatherer = createGatherer(8, each(passed))
      let offset = 0
      for (const { length, gap, pauseMs, flush } of pieces) {
        offset += gap
        const bytes = Buffer.alloc(length, offset % 251)
        each(came)(offset, bytes)
        gatherer.add(offset, bytes)
        offset += length
        if (flush) gatherer.flush()
        vi.advanceTimersByTime(pauseMs)
      }
      vi.advanceTimersByTime(8)
      expect(passed.length).toBe(came.length)
      expect(passed.every((entry, index) => entry === came[index])).toBe(true)
    }),
    { numRuns: 30 },
  )
})
