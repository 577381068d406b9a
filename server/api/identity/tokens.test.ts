import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { purgeExpiredTokens } from '../../access/index.ts'
import { PASSWORD, passwordLogin, type TestIdentity, testIdentity } from './testing.ts'

let identity: TestIdentity
beforeAll(async () => {
  identity = await testIdentity()
})
afterAll(() => identity.close())

const login = (body: unknown) => identity.call('POST', '/auth/tokens', { body })
const admin = () => identity.tokenOf('admin', 'system')
const idOf = async (kind: 'users' | 'projects' | 'roles', name: string): Promise<string> => {
  const answer = await identity.call('GET', `/${kind}?name=${name}`, { token: await admin() })
  return answer.json()[kind][0].id
}
const asCaller = (token: string) =>
  identity.authenticator.authenticate({ token, method: 'GET', path: '/v1/nodes' })
/** A user of its own for tests that change it: role member on project `owner`. */
const makeUser = async (name: string, role = 'member') => {
  const token = await admin()
  const created = await identity.call('POST', '/users', {
    token,
    body: { user: { name, password: PASSWORD } },
  })
  const user = created.json().user.id as string
  const project = await idOf('projects', 'owner')
  const grant = `/projects/${project}/users/${user}/roles/${await idOf('roles', role)}`
  await identity.call('PUT', grant, { token })
  return { user, project, grant }
}

describe('versions', () => {
  test('are found at /identity and at /identity/v3, by the name the request used', async () => {
    const all = await identity.app.inject({ url: '/identity', headers: { host: 'cloud.test:1' } })
    expect(all.statusCode).toBe(300)
    expect(all.json().versions.values[0].links[0].href).toBe('http://cloud.test:1/identity/v3/')
    const one = await identity.call('GET', '')
    expect(one.statusCode).toBe(200)
    expect(one.json().version).toMatchObject({ id: 'v3.14', status: 'stable' })
  })
})

describe('a login by password', () => {
  test('for a project tells user, project, roles with the implied ones, and the catalog', async () => {
    const answer = await login(passwordLogin('olive', PASSWORD, { project: 'owner' }))
    expect(answer.statusCode).toBe(201)
    const { token } = answer.json()
    expect(token).toMatchObject({
      methods: ['password'],
      user: { name: 'olive', domain: { id: 'default', name: 'Default' } },
      project: { name: 'owner', domain: { id: 'default' } },
    })
    expect(token.roles.map((role: { name: string }) => role.name)).toEqual([
      'admin',
      'manager',
      'member',
      'reader',
    ])
    const baremetal = token.catalog.find((service: { type: string }) => service.type === 'baremetal')
    expect(baremetal.endpoints[0]).toMatchObject({ url: 'http://identity.test:6385', region: 'RegionOne' })
    // Clients of esi-leap's API add /v1 to this.
    const lease = token.catalog.find((service: { type: string }) => service.type === 'lease')
    expect(lease.endpoints[0]).toMatchObject({ url: 'http://identity.test:6385', interface: 'public' })
    expect(Date.parse(token.expires_at) - Date.parse(token.issued_at)).toBe(14_400_000)
  })

  test('for the system makes a caller of system scope', async () => {
    const caller = await asCaller(await admin())
    expect(caller).toMatchObject({ systemScope: 'all', projectId: null, userName: 'admin' })
    expect(caller.roles).toEqual(['admin', 'manager', 'member', 'reader'])
  })

  test('without a scope takes the default project when there is one, and none else', async () => {
    const withDefault = await login(passwordLogin('admin', PASSWORD))
    expect(withDefault.json().token.project.name).toBe('admin')
    const without = await login(passwordLogin('lena', PASSWORD))
    expect(without.json().token.project).toBeUndefined()
    expect(without.json().token.catalog).toBeUndefined()
    const unscoped = await login(passwordLogin('admin', PASSWORD, 'unscoped'))
    expect(unscoped.json().token.project).toBeUndefined()
  })

  test('names the domain as clients do, in whatever case, and finds nobody in another', async () => {
    const inDomain = (domain: object) =>
      login({
        auth: {
          identity: {
            methods: ['password'],
            password: { user: { name: 'lena', domain, password: PASSWORD } },
          },
        },
      })
    for (const domain of [{ id: 'default' }, { name: 'Default' }, { name: 'default' }])
      expect((await inDomain(domain)).statusCode).toBe(201)
    for (const domain of [{ id: 'Default' }, { name: 'other' }, {}])
      expect((await inDomain(domain)).statusCode).toBe(401)
  })

  test('is refused in the same words for a wrong password, an unknown user, project or scope', async () => {
    const refusals = await Promise.all([
      login(passwordLogin('lena', 'wrong')),
      login(passwordLogin('nobody', PASSWORD)),
      login(passwordLogin('lena', PASSWORD, { project: 'owner' })),
      login(passwordLogin('lena', PASSWORD, { project: 'nowhere' })),
      login(passwordLogin('lena', PASSWORD, 'system')),
      login({ auth: { identity: { methods: ['totp'] } } }),
    ])
    for (const refusal of refusals) {
      expect(refusal.statusCode).toBe(401)
      expect(refusal.json()).toEqual({
        error: {
          code: 401,
          title: 'Unauthorized',
          message: 'The request you have made requires authentication.',
        },
      })
      expect(refusal.headers['www-authenticate']).toBe('Keystone uri="http://identity.test:6385/identity"')
    }
  })

  test('with a body that is wrong names the field', async () => {
    const answer = await login({
      auth: { identity: { methods: ['password'], password: { user: { name: 5 } } } },
    })
    expect(answer.statusCode).toBe(400)
    expect(answer.json().error.message).toContain('auth.identity.password.user')
  })

  test('with any JSON at all never is an error of the server', async () => {
    const base = passwordLogin('anyone', 'x', { project: 'owner' })
    const shaped = fc
      .tuple(
        fc.constantFrom(
          ['auth'],
          ['auth', 'identity'],
          ['auth', 'identity', 'methods'],
          ['auth', 'identity', 'password'],
          ['auth', 'identity', 'password', 'user'],
          ['auth', 'identity', 'password', 'user', 'name'],
          ['auth', 'identity', 'password', 'user', 'domain'],
          ['auth', 'scope'],
          ['auth', 'scope', 'project'],
        ),
        fc.jsonValue(),
      )
      .map(([path, value]) => replaced(base, path, value))
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), shaped), async (body) => {
        const answer = await identity.app.inject({
          method: 'POST',
          url: '/identity/v3/auth/tokens',
          remoteAddress: '127.0.0.9', // its failures are not those of other tests
          headers: { 'content-type': 'application/json' },
          payload: JSON.stringify(body),
        })
        expect(answer.statusCode).toBeGreaterThanOrEqual(400)
        expect(answer.statusCode).toBeLessThan(500)
        expect(answer.json().error.code).toBe(answer.statusCode)
      }),
      { numRuns: 200 },
    )
  })

  test('with text that is no JSON, is too long or is of another type is refused', async () => {
    const send = (payload: string, type = 'application/json') =>
      identity.app.inject({
        method: 'POST',
        url: '/identity/v3/auth/tokens',
        headers: { 'content-type': type },
        payload,
      })
    expect((await send('{"auth":')).statusCode).toBe(400)
    expect((await send('')).statusCode).toBe(400)
    expect((await send('{"__proto__": {}}')).statusCode).toBe(400)
    expect((await send(JSON.stringify({ auth: 'x'.repeat(70_000) }))).statusCode).toBe(413)
    expect((await send('auth=1', 'application/x-www-form-urlencoded')).statusCode).toBe(400)
    expect((await send(JSON.stringify(passwordLogin('a\u0000', 'b')))).statusCode).toBe(400)
  })
})

describe('a token', () => {
  test('is not in the database, but its hash is', async () => {
    const token = await identity.tokenOf('lena', { project: 'lessee' })
    const rows = await identity.db.selectFrom('tokens').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain(token)
    expect(token).toMatch(/^lh_[\w-]{43}$/)
  })

  test('is shown to its user, to readers of the system and to services, and hidden from others', async () => {
    const subject = await identity.tokenOf('lena', { project: 'lessee' })
    const ask = async (token: string) =>
      (await identity.call('GET', '/auth/tokens', { token, subject })).statusCode
    expect(await ask(subject)).toBe(200)
    expect(await ask(await identity.tokenOf('auditor', 'system'))).toBe(200)
    expect(await ask(await identity.tokenOf('agent', { project: 'service' }))).toBe(200)
    expect(await ask(await identity.tokenOf('strange', { project: 'stranger' }))).toBe(404)
    expect(await ask('lh_no')).toBe(401)
    const head = await identity.call('HEAD', '/auth/tokens', { token: subject, subject })
    expect([head.statusCode, head.body]).toEqual([200, ''])
  })

  test('is void at once after it is revoked, which others can not do', async () => {
    const token = await identity.tokenOf('lena', { project: 'lessee' })
    await asCaller(token)
    const stranger = await identity.tokenOf('strange', { project: 'stranger' })
    expect(
      (await identity.call('DELETE', '/auth/tokens', { token: stranger, subject: token })).statusCode,
    ).toBe(404)
    expect((await asCaller(token)).userName).toBe('lena')
    expect((await identity.call('DELETE', '/auth/tokens', { token, subject: token })).statusCode).toBe(204)
    await expect(asCaller(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('got with a token has another scope and does not outlive the first', async () => {
    const first = await login(passwordLogin('admin', PASSWORD, { project: 'admin' }))
    const again = (scope: unknown) =>
      login({
        auth: {
          identity: { methods: ['token'], token: { id: first.headers['x-subject-token'] } },
          ...(scope ? { scope } : {}),
        },
      })
    const second = await again({ system: { all: true } })
    expect(second.json().token).toMatchObject({
      methods: ['password', 'token'],
      system: { all: true },
      expires_at: first.json().token.expires_at,
    })
    expect(second.json().token.audit_ids[1]).toBe(first.json().token.audit_ids[0])
    expect((await again(undefined)).json().token.project.name).toBe('admin')
    expect((await again({ project: { name: 'owner', domain: { id: 'default' } } })).statusCode).toBe(401)
  })

  test('loses a role at once when it is taken, and is void without any', async () => {
    const { user, project, grant } = await makeUser('wanda')
    const manager = `/projects/${project}/users/${user}/roles/${await idOf('roles', 'manager')}`
    const token = await admin()
    await identity.call('PUT', manager, { token })
    const wanda = await identity.tokenOf('wanda', { project: 'owner' })
    expect((await asCaller(wanda)).roles).toContain('manager')
    await identity.call('DELETE', manager, { token })
    expect((await asCaller(wanda)).roles).toEqual(['member', 'reader'])
    await identity.call('DELETE', grant, { token })
    await expect(asCaller(wanda)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('is void when the user is disabled, and stays so', async () => {
    const { user } = await makeUser('xaver')
    const xaver = await identity.tokenOf('xaver', { project: 'owner' })
    await asCaller(xaver)
    const enable = async (enabled: boolean) =>
      identity.call('PATCH', `/users/${user}`, { token: await admin(), body: { user: { enabled } } })
    await enable(false)
    await expect(asCaller(xaver)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect((await login(passwordLogin('xaver', PASSWORD))).statusCode).toBe(401)
    await enable(true)
    await expect(asCaller(xaver)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('is void when its project is disabled', async () => {
    const token = await admin()
    const created = await identity.call('POST', '/projects', {
      token,
      body: { project: { name: 'shortlived' } },
    })
    const project = created.json().project.id
    const { user } = await makeUser('yves')
    await identity.call('PUT', `/projects/${project}/users/${user}/roles/${await idOf('roles', 'reader')}`, {
      token,
    })
    const yves = await identity.tokenOf('yves', { project: 'shortlived' })
    await asCaller(yves)
    await identity.call('PATCH', `/projects/${project}`, { token, body: { project: { enabled: false } } })
    await expect(asCaller(yves)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect((await login(passwordLogin('yves', PASSWORD, { project: 'shortlived' }))).statusCode).toBe(401)
  })

  test('is void after a change of the password, which needs the old one', async () => {
    const { user } = await makeUser('zora')
    const zora = await identity.tokenOf('zora', { project: 'owner' })
    const change = (original_password: string) =>
      identity.call('POST', `/users/${user}/password`, {
        token: zora,
        body: { user: { original_password, password: 'battery staple' } },
      })
    expect((await change('wrong')).statusCode).toBe(401)
    expect((await change(PASSWORD)).statusCode).toBe(204)
    await expect(asCaller(zora)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect((await login(passwordLogin('zora', PASSWORD))).statusCode).toBe(401)
    expect((await login(passwordLogin('zora', 'battery staple'))).statusCode).toBe(201)
  })

  test('is not issued for a password that is being changed while the old one is verified', async () => {
    const { user } = await makeUser('rosa')
    const racing = await identity.db.transaction().execute(async (trx) => {
      await trx.updateTable('users').set({ password_hash: null }).where('id', '=', user).execute()
      const answer = login(passwordLogin('rosa', PASSWORD))
      await new Promise((resolve) => setTimeout(resolve, 300))
      return { answer }
    })
    expect((await racing.answer).statusCode).toBe(401)
  })

  test('is void after a change made through another process, within a second', async () => {
    const { user } = await makeUser('quinn')
    const quinn = await identity.tokenOf('quinn', { project: 'owner' })
    await asCaller(quinn)
    await identity.db.updateTable('users').set({ enabled: false }).where('id', '=', user).execute()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await expect(asCaller(quinn)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('is void when it has expired, and is then purged', async () => {
    const expired = await identity.tokenOf('olive', { project: 'owner' })
    const live = await identity.tokenOf('olive', { project: 'owner' })
    const { createHash } = await import('node:crypto')
    await identity.db
      .updateTable('tokens')
      .set({ expires_at: new Date(Date.now() - 1000) })
      .where('token_hash', '=', createHash('sha256').update(expired).digest())
      .execute()
    await expect(asCaller(expired)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(await purgeExpiredTokens(identity.db, 1)).toBe(1)
    expect(await purgeExpiredTokens(identity.db)).toBe(0)
    expect((await asCaller(live)).userName).toBe('olive')
  })

  test('of a service comes along with the request of a user', async () => {
    const token = await identity.tokenOf('lena', { project: 'lessee' })
    const serviceToken = await identity.tokenOf('agent', { project: 'service' })
    const request = { token, method: 'GET', path: '/v1/nodes' }
    const caller = await identity.authenticator.authenticate({ ...request, serviceToken })
    expect(caller).toMatchObject({ userName: 'lena', service: { roles: ['service'] } })
    await expect(
      identity.authenticator.authenticate({ ...request, serviceToken: 'bad' }),
    ).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  })
})

describe('places where the caller could act', () => {
  test('are the own projects, and the system only with a role there', async () => {
    const lena = await identity.tokenOf('lena', 'unscoped')
    const projects = (await identity.call('GET', '/auth/projects', { token: lena })).json().projects
    expect(projects.map((project: { name: string }) => project.name)).toEqual(['lessee'])
    expect((await identity.call('GET', '/auth/system', { token: lena })).json().system).toEqual([])
    expect((await identity.call('GET', '/auth/system', { token: await admin() })).json().system).toEqual([
      { all: true },
    ])
  })
})

describe('a failure', () => {
  test('slows down the account that was guessed, also for the right password, and says for how long', async () => {
    const name = 'guessed'
    for (let attempt = 0; attempt < 5; attempt++)
      expect((await login(passwordLogin(name, `guess ${attempt}`))).statusCode).toBe(401)
    expect((await login(passwordLogin(name, 'guess'))).statusCode).toBe(401)
    const refused = await login(passwordLogin(name, 'guess'))
    expect(refused.statusCode).toBe(429)
    expect(refused.json().error.title).toBe('Too Many Requests')
    expect(Number(refused.headers['retry-after'])).toBe(1)
  })
})

function replaced(object: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const mapping = object as Record<string, unknown>
  return { ...mapping, [key]: replaced(mapping[key], rest, value) }
}
