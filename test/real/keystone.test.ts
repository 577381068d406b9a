import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthenticator } from '../../server/access/authenticate.ts'
import type { Caller } from '../../server/access/caller.ts'
import { type Config, defaultConfig } from '../../server/config.ts'
import { type KeystoneServer, startKeystone } from './keystone-server.ts'

let keystone: KeystoneServer
let admin: string
/** Ids by name of what the tests need in Keystone. */
const ids: Record<string, string> = {}

beforeAll(async () => {
  keystone = await startKeystone()
  admin = (await login('admin', keystone.adminPassword, { system: { all: true } })).token
  for (const name of ['service', 'tenant'])
    ids[name] = await create('project', { name, domain_id: 'default' })
  for (const { id, name } of (await ask('GET', '/roles')).body.roles) ids[`role ${name}`] = id
  await makeUser('ironic', 'service', 'service')
  await makeUser('olive', 'tenant', 'member')
})
afterAll(() => keystone?.remove())

interface Answer {
  status: number
  token: string
  // biome-ignore lint/suspicious/noExplicitAny: bodies of another program's API, read by the tests only
  body: any
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  token = admin,
  subject?: string,
): Promise<Answer> {
  const response = await fetch(keystone.url + path, {
    method,
    headers: {
      'Content-Type': 'application/json',
      'X-Auth-Token': token ?? '',
      ...(subject ? { 'X-Subject-Token': subject } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return {
    status: response.status,
    token: response.headers.get('x-subject-token') ?? '',
    body: text ? JSON.parse(text) : undefined,
  }
}

const create = async (kind: string, fields: unknown): Promise<string> =>
  (await ask('POST', `/${kind}s`, { [kind]: fields })).body[kind].id

async function makeUser(name: string, project: string, role: string): Promise<void> {
  const id = await create('user', { name, domain_id: 'default', password: `${name}-password` })
  ids[name] = id
  await ask('PUT', `/projects/${ids[project]}/users/${id}/roles/${ids[`role ${role}`]}`)
}

const login = (name: string, password: string, scope: unknown): Promise<Answer> =>
  ask('POST', '/auth/tokens', {
    auth: {
      identity: { methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } },
      scope,
    },
  })
const tokenOf = async (name: string): Promise<string> =>
  (await login(name, `${name}-password`, { project: { name: 'tenant', domain: { id: 'default' } } })).token

/** The strategy as a service has it, with what it logs. */
function strategy(own: Partial<Config> = {}) {
  const logged: string[] = []
  const note = (...words: unknown[]) => logged.push(String(words.at(-1)))
  const authenticator = createAuthenticator(
    defaultConfig({
      'auth.strategy': 'keystone',
      'keystone.url': keystone.url,
      'keystone.password': 'ironic-password',
      'keystone.cache_seconds': 1,
      'keystone.timeout_seconds': 20,
      ...own,
    }),
    { db: undefined as never, log: { info: note, warn: note, error: note } as never },
  )
  return {
    logged,
    ask: (token: string, path = '/v1/nodes'): Promise<Caller> =>
      authenticator.authenticate({ token, method: 'GET', path }),
  }
}

const cacheTime = () => new Promise((resolve) => setTimeout(resolve, 1100))

describe('with a real Keystone', () => {
  test('a project token makes a caller of that project with its roles', async () => {
    const caller = await strategy().ask(await tokenOf('olive'))
    expect(caller).toMatchObject({
      authMethod: 'keystone',
      userId: ids.olive,
      userName: 'olive',
      userDomainId: 'default',
      projectId: ids.tenant,
      projectName: 'tenant',
      systemScope: null,
    })
    expect([...caller.roles].sort()).toEqual(['member', 'reader'])
  })

  test('a system token makes a caller of system scope', async () => {
    const caller = await strategy().ask(admin)
    expect(caller).toMatchObject({ systemScope: 'all', projectId: null, userName: 'admin' })
    expect(caller.roles).toEqual(expect.arrayContaining(['admin', 'manager', 'member', 'reader']))
  })

  test('an application credential acts with the roles it was given, on its project', async () => {
    const user = await tokenOf('olive')
    const { id, secret } = await makeCredential(user, { name: 'reads', roles: [{ name: 'reader' }] })
    const caller = await strategy().ask(await tokenOfCredential(id, secret))
    expect(caller).toMatchObject({ userName: 'olive', projectId: ids.tenant, roles: ['reader'] })
  })

  test('an application credential with access rules does what they say and no more', async () => {
    const user = await tokenOf('olive')
    const { id, secret } = await makeCredential(user, {
      name: 'lists',
      access_rules: [{ service: 'baremetal', method: 'GET', path: '/v1/nodes/*' }],
    })
    const token = await tokenOfCredential(id, secret)
    const { ask: authenticate } = strategy()
    expect((await authenticate(token, '/v1/nodes/abc')).userName).toBe('olive')
    await expect(authenticate(token, '/v1/nodes/abc/ports')).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await expect(authenticate(token, '/v1/chassis')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('a token that is none is refused', async () => {
    await expect(strategy().ask('gAAAAABno')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('a revoked token is refused after the cache time', async () => {
    const { ask: authenticate } = strategy()
    const token = await tokenOf('olive')
    await authenticate(token)
    await ask('DELETE', '/auth/tokens', undefined, admin, token)
    await cacheTime()
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('the token of a disabled user is refused after the cache time', async () => {
    await makeUser('dora', 'tenant', 'reader')
    const { ask: authenticate } = strategy()
    const token = await tokenOf('dora')
    expect((await authenticate(token)).roles).toEqual(['reader'])
    await ask('PATCH', `/users/${ids.dora}`, { user: { enabled: false } })
    await cacheTime()
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('a revoked token of the service user is replaced', async () => {
    const { ask: authenticate, logged } = strategy({ 'keystone.cache_seconds': 0 })
    const token = await tokenOf('olive')
    await authenticate(token)
    // A new password voids every token of the service user; the same again, so that the strategy can log in.
    await ask('PATCH', `/users/${ids.ironic}`, { user: { password: 'ironic-password' } })
    await cacheTime() // Keystone voids whatever was issued in the same second, too
    expect((await authenticate(token)).userName).toBe('olive')
    expect(logged).toHaveLength(2)
  })

  test('a wrong password of the service user lets nobody in and the log says what to check', async () => {
    const { ask: authenticate, logged } = strategy({ 'keystone.password': 'wrong' })
    await expect(authenticate(await tokenOf('olive'))).rejects.toMatchObject({ code: 'unavailable' })
    expect(logged.join()).toContain('refuses the service user ironic (HTTP 401): check keystone.username')
  })

  test('a service user without the right to validate lets nobody in and the log says what it needs', async () => {
    const { ask: authenticate, logged } = strategy({
      'keystone.username': 'olive',
      'keystone.password': 'olive-password',
      'keystone.project': 'tenant',
    })
    await expect(authenticate(admin)).rejects.toMatchObject({ code: 'unavailable' })
    expect(logged.join()).toContain('give user olive the role service or admin on project tenant')
  })

  test('while it is stopped nobody gets in after the cache time, and afterwards they do', async () => {
    const { ask: authenticate } = strategy()
    const token = await tokenOf('olive')
    await authenticate(token)
    await keystone.stop()
    expect((await authenticate(token)).userName).toBe('olive')
    await cacheTime()
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'unavailable' })
    await keystone.start()
    expect((await authenticate(token)).userName).toBe('olive')
  })
})

const makeCredential = async (token: string, fields: object): Promise<{ id: string; secret: string }> =>
  (
    await ask(
      'POST',
      `/users/${ids.olive}/application_credentials`,
      { application_credential: { ...fields, secret: `secret of ${JSON.stringify(fields)}` } },
      token,
    )
  ).body.application_credential

const tokenOfCredential = async (id: string, secret: string): Promise<string> =>
  (
    await ask('POST', '/auth/tokens', {
      auth: { identity: { methods: ['application_credential'], application_credential: { id, secret } } },
    })
  ).token
