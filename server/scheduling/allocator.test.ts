/** Allocators that work at once, and one that is killed: each node at most once, to whom it may go, nothing left over. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import { findNode } from '../inventory/index.ts'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { claimNode, claimStatement } from './claim.sql.ts'
import {
  type Allocation,
  createAllocator,
  findAllocation,
  insertAllocation,
  releaseAllocation,
} from './index.ts'

let store: Store
const log = pino({ level: process.env.LOG_LEVEL ?? 'silent' })
const config = defaultConfig({ 'conductor.lock_attempts': 2, 'conductor.lock_interval_ms': 100 })
const lock = { attempts: 2, intervalMs: 20 }

beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())
beforeEach(async () => {
  await store.db.deleteFrom('allocations').execute()
  await store.db.deleteFrom('nodes').execute()
})

interface Wish {
  owner: string | null
  resource_class: string
  traits: string[]
}
interface Machine extends Wish {
  lessee: string | null
}

async function enrol(machine: Partial<Machine> = {}): Promise<string> {
  const uuid = randomUUID()
  await store.db
    .insertInto('nodes')
    .values({
      uuid,
      driver: 'fake-hardware',
      provision_state: 'available',
      power_state: 'power off',
      interfaces: '{}',
      owner: machine.owner ?? null,
      lessee: machine.lessee ?? null,
      resource_class: machine.resource_class ?? 'small',
      traits: machine.traits ?? [],
    })
    .execute()
  return uuid
}

const ask = (wish: Partial<Wish> = {}): Promise<Allocation> =>
  insertAllocation(store.db, {
    uuid: randomUUID(),
    state: 'allocating',
    owner: wish.owner ?? null,
    resource_class: wish.resource_class ?? 'small',
    traits: wish.traits ?? [],
  })

async function outcomes(): Promise<Allocation[]> {
  for (let round = 0; round < 1000; round++) {
    const rows = await store.db.selectFrom('allocations').selectAll().orderBy('id').execute()
    if (rows.every(({ state }) => state !== 'allocating')) return rows
    await sleep(10)
  }
  throw new Error('some allocations have no outcome')
}

const tenants = ['acme', 'blue', 'coop'] as const
const kind = {
  resource_class: fc.constantFrom('small', 'large'),
  traits: fc.subarray(['CUSTOM_A', 'CUSTOM_B']),
}
const machines = fc.record({
  owner: fc.constantFrom(null, ...tenants),
  lessee: fc.constantFrom(null, ...tenants),
  ...kind,
})
const wishes = fc.record({ owner: fc.constantFrom(null, ...tenants), ...kind })

const suits = (wish: Wish, machine: Machine): boolean =>
  machine.resource_class === wish.resource_class &&
  wish.traits.every((trait) => machine.traits.includes(trait)) &&
  (wish.owner === null || wish.owner === machine.owner || wish.owner === machine.lessee)

it('several at once give each node at most once, to its owner or lessee, and leave nobody waiting', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(machines, { maxLength: 12 }),
      fc.array(wishes, { minLength: 1, maxLength: 16 }),
      async (fleet, asked) => {
        await store.db.deleteFrom('allocations').execute()
        await store.db.deleteFrom('nodes').execute()
        const byUuid = new Map<string, Machine>()
        for (const machine of fleet) byUuid.set(await enrol(machine), machine)
        const allocators = [1, 2, 3].map(() => createAllocator({ db: store.db, config, log }))
        for (const allocator of allocators) allocator.start()
        await Promise.all(
          asked.map(async (wish) => {
            await ask(wish)
            for (const allocator of allocators) allocator.soon()
          }),
        )
        const rows = await outcomes()
        await Promise.all(allocators.map((allocator) => allocator.stop()))

        const active = rows.filter(({ state }) => state === 'active')
        expect(new Set(active.map(({ node_uuid }) => node_uuid)).size).toBe(active.length)
        for (const row of active) {
          const machine = byUuid.get(row.node_uuid as string)
          expect(machine && suits(row as Wish, machine)).toBe(true)
          const node = await findNode(store.db, { uuid: row.node_uuid as string })
          expect(node).toMatchObject({ instance_uuid: row.uuid, allocation_uuid: row.uuid })
        }
        // Whoever got none had nothing left to get.
        const left = [...byUuid].filter(([uuid]) => active.every(({ node_uuid }) => node_uuid !== uuid))
        for (const row of rows.filter(({ state }) => state === 'error'))
          expect(left.some(([, machine]) => suits(row as Wish, machine))).toBe(false)
      },
    ),
    { numRuns: 25 },
  )
}, 60_000)

it('a hundred for ten nodes of two tenants: ten get one', async () => {
  for (let index = 0; index < 10; index++) await enrol({ owner: 'acme', lessee: index % 2 ? 'blue' : null })
  await Promise.all(Array.from({ length: 100 }, (_, index) => ask({ owner: tenants[index % 3] as string })))
  const allocators = [1, 2, 3, 4].map(() => createAllocator({ db: store.db, config, log }))
  for (const allocator of allocators) allocator.start()
  const rows = await outcomes()
  await Promise.all(allocators.map((allocator) => allocator.stop()))
  const active = rows.filter(({ state }) => state === 'active')
  expect(active).toHaveLength(10)
  expect(active.filter(({ owner }) => owner === 'coop')).toEqual([])
  expect(active.filter(({ owner }) => owner === 'blue').length).toBeLessThanOrEqual(5)
}, 30_000)

it('one that is killed in the middle of a claim leaves node and allocation as they were, for the next', async () => {
  const node = await enrol()
  const { uuid } = await ask()
  // A process that dies loses its connection with the transaction open: so does this one.
  const client = await store.pool.connect()
  await client.query('BEGIN')
  await client.query(`SELECT 1 FROM allocations WHERE uuid = $1 FOR UPDATE`, [uuid])
  await client.query(`UPDATE nodes SET instance_uuid = $1, allocation_uuid = $1 WHERE uuid = $2`, [
    uuid,
    node,
  ])
  const waiting = await findAllocation(store.db, { uuid })
  expect(await claimNode(store.db, waiting as Allocation)).toBeUndefined()
  client.release(true)
  const allocator = createAllocator({ db: store.db, config, log })
  allocator.start()
  expect(await outcomes()).toMatchObject([{ uuid, state: 'active', node_uuid: node }])
  await allocator.stop()
})

it('those of a process that is gone are taken up by the next that starts, the oldest first', async () => {
  const node = await enrol()
  const first = await ask()
  await ask()
  const allocator = createAllocator({ db: store.db, config, log })
  await sleep(50)
  expect((await findAllocation(store.db, { uuid: first.uuid }))?.state).toBe('allocating')
  allocator.start()
  expect(await outcomes()).toMatchObject([{ state: 'active', node_uuid: node }, { state: 'error' }])
  await allocator.stop()
})

it('an allocation that is deleted while it is placed leaves no node behind', async () => {
  const nodes = await Promise.all(Array.from({ length: 5 }, () => enrol()))
  const allocator = createAllocator({ db: store.db, config, log })
  allocator.start()
  for (let round = 0; round < 40; round++) {
    const allocation = await ask()
    allocator.soon()
    await sleep(round % 5)
    await releaseAllocation(store.db, allocation, lock, () => {})
  }
  await allocator.stop()
  expect(await outcomes()).toEqual([])
  for (const uuid of nodes)
    expect(await findNode(store.db, { uuid })).toMatchObject({ instance_uuid: null, allocation_uuid: null })
})

it('chooses by an index, however many nodes there are', async () => {
  await sql`INSERT INTO nodes (uuid, driver, provision_state, power_state, resource_class, owner)
    SELECT gen_random_uuid(), 'fake-hardware', CASE WHEN n % 10 = 0 THEN 'available' ELSE 'active' END, 'power off',
      'class-' || n % 50, 'project-' || n % 7 FROM generate_series(1, 20000) AS n`.execute(store.db)
  await sql`ANALYZE nodes`.execute(store.db)
  const allocation = await ask({ owner: 'project-3', resource_class: 'class-10' })
  const { rows } = await sql<Record<string, string>>`EXPLAIN ${claimStatement(allocation)}`.execute(store.db)
  const plan = rows.flatMap((row) => Object.values(row)).join('\n')
  expect(plan).toContain('nodes_allocatable')
  expect(plan).not.toContain('Seq Scan on nodes')
})
