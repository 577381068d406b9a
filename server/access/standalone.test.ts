/** Following many tokens at once: who they are now, whatever changed about them. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { bootstrap, ensureAssignment, ensureProject, issueToken, revokeToken } from './index.ts'
import { standaloneAuthenticator } from './standalone.ts'

let store: Store
beforeAll(async () => {
  store = await testStore()
  await bootstrap(store.db, { adminPassword: 'correct horse' })
})
afterAll(() => store.close())

/** A user with a role in a project of its own, and two tokens. */
async function somebody() {
  const { db } = store
  const { id: projectId } = await ensureProject(db, { name: randomUUID() })
  const userId = randomUUID().replaceAll('-', '')
  await db.insertInto('users').values({ id: userId, name: userId }).execute()
  await ensureAssignment(db, { userId, role: 'manager', projectId })
  const wanted = { userId, scope: { projectId }, methods: ['password'], applicationCredentialId: null }
  const issue = async (lifeSeconds = 3600) =>
    (await issueToken(db, { ...wanted, lifeSeconds, notAfter: null })) as string
  return { userId, projectId, issue, tokens: [await issue(), await issue()] as const }
}

test('the same is answered until something about a token changes, and then what is so now', async () => {
  const { db } = store
  const { userId, projectId, issue, tokens } = await somebody()
  const [first, second] = tokens
  const { current } = standaloneAuthenticator(db)
  const before = await current(tokens)
  expect([...before.keys()].sort()).toEqual([...tokens].sort())
  expect(await current(tokens)).toBe(before)
  // Others who ask about one do not make it forget.
  await current([first])
  expect(await current(tokens)).toBe(before)

  await ensureAssignment(db, { userId, role: 'admin', projectId })
  expect((await current(tokens)).get(first)?.roles).toContain('admin')
  await revokeToken(db, second)
  expect([...(await current(tokens)).keys()]).toEqual([first])

  const brief = await issue(1)
  expect((await current([first, brief])).size).toBe(2)
  await expect.poll(async () => (await current([first, brief])).size, { timeout: 5_000 }).toBe(1)

  await db.updateTable('projects').set({ enabled: false }).where('id', '=', projectId).execute()
  expect((await current([first, brief])).size).toBe(0)
  await db.updateTable('projects').set({ enabled: true }).where('id', '=', projectId).execute()
  expect((await current([first, brief])).size).toBe(1)
  await db.updateTable('users').set({ enabled: false }).where('id', '=', userId).execute()
  expect((await current([first, brief])).size).toBe(0)
})
