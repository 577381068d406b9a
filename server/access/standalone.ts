/** The strategy that needs no OpenStack: tokens that this service issued itself (see login.ts). */
import { LeaseholdError } from '../errors.ts'
import type { Db } from '../store/index.ts'
import type { Authenticator } from './authenticator.ts'
import type { Caller, ServiceIdentity } from './caller.ts'
import { createTokenCache } from './token-cache.ts'
import { findSession, findSessions } from './tokens.sql.ts'

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
    async current(tokens) {
      const sessions = await findSessions(db, tokens)
      return new Map([...sessions].map(([token, { caller }]) => [token, caller]))
    },
    forget: cache.forget,
    close: cache.forget,
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
