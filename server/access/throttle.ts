/**
 * Slows down whoever guesses passwords: counts failures by account and source address, and by address alone, and
 * makes each further attempt wait twice as long as the one before.
 *
 * Guesses that are under way at the same time are not counted before they fail: how many those can be is bounded by
 * the queue in front of the hashing (passwords.ts).
 */
import { isIPv6 } from 'node:net'
import { LeaseholdError } from '../errors.ts'

export interface Throttle {
  /** @throws LeaseholdError 'too-many' with `retryAfterSeconds` while the account or the address has to wait. */
  check(account: string, address: string): void
  /** Counts a failure. */
  failed(account: string, address: string): void
  /** Forgets the failures of this account at this address; those of other accounts at the address stay. */
  succeeded(account: string, address: string): void
}

export interface ThrottleOptions {
  /** Failures of one account from one address that cost no wait. */
  freePerAccount?: number
  /** Failures of all accounts from one address that cost no wait. */
  freePerAddress?: number
  firstWaitMs?: number
  longestWaitMs?: number
  /** Counters kept at most, of each kind; the longest unused one goes first. */
  maxEntries?: number
  now?: () => number
}

interface Counter {
  failures: number
  waitUntilMs: number
  /** After this instant the failures are forgotten. */
  forgetAtMs: number
}

/** Makes a throttle. The defaults: 5 free failures by account, 50 by address, then 1 s, 2 s, 4 s, … up to 15 min. */
export function createThrottle(options: ThrottleOptions = {}): Throttle {
  const { freePerAccount = 5, freePerAddress = 50, firstWaitMs = 1000, longestWaitMs = 900_000 } = options
  const { maxEntries = 10_000, now = Date.now } = options
  const accounts = new Map<string, Counter>()
  const addresses = new Map<string, Counter>()

  const live = (counters: Map<string, Counter>, key: string): Counter | undefined => {
    const counter = counters.get(key)
    if (counter && counter.forgetAtMs <= now()) counters.delete(key)
    else return counter
  }
  const count = (counters: Map<string, Counter>, key: string, free: number): void => {
    const failures = (live(counters, key)?.failures ?? 0) + 1
    // The exponent is capped because the doubling is: 2 ** 1100 would be Infinity.
    const waitMs =
      failures <= free ? 0 : Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures - free - 1, 40))
    counters.delete(key) // to its place as the most recently used
    counters.set(key, {
      failures,
      waitUntilMs: now() + waitMs,
      forgetAtMs: now() + waitMs + longestWaitMs,
    })
    if (counters.size > maxEntries) counters.delete(counters.keys().next().value as string)
  }

  return {
    check(account, address) {
      const source = sourceOf(address)
      const waitUntilMs = Math.max(
        live(accounts, pair(account, source))?.waitUntilMs ?? 0,
        live(addresses, source)?.waitUntilMs ?? 0,
      )
      if (waitUntilMs <= now()) return
      const retryAfterSeconds = Math.ceil((waitUntilMs - now()) / 1000)
      throw new LeaseholdError(
        'too-many',
        `Too many failed logins; try again in ${retryAfterSeconds} second${retryAfterSeconds === 1 ? '' : 's'}.`,
        { retryAfterSeconds },
      )
    },
    failed(account, address) {
      const source = sourceOf(address)
      count(accounts, pair(account, source), freePerAccount)
      count(addresses, source, freePerAddress)
    },
    succeeded(account, address) {
      const source = sourceOf(address)
      const own = live(accounts, pair(account, source))?.failures ?? 0
      accounts.delete(pair(account, source))
      const all = live(addresses, source)
      if (all) all.failures = Math.max(0, all.failures - own)
    },
  }
}

/** An account name is the caller's text and may be long: only so much of it makes a key. */
const pair = (account: string, source: string): string => `${source} ${account.slice(0, 255)}`

/** What counts as one source of requests: an IPv4 address, or the /64 that whoever has one IPv6 address commonly has. */
export function sourceOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace(/^::ffff:/, '')
  const [head = '', tail = ''] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeros = address.includes('::')
    ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
    : []
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`
}
