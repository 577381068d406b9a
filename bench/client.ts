/** A client of any Bare Metal API, as small as can be: what it costs is taken from the server that is measured. */
import { Agent, request } from 'node:http'

export interface Endpoint {
  label: string
  /** `http://host:port`, on loopback. */
  url: string
  token?: string | undefined
}

export interface Answer {
  status: number
  body: Buffer
}

export interface Client {
  endpoint: Endpoint
  /** Sends one request; any status is an answer. */
  send(method: string, path: string, body?: string): Promise<Answer>
  /** Sends one request and reads the answer as JSON. @throws Error for a status of failure */
  json<T>(method: string, path: string, body?: unknown): Promise<T>
  close(): void
}

const microversion = '1.82'
const timeoutMs = 120_000

/** @throws Error unless the URL is plain HTTP on loopback: a load generator must not be aimed at others. */
export function loopbackUrl(text: string): string {
  const url = URL.parse(text)
  const local = url && /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/.test(url.hostname)
  if (!local || url.protocol !== 'http:')
    throw new Error(`${text}: an endpoint to be measured must be http:// on 127.0.0.1, [::1] or localhost`)
  return url.origin
}

export function clientOf(endpoint: Endpoint): Client {
  const base = loopbackUrl(endpoint.url)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const headers = {
    'x-openstack-ironic-api-version': microversion,
    accept: 'application/json',
    // An Ironic without authentication lets only a caller with this header name an owner.
    ...(endpoint.token ? { 'x-auth-token': endpoint.token } : { 'openstack-system-scope': 'all' }),
  }
  const bodyHeaders = { ...headers, 'content-type': 'application/json' }

  const once = (method: string, path: string, body: string | undefined) =>
    new Promise<Answer & { stale?: boolean }>((resolve, reject) => {
      const sent = request(
        base + path,
        { method, agent, timeout: timeoutMs, headers: body === undefined ? headers : bodyHeaders },
        (answer) => {
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('error', reject)
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) }))
        },
      )
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer in ${timeoutMs} ms`)))
      // The server closed a kept connection while the request was on its way.
      sent.on('error', (error) =>
        sent.reusedSocket ? resolve({ status: 0, body: Buffer.alloc(0), stale: true }) : reject(error),
      )
      sent.end(body)
    })

  const send: Client['send'] = async (method, path, body) => {
    const answer = await once(method, path, body)
    return answer.stale ? once(method, path, body) : answer
  }
  return {
    endpoint,
    send,
    async json(method, path, body) {
      const answer = await send(method, path, body === undefined ? undefined : JSON.stringify(body))
      const { status } = answer
      const text = answer.body.toString()
      if (status < 200 || status >= 300)
        throw new Error(`${endpoint.label}: ${method} ${path} answered ${status}: ${text.slice(0, 300)}`)
      return (text === '' ? undefined : JSON.parse(text)) as never
    },
    close: () => agent.destroy(),
  }
}
