import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { bootstrap, ensureAssignment, ensureProject, ensureUser } from './bootstrap.ts'
import { verifyPassword } from './passwords.ts'

let store: Store
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())

const everything = async () => ({
  roles: await store.db.selectFrom('roles').selectAll().orderBy('name').execute(),
  users: await store.db.selectFrom('users').selectAll().orderBy('name').execute(),
  projects: await store.db.selectFrom('projects').selectAll().orderBy('name').execute(),
  assignments: await store.db.selectFrom('role_assignments').selectAll().orderBy('project_id').execute(),
})

describe('the first start', () => {
  test('makes roles, and an administrator of the system with a random password, told once', async () => {
    // Two processes at once are one.
    const told = await Promise.all([bootstrap(store.db), bootstrap(store.db)])
    const passwords = told.flatMap((each) => each.generatedPassword ?? [])
    expect(passwords).toHaveLength(1)

    const { roles, users, projects, assignments } = await everything()
    expect(roles.map((role) => role.name)).toEqual(['admin', 'manager', 'member', 'reader', 'service'])
    expect(users.map((user) => user.name)).toEqual(['admin'])
    expect(await verifyPassword(passwords[0] as string, users[0]?.password_hash as string)).toBe(true)
    expect(assignments.map((each) => each.project_id)).toEqual([projects[0]?.id, null])
    for (const { id } of [...roles, ...users, ...projects]) expect(id).toMatch(/^[0-9a-f]{32}$/)
  })

  test('changes nothing when it has been', async () => {
    const before = await everything()
    expect(await bootstrap(store.db, { adminPassword: 'another' })).toEqual({ generatedPassword: undefined })
    expect(await everything()).toEqual(before)
  })

  test('does not bring back an administrator whom another has taken the place of', async () => {
    const other = await ensureUser(store.db, { name: 'other', password: 'x' })
    await ensureAssignment(store.db, { userId: other.id, role: 'admin', projectId: null })
    await store.db.deleteFrom('users').where('name', '=', 'admin').execute()
    await bootstrap(store.db)
    expect((await everything()).users.map((user) => user.name)).toEqual(['other'])
  })

  test('brings back an administrator when there is none at all, with the password given', async () => {
    await store.db.deleteFrom('users').execute()
    expect(await bootstrap(store.db, { adminPassword: 'given' })).toEqual({ generatedPassword: undefined })
    const { users } = await everything()
    expect(await verifyPassword('given', users[0]?.password_hash as string)).toBe(true)
  })
})

describe('what --demo adds', () => {
  test('is made once, and a password that exists stays', async () => {
    const make = async (password: string) => {
      const project = await ensureProject(store.db, { name: 'lessee' })
      const user = await ensureUser(store.db, { name: 'lena', password })
      await ensureAssignment(store.db, { userId: user.id, role: 'member', projectId: project.id })
      return { project, user }
    }
    const first = await make('one')
    expect([first.project.made, first.user.made]).toEqual([true, true])
    const before = await everything()
    const second = await make('two')
    expect(second).toEqual({
      project: { id: first.project.id, made: false },
      user: { id: first.user.id, made: false },
    })
    expect(await everything()).toEqual(before)
  })
})
