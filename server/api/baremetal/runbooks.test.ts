/** Runbooks through the API's door: whose they are, who may do what with them, and what they do to a node. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-runbooks-'))
  const rules = join(directory, 'policy.yaml')
  await writeFile(
    rules,
    [
      '"baremetal:step:execute:management.reset_bmc": "role:admin and system_scope:all"',
      '"baremetal:step:execute:bios.factory_reset": "project_id:%(node.owner)s"',
    ].join('\n'),
  )
  api = await testApi({ 'policy.file': rules })
})
afterAll(async () => {
  await api.close()
  await rm(directory, { recursive: true, force: true })
})

const step = (more: Record<string, unknown> = {}) => ({
  interface: 'deploy',
  step: 'burnin_cpu',
  args: {},
  order: 1,
  ...more,
})
let serial = 0
const runbook = (more: Record<string, unknown> = {}) => ({
  name: `CUSTOM_R${++serial}`,
  steps: [step()],
  ...more,
})
const make = async (who: Persona, more: Record<string, unknown> = {}, traits: string[] = []) => {
  const { status, body, text } = await api.as(who, 'POST', '/v1/runbooks', runbook(more))
  expect([status, text]).toEqual([201, text])
  if (traits.length > 0)
    expect((await api.as(who, 'PUT', `/v1/runbooks/${body.uuid}/traits`, { traits })).status).toBe(204)
  return body as { uuid: string; name: string; owner: string | null }
}
const change = (who: Persona, uuid: string, ...operations: unknown[]) =>
  api.as(who, 'PATCH', `/v1/runbooks/${uuid}`, operations)
const set = (path: string, value: unknown) => ({ op: 'add', path, value })

describe('another tenant’s runbook', () => {
  const strangers: Persona[] = ['stranger', 'lessee-admin', 'lessee-manager', 'lessee-reader']
  const requests = [
    ['GET', ''],
    ['PATCH', '', []],
    ['PATCH', '', [set('/public', false)]],
    ['PATCH', '', [set('/owner', 'x')]],
    ['DELETE', ''],
    ['GET', '/traits'],
    ['PUT', '/traits', { traits: [] }],
    ['PUT', '/traits/CUSTOM_X'],
    ['DELETE', '/traits'],
    ['DELETE', '/traits/CUSTOM_X'],
  ] as const

  it.each(strangers)('is to %s as one that does not exist: 403, by UUID and by name', async (who) => {
    const hidden = await make('owner-manager', { extra: { text: 'ZEBRA' } }, ['CUSTOM_X'])
    for (const [method, path, body] of requests)
      for (const [there, nowhere] of [
        [hidden.uuid, '6ccd1e7a-0000-4000-8000-000000000000'],
        [hidden.name, 'CUSTOM_NOWHERE'],
      ] as const) {
        const real = await api.as(who, method, `/v1/runbooks/${there}${path}`, body)
        const none = await api.as(who, method, `/v1/runbooks/${nowhere}${path}`, body)
        expect([method, path, real.status, real.body]).toEqual([method, path, 403, none.body])
      }
    expect((await api.as('owner-reader', 'GET', `/v1/runbooks/${hidden.uuid}`)).body).toMatchObject({
      traits: ['CUSTOM_X'],
      updated_at: expect.anything(),
    })
  })

  it.each(strangers)('is in no list of %s', async (who) => {
    const hidden = await make('owner-manager')
    for (const query of ['', '?detail=true', `?marker=${hidden.uuid}`, '?sort_key=name']) {
      const { text } = await api.as(who, 'GET', `/v1/runbooks${query}`)
      expect(text.replaceAll(`Marker ${hidden.uuid}`, '')).not.toContain(hidden.uuid)
    }
    expect((await api.as(who, 'GET', `/v1/runbooks?marker=${hidden.uuid}`)).status).toBe(404)
    expect((await api.as(who, 'GET', `/v1/runbooks?project=${api.projects.owner}`)).status).toBe(403)
  })

  it('is not named in the audit of who asked for it', async () => {
    const hidden = await make('owner-manager')
    await api.as('stranger', 'DELETE', `/v1/runbooks/${hidden.name}`)
    expect((await api.as('stranger', 'GET', '/v1/audit')).text).not.toContain(hidden.uuid)
  })
})

describe('roles', () => {
  it('managers of a project write for it, its members and readers do not', async () => {
    for (const [who, status] of [
      ['owner-admin', 201],
      ['owner-manager', 201],
      ['owner-member', 403],
      ['owner-reader', 403],
      ['system-admin', 201],
      ['system-member', 201],
      ['system-reader', 403],
      ['service', 201],
    ] as const)
      expect([who, (await api.as(who, 'POST', '/v1/runbooks', runbook())).status]).toEqual([who, status])
  })

  it('members and readers see what is their project’s', async () => {
    const own = await make('owner-manager')
    for (const who of ['owner-member', 'owner-reader'] as const) {
      expect((await api.as(who, 'GET', `/v1/runbooks/${own.uuid}`)).status).toBe(200)
      expect((await api.as(who, 'GET', `/v1/runbooks/${own.uuid}/traits`)).status).toBe(200)
      expect((await api.as(who, 'GET', '/v1/runbooks')).text).toContain(own.uuid)
      expect((await change(who, own.uuid)).status).toBe(403)
      expect((await api.as(who, 'DELETE', `/v1/runbooks/${own.uuid}`)).status).toBe(403)
      expect((await api.as(who, 'PUT', `/v1/runbooks/${own.uuid}/traits/CUSTOM_X`)).status).toBe(403)
    }
    expect((await change('owner-manager', own.uuid, set('/extra/a', 1))).status).toBe(200)
    expect((await api.as('owner-manager', 'DELETE', `/v1/runbooks/${own.uuid}`)).status).toBe(204)
    expect((await api.as('system-reader', 'GET', `/v1/runbooks/${own.uuid}`)).status).toBe(404)
  })

  it('system readers see everybody’s, and those of a project with the public ones', async () => {
    const [own, foreign] = [await make('owner-manager'), await make('stranger')]
    const everyone = await make('system-member', { public: true })
    const all = (await api.as('system-reader', 'GET', '/v1/runbooks')).text
    for (const { uuid } of [own, foreign, everyone]) expect(all).toContain(uuid)
    const some = (await api.as('system-reader', 'GET', `/v1/runbooks?project=${api.projects.owner}`)).text
    expect([own, foreign, everyone].map(({ uuid }) => some.includes(uuid))).toEqual([true, false, true])
  })

  it('a role service reaches every runbook, as Ironic’s rules have it', async () => {
    const { uuid } = await make('owner-manager')
    expect((await api.as('service', 'GET', `/v1/runbooks/${uuid}`)).status).toBe(200)
    expect((await change('service', uuid)).status).toBe(200)
  })
})

describe('the owner', () => {
  it('is the caller’s project, whatever a project asks for', async () => {
    expect((await make('owner-manager')).owner).toBe(api.projects.owner)
    expect((await make('owner-manager', { owner: api.projects.owner })).owner).toBe(api.projects.owner)
    const post = async (more: Record<string, unknown>) =>
      (await api.as('owner-admin', 'POST', '/v1/runbooks', runbook(more))).status
    expect(await post({ owner: api.projects.stranger })).toBe(400)
    expect(await post({ public: true })).toBe(400)
    expect(await post({ public: false })).toBe(201)
  })

  it('is as the system’s member says, and nobody’s for what is public', async () => {
    expect((await make('system-member', { owner: api.projects.lessee })).owner).toBe(api.projects.lessee)
    expect((await make('system-member')).owner).toBeNull()
    const both = runbook({ owner: api.projects.lessee, public: true })
    expect((await api.as('system-member', 'POST', '/v1/runbooks', both)).status).toBe(400)
  })

  it('and public are changed by the system alone; public takes the owner away', async () => {
    const { uuid } = await make('owner-manager')
    for (const operations of [[set('/public', true)], [set('/owner', api.projects.owner)]])
      expect((await change('owner-admin', uuid, ...operations)).status).toBe(403)
    const made = await change('system-member', uuid, set('/public', true))
    expect(made.body).toMatchObject({ public: true, owner: null })
    expect((await api.as('stranger', 'GET', `/v1/runbooks/${uuid}`)).status).toBe(200)
    expect((await api.as('stranger', 'GET', '/v1/runbooks')).text).toContain(uuid)
    expect((await change('owner-admin', uuid)).status).toBe(403)
    expect((await change('system-member', uuid, set('/owner', api.projects.owner))).status).toBe(400)
    const both = [set('/public', true), set('/owner', api.projects.owner)]
    expect((await change('system-member', uuid, ...both)).status).toBe(400)
    const back = await change('system-member', uuid, set('/public', false))
    expect(back.body).toMatchObject({ public: false, owner: null })
    const given = [set('/public', false), set('/owner', api.projects.owner)]
    expect((await change('system-member', uuid, ...given)).body).toMatchObject({ owner: api.projects.owner })
    expect((await change('system-member', uuid, set('/public', false))).body.owner).toBeNull()
  })
})

describe('versions', () => {
  const at =
    (version: string) =>
    (method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT', path: string, body?: unknown) =>
      api.as('system-admin', method, `/v1/runbooks${path}`, body, version)

  it('before 1.92 reading is 404 and writing 405', async () => {
    const { uuid } = await make('system-admin')
    const ask = at('1.91')
    expect((await ask('GET', '')).status).toBe(404)
    expect((await ask('GET', `/${uuid}`)).status).toBe(404)
    expect((await ask('POST', '', runbook())).status).toBe(405)
    expect((await ask('PATCH', `/${uuid}`, [])).status).toBe(405)
    expect((await ask('DELETE', `/${uuid}`)).status).toBe(405)
  })

  it('before 1.112 a name is a trait, and there are neither traits nor descriptions', async () => {
    const ask = at('1.111')
    expect((await ask('POST', '', runbook({ name: 'firmware-2026' }))).status).toBe(400)
    expect((await ask('POST', '', runbook({ description: 'x' }))).status).toBe(406)
    const { status, body } = await ask('POST', '', runbook())
    expect(status).toBe(201)
    expect(body).not.toHaveProperty('traits')
    expect(body).not.toHaveProperty('description')
    expect((await ask('PATCH', `/${body.uuid}`, [set('/description', 'x')])).status).toBe(406)
    expect((await ask('GET', '?fields=traits')).status).toBe(406)
    for (const method of ['GET', 'PUT', 'DELETE'] as const)
      expect(
        (await ask(method, `/${body.uuid}/traits`, method === 'PUT' ? { traits: [] } : undefined)).status,
      ).toBe(404)
    const free = await at('1.112')('POST', '', runbook({ name: 'firmware-2026', description: 'x' }))
    expect([free.status, free.body.traits, free.body.description]).toEqual([201, [], 'x'])
    // A name that an older version could not have given does not stand in the way of other changes.
    expect((await ask('PATCH', `/${free.body.uuid}`, [set('/extra/a', 1)])).status).toBe(200)
  })
})

describe('a runbook', () => {
  it.each([
    ['no steps', { steps: [] }],
    ['a step twice', { steps: [step(), step({ order: 2 })] }],
    ['a step without an order', { steps: [{ interface: 'deploy', step: 'burnin_cpu' }] }],
    ['an unknown key of a step', { steps: [step({ priority: 1 })] }],
    ['an unknown interface', { steps: [step({ interface: 'network' })] }],
    ['a name like a UUID', { name: '6ccd1e7a-0000-4000-8000-000000000000' }],
    ['a name with a slash', { name: 'a/b' }],
    ['traits, which have their own door', { traits: ['CUSTOM_X'] }],
    ['a description beyond 255 characters', { description: 'x'.repeat(256) }],
  ])('is refused with %s', async (_, more) => {
    expect((await api.as('owner-manager', 'POST', '/v1/runbooks', runbook(more))).status).toBe(400)
  })

  it('is created with its address, and has a name that no other has', async () => {
    const given = runbook({ disable_ramdisk: 'yes', steps: [{ interface: 'deploy', step: 'x', order: '3' }] })
    const { headers, body } = await api.as('owner-manager', 'POST', '/v1/runbooks', given)
    expect(headers.location).toBe(`http://baremetal.test:6385/v1/runbooks/${body.uuid}`)
    expect(body).toMatchObject({
      disable_ramdisk: true,
      public: false,
      extra: {},
      traits: [],
      description: null,
      steps: [{ interface: 'deploy', step: 'x', args: {}, order: 3 }],
    })
    const again = await api.as('stranger', 'POST', '/v1/runbooks', given)
    expect(again.status).toBe(409)
  })

  it('never shows the secrets in its steps, and keeps them through a change of /steps/N/args', async () => {
    const { uuid } = await make('owner-manager', { steps: [step({ args: { password: 'hunter2' } })] })
    const patched = await change('owner-manager', uuid, set('/steps/0/args/user', 'root'))
    const texts = [
      patched.text,
      (await api.as('system-admin', 'GET', `/v1/runbooks/${uuid}`)).text,
      (await api.as('system-admin', 'GET', '/v1/runbooks?detail=true')).text,
    ]
    for (const text of texts) expect(text).not.toContain('hunter2')
    expect(patched.body.steps[0].args).toEqual({ password: '******', user: 'root' })
    const row = await api.db
      .selectFrom('runbooks')
      .select('steps')
      .where('uuid', '=', uuid)
      .executeTakeFirst()
    expect(row?.steps[0]?.args).toEqual({ password: 'hunter2', user: 'root' })
  })

  it.each([
    ['all steps', { op: 'remove', path: '/steps' }],
    ['the traits', { op: 'add', path: '/traits/-', value: 'CUSTOM_X' }],
    ['a second step of the same name', { op: 'add', path: '/steps/-', value: step({ order: 9 }) }],
  ])('is not patched in %s', async (_, operation) => {
    const { uuid } = await make('owner-manager')
    expect((await change('owner-manager', uuid, operation)).status).toBe(400)
  })

  it('has traits that are set, added and removed; removing an absent one is well', async () => {
    const { uuid, name } = await make('owner-manager')
    const ask = (method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown) =>
      api.as('owner-manager', method, `/v1/runbooks/${uuid}/traits${path}`, body)
    const now = async () => (await ask('GET', '')).body.traits
    expect((await ask('PUT', '', { traits: ['CUSTOM_B', 'HW_CPU_X86_VMX'] })).status).toBe(204)
    const added = await ask('PUT', '/CUSTOM_A')
    expect(added.headers.location).toBe(`http://baremetal.test:6385/v1/runbooks/${uuid}/traits/CUSTOM_A`)
    expect(await now()).toEqual(['CUSTOM_A', 'CUSTOM_B', 'HW_CPU_X86_VMX'])
    expect((await ask('DELETE', '/CUSTOM_NOT_THERE')).status).toBe(204)
    expect((await ask('DELETE', '/CUSTOM_B')).status).toBe(204)
    expect((await api.as('owner-reader', 'GET', `/v1/runbooks/${name}`)).body.traits).toHaveLength(2)
    expect((await ask('PUT', '/lowercase')).status).toBe(400)
    expect((await ask('PUT', '/CUSTOM_A', { traits: [] })).status).toBe(400)
    expect((await ask('PUT', '', { traits: ['no'] })).status).toBe(400)
    expect((await ask('PUT', '')).status).toBe(400)
    const many = Array.from({ length: 51 }, (__, index) => `CUSTOM_${index}`)
    expect((await ask('PUT', '', { traits: many })).status).toBe(400)
    expect((await ask('DELETE', '')).status).toBe(204)
    expect(await now()).toEqual([])
  })
})

describe('rules of single steps', () => {
  const reset = step({ interface: 'management', step: 'reset_bmc' })
  const erase = step({ interface: 'bios', step: 'factory_reset', order: 2 })

  it('refuse a runbook with steps that its writer may not run, and name them all', async () => {
    const given = runbook({ steps: [reset, erase] })
    const { status, body } = await api.as('owner-admin', 'POST', '/v1/runbooks', given)
    expect(status).toBe(403)
    expect(faultOf(body)).toContain('management.reset_bmc')
    expect(faultOf(body)).toContain('bios.factory_reset')
    const { uuid } = await make('owner-manager')
    expect((await change('owner-manager', uuid, set('/steps/-', reset))).status).toBe(403)
  })

  it('are asked about again when a runbook of a project is used, not when an administrator has approved it', async () => {
    const approved = await make('system-admin', { steps: [reset] }, ['CUSTOM_APPROVED'])
    const owned = await make('system-admin', { steps: [reset], owner: api.projects.owner }, [
      'CUSTOM_APPROVED',
    ])
    await change('system-admin', approved.uuid, set('/public', true))
    const node = await manageable(['CUSTOM_APPROVED'])
    const refused = await clean('owner-admin', node, owned.uuid)
    expect([refused.status, faultOf(refused.body)]).toEqual([403, expect.stringContaining('reset_bmc')])
    expect((await clean('owner-admin', node, approved.uuid)).status).toBe(202)
    await api.settled(node, 'manageable')
  })
})

const go = (who: Persona, uuid: string, body: Record<string, unknown>, version?: string) =>
  api.as(who, 'PUT', `/v1/nodes/${uuid}/states/provision`, body, version)
const clean = (who: Persona, uuid: string, name: string, version?: string) =>
  go(who, uuid, { target: 'clean', runbook: name }, version)
async function manageable(traits: string[]): Promise<string> {
  const { uuid } = await api.node()
  await api.as('system-admin', 'PUT', `/v1/nodes/${uuid}/traits`, { traits })
  await go('system-admin', uuid, { target: 'manage' })
  await api.settled(uuid, 'manageable')
  return uuid
}

describe('using a runbook on a node', () => {
  it('cleans by its steps in their order, and says so in the node’s history', async () => {
    const steps = [step({ order: 2 }), step({ step: 'erase_devices', order: 1 })]
    const { name } = await make('owner-manager', { steps, disable_ramdisk: true }, ['CUSTOM_RACK_7'])
    const node = await manageable(['CUSTOM_OTHER', 'CUSTOM_RACK_7'])
    expect((await clean('owner-manager', node, name)).status).toBe(202)
    await api.settled(node, 'manageable')
    const { body } = await api.as('owner-reader', 'GET', `/v1/nodes/${node}/history?sort_key=id`)
    const done = (body.history as { event: string }[]).flatMap(
      ({ event }) => /^Clean step (\S+):/.exec(event)?.[1] ?? [],
    )
    expect(done).toEqual(['deploy.erase_devices', 'deploy.burnin_cpu'])
  })

  it('needs a trait in common with the node since 1.112, and the runbook’s name before', async () => {
    const { name } = await make('owner-manager', {}, ['CUSTOM_RACK_8'])
    const bare = await make('owner-manager')
    const byTrait = await manageable(['CUSTOM_RACK_8'])
    const byName = await manageable([name, bare.name])
    expect((await clean('owner-manager', byName, name)).status).toBe(400)
    expect((await clean('owner-manager', byName, bare.name)).status).toBe(400)
    expect((await clean('owner-manager', byTrait, name, '1.111')).status).toBe(400)
    expect((await clean('owner-manager', byTrait, name)).status).toBe(202)
    expect((await clean('owner-manager', byName, name, '1.111')).status).toBe(202)
    await api.settled(byTrait, 'manageable')
    await api.settled(byName, 'manageable')
  })

  it('is for its project; another’s is 403 as one that is not there', async () => {
    const foreign = await make('stranger', {}, ['CUSTOM_RACK_9'])
    const node = await manageable(['CUSTOM_RACK_9'])
    const real = await clean('owner-admin', node, foreign.name)
    const none = await clean('owner-admin', node, 'CUSTOM_NOWHERE')
    expect([real.status, real.body]).toEqual([403, none.body])
    const own = await make('owner-manager', {}, ['CUSTOM_RACK_9'])
    expect((await clean('owner-member', node, own.name)).status).toBe(403)
    expect((await clean('stranger', node, foreign.name)).status).toBe(404)
    expect((await clean('system-admin', node, 'CUSTOM_NOWHERE')).status).toBe(404)
    expect((await api.as('system-admin', 'GET', `/v1/nodes/${node}`)).body.provision_state).toBe('manageable')
  })

  it('goes neither before 1.92, nor with other verbs, nor together with steps', async () => {
    const { name } = await make('owner-manager', {}, ['CUSTOM_RACK_10'])
    const node = await manageable(['CUSTOM_RACK_10'])
    expect((await clean('owner-admin', node, name, '1.91')).status).toBe(406)
    expect((await go('owner-admin', node, { target: 'provide', runbook: name })).status).toBe(400)
    const both = { target: 'clean', runbook: name, clean_steps: [step()] }
    expect((await go('owner-admin', node, both)).status).toBe(400)
  })

  it('services an active node', async () => {
    const { name } = await make('system-admin', { public: true }, ['CUSTOM_RACK_11'])
    const node = await manageable(['CUSTOM_RACK_11'])
    await go('system-admin', node, { target: 'adopt' })
    await api.settled(node, 'active')
    expect((await go('owner-admin', node, { target: 'service', runbook: name })).status).toBe(202)
    await api.settled(node, 'active')
    const { text } = await api.as('owner-reader', 'GET', `/v1/nodes/${node}/history`)
    expect(text).toContain('Service step deploy.burnin_cpu')
  })
})
