/** One owner of each console across all processes, whatever happens to them. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { findConsole } from './consoles.sql.ts'
import { enterHolder, leaveHolder, mostUnnotedBytes, takeFree } from './holders.sql.ts'
import { type Room, testRoom, until, watch } from './testing.ts'

let store: Store
let room: Room
beforeAll(async () => {
  store = await testStore()
  room = await testRoom(store, { 'conductor.host': 'first' })
})
afterAll(async () => {
  await room.close()
  await store.close()
})

const holder = async (node: string) =>
  await room.db
    .selectFrom('consoles')
    .leftJoin('console_holders', 'console_holders.id', 'consoles.holder')
    .select(['hostname', 'fence'])
    .where('node_uuid', '=', node)
    .executeTakeFirst()
const come = (url: string, node: string, query: Record<string, string> = {}) =>
  watch(url, node, { token: room.tokens.lessee, query })

it('a watcher at one process is led to the console that another keeps, and its keys too', async () => {
  const node = await room.node()
  await until(() => room.line(node).live)
  const second = await room.another({ 'conductor.host': 'second' })
  const line = room.line(node)
  line.say('before ')
  const watcher = await come(second.url, node, { offset: '0' })
  line.say('after')
  await until(() => watcher.text === 'before after')
  watcher.type('typed')
  await until(() => line.typed === 'typed')
  watcher.ask({ type: 'break' })
  await until(() => line.breaks === 1)
  const other = await watch(second.url, node, { token: room.tokens.owner, protocols: [] }).catch(
    (e: Error) => e,
  )
  expect(String(other)).toContain('HTTP 403')
  // The lease ends: here as there.
  await room.db.updateTable('nodes').set({ lessee: null }).where('uuid', '=', node).execute()
  await until(() => watcher.closed)
  expect(watcher.closed?.code).toBe(4410)
  await second.close()
})

it('what a process kept is taken over within ten seconds of its end; a watcher at a third place stays, and misses nothing', async () => {
  // Of the same disk, as processes that share a journal have it.
  const data = await mkdtemp(join(tmpdir(), 'leasehold-shared-'))
  const dying = await room.another({ 'conductor.host': 'dying', 'conductor.group': 'rack', data })
  const heir = await room.another({ 'conductor.host': 'heir', 'conductor.group': 'rack', data })
  const node = await room.node({ conductor_group: 'rack' })
  await until(() => room.line(node).live)
  const line = room.line(node)
  line.say('one ')
  const watcher = await come(room.url, node, { offset: '0' })
  await until(() => watcher.text === 'one ')
  const first = await holder(node)
  const [lost, other] = first?.hostname === 'dying' ? [dying, 'heir'] : [heir, 'dying']
  // A clean end: the next one need not wait.
  await lost.close()
  await until(async () => (await holder(node))?.hostname === other && line.live, 'the takeover', 10_000)
  expect(Number((await holder(node))?.fence)).toBeGreaterThan(Number(first?.fence))
  await until(() => watcher.controls.some((each) => each.type === 'reconnecting'))
  await until(
    () =>
      watcher.last('state')?.state === 'up' ||
      watcher.controls.filter((c) => c.type === 'hello').length === 2,
  )
  line.say('two')
  await until(() => watcher.text === 'one two', 'the rest')
  await (lost === dying ? heir : dying).close()
  await rm(data, { recursive: true })
})

it('a process that is not heard of loses what it kept; it lets go itself before another takes it', async () => {
  const standing = await room.another({ 'conductor.host': 'standing', 'conductor.group': 'cut' })
  const node = await room.node({ conductor_group: 'cut' })
  await until(() => room.line(node).live)
  const line = room.line(node)
  const before = await holder(node)
  expect(before?.hostname).toBe('standing')
  // Its row is gone, as if the database had been restored or the process stood still for long.
  await room.db.deleteFrom('console_holders').where('hostname', '=', 'standing').execute()
  await until(() => !line.live, 'letting go', 8_000)
  await until(
    async () => line.live && (await holder(node))?.hostname === 'standing',
    'taking it again',
    10_000,
  )
  expect(Number((await holder(node))?.fence)).toBeGreaterThan(Number(before?.fence))
  await standing.close()
})

it('a thousand consoles that become free at once are taken in one go, each by one process', async () => {
  const one = await room.another({ 'conductor.host': 'one', 'conductor.group': 'many' })
  const two = await room.another({ 'conductor.host': 'two', 'conductor.group': 'many' })
  await sql`
    INSERT INTO nodes (uuid, name, driver, provision_state, interfaces, conductor_group, owner, console_enabled,
      driver_info, driver_internal_info, properties, instance_info, extra)
    SELECT gen_random_uuid(), 'many-' || n, 'fake-hardware', 'active', '{"console": "fake"}', 'many',
      ${room.projects.owner}, true, '{}', '{}', '{}', '{}', '{}'
    FROM generate_series(1, 1000) n`.execute(room.db)
  const census = () => [one, two].map(({ consoles }) => consoles.census().states.up)
  await until(() => census().reduce((sum, each) => sum + each, 0) === 1000, 'all up', 20_000)
  for (const count of census()) expect(count).toBeGreaterThan(300)
  await one.close()
  await until(() => two.consoles.census().states.up === 1000, 'all at the other', 20_000)
  await two.close()
  await room.db.deleteFrom('nodes').where('conductor_group', '=', 'many').execute()
})

it('a node that is deleted takes its console and its journal with it', async () => {
  const node = await room.node()
  await until(() => room.line(node).live)
  room.line(node).say('something')
  const watcher = await come(room.url, node)
  const journal = room.consoles.journalOf((await findConsole(room.db, node))?.journal ?? '')
  expect(existsSync(journal)).toBe(true)
  await room.db.deleteFrom('nodes').where('uuid', '=', node).execute()
  await until(() => watcher.closed, 'the end')
  await until(() => !room.line(node).live && !existsSync(journal), 'the end of the journal')
})

it('a node enrolled anew under its old UUID meets no journal of its former life, on whatever disk', async () => {
  const node = await room.node()
  await until(() => room.line(node).live)
  room.line(node).say('of a former life')
  const journal = (await findConsole(room.db, node))?.journal
  const before = await room.db
    .selectFrom('nodes')
    .select(['uuid', 'name', 'owner', 'lessee'])
    .where('uuid', '=', node)
    .executeTakeFirstOrThrow()
  // In one go: nobody notices that it was gone.
  await room.db.transaction().execute(async (trx) => {
    await trx.deleteFrom('nodes').where('uuid', '=', node).execute()
    const interfaces = JSON.stringify({ console: 'fake' })
    await trx
      .insertInto('nodes')
      .values({
        ...before,
        driver: 'fake-hardware',
        provision_state: 'active',
        interfaces,
        console_enabled: true,
      })
      .execute()
  })
  await until(() => room.line(node).opened === 2 && room.line(node).live, 'the new console')
  expect((await findConsole(room.db, node))?.journal).not.toBe(journal)
  const watcher = await come(room.url, node, { offset: '0' })
  room.line(node).say('of this one')
  await until(() => watcher.text === 'of this one')
  expect(watcher.last('hello')).toMatchObject({ start: 0, end: 0 })
})

/** A console of a group of its own that was left at this end by who had this disk. */
async function leftBehind(disk: string | null): Promise<string> {
  const node = await room.node({ conductor_group: 'left' })
  await room.db.updateTable('consoles').set({ end_offset: 100, disk }).where('node_uuid', '=', node).execute()
  return node
}

it('what another disk may have beyond the end that is written down gets no offset twice', async () => {
  const [here, there] = [randomUUID(), randomUUID()]
  const nodes = [await leftBehind(null), await leftBehind(here), await leftBehind(there)]
  const heir = {
    id: randomUUID(),
    hostname: 'heir of left',
    conductorGroup: 'left',
    drivers: ['fake-hardware'],
    url: null,
    disk: here,
  }
  await enterHolder(room.db, heir)
  await takeFree(room.db, heir, { graceMs: 0, most: 10 })
  const ends = await Promise.all(nodes.map(async (node) => (await findConsole(room.db, node))?.end))
  expect(ends).toEqual([100, 100, 100 + mostUnnotedBytes])
  await leaveHolder(room.db, heir.id)
})

it('no more is taken of a line than another would leave room for, while the database takes no notes', async () => {
  const node = await room.node()
  await until(() => room.line(node).live)
  const line = room.line(node)
  const block = Buffer.alloc(1024 * 1024)
  let taken = 0
  await room.db.transaction().execute(async (trx) => {
    await sql`LOCK TABLE consoles IN EXCLUSIVE MODE`.execute(trx)
    expect(() => {
      for (; taken < 100; taken += 1) line.say(block)
    }).toThrow('does not take down')
  })
  expect(taken * block.length).toBeLessThanOrEqual(mostUnnotedBytes)
  const isTaken = () => {
    try {
      line.say(block)
      return true
    } catch {
      return false
    }
  }
  await until(isTaken, 'a note')
})

it('who ends in order writes down where each journal ends, and leaves nothing on its disk that is not', async () => {
  const leaving = await room.another({ 'conductor.host': 'leaving', 'conductor.group': 'leaving' })
  const node = await room.node({ conductor_group: 'leaving' })
  await until(() => room.line(node).live)
  room.line(node).say('the last words')
  await leaving.close()
  const row = await room.db
    .selectFrom('consoles')
    .selectAll()
    .where('node_uuid', '=', node)
    .executeTakeFirst()
  expect(row).toMatchObject({ holder: null, disk: null, end_offset: String('the last words'.length) })
})

it('a console that was just taken over is not shown to be up, nor at a port, as its last holder had it', async () => {
  const { id } = await room.db
    .insertInto('console_holders')
    .values({
      id: randomUUID(),
      hostname: 'dead',
      conductor_group: 'old',
      drivers: ['fake-hardware'],
      url: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  const node = await room.node({ conductor_group: 'old' })
  await room.db
    .updateTable('consoles')
    .set({ holder: id, state: 'up', tcp_url: 'tcp://192.0.2.1:10000' })
    .where('node_uuid', '=', node)
    .execute()
  expect(await findConsole(room.db, node)).toMatchObject({ state: 'up', tcpUrl: 'tcp://192.0.2.1:10000' })
  const beat = sql<Date>`now() - interval '1 minute'`
  await room.db.updateTable('console_holders').set({ beat_at: beat }).where('id', '=', id).execute()
  expect(await findConsole(room.db, node)).toMatchObject({ state: 'idle', tcpUrl: null })
  const heir = {
    id: randomUUID(),
    hostname: 'heir',
    conductorGroup: 'old',
    drivers: ['fake-hardware'],
    url: null,
    disk: randomUUID(),
  }
  await enterHolder(room.db, heir)
  const taken = await takeFree(room.db, heir, { graceMs: 0, most: 10 })
  expect(taken.map(({ nodeUuid }) => nodeUuid)).toEqual([node])
  expect(await findConsole(room.db, node)).toMatchObject({ state: 'opening', tcpUrl: null })
  await leaveHolder(room.db, heir.id)
})
