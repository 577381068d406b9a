/** A machine in use that changes hands: it does nothing for its new tenant while it may be in a network of the former. */
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { watch } from '../../console/testing.ts'
import { createFabric, type Fabric, FabricError, until } from '../../networking/testing.ts'
import { faultOf, type TestApi, testApi } from '../testing.ts'
import { type Neutron, neutronOf } from './neutron/testing.ts'

let api: TestApi
let fabric: Fabric
let neutron: Neutron
let url: string
let release = () => {}
const tor = '192.0.2.1'
beforeAll(async () => {
  fabric = createFabric()
  api = await testApi(
    { 'networking.retry_ms': 20, 'networking.isolation_timeout_seconds': 3600 },
    fabric.open,
  )
  neutron = neutronOf(api)
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`
  await api.deps.consoles.start(url)
  await admin('POST', '/vlan_pools', { name: 'tenants', ranges: '100-149' })
  await admin('POST', '/switches', { name: 'tor', driver: 'openvswitch', address: tor, quarantine_vlan: 999 })
  for (let at = 1; at <= 9; at++) {
    fabric.at(tor).ports.set(`Eth${at}`, { mode: 'factory' })
    await admin('PUT', `/switches/tor/ports/Eth${at}`, { kind: 'node', owner: api.projects.owner })
  }
})
afterAll(() => api.close())
afterEach(() => {
  release()
  fabric.at(tor).down = undefined
  fabric.at(tor).before = undefined
})

const admin = async (method: 'GET' | 'POST' | 'PUT' | 'PATCH', path: string, body?: unknown) => {
  const answer = await api.as('system-admin', method, `/v1${path}`, body)
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

let used = 0
/** An active node of the lessee's, in a network of that. */
async function machine() {
  const { uuid } = await api.node({ network_interface: 'switch' })
  const name = `Eth${++used}`
  await admin('POST', '/ports', {
    node_uuid: uuid,
    address: `02:00:00:00:01:0${used}`,
    local_link_connection: { switch_info: 'tor', switch_id: '02:00:00:00:00:ff', port_id: name },
  })
  const fields = { provision_state: 'available', power_state: 'power on' }
  await api.db.updateTable('nodes').set(fields).where('uuid', '=', uuid).execute()
  const network = await neutron.network('lessee-member')
  expect((await attach('lessee-manager', uuid, network.id)).status).toBe(204)
  await admin('PUT', `/nodes/${uuid}/states/provision`, { target: 'active' })
  await api.settled(uuid, 'active')
  const vlan = await vlanOf(network.id)
  expect(is(name)).toEqual({ mode: 'access', vlan })
  return { uuid, name, vlan }
}
const attach = (who: 'lessee-manager' | 'stranger', node: string, id: string) =>
  api.as(who, 'POST', `/v1/nodes/${node}/vifs`, { id })
const is = (name: string) => fabric.at(tor).ports.get(name)
const vlanOf = async (network: string): Promise<number> =>
  (await neutron.as('system-reader', 'GET', `/networks/${network}`)).body.network['provider:segmentation_id']
const lend = (uuid: string) =>
  admin('PATCH', `/nodes/${uuid}`, [{ op: 'replace', path: '/lessee', value: api.projects.stranger }])
const power = (uuid: string, target: string) =>
  api.as('stranger', 'PUT', `/v1/nodes/${uuid}/states/power`, { target })
const provision = (uuid: string, target: string, more = {}) =>
  api.as('owner-admin', 'PUT', `/v1/nodes/${uuid}/states/provision`, { target, ...more })
const wanted = async (uuid: string) => (await admin('GET', `/nodes/${uuid}/networking`)).links[0].wanted
/** What the switch port became, from now on. */
const became = (name: string) => {
  const from = fabric.at(tor).log.length
  return () =>
    fabric
      .at(tor)
      .log.slice(from)
      .filter((line) => line.startsWith(`${name} `))
}
/** Holds whatever the switch is told until `release`. */
function hold() {
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  fabric.at(tor).before = () => held
}

describe('a machine in use whose lessee is changed', () => {
  it('is wanted idle at once, and neither starts nor deploys before its port was seen to be so', async () => {
    const { uuid, name, vlan } = await machine()
    hold()
    await lend(uuid)
    expect(await wanted(uuid)).toEqual({ mode: 'idle' })
    expect(is(name)).toEqual({ mode: 'access', vlan })
    for (const target of ['power on', 'rebooting', 'soft rebooting']) {
      const { status, body, headers } = await power(uuid, target)
      expect([target, status, faultOf(body)]).toEqual([
        target,
        409,
        expect.stringContaining('not yet verified to be out of the networks they were in'),
      ])
      expect(headers['retry-after']).toBe('1')
    }
    for (const [target, more] of [
      ['rebuild', {}],
      ['rescue', { rescue_password: 'x' }],
      ['service', { service_steps: [{ interface: 'deploy', step: 'burnin_cpu' }] }],
    ] as const)
      expect([target, (await provision(uuid, target, more)).status]).toEqual([target, 409])
    // Who sees nothing of the node learns nothing of this either.
    const former = await api.as('lessee-admin', 'PUT', `/v1/nodes/${uuid}/states/power`, {
      target: 'power on',
    })
    expect(former.status).toBe(404)
    // A stop is safe wherever the machine is.
    expect((await power(uuid, 'power off')).status).toBe(202)
    await api.settled(uuid, 'active')
    release()
    await until('power on', async () => (await power(uuid, 'power on')).status === 202)
    expect(is(name)).toEqual({ mode: 'idle', vlan: 999 })
  })

  it('goes from the old network to the new one while the switch is away, and is never in both', async () => {
    const { uuid, name, vlan } = await machine()
    const lines = became(name)
    fabric.at(tor).down = new FabricError('unreachable', 'the switch does not answer')
    await lend(uuid)
    const own = await neutron.network('stranger')
    const attached = attach('stranger', uuid, own.id)
    await until('the new network is wanted', async () => (await wanted(uuid)).network === own.id)
    // What is wanted is the new tenant's; where the port is, is another matter.
    expect(is(name)).toEqual({ mode: 'access', vlan })
    expect((await power(uuid, 'power on')).status).toBe(409)
    fabric.at(tor).down = undefined
    expect((await attached).status).toBe(204)
    const fresh = { mode: 'access', vlan: await vlanOf(own.id) }
    await until('the new network', () => JSON.stringify(is(name)) === JSON.stringify(fresh))
    await until('power on', async () => (await power(uuid, 'power on')).status === 202)
    expect(lines().filter((line) => line.endsWith(` ${vlan}`))).toEqual([])
  })

  it('is put into maintenance when the switch does not obey, also if its new tenant wants it elsewhere', async () => {
    const { uuid } = await machine()
    fabric.at(tor).down = new FabricError('unreachable', 'the switch does not answer')
    await lend(uuid)
    const own = await neutron.network('stranger')
    const attached = attach('stranger', uuid, own.id)
    await until('the new network is wanted', async () => (await wanted(uuid)).network === own.id)
    Object.assign(api.deps.config, { 'networking.isolation_timeout_seconds': 0 })
    try {
      await until('maintenance', async () => (await admin('GET', `/nodes/${uuid}`)).maintenance)
    } finally {
      Object.assign(api.deps.config, { 'networking.isolation_timeout_seconds': 3600 })
    }
    fabric.at(tor).down = undefined
    await attached
  })

  it('can be undeployed at once, which waits for the switch by itself', async () => {
    const { uuid, name } = await machine()
    hold()
    await lend(uuid)
    expect((await provision(uuid, 'deleted')).status).toBe(202)
    release()
    await api.settled(uuid, 'available')
    expect(is(name)).toEqual({ mode: 'idle', vlan: 999 })
  })

  it('shows its console to nobody who comes in the meantime', async () => {
    const { uuid } = await machine()
    await admin('PUT', `/nodes/${uuid}/console`, { enabled: true })
    await until('the console', async () => (await admin('GET', `/nodes/${uuid}/console`)).state === 'up')
    const come = () => watch(url, uuid, { token: api.tokens.stranger })
    hold()
    await lend(uuid)
    const refused = await come()
    await until('the refusal', () => refused.closed !== undefined)
    expect([refused.closed?.code, refused.last('hello'), refused.text]).toEqual([1013, undefined, ''])
    // Who comes a moment too early need not come again.
    const early = come()
    release()
    const watcher = await early
    await until('the console', () => watcher.last('hello') !== undefined)
    await watcher.close()
  })
})
