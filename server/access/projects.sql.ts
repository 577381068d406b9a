/** Projects of the standalone strategy. */
import type { Selectable } from 'kysely'
import type { Db, ProjectsTable } from '../store/index.ts'
import { maxListed, newId, notFound, reworded, type Viewer } from './identities.ts'

export type Project = Selectable<ProjectsTable>

/** Projects the viewer may see, by name. */
export async function listProjects(
  db: Db,
  viewer: Viewer,
  filter: { name?: string | undefined; enabled?: boolean | undefined; ofUser?: string } = {},
): Promise<Project[]> {
  let query = visible(db, viewer).orderBy('name').limit(maxListed)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', filter.enabled)
  const { ofUser } = filter
  if (ofUser !== undefined)
    query = query.where((eb) =>
      eb.exists(
        eb
          .selectFrom('role_assignments as own')
          .select('own.role_id')
          .whereRef('own.project_id', '=', 'projects.id')
          .where('own.user_id', '=', ofUser),
      ),
    )
  return await query.execute()
}

/** @throws LeaseholdError 'not-found' also when the viewer may not see it. */
export async function getProject(db: Db, viewer: Viewer, id: string): Promise<Project> {
  const project = await visible(db, viewer).where('id', '=', id).executeTakeFirst()
  if (!project) throw notFound('project', id)
  return project
}

/** @throws LeaseholdError 'conflict' when the name is taken. */
export async function createProject(
  db: Db,
  project: { name: string; description?: string | undefined; enabled?: boolean | undefined },
): Promise<Project> {
  const insert = db
    .insertInto('projects')
    .values({
      id: newId(),
      name: project.name,
      description: project.description ?? '',
      enabled: project.enabled ?? true,
    })
    .returningAll()
  return await reworded(insert.executeTakeFirstOrThrow(), { duplicate: nameTaken(project.name) })
}

/** Disabling makes the project's tokens void for good. @throws LeaseholdError 'not-found' | 'conflict' */
export async function updateProject(
  db: Db,
  id: string,
  change: { name?: string | undefined; description?: string | undefined; enabled?: boolean | undefined },
): Promise<Project> {
  return await db.transaction().execute(async (trx) => {
    const update = trx
      .updateTable('projects')
      // A column that is not changed is set to what it is: an UPDATE must set something.
      .set((eb) => ({
        name: change.name ?? eb.ref('name'),
        description: change.description ?? eb.ref('description'),
        enabled: change.enabled ?? eb.ref('enabled'),
      }))
      .where('id', '=', id)
      .returningAll()
    const project = await reworded(update.executeTakeFirst(), { duplicate: nameTaken(change.name ?? '') })
    if (!project) throw notFound('project', id)
    if (!project.enabled) await trx.deleteFrom('tokens').where('project_id', '=', id).execute()
    return project
  })
}

/** With it go its assignments, application credentials and tokens. @throws LeaseholdError 'not-found' */
export async function deleteProject(db: Db, id: string): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom('projects').where('id', '=', id).executeTakeFirst()
  if (numDeletedRows === 0n) throw notFound('project', id)
}

const visible = (db: Db, viewer: Viewer) =>
  db
    .selectFrom('projects')
    .selectAll()
    .$if(!viewer.seesAll, (query) =>
      query.where((eb) =>
        eb.exists(
          eb
            .selectFrom('role_assignments')
            .select('role_id')
            .whereRef('role_assignments.project_id', '=', 'projects.id')
            .where('role_assignments.user_id', '=', viewer.userId),
        ),
      ),
    )

const nameTaken = (name: string): string => `There is a project named ${name} already; choose another name.`
