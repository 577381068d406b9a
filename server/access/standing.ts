/** What a user of the standalone strategy is on a scope at this moment: what tokens and keys are both judged by. */
import { type RawBuilder, sql } from 'kysely'
import { type Caller, callerOf } from './caller.ts'

/** Who and where, as queries read it. */
export interface Standing {
  user_id: string
  user_name: string
  user_domain_id: string
  project_id: string | null
  project_name: string | null
  project_domain_id: string | null
  system_scope: boolean
}

/** SQL of the names of the roles that the user of row `row` has now on its project; on the system where `system` holds. */
export const assignedRoles = (row: string, system: RawBuilder<boolean>): RawBuilder<string[]> => {
  const [user, project] = [sql.ref(`${row}.user_id`), sql.ref(`${row}.project_id`)]
  return sql`ARRAY(SELECT r.name FROM role_assignments a JOIN roles r ON r.id = a.role_id
                   WHERE a.user_id = ${user} AND (a.project_id = ${project} OR (${system} AND a.project_id IS NULL)))`
}

/** The caller that a standing and its roles make. */
export const standingCaller = (
  row: Standing,
  roles: readonly string[],
  proof: Pick<Caller, 'tokenHash' | 'expiresAt'>,
): Caller =>
  callerOf({
    authMethod: 'standalone',
    userId: row.user_id,
    userName: row.user_name,
    userDomainId: row.user_domain_id,
    projectId: row.project_id,
    projectName: row.project_name,
    projectDomainId: row.project_domain_id,
    systemScope: row.system_scope ? 'all' : null,
    roles,
    ...proof,
  })
