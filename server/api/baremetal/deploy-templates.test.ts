/** Deploy templates through the API's door, and what a deployment makes of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const step = (more: Record<string, unknown> = {}) => ({
  interface: 'bios',
  step: 'apply_configuration',
  args: { settings: [{ name: 'LogicalProc', value: 'Enabled' }] },
  priority: 150,
  ...more,
})
let serial = 0
const template = (more: Record<string, unknown> = {}) => ({
  name: `CUSTOM_T${++serial}`,
  steps: [step()],
  ...more,
})
const make = async (more: Record<string, unknown> = {}) => {
  const { status, body, text } = await api.as('system-admin', 'POST', '/v1/deploy_templates', template(more))
  expect([status, text]).toEqual([201, text])
  return body as { uuid: string; name: string }
}

const projects: Persona[] = [
  'owner-admin',
  'owner-manager',
  'owner-member',
  'owner-reader',
  'lessee-admin',
  'lessee-reader',
  'stranger',
  'service',
]

describe('who may', () => {
  it.each(projects)(
    '%s of a project neither sees nor writes templates: 403, whether they exist or not',
    async (who) => {
      const { uuid } = await make()
      for (const path of ['', `/${uuid}`, '/CUSTOM_NONE'])
        expect((await api.as(who, 'GET', `/v1/deploy_templates${path}`)).status).toBe(403)
      expect((await api.as(who, 'POST', '/v1/deploy_templates', template())).status).toBe(403)
      for (const path of [uuid, 'CUSTOM_NONE']) {
        expect((await api.as(who, 'PATCH', `/v1/deploy_templates/${path}`, [])).status).toBe(403)
        expect((await api.as(who, 'DELETE', `/v1/deploy_templates/${path}`)).status).toBe(403)
      }
    },
  )

  it('system members and readers read; only the system’s administrator writes', async () => {
    const { uuid } = await make()
    for (const who of ['system-member', 'system-reader'] as const) {
      expect((await api.as(who, 'GET', '/v1/deploy_templates')).status).toBe(200)
      expect((await api.as(who, 'GET', `/v1/deploy_templates/${uuid}`)).status).toBe(200)
      expect((await api.as(who, 'POST', '/v1/deploy_templates', template())).status).toBe(403)
      expect((await api.as(who, 'PATCH', `/v1/deploy_templates/${uuid}`, [])).status).toBe(403)
      expect((await api.as(who, 'DELETE', `/v1/deploy_templates/${uuid}`)).status).toBe(403)
    }
    expect((await api.as('system-admin', 'DELETE', `/v1/deploy_templates/${uuid}`)).status).toBe(204)
    expect((await api.as('system-admin', 'GET', `/v1/deploy_templates/${uuid}`)).status).toBe(404)
  })
})

describe('before 1.55', () => {
  it('reading is 404 and writing 405', async () => {
    const { uuid } = await make()
    const status = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) =>
      (await api.as('system-admin', method, `/v1/deploy_templates${path}`, body, '1.54')).status
    expect(await status('GET', '')).toBe(404)
    expect(await status('GET', `/${uuid}`)).toBe(404)
    expect(await status('POST', '', template())).toBe(405)
    expect(await status('PATCH', `/${uuid}`, [])).toBe(405)
    expect(await status('DELETE', `/${uuid}`)).toBe(405)
    expect((await api.as('system-admin', 'GET', '/v1/', undefined, '1.54')).body).not.toHaveProperty(
      'deploy_templates',
    )
    expect(
      (await api.as('system-admin', 'GET', '/v1/', undefined, '1.55')).body.deploy_templates[0].href,
    ).toBe('http://baremetal.test:6385/v1/deploy_templates/')
  })
})

describe('a template', () => {
  it('is created with its address, and found by name and UUID', async () => {
    const given = template({ extra: { team: 'bios' }, description: 'taken and not kept' })
    const { status, body, headers } = await api.as('system-admin', 'POST', '/v1/deploy_templates', given)
    expect(status).toBe(201)
    expect(headers.location).toBe(`http://baremetal.test:6385/v1/deploy_templates/${body.uuid}`)
    expect(Object.keys(body).sort()).toEqual(
      ['created_at', 'extra', 'links', 'name', 'steps', 'updated_at', 'uuid'].sort(),
    )
    expect(body).toMatchObject({ name: given.name, extra: { team: 'bios' }, steps: [step()] })
    for (const ident of [body.uuid, given.name])
      expect((await api.as('system-reader', 'GET', `/v1/deploy_templates/${ident}`)).body).toEqual(body)
  })

  it.each([
    ['a name that is no trait', { name: 'raid5' }],
    ['no steps', { steps: [] }],
    ['a step twice', { steps: [step(), step({ priority: 5 })] }],
    ['an unknown interface', { steps: [step({ interface: 'network' })] }],
    ['a negative priority', { steps: [step({ priority: -1 })] }],
    ['an unknown key of a step', { steps: [step({ order: 1 })] }],
    ['a step without arguments', { steps: [{ interface: 'bios', step: 'x', priority: 1 }] }],
    ['a UUID that is none', { uuid: 'x' }],
    ['an unknown field', { owner: 'x' }],
  ])('is refused with %s', async (_, more) => {
    expect((await api.as('system-admin', 'POST', '/v1/deploy_templates', template(more))).status).toBe(400)
  })

  it('has a name of its own', async () => {
    const { name } = await make()
    const again = await api.as('system-admin', 'POST', '/v1/deploy_templates', template({ name }))
    expect([again.status, faultOf(again.body)]).toEqual([
      409,
      `A deploy template with name ${name} already exists.`,
    ])
    const other = await make()
    const renamed = await api.as('system-admin', 'PATCH', `/v1/deploy_templates/${other.uuid}`, [
      { op: 'replace', path: '/name', value: name },
    ])
    expect(renamed.status).toBe(409)
  })

  it('never shows the secrets in its steps, and keeps them through a change of something else', async () => {
    const { uuid } = await make({
      steps: [step({ args: { password: 'hunter2', user: 'root' }, priority: '7' })],
    })
    const shown = [
      (await api.as('system-admin', 'GET', `/v1/deploy_templates/${uuid}`)).text,
      (await api.as('system-admin', 'GET', '/v1/deploy_templates?detail=true')).text,
      (await api.as('system-admin', 'GET', '/v1/deploy_templates?fields=steps')).text,
      (
        await api.as('system-admin', 'PATCH', `/v1/deploy_templates/${uuid}`, [
          { op: 'replace', path: '/steps/0/args/user', value: 'admin' },
        ])
      ).text,
    ]
    for (const text of shown) {
      expect(text).not.toContain('hunter2')
      expect(text).toContain('******')
    }
    const { steps } = await api.db
      .selectFrom('deploy_templates')
      .select('steps')
      .where('uuid', '=', uuid)
      .executeTakeFirstOrThrow()
    expect(steps).toEqual([step({ args: { password: 'hunter2', user: 'admin' }, priority: 7 })])
  })
})

describe('a patch', () => {
  const patch = (uuid: string, ...operations: unknown[]) =>
    api.as('system-admin', 'PATCH', `/v1/deploy_templates/${uuid}`, operations)

  it('reaches into steps and extra', async () => {
    const { uuid } = await make()
    const { status, body } = await patch(
      uuid,
      { op: 'replace', path: '/steps/0/priority', value: 20 },
      { op: 'add', path: '/steps/-', value: step({ interface: 'raid', args: { raid_config: {} } }) },
      { op: 'add', path: '/extra/a', value: 1 },
    )
    expect(status).toBe(200)
    expect(body.steps.map((each: { priority: number }) => each.priority)).toEqual([20, 150])
    expect(body.extra).toEqual({ a: 1 })
    expect((await patch(uuid, { op: 'remove', path: '/extra' })).body.extra).toEqual({})
  })

  it.each([
    ['/uuid', { op: 'replace', path: '/uuid', value: '6ccd1e7a-0000-4000-8000-000000000000' }],
    ['/description', { op: 'add', path: '/description', value: 'x' }],
    ['the last step', { op: 'remove', path: '/steps/0' }],
    ['all steps', { op: 'remove', path: '/steps' }],
    ['the name', { op: 'remove', path: '/name' }],
    ['a name that is no trait', { op: 'replace', path: '/name', value: 'x' }],
    ['a step that is not there', { op: 'replace', path: '/steps/4/args', value: {} }],
    ['arguments that are no object', { op: 'replace', path: '/steps/0/args', value: [] }],
  ])('of %s is refused', async (_, operation) => {
    const { uuid } = await make()
    expect((await patch(uuid, operation)).status).toBe(400)
  })
})

describe('a list', () => {
  it('has name and UUID, all with detail, pages, and refuses what it cannot sort by', async () => {
    await make()
    await make()
    const get = (query: string) => api.as('system-reader', 'GET', `/v1/deploy_templates${query}`)
    const page = await get('?limit=1&sort_key=name&sort_dir=desc')
    expect(Object.keys(page.body.deploy_templates[0]).sort()).toEqual(['links', 'name', 'uuid'])
    const next = await get(new URL(page.body.next).search)
    expect(next.body.deploy_templates[0].name < page.body.deploy_templates[0].name).toBe(true)
    expect((await get('?detail=true')).body.deploy_templates[0]).toHaveProperty('steps')
    expect((await get('?sort_key=steps')).status).toBe(400)
    expect((await get('?fields=nonesuch')).status).toBe(400)
    expect((await get('?detail=true&fields=name')).status).toBe(400)
    expect((await get('?marker=6ccd1e7a-0000-4000-8000-000000000000')).status).toBe(404)
  })
})

describe('a deployment', () => {
  const available = async (traits: string[], more: Record<string, unknown> = {}) => {
    const { uuid } = await api.node({ instance_info: { traits }, automated_clean: false, ...more })
    await api.as('system-admin', 'PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'manage' })
    await api.settled(uuid, 'manageable')
    await api.as('system-admin', 'PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'provide' })
    await api.settled(uuid, 'available')
    return uuid
  }
  const deploy = (uuid: string, more: Record<string, unknown> = {}) =>
    api.as('owner-admin', 'PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'active', ...more })
  const stepsOf = async (uuid: string): Promise<string[]> => {
    const { body } = await api.as('system-admin', 'GET', `/v1/nodes/${uuid}/history?detail=true&sort_key=id`)
    return (body.history as { event: string }[])
      .map(({ event }) => /^Deploy step (\S+): done/.exec(event)?.[1])
      .filter((name) => name !== undefined)
  }

  it('runs the steps of each template that its instance asks for, by their priority', async () => {
    const first = await make()
    const last = await make({
      steps: [
        step({ interface: 'raid', args: { raid_config: { logical_disks: [] } }, priority: 90 }),
        step({ interface: 'deploy', step: 'write_image', args: {}, priority: 0 }),
      ],
    })
    await make({ steps: [step({ interface: 'power', step: 'reboot', args: {} })] })
    const uuid = await available([first.name, last.name, 'CUSTOM_NO_TEMPLATE'])
    expect((await deploy(uuid)).status).toBe(202)
    await api.settled(uuid, 'active')
    expect(await stepsOf(uuid)).toEqual([
      'bios.apply_configuration',
      'deploy.deploy',
      'raid.apply_configuration',
      'deploy.boot_instance',
    ])
  })

  it('prefers the steps that the caller gives', async () => {
    const { name } = await make()
    const uuid = await available([name])
    const { status } = await deploy(uuid, { deploy_steps: [step({ priority: 30 })] })
    expect(status).toBe(202)
    await api.settled(uuid, 'active')
    expect((await stepsOf(uuid)).at(-2)).toBe('bios.apply_configuration')
  })

  it('is refused when the node cannot do a step, or two templates have the same', async () => {
    const impossible = await make({ steps: [step({ step: 'nonesuch', args: {} })] })
    const [one, two] = [await make(), await make()]
    for (const [traits, word] of [
      [[impossible.name], 'bios.nonesuch'],
      [[one.name, two.name], 'both have step'],
    ] as const) {
      const uuid = await available([...traits])
      const { status, body } = await deploy(uuid)
      expect([status, faultOf(body)]).toEqual([400, expect.stringContaining(word)])
      expect((await api.as('system-admin', 'GET', `/v1/nodes/${uuid}`)).body.provision_state).toBe(
        'available',
      )
    }
  })
})
