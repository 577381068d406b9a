/**
 * A service that is killed, really, while it tells a switch what to do: what the next one makes of it. The switches are
 * simulated, on sockets of their own; the drivers and the database are real.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SwitchTarget } from '@leasehold/switches'
import { type Nexus, type Said, startNexus } from '@leasehold/switches/testing'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { journalOf } from './keepers.sql.ts'
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
let device: Nexus
let networking: Networking
const port = 'Ethernet1/1'

beforeEach(async () => {
  store = await testStore()
  directory = await mkdtemp(join(tmpdir(), 'killed-'))
  device = await startNexus()
  await insertPool(store.db, { name: 'tenants', physical_network: 'default', ranges: '100-103' })
  networking = createNetworking({
    db: store.db,
    databaseUrl: store.url,
    config: defaultConfig({ 'networking.retry_ms': 20, 'networking.poll_seconds': 1 }),
    log: pino({ level: 'silent' }),
    vault: await openVault(join(directory, 'key')),
    silentMs: 4_000,
  })
})
afterEach(async () => {
  await networking.stop()
  await device.close()
  await store.close()
  await rm(directory, { recursive: true })
})

async function nodeOn(target: SwitchTarget) {
  await addSwitch(store.db, join(directory, 'key'), 'tor', target, [port])
  return addNode(store.db, 'red', [['tor', port]])
}

const unfinished = async () =>
  (await store.db.selectFrom('switches').select('unfinished').executeTakeFirstOrThrow()).unfinished
const settled = () =>
  until('all is verified', async () => {
    const { rows } = await sql`SELECT FROM switch_links WHERE generation > verified_generation`.execute(
      store.db,
    )
    return rows.length === 0
  })

/** A service that has made the port idle, and does what `wanted` asks until the switch falls silent at a line. */
async function killedAt(last: (said: Said) => boolean, wanted: () => Promise<unknown>): Promise<string> {
  const script = new URL('./testing/keeps.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, store.url, join(directory, 'key')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  try {
    await settled()
    await until('nothing is owed', async () => (await unfinished()) === null)
    const before = device.config()
    let silent = false
    device.faults.hang = (said) => {
      silent ||= last(said)
      return silent
    }
    await wanted()
    await until('the switch is silent', () => silent)
    return before
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
    device.faults.hang = undefined
  }
}

const doors = [
  ['SSH', () => device.target()],
  ['NX-API', () => device.nxapi()],
] as const

it.each(doors)(
  'over %s a change whose service is killed is taken back by the next, and made then',
  async (_, door) => {
    const node = await nodeOn(door())
    const network = await insertNetwork(store.db, { project_id: 'red' }, 100)
    const attach = () => networking.attachVif(node, { id: network }, { signal: AbortSignal.timeout(1) })
    const before = await killedAt(
      ({ line, context }) => line === 'no shutdown' && context === `interface ${port}`,
      attach,
    )
    expect(device.config()).not.toBe(before)
    expect(await unfinished()).toHaveProperty('change')
    const said = device.lines.length
    let restored: string | undefined
    device.faults.ignore = ({ line }) => {
      // The first line of the change that is made anew.
      if (restored === undefined && line.startsWith('vlan ')) restored = device.config()
      return false
    }
    await networking.start()
    await settled()
    expect(device.lines.slice(said)).toContain('rollback running-config checkpoint leasehold atomic')
    expect(restored).toBe(before)
    expect(device.seen(port).untagged).toBe(100)
    await until('nothing is owed', async () => (await unfinished()) === null)
    expect(device.saved()).toBe(device.config())
  },
  60_000,
)

it('what a killed service had not saved is saved by the next, were there no port of anybody any more', async () => {
  const node = await nodeOn(device.target())
  const network = await insertNetwork(store.db, { project_id: 'red' }, 100)
  await killedAt(
    ({ line }) => line.startsWith('copy '),
    () => networking.attachVif(node, { id: network }, { signal: AbortSignal.timeout(1) }),
  )
  expect(device.saved()).not.toBe(device.config())
  expect(await unfinished()).toEqual({ version: 1 })
  await sql`DELETE FROM switch_links`.execute(store.db)
  await networking.start()
  await until('it is saved', () => device.saved() === device.config())
  await until('nothing is owed', async () => (await unfinished()) === null)
}, 60_000)

it('who has lost a switch to another process can begin nothing on it', async () => {
  await nodeOn(device.target())
  const keeper = randomUUID()
  const { id: switchId, fence } = await store.db
    .updateTable('switches')
    .set({ keeper })
    .returningAll()
    .executeTakeFirstOrThrow()
  const journal = journalOf(store.db, { switchId, keeper, fence })
  await journal.write({ version: 1 })
  expect(await journal.read()).toEqual({ version: 1 })
  await sql`UPDATE switches SET fence = fence + 1`.execute(store.db)
  await expect(journal.write(null)).rejects.toThrow('another process keeps the switch now')
  expect(await unfinished()).toEqual({ version: 1 })
})

it('what was half done on a switch is not undone on another that took its name', async () => {
  await nodeOn(device.target())
  await sql`UPDATE switches SET unfinished = '{"version": 1, "change": {}}'`.execute(store.db)
  const { uuid } = await store.db.selectFrom('switches').select('uuid').executeTakeFirstOrThrow()
  await changeSwitch(store.db, uuid, () => ({ name: 'leaf' }))
  expect(await unfinished()).toHaveProperty('change')
  await changeSwitch(store.db, uuid, () => ({ address: '192.0.2.1' }))
  expect(await unfinished()).toEqual({})
})
