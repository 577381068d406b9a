/** Inspection rules through the API's door, and what an inspection makes of them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())
afterEach(() => api.db.deleteFrom('inspection_rules').execute())

const rule = (more: Record<string, unknown> = {}) => ({
  actions: [{ op: 'set-attribute', args: { path: 'extra/seen', value: 'yes' } }],
  ...more,
})
const make = async (more: Record<string, unknown> = {}) => {
  const { status, body, text } = await api.as('system-admin', 'POST', '/v1/inspection_rules', rule(more))
  expect([status, text]).toEqual([201, text])
  return body as { uuid: string }
}
const change = (uuid: string, ...operations: unknown[]) =>
  api.as('system-admin', 'PATCH', `/v1/inspection_rules/${uuid}`, operations)

describe('who may', () => {
  const projects: Persona[] = ['owner-admin', 'owner-reader', 'lessee-admin', 'stranger', 'service']
  it.each(projects)('%s of a project neither sees nor writes rules', async (who) => {
    const { uuid } = await make()
    for (const path of ['', `/${uuid}`, '/6ccd1e7a-0000-4000-8000-000000000000']) {
      expect((await api.as(who, 'GET', `/v1/inspection_rules${path}`)).status).toBe(403)
      expect((await api.as(who, 'DELETE', `/v1/inspection_rules${path}`)).status).toBe(403)
    }
    expect((await api.as(who, 'POST', '/v1/inspection_rules', rule())).status).toBe(403)
    expect((await api.as(who, 'PATCH', `/v1/inspection_rules/${uuid}`, [])).status).toBe(403)
    expect((await api.as('system-reader', 'GET', '/v1/inspection_rules')).text).toContain(uuid)
  })

  it('system members and readers read; only the system’s administrator writes', async () => {
    const { uuid } = await make()
    for (const who of ['system-member', 'system-reader'] as const) {
      expect((await api.as(who, 'GET', `/v1/inspection_rules/${uuid}`)).status).toBe(200)
      expect((await api.as(who, 'POST', '/v1/inspection_rules', rule())).status).toBe(403)
      expect((await api.as(who, 'PATCH', `/v1/inspection_rules/${uuid}`, [])).status).toBe(403)
      expect((await api.as(who, 'DELETE', '/v1/inspection_rules')).status).toBe(403)
    }
    expect((await api.as('system-admin', 'DELETE', `/v1/inspection_rules/${uuid}`)).status).toBe(204)
    expect((await api.as('system-admin', 'DELETE', `/v1/inspection_rules/${uuid}`)).status).toBe(404)
  })
})

describe('before 1.96', () => {
  it('reading is 404 and writing 405', async () => {
    const { uuid } = await make()
    const status = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) =>
      (await api.as('system-admin', method, `/v1/inspection_rules${path}`, body, '1.95')).status
    expect(await status('GET', '')).toBe(404)
    expect(await status('GET', `/${uuid}`)).toBe(404)
    expect(await status('POST', '', rule())).toBe(405)
    expect(await status('PATCH', `/${uuid}`, [])).toBe(405)
    expect(await status('DELETE', `/${uuid}`)).toBe(405)
    expect(await status('DELETE', '')).toBe(405)
  })
})

describe('a rule', () => {
  it('is created with its defaults and its address', async () => {
    const { status, body, headers } = await api.as('system-admin', 'POST', '/v1/inspection_rules', rule())
    expect(status).toBe(201)
    expect(headers.location).toBe(`http://baremetal.test:6385/v1/inspection_rules/${body.uuid}`)
    expect(body.links[0].href).toBe(headers.location)
    expect(body).toMatchObject({
      priority: 0,
      description: null,
      phase: 'main',
      sensitive: false,
      conditions: [],
      actions: [{ ...rule().actions[0], loop: [] }],
    })
  })

  it('shows a condition’s loop, and how many of it must hold', async () => {
    const condition = { op: '!eq', args: { values: ['{item}', 1] }, loop: [1, 2] }
    const { uuid } = await make({ conditions: [condition, { op: 'is-true', args: [true] }] })
    const { body } = await api.as('system-reader', 'GET', `/v1/inspection_rules/${uuid}`)
    expect(body.conditions).toEqual([
      { ...condition, multiple: 'any' },
      { op: 'is-true', args: [true] },
    ])
  })

  it.each([
    ['no actions', { actions: [] }],
    ['an unknown action', { actions: [{ op: 'explode', args: [] }] }],
    ['arguments missing', { actions: [{ op: 'set-attribute', args: { path: 'extra' } }] }],
    ['arguments too many', { actions: [{ op: 'fail', args: ['a', 'b'] }] }],
    ['arguments that are text', { actions: [{ op: 'fail', args: 'a' }] }],
    ['an unknown operator', { conditions: [{ op: 'constructor', args: [] }] }],
    ['an operator inverted twice', { conditions: [{ op: '!!eq', args: [[1, 1]] }] }],
    ['no regular expression', { conditions: [{ op: 'matches', args: ['x', '('] }] }],
    ['an unknown "multiple"', { conditions: [{ op: 'eq', args: [[1]], multiple: 'most' }] }],
    ['a priority beyond 9999', { priority: 10_000 }],
    ['a negative priority', { priority: -1 }],
    ['another phase', { phase: 'early' }],
    ['a call of an address', { actions: [{ op: 'api-call', args: { url: 'http://169.254.169.254/' } }] }],
  ])('is refused with %s, and nothing is kept', async (_, more) => {
    const { status, body } = await api.as('system-admin', 'POST', '/v1/inspection_rules', rule(more))
    expect([status, faultOf(body)]).toEqual([400, expect.any(String)])
    expect((await api.as('system-reader', 'GET', '/v1/inspection_rules')).body.inspection_rules).toEqual([])
  })

  it('is addressed by UUID alone', async () => {
    expect((await api.as('system-admin', 'GET', '/v1/inspection_rules/name')).status).toBe(400)
    const { uuid } = await make()
    const again = await api.as('system-admin', 'POST', '/v1/inspection_rules', rule({ uuid }))
    expect(again.status).toBe(409)
  })

  it('is patched, within its conditions and actions too, and stays one that can be applied', async () => {
    const { uuid } = await make()
    const { status, body } = await change(
      uuid,
      { op: 'replace', path: '/priority', value: 7 },
      { op: 'add', path: '/conditions/-', value: { op: 'is-none', args: ['{node.description}'] } },
      { op: 'replace', path: '/actions/0/args/value', value: 'no' },
    )
    expect(status).toBe(200)
    expect(body).toMatchObject({
      priority: 7,
      conditions: [{ op: 'is-none' }],
      actions: [{ args: { value: 'no' } }],
    })
    for (const operation of [
      { op: 'remove', path: '/actions/0/args/path' },
      { op: 'remove', path: '/actions' },
      { op: 'replace', path: '/uuid', value: uuid },
      { op: 'replace', path: '/phase', value: 'x' },
    ])
      expect((await change(uuid, operation)).status).toBe(400)
    expect((await change(uuid, { op: 'remove', path: '/priority' })).body.priority).toBe(0)
    expect((await change(uuid, { op: 'remove', path: '/conditions' })).body.conditions).toEqual([])
  })

  it('that is sensitive shows nobody what it consists of, and stays so', async () => {
    const secret = [{ op: 'fail', args: ['ZEBRA'] }]
    const conditions = [{ op: 'eq', args: [['ZEBRA', 1]] }]
    const created = await api.as('system-admin', 'POST', '/v1/inspection_rules', {
      sensitive: true,
      conditions,
      actions: secret,
    })
    const { uuid } = created.body
    const answers = [
      created,
      await api.as('system-admin', 'GET', `/v1/inspection_rules/${uuid}`),
      await api.as('system-admin', 'GET', '/v1/inspection_rules?detail=true'),
      await api.as('system-admin', 'GET', '/v1/inspection_rules?fields=actions,conditions'),
      await change(uuid, { op: 'add', path: '/description', value: 'x' }),
      await change(uuid, { op: 'remove', path: '/actions/7' }),
    ]
    for (const { text } of answers) expect(text).not.toContain('ZEBRA')
    expect(answers[1]?.body).toMatchObject({ sensitive: true, conditions: null, actions: null })
    for (const operation of [
      { op: 'replace', path: '/sensitive', value: false },
      { op: 'remove', path: '/sensitive' },
    ])
      expect((await change(uuid, operation)).status).toBe(400)
    expect((await api.db.selectFrom('inspection_rules').select('actions').execute())[0]?.actions).toEqual(
      secret,
    )
    const open = await make()
    expect(
      (await change(open.uuid, { op: 'replace', path: '/sensitive', value: true })).body.actions,
    ).toBeNull()
  })
})

describe('a list', () => {
  it('has the short fields, is sorted, paged and filtered by phase; all can be deleted at once', async () => {
    for (const priority of [5, 1, 9]) await make({ priority })
    const get = (query: string) => api.as('system-reader', 'GET', `/v1/inspection_rules${query}`)
    const { body } = await get('?sort_key=priority&sort_dir=desc&limit=2')
    expect(body.inspection_rules.map((each: { priority: number }) => each.priority)).toEqual([9, 5])
    expect(Object.keys(body.inspection_rules[0]).sort()).toEqual([
      'description',
      'links',
      'phase',
      'priority',
      'uuid',
    ])
    const next = await get(new URL(body.next).search)
    expect(next.body.inspection_rules.map((each: { priority: number }) => each.priority)).toEqual([1])
    expect((await get('?phase=main')).body.inspection_rules).toHaveLength(3)
    expect((await get('?phase=other')).body.inspection_rules).toEqual([])
    expect((await get('?sort_key=actions')).status).toBe(400)
    expect((await api.as('system-admin', 'DELETE', '/v1/inspection_rules')).status).toBe(204)
    expect((await get('')).body.inspection_rules).toEqual([])
  })
})

describe('an inspection', () => {
  const inspected = async (more: Record<string, unknown> = {}, ...states: string[]) => {
    const node = await api.node(more)
    const address = `52:54:00:00:0a:${(++serial).toString(16).padStart(2, '0')}`
    await api.as('system-admin', 'POST', '/v1/ports', { node_uuid: node.uuid, address })
    for (const target of ['manage', 'inspect']) {
      await api.as('system-admin', 'PUT', `/v1/nodes/${node.uuid}/states/provision`, { target })
      await api.settled(node.uuid, ...(target === 'manage' ? ['manageable'] : states))
    }
    const { body } = await api.as('system-admin', 'GET', `/v1/nodes/${node.uuid}`)
    return { ...body, address }
  }
  let serial = 0

  it('applies the rules whose conditions hold to the node and its ports', async () => {
    const { address } = await inspected({}, 'manageable')
    const next = address.replace(/..$/, (serial + 1).toString(16).padStart(2, '0'))
    await make({
      conditions: [{ op: 'gt', args: { values: ['{node[properties][memory_mb]}', 4096] } }],
      actions: [
        { op: 'set-attribute', args: ['extra/memory', '{node[properties][memory_mb]} MB'] },
        { op: 'set-capability', args: ['boot_mode', 'uefi'] },
        { op: 'add-trait', args: ['CUSTOM_BIG'] },
        { op: 'set-attribute', args: ['resource_class', 'big'] },
        { op: 'set-port-attribute', args: [next, 'extra/rule', 'ran'] },
      ],
    })
    await make({ conditions: [{ op: 'eq', args: [[1, 2]] }] })
    const node = await inspected({ properties: { note: 'mine' } }, 'manageable')
    expect(node).toMatchObject({
      extra: { memory: '8192 MB' },
      properties: { note: 'mine', memory_mb: 8192, capabilities: 'boot_mode:uefi' },
      traits: ['CUSTOM_BIG'],
      resource_class: 'big',
      provision_state: 'manageable',
      inspection_finished_at: expect.any(String),
    })
    expect(node.extra).not.toHaveProperty('seen')
    const { body } = await api.as('owner-reader', 'GET', `/v1/nodes/${node.uuid}/ports/detail`)
    expect(body.ports[0].extra).toEqual({ rule: 'ran' })
  })

  it('fails when a rule says so, with its words, and writes nothing of the rules', async () => {
    await make({ priority: 9 })
    await make({ actions: [{ op: 'fail', args: { msg: 'no disks in {node.name}' } }] })
    const node = await inspected({}, 'inspect failed')
    expect(node.last_error).toContain(`no disks in ${node.name}`)
    expect(node.extra).toEqual({})
    await api.as('system-admin', 'DELETE', '/v1/inspection_rules')
    await api.as('system-admin', 'PUT', `/v1/nodes/${node.uuid}/states/provision`, { target: 'inspect' })
    await api.settled(node.uuid, 'manageable')
  })

  it('that reports later has its rules applied then, to the inventory it has reported', async () => {
    await make({
      actions: [
        { op: 'set-attribute', args: ['extra/cpus', '{inventory[cpu][count]}'] },
        { op: 'set-plugin-data', args: ['rules.ran', true] },
      ],
    })
    const node = await inspected({ driver_info: { fake_wait: 'inspect.inspect' } }, 'inspect wait')
    await api.db
      .insertInto('node_inventory')
      .values({ node_uuid: node.uuid, inventory: '{"cpu": {"count": 64}}', plugin_data: '{"hook": 1}' })
      .execute()
    await api.provisioner.resume(node.uuid, { properties: { cpus: 64 } })
    await api.settled(node.uuid, 'manageable')
    const { body } = await api.as('system-admin', 'GET', `/v1/nodes/${node.uuid}`)
    expect(body).toMatchObject({ extra: { cpus: '64' }, properties: { cpus: 64 } })
    const row = await api.db
      .selectFrom('node_inventory')
      .select('plugin_data')
      .where('node_uuid', '=', node.uuid)
      .executeTakeFirst()
    expect(row?.plugin_data).toEqual({ hook: 1, rules: { ran: true } })
  })
})
