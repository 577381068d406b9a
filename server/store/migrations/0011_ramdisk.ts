/** The session of a node's ramdisk with the service: how it is found, and when it ends. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    -- Ramdisks without a known MAC address are found by their BMC's, among those that are waited for.
    CREATE INDEX nodes_inspect_wait ON nodes (id) WHERE provision_state = 'inspect wait';

    -- A ramdisk's session ends with the work that it was booted for, however that ends: its token is worth nothing
    -- from the same statement on.
    CREATE FUNCTION end_agent_session() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.driver_internal_info := NEW.driver_internal_info - ARRAY[
        'agent_secret_token', 'agent_url', 'agent_version', 'agent_last_heartbeat', 'agent_verify_ca'];
      RETURN NEW;
    END $$;
    CREATE TRIGGER nodes_end_agent_session BEFORE UPDATE OF provision_state ON nodes FOR EACH ROW
      WHEN (OLD.driver_internal_info ? 'agent_secret_token' AND NEW.provision_state NOT IN (
        'deploying', 'wait call-back', 'deploy hold', 'cleaning', 'clean wait', 'clean hold', 'inspecting',
        'inspect wait', 'rescuing', 'rescue wait', 'servicing', 'service wait', 'service hold'))
      EXECUTE FUNCTION end_agent_session();
  `)
    .execute(db)
}
