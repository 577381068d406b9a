/** Requests to another service of the cloud, as the service user of `keystone.*`. */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { versioned } from './keystone.ts'
import { type KeystoneAnswer, requestKeystone } from './keystone-request.ts'
import { createServiceToken } from './keystone-service-token.ts'

export type ServiceAnswer = KeystoneAnswer

export interface ServiceSession {
  /**
   * Sends one request to a path below the version of the service's endpoint; with a caller's `token` in place of the service user's.
   * @throws Error that says why there is no answer.
   */
  request(method: string, path: string, options?: { body?: unknown; token?: string }): Promise<ServiceAnswer>
  close(): void
}

interface ServiceOptions {
  /** As the catalog calls it, such as `network`. */
  type: string
  /** Where it is; the catalog says it when left out. */
  url: string | undefined
  region: string | undefined
  /** Of its API, such as `/v2.0`: an endpoint is named with it or without. */
  version: string
  timeoutMs: number
}

export function createServiceSession(
  config: Config,
  log: Pick<Logger, 'info' | 'warn' | 'error'>,
  { type, url, region, version, timeoutMs }: ServiceOptions,
): ServiceSession {
  const keystone = versioned(config['keystone.url'] ?? '')
  const ending = new AbortController()
  const { signal } = ending
  const askKeystone = (
    path: string,
    init: { method: string; headers?: Record<string, string>; body?: unknown },
  ): Promise<ServiceAnswer> =>
    requestKeystone(keystone + path, {
      ...init,
      timeoutMs: config['keystone.timeout_seconds'] * 1000,
      signal,
    })
  const serviceToken = createServiceToken(config, { request: askKeystone, log })
  const keystoneSays = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: Error) => {
      throw new Error(`Keystone at ${keystone}: ${error.message}`, { cause: error })
    })
  let found: string | undefined

  /** Looks the endpoint up once; anew after it gave no answer. */
  const endpoint = async (token: string): Promise<string> => {
    if (url !== undefined) return url
    found ??= endpointIn(
      await askKeystone('/auth/catalog', { method: 'GET', headers: { 'X-Auth-Token': token } }),
      type,
      region,
    )
    return found
  }

  const send = async (method: string, path: string, asService: string, as: string, body: unknown) => {
    const base = await keystoneSays(endpoint(asService))
    try {
      return await requestKeystone((base.endsWith(version) ? base : base + version) + path, {
        method,
        headers: { 'X-Auth-Token': as },
        body,
        timeoutMs,
        signal,
      })
    } catch (error) {
      found = undefined
      throw new Error(`${base}: ${(error as Error).message}`, { cause: error })
    }
  }

  return {
    async request(method, path, { body, token } = {}) {
      const asService = await keystoneSays(serviceToken.get())
      const answer = await send(method, path, asService, token ?? asService, body)
      if (answer.status !== 401 || token !== undefined) return answer
      const renewed = await keystoneSays(serviceToken.renew(asService))
      return send(method, path, renewed, renewed, body)
    },
    close: () => ending.abort(),
  }
}

interface Catalog {
  catalog?: { type?: string; endpoints?: { interface?: string; region_id?: string; url?: string }[] }[]
}

/** Endpoints are taken in this order: services talk to each other inside. */
const interfaces = ['internal', 'public']

function endpointIn({ status, body }: ServiceAnswer, type: string, region: string | undefined): string {
  if (status !== 200) throw new Error(`it answered HTTP ${status} when asked for its catalog`)
  const endpoints = ((body as Catalog | undefined)?.catalog ?? [])
    .filter((service) => service.type === type)
    .flatMap((service) => service.endpoints ?? [])
    .filter(({ region_id }) => region === undefined || region_id === region)
  for (const wanted of interfaces) {
    const url = endpoints.find((each) => each.interface === wanted)?.url
    if (url) return url.replace(/\/+$/, '')
  }
  throw new Error(
    `its catalog has no endpoint of type ${type}${region === undefined ? '' : ` in region ${region}`}`,
  )
}
