/** Whom a public key of a console speaks for: found anew at each use, as for tokens. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import type { Caller } from './caller.ts'
import { assignedRoles, type Standing, standingCaller } from './standing.ts'

/**
 * Callers of the keys with these ids, in one query. A key that is gone, whose user or project is disabled or gone, or
 * whose user has no role there any more is not in the answer.
 */
export async function callersOfKeys(db: Db, keyIds: readonly string[]): Promise<Map<string, Caller>> {
  if (keyIds.length === 0) return new Map()
  const { rows } = await sql<KeyRow>`
    SELECT k.id, k.user_id, u.name AS user_name, u.domain_id AS user_domain_id,
           k.project_id, p.name AS project_name, p.domain_id AS project_domain_id,
           k.project_id IS NULL AS system_scope, ${assignedRoles('k', sql`k.project_id IS NULL`)} AS assigned
    FROM console_keys k
    JOIN users u ON u.id = k.user_id
    LEFT JOIN projects p ON p.id = k.project_id
    WHERE k.id = ANY (${keyIds}::uuid[]) AND u.enabled AND (p.id IS NULL OR p.enabled)`.execute(db)
  return new Map(
    rows
      .filter((row) => row.assigned.length > 0)
      .map((row) => [row.id, standingCaller(row, row.assigned, { tokenHash: null, expiresAt: null })]),
  )
}

interface KeyRow extends Standing {
  id: string
  assigned: string[]
}
