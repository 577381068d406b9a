/** Public keys with which users come in by SSH, each as a member of one project or of the system. */
import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { ConsoleKeysTable, Db } from '../store/index.ts'
import type { PublicKey } from './public-key.ts'

export type ConsoleKey = Selectable<ConsoleKeysTable>

/** Whose keys, and for which scope: a project, or the system (null). */
export interface KeyOwner {
  userId: string
  projectId: string | null
}

/** One user has at most so many for one scope. */
export const maxKeys = 50
/** A key that more users than this have named as theirs is tried for the first of them. */
const maxHolders = 16

/** By name, then by age. */
export async function listKeys(db: Db, owner: KeyOwner): Promise<ConsoleKey[]> {
  return await ownedBy(db, owner).orderBy('name').orderBy('created_at').execute()
}

/**
 * Adds a key.
 * @throws LeaseholdError 'conflict' when this user has it there already, 'forbidden' when there are too many.
 */
export async function addKey(
  db: Db,
  owner: KeyOwner,
  wanted: { name: string; key: PublicKey },
): Promise<ConsoleKey> {
  return await db.transaction().execute(async (trx) => {
    // Two requests at once must not pass the limit together.
    await sql`SELECT FROM users WHERE id = ${owner.userId} FOR UPDATE`.execute(trx)
    const present = await ownedBy(trx, owner).execute()
    const { name, key } = wanted
    const same = present.find((each) => each.fingerprint === key.fingerprint)
    if (same) throw new LeaseholdError('conflict', `This key is there already, as ${same.name} (${same.id}).`)
    if (present.length >= maxKeys)
      throw new LeaseholdError(
        'forbidden',
        `A user has at most ${maxKeys} keys for one project: delete some.`,
      )
    return await trx
      .insertInto('console_keys')
      .values({
        id: randomUUID(),
        name,
        user_id: owner.userId,
        project_id: owner.projectId,
        public_key: key.text,
        fingerprint: key.fingerprint,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
  })
}

/** @returns the key that was deleted; undefined when there is none, or it is another's. */
export async function deleteKey(db: Db, owner: KeyOwner, id: string): Promise<ConsoleKey | undefined> {
  return await db
    .deleteFrom('console_keys')
    .where('id', '=', id)
    .where('user_id', '=', owner.userId)
    .where('project_id', owner.projectId === null ? 'is' : '=', owner.projectId)
    .returningAll()
    .executeTakeFirst()
}

/** Ids of all who have named this key as theirs, the oldest first. */
export async function holdersOfKey(db: Db, fingerprint: string): Promise<string[]> {
  const rows = await db
    .selectFrom('console_keys')
    .select('id')
    .where('fingerprint', '=', fingerprint)
    .orderBy('created_at')
    .orderBy('id')
    .limit(maxHolders)
    .execute()
  return rows.map(({ id }) => id)
}

const ownedBy = (db: Db, { userId, projectId }: KeyOwner) =>
  db
    .selectFrom('console_keys')
    .selectAll()
    .where('user_id', '=', userId)
    .where('project_id', projectId === null ? 'is' : '=', projectId)
