/** Who is calling: turns the token of a request into a Caller, by the strategy that is configured. */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Db } from '../store/index.ts'
import type { Authenticator } from './authenticator.ts'
import { callerOf } from './caller.ts'
import { keystoneAuthenticator } from './keystone.ts'
import { standaloneAuthenticator } from './standalone.ts'

export type { Authenticator, Credential } from './authenticator.ts'

export interface AuthenticatorDeps {
  db: Db
  log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** Makes the authenticator of `auth.strategy`. */
export function createAuthenticator(config: Config, deps: AuthenticatorDeps): Authenticator {
  switch (config['auth.strategy']) {
    case 'standalone':
      return standaloneAuthenticator(deps.db)
    case 'keystone':
      return keystoneAuthenticator(config, deps.log)
    case 'none':
      return {
        authenticate: async () => everyone,
        current: async (tokens) => new Map(tokens.map((token) => [token, everyone])),
        forget: () => {},
        close: () => {},
      }
  }
}

/** With strategy `none`, which listens on loopback only, whoever calls is an administrator of the system. */
const everyone = callerOf({ authMethod: 'none', roles: ['admin'], systemScope: 'all' })
