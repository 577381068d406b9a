import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import type { Hardware, PowerState } from '../hardware/index.ts'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { type ReadFailures, syncPower } from './power-sync.ts'
import { enrol, scriptedHardware } from './testing/machines.ts'
import { historyOf, readNode } from './testing/nodes.ts'

let store: Store
/** What machines say, by UUID; an Error is no answer. Others are off. */
const machines = new Map<string, PowerState | Error>()
let reads: string[] = []
/** Happens while a machine is asked. */
let whileReading: (() => Promise<unknown>) | undefined
let mostAtOnce = 0
let statements = 0
let hardware: Hardware

beforeAll(async () => {
  store = await testStore()
  let atOnce = 0
  const scripted = scriptedHardware(async () => undefined)
  const power = scripted.implementation({ driver: 'fake-hardware', interfaces: {} }, 'power')
  const getState: typeof power.getState = async (node) => {
    reads.push(node.uuid)
    await whileReading?.()
    mostAtOnce = Math.max(mostAtOnce, ++atOnce)
    await new Promise((done) => setImmediate(done))
    atOnce--
    const answer = machines.get(node.uuid) ?? 'power off'
    if (answer instanceof Error) throw answer
    return answer
  }
  const watched = { ...power, getState }
  hardware = { ...scripted, implementation: () => watched as never }
  store.pool.on('acquire', () => statements++)
})
afterAll(() => store.close())
beforeEach(async () => {
  await sql`TRUNCATE nodes CASCADE`.execute(store.db)
  await sql`TRUNCATE conductors`.execute(store.db)
  await conductor('a')
  machines.clear()
  reads = []
  mostAtOnce = 0
  whileReading = undefined
})

const conductor = (hostname: string, group = '', drivers = { 'fake-hardware': {} }) =>
  store.db
    .insertInto('conductors')
    .values({
      hostname,
      conductor_group: group,
      drivers: JSON.stringify(drivers),
      online: true,
      heartbeat_at: new Date(),
    })
    .execute()

const round = (before: ReadFailures = new Map(), host = 'a') =>
  syncPower(
    {
      db: store.db,
      hardware,
      config: defaultConfig(),
      log: pino({ level: 'silent' }),
      host,
      signal: new AbortController().signal,
    },
    before,
  )

it('2,000 nodes take a bounded number of statements and readings at once, and only changes are written', async () => {
  await enrol(store.db, { provision_state: 'active', power_state: 'power off' }, 1_900)
  await enrol(store.db, { provision_state: 'active', power_state: 'power on' }, 100)
  statements = 0
  const result = await round()
  expect(result).toMatchObject({ read: 2_000, changed: 100 })
  expect(new Set(reads).size).toBe(2_000)
  expect(mostAtOnce).toBeLessThanOrEqual(64)
  // Who is alive, five pages (the last one empty), and an UPDATE for each page with a change.
  expect(statements).toBeLessThanOrEqual(1 + 5 + 4)
  statements = 0
  expect(await round()).toMatchObject({ read: 2_000, changed: 0 })
  expect(statements).toBeLessThanOrEqual(1 + 5)
})

it('a machine that was switched by hand is believed', async () => {
  const uuid = await enrol(store.db, { provision_state: 'active', power_state: 'power off' })
  machines.set(uuid, 'power on')
  await round()
  expect(await readNode(store.db, uuid)).toMatchObject({ power_state: 'power on', last_error: null })
})

it('locked nodes, nodes in enroll and nodes in maintenance are left alone', async () => {
  await enrol(store.db, { provision_state: 'enroll' })
  await enrol(store.db, { provision_state: 'active', maintenance: true })
  await enrol(store.db, { provision_state: 'active', maintenance: true, fault: 'clean failure' })
  await enrol(store.db, { provision_state: 'active', reservation: 'b' })
  expect(await round()).toMatchObject({ read: 0 })
})

it('a node that changed while it was read keeps its change', async () => {
  const uuid = await enrol(store.db, { provision_state: 'active', power_state: 'power off' })
  machines.set(uuid, 'power on')
  whileReading = () =>
    sql`UPDATE nodes SET generation = generation + 1 WHERE uuid = ${uuid}`.execute(store.db)
  expect(await round()).toMatchObject({ read: 1, changed: 0 })
  expect(await readNode(store.db, uuid)).toMatchObject({ power_state: 'power off' })
})

describe('a machine that does not answer', () => {
  it('puts its node into maintenance in the third round, says why, and is out again when it answers', async () => {
    const uuid = await enrol(store.db, { provision_state: 'active', power_state: 'power on' })
    machines.set(uuid, new Error('no answer from 10.0.0.7'))
    let failures: ReadFailures = new Map()
    for (const _ of [1, 2]) {
      failures = (await round(failures)).failures
      expect(await readNode(store.db, uuid)).toMatchObject({ maintenance: false, power_state: 'power on' })
    }
    failures = (await round(failures)).failures
    const node = await readNode(store.db, uuid)
    expect(node).toMatchObject({ maintenance: true, fault: 'power failure', power_state: null })
    expect(node.maintenance_reason).toMatch(/3 times in a row: no answer from 10\.0\.0\.7/)
    expect(node.last_error).toMatch(/check its BMC/)
    expect((await historyOf(store.db, uuid)).at(-1)).toMatchObject({
      event_type: 'monitoring',
      severity: 'ERROR',
    })

    failures = (await round(failures)).failures
    machines.set(uuid, 'power on')
    await round(failures)
    expect(await readNode(store.db, uuid)).toMatchObject({
      maintenance: false,
      maintenance_reason: null,
      fault: null,
      power_state: 'power on',
      last_error: null,
    })
    expect((await historyOf(store.db, uuid)).at(-1)).toMatchObject({
      event_type: 'monitoring',
      severity: 'INFO',
    })
  })

  it('is asked again within a round, and counts from the start once it has answered', async () => {
    const uuid = await enrol(store.db, { provision_state: 'active', power_state: 'power on' })
    machines.set(uuid, new Error('lost datagram'))
    let { failures } = await round()
    expect(reads).toEqual([uuid, uuid])
    ;({ failures } = await round(failures))
    machines.set(uuid, 'power on')
    ;({ failures } = await round(failures))
    expect(failures.size).toBe(0)
  })

  it('one whose power is in error is said to be so', async () => {
    const uuid = await enrol(store.db, { provision_state: 'active', power_state: 'power on' })
    machines.set(uuid, 'error')
    await round(new Map([[uuid, 2]]))
    expect(await readNode(store.db, uuid)).toMatchObject({ power_state: 'error', fault: 'power failure' })
  })
})

it('conductors of a group share its nodes: each is read by exactly one', async () => {
  await conductor('b')
  await conductor('c', '', { 'fake-hardware': {} })
  await conductor('other driver', '', { ipmi: {} } as never)
  await conductor('other group', 'elsewhere')
  await enrol(store.db, { provision_state: 'active', power_state: 'power off' }, 300)
  const shares = []
  for (const host of ['a', 'b', 'c']) shares.push((await round(new Map(), host)).read)
  expect(shares.reduce((sum, each) => sum + each)).toBe(300)
  expect(new Set(reads).size).toBe(300)
  for (const share of shares) expect(share).toBeGreaterThan(50)
})
