/** The token of the service user, with which Keystone is asked about the tokens of callers. */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { KeystoneAnswer } from './keystone-request.ts'

export interface ServiceToken {
  /** A token that is still good for a while. @throws Error that says why there is none. */
  get(): Promise<string>
  /** A new one in place of `refused`, which Keystone no longer takes. */
  renew(refused: string): Promise<string>
}

/** A token is replaced this long before it expires. */
const renewBeforeMs = 60_000
/** After a refusal the password is not tried again for this long: Keystone may lock accounts that fail often. */
const pauseAfterRefusalMs = 5000

/** Makes the keeper of the service token; the first is fetched when it is first needed. */
export function createServiceToken(
  config: Config,
  deps: {
    request: (path: string, init: { method: string; body: unknown }) => Promise<KeystoneAnswer>
    log: Pick<Logger, 'info' | 'warn' | 'error'>
  },
): ServiceToken {
  let current: { token: string; renewAtMs: number } | undefined
  let underWay: Promise<string> | undefined
  let refused: { error: Error; untilMs: number } | undefined

  const fetchToken = async (): Promise<string> => {
    const { status, headers, body } = await deps.request('/auth/tokens', {
      method: 'POST',
      body: loginOf(config),
    })
    const token = headers.get('x-subject-token')
    if (status === 201 && token) {
      const expiresAtMs = Date.parse(
        (body as { token?: { expires_at?: string } } | undefined)?.token?.expires_at ?? '',
      )
      const life = expiresAtMs - Date.now()
      // Of a very short life, half is used.
      const renewAtMs = Number.isNaN(life) ? 0 : Date.now() + Math.max(life - renewBeforeMs, life / 2)
      current = { token, renewAtMs }
      deps.log.info(`Keystone gave the service user ${config['keystone.username']} a token`)
      return token
    }
    if (status === 401) {
      const error = new Error(
        `it refuses the service user ${config['keystone.username']} (HTTP 401): check keystone.username, keystone.password, keystone.user_domain, keystone.project and keystone.project_domain`,
      )
      refused = { error, untilMs: Date.now() + pauseAfterRefusalMs }
      throw error
    }
    throw new Error(`it answered the login of the service user with HTTP ${status}`)
  }
  /** One login at a time, however many wait for it. */
  const login = (): Promise<string> => {
    if (refused && refused.untilMs > Date.now()) return Promise.reject(refused.error)
    underWay ??= fetchToken().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  return {
    get: async () => (current && current.renewAtMs > Date.now() ? current.token : login()),
    renew(old) {
      // Somebody else may have renewed it meanwhile.
      if (current && current.token !== old) return Promise.resolve(current.token)
      current = undefined
      return login()
    },
  }
}

const loginOf = (config: Config) => ({
  auth: {
    identity: {
      methods: ['password'],
      password: {
        user: {
          name: config['keystone.username'],
          domain: { name: config['keystone.user_domain'] },
          password: config['keystone.password'],
        },
      },
    },
    scope: {
      project: { name: config['keystone.project'], domain: { name: config['keystone.project_domain'] } },
    },
  },
})
