import { describe, expect, test } from 'vitest'
import { hashPassword, randomPassword, verifyPassword } from './passwords.ts'

describe('a password', () => {
  test('is verified by its hash, and another is not', async () => {
    const hash = await hashPassword('correct horse')
    expect(await verifyPassword('correct horse', hash)).toBe(true)
    expect(await verifyPassword('correct horsf', hash)).toBe(false)
    expect(await verifyPassword('', hash)).toBe(false)
  })

  test('is hashed by Argon2id with 19 MiB, and each time with another salt', async () => {
    const hashes = await Promise.all([hashPassword('same'), hashPassword('same')])
    for (const hash of hashes)
      expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
    expect(hashes[0]).not.toBe(hashes[1])
  })

  test('is verified with the parameters of its hash, whatever new ones are made with', async () => {
    // Of the reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 32 -e
    const hash = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
    expect(await verifyPassword('password', hash)).toBe(true)
  })

  test('of nobody is refused, after as much work as for somebody', async () => {
    const hash = await hashPassword('x')
    const times = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY }
    for (let index = 0; index < 5; index++)
      for (const kind of ['known', 'unknown'] as const) {
        const before = performance.now()
        expect(await verifyPassword('y', kind === 'known' ? hash : null)).toBe(false)
        times[kind] = Math.min(times[kind], performance.now() - before)
      }
    // Not hashing would take a thousandth; the machine may be busy with something else.
    expect(times.unknown).toBeGreaterThan(times.known / 5)
    expect(times.unknown).toBeLessThan(times.known * 5)
  })

  test('made up for somebody has 128 random bits', () => {
    expect(randomPassword()).toMatch(/^p[\w-]{22}$/)
    expect(randomPassword()).not.toBe(randomPassword())
  })

  test('waits while others are hashed, and is refused when too many wait', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 140 }, () => verifyPassword('x', weak)))
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(10)
    expect(refused[0]?.reason).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 })
    expect(await verifyPassword('password', weak)).toBe(true)
  })
})

const weak = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
