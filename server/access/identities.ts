/** The identities of the standalone strategy what several files share, and whom a viewer may see. */
import { randomUUID } from 'node:crypto'
import { LeaseholdError } from '../errors.ts'
import type { Caller } from './caller.ts'

/** The roles of Keystone's default hierarchy; they can not be deleted. */
export const fixedRoles = ['admin', 'manager', 'member', 'reader', 'service'] as const
export type FixedRole = (typeof fixedRoles)[number]

/** The only domain: names of users and projects are unique in it. */
export const domain = { id: 'default', name: 'Default' } as const

/** An id as Keystone makes them: 32 hexadecimal digits. */
export const newId = (): string => randomUUID().replaceAll('-', '')

/** Whoever looks at identities: everything, or what is the user's own. */
export interface Viewer {
  seesAll: boolean
  userId: string
}

/** Readers of the system see everything, all others themselves, their projects, assignments and credentials. */
export const viewerOf = (caller: Caller): Viewer => ({
  seesAll: caller.systemScope === 'all' && caller.roles.includes('reader'),
  userId: caller.userId ?? '',
})

/** Administrators of the system may change identities. */
export const mayChange = (caller: Caller): boolean =>
  caller.systemScope === 'all' && caller.roles.includes('admin')

/** Most rows a list answers; more than that, and it says that it is cut. */
export const maxListed = 10_000

/** Keystone's words for what is not there, or not for the caller to see. */
export const notFound = (what: string, id: string): LeaseholdError =>
  new LeaseholdError('not-found', `Could not find ${what}: ${id}.`)

/** Rewords PostgreSQL's errors about keys: taken names are a conflict, references to nothing are not found. */
export async function reworded<T>(
  work: Promise<T>,
  words: { duplicate?: string; missing?: string },
): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === '23505' && words.duplicate) throw new LeaseholdError('conflict', words.duplicate)
    if (code === '23503' && words.missing) throw new LeaseholdError('not-found', words.missing)
    throw error
  }
}
