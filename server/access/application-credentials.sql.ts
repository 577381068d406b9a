/** Application credentials: secrets that speak for a user on one project with some of the user's roles there. */
import { randomBytes } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { ApplicationCredentialsTable, Db } from '../store/index.ts'
import { newId, notFound, reworded } from './identities.ts'
import { hashPassword } from './passwords.ts'
import { rolesNamed } from './roles.sql.ts'

export interface ApplicationCredential
  extends Omit<Selectable<ApplicationCredentialsTable>, 'secret_hash' | 'role_ids'> {
  roles: { id: string; name: string }[]
}

/** One user has at most so many. */
const maxPerUser = 100

/** Credentials of one user, by name. */
export async function listCredentials(
  db: Db,
  userId: string,
  filter: { name?: string | undefined } = {},
): Promise<ApplicationCredential[]> {
  return await withRoles(db)
    .where('user_id', '=', userId)
    .$if(filter.name !== undefined, (query) => query.where('name', '=', filter.name as string))
    .orderBy('name')
    .execute()
}

/** @throws LeaseholdError 'not-found' also when it is another user's. */
export async function getCredential(db: Db, userId: string, id: string): Promise<ApplicationCredential> {
  const credential = await withRoles(db).where('user_id', '=', userId).where('id', '=', id).executeTakeFirst()
  if (!credential) throw notFound('Application Credential', id)
  return credential
}

/**
 * Makes a credential for the project, and the secret when none is given; the secret can not be read again.
 *
 * @param wanted.roles all that `owner` has when left out or empty.
 * @throws LeaseholdError 'invalid' for roles the user has not there, 'conflict' when the name is taken.
 */
export async function createCredential(
  db: Db,
  owner: { userId: string; projectId: string; roles: readonly string[] },
  wanted: {
    name: string
    description?: string | null | undefined
    secret?: string | null | undefined
    roles?: readonly { id?: string | undefined; name?: string | undefined }[] | undefined
    unrestricted?: boolean | undefined
    expiresAt: Date | null
  },
): Promise<{ credential: ApplicationCredential; secret: string }> {
  const own = await rolesNamed(db, owner.roles)
  const roles = wanted.roles?.map((role) => {
    const found = own.find((each) => (role.id === undefined ? each.name === role.name : each.id === role.id))
    if (!found)
      throw new LeaseholdError(
        'invalid',
        `roles: you do not have role ${role.id ?? role.name} on project ${owner.projectId}; ask for roles of your own.`,
      )
    return found
  })
  const { count } = await db
    .selectFrom('application_credentials')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('user_id', '=', owner.userId)
    .executeTakeFirstOrThrow()
  if (Number(count) >= maxPerUser)
    throw new LeaseholdError(
      'forbidden',
      `A user has at most ${maxPerUser} application credentials: delete some.`,
    )
  // Its first letter is no dash: a client's command line would take it for an option.
  const secret = wanted.secret ?? `s${randomBytes(48).toString('base64url')}`
  const id = newId()
  const insert = db.insertInto('application_credentials').values({
    id,
    name: wanted.name,
    description: wanted.description ?? '',
    user_id: owner.userId,
    project_id: owner.projectId,
    secret_hash: await hashPassword(secret),
    role_ids: [...new Set((roles?.length ? roles : own).map((role) => role.id))],
    unrestricted: wanted.unrestricted ?? false,
    expires_at: wanted.expiresAt,
  })
  await reworded(insert.execute(), {
    duplicate: `There is an application credential named ${wanted.name} already; choose another name.`,
    missing: `Could not find project: ${owner.projectId}.`,
  })
  return { credential: await getCredential(db, owner.userId, id), secret }
}

/** Its tokens go with it. @throws LeaseholdError 'not-found' */
export async function deleteCredential(db: Db, userId: string, id: string): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom('application_credentials')
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .executeTakeFirst()
  if (numDeletedRows === 0n) throw notFound('Application Credential', id)
}

const withRoles = (db: Db) =>
  db.selectFrom('application_credentials').select([
    'id',
    'name',
    'description',
    'user_id',
    'project_id',
    'unrestricted',
    'expires_at',
    'created_at',
    sql<{ id: string; name: string }[]>`(
        SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name) ORDER BY r.name), '[]')
        FROM roles r WHERE r.id = ANY (application_credentials.role_ids))`.as('roles'),
  ])
