import { execFile } from 'node:child_process'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthenticator } from '../../server/access/authenticate.ts'
import { bootstrap, ensureAssignment, ensureProject, ensureUser } from '../../server/access/bootstrap.ts'
import { writeClouds } from '../../server/access/clouds.ts'
import { registerIdentity } from '../../server/api/identity/index.ts'
import { defaultConfig } from '../../server/config.ts'
import { testStore } from '../../server/store/testing.ts'

const client = join(import.meta.dirname, '../../.venv/openstack/bin/openstack')
const run = promisify(execFile)
const ends: (() => Promise<unknown>)[] = []
let clouds: string

beforeAll(async () => {
  await access(client).catch(() => {
    throw new Error('No OpenStack clients to test with; install them with: test/real/install.d/openstack.sh')
  })
  const store = await testStore()
  ends.push(store.close)
  await bootstrap(store.db, { adminPassword: 'admin-password' })
  for (const name of ['lessee', 'stranger']) {
    const { id } = await ensureUser(store.db, { name, password: `${name}-password` })
    const project = await ensureProject(store.db, { name })
    await ensureAssignment(store.db, { userId: id, role: 'member', projectId: project.id })
  }
  const config = defaultConfig()
  const log = { info: () => {}, warn: () => {}, error: () => {} } as never
  const app = fastify()
  await registerIdentity(app, {
    config,
    db: store.db,
    log,
    authenticator: createAuthenticator(config, { db: store.db, log }),
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  ends.unshift(() => app.close())

  const directory = await mkdtemp(join(tmpdir(), 'leasehold-clouds-'))
  ends.push(() => rm(directory, { recursive: true }))
  clouds = join(directory, 'clouds.yaml')
  const authUrl = `${url}/identity`
  await writeClouds(clouds, {
    leasehold: { authUrl, username: 'admin', password: 'admin-password', scope: { system: true } },
    lessee: { authUrl, username: 'lessee', password: 'lessee-password', scope: { project: 'lessee' } },
    stranger: {
      authUrl,
      username: 'stranger',
      password: 'stranger-password',
      scope: { project: 'stranger' },
    },
  })
})
afterAll(async () => {
  for (const end of ends) await end()
})

/** Runs `openstack`; `line` is split at spaces. */
async function openstack(cloud: string, line: string): Promise<string> {
  const args = line.split(' ')
  const environment = {
    PATH: process.env.PATH,
    HOME: tmpdir(),
    OS_CLIENT_CONFIG_FILE: clouds,
    OS_CLOUD: cloud,
  }
  const { stdout } = await run(client, args, { env: environment, timeout: 60_000 }).catch((error) => {
    throw new Error(`openstack ${line}: ${error.stderr || error.message}`)
  })
  return stdout
}

// biome-ignore lint/suspicious/noExplicitAny: what another program prints, read by the tests only
const asJson = async (cloud: string, line: string): Promise<any> =>
  JSON.parse(await openstack(cloud, `${line} -f json`))
const names = (rows: Record<string, string>[]): (string | undefined)[] => rows.map((row) => row.Name)

describe('the openstack client', () => {
  test('creates, lists, shows, changes and deletes a project', async () => {
    const made = await asJson('leasehold', 'project create --description two-words physics')
    expect(made).toMatchObject({ name: 'physics', description: 'two-words', enabled: true })
    expect(names(await asJson('leasehold', 'project list'))).toContain('physics')
    await openstack('leasehold', 'project set --description changed physics')
    expect(await asJson('leasehold', 'project show physics')).toMatchObject({
      id: made.id,
      description: 'changed',
    })
    await openstack('leasehold', 'project delete physics')
    expect(names(await asJson('leasehold', 'project list'))).not.toContain('physics')
  })

  test('creates, lists, shows, changes and deletes a user', async () => {
    const line = 'user create --project lessee --email a@b.test --password pw-one anna'
    const made = await asJson('leasehold', line)
    expect(made).toMatchObject({ name: 'anna', email: 'a@b.test', enabled: true })
    expect(names(await asJson('leasehold', 'user list'))).toContain('anna')
    await openstack('leasehold', 'user set --disable anna')
    expect(await asJson('leasehold', 'user show anna')).toMatchObject({ id: made.id, enabled: false })
    await openstack('leasehold', 'user delete anna')
    expect(names(await asJson('leasehold', 'user list'))).not.toContain('anna')
  })

  test('creates, lists, shows and deletes a role, and gives and takes it', async () => {
    await openstack('leasehold', 'role create observer')
    expect(names(await asJson('leasehold', 'role list'))).toEqual([
      'admin',
      'manager',
      'member',
      'observer',
      'reader',
      'service',
    ])
    expect(await asJson('leasehold', 'role show observer')).toMatchObject({ name: 'observer' })
    await openstack('leasehold', 'role add --user stranger --project lessee observer')
    await openstack('leasehold', 'role add --user stranger --system all reader')
    const assigned = () => asJson('leasehold', 'role assignment list --user stranger --names')
    expect(await assigned()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ Role: 'observer', Project: 'lessee@Default', User: 'stranger@Default' }),
        expect.objectContaining({ Role: 'reader', System: 'all' }),
      ]),
    )
    expect(await asJson('leasehold', 'role assignment list --project lessee --names')).toHaveLength(2)
    await openstack('leasehold', 'role remove --user stranger --system all reader')
    await openstack('leasehold', 'role delete observer')
    expect(await assigned()).toHaveLength(1)
  })

  test('creates, lists, shows and deletes an application credential, and logs in with it', async () => {
    const made = await asJson(
      'lessee',
      'application credential create --role reader --expiration 2099-01-01T00:00:00 ci',
    )
    expect(made).toMatchObject({ Name: 'ci', Unrestricted: false, Roles: [{ name: 'reader' }] })
    expect(names(await asJson('lessee', 'application credential list'))).toEqual(['ci'])
    expect(await asJson('lessee', 'application credential show ci')).toMatchObject({ ID: made.ID })
    const token = await asJson(
      'lessee',
      `--os-cloud= --os-auth-type v3applicationcredential --os-auth-url ${await authUrl()} --os-application-credential-id ${made.ID} --os-application-credential-secret ${made.Secret} token issue`,
    )
    expect(token.id).toMatch(/^lh_/)
    await openstack('lessee', 'application credential delete ci')
    expect(await asJson('lessee', 'application credential list')).toEqual([])
  })

  test('issues a token, and revokes it', async () => {
    const { id } = await asJson('lessee', 'token issue')
    const asToken = `--os-cloud= --os-auth-type v3token --os-auth-url ${await authUrl()} --os-token ${id} --os-project-name lessee --os-project-domain-id default token issue`
    expect((await asJson('lessee', asToken)).project_id).toMatch(/^[0-9a-f]{32}$/)
    await openstack('lessee', `token revoke ${id}`)
    await expect(openstack('lessee', asToken)).rejects.toThrow(/HTTP 401/)
  })

  test('reads the catalog, the services, endpoints and regions', async () => {
    const catalog = await asJson('lessee', 'catalog list')
    expect(catalog.map((row: Record<string, string>) => row.Type).sort()).toEqual([
      'baremetal',
      'identity',
      'lease',
      'network',
    ])
    expect(await asJson('leasehold', 'endpoint list')).toHaveLength(12)
    expect(await asJson('leasehold', 'service list')).toHaveLength(4)
    expect(await asJson('leasehold', 'region list')).toHaveLength(1)
    expect(names(await asJson('leasehold', 'domain list'))).toEqual(['Default'])
  })

  test('sets its own password', async () => {
    await openstack('leasehold', 'user create --password first-one --project lessee walter')
    await openstack('leasehold', 'role add --user walter --project lessee reader')
    const asWalter = async (password: string, line: string) =>
      openstack(
        'lessee',
        `--os-cloud= --os-auth-url ${await authUrl()} --os-username walter --os-password ${password} --os-user-domain-id default --os-project-name lessee --os-project-domain-id default --os-identity-api-version 3 ${line}`,
      )
    await asWalter('first-one', 'user password set --original-password first-one --password second-one')
    await expect(asWalter('first-one', 'token issue')).rejects.toThrow(/HTTP 401/)
    expect(await asWalter('second-one', 'token issue -f value -c id')).toMatch(/^lh_/)
  })

  test('shows a tenant nothing of another', async () => {
    expect(names(await asJson('stranger', 'project list'))).toEqual(['stranger'])
    expect(names(await asJson('stranger', 'user list'))).toEqual(['stranger'])
    // What there is and what there is not are refused in the same words.
    for (const name of ['lessee', 'nonesuch'])
      await expect(openstack('stranger', `project show ${name}`)).rejects.toThrow(/identity:list_projects/)
    await expect(openstack('stranger', 'user show lessee')).rejects.toThrow(/No user|could not find|404/i)
    await expect(openstack('stranger', 'project create mine')).rejects.toThrow(/HTTP 403|403/)
  })
})

const authUrl = async (): Promise<string> =>
  (await asJson('leasehold', 'configuration show --mask'))['auth.auth_url']
