/** Keys for the SSH door, through the API, and whom they speak for. */
import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  callersOfKeys,
  createCredential,
  createThrottle,
  ensureAssignment,
  issueToken,
  login,
} from '../../access/index.ts'
import { holdersOfKey, newKeyPair } from '../../console/index.ts'
import { type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const newKey = (): string => newKeyPair().publicKey
const add = (who: Persona, publicKey = newKey(), name = 'laptop') =>
  api.as(who, 'POST', '/v1/console_keys', { name, public_key: publicKey })
const list = async (who: Persona) => (await api.as(who, 'GET', '/v1/console_keys')).body.console_keys
const userOf = (name: string) =>
  api.db.selectFrom('users').select('id').where('name', '=', name).executeTakeFirstOrThrow()
const worth = async (id: string) => (await callersOfKeys(api.db, [id])).get(id)

describe('a user’s keys', () => {
  it('are added, listed and deleted', async () => {
    const publicKey = newKey()
    const { status, body } = await add('lessee-member', `${publicKey} lena@example.org`)
    const user = await userOf('lessee-member')
    expect([status, body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        name: 'laptop',
        user_id: user.id,
        project_id: api.projects.lessee,
        fingerprint: expect.stringMatching(/^SHA256:/),
        public_key: publicKey,
        created_at: expect.stringMatching(/^\d{4}-/),
      },
    ])
    expect(await list('lessee-member')).toEqual([body])
    expect((await api.as('lessee-member', 'DELETE', `/v1/console_keys/${body.id}`)).status).toBe(204)
    expect(await list('lessee-member')).toEqual([])
  })

  it('are nobody else’s affair, the system administrator’s neither', async () => {
    const { body } = await add('owner-member')
    for (const who of ['owner-admin', 'lessee-member', 'stranger', 'system-admin'] as const) {
      expect([who, await list(who)]).toEqual([who, []])
      const answer = await api.as(who, 'DELETE', `/v1/console_keys/${body.id}`)
      expect([who, answer.status, answer.text]).toEqual([
        who,
        404,
        (await api.as(who, 'DELETE', '/v1/console_keys/6ccd1e7a-0000-4000-8000-000000000000')).text.replace(
          '6ccd1e7a-0000-4000-8000-000000000000',
          body.id,
        ),
      ])
    }
    expect(await list('owner-member')).toHaveLength(1)
  })

  it('are one each: the same again is a conflict, for another scope or user it is another', async () => {
    const publicKey = newKey()
    const first = await add('owner-manager', publicKey)
    const again = await add('owner-manager', `${publicKey} other comment`, 'other name')
    expect([first.status, again.status]).toEqual([201, 409])
    expect(again.text).toContain('laptop')
    const second = await add('lessee-manager', publicKey)
    expect(second.status).toBe(201)
    expect(await holdersOfKey(api.db, first.body.fingerprint)).toEqual([first.body.id, second.body.id])
  })

  it('are at most 50 for one project, also when many come at once', async () => {
    const user = await userOf('stranger')
    for (let count = 0; count < 48; count++)
      await api.db
        .insertInto('console_keys')
        .values({
          id: crypto.randomUUID(),
          name: 'x',
          user_id: user.id,
          project_id: api.projects.stranger,
          public_key: 'x',
          fingerprint: String(count),
        })
        .execute()
    const statuses = await Promise.all(Array.from({ length: 5 }, async () => (await add('stranger')).status))
    expect(statuses.sort()).toEqual([201, 201, 403, 403, 403])
  })

  it('are refused in words when they are weak or no keys', async () => {
    const { status, text } = await add(
      'lessee-member',
      ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }).public,
    )
    expect([status, text]).toEqual([400, expect.stringContaining('3072')])
    expect((await add('lessee-member', 'hello')).status).toBe(400)
    expect((await add('lessee-member', newKey(), 'a\nb')).status).toBe(400)
  })

  it('are not for readers, who may not see a console', async () => {
    expect((await add('lessee-reader')).status).toBe(403)
  })

  it('are neither made nor deleted by an application credential, which they would outlive and outdo', async () => {
    const { id: userId } = await userOf('lessee-member')
    const owner = { userId, projectId: api.projects.lessee, roles: ['member'] }
    const own = (await add('lessee-member')).body
    for (const unrestricted of [false, true]) {
      const wanted = { name: `c ${unrestricted}`, unrestricted, expiresAt: null }
      const { credential, secret } = await createCredential(api.db, owner, wanted)
      const { token } = await login(
        { db: api.db, throttle: createThrottle(), tokenSeconds: 60 },
        { method: 'application_credential', id: credential.id, secret },
        undefined,
        '127.0.0.1',
      )
      const answer = await api.app.inject({
        method: 'POST',
        url: '/v1/console_keys',
        headers: { 'x-auth-token': token },
        payload: { name: 'x', public_key: newKey() },
      })
      expect(answer.statusCode).toBe(403)
      const deleted = await api.app.inject({
        method: 'DELETE',
        url: `/v1/console_keys/${own.id}`,
        headers: { 'x-auth-token': token },
      })
      expect(deleted.statusCode).toBe(403)
    }
  })

  it('are not kept where a Keystone knows the users', async () => {
    const { config } = api.deps
    Object.assign(config, { 'auth.strategy': 'keystone' })
    try {
      const { status, text } = await add('lessee-member')
      expect([status, text]).toEqual([400, expect.stringContaining('a token as the password')])
    } finally {
      Object.assign(config, { 'auth.strategy': 'standalone' })
    }
  })
})

describe('a key', () => {
  it('is worth the roles that its user has now on its project', async () => {
    const { body: key } = await add('lessee-member')
    const { id: userId } = await userOf('lessee-member')
    const projectId = api.projects.lessee
    expect(await worth(key.id)).toMatchObject({
      authMethod: 'standalone',
      userId,
      userName: 'lessee-member',
      projectId,
      projectName: 'lessee',
      systemScope: null,
      roles: ['member', 'reader'],
      tokenHash: null,
    })
    await ensureAssignment(api.db, { userId, role: 'admin', projectId })
    expect((await worth(key.id))?.roles).toContain('admin')
    // A role elsewhere is none here.
    await ensureAssignment(api.db, { userId, role: 'admin', projectId: null })
    await api.db
      .deleteFrom('role_assignments')
      .where('user_id', '=', userId)
      .where('project_id', '=', projectId)
      .execute()
    expect(await worth(key.id)).toBeUndefined()
    await ensureAssignment(api.db, { userId, role: 'member', projectId })
  })

  it('of the system is worth the system’s roles', async () => {
    const { body: key } = await add('system-admin')
    expect(key.project_id).toBeNull()
    expect(await worth(key.id)).toMatchObject({ projectId: null, systemScope: 'all' })
    expect((await worth(key.id))?.roles).toContain('admin')
  })

  it('is worth nothing while its user or project is disabled, and after it is deleted', async () => {
    const { body: key } = await add('owner-admin')
    const user = await userOf('owner-admin')
    const set = (table: 'users' | 'projects', id: string, enabled: boolean) =>
      api.db.updateTable(table).set({ enabled }).where('id', '=', id).execute()
    for (const [table, id] of [
      ['users', user.id],
      ['projects', api.projects.owner],
    ] as const) {
      await set(table, id, false)
      expect([table, await worth(key.id)]).toEqual([table, undefined])
      await set(table, id, true)
      expect(await worth(key.id)).toBeDefined()
    }
    await api.as('owner-admin', 'DELETE', `/v1/console_keys/${key.id}`)
    expect(await worth(key.id)).toBeUndefined()
  })

  it('is asked about together with others, in one query', async () => {
    const keys = [await add('owner-member'), await add('lessee-member'), await add('system-admin')]
    const ids = keys.map(({ body }) => body.id as string)
    const found = await callersOfKeys(api.db, [...ids, '6ccd1e7a-0000-4000-8000-000000000000'])
    expect([...found.keys()].sort()).toEqual([...ids].sort())
    expect(await callersOfKeys(api.db, [])).toEqual(new Map())
  })

  it('goes with its user', async () => {
    const user = await api.db
      .insertInto('users')
      .values({ id: 'short-lived', name: 'short-lived' })
      .returning('id')
      .executeTakeFirstOrThrow()
    await ensureAssignment(api.db, { userId: user.id, role: 'member', projectId: api.projects.owner })
    const token = await issueToken(api.db, {
      userId: user.id,
      scope: { projectId: api.projects.owner },
      methods: ['password'],
      applicationCredentialId: null,
      lifeSeconds: 60,
      notAfter: null,
    })
    const answer = await api.app.inject({
      method: 'POST',
      url: '/v1/console_keys',
      headers: { 'x-auth-token': token as string },
      payload: { name: 'x', public_key: newKey() },
    })
    await api.db.deleteFrom('users').where('id', '=', user.id).execute()
    expect(await worth(answer.json().id)).toBeUndefined()
  })
})
