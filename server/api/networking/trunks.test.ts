/** Trunks: several networks on one cable, from the API to the switch port, and nobody else's among them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFabric, type Fabric, type FabricPort, until } from '../../networking/testing.ts'
import { type Answer, type Persona, type TestApi, testApi } from '../testing.ts'
import { errorOf, type Method, type Neutron, neutronOf } from './neutron/testing.ts'

let api: TestApi
let fabric: Fabric
let neutron: Neutron
const tor = '192.0.2.1'
beforeAll(async () => {
  fabric = createFabric()
  api = await testApi({ 'networking.retry_ms': 20, 'networking.poll_seconds': 1 }, fabric.open)
  neutron = neutronOf(api)
  await admin('POST', '/vlan_pools', { name: 'tenants', ranges: '100-149' })
  await admin('POST', '/switches', {
    name: 'tor',
    driver: 'openvswitch',
    address: tor,
    quarantine_vlan: 999,
    chassis_ids: ['02:00:00:00:00:ff'],
  })
})
afterAll(() => api.close())

const admin = async (method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown) => {
  const answer = await api.as('system-admin', method, `/v1${path}`, body)
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

let used = 0
/** An active node, leased to the lessee, whose switch port is idle. */
async function machine() {
  const name = `Eth${++used}`
  fabric.at(tor).ports.set(name, { mode: 'factory' })
  await admin('PUT', `/switches/tor/ports/${name}`, { kind: 'node', owner: api.projects.owner })
  const { uuid } = await api.node({ network_interface: 'switch' })
  await admin('POST', '/ports', {
    node_uuid: uuid,
    address: `02:00:00:00:01:${used.toString(16).padStart(2, '0')}`,
    local_link_connection: { switch_id: '02:00:00:00:00:ff', switch_info: 'tor', port_id: name },
  })
  await api.db.updateTable('nodes').set({ provision_state: 'active' }).where('uuid', '=', uuid).execute()
  await becomes(name, { mode: 'idle', vlan: 999 })
  return { uuid, name }
}
const is = (name: string) => fabric.at(tor).ports.get(name)
const becomes = async (name: string, port: FabricPort) => {
  await until(`${name} ${JSON.stringify(port)}`, () => JSON.stringify(is(name)) === JSON.stringify(port))
}
const vlanOf = async (network: string): Promise<number> =>
  (await neutron.as('system-reader', 'GET', `/networks/${network}`)).body.network['provider:segmentation_id']
const attach = async (node: string, id: string) => {
  const answer = await api.as('lessee-manager', 'POST', `/v1/nodes/${node}/vifs`, { id })
  expect([answer.status, answer.text]).toEqual([204, ''])
}
const ask = (who: Persona, method: Method, path: string, body?: unknown): Promise<Answer> =>
  neutron.as(who, method, path, body)
const inherit = (port_id: string) => ({ port_id, segmentation_type: 'inherit' })
const trunkOf = async (port_id: string, sub_ports: string[] = [], who: Persona = 'lessee-member') => {
  const answer = await ask(who, 'POST', '/trunks', { trunk: { port_id, sub_ports: sub_ports.map(inherit) } })
  expect([answer.status, answer.text]).toEqual([201, answer.text])
  return answer.body.trunk
}

/** Two networks of the lessee's, with a port in each. */
let plain: { network: string; port: string; vlan: number }
let other: { network: string; port: string; vlan: number }
const place = async () => {
  const { id: network } = await neutron.network('lessee-member')
  return { network, port: (await neutron.port('lessee-member', network)).id, vlan: await vlanOf(network) }
}
beforeEach(async () => {
  plain = await place()
  other = await place()
})

describe('another tenant', () => {
  it('sees no trunk of anybody’s, and none of its own is on a port that it may not change', async () => {
    const { id } = await trunkOf(plain.port, [other.port])
    expect((await ask('stranger', 'GET', '/trunks')).body.trunks).toEqual([])
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PUT', '', { trunk: { name: 'mine' } }],
      ['DELETE', '', undefined],
      ['GET', '/get_subports', undefined],
      ['PUT', '/add_subports', { sub_ports: [] }],
      ['PUT', '/remove_subports', { sub_ports: [inherit(other.port)] }],
    ] as const)
      expect(errorOf(await ask('stranger', method, `/trunks/${id}${path}`, body))).toEqual([
        404,
        'TrunkNotFound',
        `Trunk ${id} could not be found.`,
      ])
    const theirs = await neutron.port('stranger', (await neutron.network('stranger')).id)
    const hidden = (port: string) => [404, 'PortNotFound', `Port ${port} could not be found.`]
    const third = await place()
    for (const trunk of [{ port_id: third.port }, { port_id: theirs.id, sub_ports: [inherit(third.port)] }])
      expect(errorOf(await ask('stranger', 'POST', '/trunks', { trunk }))).toEqual(hidden(third.port))
  })

  it('whose network it is sees that a guest is in it, and not what else the guest has on that cable', async () => {
    await neutron.share('lessee-member', plain.network, api.projects.stranger)
    const guest = await neutron.port('stranger', plain.network)
    const theirs = await neutron.port('stranger', (await neutron.network('stranger')).id)
    await trunkOf(guest.id, [theirs.id], 'stranger')
    const seen = (await ask('lessee-member', 'GET', `/ports/${guest.id}`)).body.port
    expect(seen.id).toBe(guest.id)
    expect(seen).not.toHaveProperty('trunk_details')
    expect((await ask('lessee-member', 'GET', `/trunks?port_id=${guest.id}`)).body.trunks).toEqual([])
    expect(
      (await ask('stranger', 'GET', `/ports/${guest.id}`)).body.port.trunk_details.sub_ports,
    ).toHaveLength(1)
    // It is no port of theirs to make a trunk of, and theirs is on no trunk of the guest's.
    expect((await ask('lessee-member', 'POST', '/trunks', { trunk: { port_id: guest.id } })).status).toBe(403)
    const refused = await ask('system-admin', 'POST', '/trunks', {
      trunk: { port_id: other.port, sub_ports: [inherit(theirs.id)] },
    })
    expect(errorOf(refused)[2]).toContain('it is of another project than the parent port')
    // They put the guest out all the same, and nothing stays behind.
    expect((await ask('lessee-member', 'DELETE', `/ports/${guest.id}`)).status).toBe(204)
    expect((await ask('stranger', 'GET', '/trunks')).body.trunks).toEqual([])
    expect((await ask('stranger', 'DELETE', `/ports/${theirs.id}`)).status).toBe(204)
  })

  it('who only reads changes nothing', async () => {
    const { id } = await trunkOf(plain.port)
    const body = { sub_ports: [inherit(other.port)] }
    expect((await ask('lessee-reader', 'GET', `/trunks/${id}`)).status).toBe(200)
    expect((await ask('lessee-reader', 'PUT', `/trunks/${id}/add_subports`, body)).status).toBe(403)
    expect((await ask('lessee-reader', 'DELETE', `/trunks/${id}`)).status).toBe(403)
    expect((await ask('lessee-reader', 'POST', '/trunks', { trunk: { port_id: other.port } })).status).toBe(
      403,
    )
  })
})

describe('a trunk on a machine', () => {
  it('carries its port’s network untagged and the others tagged, from the moment they are added until they go', async () => {
    const { uuid, name } = await machine()
    await attach(uuid, plain.port)
    await becomes(name, { mode: 'access', vlan: plain.vlan })
    const trunk = await trunkOf(plain.port, [other.port])
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [other.vlan] })
    expect(trunk.sub_ports).toEqual([
      { port_id: other.port, segmentation_type: 'vlan', segmentation_id: other.vlan },
    ])
    await until('all are live', async () => {
      const shown = (await ask('lessee-member', 'GET', `/trunks/${trunk.id}`)).body.trunk.status
      const ports = (await ask('lessee-member', 'GET', `/ports?id=${plain.port}&id=${other.port}`)).body.ports
      return (
        [shown, ...ports.map(({ status }: { status: string }) => status)].join() === 'ACTIVE,ACTIVE,ACTIVE'
      )
    })
    const links = (await api.as('lessee-reader', 'GET', `/v1/nodes/${uuid}/networking`)).body
    expect(JSON.stringify(links)).not.toContain('vlan')
    expect(JSON.stringify(links)).toContain(other.network)

    const third = await place()
    const added = await ask('lessee-member', 'PUT', `/trunks/${trunk.id}/add_subports`, {
      sub_ports: [inherit(third.port)],
    })
    expect(added.body.sub_ports).toHaveLength(2)
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [other.vlan, third.vlan] })
    await ask('lessee-member', 'PUT', `/ports/${other.port}`, { port: { admin_state_up: false } })
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [third.vlan] })
    await ask('lessee-member', 'PUT', `/trunks/${trunk.id}/remove_subports`, {
      sub_ports: [{ port_id: third.port }],
    })
    await becomes(name, { mode: 'access', vlan: plain.vlan })
    await ask('lessee-member', 'PUT', `/ports/${other.port}`, { port: { admin_state_up: true } })
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [other.vlan] })
    await ask('lessee-member', 'PUT', `/trunks/${trunk.id}`, { trunk: { admin_state_up: false } })
    await becomes(name, { mode: 'access', vlan: plain.vlan })
    await ask('lessee-member', 'PUT', `/trunks/${trunk.id}`, { trunk: { admin_state_up: true } })
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [other.vlan] })
    expect((await ask('lessee-member', 'DELETE', `/trunks/${trunk.id}`)).status).toBe(204)
    await becomes(name, { mode: 'access', vlan: plain.vlan })
    expect((await ask('lessee-member', 'DELETE', `/ports/${other.port}`)).status).toBe(204)
  })

  it('goes with the tenant: none of it is there when the machine has changed hands', async () => {
    const { uuid, name } = await machine()
    await trunkOf(plain.port, [other.port])
    await attach(uuid, plain.port)
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [other.vlan] })
    await api.db
      .updateTable('nodes')
      .set({ lessee: api.projects.stranger })
      .where('uuid', '=', uuid)
      .execute()
    await becomes(name, { mode: 'idle', vlan: 999 })
  })

  it('carries no network that its tenant may not use any more, and a VLAN is nobody’s while a trunk may have it', async () => {
    const { id: shared } = await neutron.network('stranger')
    const policy = await neutron.share('stranger', shared, api.projects.lessee)
    const port = (await neutron.port('lessee-member', shared)).id
    const vlan = await vlanOf(shared)
    const { uuid, name } = await machine()
    await trunkOf(plain.port, [port])
    await attach(uuid, plain.port)
    await becomes(name, { mode: 'trunk', native: plain.vlan, tagged: [vlan] })
    // As in Neutron: not while somebody is in it. It puts the guest out, and takes it back.
    expect((await ask('stranger', 'DELETE', `/rbac-policies/${policy}`)).status).toBe(409)
    expect((await ask('stranger', 'DELETE', `/networks/${shared}`)).status).toBe(409)
    fabric.at(tor).down = Object.assign(new Error('gone'), { code: 'unreachable' })
    expect((await ask('stranger', 'DELETE', `/ports/${port}`)).status).toBe(204)
    expect((await ask('stranger', 'DELETE', `/networks/${shared}`)).status).toBe(204)
    const state = async () =>
      (await api.db.selectFrom('vlans').select('state').where('vlan', '=', vlan).executeTakeFirstOrThrow())
        .state
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect([await state(), is(name)]).toEqual([
      'leaving',
      { mode: 'trunk', native: plain.vlan, tagged: [vlan] },
    ])
    fabric.at(tor).down = undefined
    await becomes(name, { mode: 'access', vlan: plain.vlan })
    await until('it is free', async () => (await state()) === 'free')
  })
})

describe('what cannot be is refused in words', () => {
  const refusal = async (trunk: unknown) => errorOf(await ask('lessee-member', 'POST', '/trunks', { trunk }))
  const kind = (error: [number, string, string]) => error.slice(0, 2)

  it('a tag that would have to be translated, and ports that are in use', async () => {
    const sub = (fields: object) => ({ port_id: plain.port, sub_ports: [{ port_id: other.port, ...fields }] })
    for (const fields of [
      {},
      { segmentation_type: 'vlan', segmentation_id: 7 },
      { segmentation_type: 'vxlan' },
    ])
      expect(await refusal(sub(fields))).toEqual([
        400,
        'HTTPBadRequest',
        expect.stringContaining('"inherit"'),
      ])
    expect(kind(await refusal(sub({ segmentation_type: 'inherit', segmentation_id: 7 })))).toEqual([
      400,
      'HTTPBadRequest',
    ])
    const same = await neutron.port('lessee-member', plain.network)
    expect((await refusal({ port_id: plain.port, sub_ports: [inherit(same.id)] }))[2]).toContain(
      'carries its network',
    )
    const twice = { port_id: plain.port, sub_ports: [inherit(other.port), inherit(other.port)] }
    expect((await refusal(twice))[2]).toContain('named twice')
    expect(kind(await refusal({ port_id: plain.port, project_id: api.projects.stranger }))).toEqual([
      400,
      'HTTPBadRequest',
    ])

    const { id } = await trunkOf(plain.port, [other.port])
    const busy = [409, 'ParentPortInUse']
    for (const port_id of [plain.port, other.port]) expect(kind(await refusal({ port_id }))).toEqual(busy)
    const third = await place()
    for (const port of [plain.port, other.port])
      expect(kind(await refusal({ port_id: third.port, sub_ports: [inherit(port)] }))).toEqual([
        409,
        'PortInUse',
      ])
    for (const port of [plain.port, other.port])
      expect(errorOf(await ask('lessee-member', 'DELETE', `/ports/${port}`))).toEqual([
        409,
        'PortInUse',
        `Port ${port} is on trunk ${id}; remove it there first, or delete the trunk.`,
      ])
    const absent = await ask('lessee-member', 'PUT', `/trunks/${id}/remove_subports`, {
      sub_ports: [{ port_id: third.port }],
    })
    expect(kind(errorOf(absent))).toEqual([404, 'SubPortNotFound'])
    for (const path of ['add_subports', 'remove_subports'])
      expect((await ask('lessee-member', 'PUT', `/trunks/${id}/${path}`, { sub_ports: [] })).status).toBe(200)
    const { uuid } = await machine()
    const attached = await api.as('lessee-manager', 'POST', `/v1/nodes/${uuid}/vifs`, { id: other.port })
    expect(attached.status).toBe(409)
    await attach(uuid, third.port)
    const bound = { port_id: (await place()).port, sub_ports: [inherit(third.port)] }
    expect(kind(await refusal(bound))).toEqual([409, 'PortInUse'])
  })

  it('lists are filtered as Neutron’s', async () => {
    const { id } = await trunkOf(plain.port)
    await trunkOf(other.port)
    const list = (await ask('lessee-member', 'GET', `/trunks?port_id=${plain.port}&fields=id`)).body.trunks
    expect(list).toEqual([{ id }])
  })
})
