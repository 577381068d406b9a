/** Deploy templates: steps that run at a deployment whose instance asks for the trait of that name. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE deploy_templates (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      -- A trait.
      name text NOT NULL UNIQUE,
      -- [{interface, step, args, priority}]
      steps jsonb NOT NULL,
      extra jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz
    )`)
    .execute(db)
}
