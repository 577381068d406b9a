/**
 * The strategy for clouds that have a Keystone: it is asked about each token, as the service user, and its answer is
 * believed for `keystone.cache_seconds`. While it does not answer, nobody whose token is not remembered gets in.
 *
 * Identity API v3, "Validate and show information for token"; access rules of application credentials as
 * keystonemiddleware applies them.
 */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { LeaseholdError, messageOf } from '../errors.ts'
import { type AccessRule, allows } from './access-rules.ts'
import type { Authenticator } from './authenticator.ts'
import { type Caller, callerOf } from './caller.ts'
import { createGate } from './gate.ts'
import { requestKeystone } from './keystone-request.ts'
import { createServiceToken } from './keystone-service-token.ts'
import { serviceIdentity, unauthenticated } from './standalone.ts'
import { createTokenCache, type Known } from './token-cache.ts'

/** What Keystone says of a token. */
interface Validated {
  caller: Caller
  /** Of the application credential the token was got with; null when it limits nothing. */
  accessRules: readonly AccessRule[] | null
}

/** A token that Keystone does not know now will never be valid. */
const refusalBelievedMs = 5000
/** Of callers that stay (watchers of consoles): how often Keystone is asked again, and how much at most. */
const recheckMs = 700
const rechecksPerSecond = 50

/** Makes the authenticator of strategy `keystone`. Nothing is asked before the first request. */
export function keystoneAuthenticator(
  config: Config,
  log: Pick<Logger, 'info' | 'warn' | 'error'>,
): Authenticator {
  const url = versioned(config['keystone.url'] ?? '')
  const timeoutMs = config['keystone.timeout_seconds'] * 1000
  const cacheMs = config['keystone.cache_seconds'] * 1000
  const ending = new AbortController()
  const request = (
    path: string,
    init: { method: string; headers?: Record<string, string>; body?: unknown },
  ) => requestKeystone(url + path, { ...init, timeoutMs, signal: ending.signal })
  const serviceToken = createServiceToken(config, { request, log })
  const gate = createGate({ atOnce: 32, waiting: 2000, waitMs: timeoutMs, what: 'tokens to validate' })

  /** Asks with the service token, and once more with a new one if Keystone no longer takes that. */
  const ask = async (token: string, asService: string, again: boolean): Promise<Validated | null> => {
    const { status, body } = await request('/auth/tokens?nocatalog=1', {
      method: 'GET',
      headers: {
        'X-Auth-Token': asService,
        'X-Subject-Token': token,
        // Says that access rules are honoured here: without it Keystone refuses tokens that have some.
        'OpenStack-Identity-Access-Rules': '1.0',
      },
    })
    if (status === 200) return validatedOf(body)
    if (status === 404) return null
    if (status === 401 && again) return ask(token, await serviceToken.renew(asService), false)
    if (status === 401 || status === 403)
      throw new Error(
        `it does not let the service user validate tokens (HTTP ${status}): give user ${config['keystone.username']} the role service or admin on project ${config['keystone.project']}`,
      )
    throw new Error(`it answered HTTP ${status}`)
  }

  /** @throws LeaseholdError 'unavailable'. */
  const look = (token: string): Promise<Validated | null> =>
    gate
      .run(async () => ask(token, await serviceToken.get(), true))
      .catch((error: unknown) => {
        if (error instanceof LeaseholdError) throw error
        log.error({ err: error }, `Keystone at ${url} can not validate tokens: ${messageOf(error)}`)
        throw unavailable(error)
      })

  const cache = createTokenCache<Validated | null>({
    async lookUp(token, hash): Promise<Known<Validated | null>> {
      const validated = await look(token)
      if (!validated) return { value: null, untilMs: Date.now() + Math.min(cacheMs, refusalBelievedMs) }
      const { caller } = validated
      const known: Validated = {
        ...validated,
        caller: Object.freeze({ ...caller, tokenHash: hash.toString('hex') }),
      }
      return { value: known, untilMs: Math.min(Date.now() + cacheMs, caller.expiresAt?.getTime() ?? 0) }
    },
  })
  const valid = async (token: string | undefined): Promise<Validated> => {
    if (!token || !looksLikeToken(token)) throw unauthenticated()
    const validated = await cache.get(token)
    if (!validated || (validated.caller.expiresAt?.getTime() ?? 0) <= Date.now()) throw unauthenticated()
    return validated
  }

  /** What was last found of tokens whose callers stay. Asked anew each second, or less often where there are many. */
  const staying = new Map<string, { caller: Caller | null; atMs: number }>()
  const current: Authenticator['current'] = async (tokens) => {
    const now = performance.now()
    const believedMs = Math.max(recheckMs, (tokens.length / rechecksPerSecond) * 1000)
    const due = tokens.filter((token) => now - (staying.get(token)?.atMs ?? -Infinity) >= believedMs)
    const found = await Promise.all(
      due.map(async (token) => {
        if (!looksLikeToken(token)) return [token, null] as const
        return [token, (await look(token))?.caller ?? null] as const
      }),
    )
    for (const [token, caller] of found) staying.set(token, { caller, atMs: now })
    const wanted = new Set(tokens)
    for (const token of staying.keys()) if (!wanted.has(token)) staying.delete(token)
    return new Map(
      tokens.flatMap((token) => {
        const caller = staying.get(token)?.caller
        return caller && (caller.expiresAt?.getTime() ?? 0) > Date.now() ? [[token, caller] as const] : []
      }),
    )
  }

  return {
    async authenticate({ token, serviceToken: ofService, method, path }) {
      const { caller, accessRules } = await valid(token)
      if (accessRules && !allows(accessRules, { service: 'baremetal', method, path })) throw unauthenticated()
      return ofService === undefined
        ? caller
        : Object.freeze({ ...caller, service: serviceIdentity((await valid(ofService)).caller) })
    },
    current,
    forget: cache.forget,
    close() {
      ending.abort()
      cache.forget()
    },
  }
}

const unavailable = (cause: unknown): LeaseholdError =>
  new LeaseholdError('unavailable', 'Keystone can not be asked about the token now; try again later.', {
    cause,
    retryAfterSeconds: 5,
  })

/** Accepts Keystone's URL with and without its version. */
export const versioned = (url: string): string => (/\/v3$/.test(url) ? url : `${url}/v3`)

/** A Fernet or JWS token, or a UUID: what can stand in a header. Anything else need not be asked about. */
const looksLikeToken = (token: string): boolean => token.length <= 8192 && /^[\x21-\x7e]+$/.test(token)

/** Reads what Keystone says. @throws Error when the answer is not what the Identity API promises. */
function validatedOf(body: unknown): Validated {
  const token = mapping(mapping(body)?.token)
  const user = mapping(token?.user)
  const expiresAt = new Date(text(token?.expires_at) ?? Number.NaN)
  if (!token || !user || text(user.id) === null || Number.isNaN(expiresAt.getTime()))
    throw new Error('its answer about a token is not what the Identity API v3 says')
  const project = mapping(token.project)
  return {
    caller: callerOf({
      authMethod: 'keystone',
      userId: text(user.id),
      userName: text(user.name),
      userDomainId: text(mapping(user.domain)?.id),
      projectId: text(project?.id),
      projectName: text(project?.name),
      projectDomainId: text(mapping(project?.domain)?.id),
      domainId: text(mapping(token.domain)?.id),
      systemScope: mapping(token.system)?.all === true ? 'all' : null,
      roles: list(token.roles).flatMap((role) => text(mapping(role)?.name) ?? []),
      isAdminProject: token.is_admin_project === true,
      expiresAt,
    }),
    accessRules: accessRulesOf(mapping(token.application_credential)?.access_rules),
  }
}

/** Null when there are none, which allows everything; a list, though empty, allows only what it says. */
const accessRulesOf = (value: unknown): AccessRule[] | null =>
  value === undefined || value === null
    ? null
    : list(value).map((rule) => ({
        service: text(mapping(rule)?.service) ?? '',
        method: text(mapping(rule)?.method) ?? '',
        path: text(mapping(rule)?.path) ?? '',
      }))

const mapping = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
