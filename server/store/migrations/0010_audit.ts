/** Who did what: one row for every call that changes something, and for every call that was denied. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE audit (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      at timestamptz NOT NULL DEFAULT now(),
      request_id text NOT NULL,
      -- The caller. No foreign keys: a row outlives its user, project and target.
      user_id text,
      project_id text,
      system_scope boolean NOT NULL,
      -- PUT /v1/nodes/:node/states/power
      action text NOT NULL,
      -- What the path named, as the caller wrote it.
      path text NOT NULL,
      target_type text,
      target_uuid uuid,
      -- Whose node it was then; who gets to see the row besides the caller.
      node_uuid uuid,
      owner text,
      lessee text,
      outcome text NOT NULL,
      status integer NOT NULL,
      -- The rule that denied it, or the error's first words.
      reason text
    );
    CREATE INDEX audit_project ON audit (project_id, id);
    CREATE INDEX audit_owner ON audit (owner, id) WHERE owner IS NOT NULL;
    CREATE INDEX audit_node ON audit (node_uuid, id) WHERE node_uuid IS NOT NULL;
    CREATE INDEX audit_at ON audit (at);
  `)
    .execute(db)
}
