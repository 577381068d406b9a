/** Runbooks: approved lists of clean or service steps, of a project or for everybody. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE runbooks (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      name text NOT NULL UNIQUE,
      description text,
      -- [{interface, step, args, order}]
      steps jsonb NOT NULL,
      disable_ramdisk boolean NOT NULL DEFAULT false,
      extra jsonb NOT NULL DEFAULT '{}',
      -- A project. What is public belongs to none.
      owner text,
      public boolean NOT NULL DEFAULT false,
      -- Nodes that have one of them may be worked on by it.
      traits text[] NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      CONSTRAINT runbooks_public_has_no_owner CHECK (NOT (public AND owner IS NOT NULL))
    );
    CREATE INDEX runbooks_owner ON runbooks (owner, id) WHERE owner IS NOT NULL;
    CREATE INDEX runbooks_public ON runbooks (id) WHERE public;
  `)
    .execute(db)
}
