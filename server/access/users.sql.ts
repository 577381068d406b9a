/** Users of the standalone strategy. */
import type { Selectable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Db, UsersTable } from '../store/index.ts'
import { maxListed, newId, notFound, reworded, type Viewer } from './identities.ts'
import { hashPassword } from './passwords.ts'
import { revokeTokensOfUser } from './tokens.sql.ts'

/** A user, without what its password is kept as. */
export type User = Omit<Selectable<UsersTable>, 'password_hash'>

const columns = [
  'id',
  'name',
  'domain_id',
  'description',
  'email',
  'default_project_id',
  'enabled',
  'created_at',
] as const

/** What of a user can be set. An `undefined` leaves it as it is. */
export interface UserFields {
  name?: string | undefined
  description?: string | undefined
  email?: string | null | undefined
  default_project_id?: string | null | undefined
  enabled?: boolean | undefined
  password?: string | null | undefined
}

/** Users the viewer may see, by name. */
export async function listUsers(
  db: Db,
  viewer: Viewer,
  filter: { name?: string | undefined; enabled?: boolean | undefined } = {},
): Promise<User[]> {
  let query = visible(db, viewer).orderBy('name').limit(maxListed)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', filter.enabled)
  return await query.execute()
}

/** @throws LeaseholdError 'not-found' also when the viewer may not see it. */
export async function getUser(db: Db, viewer: Viewer, id: string): Promise<User> {
  const user = await visible(db, viewer).where('id', '=', id).executeTakeFirst()
  if (!user) throw notFound('user', id)
  return user
}

/** @throws LeaseholdError 'conflict' when the name is taken, 'not-found' when the default project is not there. */
export async function createUser(db: Db, user: UserFields & { name: string }): Promise<User> {
  const insert = db
    .insertInto('users')
    .values({
      id: newId(),
      name: user.name,
      description: user.description ?? '',
      email: user.email ?? null,
      default_project_id: user.default_project_id ?? null,
      enabled: user.enabled ?? true,
      password_hash: user.password ? await hashPassword(user.password) : null,
    })
    .returning(columns)
  return await reworded(insert.executeTakeFirstOrThrow(), wordsFor(user))
}

/** A new password, and disabling, make the user's tokens void. @throws LeaseholdError 'not-found' | 'conflict' */
export async function updateUser(db: Db, id: string, change: UserFields): Promise<User> {
  const passwordHash = change.password ? await hashPassword(change.password) : change.password
  return await db.transaction().execute(async (trx) => {
    const update = trx
      .updateTable('users')
      .set((eb) => ({
        name: change.name ?? eb.ref('name'),
        description: change.description ?? eb.ref('description'),
        enabled: change.enabled ?? eb.ref('enabled'),
        email: change.email === undefined ? eb.ref('email') : change.email,
        default_project_id:
          change.default_project_id === undefined ? eb.ref('default_project_id') : change.default_project_id,
        password_hash: passwordHash === undefined ? eb.ref('password_hash') : passwordHash,
      }))
      .where('id', '=', id)
      .returning(columns)
    const user = await reworded(update.executeTakeFirst(), wordsFor(change))
    if (!user) throw notFound('user', id)
    if (passwordHash !== undefined || !user.enabled) await revokeTokensOfUser(trx, id)
    return user
  })
}

/**
 * Changes the password, if it still is what it was when the old one was verified.
 * @throws LeaseholdError 'conflict' when it has been changed meanwhile.
 */
export async function changePassword(
  db: Db,
  id: string,
  verifiedHash: string,
  password: string,
): Promise<void> {
  const hash = await hashPassword(password)
  await db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('users')
      .set({ password_hash: hash })
      .where('id', '=', id)
      .where('password_hash', '=', verifiedHash)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw new LeaseholdError('conflict', 'The password has just been changed.')
    await revokeTokensOfUser(trx, id)
  })
}

/** With it go its assignments, application credentials and tokens. @throws LeaseholdError 'not-found' */
export async function deleteUser(db: Db, id: string): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom('users').where('id', '=', id).executeTakeFirst()
  if (numDeletedRows === 0n) throw notFound('user', id)
}

const visible = (db: Db, viewer: Viewer) =>
  db
    .selectFrom('users')
    .select(columns)
    .$if(!viewer.seesAll, (query) => query.where('id', '=', viewer.userId))

const wordsFor = (user: UserFields) => ({
  duplicate: `There is a user named ${user.name} already; choose another name.`,
  missing: `Could not find project: ${user.default_project_id}.`,
})
