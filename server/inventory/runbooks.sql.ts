/** Runbooks in PostgreSQL. A project sees its own and the public ones. */
import { type Insertable, type Selectable, type SqlBool, sql, type Updateable } from 'kysely'
import type { Db, RunbooksTable } from '../store/index.ts'
import { type Constraints, worded } from './constraints.ts'
import { type Keyset, keysetPage } from './keyset.ts'
import type { Visible } from './visible.ts'

export type Runbook = Selectable<RunbooksTable>
export type NewRunbook = Insertable<RunbooksTable>
export type RunbookChanges = Updateable<RunbooksTable>
export type RunbookColumn = keyof RunbooksTable & string

/** One page of the runbooks that a caller may see. */
export async function listRunbooks<Column extends RunbookColumn>(
  db: Db,
  visible: Visible,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<Runbook, Column>[]> {
  const seen =
    visible.kind === 'all'
      ? sql<SqlBool>`true`
      : sql<SqlBool>`(runbooks.owner = ${visible.projectId} OR runbooks.public)`
  const query = db
    .selectFrom('runbooks')
    .select(columns as never)
    .where(seen)
  const paged = await keysetPage(query, 'runbooks', page, (marker) =>
    db.selectFrom('runbooks').select('id').where('uuid', '=', marker).where(seen).executeTakeFirst(),
  )
  return (await paged.execute()) as unknown as Pick<Runbook, Column>[]
}

/** A runbook by UUID or name, or undefined. */
export function findRunbook(db: Db, by: { uuid: string } | { name: string }): Promise<Runbook | undefined> {
  const query = db.selectFrom('runbooks').selectAll()
  return 'uuid' in by
    ? query.where('uuid', '=', by.uuid).executeTakeFirst()
    : query.where('name', '=', by.name).executeTakeFirst()
}

/** @throws LeaseholdError 'conflict' when the UUID or name is another runbook's. */
export const insertRunbook = (db: Db, runbook: NewRunbook): Promise<Runbook> =>
  worded(constraints, runbook, () =>
    db.insertInto('runbooks').values(runbook).returningAll().executeTakeFirstOrThrow(),
  )

/**
 * Writes what `change` makes of a runbook while nobody else changes it; undefined when there is none.
 * @throws LeaseholdError 'conflict' as `insertRunbook`; whatever `change` throws.
 */
export const changeRunbook = (
  db: Db,
  uuid: string,
  change: (runbook: Runbook) => RunbookChanges,
): Promise<Runbook | undefined> =>
  db.transaction().execute(async (transaction) => {
    const query = transaction.selectFrom('runbooks').selectAll().where('uuid', '=', uuid)
    const runbook = await query.forUpdate().executeTakeFirst()
    const changes = runbook && change(runbook)
    if (!changes || Object.keys(changes).length === 0) return runbook
    return worded(constraints, changes, () =>
      transaction
        .updateTable('runbooks')
        .set({ ...changes, updated_at: new Date() })
        .where('uuid', '=', uuid)
        .returningAll()
        .executeTakeFirst(),
    )
  })

/** Deletes a runbook if it still is its owner's who was asked about; false when it is not. */
export async function deleteRunbook(db: Db, runbook: Pick<Runbook, 'uuid' | 'owner'>): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('runbooks')
    .where('uuid', '=', runbook.uuid)
    .where(sql<SqlBool>`owner IS NOT DISTINCT FROM ${runbook.owner}`)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

const constraints: Constraints<RunbookChanges> = {
  runbooks_uuid_key: ['conflict', (runbook) => `A runbook with UUID ${runbook.uuid} already exists.`],
  runbooks_name_key: ['conflict', (runbook) => `A runbook with name ${runbook.name} already exists.`],
}
