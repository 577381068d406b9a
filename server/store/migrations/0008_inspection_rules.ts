/** Inspection rules: what is done with what an inspection finds. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE inspection_rules (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      -- The higher goes first.
      priority integer NOT NULL DEFAULT 0,
      description text,
      phase text NOT NULL DEFAULT 'main',
      -- Its conditions and actions are never shown again.
      sensitive boolean NOT NULL DEFAULT false,
      -- [{op, args, loop, multiple}]
      conditions jsonb NOT NULL DEFAULT '[]',
      -- [{op, args, loop}]
      actions jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz
    );
    CREATE INDEX inspection_rules_order ON inspection_rules (phase, priority DESC, id);
  `)
    .execute(db)
}
