/** Roles of the standalone strategy, and who has which of them where. */
import { type Selectable, sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Db, RolesTable } from '../store/index.ts'
import { expandRoles } from './caller.ts'
import { fixedRoles, maxListed, newId, notFound, reworded, type Viewer } from './identities.ts'

export type Role = Selectable<RolesTable>

/** Roles by name. Everyone may see them. */
export async function listRoles(db: Db, filter: { name?: string | undefined } = {}): Promise<Role[]> {
  let query = db.selectFrom('roles').selectAll().orderBy('name').limit(maxListed)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  return await query.execute()
}

/** @throws LeaseholdError 'not-found' */
export async function getRole(db: Db, id: string): Promise<Role> {
  const role = await db.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst()
  if (!role) throw notFound('role', id)
  return role
}

/** Rows of the roles with these names, with those they imply. */
export async function rolesNamed(db: Db, names: readonly string[]): Promise<Role[]> {
  const expanded = expandRoles(names)
  return expanded.length === 0
    ? []
    : await db.selectFrom('roles').selectAll().where('name', 'in', expanded).orderBy('name').execute()
}

/** @throws LeaseholdError 'conflict' when the name is taken, in whatever case: rules do not tell case apart. */
export async function createRole(
  db: Db,
  role: { name: string; description?: string | undefined },
): Promise<Role> {
  const duplicate = `There is a role named ${role.name} already; choose another name.`
  const same = await db
    .selectFrom('roles')
    .select('id')
    .where(sql`lower(name)`, '=', role.name.toLowerCase())
    .executeTakeFirst()
  if (same) throw new LeaseholdError('conflict', duplicate)
  const insert = db
    .insertInto('roles')
    .values({ id: newId(), name: role.name, description: role.description ?? '' })
    .returningAll()
  return await reworded(insert.executeTakeFirstOrThrow(), { duplicate })
}

/** Sets the description; names of roles do not change. @throws LeaseholdError 'not-found' */
export async function describeRole(db: Db, id: string, description: string): Promise<Role> {
  const role = await db
    .updateTable('roles')
    .set({ description })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  if (!role) throw notFound('role', id)
  return role
}

/**
 * With it go its assignments and the application credentials that have it.
 * @throws LeaseholdError 'forbidden' for the fixed roles, 'not-found'.
 */
export async function deleteRole(db: Db, id: string): Promise<void> {
  const role = await getRole(db, id)
  if ((fixedRoles as readonly string[]).includes(role.name))
    throw new LeaseholdError('forbidden', `Role ${role.name} is fixed and can not be deleted.`)
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('application_credentials').where(sql<boolean>`${id} = ANY (role_ids)`).execute()
    await trx.deleteFrom('roles').where('id', '=', id).execute()
  })
}

/** A role of a user on a project or, with `projectId: null`, on the system. */
export interface Assignment {
  userId: string
  roleId: string
  projectId: string | null
}

/** Gives the role; does nothing when the user has it. @throws LeaseholdError 'not-found' */
export async function assignRole(db: Db, { userId, roleId, projectId }: Assignment): Promise<void> {
  const insert = db
    .insertInto('role_assignments')
    .values({ user_id: userId, role_id: roleId, project_id: projectId })
    .onConflict((conflict) => conflict.doNothing())
  await reworded(insert.execute(), {
    missing: `Could not find user ${userId}, role ${roleId}${projectId === null ? '' : ` or project ${projectId}`}.`,
  })
}

/** Takes the role, and the application credentials that need it. @throws LeaseholdError 'not-found' */
export async function unassignRole(db: Db, { userId, roleId, projectId }: Assignment): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { numDeletedRows } = await trx
      .deleteFrom('role_assignments')
      .where('user_id', '=', userId)
      .where('role_id', '=', roleId)
      .where('project_id', projectId === null ? 'is' : '=', projectId)
      .executeTakeFirst()
    if (numDeletedRows === 0n) throw notFound('role assignment', roleId)
    if (projectId !== null) await pruneCredentials(trx, userId, projectId)
  })
}

export interface AssignmentFilter {
  userId?: string | undefined
  roleId?: string | undefined
  /** A project's id, or the system (null). */
  scope?: { projectId: string | null } | undefined
}

export interface NamedAssignment extends Assignment {
  userName: string
  roleName: string
  projectName: string | null
}

/** Assignments the viewer may see. */
export async function listAssignments(
  db: Db,
  viewer: Viewer,
  filter: AssignmentFilter,
): Promise<NamedAssignment[]> {
  const { userId, roleId, scope } = filter
  return await db
    .selectFrom('role_assignments as a')
    .innerJoin('users as u', 'u.id', 'a.user_id')
    .innerJoin('roles as r', 'r.id', 'a.role_id')
    .leftJoin('projects as p', 'p.id', 'a.project_id')
    .select([
      'a.user_id as userId',
      'a.role_id as roleId',
      'a.project_id as projectId',
      'u.name as userName',
      'r.name as roleName',
      'p.name as projectName',
    ])
    .$if(!viewer.seesAll, (query) => query.where('a.user_id', '=', viewer.userId))
    .$if(userId !== undefined, (query) => query.where('a.user_id', '=', userId as string))
    .$if(roleId !== undefined, (query) => query.where('a.role_id', '=', roleId as string))
    .$if(scope !== undefined, (query) =>
      query.where('a.project_id', scope?.projectId === null ? 'is' : '=', scope?.projectId as string | null),
    )
    .orderBy('u.name')
    .orderBy('p.name')
    .orderBy('r.name')
    .limit(maxListed)
    .execute()
}

/** Names of the roles that a user has on a project, or on the system (null), with the implied ones. */
export async function effectiveRoles(db: Db, userId: string, projectId: string | null): Promise<string[]> {
  const rows = await db
    .selectFrom('role_assignments')
    .innerJoin('roles', 'roles.id', 'role_assignments.role_id')
    .select('roles.name')
    .where('user_id', '=', userId)
    .where('project_id', projectId === null ? 'is' : '=', projectId)
    .execute()
  return expandRoles(rows.map((row) => row.name))
}

/** Deletes the user's application credentials for the project that have a role the user no longer has there. */
async function pruneCredentials(db: Db, userId: string, projectId: string): Promise<void> {
  const left = await effectiveRoles(db, userId, projectId)
  await sql`
    DELETE FROM application_credentials c
    WHERE user_id = ${userId} AND project_id = ${projectId}
      AND EXISTS (SELECT FROM roles r WHERE r.id = ANY (c.role_ids) AND r.name <> ALL (${left}::text[]))`.execute(
    db,
  )
}
