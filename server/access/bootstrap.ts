/** The first identities of the standalone strategy: roles, the first administrator, and those that --demo adds. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import { domain, type FixedRole, fixedRoles, newId } from './identities.ts'
import { hashPassword, randomPassword } from './passwords.ts'

/** Any fixed number: only one process at a time bootstraps a database. */
const bootstrapLock = 6_385_002

/**
 * Makes the fixed roles, and, when nobody is an administrator of the system, user and project `admin` with role admin
 * on both. May be called at every start: afterwards it changes nothing.
 *
 * @param options.adminPassword of a user that is made now, or what makes it; random when left out.
 * @returns the password of user `admin` if the user was made now and the password was not given.
 */
export async function bootstrap(
  db: Db,
  options: { adminPassword?: string | (() => Promise<string>) | undefined } = {},
): Promise<{ generatedPassword: string | undefined }> {
  return await db.transaction().execute(async (trx) => {
    await sql`SELECT pg_advisory_xact_lock(${bootstrapLock})`.execute(trx)
    for (const name of fixedRoles)
      await trx
        .insertInto('roles')
        .values({ id: newId(), name })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute()
    if (await hasSystemAdmin(trx)) return { generatedPassword: undefined }
    const given = options.adminPassword
    const password = (typeof given === 'function' ? await given() : given) ?? randomPassword()
    const project = await ensureProject(trx, { name: 'admin', description: 'Project of the administrators' })
    const user = await ensureUser(trx, { name: 'admin', password, defaultProjectId: project.id })
    await ensureAssignment(trx, { userId: user.id, role: 'admin', projectId: project.id })
    await ensureAssignment(trx, { userId: user.id, role: 'admin', projectId: null })
    return { generatedPassword: user.made && options.adminPassword === undefined ? password : undefined }
  })
}

/** Makes a project of this name, unless there is one. */
export async function ensureProject(
  db: Db,
  project: { name: string; description?: string },
): Promise<{ id: string; made: boolean }> {
  const id = newId()
  const made = await db
    .insertInto('projects')
    .values({ id, name: project.name, description: project.description ?? '' })
    .onConflict((conflict) => conflict.columns(['domain_id', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (made) return { id, made: true }
  const { id: existing } = await db
    .selectFrom('projects')
    .select('id')
    .where('domain_id', '=', domain.id)
    .where('name', '=', project.name)
    .executeTakeFirstOrThrow()
  return { id: existing, made: false }
}

/** Makes a user of this name, unless there is one: the password of a user that exists stays what it is. */
export async function ensureUser(
  db: Db,
  user: { name: string; password: string; defaultProjectId?: string },
): Promise<{ id: string; made: boolean }> {
  const find = () =>
    db
      .selectFrom('users')
      .select('id')
      .where('domain_id', '=', domain.id)
      .where('name', '=', user.name)
      .executeTakeFirst()
  const existing = await find()
  if (existing) return { id: existing.id, made: false }
  const made = await db
    .insertInto('users')
    .values({
      id: newId(),
      name: user.name,
      password_hash: await hashPassword(user.password),
      default_project_id: user.defaultProjectId ?? null,
    })
    .onConflict((conflict) => conflict.columns(['domain_id', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return made ? { id: made.id, made: true } : { id: (await find())?.id as string, made: false }
}

/** Gives a user a role on a project or, with `projectId: null`, on the system. */
export async function ensureAssignment(
  db: Db,
  assignment: { userId: string; role: FixedRole; projectId: string | null },
): Promise<void> {
  await db
    .insertInto('role_assignments')
    .columns(['user_id', 'role_id', 'project_id'])
    .expression((eb) =>
      eb
        .selectFrom('roles')
        .select([
          sql<string>`${assignment.userId}`.as('user_id'),
          'id as role_id',
          sql<string | null>`${assignment.projectId}::text`.as('project_id'),
        ])
        .where('name', '=', assignment.role),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

const hasSystemAdmin = async (db: Db): Promise<boolean> =>
  (await db
    .selectFrom('role_assignments')
    .innerJoin('roles', 'roles.id', 'role_assignments.role_id')
    .innerJoin('users', 'users.id', 'role_assignments.user_id')
    .select('users.id')
    .where('roles.name', '=', 'admin')
    .where('role_assignments.project_id', 'is', null)
    .where('users.enabled', '=', true)
    .limit(1)
    .executeTakeFirst()) !== undefined
