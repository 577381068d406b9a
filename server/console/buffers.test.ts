import { expect, it } from 'vitest'
import { createBuffers } from './buffers.ts'

const kb = 1024

it('a watcher may keep so much, and goes on when half of it is gone', () => {
  let told = 0
  const share = createBuffers({ eachBytes: 100 * kb, allBytes: 1000 * kb }).join(() => told++)
  expect([10, 100, 101, 60, 51].map((size) => share.keeps(size * kb))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
  expect(told).toBe(0)
  expect(share.keeps(50 * kb)).toBe(true)
  expect(told).toBe(1)
})

it('when all together keep too much nobody is given more than a piece, until some are gone', () => {
  const buffers = createBuffers({ eachBytes: 100 * kb, allBytes: 150 * kb })
  const [greedy, other, modest] = [0, 1, 2].map(() => buffers.join(() => {}))
  expect(greedy?.keeps(100 * kb)).toBe(true)
  expect(other?.keeps(60 * kb)).toBe(false)
  expect(modest?.keeps(10 * kb)).toBe(false)
  // It drains, and goes on.
  expect(modest?.keeps(kb)).toBe(true)
  greedy?.leave()
  expect(greedy?.keeps(100 * kb)).toBe(true)
  expect(modest?.keeps(40 * kb)).toBe(true)
})
