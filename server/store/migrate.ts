/** Brings a database to the newest schema. Several processes may start at once: Kysely takes a lock. */
import type { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import * as first from './migrations/0001_first.ts'
import * as chassisAndShards from './migrations/0002_chassis_shards.ts'
import * as portgroups from './migrations/0003_portgroups.ts'
import * as volumes from './migrations/0004_volumes.ts'
import * as machine from './migrations/0005_machine.ts'
import * as templates from './migrations/0006_templates.ts'
import * as runbooks from './migrations/0007_runbooks.ts'
import * as inspectionRules from './migrations/0008_inspection_rules.ts'
import * as allocations from './migrations/0009_allocations.ts'
import * as audit from './migrations/0010_audit.ts'
import * as ramdisk from './migrations/0011_ramdisk.ts'
import * as consoles from './migrations/0012_consoles.ts'
import * as networking from './migrations/0013_networking.ts'
import * as switchJournal from './migrations/0014_switch_journal.ts'
import * as handover from './migrations/0015_handover.ts'
import * as consoleJournals from './migrations/0016_console_journals.ts'
import * as neutron from './migrations/0017_neutron.ts'
import * as trunks from './migrations/0018_trunks.ts'
import * as inspectionNetwork from './migrations/0019_inspection_network.ts'
import type { Database } from './tables.ts'

/** Every migration, by name, in order. A migration that has been released is never edited. */
const migrations: Record<string, Migration> = {
  '0001_first': first,
  '0002_chassis_shards': chassisAndShards,
  '0003_portgroups': portgroups,
  '0004_volumes': volumes,
  '0005_machine': machine,
  '0006_templates': templates,
  '0007_runbooks': runbooks,
  '0008_inspection_rules': inspectionRules,
  '0009_allocations': allocations,
  '0010_audit': audit,
  '0011_ramdisk': ramdisk,
  '0012_consoles': consoles,
  '0013_networking': networking,
  '0014_switch_journal': switchJournal,
  '0015_handover': handover,
  '0016_console_journals': consoleJournals,
  '0017_neutron': neutron,
  '0018_trunks': trunks,
  '0019_inspection_network': inspectionNetwork,
}

/** Applies what is missing. @throws the first migration's error, after which nothing of it is kept. */
export async function migrate(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}
