import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD, passwordLogin, type TestIdentity, testIdentity } from './testing.ts'

let identity: TestIdentity
/** Tokens: administrator, reader of the system, and two tenants of whom neither may see the other. */
let admin: string
let auditor: string
let lena: string
let strange: string
const ids: Record<string, string> = {}

beforeAll(async () => {
  identity = await testIdentity()
  admin = await identity.tokenOf('admin', 'system')
  auditor = await identity.tokenOf('auditor', 'system')
  lena = await identity.tokenOf('lena', { project: 'lessee' })
  strange = await identity.tokenOf('strange', { project: 'stranger' })
  for (const kind of ['users', 'projects', 'roles'])
    for (const row of (await identity.call('GET', `/${kind}`, { token: admin })).json()[kind])
      ids[`${kind.slice(0, -1)} ${row.name}`] = row.id
})
afterAll(() => identity.close())

const send = async (
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  token: string,
  body?: unknown,
) => {
  const answer = await identity.call(method, path, { token, body })
  return { status: answer.statusCode, body: answer.body ? answer.json() : undefined }
}
const names = (rows: { name: string }[]): string[] => rows.map((row) => row.name)
const credentialsOf = (user: string) => `/users/${ids[`user ${user}`]}/application_credentials`
const makeCredential = (token: string, user: string, fields: object) =>
  send('POST', credentialsOf(user), token, { application_credential: fields })
const credentialLogin = (id: string, secret: string) =>
  identity.call('POST', '/auth/tokens', {
    body: {
      auth: { identity: { methods: ['application_credential'], application_credential: { id, secret } } },
    },
  })

describe('projects', () => {
  test('are made, found by name, changed and deleted by an administrator of the system', async () => {
    const made = await send('POST', '/projects', admin, { project: { name: 'physics', is_domain: false } })
    expect(made.status).toBe(201)
    expect(made.body.project).toMatchObject({ name: 'physics', domain_id: 'default', enabled: true })
    const path = `/projects/${made.body.project.id}`
    expect((await send('GET', '/projects?name=physics&domain_id=default', admin)).body.projects).toHaveLength(
      1,
    )
    expect((await send('GET', '/projects?domain_id=other', admin)).body.projects).toEqual([])
    const changed = await send('PATCH', path, admin, { project: { description: 'new', enabled: false } })
    expect(changed.body.project).toMatchObject({ name: 'physics', description: 'new', enabled: false })
    expect(names((await send('GET', '/projects?enabled=False', admin)).body.projects)).toEqual(['physics'])
    expect((await send('DELETE', path, admin)).status).toBe(204)
    expect((await send('GET', path, admin)).status).toBe(404)
    expect((await send('DELETE', path, admin)).status).toBe(404)
  })

  test('have names that are taken once', async () => {
    const answer = await send('POST', '/projects', admin, { project: { name: 'lessee' } })
    expect(answer).toMatchObject({ status: 409, body: { error: { code: 409, title: 'Conflict' } } })
    expect(
      (await send('PATCH', `/projects/${ids['project owner']}`, admin, { project: { name: 'lessee' } }))
        .status,
    ).toBe(409)
  })

  test.each([
    ['a name that is missing', {}, 'name'],
    ['a name that is too long', { name: 'x'.repeat(65) }, 'name'],
    ['another domain', { name: 'x', domain_id: 'other' }, 'domain_id'],
    ['tags, which are not kept', { name: 'x', tags: ['a'] }, 'tags'],
    ['a switch that is a text', { name: 'x', enabled: 'yes' }, 'enabled'],
  ])('are refused with %s, which the error names', async (_, project, field) => {
    const answer = await send('POST', '/projects', admin, { project })
    expect(answer.status).toBe(400)
    expect(answer.body.error.message).toContain(field)
  })
})

describe('users', () => {
  test('are made, found by name, changed and deleted by an administrator of the system', async () => {
    const user = {
      name: 'nora',
      password: PASSWORD,
      email: 'n@x.test',
      default_project_id: ids['project owner'],
    }
    const made = await send('POST', '/users', admin, { user })
    expect(made.status).toBe(201)
    expect(made.body.user).toMatchObject({ name: 'nora', email: 'n@x.test', enabled: true })
    expect(JSON.stringify(made.body)).not.toMatch(/password_hash|argon/)
    const path = `/users/${made.body.user.id}`
    expect((await send('GET', '/users?name=nora', admin)).body.users).toHaveLength(1)
    expect((await send('PATCH', path, admin, { user: { password: 'set by admin' } })).status).toBe(200)
    expect(
      (await identity.call('POST', '/auth/tokens', { body: passwordLogin('nora', 'set by admin') }))
        .statusCode,
    ).toBe(201)
    expect((await send('DELETE', path, admin)).status).toBe(204)
    expect((await send('GET', path, admin)).status).toBe(404)
  })

  test('are not made with a default project that is not there, or a name that is taken', async () => {
    const make = (user: object) => send('POST', '/users', admin, { user })
    expect((await make({ name: 'x', default_project_id: 'nowhere' })).status).toBe(404)
    expect((await make({ name: 'lena' })).status).toBe(409)
  })

  test('without a password can not log in', async () => {
    await send('POST', '/users', admin, { user: { name: 'nopass' } })
    expect(
      (await identity.call('POST', '/auth/tokens', { body: passwordLogin('nopass', '') })).statusCode,
    ).toBe(401)
  })
})

describe('roles', () => {
  test('are seen by everybody, made and deleted by an administrator, and the fixed ones stay', async () => {
    expect((await send('GET', '/roles?name=admin', lena)).body.roles).toHaveLength(1)
    const made = await send('POST', '/roles', admin, { role: { name: 'observer' } })
    expect(made.status).toBe(201)
    expect((await send('POST', '/roles', admin, { role: { name: 'ADMIN' } })).status).toBe(409)
    expect((await send('DELETE', `/roles/${made.body.role.id}`, admin)).status).toBe(204)
    expect((await send('DELETE', `/roles/${ids['role admin']}`, admin)).status).toBe(403)
  })

  test('are given and taken on projects and on the system', async () => {
    for (const place of [`/projects/${ids['project owner']}`, '/system']) {
      const roles = `${place}/users/${ids['user agent']}/roles`
      const one = `${roles}/${ids['role reader']}`
      expect((await send('HEAD', one, admin)).status).toBe(404)
      expect((await send('PUT', one, admin)).status).toBe(204)
      expect((await send('PUT', one, admin)).status).toBe(204)
      expect((await send('HEAD', one, admin)).status).toBe(204)
      expect((await send('GET', one, admin)).status).toBe(204)
      expect(names((await send('GET', roles, admin)).body.roles)).toEqual(['reader'])
      expect((await send('DELETE', one, admin)).status).toBe(204)
      expect((await send('DELETE', one, admin)).status).toBe(404)
    }
    const nowhere = `/projects/${ids['project owner']}/users/nobody/roles/${ids['role reader']}`
    expect((await send('PUT', nowhere, admin)).status).toBe(404)
  })

  test('are listed by who has them where, with names and with the implied ones', async () => {
    const list = async (query: string) =>
      (await send('GET', `/role_assignments?${query}`, admin)).body.role_assignments
    const olive = `user.id=${ids['user olive']}`
    expect(await list(olive)).toHaveLength(2)
    expect(
      await list(`${olive}&scope.project.id=${ids['project owner']}&role.id=${ids['role member']}`),
    ).toHaveLength(1)
    expect(await list(`${olive}&scope.system=all`)).toEqual([])
    expect(await list('group.id=x')).toEqual([])
    const named = await list(`${olive}&include_names&effective`)
    expect(named.map((each: { role: { name: string } }) => each.role.name)).toEqual([
      'admin',
      'manager',
      'member',
      'reader',
    ])
    expect(named[0]).toMatchObject({
      user: { name: 'olive', domain: { name: 'Default' } },
      scope: { project: { name: 'owner' } },
    })
  })
})

describe('application credentials', () => {
  test('act for their user on one project with the roles they were given', async () => {
    const made = await makeCredential(lena, 'lena', { name: 'reads', roles: [{ name: 'reader' }] })
    expect(made.status).toBe(201)
    const { id, secret } = made.body.application_credential
    const answer = await credentialLogin(id, secret)
    expect(answer.json().token).toMatchObject({
      methods: ['application_credential'],
      project: { name: 'lessee' },
      roles: [{ name: 'reader' }],
      application_credential: { id, restricted: true },
    })
    expect((await credentialLogin(id, 'wrong')).statusCode).toBe(401)
    const byName = { name: 'reads', user: { name: 'lena', domain: { id: 'default' } }, secret }
    const login = await identity.call('POST', '/auth/tokens', {
      body: { auth: { identity: { methods: ['application_credential'], application_credential: byName } } },
    })
    expect(login.statusCode).toBe(201)
  })

  test('are shown without the secret, and found by name', async () => {
    const made = await makeCredential(lena, 'lena', { name: 'shown', secret: 'of my own' })
    expect(made.body.application_credential.secret).toBe('of my own')
    const { id } = made.body.application_credential
    const shown = await send('GET', `${credentialsOf('lena')}/${id}`, lena)
    expect(shown.body.application_credential).toMatchObject({
      name: 'shown',
      unrestricted: false,
      expires_at: null,
    })
    expect(shown.body.application_credential.secret).toBeUndefined()
    expect(
      (await send('GET', `${credentialsOf('lena')}?name=shown`, lena)).body.application_credentials,
    ).toHaveLength(1)
  })

  test('have no role that the user has not, nor access rules, which are not enforced here', async () => {
    expect((await makeCredential(lena, 'lena', { name: 'more', roles: [{ name: 'admin' }] })).status).toBe(
      400,
    )
    const rules = { name: 'ruled', access_rules: [{ service: 'baremetal', method: 'GET', path: '/' }] }
    expect((await makeCredential(lena, 'lena', rules)).body.error.message).toContain('access_rules')
  })

  test('make no others when restricted, and do when not', async () => {
    const tokenWith = async (fields: object) => {
      const { id, secret } = (await makeCredential(lena, 'lena', fields)).body.application_credential
      return (await credentialLogin(id, secret)).headers['x-subject-token'] as string
    }
    const restricted = await tokenWith({ name: 'restricted' })
    expect((await makeCredential(restricted, 'lena', { name: 'child' })).status).toBe(403)
    const list = (await send('GET', credentialsOf('lena'), restricted)).body.application_credentials
    expect((await send('DELETE', `${credentialsOf('lena')}/${list[0].id}`, restricted)).status).toBe(403)
    const free = await tokenWith({ name: 'free', unrestricted: true, roles: [{ name: 'reader' }] })
    expect(
      (await makeCredential(free, 'lena', { name: 'child' })).body.application_credential.roles,
    ).toMatchObject([{ name: 'reader' }])
    expect(
      (await makeCredential(free, 'lena', { name: 'child of more', roles: [{ name: 'member' }] })).status,
    ).toBe(400)
  })

  test('can not be used to reach another project', async () => {
    const { id, secret } = (await makeCredential(lena, 'lena', { name: 'bound' })).body.application_credential
    const token = (await credentialLogin(id, secret)).headers['x-subject-token']
    const rescope = (scope: unknown) =>
      identity.call('POST', '/auth/tokens', {
        body: { auth: { identity: { methods: ['token'], token: { id: token } }, scope } },
      })
    expect((await rescope('unscoped')).statusCode).toBe(401)
    expect((await rescope({ project: { id: ids['project lessee'] } })).statusCode).toBe(201)
  })

  test('expire, and their tokens with them', async () => {
    const past = await makeCredential(lena, 'lena', { name: 'past', expires_at: '2001-01-01T00:00:00' })
    expect(past).toMatchObject({ status: 400 })
    expect((await makeCredential(lena, 'lena', { name: 'odd', expires_at: 'soon' })).status).toBe(400)
    const soon = new Date(Date.now() + 60_000).toISOString()
    const { id, secret } = (await makeCredential(lena, 'lena', { name: 'soon', expires_at: soon })).body
      .application_credential
    expect(Date.parse((await credentialLogin(id, secret)).json().token.expires_at)).toBe(Date.parse(soon))
    await identity.db
      .updateTable('application_credentials')
      .set({ expires_at: new Date(Date.now() - 1) })
      .where('id', '=', id)
      .execute()
    expect((await credentialLogin(id, secret)).statusCode).toBe(401)
  })

  test('are deleted with their tokens, also when the user loses a role they need', async () => {
    const user = (await send('POST', '/users', admin, { user: { name: 'otto', password: PASSWORD } })).body
      .user.id
    ids['user otto'] = user
    const grant = (role: string) =>
      `/projects/${ids['project owner']}/users/${user}/roles/${ids[`role ${role}`]}`
    await send('PUT', grant('reader'), admin)
    await send('PUT', grant('member'), admin)
    const otto = await identity.tokenOf('otto', { project: 'owner' })
    const make = async (name: string, role: string) => {
      const { id, secret } = (await makeCredential(otto, 'otto', { name, roles: [{ name: role }] })).body
        .application_credential
      return { id, token: (await credentialLogin(id, secret)).headers['x-subject-token'] as string }
    }
    const [reads, writes, doomed] = [
      await make('reads', 'reader'),
      await make('writes', 'member'),
      await make('doomed', 'reader'),
    ]
    const works = async ({ token }: { token: string }) => (await send('GET', '/roles', token)).status === 200
    expect([await works(reads), await works(writes), await works(doomed)]).toEqual([true, true, true])
    await send('DELETE', `${credentialsOf('otto')}/${doomed.id}`, otto)
    expect(await works(doomed)).toBe(false)
    await send('DELETE', grant('member'), admin)
    expect([await works(reads), await works(writes)]).toEqual([true, false])
    expect(names((await send('GET', credentialsOf('otto'), admin)).body.application_credentials)).toEqual([
      'reads',
    ])
    await send('DELETE', grant('reader'), admin)
    expect((await send('GET', credentialsOf('otto'), admin)).body.application_credentials).toEqual([])
  })
})

describe('a tenant', () => {
  test('finds in lists only itself, its projects and assignments', async () => {
    expect(names((await send('GET', '/projects', strange)).body.projects)).toEqual(['stranger'])
    expect(names((await send('GET', '/users', strange)).body.users)).toEqual(['strange'])
    const [theirs, nobodys] = [
      await send('GET', '/projects?name=lessee', strange),
      await send('GET', '/projects?name=nonesuch', strange),
    ]
    expect([theirs.status, theirs.body]).toEqual([403, nobodys.body])
    expect((await send('GET', '/users?name=lena', strange)).body.users).toEqual([])
    const assignments = (await send('GET', '/role_assignments?include_names', strange)).body.role_assignments
    expect(assignments.map((each: { user: { name: string } }) => each.user.name)).toEqual(['strange'])
    const others = `/role_assignments?user.id=${ids['user lena']}`
    expect((await send('GET', others, strange)).body.role_assignments).toEqual([])
    expect(
      names((await send('GET', `/users/${ids['user strange']}/projects`, strange)).body.projects),
    ).toEqual(['stranger'])
  })

  test('gets 404 for what is of another, whatever it asks for, as for what is not there', async () => {
    const credential = (await makeCredential(lena, 'lena', { name: 'secret' })).body.application_credential.id
    const [user, project, role] = [ids['user lena'], ids['project lessee'], ids['role reader']]
    const self = ids['user strange']
    const requests: Parameters<typeof send>[] = [
      ['GET', `/projects/${project}`, strange],
      ['PATCH', `/projects/${project}`, strange, { project: { name: 'mine' } }],
      ['DELETE', `/projects/${project}`, strange],
      ['GET', `/users/${user}`, strange],
      ['PATCH', `/users/${user}`, strange, { user: { enabled: false } }],
      ['DELETE', `/users/${user}`, strange],
      ['POST', `/users/${user}/password`, strange, { user: { original_password: PASSWORD, password: 'x' } }],
      ['GET', `/users/${user}/projects`, strange],
      ['GET', `/users/${user}/application_credentials`, strange],
      ['POST', `/users/${user}/application_credentials`, strange, { application_credential: { name: 'x' } }],
      ['GET', `/users/${user}/application_credentials/${credential}`, strange],
      ['DELETE', `/users/${user}/application_credentials/${credential}`, strange],
      ['GET', `/users/${self}/application_credentials/${credential}`, strange],
      ['DELETE', `/users/${self}/application_credentials/${credential}`, strange],
      ['GET', `/projects/${project}/users/${user}/roles`, strange],
      ['GET', `/projects/${project}/users/${self}/roles`, strange],
      ['PUT', `/projects/${project}/users/${self}/roles/${role}`, strange],
      ['DELETE', `/projects/${project}/users/${user}/roles/${role}`, strange],
      ['PUT', `/system/users/${user}/roles/${role}`, strange],
    ]
    for (const request of requests) {
      const { status, body } = await send(...request)
      expect([request[0], request[1], status]).toEqual([request[0], request[1], 404])
      expect(JSON.stringify(body)).not.toContain('less')
    }
    expect((await send('GET', `/projects/${project}`, lena)).status).toBe(200)
  })

  test('gets 403 for changes of what it sees, though it is an admin of its project', async () => {
    const [user, project, role] = [ids['user strange'], ids['project stranger'], ids['role admin']]
    const requests: Parameters<typeof send>[] = [
      ['POST', '/projects', strange, { project: { name: 'x' } }],
      ['PATCH', `/projects/${project}`, strange, { project: { name: 'x' } }],
      ['DELETE', `/projects/${project}`, strange],
      ['POST', '/users', strange, { user: { name: 'x' } }],
      ['PATCH', `/users/${user}`, strange, { user: { name: 'x' } }],
      ['POST', '/roles', strange, { role: { name: 'x' } }],
      ['PATCH', `/roles/${role}`, strange, { role: { description: 'x' } }],
      ['DELETE', `/roles/${role}`, strange],
      ['PUT', `/projects/${project}/users/${user}/roles/${role}`, strange],
      ['PUT', `/system/users/${user}/roles/${role}`, strange],
    ]
    for (const request of requests)
      expect([request[0], request[1], (await send(...request)).status]).toEqual([request[0], request[1], 403])
  })
})

describe('a reader of the system', () => {
  test('sees everything and changes nothing', async () => {
    expect(names((await send('GET', '/users', auditor)).body.users)).toContain('lena')
    expect((await send('GET', `/projects/${ids['project lessee']}`, auditor)).status).toBe(200)
    expect((await send('GET', credentialsOf('lena'), auditor)).status).toBe(200)
    expect((await send('DELETE', `/projects/${ids['project lessee']}`, auditor)).status).toBe(403)
    expect((await send('POST', '/users', auditor, { user: { name: 'x' } })).status).toBe(403)
    const grant = `/system/users/${ids['user auditor']}/roles/${ids['role admin']}`
    expect((await send('PUT', grant, auditor)).status).toBe(403)
    expect((await makeCredential(auditor, 'lena', { name: 'x' })).status).toBe(403)
  })
})

describe('every request', () => {
  test('without a valid token is refused before anything else is looked at', async () => {
    for (const path of ['/projects', '/users', '/roles', '/role_assignments', '/auth/catalog', '/domains'])
      for (const headers of [{}, { 'x-auth-token': 'x' }, { 'x-auth-token': `lh_${'a'.repeat(43)}` }])
        expect((await identity.app.inject({ url: `/identity/v3${path}`, headers })).statusCode).toBe(401)
    const bad = await identity.call('POST', '/projects', { body: { wrong: true } })
    expect(bad.statusCode).toBe(401)
  })

  test('for something there is not, or with a NUL in it, is told so', async () => {
    expect((await send('GET', '/groups', admin)).body.error).toMatchObject({ code: 404, title: 'Not Found' })
    expect((await send('GET', '/projects/a%00b', admin)).status).toBe(400)
    expect((await send('GET', '/projects?name=%00', admin)).status).toBe(400)
    expect((await send('GET', '/domains/default', lena)).body.domain.name).toBe('Default')
    expect((await send('GET', '/domains/other', lena)).status).toBe(404)
  })
})
