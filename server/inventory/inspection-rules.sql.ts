/** Inspection rules in PostgreSQL. */
import type { Insertable, Selectable, Updateable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Db, InspectionRulesTable } from '../store/index.ts'
import { type Keyset, keysetPage } from './keyset.ts'

export type InspectionRule = Selectable<InspectionRulesTable>
export type NewInspectionRule = Insertable<InspectionRulesTable>
export type InspectionRuleChanges = Updateable<InspectionRulesTable>
export type InspectionRuleColumn = keyof InspectionRulesTable & string

/** One page of all rules, or of those of a phase. */
export async function listInspectionRules<Column extends InspectionRuleColumn>(
  db: Db,
  filters: { phase?: string },
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<InspectionRule, Column>[]> {
  let query = db.selectFrom('inspection_rules').select(columns as never)
  if (filters.phase !== undefined) query = query.where('phase', '=', filters.phase)
  const paged = await keysetPage(query, 'inspection_rules', page, (marker) =>
    db.selectFrom('inspection_rules').select('id').where('uuid', '=', marker).executeTakeFirst(),
  )
  return (await paged.execute()) as unknown as Pick<InspectionRule, Column>[]
}

/** The rules of a phase in the order they are applied: of falling priority, the older first. */
export const inspectionRulesOf = (db: Db, phase: string): Promise<InspectionRule[]> =>
  db
    .selectFrom('inspection_rules')
    .selectAll()
    .where('phase', '=', phase)
    .orderBy('priority', 'desc')
    .orderBy('id')
    .execute()

export const findInspectionRule = (db: Db, uuid: string): Promise<InspectionRule | undefined> =>
  db.selectFrom('inspection_rules').selectAll().where('uuid', '=', uuid).executeTakeFirst()

/** @throws LeaseholdError 'conflict' when the UUID is another rule's. */
export async function insertInspectionRule(db: Db, rule: NewInspectionRule): Promise<InspectionRule> {
  try {
    return await db.insertInto('inspection_rules').values(rule).returningAll().executeTakeFirstOrThrow()
  } catch (error) {
    if ((error as { code?: string }).code !== '23505') throw error
    throw new LeaseholdError('conflict', `An inspection rule with UUID ${rule.uuid} already exists.`, {
      cause: error,
    })
  }
}

/**
 * Writes what `change` makes of a rule while nobody else changes it; undefined when there is none.
 * @throws whatever `change` throws.
 */
export const changeInspectionRule = (
  db: Db,
  uuid: string,
  change: (rule: InspectionRule) => InspectionRuleChanges,
): Promise<InspectionRule | undefined> =>
  db.transaction().execute(async (transaction) => {
    const query = transaction.selectFrom('inspection_rules').selectAll().where('uuid', '=', uuid)
    const rule = await query.forUpdate().executeTakeFirst()
    const changes = rule && change(rule)
    if (!changes || Object.keys(changes).length === 0) return rule
    return transaction
      .updateTable('inspection_rules')
      .set({ ...changes, updated_at: new Date() })
      .where('uuid', '=', uuid)
      .returningAll()
      .executeTakeFirst()
  })

/** Deletes one rule, or all. */
export async function deleteInspectionRules(db: Db, which: { uuid: string } | 'all'): Promise<void> {
  const all = db.deleteFrom('inspection_rules')
  await (which === 'all' ? all : all.where('uuid', '=', which.uuid)).execute()
}
