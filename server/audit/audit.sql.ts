/** The audit in PostgreSQL. */
import { type Insertable, type Selectable, type SqlBool, sql } from 'kysely'
import type { AuditTable, Db } from '../store/index.ts'

export type AuditRow = Selectable<AuditTable>
export type NewAuditRow = Insertable<AuditTable>

/**
 * Whose rows: everybody's; or those of a project, which are what it did itself, and what others who could see its
 * nodes did to them while it owned them. Who watched a console is for its tenant and the operator: an owner sees nothing of
 * that while its node was leased. What was answered with 404 is left out: a row for a hidden object and none
 * for an absent one would tell that it exists.
 */
export type AuditVisible = { kind: 'all' } | { kind: 'project'; projectId: string }

export interface AuditFilters {
  nodeUuid?: string
  userId?: string
  projectId?: string
  outcome?: string
  requestId?: string
  since?: Date
  until?: Date
}

/** Writes rows in one statement. */
export async function insertAudit(db: Db, rows: readonly NewAuditRow[]): Promise<void> {
  await db
    .insertInto('audit')
    .values([...rows])
    .execute()
}

/** One page, newest first; `marker` is the UUID of the last row seen. Undefined for a marker that is not visible. */
export async function listAudit(
  db: Db,
  visible: AuditVisible,
  filters: AuditFilters,
  page: { limit: number; marker?: string | undefined },
): Promise<AuditRow[] | undefined> {
  const mine =
    visible.kind === 'all'
      ? sql<SqlBool>`true`
      : sql<SqlBool>`(
          (
            project_id = ${visible.projectId}
            OR (owner = ${visible.projectId} AND (COALESCE(lessee, owner) = owner OR action NOT LIKE 'CONSOLE %'))
          )
          AND status <> 404
        )`
  let query = db.selectFrom('audit').selectAll().where(mine)
  if (page.marker !== undefined) {
    const marker = await db
      .selectFrom('audit')
      .select('id')
      .where('uuid', '=', page.marker)
      .where(mine)
      .executeTakeFirst()
    if (!marker) return undefined
    query = query.where('id', '<', marker.id)
  }
  if (filters.nodeUuid) query = query.where('node_uuid', '=', filters.nodeUuid)
  if (filters.userId) query = query.where('user_id', '=', filters.userId)
  if (filters.projectId) query = query.where('project_id', '=', filters.projectId)
  if (filters.outcome) query = query.where('outcome', '=', filters.outcome)
  if (filters.requestId) query = query.where('request_id', '=', filters.requestId)
  if (filters.since) query = query.where('at', '>=', filters.since)
  if (filters.until) query = query.where('at', '<', filters.until)
  return query.orderBy('id', 'desc').limit(page.limit).execute()
}

/** Removes a bounded number of rows older than `before`; returns how many. */
export async function purgeAudit(db: Db, before: Date, atMost = 10_000): Promise<number> {
  const gone = await db
    .deleteFrom('audit')
    .where('id', 'in', (eb) =>
      eb.selectFrom('audit').select('id').where('at', '<', before).orderBy('id').limit(atMost),
    )
    .executeTakeFirst()
  return Number(gone.numDeletedRows)
}
