/** Brings a database to the newest schema. Several processes may start at once: Kysely takes a lock. */
import type { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import * as first from './migrations/0001_first.ts'
import * as templates from './migrations/0006_templates.ts'
import * as runbooks from './migrations/0007_runbooks.ts'
import * as inspectionRules from './migrations/0008_inspection_rules.ts'
import * as audit from './migrations/0010_audit.ts'
import type { Database } from './tables.ts'

/** Every migration, by name, in order. A migration that has been released is never edited. */
const migrations: Record<string, Migration> = {
  '0001_first': first,
  '0006_templates': templates,
  '0007_runbooks': runbooks,
  '0008_inspection_rules': inspectionRules,
  '0010_audit': audit,
}

/** Applies what is missing. @throws the first migration's error, after which nothing of it is kept. */
export async function migrate(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}
