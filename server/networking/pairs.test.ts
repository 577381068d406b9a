/**
 * A machine with a cable to each of two switches: one LAG if these are a pair, and refused if not. Simulated switches,
 * real drivers.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SimulatedSwitch, startArista, startCatalyst, startNexus } from '@leasehold/switches/testing'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { createNetworking } from './networking.ts'
import { insertNetwork } from './networks.sql.ts'
import { insertPool } from './pools.sql.ts'
import { changeSwitch } from './switches.sql.ts'
import { addNode, addSwitch } from './testing/rack.ts'
import { until } from './testing.ts'
import type { Networking } from './types.ts'
import { openVault } from './vault.ts'

let store: Store
let directory: string
let networking: Networking
let devices: SimulatedSwitch[] = []
const bounds = { signal: AbortSignal.timeout(600_000) }

beforeEach(async () => {
  store = await testStore()
  directory = await mkdtemp(join(tmpdir(), 'pairs-'))
  await insertPool(store.db, { name: 'tenants', physical_network: 'default', ranges: '100-103' })
  networking = createNetworking({
    db: store.db,
    databaseUrl: store.url,
    config: defaultConfig({ 'networking.retry_ms': 20, 'networking.poll_seconds': 1 }),
    log: pino({ level: 'silent' }),
    vault: await openVault(join(directory, 'key')),
  })
})
afterEach(async () => {
  await networking.stop()
  await Promise.all(devices.splice(0).map((device) => device.close()))
  await store.close()
  await rm(directory, { recursive: true })
})

/** Two switches, left and right, and a machine with a port in each, in one group. */
async function rack(start: () => Promise<SimulatedSwitch>, { left = {}, right = {}, mode = '802.3ad' } = {}) {
  devices = [await start(), await start()]
  const names = devices.map((device) => device.ports[0] as string)
  const options = [left, right]
  for (const [at, name] of ['left', 'right'].entries())
    await addSwitch(
      store.db,
      join(directory, 'key'),
      name,
      (devices[at] as SimulatedSwitch).target(),
      (devices[at] as SimulatedSwitch).ports.slice(0, 4),
      { lag_groups: '10-19', ...options[at] },
    )
  const plugged = names.map((port, at) => [at === 0 ? 'left' : 'right', port] as const)
  const node = await addNode(store.db, 'red', plugged, mode)
  const network = await insertNetwork(store.db, { project_id: 'red' }, 100)
  await networking.start()
  await settled()
  return { node, network, names }
}

const settled = () =>
  until('all is verified', async () => {
    const { rows } = await sql`SELECT FROM switch_links WHERE generation > verified_generation`.execute(
      store.db,
    )
    return rows.length === 0
  })
const errors = async () =>
  (await store.db.selectFrom('switch_links').select('error').execute()).map(({ error }) => error)
const lagsOf = (device: SimulatedSwitch) =>
  device
    .config()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(vpc|mlag) \d+$|^interface port-channel1\d$|^interface Port-Channel1\d$/.test(line))

const nexus = async () => {
  const device = await startNexus()
  device.box.config.features.push('vpc')
  return device
}

it.each([
  ['vPC', nexus, 'vpc', 'interface port-channel'],
  ['MLAG', startArista, 'mlag', 'interface Port-Channel'],
] as const)(
  'on a pair (%s) a group with a port on each switch is one LAG, known to both by one number, and gone when it is detached',
  async (_, start, word, heading) => {
    const { node, network, names } = await rack(start, { left: { peer: 'right' }, right: { peer: 'left' } })
    // Another machine has the first number, on the right switch only.
    const other = await addNode(
      store.db,
      'green',
      [1, 2].map((at) => ['right', devices[1]?.ports[at] as string] as const),
      '802.3ad',
    )
    const theirs = await insertNetwork(store.db, { project_id: 'green' }, 100)
    await networking.attachVif(other, { id: theirs }, bounds)
    await settled()
    expect(lagsOf(devices[1] as SimulatedSwitch)).toEqual([`${heading}10`])

    await networking.attachVif(node, { id: network }, bounds)
    await settled()
    const [left, right] = devices as [SimulatedSwitch, SimulatedSwitch]
    expect(lagsOf(left)).toEqual([`${heading}10`, `${word} 10`])
    expect(lagsOf(right)).toEqual([`${heading}10`, `${heading}11`, `${word} 10`])
    const vlan = left.seen(names[0] as string).untagged
    expect(vlan).toBeGreaterThanOrEqual(100)
    expect(right.seen(names[1] as string).untagged).toBe(vlan)
    for (const device of devices) expect(device.saved()).toBe(device.config())

    const [vif] = await networking.listVifs(node)
    await networking.detachVif(node, vif?.id as string, bounds)
    await settled()
    expect(lagsOf(left)).toEqual([])
    expect(lagsOf(right)).toEqual([`${heading}10`])
    await until('the numbers are free again', async () => {
      const rows = await store.db.selectFrom('switch_lags').selectAll().execute()
      return rows.length === 1 && rows[0]?.portgroup_uuid === other.portgroup
    })
  },
  60_000,
)

it('on switches that are no pair it is refused in words, on both, and nobody is put into a network', async () => {
  const { node, network, names } = await rack(nexus, { left: { peer: 'right' } })
  await networking.attachVif(node, { id: network }, { signal: AbortSignal.timeout(500) })
  await until('both refuse', async () => (await errors()).every((error) => error?.includes('options.peer')))
  for (const [at, device] of devices.entries()) {
    expect(lagsOf(device)).toEqual([])
    expect(device.seen(names[at] as string).untagged).toBe(null)
  }
  // Once they are said to be one, it comes up by itself.
  const { uuid } = await store.db
    .selectFrom('switches')
    .select('uuid')
    .where('name', '=', 'right')
    .executeTakeFirstOrThrow()
  await changeSwitch(store.db, uuid, ({ options }) => ({
    options: JSON.stringify({ ...options, peer: 'left' }),
  }))
  await settled()
  for (const device of devices) expect(lagsOf(device)).toContain('vpc 10')
}, 60_000)

it('switches that have no LAGs over two chassis refuse it, and groups without LACP stay single ports', async () => {
  const { node, network } = await rack(startCatalyst, { left: { peer: 'right' }, right: { peer: 'left' } })
  await networking.attachVif(node, { id: network }, { signal: AbortSignal.timeout(500) })
  await until('both refuse', async () =>
    (await errors()).every((error) => error?.includes('no LAGs over two chassis')),
  )
  await store.db.updateTable('portgroups').set({ mode: 'active-backup' }).execute()
  await settled()
  for (const device of devices) {
    expect(device.config()).not.toContain('Port-channel10')
    expect(device.seen(device.ports[0] as string).untagged).toBeGreaterThanOrEqual(100)
  }
}, 60_000)

it('a peer link is no port of anybody’s, were it listed', async () => {
  const { node, network, names } = await rack(nexus, { left: { peer: 'right' }, right: { peer: 'left' } })
  const [left] = devices as [Awaited<ReturnType<typeof nexus>>]
  const { interfaces } = left.box.config
  const member = interfaces.find(({ name }) => name === names[0])
  // The operator makes the peer link of what we were told is the machine's port.
  interfaces.push({
    ...structuredClone(interfaces[20] as (typeof interfaces)[number]),
    name: 'port-channel10',
    switched: true,
    mode: 'trunk',
    vpc: 'peer-link',
  })
  Object.assign(member ?? {}, {
    switched: true,
    mode: 'trunk',
    shutdown: false,
    channel: { group: 10, mode: 'active' },
  })
  const before = left.config()
  await networking.attachVif(node, { id: network }, { signal: AbortSignal.timeout(500) })
  await until('it is refused', async () => (await errors()).some((error) => error?.includes('peer link')))
  expect(left.config()).toBe(before)
}, 60_000)
