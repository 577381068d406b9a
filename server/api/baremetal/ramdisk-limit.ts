/**
 * What bounds those who need no token: so many requests from one address, failed ones counting more, and so many large
 * bodies at once. Addresses are kept in bounded memory.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sourceOf } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'

export interface RequestLimit {
  /**
   * Takes `cost` from what the address has left.
   * @throws LeaseholdError 'too-many' with `retryAfterSeconds` when there is not as much.
   */
  spend(address: string, cost: number): void
  /** Takes it even if there is not as much: for what turned out to be a guess. */
  charge(address: string, cost: number): void
}

export interface RequestLimitOptions {
  perSecond: number
  /** Most that an address can have left. */
  atOnce: number
  /** Addresses kept at most; the longest unused one goes first. */
  maxEntries?: number
  now?: () => number
}

/** Makes a limit: each address has a store that fills by `perSecond` up to `atOnce`. */
export function createRequestLimit(options: RequestLimitOptions): RequestLimit {
  const { perSecond, atOnce, maxEntries = 10_000, now = Date.now } = options
  const stores = new Map<string, { left: number; atMs: number }>()
  const take = (address: string, cost: number): number => {
    const source = sourceOf(address)
    const store = stores.get(source)
    const filled = store ? Math.min(atOnce, store.left + ((now() - store.atMs) / 1000) * perSecond) : atOnce
    stores.delete(source) // to its place as the most recently used
    stores.set(source, { left: Math.max(-atOnce, filled - cost), atMs: now() })
    if (stores.size > maxEntries) stores.delete(stores.keys().next().value as string)
    return filled - cost
  }
  return {
    spend(address, cost) {
      const left = take(address, cost)
      if (left >= 0) return
      take(address, -cost)
      throw new LeaseholdError('too-many', 'Too many requests from this address; try again later.', {
        retryAfterSeconds: Math.ceil(-left / perSecond),
      })
    },
    charge: (address, cost) => void take(address, cost),
  }
}

/**
 * Makes a bound on requests under way, in all and from one address; a request's place is free again when its
 * connection or its answer has ended. Call it before the body is read.
 * @throws LeaseholdError 'unavailable' when there is no place.
 */
export function createPlaces(most: number, mostFromOne: number) {
  const taken = new Map<string, number>()
  let all = 0
  return (request: FastifyRequest, reply: FastifyReply): void => {
    const source = sourceOf(request.ip)
    const own = taken.get(source) ?? 0
    if (all >= most || own >= mostFromOne)
      throw new LeaseholdError('unavailable', 'Too many inspections report at once; try again in a second.', {
        retryAfterSeconds: 1,
      })
    all++
    taken.set(source, own + 1)
    let free = false
    const leave = () => {
      if (free) return
      free = true
      all--
      const left = (taken.get(source) ?? 1) - 1
      if (left > 0) taken.set(source, left)
      else taken.delete(source)
    }
    reply.raw.once('finish', leave).once('close', leave)
  }
}
