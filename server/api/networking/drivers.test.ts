/**
 * The whole way, with the real drivers: from a request to what frames a port of a simulated switch takes part in. The
 * switches speak SSH and HTTPS on sockets of their own, and apply what they parse.
 */
import { openSwitch, type SwitchTarget } from '@leasehold/switches'
import {
  type Seen,
  type SimulatedSwitch,
  startArista,
  startNexus,
  startSimulatedOvs,
} from '@leasehold/switches/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../networking/testing.ts'
import { type TestApi, testApi } from '../testing.ts'
import { type Neutron, neutronOf } from './neutron/testing.ts'

let api: TestApi
let neutron: Neutron
beforeAll(async () => {
  api = await testApi(
    { 'networking.retry_ms': 50, 'networking.poll_seconds': 1, 'conductor.lock_attempts': 100 },
    openSwitch,
  )
  neutron = neutronOf(api)
  await admin('POST', '/vlan_pools', { name: 'tenants', ranges: '100-199' })
}, 60_000)
afterAll(() => api.close())

const admin = async (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown) => {
  const answer = await api.as('system-admin', method, `/v1${path}`, body)
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

/** A switch as the operator describes it. */
const described = (name: string, target: SwitchTarget) => ({
  name,
  driver: target.driver,
  address: target.port === undefined ? target.address : `${target.address}:${target.port}`,
  quarantine_vlan: 999,
  ...(target.username ? { credentials: { username: target.username, password: target.password } } : {}),
  trust: {
    ...(target.trust.hostKeys ? { host_keys: target.trust.hostKeys } : {}),
    ...(target.trust.certificates ? { certificates: target.trust.certificates } : {}),
    ...(target.trust.insecure ? { insecure: target.trust.insecure } : {}),
  },
  options: { ...(target.settings ? { settings: target.settings } : {}) },
})

const kinds: readonly [string, () => Promise<{ device: SimulatedSwitch; target: SwitchTarget }>][] = [
  [
    'a Nexus over NX-API',
    async () => {
      const device = await startNexus()
      return { device, target: device.nxapi() }
    },
  ],
  [
    'a Nexus over SSH',
    async () => {
      const device = await startNexus()
      return { device, target: device.target() }
    },
  ],
  [
    'an Arista over eAPI',
    async () => {
      const device = await startArista()
      return { device, target: device.target() }
    },
  ],
  [
    'an Open vSwitch over OVSDB',
    async () => {
      const device = await startSimulatedOvs()
      return { device, target: device.target() }
    },
  ],
]

let serial = 0
it.each(kinds)(
  '%s: a node comes, is attached, deployed, lent on; its port is in its tenant’s VLAN or in none',
  async (_, start) => {
    const { device, target } = await start()
    try {
      const name = `sw-${++serial}`
      const [port = ''] = device.ports
      await device.makeDirty(port, 'trunk-all')
      await admin('POST', '/switches', described(name, target))
      await admin('PUT', `/switches/${name}/ports/${encodeURIComponent(port)}`, {
        kind: 'node',
        owner: api.projects.owner,
      })
      const seen: Seen[] = []
      device.onPortState((state) => {
        if (state.port === port) seen.push(state)
      })
      const { uuid } = await api.node({ network_interface: 'switch' })
      await admin('POST', '/ports', {
        node_uuid: uuid,
        address: `02:00:00:00:04:0${serial}`,
        local_link_connection: { switch_info: name, switch_id: '02:00:00:00:00:ff', port_id: port },
      })
      const shown = () => admin('GET', `/nodes/${uuid}/networking`)
      // From a trunk with every VLAN to nothing.
      await until('it is idle', async () => (await shown()).verified, 60_000)
      expect(device.seen(port)).toMatchObject({ tagged: [] })
      expect([null, 999]).toContain(device.seen(port).untagged)

      await api.db
        .updateTable('nodes')
        .set({ provision_state: 'available' })
        .where('uuid', '=', uuid)
        .execute()
      const network = await neutron.network('lessee-member')
      const vlan = (await neutron.as('system-reader', 'GET', `/networks/${network.id}`)).body.network[
        'provider:segmentation_id'
      ]
      const attached = await api.as('lessee-manager', 'POST', `/v1/nodes/${uuid}/vifs`, { id: network.id })
      expect(attached.status).toBe(204)
      await admin('PUT', `/nodes/${uuid}/states/provision`, { target: 'active' })
      await api.settled(uuid, 'active')
      expect(device.seen(port)).toEqual({ port, untagged: vlan, tagged: [] })

      await admin('PUT', `/nodes/${uuid}/states/provision`, { target: 'deleted' })
      await api.settled(uuid, 'available')
      expect([null, 999]).toContain(device.seen(port).untagged)
      // After it was first idle it was never in any VLAN but its tenant's.
      const first = seen.findIndex(
        ({ untagged, tagged }) => (untagged === null || untagged === 999) && tagged.length === 0,
      )
      for (const state of seen.slice(first)) {
        expect(state.tagged).toEqual([])
        expect([null, 999, vlan]).toContain(state.untagged)
      }
      expect((await neutron.as('lessee-member', 'DELETE', `/networks/${network.id}`)).status).toBe(204)
      const free = async () =>
        (await api.db.selectFrom('vlans').select('state').where('vlan', '=', vlan).executeTakeFirst())?.state
      await until('its VLAN is gone from the switch, and free', async () => (await free()) === 'free', 60_000)
      expect((await admin('GET', `/switches/${name}`)).state).toBe('ok')
    } finally {
      await device.close()
    }
  },
  120_000,
)
