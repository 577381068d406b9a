/** Microversions: negotiated, told in headers, and each thing there from its version on and not before. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type TestApi, testApi } from './testing.ts'

let api: TestApi
let node: { uuid: string; name: string }
let port: { uuid: string }
beforeAll(async () => {
  api = await testApi()
  node = await api.node()
  const address = '02:00:00:00:00:01'
  port = (await api.as('system-admin', 'POST', '/v1/ports', { node_uuid: node.uuid, address })).body
})
afterAll(() => api.close())

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
const at = (minor: number, method: Method, path: string, body?: unknown) =>
  api.as('system-admin', method, `/v1${path}`, body, `1.${minor}`)

describe('negotiation', () => {
  const own = 'x-openstack-ironic-api-version'
  it.each<[Record<string, string>, string]>([
    [{}, '1.1'],
    [{ [own]: '1.1' }, '1.1'],
    [{ [own]: '1.50' }, '1.50'],
    [{ [own]: '1.115' }, '1.115'],
    [{ [own]: 'latest' }, '1.115'],
    [{ [own]: 'LaTeSt' }, '1.115'],
    [{ [own]: ' 1.7 ' }, '1.7'],
    [{ 'openstack-api-version': 'baremetal 1.33' }, '1.33'],
    [{ 'openstack-api-version': 'baremetal latest' }, '1.115'],
    [{ 'openstack-api-version': 'compute 2.1, baremetal 1.34' }, '1.34'],
    [{ 'openstack-api-version': 'compute 2.1' }, '1.1'],
    [{ [own]: '1.5', 'openstack-api-version': 'baremetal 1.6' }, '1.5'],
  ])('%j is %s', async (headers, version) => {
    const answer = await api.app.inject({
      url: '/v1/nodes',
      headers: { 'x-auth-token': api.tokens['system-admin'], ...headers },
    })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers[own]).toBe(version)
  })

  it.each([
    [
      '2.1',
      'Mutually exclusive versions requested. Version 2.1 requested but not supported by this service. The supported version range is: [1.1, 1.115].',
    ],
    ['0.9', 'Mutually exclusive versions requested. Version 0.9'],
    [
      '1.116',
      'Version 1.116 was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.115].',
    ],
    ['1.0', 'Version 1.0 was requested but the minor version'],
    ['1', 'Invalid value for X-OpenStack-Ironic-API-Version header'],
    ['1.2.3', 'Invalid value for X-OpenStack-Ironic-API-Version header'],
    ['one', 'Invalid value for X-OpenStack-Ironic-API-Version header'],
    ['1.1, 1.2', 'Invalid value for X-OpenStack-Ironic-API-Version header'],
    ['-1.1', 'Invalid value for X-OpenStack-Ironic-API-Version header'],
  ])('%s is 406, and says why in the words of routing', async (version, words) => {
    const { status, headers, body } = await api.as('system-admin', 'GET', '/v1/nodes', undefined, version)
    expect(status).toBe(406)
    expect(JSON.parse(body.error_message)).toMatchObject({
      code: 406,
      title: 'Not Acceptable',
      description: expect.stringContaining(words),
    })
    expect(headers).toMatchObject({
      'x-openstack-ironic-api-minimum-version': '1.1',
      'x-openstack-ironic-api-maximum-version': '1.115',
    })
    expect(headers[own]).toBeUndefined()
  })

  it.each<[string, Method | 'HEAD' | 'OPTIONS', number]>([
    ['/', 'GET', 200],
    ['/', 'HEAD', 200],
    ['/', 'POST', 405],
    ['/v1', 'GET', 200],
    ['/v1/', 'HEAD', 200],
    ['/v1', 'DELETE', 405],
    ['/v1/nodes', 'GET', 200],
    ['/v1/nodes', 'PUT', 405],
    ['/v1/nodes', 'HEAD', 405],
    ['/v1/nodes', 'OPTIONS', 405],
    ['/v1/nodes/none', 'GET', 404],
    ['/v1/nonesuch', 'GET', 404],
    ['/v1/nodes/a/b/c/d', 'POST', 404],
    ['/v1/nodes?limit=x', 'GET', 400],
    ['/nodes', 'GET', 200],
  ])('tells the version and the request on %s %s (%i)', async (url, method, status) => {
    const answer = await api.app.inject({
      method,
      url,
      headers: { 'x-auth-token': api.tokens['system-admin'], [own]: '1.40' },
    })
    expect(answer.statusCode).toBe(status)
    expect(answer.headers).toMatchObject({
      [own]: '1.40',
      'x-openstack-ironic-api-minimum-version': '1.1',
      'x-openstack-ironic-api-maximum-version': '1.115',
      'openstack-request-id': expect.stringMatching(/^req-[0-9a-f-]{36}$/),
    })
    expect(answer.headers['x-openstack-request-id']).toBe(answer.headers['openstack-request-id'])
  })

  it('does not on 401, as Keystone’s middleware does not', async () => {
    const { status, headers } = await api.as(null, 'GET', '/v1/nodes')
    expect(status).toBe(401)
    expect(headers['x-openstack-ironic-api-maximum-version']).toBeUndefined()
  })

  it('shows at the entrance what a version has, to everybody', async () => {
    const names = async (version: string) =>
      Object.keys((await api.as(null, 'GET', '/v1', undefined, version)).body)
    expect(await names('1.48')).not.toContain('conductors')
    expect(await names('1.49')).toContain('conductors')
    expect((await api.as(null, 'GET', '/')).body.versions[0]).toMatchObject({
      id: 'v1',
      min_version: '1.1',
      version: '1.115',
    })
  })
})

/** Since when each field is there, after the reference of Ironic's API; those of 1.1 under 1. */
const nodeSince: Record<number, string[]> = {
  1: [
    'uuid',
    'driver',
    'driver_info',
    'properties',
    'instance_info',
    'extra',
    'instance_uuid',
    'chassis_uuid',
    'maintenance',
    'maintenance_reason',
    'power_state',
    'target_power_state',
    'provision_state',
    'target_provision_state',
    'provision_updated_at',
    'last_error',
    'reservation',
    'console_enabled',
    'created_at',
    'updated_at',
    'links',
    'ports',
  ],
  3: ['driver_internal_info'],
  5: ['name'],
  6: ['inspection_started_at', 'inspection_finished_at'],
  7: ['clean_step'],
  12: ['raid_config', 'target_raid_config'],
  14: ['states'],
  20: ['network_interface'],
  21: ['resource_class'],
  24: ['portgroups'],
  31: [
    'boot_interface',
    'console_interface',
    'deploy_interface',
    'inspect_interface',
    'management_interface',
    'power_interface',
    'raid_interface',
    'vendor_interface',
  ],
  32: ['volume'],
  33: ['storage_interface'],
  37: ['traits'],
  38: ['rescue_interface'],
  40: ['bios_interface'],
  42: ['fault'],
  44: ['deploy_step'],
  46: ['conductor_group'],
  47: ['automated_clean'],
  48: ['protected', 'protected_reason'],
  49: ['conductor'],
  50: ['owner'],
  51: ['description'],
  52: ['allocation_uuid'],
  61: ['retired', 'retired_reason'],
  65: ['lessee'],
  66: ['network_data'],
  75: ['boot_mode', 'secure_boot'],
  82: ['shard'],
  83: ['parent_node'],
  86: ['firmware_interface'],
  87: ['service_step'],
  95: ['disable_power_off'],
  104: ['instance_name'],
  109: ['health'],
}
const portSince: Record<number, string[]> = {
  1: ['uuid', 'address', 'node_uuid', 'extra', 'created_at', 'updated_at', 'links'],
  18: ['internal_info'],
  19: ['local_link_connection', 'pxe_enabled'],
  24: ['portgroup_uuid'],
  34: ['physical_network'],
  53: ['is_smartnic'],
  88: ['name'],
  97: ['description'],
  100: ['vendor'],
  101: ['category'],
  111: ['available_for_dynamic_portgroup'],
}
const driverInterfaces = (...types: string[]) =>
  types.flatMap((type) => [`default_${type}_interface`, `enabled_${type}_interfaces`])
const driverSince: Record<number, string[]> = {
  1: ['name', 'hosts', 'links'],
  14: ['properties'],
  30: [
    'type',
    ...driverInterfaces(
      'boot',
      'console',
      'deploy',
      'inspect',
      'management',
      'network',
      'power',
      'raid',
      'vendor',
    ),
  ],
  33: driverInterfaces('storage'),
  38: driverInterfaces('rescue'),
  40: driverInterfaces('bios'),
  86: driverInterfaces('firmware'),
}
const statesSince: Record<number, string[]> = {
  1: [
    'console_enabled',
    'last_error',
    'power_state',
    'provision_state',
    'target_power_state',
    'target_provision_state',
    'provision_updated_at',
  ],
  12: ['raid_config', 'target_raid_config'],
  75: ['boot_mode', 'secure_boot'],
}
const fieldsAt = (table: Record<number, string[]>, minor: number): string[] =>
  Object.entries(table)
    .flatMap(([since, names]) => (Number(since) <= minor ? names : []))
    .sort()
const steps = (table: Record<number, string[]>): number[] =>
  [...new Set(Object.keys(table).flatMap((since) => [Number(since) - 1, Number(since)])), 115].filter(
    (minor) => minor > 0,
  )

describe('answers have the fields of their version', () => {
  it.each<[string, Record<number, string[]>, () => string]>([
    ['a node', nodeSince, () => `/nodes/${node.uuid}`],
    ['a port', portSince, () => `/ports/${port.uuid}`],
    ['a driver', driverSince, () => '/drivers/fake-hardware'],
    ['the states of a node', statesSince, () => `/nodes/${node.uuid}/states`],
  ])('%s', async (_, table, path) => {
    for (const minor of steps(table)) {
      const { status, body } = await at(minor, 'GET', path())
      expect([minor, status, Object.keys(body).sort()]).toEqual([minor, 200, fieldsAt(table, minor)])
    }
  })

  it('a node’s detailed list, and the answers of POST and PATCH', async () => {
    for (const minor of steps(nodeSince)) {
      const listed = (await at(minor, 'GET', '/nodes/detail?limit=1')).body.nodes[0]
      expect([minor, Object.keys(listed).sort()]).toEqual([minor, fieldsAt(nodeSince, minor)])
    }
    const made = await at(20, 'POST', '/nodes', { driver: 'fake-hardware' })
    expect(Object.keys(made.body).sort()).toEqual(fieldsAt(nodeSince, 20))
    const changed = await at(30, 'PATCH', `/nodes/${made.body.uuid}`, [])
    expect(Object.keys(changed.body).sort()).toEqual(fieldsAt(nodeSince, 30))
  })

  it('conductors only from 1.49 on', async () => {
    const host = api.deps.config['conductor.host']
    expect(Object.keys((await at(49, 'GET', `/conductors/${host}`)).body).sort()).toEqual([
      'alive',
      'conductor_group',
      'created_at',
      'drivers',
      'hostname',
      'links',
      'updated_at',
    ])
  })
})

/** Not columns of their own, or lists and objects: nothing is sorted by them. */
const unsortable =
  /_info$|properties|extra|_step$|raid_config|traits|network_data|_interface$|^conductor$|local_link/
const linkFields = ['links', 'ports', 'states', 'portgroups', 'volume']

describe('what is newer than the version is refused', () => {
  it('in fields and sort_key, with 406 and the version that it needs', async () => {
    for (const [path, table] of [
      ['/nodes', nodeSince],
      ['/ports', portSince],
    ] as const)
      for (const [since, names] of Object.entries(table).map(([key, value]) => [Number(key), value] as const))
        for (const name of names.filter((each) => !linkFields.includes(each))) {
          if (since > 8) {
            const early = await at(since - 1, 'GET', `${path}?fields=${name}`)
            expect([name, early.status, faultOf(early.body)]).toEqual([
              name,
              406,
              `Request not acceptable. The minimal required API version should be 1.${since}`,
            ])
          }
          expect([name, (await at(Math.max(since, 8), 'GET', `${path}?fields=${name}`)).status]).toEqual([
            name,
            200,
          ])
          const sorted = async (minor: number) => (await at(minor, 'GET', `${path}?sort_key=${name}`)).status
          expect([name, await sorted(since)]).toEqual([name, unsortable.test(name) ? 400 : 200])
          if (since > 1 && !unsortable.test(name))
            expect([name, await sorted(since - 1)]).toEqual([name, 406])
        }
  })

  const values: Record<string, unknown> = {
    name: 'new-name',
    network_interface: 'noop',
    resource_class: 'x',
    conductor_group: '',
    automated_clean: true,
    retired: true,
    owner: 'x',
    lessee: 'x',
    description: 'x',
    network_data: {},
    shard: 'x',
    disable_power_off: true,
    instance_name: 'x',
    protected: false,
    boot_mode: 'uefi',
    secure_boot: true,
    retired_reason: 'x',
    parent_node: 'x',
    boot_interface: 'fake',
    console_interface: 'fake',
    deploy_interface: 'fake',
    inspect_interface: 'fake',
    management_interface: 'fake',
    power_interface: 'fake',
    raid_interface: 'fake',
    vendor_interface: 'fake',
    storage_interface: 'noop',
    rescue_interface: 'fake',
    bios_interface: 'fake',
    firmware_interface: 'fake',
  }
  /** May be given at POST, not only by PATCH. */
  const atCreation = (name: string) => name !== 'protected'
  const byPatch = (name: string) => name !== 'boot_mode' && name !== 'secure_boot'

  it('in bodies and patches of nodes, but not null and remove', async () => {
    for (const [key, names] of Object.entries(nodeSince))
      for (const name of names.filter((each) => each in values)) {
        const early = Number(key) - 1
        const before = Math.max(early, 1)
        if (atCreation(name)) {
          const made = await at(before, 'POST', '/nodes', { driver: 'fake-hardware', [name]: values[name] })
          expect(['POST', name, made.status]).toEqual(['POST', name, 406])
        }
        if (!byPatch(name)) continue
        const patched = await at(before, 'PATCH', `/nodes/${node.uuid}`, [
          { op: 'add', path: `/${name}`, value: values[name] },
        ])
        expect(['PATCH', name, patched.status]).toEqual(['PATCH', name, 406])
      }
    expect((await at(4, 'POST', '/nodes', { driver: 'fake-hardware', name: null })).status).toBe(201)
    const removal = [{ op: 'remove', path: '/description' }]
    expect((await at(50, 'PATCH', `/nodes/${node.uuid}`, removal)).status).toBe(200)
  })

  it('in bodies of ports', async () => {
    const given: Record<string, unknown> = {
      local_link_connection: {},
      pxe_enabled: true,
      physical_network: 'x',
      is_smartnic: false,
      name: 'x',
      description: 'x',
      vendor: 'x',
      category: 'x',
      available_for_dynamic_portgroup: true,
      portgroup_uuid: port.uuid,
    }
    for (const [key, names] of Object.entries(portSince))
      for (const name of names.filter((each) => each in given)) {
        const body = { node_uuid: node.uuid, address: '02:00:00:00:00:05', [name]: given[name] }
        expect([name, (await at(Number(key) - 1, 'POST', '/ports', body)).status]).toEqual([name, 406])
        const patch = [{ op: 'add', path: `/${name}`, value: given[name] }]
        expect([name, (await at(Number(key) - 1, 'PATCH', `/ports/${port.uuid}`, patch)).status]).toEqual([
          name,
          406,
        ])
      }
    const byName = { node_ident: node.name, address: '02:00:00:00:00:06' }
    expect((await at(93, 'POST', '/ports', byName)).status).toBe(406)
    expect((await at(94, 'POST', '/ports', byName)).status).toBe(201)
  })

  it.each<[string, string, number, number]>([
    ['/nodes', 'provision_state=enroll', 9, 406],
    ['/nodes', 'driver=ipmi', 16, 406],
    ['/nodes', 'resource_class=x', 21, 406],
    ['/nodes', 'fault=x', 42, 406],
    ['/nodes', 'detail=true', 43, 400],
    ['/nodes', 'conductor_group=x', 46, 406],
    ['/nodes', 'conductor=x', 49, 406],
    ['/nodes', 'owner=x', 50, 406],
    ['/nodes', 'retired=true', 61, 406],
    ['/nodes', 'lessee=x', 65, 406],
    ['/nodes', 'shard=x', 82, 406],
    ['/nodes', 'sharded=true', 82, 406],
    ['/nodes', 'include_children=true', 83, 406],
    ['/nodes', 'instance_name=x', 104, 406],
    ['/nodes', 'fields=uuid', 8, 406],
    ['/ports', 'fields=uuid', 8, 406],
    ['/ports', 'detail=true', 43, 400],
    ['/ports', 'shard=x', 82, 406],
    ['/drivers', 'type=dynamic', 30, 406],
    ['/drivers', 'detail=true', 30, 406],
    ['/drivers', 'fields=name', 77, 406],
  ])('GET %s?%s below 1.%i', async (path, query, since, below) => {
    expect((await at(since - 1, 'GET', `${path}?${query}`)).status).toBe(below)
    expect((await at(since, 'GET', `${path}?${query}`)).status).toBe(200)
  })

  it.each([
    'project=x',
    'description_contains=x',
    'associated=true',
    'instance_uuid=6ccd1e7a-0000-4000-8000-000000000000',
  ])('never GET /nodes?%s', async (query) => {
    expect((await at(1, 'GET', `/nodes?${query}`)).status).toBe(200)
  })

  it.each<[Method, string, number, number, number]>([
    ['GET', '/conductors', 49, 404, 200],
    ['POST', '/conductors', 49, 404, 405],
    ['GET', '/nodes/:node/traits', 37, 406, 200],
    ['PUT', '/nodes/:node/traits', 37, 405, 204],
    ['PUT', '/nodes/:node/traits/CUSTOM_A', 37, 405, 204],
    ['DELETE', '/nodes/:node/traits/CUSTOM_A', 37, 404, 204],
    ['DELETE', '/nodes/:node/traits', 37, 404, 204],
    ['GET', '/nodes/:node/history', 78, 404, 200],
    ['GET', '/nodes/:node/children', 83, 404, 200],
  ])('%s %s below 1.%i', async (method, path, since, below, then) => {
    const ask = async (minor: number) =>
      (
        await at(
          minor,
          method,
          path.replace(':node', node.uuid),
          path.endsWith('traits') && method === 'PUT' ? { traits: [] } : undefined,
        )
      ).status
    expect(await ask(since - 1)).toBe(below)
    expect(await ask(since)).toBe(then)
  })

  it.each<[string, number]>([
    ['manage', 4],
    ['provide', 4],
    ['inspect', 6],
    ['abort', 13],
    ['clean', 15],
    ['adopt', 17],
    ['rescue', 38],
    ['unrescue', 38],
    ['deploy', 73],
  ])('the verb %s below 1.%i, whatever the state', async (target, since) => {
    const order = async (minor: number) => {
      const { uuid } = await api.node({ maintenance: target === 'deploy' })
      return (await at(minor, 'PUT', `/nodes/${uuid}/states/provision`, { target })).status
    }
    expect(await order(since - 1)).toBe(406)
    expect(await order(since)).not.toBe(406)
  })

  it('the verbs unhold and service only where the state has them; undeploy never', async () => {
    const inState = async (state: string, minor: number, body: unknown) => {
      const { uuid } = await api.node()
      await api.db.updateTable('nodes').set({ provision_state: state }).where('uuid', '=', uuid).execute()
      return (await at(minor, 'PUT', `/nodes/${uuid}/states/provision`, body)).status
    }
    const service = { target: 'service', service_steps: [{ interface: 'deploy', step: 'x' }] }
    expect(await inState('enroll', 84, { target: 'unhold' })).toBe(400)
    expect(await inState('clean hold', 84, { target: 'unhold' })).toBe(406)
    expect(await inState('enroll', 86, service)).toBe(400)
    expect(await inState('active', 86, service)).toBe(406)
    expect(await inState('inspect wait', 40, { target: 'abort' })).toBe(406)
    expect(await inState('wait call-back', 109, { target: 'abort' })).toBe(406)
    expect(await inState('active', 72, { target: 'undeploy' })).toBe(202)
    expect(
      await inState('active', 68, {
        target: 'rebuild',
        deploy_steps: [{ interface: 'deploy', step: 'x', args: {}, priority: 1 }],
      }),
    ).toBe(406)
  })

  it('soft power and its timeout below 1.27', async () => {
    const power = async (minor: number, body: unknown) =>
      (await at(minor, 'PUT', `/nodes/${node.uuid}/states/power`, body)).status
    expect(await power(26, { target: 'soft power off' })).toBe(406)
    expect(await power(26, { target: 'soft rebooting' })).toBe(406)
    expect(await power(26, { target: 'power on', timeout: 10 })).toBe(406)
    expect(await power(26, { target: 'power up' })).toBe(400)
    expect(await power(1, { target: 'power on' })).toBe(202)
    await api.settled(node.uuid, 'enroll')
  })

  it('reset_interfaces below 1.45, and removing the chassis below 1.25', async () => {
    const patch = async (minor: number, path: string, ...operations: unknown[]) =>
      (await at(minor, 'PATCH', `/nodes/${node.uuid}${path}`, operations)).status
    const driver = { op: 'replace', path: '/driver', value: 'fake-hardware' }
    expect(await patch(44, '?reset_interfaces=true', driver)).toBe(406)
    expect(await patch(45, '?reset_interfaces=true', driver)).toBe(200)
    expect(await patch(45, '?reset_interfaces=true')).toBe(400)
    expect(await patch(24, '', { op: 'remove', path: '/chassis_uuid' })).toBe(406)
    expect(await patch(25, '', { op: 'remove', path: '/chassis_uuid' })).toBe(200)
  })
})

describe('what older clients are shown and may say', () => {
  it('a node by its name from 1.5 on, and with all its characters from 1.10', async () => {
    expect((await at(4, 'GET', `/nodes/${node.name}`)).status).toBe(404)
    expect((await at(5, 'GET', `/nodes/${node.name}`)).status).toBe(200)
    const made = async (minor: number, name: string) =>
      (await at(minor, 'POST', '/nodes', { driver: 'fake-hardware', name })).status
    expect(await made(9, 'under_score~')).toBe(400)
    expect(await made(10, 'under_score~')).toBe(201)
  })

  it('new nodes available before 1.11, enroll since; an available one without a state at 1.1', async () => {
    const { body } = await at(10, 'POST', '/nodes', { driver: 'fake-hardware' })
    expect(body.provision_state).toBe('available')
    expect((await at(1, 'GET', `/nodes/${body.uuid}`)).body.provision_state).toBeNull()
    expect((await at(1, 'GET', `/nodes/${body.uuid}/states`)).body.provision_state).toBeNull()
    expect((await at(2, 'GET', `/nodes/${body.uuid}/states`)).body.provision_state).toBe('available')
    expect((await at(11, 'POST', '/nodes', { driver: 'fake-hardware' })).body.provision_state).toBe('enroll')
  })

  it('inspect wait as inspecting before 1.39', async () => {
    const { uuid } = await api.node()
    await api.db
      .updateTable('nodes')
      .set({ provision_state: 'inspect wait' })
      .where('uuid', '=', uuid)
      .execute()
    expect((await at(38, 'GET', `/nodes/${uuid}`)).body.provision_state).toBe('inspecting')
    expect((await at(39, 'GET', `/nodes/${uuid}`)).body.provision_state).toBe('inspect wait')
  })

  it('history with the project from 1.113 and the states from 1.115', async () => {
    const uuid = crypto.randomUUID()
    await api.db
      .insertInto('node_history')
      .values({ uuid, node_uuid: node.uuid, severity: 'INFO', event: 'x', event_type: 'provisioning' })
      .execute()
    const keys = async (minor: number) =>
      Object.keys((await at(minor, 'GET', `/nodes/${node.uuid}/history/${uuid}`)).body)
    const oldest = ['uuid', 'created_at', 'severity', 'event', 'event_type', 'conductor', 'user', 'links']
    expect((await keys(78)).sort()).toEqual(oldest.toSorted())
    expect((await keys(112)).sort()).toEqual(oldest.toSorted())
    expect((await keys(113)).sort()).toEqual([...oldest, 'project'].sort())
    expect((await keys(114)).sort()).toEqual([...oldest, 'project'].sort())
    expect((await keys(115)).sort()).toEqual(
      [...oldest, 'project', 'state', 'target_provision_state', 'duration_seconds'].sort(),
    )
  })
})
