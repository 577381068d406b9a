import { describe, expect, test } from 'vitest'
import { createTokenCache } from './token-cache.ts'

/** A cache that counts its look-ups; each is answered when the test says. */
function counted(options: { lifeMs?: number; maxEntries?: number } = {}) {
  const asked: string[] = []
  let answer: (token: string) => Promise<string> = async (token) => `${token} ${asked.length}`
  const cache = createTokenCache<string>({
    ...(options.maxEntries === undefined ? {} : { maxEntries: options.maxEntries }),
    lookUp: async (token) => {
      asked.push(token)
      return { value: await answer(token), untilMs: Date.now() + (options.lifeMs ?? 60_000) }
    },
  })
  return {
    cache,
    asked,
    answerWith: (how: typeof answer) => {
      answer = how
    },
  }
}

describe('the token cache', () => {
  test('asks once for a token that many ask about at once, and believes the answer for its time', async () => {
    const { cache, asked } = counted()
    const answers = await Promise.all([cache.get('a'), cache.get('a'), cache.get('a')])
    expect(answers).toEqual(['a 1', 'a 1', 'a 1'])
    await cache.get('a')
    expect(asked).toEqual(['a'])
  })

  test('asks again when the time is over', async () => {
    const { cache, asked } = counted({ lifeMs: 0 })
    await cache.get('a')
    await cache.get('a')
    expect(asked).toHaveLength(2)
  })

  test('does not remember a failure', async () => {
    const { cache, answerWith } = counted()
    answerWith(() => Promise.reject(new Error('down')))
    await expect(cache.get('a')).rejects.toThrow('down')
    answerWith(async () => 'up')
    expect(await cache.get('a')).toBe('up')
  })

  test('keeps the most recently used of too many', async () => {
    const { cache, asked } = counted({ maxEntries: 2 })
    for (const token of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(token)
    expect(asked).toEqual(['a', 'b', 'c', 'b'])
  })

  test('forgets also what was being looked up when it was told to', async () => {
    const { cache, answerWith } = counted()
    const { promise, resolve } = Promise.withResolvers<string>()
    answerWith(() => promise)
    const before = cache.get('a')
    cache.forget()
    answerWith(async () => 'new')
    const after = cache.get('a')
    resolve('old')
    expect(await Promise.all([before, after])).toEqual(['old', 'new'])
    expect(await cache.get('a')).toBe('new')
  })
})
