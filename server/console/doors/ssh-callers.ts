/** Who somebody at the SSH door is, by what they show: a public key, a token, an application credential. */
import {
  type Authenticator,
  type Caller,
  callersOfKeys,
  createThrottle,
  login,
  revokeToken,
  type Throttle,
} from '../../access/index.ts'
import type { Config } from '../../config.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Db } from '../../store/index.ts'
import { holdersOfKey } from '../keys.sql.ts'
import type { Proof } from '../types.ts'

export interface Known {
  caller: Caller
  proof: Proof
  /** Ends what was made for this visit. */
  forget?: () => Promise<void>
}

/** How people come in. None of these learns which node they want. */
export interface SshCallers {
  /** True where everybody is an administrator: `auth.strategy` none, on loopback. */
  readonly open: boolean
  /** Whether public keys are worth offering. */
  readonly takesKeys: boolean
  /** All who have named this key as theirs and may still come in; empty when nobody has. */
  byKey(fingerprint: string): Promise<Known[]>
  /**
   * @param path what the request would be over HTTP: a token may be limited to some.
   * @throws LeaseholdError 'unauthenticated', 'too-many', 'unavailable'
   */
  bySecret(secret: string, from: { address: string; path: string }): Promise<Known>
}

export interface SshCallersDeps {
  config: Pick<Config, 'auth.strategy' | 'identity.token_seconds'>
  db: Db
  authenticator: Authenticator
  throttle?: Throttle
}

export function createSshCallers(deps: SshCallersDeps): SshCallers {
  const { config, db, authenticator, throttle = createThrottle() } = deps
  const standalone = config['auth.strategy'] === 'standalone'
  const byToken = async (token: string, path: string): Promise<Known> => ({
    caller: await authenticator.authenticate({ token, method: 'GET', path }),
    proof: { kind: 'token', token },
  })

  return {
    open: config['auth.strategy'] === 'none',
    takesKeys: standalone,
    async byKey(fingerprint) {
      if (!standalone) return []
      const ids = await holdersOfKey(db, fingerprint)
      const callers = await callersOfKeys(db, ids)
      return ids.flatMap((keyId) => {
        const caller = callers.get(keyId)
        return caller ? [{ caller, proof: { kind: 'key' as const, keyId } }] : []
      })
    },
    async bySecret(secret, { address, path }) {
      // No token has a colon in it.
      const [, id, password] = /^([^:]{1,255}):(.+)$/s.exec(secret) ?? []
      if (!standalone || id === undefined || password === undefined) return await byToken(secret, path)
      const proof = { method: 'application_credential', id, secret: password } as const
      const tokenSeconds = config['identity.token_seconds']
      const { token } = await login({ db, throttle, tokenSeconds }, proof, undefined, address)
      const forget = () => revokeToken(db, token)
      try {
        return { ...(await byToken(token, path)), forget }
      } catch (error) {
        await forget()
        throw error
      }
    },
  }
}

/** Whether a failure says that what was shown is wrong, rather than that nobody can tell now. */
export const isWrong = (error: unknown): boolean =>
  error instanceof LeaseholdError && error.code === 'unauthenticated'
