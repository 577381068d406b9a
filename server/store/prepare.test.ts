import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Store } from './index.ts'
import { testStore } from './testing.ts'

let store: Store

beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())

const named = () => sql<{ one: number }>`SELECT count(*)::int AS one FROM pg_prepared_statements`

test('a statement with values is prepared once a connection and answers the same each time', async () => {
  await store.db.connection().execute(async (db) => {
    const ask = (value: number) => sql<{ sum: number }>`SELECT ${value}::int + 1 AS sum`.execute(db)
    expect((await ask(1)).rows).toEqual([{ sum: 2 }])
    const before = (await named().execute(db)).rows[0]?.one
    expect((await ask(41)).rows).toEqual([{ sum: 42 }])
    expect((await named().execute(db)).rows[0]?.one).toBe(before)
    expect(before).toBeGreaterThan(0)
  })
})

test('a statement whose result a migration changes goes on working, in transactions from the second time', async () => {
  const { db } = store
  await sql`CREATE TABLE things (id int)`.execute(db)
  await sql`INSERT INTO things VALUES (${1})`.execute(db)
  await db.connection().execute(async (one) => {
    const ask = (through: typeof one) => sql`SELECT * FROM things WHERE id = ${1}`.execute(through)
    await ask(one)
    await sql`ALTER TABLE things ADD COLUMN name text`.execute(one)
    expect((await ask(one)).rows).toEqual([{ id: 1, name: null }])
    await ask(one)
    await sql`ALTER TABLE things ADD COLUMN color text`.execute(one)
    await expect(one.transaction().execute(ask)).rejects.toMatchObject({ code: '0A000' })
    const { rows } = await one.transaction().execute(ask)
    expect(rows).toEqual([{ id: 1, name: null, color: null }])
  })
})

test('a wrong value is refused and the next is taken', async () => {
  const ask = (value: string) => sql`SELECT ${value}::uuid AS uuid`.execute(store.db)
  await expect(ask('no')).rejects.toMatchObject({ code: '22P02' })
  const uuid = '5ba7c9ce-7e0d-4c9c-8f0d-3b4e3ff19b5a'
  expect((await ask(uuid)).rows).toEqual([{ uuid }])
})
