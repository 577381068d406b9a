/** What a process that keeps a switch leaves to the next when it is killed in the middle of a change. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Null: nothing. Else what the driver library has written down before it said anything to the switch.
  await sql`ALTER TABLE switches ADD COLUMN unfinished jsonb`.execute(db)
}
