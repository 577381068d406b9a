/**
 * What is remembered of tokens between requests, for a moment: bounded, least recently used first to go. Requests
 * that ask about the same token at the same time share one look-up.
 */
import { createHash } from 'node:crypto'

/** SHA-256 of a token: what it is stored and remembered by. */
export const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()

export interface TokenCache<T> {
  /** @throws what `lookUp` throws; failures are not remembered. */
  get(token: string): Promise<T>
  /** Forgets everything, also what look-ups that are under way will find: who asks after this sees the present. */
  forget(): void
}

/** What is known of a token, and the instant (of `Date.now()`) until which that is believed. */
export interface Known<T> {
  value: T
  untilMs: number
}

/** Makes a cache in front of `lookUp`, which gets the token and its SHA-256. */
export function createTokenCache<T>(options: {
  lookUp: (token: string, hash: Buffer) => Promise<Known<T>>
  maxEntries?: number
}): TokenCache<T> {
  const { lookUp, maxEntries = 10_000 } = options
  let known = new Map<string, Known<T>>()
  let underWay = new Map<string, Promise<T>>()

  const find = async (token: string, hash: Buffer, key: string): Promise<T> => {
    // Forgetting replaces the maps: a look-up that began before it leaves its answer in a map nobody reads.
    const remembered = known
    const waiting = underWay
    try {
      const found = await lookUp(token, hash)
      if (found.untilMs > Date.now()) remembered.set(key, found)
      if (remembered.size > maxEntries) remembered.delete(remembered.keys().next().value as string)
      return found.value
    } finally {
      waiting.delete(key)
    }
  }

  return {
    get(token) {
      const hash = hashOf(token)
      const key = hash.toString('base64')
      const found = known.get(key)
      if (found) {
        known.delete(key)
        if (found.untilMs > Date.now()) {
          known.set(key, found) // to its place as the most recently used
          return Promise.resolve(found.value)
        }
      }
      const shared = underWay.get(key)
      if (shared) return shared
      const own = find(token, hash, key)
      underWay.set(key, own)
      return own
    },
    forget() {
      known = new Map()
      underWay = new Map()
    },
  }
}
