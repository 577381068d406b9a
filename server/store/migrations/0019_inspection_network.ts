/** A network of the operator's for machines that are inspected. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    ALTER TABLE node_networking DROP CONSTRAINT node_networking_role_check,
      ADD CHECK (role IN ('idle', 'provisioning', 'cleaning', 'rescuing', 'inspecting', 'tenant'));

    -- As of migration 0013, and of machines that are inspected.
    CREATE OR REPLACE FUNCTION networking_role_fits(role text, state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
      SELECT CASE role
        WHEN 'idle' THEN true
        WHEN 'provisioning' THEN state IN ('deploying', 'wait call-back', 'deploy hold')
        WHEN 'cleaning' THEN state IN ('cleaning', 'clean wait', 'clean hold')
        WHEN 'rescuing' THEN state IN ('rescuing', 'rescue wait', 'rescue')
        WHEN 'inspecting' THEN state IN ('inspecting', 'inspect wait')
        WHEN 'tenant' THEN state IN ('deploying', 'active', 'adopting', 'rescuing', 'rescue wait', 'rescue failed',
          'unrescuing', 'unrescue failed', 'rescue', 'servicing', 'service wait', 'service hold', 'service failed')
        ELSE false
      END
    $$;
  `)
    .execute(db)
}
