/** Port groups, and ports in them, through the API's door. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const base = 'http://baremetal.test:6385'
const absent = '6ccd1e7a-0000-4000-8000-000000000000'
const admin = 'system-admin'
let serial = 0
const newAddress = () => `02:00:00:00:01:${(++serial + 16).toString(16)}`
const create = (nodeUuid: string, fields: Record<string, unknown> = {}, version = 'latest') =>
  api.as(admin, 'POST', '/v1/portgroups', { node_uuid: nodeUuid, ...fields }, version)
const createPort = (nodeUuid: string, fields: Record<string, unknown> = {}, version = 'latest') =>
  api.as(admin, 'POST', '/v1/ports', { node_uuid: nodeUuid, address: newAddress(), ...fields }, version)
const set = (path: string, value: unknown) => ({ op: 'add', path, value })
const remove = (path: string) => ({ op: 'remove', path })
const patch = (uuid: string, ...operations: unknown[]) =>
  api.as(admin, 'PATCH', `/v1/portgroups/${uuid}`, operations)
const patchPort = (uuid: string, ...operations: unknown[]) =>
  api.as(admin, 'PATCH', `/v1/ports/${uuid}`, operations)

async function group(fields: Record<string, unknown> = {}): Promise<{ node: string; group: string }> {
  const node = (await api.node()).uuid
  const { status, body } = await create(node, fields)
  expect(status).toBe(201)
  return { node, group: body.uuid }
}
const nodeIs = (uuid: string, columns: Record<string, unknown>) =>
  api.db.updateTable('nodes').set(columns).where('uuid', '=', uuid).execute()

describe('creating a port group', () => {
  it('answers 201 with the whole group, its defaults, links and address', async () => {
    const { uuid: node } = await api.node()
    const { status, headers, body } = await create(node, { name: 'bond0', address: '02:AB:00:00:00:01' })
    expect(status).toBe(201)
    expect(headers.location).toBe(`${base}/v1/portgroups/${body.uuid}`)
    const links = (path: string) => [
      { href: `${base}/v1/portgroups/${body.uuid}${path}`, rel: 'self' },
      { href: `${base}/portgroups/${body.uuid}${path}`, rel: 'bookmark' },
    ]
    expect(body).toEqual({
      uuid: body.uuid,
      name: 'bond0',
      node_uuid: node,
      address: '02:ab:00:00:00:01',
      extra: {},
      internal_info: {},
      standalone_ports_supported: true,
      mode: 'active-backup',
      properties: {},
      physical_network: null,
      category: null,
      dynamic_portgroup: false,
      created_at: body.created_at,
      updated_at: null,
      links: links(''),
      ports: links('/ports'),
    })
    expect((await api.as(admin, 'GET', '/v1/portgroups/bond0')).body).toEqual(body)
  })

  it.each([
    [{ address: '02-00-00-00-00-01' }, 400, 'MAC'],
    [{ name: 'a b' }, 400, 'name'],
    [{ name: absent }, 400, 'UUID'],
    [{ uuid: 'x' }, 400, 'uuid'],
    [{ mode: 7 }, 400, 'mode'],
    [{ physical_network: '' }, 400, 'physical_network'],
    [{ category: 'x'.repeat(81) }, 400, 'category'],
    [{ dynamic_portgroup: true }, 400, 'dynamic_portgroup'],
    [{ internal_info: {} }, 400, 'internal_info'],
    [{ node_uuid: absent }, 400, 'could not be found'],
    [{ node_uuid: 'node-1' }, 400, 'could not be found'],
    [{ standalone_ports_supported: 'maybe' }, 400, 'standalone_ports_supported'],
  ])('refuses %j with %i that names it', async (fields, status, named) => {
    const { uuid } = await api.node()
    const answer = await create(uuid, fields)
    expect([answer.status, faultOf(answer.body)]).toEqual([status, expect.stringContaining(named)])
  })

  it('needs a node', async () => {
    const answer = await api.as(admin, 'POST', '/v1/portgroups', { name: 'nowhere' })
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining('node_uuid')])
  })

  it('answers 409 for a UUID, name or address that is taken', async () => {
    const { uuid } = await api.node()
    const own = { name: 'taken', address: newAddress() }
    const { body } = await create(uuid, own)
    const texts = []
    for (const fields of [{ uuid: body.uuid }, { name: own.name }, { address: own.address }]) {
      const answer = await create(uuid, fields)
      expect(answer.status).toBe(409)
      texts.push(faultOf(answer.body))
    }
    expect(texts).toEqual([
      `A portgroup with UUID ${body.uuid} already exists.`,
      'A portgroup with name taken already exists.',
      `A portgroup with MAC address ${own.address} already exists.`,
    ])
  })
})

describe('versions', () => {
  it('are 404 for any method below 1.23, and 1.24 below a parent', async () => {
    const made = await group()
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'] as const)
      expect((await api.as(admin, method, '/v1/portgroups', {}, '1.22')).status).toBe(404)
    expect((await api.as(admin, 'GET', `/v1/portgroups/${made.group}`, undefined, '1.22')).status).toBe(404)
    for (const path of [`/v1/nodes/${made.node}/portgroups`, `/v1/portgroups/${made.group}/ports`])
      for (const tail of ['', '/detail', '/x']) {
        expect((await api.as(admin, 'GET', path + tail, undefined, '1.23')).status).toBe(404)
        expect((await api.as(admin, 'GET', path + tail, undefined, '1.24')).status).toBe(
          tail === '/x' ? 400 : 200,
        )
      }
  })

  it.each([
    ['mode', 26, '802.3ad'],
    ['properties', 26, { miimon: 100 }],
    ['physical_network', 102, 'net'],
    ['category', 103, 'x'],
  ])('%s is there from 1.%i on', async (field, since, value) => {
    const { node, group: uuid } = await group()
    const at = (minor: number, method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown) =>
      api.as(admin, method, `/v1${path}`, body, `1.${minor}`)
    const old = since - 1
    expect((await at(old, 'POST', '/portgroups', { node_uuid: node, [field]: value })).status).toBe(406)
    expect((await at(old, 'PATCH', `/portgroups/${uuid}`, [set(`/${field}`, value)])).status).toBe(406)
    expect((await at(old, 'GET', `/portgroups?fields=${field}`)).status).toBe(406)
    expect((await at(old, 'GET', `/portgroups/${uuid}`)).body).not.toHaveProperty(field)
    expect((await at(since, 'PATCH', `/portgroups/${uuid}`, [set(`/${field}`, value)])).body[field]).toEqual(
      value,
    )
    expect((await at(since, 'GET', `/portgroups?fields=${field}`)).status).toBe(200)
  })

  it('shows dynamic_portgroup from 1.111 on, links to ports from 1.24 on, and filters by shard from 1.106 on', async () => {
    const { group: uuid } = await group()
    const path = `/v1/portgroups/${uuid}`
    expect((await api.as(admin, 'GET', path, undefined, '1.110')).body).not.toHaveProperty(
      'dynamic_portgroup',
    )
    expect((await api.as(admin, 'GET', path, undefined, '1.111')).body.dynamic_portgroup).toBe(false)
    expect((await api.as(admin, 'GET', path, undefined, '1.23')).body).not.toHaveProperty('ports')
    expect((await api.as(admin, 'GET', '/v1/portgroups?shard=a', undefined, '1.105')).status).toBe(406)
    expect((await api.as(admin, 'GET', '/v1/portgroups?conductor_groups=a', undefined, '1.23')).status).toBe(
      200,
    )
    expect((await api.as(admin, 'GET', '/v1/portgroups?detail=true', undefined, '1.42')).status).toBe(400)
  })
})

describe('lists of port groups', () => {
  it('have the short fields, the fields asked for, or all of them', async () => {
    const { node, group: uuid } = await group({ name: 'listed' })
    const at = async (path: string) => (await api.as('owner-reader', 'GET', `/v1${path}`)).body.portgroups
    const [short] = await at(`/nodes/${node}/portgroups`)
    expect(short).toEqual({ uuid, name: 'listed', address: null, links: short.links })
    expect(await at(`/nodes/${node}/portgroups?fields=name`)).toEqual([
      { name: 'listed', links: short.links },
    ])
    const [full] = await at(`/nodes/${node}/portgroups/detail`)
    expect(full).toEqual((await api.as(admin, 'GET', `/v1/portgroups/${uuid}`)).body)
    expect(await at(`/portgroups?node=${node}&detail=true`)).toEqual([full])
    expect(await at(`/portgroups/detail?node=${node}`)).toEqual([full])
    expect((await api.as(admin, 'GET', '/v1/portgroups?detail=true&fields=uuid')).status).toBe(400)
    expect((await api.as(admin, 'GET', '/v1/portgroups?fields=nonesuch')).status).toBe(400)
  })

  it('are filtered by node, address, shard as it is written, and conductor group', async () => {
    const made = await group({ address: newAddress() })
    await nodeIs(made.node, { shard: 'Shard-A', conductor_group: 'rack' })
    const { body } = await api.as(admin, 'GET', `/v1/portgroups/${made.group}`)
    const { name } = (await api.as(admin, 'GET', `/v1/nodes/${made.node}`)).body
    const found = async (query: string) => {
      const answer = await api.as(admin, 'GET', `/v1/portgroups?${query}`)
      expect([query, answer.status]).toEqual([query, 200])
      return answer.body.portgroups.map((each: { uuid: string }) => each.uuid)
    }
    for (const query of [
      `node=${made.node}`,
      `node=${name}`,
      `address=${body.address.toUpperCase()}`,
      'shard=other,Shard-A',
      'conductor_groups=rack,other',
    ])
      expect([query, await found(query)]).toEqual([query, [made.group]])
    expect(await found('shard=shard-a')).toEqual([])
    for (const query of [`node=${made.node}&shard=x`, 'address=02:00:00:00:00:01&conductor_groups=x'])
      expect((await api.as(admin, 'GET', `/v1/portgroups?${query}`)).status).toBe(400)
    expect((await api.as(admin, 'GET', `/v1/portgroups?node=${absent}`)).status).toBe(404)
    expect((await api.as(admin, 'GET', '/v1/portgroups?address=x')).status).toBe(400)
    expect((await api.as(admin, 'GET', '/v1/portgroups?sort_key=properties')).status).toBe(400)
  })

  it('go on page by page, below their parent, with their filters', async () => {
    const { uuid: node } = await api.node()
    const made = []
    for (const name of ['page-c', 'page-a', 'page-b']) made.push((await create(node, { name })).body.uuid)
    const seen = []
    let path = `/v1/nodes/${node}/portgroups?limit=2&sort_key=name&sort_dir=desc`
    for (let pages = 0; path && pages < 5; pages++) {
      const { body } = await api.as('owner-reader', 'GET', path)
      seen.push(...body.portgroups.map((each: { uuid: string }) => each.uuid))
      path = body.next?.replace(base, '')
      if (path) expect(path).toContain(`/v1/nodes/${node}/portgroups?`)
    }
    expect(seen).toEqual([made[0], made[2], made[1]])
  })
})

describe('changing a port group', () => {
  it('changes what may be changed, by UUID and by name, and clears what is removed', async () => {
    const { group: uuid } = await group({ name: 'before', properties: { a: 1 }, extra: { b: 2 } })
    const changed = await patch(
      'before',
      set('/name', 'after'),
      set('/mode', '802.3ad'),
      set('/properties/c', 3),
      remove('/extra'),
      set('/standalone_ports_supported', 'no'),
    )
    expect(changed.body).toMatchObject({
      uuid,
      name: 'after',
      mode: '802.3ad',
      properties: { a: 1, c: 3 },
      extra: {},
      standalone_ports_supported: false,
    })
    expect(changed.body.updated_at).not.toBeNull()
    const removed = await patch(uuid, remove('/name'), remove('/standalone_ports_supported'))
    expect(removed.body).toMatchObject({ name: null, standalone_ports_supported: true })
  })

  it.each([
    [[set('/uuid', absent)], 400],
    [[set('/internal_info', {})], 400],
    [[remove('/mode')], 400],
    [[remove('/node_uuid')], 400],
    [[set('/address', 'x')], 400],
    [[set('/dynamic_portgroup', true)], 400],
    [[], 200],
  ])('%j is %i', async (operations, status) => {
    expect((await patch((await group()).group, ...operations)).status).toBe(status)
  })

  it('writes nothing when nothing changes', async () => {
    const { group: uuid } = await group({ name: 'same' })
    expect((await patch(uuid, set('/name', 'same'))).body.updated_at).toBeNull()
  })

  it('waits for the lock of its node, and gives up with 409', async () => {
    const made = await group()
    await nodeIs(made.node, { reservation: 'another' })
    for (const answer of [
      await patch(made.group, set('/extra/a', 1)),
      await api.as(admin, 'DELETE', `/v1/portgroups/${made.group}`),
    ])
      expect([answer.status, faultOf(answer.body)]).toEqual([
        409,
        expect.stringContaining('is locked by host another'),
      ])
  })

  it('moves it to a node of the same owner in a state for it, and without ports only', async () => {
    const made = await group()
    const { uuid: other } = await api.node()
    await nodeIs(made.node, { provision_state: 'available' })
    expect((await patch(made.group, set('/node_uuid', other))).status).toBe(409)
    await nodeIs(made.node, { provision_state: 'manageable' })
    const port = (await createPort(made.node, { portgroup_uuid: made.group })).body.uuid
    const refused = await patch(made.group, set('/node_uuid', other))
    expect([refused.status, faultOf(refused.body)]).toEqual([400, expect.stringContaining('has ports')])
    await patchPort(port, remove('/portgroup_uuid'))
    expect((await patch(made.group, set('/node_uuid', other))).body.node_uuid).toBe(other)
    const foreign = await api.node({ owner: api.projects.stranger })
    for (const uuid of [foreign.uuid, absent]) {
      const { status, body } = await patch(made.group, set('/node_uuid', uuid))
      expect([status, faultOf(body).replace(uuid, 'it')]).toEqual([
        400,
        `Node it could not be found, or its owner is not the owner of node ${other}.`,
      ])
    }
  })
})

describe('deleting a port group', () => {
  it('takes a name or a UUID, and refuses while it has ports', async () => {
    const made = await group({ name: 'doomed' })
    const port = (await createPort(made.node, { portgroup_uuid: made.group })).body.uuid
    const refused = await api.as(admin, 'DELETE', '/v1/portgroups/doomed')
    expect([refused.status, faultOf(refused.body)]).toEqual([400, expect.stringContaining('has ports')])
    await api.as(admin, 'DELETE', `/v1/ports/${port}`)
    expect((await api.as(admin, 'DELETE', '/v1/portgroups/doomed')).status).toBe(204)
    const gone = await api.as(admin, 'GET', '/v1/portgroups/doomed')
    expect([gone.status, faultOf(gone.body)]).toEqual([404, 'Portgroup doomed could not be found.'])
  })

  it('happens with its node, ports in it and all', async () => {
    const made = await group()
    const port = (await createPort(made.node, { portgroup_uuid: made.group })).body.uuid
    expect((await api.as(admin, 'DELETE', `/v1/nodes/${made.node}`)).status).toBe(204)
    expect((await api.as(admin, 'GET', `/v1/portgroups/${made.group}`)).status).toBe(404)
    expect((await api.as(admin, 'GET', `/v1/ports/${port}`)).status).toBe(404)
  })
})

describe('ports in a group', () => {
  it('are listed below it and by filter, by its name too', async () => {
    const made = await group({ name: 'with-ports' })
    const port = (await createPort(made.node, { portgroup_uuid: made.group })).body
    await createPort(made.node)
    expect(port.portgroup_uuid).toBe(made.group)
    for (const path of [
      `/v1/portgroups/${made.group}/ports`,
      '/v1/portgroups/with-ports/ports/detail',
      `/v1/ports?portgroup=${made.group}`,
      '/v1/ports/detail?portgroup=with-ports',
    ]) {
      const { body } = await api.as('lessee-reader', 'GET', path)
      expect([path, body.ports.map((each: { uuid: string }) => each.uuid)]).toEqual([path, [port.uuid]])
    }
    const { body } = await api.as(admin, 'GET', '/v1/portgroups/with-ports/ports?limit=1')
    expect(body.next).toContain(`/v1/portgroups/${made.group}/ports?`)
    expect((await api.as(admin, 'GET', body.next.replace(base, ''))).body).toEqual({ ports: [] })
  })

  it('belong to a group of their own node; another, an absent and a hidden one are told in one text', async () => {
    const made = await group()
    const foreign = await group()
    const port = (await createPort(made.node)).body.uuid
    for (const uuid of [foreign.group, absent])
      for (const { status, body } of [
        await createPort(made.node, { portgroup_uuid: uuid }),
        await patchPort(port, set('/portgroup_uuid', uuid)),
      ])
        expect([status, faultOf(body).replace(uuid, 'it')]).toEqual([
          400,
          `Portgroup it could not be found on node ${made.node}.`,
        ])
    expect((await patchPort(port, set('/portgroup_uuid', 'x'))).status).toBe(400)
    await patchPort(port, set('/portgroup_uuid', made.group))
    expect((await patchPort(port, set('/node_uuid', foreign.node))).status).toBe(400)
    const moved = await patchPort(
      port,
      set('/node_uuid', foreign.node),
      set('/portgroup_uuid', foreign.group),
    )
    expect(moved.body).toMatchObject({ node_uuid: foreign.node, portgroup_uuid: foreign.group })
  })

  it('must not boot by themselves where the group does not support it (409)', async () => {
    const made = await group({ standalone_ports_supported: false })
    expect((await createPort(made.node, { portgroup_uuid: made.group })).status).toBe(409)
    const within = await createPort(made.node, { portgroup_uuid: made.group, pxe_enabled: false })
    expect(within.status).toBe(201)
    expect((await patchPort(within.body.uuid, set('/pxe_enabled', true))).status).toBe(409)
    expect((await patchPort(within.body.uuid, set('/extra/a', 1))).status).toBe(200)
    const alone = (await createPort(made.node)).body.uuid
    expect((await patchPort(alone, set('/portgroup_uuid', made.group))).status).toBe(409)
    const both = await patchPort(alone, set('/portgroup_uuid', made.group), set('/pxe_enabled', false))
    expect(both.status).toBe(200)
    await patch(made.group, set('/standalone_ports_supported', true))
    await patchPort(alone, set('/pxe_enabled', true))
    const refused = await patch(made.group, set('/standalone_ports_supported', false))
    expect([refused.status, faultOf(refused.body)]).toEqual([409, expect.stringContaining(alone)])
  })

  it('have one physical network (409), and keep it while they are in (400 from 1.102 on)', async () => {
    const made = await group()
    const first = await createPort(made.node, { portgroup_uuid: made.group, physical_network: 'a' })
    expect(first.status).toBe(201)
    for (const physical_network of ['b', undefined])
      expect((await createPort(made.node, { portgroup_uuid: made.group, physical_network })).status).toBe(409)
    const second = (await createPort(made.node, { physical_network: 'b' })).body.uuid
    expect((await patchPort(second, set('/portgroup_uuid', made.group))).status).toBe(409)
    const fits = await patchPort(second, set('/portgroup_uuid', made.group), set('/physical_network', 'a'))
    expect(fits.status).toBe(200)
    expect((await patchPort(second, set('/physical_network', 'c'))).status).toBe(400)
    const old = await api.as(admin, 'PATCH', `/v1/ports/${second}`, [set('/physical_network', 'c')], '1.101')
    expect(old.status).toBe(409)
    const leaves = await patchPort(second, remove('/portgroup_uuid'), set('/physical_network', 'c'))
    expect(leaves.body).toMatchObject({ portgroup_uuid: null, physical_network: 'c' })
  })

  it('take the physical network that their group has or is given', async () => {
    const made = await group({ physical_network: 'a' })
    const joined = await createPort(made.node, { portgroup_uuid: made.group })
    expect(joined.body.physical_network).toBe('a')
    expect((await createPort(made.node, { portgroup_uuid: made.group, physical_network: 'b' })).status).toBe(
      409,
    )
    await patch(made.group, set('/physical_network', 'c'))
    expect((await api.as(admin, 'GET', `/v1/ports/${joined.body.uuid}`)).body.physical_network).toBe('c')
  })

  it('never differ in physical network, however many join at once', async () => {
    const made = await group()
    const answers = await Promise.all(
      ['a', 'b', 'a', 'b', 'a', 'b'].map((physical_network) =>
        createPort(made.node, { portgroup_uuid: made.group, physical_network }),
      ),
    )
    const networks = answers.flatMap(({ status, body }) => (status === 201 ? [body.physical_network] : []))
    expect(answers.map((each) => each.status).sort()).toEqual([201, 201, 201, 409, 409, 409])
    expect(new Set(networks).size).toBe(1)
  })
})

describe('below parents', () => {
  it.each([
    ['POST', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['GET', '/x'],
    ['PATCH', '/x'],
    ['DELETE', '/x'],
  ] as const)('%s %s is 400 "Malformed request URI."', async (method, tail) => {
    const made = await group()
    for (const path of [
      `/v1/nodes/${made.node}/ports`,
      `/v1/nodes/${made.node}/portgroups`,
      `/v1/portgroups/${made.group}/ports`,
    ]) {
      const answer = await api.as(admin, method, path + tail, method === 'GET' ? undefined : {})
      expect([path, answer.status, faultOf(answer.body)]).toEqual([path, 400, 'Malformed request URI.'])
    }
    expect((await api.as(admin, 'PUT', `/v1/nodes/${made.node}/portgroups`, {})).status).toBe(405)
  })
})

describe('who may do what with port groups', () => {
  it.each<[Persona, number, number, number, number]>([
    // create, show, change, delete
    ['stranger', 403, 404, 404, 404],
    ['lessee-reader', 403, 200, 403, 403],
    ['lessee-admin', 403, 200, 403, 403],
    ['owner-reader', 403, 200, 403, 403],
    ['owner-member', 403, 200, 403, 403],
    ['owner-manager', 201, 200, 200, 204],
    ['owner-admin', 201, 200, 200, 204],
    ['system-reader', 403, 200, 403, 403],
    ['system-member', 403, 200, 200, 403],
    ['system-admin', 201, 200, 200, 204],
    ['service', 403, 404, 404, 404],
  ])('%s', async (who, create, show, change, erase) => {
    const made = await group()
    const path = `/v1/portgroups/${made.group}`
    expect([
      (await api.as(who, 'POST', '/v1/portgroups', { node_uuid: made.node })).status,
      (await api.as(who, 'GET', path)).status,
      (await api.as(who, 'PATCH', path, [set('/extra/a', 1)])).status,
      (await api.as(who, 'DELETE', path)).status,
    ]).toEqual([create, show, change, erase])
  })

  it('a list shows each project the groups of the nodes it owns or leases', async () => {
    const made = await group()
    const listed = async (who: Persona) =>
      (await api.as(who, 'GET', '/v1/portgroups')).body.portgroups.some(
        (each: { uuid: string }) => each.uuid === made.group,
      )
    const seen = []
    for (const who of ['owner-reader', 'lessee-reader', 'stranger', 'system-reader'] as const)
      seen.push(await listed(who))
    expect(seen).toEqual([true, true, false, true])
    const marked = (who: Persona, marker: string) =>
      api.as(who, 'GET', `/v1/portgroups?marker=${marker}`).then(({ status }) => status)
    expect([await marked('stranger', made.group), await marked('stranger', absent)]).toEqual([404, 404])
    expect(await marked('lessee-reader', made.group)).toBe(200)
  })

  it('the audit tells what was done, with its node', async () => {
    const made = await group()
    await api.as('lessee-admin', 'DELETE', `/v1/portgroups/${made.group}`)
    const { body } = await api.as('owner-manager', 'GET', `/v1/audit?node=${made.node}&outcome=denied`)
    expect(body.audit[0]).toMatchObject({
      project: api.projects.lessee,
      target: { type: 'portgroup', uuid: made.group },
      node: made.node,
      status: 403,
    })
  })
})
