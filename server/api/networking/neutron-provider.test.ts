/** `networking.provider: neutron`: networks and ports are a Neutron's. Walls stand whether it answers or not. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError } from '../../config.ts'
import { createNetworking } from '../../networking/index.ts'
import { createFabric, type Fabric, until } from '../../networking/testing.ts'
import { type NeutronStandIn, type Row, startNeutron } from '../../networking/upstream/testing.ts'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
let fabric: Fabric
let neutron: NeutronStandIn
let cleaning: Row
const tor = '192.0.2.1'
const portCount = 30
beforeAll(async () => {
  fabric = createFabric()
  neutron = await startNeutron()
  cleaning = neutron.network({ project_id: 'the operator', 'provider:segmentation_id': 199 })
  api = await testApi(
    {
      'networking.provider': 'neutron',
      'networking.cleaning_network': cleaning.id,
      'keystone.url': neutron.url,
      'keystone.password': 'secret',
      'networking.retry_ms': 20,
      'networking.isolation_timeout_seconds': 5,
      'networking.poll_seconds': 1,
      'neutron.timeout_seconds': 2,
      'conductor.lock_attempts': 100,
    },
    fabric.open,
  )
  for (const [persona, token] of Object.entries(api.tokens)) {
    const project = (['owner', 'lessee', 'stranger'] as const).find((each) => persona.startsWith(each))
    if (project) neutron.callers.set(token, api.projects[project])
  }
  await admin('POST', '/vlan_pools', { name: 'neutron', ranges: '100-199' })
  await admin('POST', '/switches', { name: 'tor', driver: 'openvswitch', address: tor, quarantine_vlan: 999 })
  for (let at = 1; at <= portCount; at++) {
    fabric.at(tor).ports.set(`Eth${at}`, { mode: 'factory' })
    await admin('PUT', `/switches/tor/ports/Eth${at}`, { kind: 'node', owner: api.projects.owner })
  }
})
afterAll(async () => {
  await api.close()
  await neutron.close()
})
afterEach(() => {
  neutron.down = false
  neutron.rights = true
  neutron.refusal = undefined
  neutron.pageLimit = 1000
})

const admin = async (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown) => {
  const answer = await api.as('system-admin', method, `/v1${path}`, body)
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

let used = 0
/** An active node of `owner` with a port on the switch, leased to `lessee`. */
async function machine() {
  const { uuid } = await api.node({ network_interface: 'switch' })
  const name = `Eth${++used}`
  const address = `02:00:00:00:01:${used.toString(16).padStart(2, '0')}`
  const link = { switch_id: '02:00:00:00:00:ff', switch_info: 'tor', port_id: name }
  await admin('POST', '/ports', { node_uuid: uuid, address, local_link_connection: link })
  await api.db.updateTable('nodes').set({ provision_state: 'active' }).where('uuid', '=', uuid).execute()
  return { uuid, name, address, link }
}
let vlans = 100
const network = (project: string, fields: Record<string, unknown> = {}) =>
  neutron.network({ project_id: project, 'provider:segmentation_id': vlans++, ...fields })
/** A network of the lessee's, and a port in it. */
const lesseePort = (fields: Record<string, unknown> = {}) => {
  const net = network(api.projects.lessee, fields)
  return { net, port: neutron.port(net, { project_id: api.projects.lessee }) }
}
const attach = (node: string, id: string, who: Persona = 'lessee-manager') =>
  api.as(who, 'POST', `/v1/nodes/${node}/vifs`, { id })
const attached = async (node: string, id: string) => {
  const { status, text } = await attach(node, id)
  if (status !== 204) throw new Error(`attach: ${status} ${text}`)
}
const detach = (node: string, id: string) =>
  api.as('lessee-manager', 'DELETE', `/v1/nodes/${node}/vifs/${id}`)
const vifsOf = async (node: string) => (await admin('GET', `/nodes/${node}/vifs`)).vifs
const networking = (node: string) => admin('GET', `/nodes/${node}/networking`)
const is = (name: string) => fabric.at(tor).ports.get(name)
const becomesIdle = (name: string) => until(`${name} is idle`, () => is(name)?.mode === 'idle')
const becomes = (name: string, vlan: unknown) =>
  until(`${name} in VLAN ${vlan}, now ${JSON.stringify(is(name))}`, () => {
    const port = is(name)
    return port?.mode === 'access' && port.vlan === vlan
  })
const isUnbound = (port: Row) => until('it is unbound', () => port['binding:host_id'] === '')

describe('another tenant', () => {
  it('has no port that anybody could put this tenant’s machine into, nor is told of one', async () => {
    const node = await machine()
    const theirs = network(api.projects.stranger)
    const owners = network(api.projects.owner)
    const guests = network(api.projects.stranger)
    const mine = lesseePort()
    const ids = {
      theirs: neutron.port(theirs, { project_id: api.projects.stranger }).id,
      // What can not be put onto a switch is not told apart from what is absent, either.
      'no VLAN': neutron.port(network(api.projects.stranger, { 'provider:network_type': 'vxlan' }), {
        project_id: api.projects.stranger,
      }).id,
      'in the tenant’s network': neutron.port(mine.net, { project_id: api.projects.stranger }).id,
      'in a network not shared': neutron.port(guests, { project_id: api.projects.lessee }).id,
      owners: neutron.port(owners, { project_id: api.projects.owner }).id,
      absent: randomUUID(),
      network: mine.net.id,
    }
    for (const who of ['lessee-manager', 'owner-member', 'system-admin'] as const)
      for (const [what, id] of Object.entries(ids)) {
        const { status, body } = await attach(node.uuid, id, who)
        expect([who, what, status, faultOf(body)]).toEqual([
          who,
          what,
          404,
          `VIF ${id} could not be found: name a port in Neutron that the node's tenant may use.`,
        ])
      }
    // The lessee's port is not the owner's to use, though the machine is; and the stranger does not know the machine.
    expect((await attach(node.uuid, mine.port.id, 'owner-member')).status).toBe(404)
    expect((await attach(node.uuid, mine.port.id, 'stranger')).status).toBe(404)
    expect(await vifsOf(node.uuid)).toEqual([])
    expect([...neutron.ports.values()].every((port) => port['binding:host_id'] === '')).toBe(true)
    expect(is(node.name)).not.toMatchObject({ mode: 'access' })
    // No trace of them is kept.
    const copies = await api.db
      .selectFrom('networks')
      .select('uuid')
      .where('uuid', '<>', cleaning.id)
      .execute()
    expect(copies).toEqual([])
  })

  it('shares a network, by name or with all, and no longer has the machine in it when that ends', async () => {
    for (const target of [api.projects.lessee, '*']) {
      const node = await machine()
      const theirs = network(api.projects.stranger)
      const share = neutron.share(theirs, target)
      const port = neutron.port(theirs, { project_id: api.projects.lessee })
      await attached(node.uuid, port.id)
      expect(is(node.name)).toEqual({ mode: 'access', vlan: theirs['provider:segmentation_id'] })
      neutron.shares.delete(share.id)
      await becomesIdle(node.name)
      // Shared anew it is in it again: its port is still attached.
      neutron.share(theirs, target)
      await becomes(node.name, theirs['provider:segmentation_id'])
    }
  })
})

describe('a port of the tenant', () => {
  it('is on the switch and bound in Neutron while it is attached, and neither after', async () => {
    const node = await machine()
    const { net, port } = lesseePort()
    const { mac_address: mac } = port
    const vlan = net['provider:segmentation_id'] as number
    await attached(node.uuid, port.id)
    expect(is(node.name)).toEqual({ mode: 'access', vlan })
    expect(port).toMatchObject({
      'binding:host_id': node.uuid,
      'binding:vnic_type': 'baremetal',
      'binding:profile': { local_link_information: [node.link] },
      mac_address: node.address,
    })
    expect(await networking(node.uuid)).toMatchObject({
      verified: true,
      bindings: [{ vif: port.id, written: true, error: null }],
    })
    const { text } = await api.as(null, 'GET', '/metrics', undefined, null)
    expect(text).toMatch(/leasehold_neutron_bindings\{state="written"\} [1-9]/)
    expect((await detach(node.uuid, port.id)).status).toBe(204)
    expect(is(node.name)).toEqual({ mode: 'idle', vlan: 999 })
    await until(
      'it has an address of its own',
      () => ![mac, node.address].includes(port.mac_address as string),
    )
    expect(port).toMatchObject({ 'binding:host_id': '', 'binding:profile': {} })
    await until('the VLAN is off the switch', () => !fabric.at(tor).vlans.has(vlan))
    // At once again, and another of its ports at the same place.
    const other = neutron.port(net, { project_id: api.projects.lessee })
    await attached(node.uuid, port.id)
    expect((await detach(node.uuid, port.id)).status).toBe(204)
    await attached(node.uuid, other.id)
    await until('the other has the address', () => other.mac_address === node.address)
    await isUnbound(port)
    await becomes(node.name, vlan)
  })

  it('is refused where it can not be on a switch, and the reason is told', async () => {
    const node = await machine()
    const refused = async (fields: Record<string, unknown>, portFields: Record<string, unknown> = {}) => {
      const { port } = lesseePort(fields)
      Object.assign(port, portFields)
      const { status, body } = await attach(node.uuid, port.id)
      return [status, faultOf(body)]
    }
    expect(await refused({ 'provider:network_type': 'vxlan' })).toEqual([
      400,
      expect.stringContaining('no VLAN'),
    ])
    expect(await refused({ 'provider:segmentation_id': 555 })).toEqual([
      400,
      expect.stringContaining('in no VLAN pool'),
    ])
    expect(await refused({ 'provider:physical_network': 'elsewhere' })).toEqual([
      400,
      expect.stringContaining('in no VLAN pool'),
    ])
    expect(await refused({}, { trunk_details: { trunk_id: 'x' } })).toEqual([
      400,
      expect.stringContaining('trunk'),
    ])
    expect(await refused({}, { 'binding:host_id': 'compute-7' })).toEqual([
      409,
      expect.stringContaining('bound elsewhere'),
    ])
    // Two networks of Neutron never have one VLAN of ours.
    const first = lesseePort()
    const elsewhere = await machine()
    await attached(elsewhere.uuid, first.port.id)
    expect(await refused({ 'provider:segmentation_id': first.net['provider:segmentation_id'] })).toEqual([
      409,
      expect.stringContaining('not yet gone'),
    ])
    expect(await attach(node.uuid, first.port.id)).toMatchObject({ status: 409 })
    expect(await vifsOf(node.uuid)).toEqual([])
  })
})

describe('a Neutron that does not answer', () => {
  it('attaches nothing, and keeps no machine in a network: not one that is detached, nor one that changes hands', async () => {
    const [one, two] = [await machine(), await machine()]
    const [first, second] = [lesseePort(), lesseePort()]
    await attached(one.uuid, first.port.id)
    await attached(two.uuid, second.port.id)
    neutron.down = true
    expect((await attach((await machine()).uuid, lesseePort().port.id)).status).toBe(503)
    expect((await detach(one.uuid, first.port.id)).status).toBe(204)
    expect(is(one.name)).toEqual({ mode: 'idle', vlan: 999 })
    await admin('PATCH', `/nodes/${two.uuid}`, [
      { op: 'replace', path: '/lessee', value: api.projects.stranger },
    ])
    await becomesIdle(two.name)
    expect([first.port['binding:host_id'], second.port['binding:host_id']]).toEqual([one.uuid, two.uuid])
    neutron.down = false
    await isUnbound(first.port)
    await isUnbound(second.port)
  })

  it('or refuses is told again, and the node says what it says', async () => {
    const node = await machine()
    const { net, port } = lesseePort()
    // A port of others is not found by a user that has lost its role.
    neutron.refusal = { status: 404, message: 'no such port, says Neutron' }
    await attached(node.uuid, port.id)
    await becomes(node.name, net['provider:segmentation_id'])
    expect((await networking(node.uuid)).bindings).toEqual([
      { vif: port.id, written: false, error: expect.stringContaining('no such port, says Neutron') },
    ])
    const seen = await api.as('lessee-reader', 'GET', `/v1/nodes/${node.uuid}/networking`)
    expect(seen.text).not.toMatch(/says Neutron/)
    neutron.refusal = undefined
    await until('it is bound', () => port['binding:host_id'] === node.uuid)
    await until('and known to be', async () => (await networking(node.uuid)).bindings[0].written)
  })
})

describe('what changes in Neutron', () => {
  it('is followed: another VLAN, a port or a network that is down or gone, a binding that somebody changed', async () => {
    const node = await machine()
    const { net, port } = lesseePort()
    await attached(node.uuid, port.id)
    net['provider:segmentation_id'] = 180
    await becomes(node.name, 180)
    net['provider:segmentation_id'] = 700
    await becomesIdle(node.name)
    net['provider:segmentation_id'] = 181
    await becomes(node.name, 181)
    net.admin_state_up = false
    await becomesIdle(node.name)
    net.admin_state_up = true
    await becomes(node.name, 181)
    port.admin_state_up = false
    await becomesIdle(node.name)
    port.admin_state_up = true
    await becomes(node.name, 181)
    Object.assign(port, { 'binding:host_id': 'other', mac_address: 'fa:16:3e:00:00:01' })
    await until('it is bound as it was', () => port['binding:host_id'] === node.uuid)
    await until('with its address', () => port.mac_address === node.address)
    neutron.ports.delete(port.id)
    await becomesIdle(node.name)
    expect(await vifsOf(node.uuid)).toEqual([])
    const again = neutron.port(net, { project_id: api.projects.lessee })
    await attached(node.uuid, again.id)
    await becomes(node.name, 181)
    neutron.ports.delete(again.id)
    neutron.networks.delete(net.id)
    await becomesIdle(node.name)
    await until('the VLAN is off the switch', () => !fabric.at(tor).vlans.has(181))
    // The VLAN is another network's now, which only gets it when it is gone.
    const next = lesseePort({ 'provider:segmentation_id': 181 })
    await until('it is had', async () => (await attach(node.uuid, next.port.id)).status === 204)
    await becomes(node.name, 181)
  })

  it('is not what a service user without rights is no longer shown, nor what is on the next page', async () => {
    const nodes = [await machine(), await machine(), await machine()]
    const mine = nodes.map(() => lesseePort())
    for (const [at, node] of nodes.entries()) await attached(node.uuid, mine[at]?.port.id as string)
    const polled = async () => {
      const before = neutron.log.length
      await until(
        'it is asked',
        () => neutron.log.slice(before).filter((line) => line === 'GET /networks').length > 3,
      )
      await new Promise((done) => setTimeout(done, 300))
      return neutron.log.slice(before)
    }
    neutron.pageLimit = 1
    await polled()
    neutron.pageLimit = 1000
    neutron.rights = false
    await polled()
    neutron.rights = true
    for (const [at, node] of nodes.entries())
      expect(is(node.name)).toEqual({ mode: 'access', vlan: mine[at]?.net['provider:segmentation_id'] })
  })

  it('is asked of all ports together', async () => {
    const nodes = await Promise.all(Array.from({ length: 6 }, machine))
    const { net } = lesseePort()
    for (const node of nodes)
      await attached(node.uuid, neutron.port(net, { project_id: api.projects.lessee }).id)
    // From now on all networks are due together.
    await sql`UPDATE neutron_networks SET look_at = now()`.execute(api.db)
    const before = neutron.log.length
    const asked = (what: string) => {
      const lines = neutron.log.slice(before)
      return lines.slice(lines.indexOf('GET /rbac-policies')).filter((line) => line === `GET /${what}`).length
    }
    await until(
      'ports are asked for again and again',
      () => asked('rbac-policies') > 0 && asked('ports') >= 4,
    )
    // Policies are asked for once a batch of networks, and ports a batch: 50 ports are one question.
    expect(asked('ports')).toBeLessThanOrEqual(asked('rbac-policies'))
  })
})

describe('the operator', () => {
  it('has a network of Neutron for cleaning', async () => {
    const node = await machine()
    await api.db
      .updateTable('nodes')
      .set({ provision_state: 'manageable' })
      .where('uuid', '=', node.uuid)
      .execute()
    await admin('PUT', `/nodes/${node.uuid}/states/provision`, {
      target: 'clean',
      clean_steps: [{ interface: 'deploy', step: 'erase_devices_metadata' }],
    })
    await api.settled(node.uuid, 'manageable', 'clean failed')
    expect(fabric.at(tor).log).toContain(`${node.name} access 199`)
    await becomesIdle(node.name)
  })

  it('is told where networks are when the networking API is asked for', async () => {
    for (const [method, path] of [
      ['GET', '/networks'],
      ['POST', '/networks'],
      ['DELETE', '/ports/x'],
    ] as const) {
      const { status, body } = await api.as(
        'system-admin',
        method,
        `/networking/v2.0${path}`,
        undefined,
        null,
      )
      expect([status, body.NeutronError.message]).toEqual([
        404,
        expect.stringContaining('in the Neutron of this cloud'),
      ])
    }
    expect((await api.as(null, 'GET', '/networking/v2.0/networks', undefined, null)).status).toBe(401)
  })

  it('does not mix providers in one database', async () => {
    const { config, vault } = api.deps
    const other = createNetworking({
      db: api.db,
      databaseUrl: '',
      config: { ...config, 'networking.provider': 'local' },
      log: pino({ level: 'silent' }),
      vault,
    })
    await expect(other.start()).rejects.toThrow(ConfigError)
    await expect(other.start()).rejects.toThrow(/--networking-provider local: .* copies of \d+ networks/)
  })
})
