/** The other tenant: for every route there is, what somebody gets who has nothing to do with a node. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baremetalRoutes } from './app.ts'
import type { Route } from './baremetal/routes.ts'
import { type Answer, type TestApi, testApi } from './testing.ts'

/** In every text of the other tenant's objects; no answer to the stranger may have it. */
const mark = 'ZEBRA'
const absent = {
  uuid: '6ccd1e7a-0000-4000-8000-000000000000',
  name: 'absent-name',
  address: '02:00:00:00:00:99',
}

const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsXxQmv1aXKYcKFoALOoCaF3UmuR05XNXzPpkUxvq1M'

let api: TestApi
let routes: Route[]
/** The other tenant's. */
let node: { uuid: string; name: string }
let port: { uuid: string }
let entry: string
let runbook: string
let allocation: string
let key: string
/** By the word of their path. */
let span: string
let parts: Record<'portgroup' | 'connector' | 'target' | 'chassis', string>

beforeAll(async () => {
  api = await testApi()
  routes = baremetalRoutes(api.deps)
  node = await api.node({ name: `${mark}-name` })
  const ofSwitch = { name: 'there', driver: 'openvswitch', address: mark, quarantine_vlan: 999 }
  expect((await api.as('system-admin', 'POST', '/v1/switches', ofSwitch)).status).toBe(201)
  const pool = { name: 'there', ranges: '100-199' }
  expect((await api.as('system-admin', 'POST', '/v1/vlan_pools', pool)).status).toBe(201)
  const object = JSON.stringify({ text: `${mark}-object` })
  await api.db
    .updateTable('nodes')
    .set({
      driver_info: JSON.stringify({ ipmi_address: `${mark}.example`, ipmi_password: `${mark}-password` }),
      driver_internal_info: object,
      properties: object,
      instance_info: object,
      extra: object,
      network_data: object,
      raid_config: object,
      target_raid_config: object,
      clean_step: object,
      deploy_step: object,
      service_step: object,
      instance_name: `${mark}-instance`,
      instance_uuid: '6ccd1e7a-1111-4000-8000-00000000aaaa',
      resource_class: `${mark}-class`,
      conductor_group: '',
      maintenance_reason: `${mark}-reason`,
      fault: `${mark}-fault`,
      last_error: `${mark}-error`,
      protected_reason: `${mark}-protected`,
      retired_reason: `${mark}-retired`,
      description: `${mark}-description`,
      shard: `${mark}-shard`,
      health: `${mark}-health`,
      traits: [`CUSTOM_${mark}`],
      boot_mode: `${mark}-boot`,
    })
    .where('uuid', '=', node.uuid)
    .execute()
  const made = await api.as('system-admin', 'POST', '/v1/ports', {
    node_uuid: node.uuid,
    address: '02:00:00:00:00:01',
    name: `${mark}-port`,
    description: `${mark}-port`,
    extra: { text: mark },
    physical_network: `${mark}-net`,
    category: mark,
    vendor: mark,
    local_link_connection: { switch_id: '02:00:00:00:00:02', port_id: mark, switch_info: mark },
  })
  expect(made.status).toBe(201)
  port = made.body
  parts = await partsOf(node.uuid)
  await api.as('system-admin', 'POST', '/v1/nodes', {
    driver: 'fake-hardware',
    owner: api.projects.owner,
    parent_node: node.uuid,
    name: `${mark}-child`,
  })
  allocation = crypto.randomUUID()
  await api.db
    .insertInto('allocations')
    .values({
      uuid: allocation,
      name: `${mark}-allocation`,
      state: 'error',
      owner: api.projects.owner,
      resource_class: `${mark}-class`,
      last_error: mark,
      extra: object,
    })
    .execute()
  entry = crypto.randomUUID()
  await api.db
    .insertInto('node_history')
    .values({ uuid: entry, node_uuid: node.uuid, severity: 'ERROR', event: mark, event_type: 'provisioning' })
    .execute()
  const steps = [{ interface: 'deploy', step: 'burnin_cpu', args: { text: mark }, order: 1 }]
  const written = await api.as('owner-manager', 'POST', '/v1/runbooks', {
    name: `CUSTOM_${mark}_RUNBOOK`,
    steps,
    extra: { text: mark },
    description: mark,
  })
  expect(written.status).toBe(201)
  runbook = written.body.uuid
  await api.as('owner-manager', 'PUT', `/v1/runbooks/${runbook}/traits/CUSTOM_${mark}`)
  const added = await api.as('owner-member', 'POST', '/v1/console_keys', {
    name: mark,
    public_key: publicKey,
  })
  expect(added.status).toBe(201)
  key = added.body.id
})
afterAll(() => api.close())

/** Gives the node a chassis, a port group and volumes. */
async function partsOf(nodeUuid: string): Promise<typeof parts> {
  const make = async (path: string, body: object): Promise<string> => {
    const answer = await api.as('system-admin', 'POST', `/v1${path}`, { ...body, extra: { text: mark } })
    expect(answer.status).toBe(201)
    return answer.body.uuid
  }
  const properties = { text: mark }
  const made = {
    portgroup: await make('/portgroups', {
      node_uuid: nodeUuid,
      name: `${mark}-group`,
      address: '02:00:00:00:00:03',
      properties,
      category: mark,
    }),
    connector: await make('/volume/connectors', { node_uuid: nodeUuid, type: 'iqn', connector_id: mark }),
    target: await make('/volume/targets', {
      node_uuid: nodeUuid,
      volume_type: 'iscsi',
      boot_index: 0,
      volume_id: mark,
      properties,
    }),
    chassis: await make('/chassis', { description: mark }),
  }
  await api.db
    .updateTable('nodes')
    .set({ chassis_uuid: made.chassis, console_enabled: true })
    .where('uuid', '=', nodeUuid)
    .execute()
  const { span_id } = await api.db
    .selectFrom('consoles')
    .select('span_id')
    .where('node_uuid', '=', nodeUuid)
    .executeTakeFirstOrThrow()
  span = span_id ?? ''
  return made
}

/** For each word in a path: what the other tenant has there, and what nobody has; null for what is of the system. */
const subjects = (): Record<string, readonly (readonly [string, string])[] | null> => ({
  node: [
    [node.uuid, absent.uuid],
    [node.name, absent.name],
  ],
  port: [
    [port.uuid, absent.uuid],
    [`${mark}-port`, absent.name],
  ],
  portgroup: [
    [parts.portgroup, absent.uuid],
    [`${mark}-group`, absent.name],
  ],
  connector: [[parts.connector, absent.uuid]],
  target: [[parts.target, absent.uuid]],
  chassis: [[parts.chassis, absent.uuid]],
  entry: [[entry, absent.uuid]],
  allocation: [
    [allocation, absent.uuid],
    [`${mark}-allocation`, absent.name],
  ],
  trait: [[`CUSTOM_${mark}`, 'CUSTOM_ABSENT']],
  runbook: [
    [runbook, absent.uuid],
    [`CUSTOM_${mark}_RUNBOOK`, absent.name],
  ],
  setting: [['ProcTurboMode', 'Absent']],
  indicator: [['identify@chassis', 'absent@chassis']],
  component: [['chassis', 'absent']],
  light: [['identify', 'absent']],
  vif: [[absent.uuid, absent.name]],
  method: [['read_note', 'absent']],
  watcher: [[absent.uuid, absent.uuid]],
  span: [[span, '999999999']],
  driverMethod: null,
  switch: null,
  switchPort: null,
  pool: null,
  driver: null,
  host: null,
  template: null,
  rule: null,
  key: [[key, absent.uuid]],
})

/** For each query parameter: values that point at the other tenant's things, and at nothing. */
const queries = (): Record<string, readonly (readonly [string, string])[]> => ({
  node: [
    [node.uuid, absent.uuid],
    [node.name, absent.name],
  ],
  node_uuid: [[node.uuid, absent.uuid]],
  parent_node: [
    [node.uuid, absent.uuid],
    [node.name, absent.name],
  ],
  marker: [
    [node.uuid, absent.uuid],
    [port.uuid, absent.uuid],
    ...Object.values(parts).map((uuid) => [uuid, absent.uuid] as const),
    [entry, absent.uuid],
    [runbook, absent.uuid],
  ],
  instance_uuid: [['6ccd1e7a-1111-4000-8000-00000000aaaa', absent.uuid]],
  instance_name: [[`${mark}-instance`, absent.name]],
  resource_class: [[`${mark}-class`, absent.name]],
  fault: [[`${mark}-fault`, absent.name]],
  shard: [[`${mark}-shard`, absent.name]],
  owner: [[api.projects.owner, absent.name]],
  lessee: [[api.projects.lessee, absent.name]],
  project: [[api.projects.owner, absent.name]],
  description_contains: [[mark, absent.name]],
  address: [
    ['02:00:00:00:00:01', absent.address],
    ['02:00:00:00:00:03', absent.address],
  ],
  portgroup: [
    [parts.portgroup, absent.uuid],
    [`${mark}-group`, absent.name],
  ],
  chassis_uuid: [[parts.chassis, absent.uuid]],
  conductor: [[api.deps.config['conductor.host'], absent.name]],
})
/** Parameters that ask for a shape, not for an object: whatever they are, the list is empty. */
const shapes: Record<string, string> = {
  limit: '1',
  sort_key: 'uuid',
  sort_dir: 'desc',
  fields: 'uuid',
  detail: 'true',
  associated: 'true',
  maintenance: 'false',
  retired: 'false',
  sharded: 'true',
  include_children: 'true',
  provision_state: 'enroll',
  state: 'error',
  driver: 'fake-hardware',
  conductor_group: '',
  conductor_groups: 'none',
  reset_interfaces: 'false',
  type: 'dynamic',
}

/** A body that a route takes, by method and path. */
const bodies: Record<string, unknown> = {
  'POST /console_keys': { name: 'x', public_key: publicKey },
  'PATCH /nodes/:node': [{ op: 'add', path: '/extra/a', value: 1 }],
  'PUT /nodes/:node/maintenance': { reason: 'x' },
  'PUT /nodes/:node/states/power': { target: 'power on' },
  'PUT /nodes/:node/states/provision': { target: 'manage' },
  'PUT /nodes/:node/management/boot_device': { boot_device: 'pxe' },
  'PUT /nodes/:node/states/raid': {},
  'PUT /nodes/:node/states/boot_mode': { target: 'bios' },
  'PUT /nodes/:node/states/secure_boot': { target: true },
  'PUT /nodes/:node/states/console': { enabled: true },
  'PUT /nodes/:node/console': { enabled: true },
  'POST /nodes/:node/console/tickets': {},
  'PUT /nodes/:node/management/indicators/:indicator': { state: 'on' },
  'PUT /nodes/:node/management/indicators/:component/:light': { state: 'on' },
  'PUT /nodes/:node/management/inject_nmi': {},
  'POST /nodes/:node/vmedia': { device_type: 'cdrom', image_url: 'https://images.example/a.iso' },
  'POST /nodes/:node/vifs': { id: absent.uuid },
  'PUT /nodes/:node/traits': { traits: ['CUSTOM_X'] },
  'POST /events': {
    events: [
      {
        event: 'network.bind_port',
        port_id: absent.uuid,
        mac_address: absent.address,
        status: 'ACTIVE',
      },
    ],
  },
  'PATCH /allocations/:allocation': [{ op: 'add', path: '/extra/a', value: 1 }],
  'PATCH /ports/:port': [{ op: 'add', path: '/extra/a', value: 1 }],
  'PATCH /portgroups/:portgroup': [{ op: 'add', path: '/extra/a', value: 1 }],
  'PATCH /volume/connectors/:connector': [{ op: 'add', path: '/extra/a', value: 1 }],
  'PATCH /volume/targets/:target': [{ op: 'add', path: '/extra/a', value: 1 }],
  'POST /chassis': {},
  'PATCH /chassis/:chassis': [{ op: 'add', path: '/extra/a', value: 1 }],
  'POST /deploy_templates': {
    name: 'CUSTOM_X',
    steps: [{ interface: 'bios', step: 'x', args: {}, priority: 1 }],
  },
  'PATCH /deploy_templates/:template': [{ op: 'add', path: '/extra/a', value: 1 }],
  'POST /inspection_rules': { actions: [{ op: 'fail', args: ['x'] }] },
  'PATCH /inspection_rules/:rule': [{ op: 'add', path: '/description', value: 'x' }],
  'PATCH /runbooks/:runbook': [{ op: 'add', path: '/extra/a', value: 1 }],
  'PUT /runbooks/:runbook/traits': { traits: ['CUSTOM_X'] },
  'POST /switches': { name: 'a', driver: 'openvswitch', address: '127.0.0.1', quarantine_vlan: 999 },
  'PATCH /switches/:switch': [{ op: 'add', path: '/address', value: '127.0.0.2' }],
  'PUT /switches/:switch/ports/:switchPort': { kind: 'node' },
  'POST /vlan_pools': { name: 'a', ranges: '100-199' },
  'PATCH /vlan_pools/:pool': [{ op: 'add', path: '/ranges', value: '100' }],
}

/** What routes without an object in their path give a stranger. */
const plain: Record<string, 'list' | 'system' | 'tested below'> = {
  'GET /nodes': 'list',
  'GET /nodes/detail': 'list',
  'POST /nodes': 'tested below',
  'GET /nodes/validate': 'tested below',
  'GET /ports': 'list',
  'GET /ports/detail': 'list',
  'POST /ports': 'tested below',
  'GET /portgroups': 'list',
  'GET /portgroups/detail': 'list',
  'POST /portgroups': 'tested below',
  'GET /volume': 'system',
  'GET /volume/connectors': 'list',
  'POST /volume/connectors': 'tested below',
  'GET /volume/targets': 'list',
  'POST /volume/targets': 'tested below',
  'GET /chassis': 'system',
  'GET /chassis/detail': 'system',
  'POST /chassis': 'system',
  'GET /shards': 'system',
  'GET /drivers': 'system',
  'GET /conductors': 'system',
  'GET /deploy_templates': 'system',
  'POST /deploy_templates': 'system',
  'GET /inspection_rules': 'system',
  'POST /inspection_rules': 'system',
  'DELETE /inspection_rules': 'system',
  'GET /runbooks': 'list',
  'POST /runbooks': 'tested below',
  'GET /allocations': 'list',
  'POST /events': 'system',
  'POST /allocations': 'tested below',
  'GET /audit': 'list',
  'GET /switches': 'system',
  'POST /switches': 'system',
  'GET /vlan_pools': 'system',
  'POST /vlan_pools': 'system',
  'GET /console_spans': 'list',
  'POST /console_auth_tokens': 'tested below',
  'GET /console_keys': 'list',
  'POST /console_keys': 'tested below',
}

const keyOf = (route: Route): string => `${route.method} ${route.path}`
const wordsOf = (route: Route): string[] =>
  [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1] as string)
const send = (route: Route, path: string): Promise<Answer> => {
  if (route.body && !(keyOf(route) in bodies))
    throw new Error(`give the table "bodies" a body that ${keyOf(route)} takes`)
  return api.as('stranger', route.method, `/v1${path}`, bodies[keyOf(route)])
}

/** Where what is hidden is not a 404; what is not there is the same. */
const unlike404 = [
  // As in Ironic.
  { paths: /^\/runbooks\/:runbook/, answers: 403 },
  // A chassis is the system's; of the nodes in it everybody may list their own.
  { paths: /^\/chassis\/:chassis\/nodes/, answers: 200 },
  { paths: /^\/chassis\/:chassis$/, answers: 403 },
  // A rule that is asked of the caller alone.
  { paths: /^\/nodes\/:node\/volume$/, answers: 403 },
]

/** What can be compared of two answers: without what is different for every request, and the names that were sent. */
function comparable(answer: Answer, sent: readonly string[]): unknown {
  const { date: _, 'openstack-request-id': __, 'x-openstack-request-id': ___, ...headers } = answer.headers
  delete headers['content-length']
  return {
    status: answer.status,
    headers,
    text: sent.reduce((text, word) => text.replaceAll(word, '<it>'), answer.text),
  }
}

/** All pairs of paths, to the other tenant's thing and to nothing, of a route with words in its path. */
function pathsOf(route: Route): (readonly [string, string, string[]])[] {
  const [first = '', ...others] = wordsOf(route)
  const table = subjects()
  for (const word of [first, ...others])
    if (!(word in table)) throw new Error(`give the table "subjects" what :${word} of ${keyOf(route)} may be`)
  return (table[first] ?? []).map(([there, nowhere]) => {
    const fill = (value: string) =>
      others.reduce(
        (path, word) => path.replace(`:${word}`, table[word]?.[0]?.[0] ?? ''),
        route.path.replace(`:${first}`, value),
      )
    return [fill(there), fill(nowhere), [there, nowhere]] as const
  })
}

describe('the table of routes', () => {
  it('has rules for every route that is not public, and every rule exists', () => {
    for (const route of routes) {
      if (route.rules === 'public') continue
      expect([keyOf(route), route.rules.length > 0]).toEqual([keyOf(route), true])
      for (const rule of route.rules) expect([rule, api.deps.policy.has(rule)]).toEqual([rule, true])
    }
    // The entrance, and what a ramdisk calls, which has no token.
    const open = ['GET /', 'GET /lookup', 'POST /heartbeat/:node', 'POST /continue_inspection']
    for (const route of routes) if (route.rules === 'public') expect(open).toContain(keyOf(route))
  })
})

describe('without a valid token', () => {
  it.each([['none'], ['a wrong one']])('(%s) every route but the public ones answers 401', async (kind) => {
    for (const route of routes) {
      const url = `/v1${route.path.replaceAll(/:\w+/g, kind === 'none' ? node.uuid : absent.uuid)}`
      const answer = await api.app.inject({
        method: route.method,
        url,
        headers: kind === 'none' ? {} : { 'x-auth-token': 'gAAAA-wrong' },
        ...(route.body ? { payload: '{not json' } : {}),
      })
      const isPublic = route.rules === 'public'
      expect([keyOf(route), answer.statusCode === 401]).toEqual([keyOf(route), !isPublic])
      if (isPublic) continue
      expect(answer.headers['www-authenticate']).toMatch(/^Keystone uri="/)
      expect(answer.json().error).toMatchObject({ code: 401, title: 'Unauthorized' })
    }
  })

  it('neither unknown routes nor wrong methods are told from others', async () => {
    for (const [method, url] of [
      ['GET', '/v1/nonesuch'],
      ['PUT', '/v1/nodes'],
      ['OPTIONS', '/v1/nodes'],
    ] as const)
      expect([url, (await api.app.inject({ method, url })).statusCode]).toEqual([url, 401])
  })
})

describe('a stranger', () => {
  it('cannot tell the other tenant’s object from one that is not there, on any route', async () => {
    const before = JSON.stringify(await everything())
    let compared = 0
    for (const route of routes) {
      const words = wordsOf(route)
      // Who calls without a token is no tenant; what a ramdisk learns is proven beside its routes.
      if (words.length === 0 || route.rules === 'public') continue
      if (words.every((word) => subjects()[word] === null)) {
        const host = api.deps.config['conductor.host']
        const there = await send(
          route,
          route.path
            .replace(':driver', 'fake-hardware')
            .replace(':host', host)
            .replace(':template', 'CUSTOM_X')
            .replace(':switch', 'there')
            .replace(':pool', 'there'),
        )
        const nowhere = await send(route, route.path.replaceAll(/:\w+/g, 'nonesuch'))
        expect([keyOf(route), there.status]).toEqual([keyOf(route), 403])
        expect(comparable(there, [])).toEqual(comparable(nowhere, []))
        continue
      }
      for (const [there, nowhere, sent] of pathsOf(route)) {
        const [real, none] = [await send(route, there), await send(route, nowhere)]
        // A port is deleted by UUID only, so a name is wrong whatever it names.
        const byName = keyOf(route) === 'DELETE /ports/:port' && sent[1] === absent.name
        const answers = unlike404.find((each) => each.paths.test(route.path))?.answers ?? 404
        expect([keyOf(route), there, real.status]).toEqual([keyOf(route), there, byName ? 400 : answers])
        expect([keyOf(route), comparable(real, sent)]).toEqual([keyOf(route), comparable(none, sent)])
        expect(comparable(real, sent)).not.toMatchObject({ text: expect.stringContaining(mark) })
        compared++
      }
    }
    expect(compared).toBeGreaterThan(20)
    expect(JSON.stringify(await everything())).toBe(before)
  })

  it('is shown nothing by lists, and learns nothing by their parameters', async () => {
    for (const route of routes) {
      if (wordsOf(route).length > 0 || route.rules === 'public') continue
      const kind = plain[keyOf(route)]
      if (!kind) throw new Error(`say in the table "plain" what a stranger gets of ${keyOf(route)}`)
      if (kind === 'tested below') continue
      const answer = await send(route, route.path)
      expect([keyOf(route), answer.status]).toEqual([keyOf(route), kind === 'system' ? 403 : 200])
      if (keyOf(route) === 'GET /audit') continue
      expect(answer.text).not.toContain(mark)
      if (kind !== 'list') continue
      expect(Object.values(answer.body)).toEqual([[]])
      for (const name of Object.keys(route.query ?? {})) {
        const pairs = queries()[name]
        if (!pairs && !(name in shapes))
          throw new Error(`give a table of this test values of ?${name}= of ${keyOf(route)}`)
        const ask = (value: string) => send(route, `${route.path}?${name}=${encodeURIComponent(value)}`)
        if (!pairs) {
          const { status, text } = await ask(shapes[name] as string)
          expect([name, status, text.includes(mark)]).toEqual([name, 200, false])
        }
        for (const sent of pairs ?? []) {
          const [real, none] = [await ask(sent[0]), await ask(sent[1])]
          expect([keyOf(route), name, comparable(real, sent)]).toEqual([
            keyOf(route),
            name,
            comparable(none, sent),
          ])
        }
      }
    }
  })

  it('reads in the audit of nothing but what it was told', async () => {
    const { body } = await api.as('stranger', 'GET', '/v1/audit')
    expect(body.audit.length).toBeGreaterThan(0)
    for (const { path: _, reason: __, ...row } of body.audit) {
      expect(row).toMatchObject({ project: api.projects.stranger, node: null, target: null })
      expect(JSON.stringify(row)).not.toMatch(new RegExp(`${mark}|${node.uuid}|hidden`))
    }
    for (const query of [`node=${node.uuid}`, 'outcome=hidden', `project=${api.projects.owner}`])
      expect((await api.as('stranger', 'GET', `/v1/audit?${query}`)).body).toEqual({ audit: [] })
  })

  it('learns nothing from validate by query, new ports, parents and new homes of ports', async () => {
    const same = async (ask: (it: string) => Promise<Answer>, status: number, names = true) => {
      for (const sent of [
        [node.uuid, absent.uuid] as const,
        ...(names ? [[node.name, absent.name] as const] : []),
      ]) {
        const [real, none] = [await ask(sent[0]), await ask(sent[1])]
        expect([sent[0], real.status]).toEqual([sent[0], status])
        expect(comparable(real, sent)).toEqual(comparable(none, sent))
      }
    }
    await same((it) => api.as('stranger', 'GET', `/v1/nodes/validate?node=${it}`), 404)
    await same((it) => api.as('stranger', 'GET', `/v1/nodes/validate?node_uuid=${it}`), 404)
    await same((it) => api.as('stranger', 'POST', '/v1/console_auth_tokens', { node_uuid_or_name: it }), 404)
    const address = '02:00:00:00:00:77'
    await same((it) => api.as('stranger', 'POST', '/v1/ports', { node_uuid: it, address }), 403)
    await same((it) => api.as('stranger', 'POST', '/v1/ports', { node_ident: it, address }), 403)
    for (const [path, body] of Object.entries(newParts))
      await same((it) => api.as('stranger', 'POST', path, { node_uuid: it, ...body }), 403)
    await same(
      (it) => api.as('stranger', 'POST', '/v1/nodes', { driver: 'fake-hardware', parent_node: it }),
      400,
    )
    await same((it) => api.as('stranger', 'POST', '/v1/allocations', { node: it }), 400)
    const asked = (it: string) => ({ resource_class: 'x', candidate_nodes: [it] })
    await same((it) => api.as('stranger', 'POST', '/v1/allocations', asked(it)), 400)
    const own = await api.as('stranger', 'POST', '/v1/nodes', { driver: 'fake-hardware' })
    expect([own.status, own.body.owner]).toEqual([201, api.projects.stranger])
    const patch = (path: string, root: string) => (it: string) =>
      api.as('stranger', 'PATCH', path, [{ op: 'add', path: root, value: it }])
    await same(patch(`/v1/nodes/${own.body.uuid}`, '/parent_node'), 403)
    const ownPort = await api.as('stranger', 'POST', '/v1/ports', { node_uuid: own.body.uuid, address })
    expect(ownPort.status).toBe(201)
    await same(patch(`/v1/ports/${ownPort.body.uuid}`, '/node_uuid'), 400)
    for (const it of [parts.portgroup, absent.uuid]) {
      const { status, text } = await patch(`/v1/ports/${ownPort.body.uuid}`, '/portgroup_uuid')(it)
      expect([status, text.replace(it, '<it>')]).toEqual([400, expect.stringContaining('<it> could not be')])
    }
    for (const [path, body] of Object.entries(newParts)) {
      const part = await api.as('stranger', 'POST', path, { node_uuid: own.body.uuid, ...body })
      expect(part.status).toBe(201)
      await same(patch(`${path}/${part.body.uuid}`, '/node_uuid'), 400)
    }
    // What is its own it finds, alone.
    expect((await api.as('stranger', 'GET', '/v1/nodes?limit=1')).body.nodes).toHaveLength(1)
    const next = (await api.as('stranger', 'GET', '/v1/nodes?limit=1')).body.next as string
    const after = await api.as('stranger', 'GET', next.replace('http://baremetal.test:6385', ''))
    expect(after.body).toEqual({ nodes: [] })
    await api.as('system-admin', 'DELETE', `/v1/nodes/${own.body.uuid}`)
  })
})

describe('a lessee', () => {
  it('is shown nothing of the BMC, nor of errors that name it, wherever it looks', async () => {
    for (const path of ['', '/states', '/traits', '/ports', '/ports/detail', '/validate', '/children'])
      for (const who of ['lessee-admin', 'lessee-reader'] as const) {
        const { text } = await api.as(who, 'GET', `/v1/nodes/${node.uuid}${path}`)
        for (const secret of [`${mark}.example`, `${mark}-password`, `${mark}-error`, `${mark}-reason`])
          expect([path, text.includes(secret)]).toEqual([path, false])
      }
    for (const path of ['/v1/nodes/detail', '/v1/nodes?fields=maintenance_reason,last_error,driver_info']) {
      const { text } = await api.as('lessee-admin', 'GET', path)
      for (const secret of [`${mark}.example`, `${mark}-error`, `${mark}-reason`])
        expect([path, text.includes(secret)]).toEqual([path, false])
    }
    expect((await api.as('owner-reader', 'GET', `/v1/nodes/${node.uuid}`)).text).toContain(`${mark}-reason`)
  })

  it('sees a child only if it leases the child itself', async () => {
    expect((await api.as('lessee-admin', 'GET', `/v1/nodes/${node.uuid}/children`)).body.children).toEqual([])
    expect(
      (await api.as('owner-reader', 'GET', `/v1/nodes/${node.uuid}/children`)).body.children,
    ).toHaveLength(1)
  })
})

/** What a node may be given, by path: whatever is asked of a node but its UUID. */
const newParts = {
  '/v1/portgroups': {},
  '/v1/volume/connectors': { type: 'iqn', connector_id: 'own' },
  '/v1/volume/targets': { volume_type: 'iscsi', boot_index: 0, volume_id: 'own' },
}

/** All that a write could have changed. */
async function everything(): Promise<unknown> {
  return {
    nodes: await api.db.selectFrom('nodes').selectAll().orderBy('id').execute(),
    ports: await api.db.selectFrom('ports').selectAll().orderBy('id').execute(),
    portgroups: await api.db.selectFrom('portgroups').selectAll().orderBy('id').execute(),
    connectors: await api.db.selectFrom('volume_connectors').selectAll().orderBy('id').execute(),
    targets: await api.db.selectFrom('volume_targets').selectAll().orderBy('id').execute(),
    chassis: await api.db.selectFrom('chassis').selectAll().orderBy('id').execute(),
    runbooks: await api.db.selectFrom('runbooks').selectAll().orderBy('id').execute(),
    consoles: await api.db.selectFrom('consoles').selectAll().orderBy('node_uuid').execute(),
    spans: await api.db.selectFrom('console_spans').selectAll().orderBy('id').execute(),
    tickets: await api.db.selectFrom('console_tickets').selectAll().execute(),
    keys: await api.db.selectFrom('console_keys').selectAll().orderBy('id').execute(),
    switches: await api.db.selectFrom('switches').selectAll().orderBy('id').execute(),
    switchPorts: await api.db.selectFrom('switch_ports').selectAll().orderBy('id').execute(),
    vlans: await api.db.selectFrom('vlans').selectAll().orderBy('id').execute(),
    history: await api.db.selectFrom('node_history').selectAll().orderBy('id').execute(),
  }
}
