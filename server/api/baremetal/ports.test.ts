/** Ports through the API's door. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

let serial = 0
const newAddress = () =>
  `02:00:00:00:${(Math.floor(++serial / 90) + 10).toString()}:${((serial % 90) + 10).toString()}`
const admin = 'system-admin'
const create = (nodeUuid: string, fields: Record<string, unknown> = {}) =>
  api.as(admin, 'POST', '/v1/ports', { node_uuid: nodeUuid, address: newAddress(), ...fields })
const patch = (uuid: string, ...operations: unknown[]) =>
  api.as(admin, 'PATCH', `/v1/ports/${uuid}`, operations)
const set = (path: string, value: unknown) => ({ op: 'add', path, value })
async function portOn(columns: Record<string, unknown> = {}): Promise<{ node: string; port: string }> {
  const { uuid } = await api.node()
  const { body } = await create(uuid)
  await api.db
    .updateTable('nodes')
    .set({ ...columns, health: 'OK' })
    .where('uuid', '=', uuid)
    .execute()
  return { node: uuid, port: body.uuid }
}

describe('creating a port', () => {
  it('answers 201 with the whole port, its defaults and its address', async () => {
    const { uuid } = await api.node()
    const answer = await create(uuid, { address: '02:AB:00:00:00:01' })
    expect(answer.status).toBe(201)
    expect(answer.headers.location).toBe(`http://baremetal.test:6385/v1/ports/${answer.body.uuid}`)
    expect(answer.body).toEqual({
      uuid: answer.body.uuid,
      address: '02:ab:00:00:00:01',
      node_uuid: uuid,
      name: null,
      description: null,
      extra: {},
      internal_info: {},
      local_link_connection: {},
      pxe_enabled: true,
      portgroup_uuid: null,
      physical_network: null,
      is_smartnic: false,
      vendor: null,
      category: null,
      available_for_dynamic_portgroup: true,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/),
      updated_at: null,
      links: [
        { href: `http://baremetal.test:6385/v1/ports/${answer.body.uuid}`, rel: 'self' },
        { href: `http://baremetal.test:6385/ports/${answer.body.uuid}`, rel: 'bookmark' },
      ],
    })
  })

  it('finds its node by UUID, or by node_ident', async () => {
    const { uuid, name } = await api.node()
    for (const ident of [uuid, name]) {
      const { status, body } = await api.as(admin, 'POST', '/v1/ports', {
        node_ident: ident,
        address: newAddress(),
      })
      expect([status, body.node_uuid]).toEqual([201, uuid])
    }
    for (const both of [{}, { node_uuid: uuid, node_ident: name }])
      expect((await api.as(admin, 'POST', '/v1/ports', { address: newAddress(), ...both })).status).toBe(400)
    const absent = await create('6ccd1e7a-0000-4000-8000-000000000000')
    expect([absent.status, faultOf(absent.body)]).toEqual([
      400,
      expect.stringContaining('could not be found'),
    ])
  })

  it.each<[Record<string, unknown>, string]>([
    [{ address: '02-00-00-00-00-01' }, 'MAC'],
    [{ address: '02:00:00:00:00' }, 'MAC'],
    [{ address: null }, 'address'],
    [{ address: 7 }, 'address'],
    [{ uuid: 'x' }, 'UUID'],
    [{ name: 'a b' }, 'name'],
    [{ name: '6ccd1e7a-0000-4000-8000-000000000000' }, 'looks like a UUID'],
    [{ physical_network: '' }, 'physical_network'],
    [{ physical_network: 'x'.repeat(65) }, 'physical_network'],
    [{ vendor: 'x'.repeat(33) }, 'vendor'],
    [{ category: 'x'.repeat(81) }, 'category'],
    [{ description: 'x'.repeat(256) }, 'description'],
    [{ pxe_enabled: 'perhaps' }, 'pxe_enabled'],
    [{ extra: [] }, 'extra'],
    [{ internal_info: {} }, 'internal_info'],
    [{ portgroup_uuid: '6ccd1e7a-0000-4000-8000-000000000000' }, 'could not be found'],
    [{ is_smartnic: true }, 'port_id'],
    [
      { is_smartnic: true, local_link_connection: { port_id: 'x', switch_id: '02:00:00:00:00:01' } },
      'hostname',
    ],
    [{ local_link_connection: { switch_id: '02:00:00:00:00:01' } }, 'port_id'],
    [{ local_link_connection: { port_id: 'x' } }, 'switch_id'],
    [{ local_link_connection: { port_id: 'x', switch_id: 'switch' } }, 'switch_id'],
    [{ local_link_connection: { port_id: 'x', switch_id: '02:00:00:00:00:01', vlan: 'x' } }, 'vlan'],
    [{ local_link_connection: { port_id: 7, switch_id: '02:00:00:00:00:01' } }, 'port_id'],
    [{ local_link_connection: { network_type: 'wild' } }, 'network_type'],
  ])('refuses %j naming what is wrong', async (fields, words) => {
    const { uuid } = await api.node()
    const answer = await create(uuid, fields)
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining(words)])
  })

  it.each<[Record<string, unknown>, Record<string, unknown>]>([
    [
      { switch_id: '02:AB:00:00:00:01', port_id: 'x', switch_info: 'y' },
      { switch_id: '02:ab:00:00:00:01', port_id: 'x', switch_info: 'y' },
    ],
    [
      { switch_id: '00AB000000000001', port_id: 'x' },
      { switch_id: '00ab000000000001', port_id: 'x' },
    ],
    [
      { port_id: 'x', hostname: 'h' },
      { port_id: 'x', hostname: 'h' },
    ],
    [{ network_type: 'unmanaged' }, { network_type: 'unmanaged' }],
    [{}, {}],
  ])('keeps the link %j as %j', async (link, kept) => {
    const { uuid } = await api.node()
    expect((await create(uuid, { local_link_connection: link })).body.local_link_connection).toEqual(kept)
  })

  it('knows a taken address, name and UUID in any writing', async () => {
    const { uuid } = await api.node()
    const { body } = await create(uuid, { name: 'taken', address: '02:00:00:00:0a:0b' })
    for (const [fields, words] of [
      [{ address: '02:00:00:00:0A:0B' }, 'A port with MAC address 02:00:00:00:0a:0b already exists.'],
      [{ name: 'taken' }, 'A port with name taken already exists.'],
      [{ uuid: body.uuid.toUpperCase() }, `A port with UUID ${body.uuid} already exists.`],
    ] as const) {
      const answer = await create(uuid, fields)
      expect([answer.status, faultOf(answer.body)]).toEqual([409, words])
    }
  })
})

describe('changing a port', () => {
  it('writes what is given, and takes back what is removed', async () => {
    const { port } = await portOn({ provision_state: 'manageable' })
    const changed = await patch(
      port,
      set('/physical_network', 'net'),
      set('/pxe_enabled', 'no'),
      set('/name', 'nic'),
      set('/extra/a', 1),
      set('/description', 'left'),
    )
    expect([changed.status, changed.body]).toEqual([
      200,
      expect.objectContaining({ physical_network: 'net', pxe_enabled: false, name: 'nic', extra: { a: 1 } }),
    ])
    const back = await patch(
      port,
      ...['physical_network', 'pxe_enabled', 'name', 'extra', 'description'].map((name) => ({
        op: 'remove',
        path: `/${name}`,
      })),
    )
    expect(back.body).toMatchObject({
      physical_network: null,
      pxe_enabled: true,
      name: null,
      extra: {},
      description: null,
    })
    const same = await patch(port)
    expect([same.status, same.body]).toEqual([200, back.body])
    expect((await api.as(admin, 'GET', `/v1/nodes/${back.body.node_uuid}`)).body.reservation).toBeNull()
  })

  it.each<[unknown[], string]>([
    [[{ op: 'remove', path: '/address' }], 'address'],
    [[{ op: 'remove', path: '/node_uuid' }], 'node_uuid'],
    [[set('/uuid', 'x')], 'uuid'],
    [[set('/internal_info', {})], 'internal_info'],
    [[set('/address', 'x')], 'MAC'],
    [[set('/is_smartnic', true)], 'port_id'],
    [[set('/node_uuid', '6ccd1e7a-0000-4000-8000-000000000000')], 'could not be found'],
  ])('refuses %j', async (operations, words) => {
    const { port } = await portOn()
    const answer = await patch(port, ...operations)
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining(words)])
  })

  it.each<[Record<string, unknown>, unknown, number]>([
    [{ provision_state: 'active' }, set('/address', '02:00:00:00:0b:01'), 409],
    [
      { provision_state: 'available', instance_uuid: '6ccd1e7a-0000-4000-8000-000000000001' },
      set('/address', '02:00:00:00:0b:02'),
      409,
    ],
    [{ provision_state: 'active', maintenance: true }, set('/address', '02:00:00:00:0b:03'), 200],
    [{ provision_state: 'available' }, set('/address', '02:00:00:00:0b:04'), 200],
    [{ provision_state: 'available' }, set('/physical_network', 'x'), 409],
    [{ provision_state: 'available' }, set('/pxe_enabled', false), 409],
    [{ provision_state: 'available' }, set('/local_link_connection', { network_type: 'unmanaged' }), 409],
    [{ provision_state: 'available', maintenance: true }, set('/pxe_enabled', false), 200],
    [{ provision_state: 'enroll' }, set('/pxe_enabled', false), 200],
    [{ provision_state: 'inspect wait' }, set('/pxe_enabled', false), 200],
    [{ provision_state: 'active' }, set('/extra/a', 1), 200],
    [{ provision_state: 'inspecting' }, set('/extra/a', 1), 409],
    [{ reservation: 'elsewhere' }, set('/extra/a', 1), 409],
  ])('on a node with %j answers %j with %i', async (columns, operation, status) => {
    const { port, node } = await portOn(columns)
    expect((await patch(port, operation)).status).toBe(status)
    if (columns.instance_uuid) await api.db.deleteFrom('nodes').where('uuid', '=', node).execute()
  })

  it('moves to another node of the same owner only', async () => {
    const { port } = await portOn()
    const [mine, foreign] = [await api.node(), await api.node({ owner: api.projects.stranger })]
    expect((await patch(port, set('/node_uuid', mine.uuid))).body.node_uuid).toBe(mine.uuid)
    expect((await patch(port, set('/node_uuid', foreign.uuid))).status).toBe(400)
  })

  it('loses nothing when many change it at once', async () => {
    const { port } = await portOn()
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => patch(port, set(`/extra/k${index}`, 1))),
    )
    const done = answers.filter((answer) => answer.status === 200).length
    expect(answers.every((answer) => [200, 409].includes(answer.status))).toBe(true)
    expect(Object.keys((await api.as(admin, 'GET', `/v1/ports/${port}`)).body.extra)).toHaveLength(done)
  })
})

describe('finding and removing ports', () => {
  it('lists them by node, address, shard and words, each tenant its own', async () => {
    const node = await api.node({ shard: 'Rack-1', conductor_group: '' })
    const other = await api.node({ lessee: null })
    const made = (await create(node.uuid, { description: 'blue cable', name: 'blue' })).body
    const hidden = (await create(other.uuid, { description: 'red cable' })).body
    const uuids = async (query: string, who: 'owner-reader' | 'lessee-reader' = 'owner-reader') =>
      (await api.as(who, 'GET', `/v1/ports?${query}`)).body.ports.map((port: { uuid: string }) => port.uuid)
    for (const query of [
      `node=${node.uuid}`,
      `node=${node.name}`,
      `node_uuid=${node.uuid}`,
      `address=${made.address.toUpperCase()}`,
      'shard=Rack-1',
      'shard=x,Rack-1',
      'description_contains=blue',
    ])
      expect([query, await uuids(query)]).toEqual([query, [made.uuid]])
    expect(await uuids('description_contains=cable')).toEqual([made.uuid, hidden.uuid])
    expect(await uuids('description_contains=cable', 'lessee-reader')).toEqual([made.uuid])
    expect(await uuids(`address=${hidden.address}`, 'lessee-reader')).toEqual([])
    expect(await uuids('description_contains=%25')).toEqual([])
    for (const [query, status] of [
      ['node=x&shard=y', 403],
      ['address=x', 400],
      ['conductor_groups=a&node=x', 400],
      ['portgroup=x', 404],
      ['node=absent', 404],
      ['foo=1', 400],
    ] as const)
      expect([query, (await api.as(admin, 'GET', `/v1/ports?${query}`)).status]).toEqual([query, status])
    const own = (await api.as('lessee-reader', 'GET', `/v1/nodes/${node.name}/ports/detail`)).body.ports
    expect(own).toEqual([made])
    expect((await api.as('lessee-reader', 'GET', '/v1/ports/blue')).body).toEqual(made)
  })

  it('deletes by UUID, under the lock of the node, and with the node', async () => {
    const { port, node } = await portOn()
    const named = (await create(node, { name: 'by-name' })).body
    expect((await api.as(admin, 'DELETE', '/v1/ports/by-name')).status).toBe(400)
    await api.db.updateTable('nodes').set({ reservation: 'x' }).where('uuid', '=', node).execute()
    expect((await api.as(admin, 'DELETE', `/v1/ports/${port}`)).status).toBe(409)
    await api.db.updateTable('nodes').set({ reservation: null }).where('uuid', '=', node).execute()
    const gone = await api.as(admin, 'DELETE', `/v1/ports/${port}`)
    expect([gone.status, gone.text]).toEqual([204, ''])
    expect((await api.as(admin, 'DELETE', `/v1/ports/${port}`)).status).toBe(404)
    await api.as(admin, 'DELETE', `/v1/nodes/${node}`)
    expect((await api.as(admin, 'GET', `/v1/ports/${named.uuid}`)).status).toBe(404)
  })
})
