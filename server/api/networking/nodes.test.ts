/** Nodes on switches, from the API to the switch port: no port is ever in a network that its node's tenant may not use. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { quarantineUnverified } from '../../networking/index.ts'
import { createFabric, type Fabric, FabricError, until } from '../../networking/testing.ts'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'
import { type Neutron, neutronOf } from './neutron/testing.ts'

let api: TestApi
let fabric: Fabric
let neutron: Neutron
const tor = '192.0.2.1'
const portCount = 40
beforeAll(async () => {
  fabric = createFabric()
  api = await testApi(
    {
      'networking.retry_ms': 20,
      'networking.isolation_timeout_seconds': 1,
      'networking.poll_seconds': 1,
      'conductor.lock_attempts': 100,
    },
    fabric.open,
  )
  neutron = neutronOf(api)
  await admin('POST', '/vlan_pools', { name: 'tenants', ranges: '100-149' })
  await admin('POST', '/switches', {
    name: 'tor',
    driver: 'openvswitch',
    address: tor,
    quarantine_vlan: 999,
    chassis_ids: ['02:00:00:00:00:FF'],
    options: { lag_groups: '10-19' },
  })
  for (let at = 1; at <= portCount; at++) {
    fabric.at(tor).ports.set(`Eth${at}`, { mode: 'factory' })
    await admin('PUT', `/switches/tor/ports/Eth${at}`, { kind: 'node', owner: api.projects.owner })
  }
})
afterAll(() => api.close())
afterEach(() => {
  fabric.at(tor).down = undefined
  fabric.at(tor).before = undefined
})

const admin = async (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown) => {
  const answer = await api.as('system-admin', method, `/v1${path}`, body)
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

let used = 0
/** A node with ports on the switch, available and leased to `lessee`, or as `fields` say. */
async function machine(ports = 1, fields: Record<string, unknown> = {}) {
  const { uuid } = await api.node({ network_interface: 'switch', ...fields })
  const names: string[] = []
  const uuids: string[] = []
  for (let at = 0; at < ports; at++) {
    const name = `Eth${++used}`
    const port = await admin('POST', '/ports', {
      node_uuid: uuid,
      address: `02:00:00:00:01:${used.toString(16).padStart(2, '0')}`,
      local_link_connection: { switch_id: '02:00:00:00:00:ff', switch_info: 'tor', port_id: name },
    })
    names.push(name)
    uuids.push(port.uuid)
  }
  await api.db
    .updateTable('nodes')
    .set({ provision_state: 'available', power_state: 'power on' })
    .where('uuid', '=', uuid)
    .execute()
  return { uuid, names, uuids, name: names[0] as string }
}
const active = async (uuid: string) => {
  await admin('PUT', `/nodes/${uuid}/states/provision`, { target: 'active' })
  return api.settled(uuid, 'active')
}
const is = (name: string) => fabric.at(tor).ports.get(name)
const vlanOf = async (network: string): Promise<number> =>
  (await neutron.as('system-reader', 'GET', `/networks/${network}`)).body.network['provider:segmentation_id']
const becomes = (name: string, mode: 'idle' | 'access', vlan?: number) =>
  until(`${name} ${mode} ${vlan ?? ''}, now ${JSON.stringify(is(name))}`, () => {
    const port = is(name)
    return port?.mode === mode && (vlan === undefined || (port.mode === 'access' && port.vlan === vlan))
  })
const attach = (who: Persona, node: string, id: string) =>
  api.as(who, 'POST', `/v1/nodes/${node}/vifs`, { id })
const networking = (node: string) => admin('GET', `/nodes/${node}/networking`)

describe('another tenant', () => {
  it('attaches nothing of its own to a node, and nobody attaches what is not the tenant’s to use', async () => {
    const node = await machine()
    await active(node.uuid)
    const theirs = await neutron.network('stranger')
    const owners = await neutron.network('owner-member')
    const theirPort = await neutron.port('stranger', theirs.id)
    const absent = '6ccd1e7a-0000-4000-8000-000000000000'
    expect((await attach('stranger', node.uuid, theirs.id)).status).toBe(404)
    for (const who of ['lessee-manager', 'owner-member', 'system-admin'] as const)
      for (const id of [theirs.id, theirPort.id, absent, ...(who === 'lessee-manager' ? [owners.id] : [])]) {
        const answer = await attach(who, node.uuid, id)
        expect([who, answer.status, faultOf(answer.body)]).toEqual([
          who,
          400,
          `VIF ${id} could not be found: name a port, or a network, that the node's tenant may use.`,
        ])
      }
    // The owner's network is the owner's: the machine is lent, and what its tenant may not use it is not put into.
    expect((await attach('owner-member', node.uuid, owners.id)).status).toBe(400)
    expect(is(node.name)).toEqual({ mode: 'idle', vlan: 999 })
    expect((await api.as('lessee-reader', 'GET', `/v1/nodes/${node.uuid}/vifs`)).body).toEqual({ vifs: [] })
  })

  it('does not get a switch port by naming it: not one of another owner, not one that a node is on', async () => {
    const node = await machine()
    const network = await neutron.network('stranger')
    const own = await api.as('stranger', 'POST', '/v1/nodes', {
      driver: 'fake-hardware',
      network_interface: 'switch',
    })
    expect(own.status).toBe(201)
    const link = (port_id: string) => ({ switch_info: 'tor', switch_id: '02:00:00:00:00:ff', port_id })
    for (const [at, port] of [node.name, `Eth${portCount}`].entries())
      await api.as('stranger', 'POST', '/v1/ports', {
        node_uuid: own.body.uuid,
        address: `02:00:00:00:02:0${at}`,
        local_link_connection: link(port),
      })
    await api.db
      .updateTable('nodes')
      .set({ provision_state: 'active' })
      .where('uuid', '=', own.body.uuid)
      .execute()
    expect((await attach('stranger', own.body.uuid, network.id)).status).toBe(204)
    expect((await networking(own.body.uuid)).links).toEqual([])
    await becomes(node.name, 'idle')
    expect(is(`Eth${portCount}`)).toEqual({ mode: 'factory' })
    await api.db
      .updateTable('nodes')
      .set({ provision_state: 'available' })
      .where('uuid', '=', own.body.uuid)
      .execute()
    await admin('PUT', `/nodes/${own.body.uuid}/maintenance`, {})
    await admin('DELETE', `/nodes/${own.body.uuid}`)
  })

  it('that leases a node next finds its ports idle, without the VIFs of the one before', async () => {
    const node = await machine()
    const network = await neutron.network('lessee-member')
    expect((await attach('lessee-manager', node.uuid, network.id)).status).toBe(204)
    await active(node.uuid)
    expect(is(node.name)).toEqual({ mode: 'access', vlan: await vlanOf(network.id) })
    await admin('PATCH', `/nodes/${node.uuid}`, [
      { op: 'replace', path: '/lessee', value: api.projects.stranger },
    ])
    await becomes(node.name, 'idle')
    expect((await api.as('stranger', 'GET', `/v1/nodes/${node.uuid}/vifs`)).body).toEqual({ vifs: [] })
    // What was made for the attachment is gone, so the network is its project's to delete.
    expect((await neutron.as('lessee-member', 'DELETE', `/networks/${network.id}`)).status).toBe(204)
  })
})

describe('a guest in a shared network', () => {
  it('is put out by the network’s project: its port becomes idle on the switch; and that uses its port for nothing else', async () => {
    const node = await machine()
    await active(node.uuid)
    const network = await neutron.network('owner-member')
    const policy = await neutron.share('owner-member', network.id, api.projects.lessee)
    const port = await neutron.port('lessee-member', network.id)
    const used = await attach('owner-member', node.uuid, port.id)
    expect([used.status, faultOf(used.body)]).toEqual([400, expect.stringContaining('could not be found')])
    expect((await attach('lessee-manager', node.uuid, port.id)).status).toBe(204)
    await becomes(node.name, 'access', await vlanOf(network.id))
    expect((await neutron.as('owner-member', 'DELETE', `/rbac-policies/${policy}`)).status).toBe(409)
    expect((await neutron.as('stranger', 'DELETE', `/ports/${port.id}`)).status).toBe(404)
    expect((await neutron.as('owner-member', 'DELETE', `/ports/${port.id}`)).status).toBe(204)
    await becomes(node.name, 'idle')
    expect((await api.as('lessee-reader', 'GET', `/v1/nodes/${node.uuid}/vifs`)).body).toEqual({ vifs: [] })
    expect((await neutron.as('owner-member', 'DELETE', `/rbac-policies/${policy}`)).status).toBe(204)
    expect((await attach('lessee-manager', node.uuid, network.id)).status).toBe(400)
    expect((await neutron.as('owner-member', 'DELETE', `/networks/${network.id}`)).status).toBe(204)
  })
})

describe('a lease’s end', () => {
  it('isolates the ports before anything else happens to the machine', async () => {
    const node = await machine(2)
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', node.uuid, network.id)
    await active(node.uuid)
    let powerThen: unknown
    fabric.at(tor).before = async (port, to) => {
      if (port !== node.name || to.mode !== 'idle') return
      const row = await api.db
        .selectFrom('nodes')
        .select(['power_state', 'provision_state', 'instance_uuid'])
        .where('uuid', '=', node.uuid)
        .executeTakeFirst()
      powerThen = row
    }
    await admin('PUT', `/nodes/${node.uuid}/states/provision`, { target: 'deleted' })
    await api.settled(node.uuid, 'available')
    expect(powerThen).toMatchObject({ power_state: 'power on', provision_state: 'deleting' })
    const events = await api.db
      .selectFrom('node_history')
      .select('event')
      .where('node_uuid', '=', node.uuid)
      .orderBy('id')
      .execute()
    const told = events.map(({ event }) => event)
    const isolation = told.findIndex((event) => event.startsWith('Isolation of its switch ports: done'))
    const off = told.findIndex((event) => event.startsWith('Power off'))
    expect(isolation).toBeGreaterThan(0)
    expect(off).toBeGreaterThan(isolation)
    for (const name of node.names) expect(is(name)?.mode).toBe('idle')
    expect((await networking(node.uuid)).role).toBe('idle')
    // It is no path of Ironic's: a name is good without a microversion, too.
    const { name } = await admin('GET', `/nodes/${node.uuid}`)
    const byName = await api.as('system-admin', 'GET', `/v1/nodes/${name}/networking`, undefined, null)
    expect(byName.body.node).toBe(node.uuid)
  })

  it('that cannot be verified leaves the node in error and maintenance, with the reason', async () => {
    const node = await machine()
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', node.uuid, network.id)
    await active(node.uuid)
    fabric.at(tor).down = new FabricError('unreachable', 'the switch does not answer')
    await admin('PUT', `/nodes/${node.uuid}/states/provision`, { target: 'deleted' })
    const failed = await api.settled(node.uuid, 'error')
    expect(failed).toMatchObject({
      maintenance: true,
      fault: 'network isolation',
      power_state: 'power on',
      maintenance_reason: expect.stringContaining('the switch does not answer'),
      last_error: expect.stringContaining(node.name),
    })
    expect((await networking(node.uuid)).links[0]).toMatchObject({
      wanted: { mode: 'idle' },
      verified: false,
      error: 'the switch does not answer',
    })
    const lessees = await api.as('lessee-admin', 'GET', `/v1/nodes/${node.uuid}/networking`)
    expect(lessees.body.links[0]).toMatchObject({ verified: false, error: 'the switch has not done it yet' })
    // Nobody need ask again: it is wanted until it is so.
    fabric.at(tor).down = undefined
    await becomes(node.name, 'idle')
    await admin('DELETE', `/nodes/${node.uuid}/maintenance`)
    await admin('PUT', `/nodes/${node.uuid}/states/provision`, { target: 'deleted' })
    await api.settled(node.uuid, 'available')
  })

  it('by a change of lessee while the switch is away puts the node into maintenance', async () => {
    const node = await machine()
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', node.uuid, network.id)
    await active(node.uuid)
    fabric.at(tor).down = new FabricError('unreachable', 'the switch does not answer')
    await admin('PATCH', `/nodes/${node.uuid}`, [{ op: 'remove', path: '/lessee' }])
    await until('maintenance', async () => (await admin('GET', `/nodes/${node.uuid}`)).maintenance)
    fabric.at(tor).down = undefined
    await becomes(node.name, 'idle')
  })
})

describe('a lessee', () => {
  it('attaches and detaches networks of an active node, live in a moment', async () => {
    const node = await machine(2)
    await active(node.uuid)
    const [one, two] = [await neutron.network('lessee-member'), await neutron.network('lessee-member')]
    const port = await neutron.port('lessee-member', two.id)
    const started = Date.now()
    expect((await attach('lessee-manager', node.uuid, one.id)).status).toBe(204)
    expect(is(node.name)).toEqual({ mode: 'access', vlan: await vlanOf(one.id) })
    expect(Date.now() - started).toBeLessThan(10_000)
    expect((await attach('lessee-manager', node.uuid, port.id)).status).toBe(204)
    expect((await attach('lessee-manager', node.uuid, port.id)).status).toBe(409)
    expect(is(node.names[1] as string)).toEqual({ mode: 'access', vlan: await vlanOf(two.id) })
    const live = (await neutron.as('lessee-reader', 'GET', `/ports/${port.id}`)).body.port
    expect(live).toMatchObject({ status: 'ACTIVE' })
    expect('binding:host_id' in live).toBe(false)
    const third = await attach('lessee-manager', node.uuid, one.id)
    expect([third.status, faultOf(third.body)]).toEqual([400, expect.stringContaining('No free port')])
    expect((await api.as('lessee-manager', 'DELETE', `/v1/nodes/${node.uuid}/vifs/${one.id}`)).status).toBe(
      204,
    )
    expect(is(node.name)?.mode).toBe('idle')
    expect((await api.as('lessee-reader', 'GET', `/v1/nodes/${node.uuid}/vifs`)).body.vifs).toEqual([
      { id: port.id },
    ])
    expect((await neutron.as('lessee-reader', 'GET', '/ports')).body.ports).toHaveLength(1)
    // What is deleted is attached nowhere.
    expect((await neutron.as('lessee-member', 'DELETE', `/ports/${port.id}`)).status).toBe(204)
    await becomes(node.names[1] as string, 'idle')
    const shown = (await api.as('lessee-reader', 'GET', `/v1/nodes/${node.uuid}/networking`)).body
    expect(JSON.stringify(shown)).not.toContain('vlan')
    await until('verified', async () => (await networking(node.uuid)).verified)
  })

  it('loses a network that is shared with it no more, or is switched off', async () => {
    const node = await machine()
    await active(node.uuid)
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', node.uuid, network.id)
    await neutron.as('lessee-member', 'PUT', `/networks/${network.id}`, {
      network: { admin_state_up: false },
    })
    await becomes(node.name, 'idle')
    await neutron.as('lessee-member', 'PUT', `/networks/${network.id}`, { network: { admin_state_up: true } })
    await becomes(node.name, 'access')
  })

  it('has its port group as a LAG, and single ports again afterwards', async () => {
    const node = await machine(2)
    const group = await admin('POST', '/portgroups', { node_uuid: node.uuid, mode: '802.3ad' })
    await admin('PUT', `/nodes/${node.uuid}/maintenance`, {})
    for (const uuid of node.uuids)
      await admin('PATCH', `/ports/${uuid}`, [{ op: 'add', path: '/portgroup_uuid', value: group.uuid }])
    await admin('DELETE', `/nodes/${node.uuid}/maintenance`)
    await active(node.uuid)
    const network = await neutron.network('lessee-member')
    expect((await attach('lessee-manager', node.uuid, network.id)).status).toBe(204)
    const vlan = await vlanOf(network.id)
    for (const name of node.names) expect(is(name)).toEqual({ mode: 'access', vlan, lag: 10 })
    await api.as('lessee-manager', 'DELETE', `/v1/nodes/${node.uuid}/vifs/${network.id}`)
    for (const name of node.names) expect(is(name)).toEqual({ mode: 'idle', vlan: 999 })
    await until('the number is free', async () => {
      const rows = await api.db.selectFrom('switch_lags').selectAll().execute()
      return rows.length === 0
    })
  })

  it('cannot have a port deployed that no listed switch port stands for', async () => {
    const { uuid } = await api.node({ network_interface: 'switch' })
    await admin('POST', '/ports', {
      node_uuid: uuid,
      address: '02:00:00:00:03:01',
      local_link_connection: { switch_info: 'tor', port_id: 'Eth99', switch_id: '02:00:00:00:00:ff' },
    })
    await api.db.updateTable('nodes').set({ provision_state: 'available' }).where('uuid', '=', uuid).execute()
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', uuid, network.id)
    await admin('PUT', `/nodes/${uuid}/states/provision`, { target: 'active' })
    const failed = await api.settled(uuid, 'deploy failed')
    expect(failed.last_error).toContain('local_link_connection')
  })
})

describe('the operator', () => {
  it('finds what somebody has changed by hand, and has it put back', async () => {
    const node = await machine()
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', node.uuid, network.id)
    await active(node.uuid)
    const vlan = await vlanOf(network.id)
    fabric.at(tor).tamper(node.name, { mode: 'access', vlan: 777 })
    await becomes(node.name, 'access', vlan)
    ;(api.deps.config as Record<string, unknown>)['networking.repair_drift'] = false
    fabric.at(tor).tamper(node.name, { mode: 'access', vlan: 777 })
    await until('drift', async () => (await networking(node.uuid)).links[0].drift !== null)
    expect((await networking(node.uuid)).verified).toBe(false)
    expect(is(node.name)).toEqual({ mode: 'access', vlan: 777 })
    ;(api.deps.config as Record<string, unknown>)['networking.repair_drift'] = true
    await becomes(node.name, 'access', vlan)
    await until('no drift', async () => (await networking(node.uuid)).verified)
  })

  it('has an idle port put back, too, and its node is not blamed for it', async () => {
    const node = await machine()
    await until('verified', async () => (await networking(node.uuid)).verified)
    // Longer ago than a port may take to become idle.
    await api.db
      .updateTable('switch_links')
      .set({ wanted_since: new Date(Date.now() - 3_600_000) })
      .where('node_uuid', '=', node.uuid)
      .execute()
    const { generation } = await api.db
      .selectFrom('switch_links')
      .select('generation')
      .where('node_uuid', '=', node.uuid)
      .executeTakeFirstOrThrow()
    let late = false
    fabric.at(tor).before = async (port) => {
      if (port !== node.name) return
      // While it is repaired, somebody looks for nodes that are late.
      late = (await quarantineUnverified(api.db, 1)).includes(node.uuid)
    }
    fabric.at(tor).tamper(node.name, { mode: 'access', vlan: 777 })
    await becomes(node.name, 'idle')
    await until('repaired', async () => {
      const row = await api.db
        .selectFrom('switch_links')
        .select(['generation', 'verified_generation'])
        .where('node_uuid', '=', node.uuid)
        .executeTakeFirstOrThrow()
      return row.generation === row.verified_generation && Number(row.generation) > Number(generation)
    })
    expect(late).toBe(false)
    expect((await admin('GET', `/nodes/${node.uuid}`)).maintenance).toBe(false)
  })

  it('has VLANs removed from switches before another network gets them', async () => {
    const node = await machine()
    await active(node.uuid)
    const network = await neutron.network('lessee-member')
    await attach('lessee-manager', node.uuid, network.id)
    const vlan = await vlanOf(network.id)
    expect(fabric.at(tor).vlans.has(vlan)).toBe(true)
    fabric.at(tor).down = new FabricError('unreachable', 'the switch does not answer')
    await neutron.as('lessee-member', 'PUT', `/networks/${network.id}`, {
      network: { admin_state_up: false },
    })
    const [vif] = (await api.as('lessee-reader', 'GET', `/v1/nodes/${node.uuid}/vifs`)).body.vifs
    await neutron.as('lessee-member', 'DELETE', `/ports/${vif.id}`)
    expect((await neutron.as('lessee-member', 'DELETE', `/networks/${network.id}`)).status).toBe(204)
    const state = async () =>
      (await api.db.selectFrom('vlans').select('state').where('vlan', '=', vlan).executeTakeFirst())?.state
    expect(await state()).toBe('leaving')
    fabric.at(tor).down = undefined
    await until('gone', () => !fabric.at(tor).vlans.has(vlan))
    await until('free', async () => (await state()) === 'free', 30_000)
  })

  it('takes a switch port from a node only once it is idle', async () => {
    const node = await machine()
    await becomes(node.name, 'idle')
    const path = `/v1/switches/tor/ports/${node.name}`
    expect((await api.as('system-admin', 'DELETE', path)).status).toBe(409)
    await admin('PUT', `/switches/tor/ports/${node.name}`, { kind: 'protected' })
    expect((await networking(node.uuid)).links).toEqual([])
  })

  it('says in which network nodes are inspected, as long as that takes', async () => {
    const network = await neutron.network('system-admin', { name: 'inspection' })
    const vlan = await vlanOf(network.id)
    const option = 'networking.inspection_network'
    Object.assign(api.deps.config, { [option]: 'inspection' })
    const known = async () =>
      (await api.db.selectFrom('network_roles').selectAll().execute()).some(
        ({ role }) => role === 'inspecting',
      )
    await until('the role is known', known, 30_000)
    const node = await machine(1, { driver_info: { fake_wait: 'inspect.inspect' } })
    await api.db
      .updateTable('nodes')
      .set({ provision_state: 'manageable' })
      .where('uuid', '=', node.uuid)
      .execute()
    const inspect = () => admin('PUT', `/nodes/${node.uuid}/states/provision`, { target: 'inspect' })
    await inspect()
    await api.settled(node.uuid, 'inspect wait')
    expect(is(node.name)).toEqual({ mode: 'access', vlan })
    const body = { inventory: { interfaces: [{ name: 'eth0', mac_address: '02:00:00:00:09:01' }] } }
    const answer = await api.as(null, 'POST', `/v1/continue_inspection?node_uuid=${node.uuid}`, body)
    expect(answer.status).toBe(202)
    await api.settled(node.uuid, 'manageable')
    expect(is(node.name)).toEqual({ mode: 'idle', vlan: 999 })

    await inspect()
    await api.settled(node.uuid, 'inspect wait')
    expect(is(node.name)).toEqual({ mode: 'access', vlan })
    await admin('PUT', `/nodes/${node.uuid}/states/provision`, { target: 'abort' })
    await api.settled(node.uuid, 'inspect failed')
    await becomes(node.name, 'idle')

    // One whose switch port is not known yet is inspected all the same: that tells.
    const { uuid } = await api.node({
      network_interface: 'switch',
      driver_info: { fake_wait: 'inspect.inspect' },
    })
    const said = { switch_id: '02:00:00:00:00:aa', port_id: 'Eth9' }
    const [unknown, known_] = ['02:00:00:00:09:02', '02:00:00:00:09:03']
    await admin('POST', '/ports', { node_uuid: uuid, address: unknown })
    await admin('POST', '/ports', { node_uuid: uuid, address: known_, local_link_connection: said })
    await api.db
      .updateTable('nodes')
      .set({ provision_state: 'manageable' })
      .where('uuid', '=', uuid)
      .execute()
    await admin('PUT', `/nodes/${uuid}/states/provision`, { target: 'inspect' })
    await api.settled(uuid, 'inspect wait')
    const name = `Eth${++used}`
    const tlvs = [
      [1, '040200000000ff'],
      [2, `05${Buffer.from(name).toString('hex')}`],
    ]
    const frames = {
      inventory: {
        interfaces: [
          { name: 'eth0', mac_address: unknown },
          { name: 'eth1', mac_address: known_, lldp: tlvs },
          // No port of the node's.
          { name: 'eth2', mac_address: '02:00:00:00:09:04', lldp: tlvs },
        ],
      },
      lldp_raw: { eth0: tlvs },
    }
    const path = `/v1/continue_inspection?node_uuid=${uuid}`
    expect((await api.as(null, 'POST', path, frames)).status).toBe(202)
    await api.settled(uuid, 'manageable')
    const links = await api.db
      .selectFrom('ports')
      .select(['address', 'local_link_connection as link'])
      .where('node_uuid', '=', uuid)
      .orderBy('address')
      .execute()
    expect(links).toEqual([
      { address: unknown, link: { switch_id: '02:00:00:00:00:ff', port_id: name } },
      { address: known_, link: said },
    ])
    await becomes(name, 'idle')
    Object.assign(api.deps.config, { [option]: undefined })
    await until('the role is gone', async () => !(await known()), 30_000)
  })

  it('says in which networks nodes are provisioned and cleaned', async () => {
    const network = await neutron.network('system-admin', { name: 'provisioning' })
    const vlan = await vlanOf(network.id)
    Object.assign(api.deps.config, {
      'networking.provisioning_network': 'provisioning',
      'networking.cleaning_network': network.id,
    })
    await until(
      'roles are known',
      async () => (await api.db.selectFrom('network_roles').selectAll().execute()).length === 2,
      30_000,
    )
    const node = await machine()
    const from = fabric.at(tor).log.length
    await active(node.uuid)
    await admin('PUT', `/nodes/${node.uuid}/states/provision`, { target: 'deleted' })
    await api.settled(node.uuid, 'available')
    const log = fabric
      .at(tor)
      .log.slice(from)
      .filter((line) => line.startsWith(`${node.name} `))
    expect(log).toEqual([
      ...(log[0]?.endsWith('idle') ? [`${node.name} idle`] : []),
      `${node.name} access ${vlan}`,
      `${node.name} idle`,
      `${node.name} access ${vlan}`,
      `${node.name} idle`,
    ])
    expect((await neutron.as('system-admin', 'DELETE', `/networks/${network.id}`)).status).toBe(409)
  })
})
