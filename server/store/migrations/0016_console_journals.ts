/** Journals of consoles: each in a directory that no other console ever has, and on whose disk the last of it is. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    -- Its journal's directory is the node's UUID and this one: a node that is enrolled anew under its old UUID, perhaps
    -- by somebody else, does not meet an old journal on some conductor's disk. Null: of before this column, the node's alone.
    ALTER TABLE consoles ADD COLUMN journal_id uuid;
    ALTER TABLE consoles ALTER COLUMN journal_id SET DEFAULT gen_random_uuid();
    -- Of the last holder: there is more on this disk than end_offset says. Null: there is not.
    ALTER TABLE consoles ADD COLUMN disk uuid;
    -- Fencing numbers: each taking of any console has one of its own, also of a console that is there for the second time.
    CREATE SEQUENCE console_fences;
    SELECT setval('console_fences', (SELECT COALESCE(max(fence), 0) + 1 FROM consoles));
  `)
    .execute(db)
}
