/** Chassis in PostgreSQL: enclosures that hold nodes. They belong to the system. */
import type { Insertable, Selectable, Updateable } from 'kysely'
import type { ChassisTable, Db } from '../store/index.ts'
import { type Constraints, worded } from './constraints.ts'
import { type Keyset, keysetPage } from './keyset.ts'

export type Chassis = Selectable<ChassisTable>
export type NewChassis = Insertable<ChassisTable>
export type ChassisChanges = Updateable<ChassisTable>
export type ChassisColumn = keyof ChassisTable & string

/** One page of all chassis. */
export async function listChassis<Column extends ChassisColumn>(
  db: Db,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<Chassis, Column>[]> {
  const query = db.selectFrom('chassis').select(columns as never)
  const paged = await keysetPage(query, 'chassis', page, (marker) => findChassis(db, marker))
  return (await paged.execute()) as unknown as Pick<Chassis, Column>[]
}

export const findChassis = (db: Db, uuid: string): Promise<Chassis | undefined> =>
  db.selectFrom('chassis').selectAll().where('uuid', '=', uuid).executeTakeFirst()

/** @throws LeaseholdError 'conflict' when the UUID is another's. */
export const insertChassis = (db: Db, chassis: NewChassis): Promise<Chassis> =>
  worded(constraints, chassis, () =>
    db.insertInto('chassis').values(chassis).returningAll().executeTakeFirstOrThrow(),
  )

/** Writes what `change` makes of a chassis while nobody else changes it; undefined when there is none. */
export const changeChassis = (
  db: Db,
  uuid: string,
  change: (chassis: Chassis) => ChassisChanges,
): Promise<Chassis | undefined> =>
  db.transaction().execute(async (transaction) => {
    const query = transaction.selectFrom('chassis').selectAll().where('uuid', '=', uuid)
    const chassis = await query.forUpdate().executeTakeFirst()
    const changes = chassis && change(chassis)
    if (!changes || Object.keys(changes).length === 0) return chassis
    return transaction
      .updateTable('chassis')
      .set({ ...changes, updated_at: new Date() })
      .where('uuid', '=', uuid)
      .returningAll()
      .executeTakeFirst()
  })

/** False when there is none. @throws LeaseholdError 'invalid' when it holds nodes. */
export const deleteChassis = (db: Db, uuid: string): Promise<boolean> =>
  worded(constraints, { uuid }, async () => {
    const { numDeletedRows } = await db.deleteFrom('chassis').where('uuid', '=', uuid).executeTakeFirst()
    return numDeletedRows > 0n
  })

const constraints: Constraints<ChassisChanges> = {
  chassis_uuid_key: ['conflict', ({ uuid }) => `A chassis with UUID ${uuid} already exists.`],
  nodes_chassis_fkey: [
    'invalid',
    ({ uuid }) => `Chassis ${uuid} holds nodes; remove their chassis_uuid or delete them first.`,
  ],
}
