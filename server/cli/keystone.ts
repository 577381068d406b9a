/** A token and the address of the Bare Metal API, from a Keystone v3 or this service's own. */
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { type Cloud, CloudError } from './clouds.ts'

export interface Access {
  /** Undefined where none is asked for. */
  token: string | undefined
  /** Base of the API, without `/v1`. */
  endpoint: string
}

export interface TlsOptions {
  ca?: string
  rejectUnauthorized: boolean
}

const timeoutMs = 15_000
const mostBytes = 4 * 1024 * 1024

/** @throws CloudError with what the cloud said. */
export async function access(cloud: Cloud): Promise<Access> {
  if (cloud.authType === 'none') return { token: undefined, endpoint: baseOf(cloud.endpoint as string) }
  const url = tokensUrl(cloud.auth.auth_url as string)
  const { status, headers, body } = await postJson(url, authBody(cloud), tlsOf(cloud))
  if (status !== 201)
    throw new CloudError(`${url} answers ${status}: ${wordsOf(body) ?? 'no token; look at the cloud’s auth'}`)
  const token = headers['x-subject-token']
  if (typeof token !== 'string') throw new CloudError(`${url} is no Keystone v3: it gives no token.`)
  return { token, endpoint: baseOf(cloud.endpoint ?? endpointIn(body, cloud)) }
}

/** Certificates to trust, as Node's clients take them. @throws CloudError */
export function tlsOf(cloud: Cloud): TlsOptions {
  try {
    return {
      rejectUnauthorized: cloud.verify,
      ...(cloud.caFile ? { ca: readFileSync(cloud.caFile, 'utf8') } : {}),
    }
  } catch (error) {
    throw new CloudError(`cacert: ${(error as Error).message}`)
  }
}

/** The body of `POST /v3/auth/tokens`. */
export function authBody({ authType, auth }: Cloud): object {
  const named = (idKey: string, nameKey: string, domain: string): object | undefined => {
    if (auth[idKey] !== undefined) return { id: auth[idKey] }
    return auth[nameKey] === undefined ? undefined : { name: auth[nameKey], domain: domainRef(domain) }
  }
  const domainRef = (prefix: string): object =>
    auth[`${prefix}_id`] === undefined
      ? { name: auth[`${prefix}_name`] ?? auth.domain_name ?? 'Default' }
      : { id: auth[`${prefix}_id`] }
  const user = named('user_id', 'username', 'user_domain')
  const project = named('project_id', 'project_name', 'project_domain')
  const scope = auth.system_scope === 'all' ? { system: { all: true } } : project && { project }
  const scoped = scope ? { scope } : {}
  switch (authType) {
    case 'application_credential': {
      const { application_credential_id: id, application_credential_name: name } = auth
      const secret = auth.application_credential_secret
      const credential = id === undefined ? { name, secret, user } : { id, secret }
      return {
        auth: { identity: { methods: ['application_credential'], application_credential: credential } },
      }
    }
    case 'token':
      return { auth: { identity: { methods: ['token'], token: { id: auth.token } }, ...scoped } }
    default: {
      const password = { user: { ...user, password: auth.password } }
      return { auth: { identity: { methods: ['password'], password }, ...scoped } }
    }
  }
}

/** The Bare Metal API's address in the catalogue of a token. @throws CloudError */
export function endpointIn(body: unknown, cloud: Pick<Cloud, 'region' | 'interface'>): string {
  const services = (body as { token?: { catalog?: unknown } } | undefined)?.token?.catalog
  for (const service of Array.isArray(services) ? services : []) {
    if (!['baremetal', 'bare-metal'].includes(service?.type) || !Array.isArray(service.endpoints)) continue
    for (const each of service.endpoints)
      if (
        each?.interface === cloud.interface &&
        (cloud.region === undefined || (each.region_id ?? each.region) === cloud.region) &&
        typeof each.url === 'string'
      )
        return each.url
  }
  throw new CloudError(
    `The catalogue has no ${cloud.interface} endpoint of type baremetal${cloud.region ? ` in region ${cloud.region}` : ''}; set baremetal_endpoint_override.`,
  )
}

/** Both `.../identity` and `.../identity/v3` are written. */
export const tokensUrl = (authUrl: string): string =>
  `${authUrl.replace(/\/+$/, '').replace(/\/v3$/, '')}/v3/auth/tokens`

const baseOf = (endpoint: string): string => endpoint.replace(/\/+$/, '').replace(/\/v1$/, '')

/** What Keystone says of an error. */
const wordsOf = (body: unknown): string | undefined => {
  const message = (body as { error?: { message?: unknown } } | undefined)?.error?.message
  return typeof message === 'string' ? message : undefined
}

function postJson(
  url: string,
  body: object,
  tls: TlsOptions,
): Promise<{ status: number; headers: Record<string, unknown>; body: unknown }> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new CloudError(`${url} can not be reached: ${why}`))
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return fail('this is no address')
    const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(
      url,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        signal: AbortSignal.timeout(timeoutMs),
        ...tls,
      },
      (response) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > mostBytes) response.destroy(new Error('the answer is too large'))
          else chunks.push(chunk)
        })
        response.on('error', (error) => fail(error.message))
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response
          resolve({ status, headers, body: jsonOf(Buffer.concat(chunks).toString()) })
        })
      },
    )
    request.on('error', (error) => fail(error.name === 'TimeoutError' ? 'no answer in time' : error.message))
    request.end(JSON.stringify(body))
  })
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
