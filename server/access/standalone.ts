/** The strategy that needs no OpenStack: tokens that this service issued itself (see login.ts). */
import { LeaseholdError } from '../errors.ts'
import type { Db } from '../store/index.ts'
import type { Authenticator } from './authenticator.ts'
import type { Caller, ServiceIdentity } from './caller.ts'
import { createTokenCache, hashOf } from './token-cache.ts'
import { findSession, findSessions, fingerprintOfSessions } from './tokens.sql.ts'

/**
 * How long a token is believed without asking the database. Changes made through this process are known at once
 * (`forget`); those made through another one after this time.
 */
const believedMs = 800

/** Makes the authenticator of strategy `standalone`. */
export function standaloneAuthenticator(db: Db): Authenticator {
  const cache = createTokenCache<Caller | null>({
    lookUp: async (token) => {
      const session = await findSession(db, token)
      if (!session) return { value: null, untilMs: 0 }
      return {
        value: session.caller,
        untilMs: Math.min(Date.now() + believedMs, session.expiresAt.getTime()),
      }
    },
  })
  const valid = async (token: string | undefined): Promise<Caller> => {
    const caller = token ? await cache.get(token) : null
    if (!caller) throw unauthenticated()
    return caller
  }
  return {
    async authenticate({ token, serviceToken }) {
      const caller = await valid(token)
      return serviceToken === undefined
        ? caller
        : Object.freeze({ ...caller, service: serviceIdentity(await valid(serviceToken)) })
    },
    current: createFollower(db),
    forget: cache.forget,
    close: cache.forget,
  }
}

/**
 * Answers who many tokens are, again and again: they are read again only when something about them has changed, and
 * until then the answer is the very same.
 */
function createFollower(db: Db): Authenticator['current'] {
  const callersOf = async (tokens: readonly string[]) =>
    new Map([...(await findSessions(db, tokens))].map(([token, { caller }]) => [token, caller]))
  let last: { hashes: Map<string, Buffer>; fingerprint: string; callers: Map<string, Caller> } | undefined

  return async (tokens) => {
    if (tokens.length === 1) return callersOf(tokens)
    const before = last
    const same = before?.hashes.size === tokens.length && tokens.every((token) => before.hashes.has(token))
    const hashes = same ? before.hashes : new Map(tokens.map((token) => [token, hashOf(token)]))
    // Read before what it stands for: a change in between is found by the next one who asks.
    const fingerprint = await fingerprintOfSessions(db, [...hashes.values()])
    if (same && before.fingerprint === fingerprint) return before.callers
    const callers = await callersOf(tokens)
    last = { hashes, fingerprint, callers }
    return callers
  }
}

/** Keystone's words, the same for every cause. */
export const unauthenticated = (): LeaseholdError =>
  new LeaseholdError('unauthenticated', 'The request you have made requires authentication.')

/** What a request that came with a service token says of that service. */
export const serviceIdentity = (service: Caller): ServiceIdentity => ({
  userId: service.userId ?? '',
  userDomainId: service.userDomainId,
  projectId: service.projectId,
  projectDomainId: service.projectDomainId,
  roles: service.roles,
})
