import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Config, defaultConfig } from '../config.ts'
import type { Authenticator } from './authenticator.ts'
import { keystoneAuthenticator } from './keystone.ts'

/** A Keystone that says what the test wants; a real one is in test/real/keystone.test.ts. */
const server = createServer((request, response) => {
  const { method = '', headers } = request
  asked.push({ method, url: request.url ?? '', headers })
  request.resume()
  request.on('end', () => (method === 'POST' ? onLogin : onValidate)(request, response))
})
type Answer = (request: IncomingMessage, response: ServerResponse) => void
let asked: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
let onLogin: Answer
let onValidate: Answer
let logged: string[] = []
const authenticators: Authenticator[] = []

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise((resolve) => server.close(resolve)))
beforeEach(() => {
  asked = []
  logged = []
  let logins = 0
  onLogin = (_, response) => {
    logins++
    response.writeHead(201, { 'x-subject-token': `service-${logins}` })
    response.end(JSON.stringify({ token: { expires_at: inSeconds(3600) } }))
  }
  onValidate = (request, response) =>
    request.headers['x-subject-token'] === 'good'
      ? json(response, 200, tokenBody())
      : json(response, 404, { error: { code: 404 } })
})
afterEach(() => {
  for (const authenticator of authenticators.splice(0)) authenticator.close()
  server.closeAllConnections()
})

const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString()
const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
const tokenBody = (own: object = {}) => ({
  token: {
    user: { id: 'u1', name: 'ann', domain: { id: 'd1', name: 'Default' } },
    project: { id: 'p1', name: 'physics', domain: { id: 'd1', name: 'Default' } },
    roles: [{ id: 'r1', name: 'member' }],
    expires_at: inSeconds(600),
    ...own,
  },
})

function strategy(own: Partial<Config> = {}) {
  const authenticator = authenticatorOf(own)
  return (token: string | undefined) =>
    authenticator.authenticate({ token, method: 'GET', path: '/v1/nodes' })
}

function authenticatorOf(own: Partial<Config> = {}): Authenticator {
  const note = (...words: unknown[]) => logged.push(String(words.at(-1)))
  const config = defaultConfig({
    'auth.strategy': 'keystone',
    'keystone.url': `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    'keystone.password': 'secret-of-ironic',
    'keystone.timeout_seconds': 1,
    ...own,
  })
  const authenticator = keystoneAuthenticator(config, { info: note, warn: note, error: note } as never)
  authenticators.push(authenticator)
  return authenticator
}
const validations = () => asked.filter((request) => request.method === 'GET').length
const logins = () => asked.filter((request) => request.method === 'POST').length

describe('those who stay', () => {
  test('are asked about anew each second: what is no longer valid is left out', async () => {
    const { current } = authenticatorOf()
    expect([...(await current(['good', 'bad', 'with space'])).keys()]).toEqual(['good'])
    expect((await current(['good'])).get('good')).toMatchObject({ userName: 'ann' })
    expect(validations()).toBe(2)
    onValidate = (_, response) => json(response, 404, { error: { code: 404 } })
    const deadline = Date.now() + 5_000
    while ((await current(['good'])).size > 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await current(['good'])).size).toBe(0)
  })

  test('are not let go, nor let be, while Keystone does not answer: that is said', async () => {
    onValidate = (_, response) => json(response, 500, {})
    await expect(authenticatorOf().current(['good'])).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('strategy keystone', () => {
  test('asks once about a token that many requests bring, and believes the answer for a while', async () => {
    const authenticate = strategy()
    const callers = await Promise.all(Array.from({ length: 20 }, () => authenticate('good')))
    await authenticate('good')
    expect(callers[0]).toMatchObject({ userName: 'ann', projectId: 'p1', roles: ['member', 'reader'] })
    expect(callers[0]?.tokenHash).toMatch(/^[0-9a-f]{64}$/)
    expect([logins(), validations()]).toEqual([1, 1])
  })

  test('asks each time when nothing may be believed', async () => {
    const authenticate = strategy({ 'keystone.cache_seconds': 0 })
    await authenticate('good')
    await authenticate('good')
    expect(validations()).toBe(2)
  })

  test('does not believe an answer longer than the token lives', async () => {
    onValidate = (_, response) => json(response, 200, tokenBody({ expires_at: inSeconds(0.2) }))
    const authenticate = strategy()
    await authenticate('good')
    await new Promise((resolve) => setTimeout(resolve, 250))
    await authenticate('good')
    expect(validations()).toBe(2)
  })

  test('refuses a token that has expired, whatever Keystone says', async () => {
    onValidate = (_, response) => json(response, 200, tokenBody({ expires_at: inSeconds(-1) }))
    await expect(strategy()('good')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('remembers a refusal, too', async () => {
    const authenticate = strategy()
    for (let index = 0; index < 3; index++)
      await expect(authenticate('bad')).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(validations()).toBe(1)
  })

  test('refuses without asking what can be no token', async () => {
    const authenticate = strategy()
    for (const token of [undefined, '', 'a b', 'a\r\nb', 'ü', 'x'.repeat(9000)])
      await expect(authenticate(token)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(asked).toEqual([])
  })

  test('logs in again when its own token is refused, once for all who wait', async () => {
    onValidate = (request, response) =>
      request.headers['x-auth-token'] === 'service-1'
        ? json(response, 401, {})
        : json(response, 200, tokenBody({ user: { id: `${request.headers['x-subject-token']}` } }))
    const authenticate = strategy()
    const callers = await Promise.all(['a', 'b', 'c'].map((token) => authenticate(token)))
    expect(callers.map((caller) => caller.userId)).toEqual(['a', 'b', 'c'])
    expect(logins()).toBe(2)
  })

  test('renews its own token before it expires', async () => {
    onLogin = (_, response) => {
      response.writeHead(201, { 'x-subject-token': 'service' })
      response.end(JSON.stringify({ token: { expires_at: inSeconds(0.4) } }))
    }
    const authenticate = strategy({ 'keystone.cache_seconds': 0 })
    await authenticate('good')
    await authenticate('good')
    expect(logins()).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 250))
    await authenticate('good')
    expect(logins()).toBe(2)
  })

  test('with a wrong password asks not more often than every few seconds, and logs no password', async () => {
    onLogin = (_, response) => json(response, 401, {})
    const authenticate = strategy()
    for (const token of ['a', 'b', 'c'])
      await expect(authenticate(token)).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 5 })
    expect([logins(), validations()]).toEqual([1, 0])
    expect(logged[0]).toContain('check keystone.username, keystone.password')
    expect(logged.join()).not.toContain('secret-of-ironic')
  })

  const broken: [string, Answer][] = [
    ['answers 500', (_, response) => json(response, 500, {})],
    ['answers 300', (_, response) => json(response, 300, {})],
    ['answers no JSON', (_, response) => response.writeHead(200).end('<html>')],
    ['answers JSON of another kind', (_, response) => json(response, 200, { token: { user: 5 } })],
    ['hangs up', (request) => request.socket.destroy()],
    ['never answers', () => {}],
    ['never ends its answer', (_, response) => response.writeHead(200).write('{')],
    ['answers without end', (_, response) => response.writeHead(200).end('x'.repeat(1_100_000))],
    ['sends elsewhere', (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ]
  test.each(broken)('lets nobody in when Keystone %s', async (_, answer) => {
    onValidate = answer
    await expect(strategy()('good')).rejects.toMatchObject({ code: 'unavailable' })
    expect(logged.at(-1)).toMatch(/^Keystone at http:\/\/127\.0\.0\.1:\d+\/v3 can not validate tokens: /)
  })

  test('lets nobody wait long while Keystone hangs, however many ask', async () => {
    onValidate = () => {}
    const authenticate = strategy()
    const before = performance.now()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => authenticate(`${index}`)),
    )
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'unavailable' } })
    expect(performance.now() - before).toBeLessThan(4000)
  })

  test('honours scopes: the system, a domain, none', async () => {
    const scopes: Record<string, object> = {
      system: { project: undefined, system: { all: true }, roles: [{ name: 'admin' }] },
      domain: { project: undefined, domain: { id: 'd2' } },
      none: { project: undefined, roles: undefined },
    }
    onValidate = (request, response) =>
      json(response, 200, tokenBody(scopes[`${request.headers['x-subject-token']}`]))
    const authenticate = strategy()
    expect(await authenticate('system')).toMatchObject({
      systemScope: 'all',
      projectId: null,
      roles: ['admin', 'manager', 'member', 'reader'],
    })
    expect(await authenticate('domain')).toMatchObject({ systemScope: null, projectId: null, domainId: 'd2' })
    expect(await authenticate('none')).toMatchObject({ systemScope: null, projectId: null, roles: [] })
  })

  test('honours access rules, and says to Keystone that it does', async () => {
    const rules = (request: IncomingMessage) =>
      request.headers['x-subject-token'] === 'nodes'
        ? [{ service: 'baremetal', method: 'GET', path: '/v1/nodes' }]
        : []
    onValidate = (request, response) =>
      json(response, 200, tokenBody({ application_credential: { id: 'c1', access_rules: rules(request) } }))
    const authenticate = strategy()
    expect((await authenticate('nodes')).userName).toBe('ann')
    await expect(authenticate('nothing')).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(asked.at(-1)?.headers['openstack-identity-access-rules']).toBe('1.0')
  })
})
