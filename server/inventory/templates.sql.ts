/** Deploy templates in PostgreSQL. */
import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Db, DeployTemplatesTable } from '../store/index.ts'
import { type Constraints, worded } from './constraints.ts'
import { type Keyset, keysetPage } from './keyset.ts'

export type DeployTemplate = Selectable<DeployTemplatesTable>
export type NewDeployTemplate = Insertable<DeployTemplatesTable>
export type DeployTemplateChanges = Updateable<DeployTemplatesTable>
export type DeployTemplateColumn = keyof DeployTemplatesTable & string

/** One page of all templates. */
export async function listDeployTemplates<Column extends DeployTemplateColumn>(
  db: Db,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<DeployTemplate, Column>[]> {
  const query = db.selectFrom('deploy_templates').select(columns as never)
  const paged = await keysetPage(query, 'deploy_templates', page, (marker) =>
    db.selectFrom('deploy_templates').select('id').where('uuid', '=', marker).executeTakeFirst(),
  )
  return (await paged.execute()) as unknown as Pick<DeployTemplate, Column>[]
}

/** A template by UUID or name, or undefined. */
export function findDeployTemplate(
  db: Db,
  by: { uuid: string } | { name: string },
): Promise<DeployTemplate | undefined> {
  const query = db.selectFrom('deploy_templates').selectAll()
  return 'uuid' in by
    ? query.where('uuid', '=', by.uuid).executeTakeFirst()
    : query.where('name', '=', by.name).executeTakeFirst()
}

/** The templates of these names, by name. */
export const deployTemplatesNamed = (db: Db, names: readonly string[]): Promise<DeployTemplate[]> =>
  db.selectFrom('deploy_templates').selectAll().where('name', 'in', names).orderBy('name').execute()

/** @throws LeaseholdError 'conflict' when the UUID or name is another template's. */
export const insertDeployTemplate = (db: Db, template: NewDeployTemplate): Promise<DeployTemplate> =>
  worded(constraints, template, () =>
    db.insertInto('deploy_templates').values(template).returningAll().executeTakeFirstOrThrow(),
  )

/**
 * Writes what `change` makes of a template while nobody else changes it; undefined when there is none.
 * @throws LeaseholdError 'conflict' as `insertDeployTemplate`; whatever `change` throws.
 */
export const changeDeployTemplate = (
  db: Db,
  uuid: string,
  change: (template: DeployTemplate) => DeployTemplateChanges,
): Promise<DeployTemplate | undefined> =>
  db.transaction().execute(async (transaction) => {
    const query = transaction.selectFrom('deploy_templates').selectAll().where('uuid', '=', uuid)
    const template = await query.forUpdate().executeTakeFirst()
    const changes = template && change(template)
    if (!changes || Object.keys(changes).length === 0) return template
    return worded(constraints, changes, () =>
      transaction
        .updateTable('deploy_templates')
        .set({ ...changes, updated_at: new Date() })
        .where('uuid', '=', uuid)
        .returningAll()
        .executeTakeFirst(),
    )
  })

export async function deleteDeployTemplate(db: Db, uuid: string): Promise<void> {
  await db.deleteFrom('deploy_templates').where('uuid', '=', uuid).execute()
}

const constraints: Constraints<DeployTemplateChanges> = {
  deploy_templates_uuid_key: [
    'conflict',
    (template) => `A deploy template with UUID ${template.uuid} already exists.`,
  ],
  deploy_templates_name_key: [
    'conflict',
    (template) => `A deploy template with name ${template.name} already exists.`,
  ],
}
