/** Allocations: a project asks for a node of a kind, and gets one of its own that is free. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE allocations (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      -- Becomes the instance_uuid of the node.
      uuid uuid NOT NULL UNIQUE,
      name text UNIQUE,
      -- allocating, then active or error for good.
      state text NOT NULL,
      -- A project; null: the operator's, which takes anybody's nodes.
      owner text,
      node_uuid uuid UNIQUE REFERENCES nodes (uuid) ON DELETE CASCADE,
      resource_class text,
      traits text[] NOT NULL DEFAULT '{}',
      candidate_nodes uuid[] NOT NULL DEFAULT '{}',
      extra jsonb NOT NULL DEFAULT '{}',
      last_error text,
      -- How often suitable nodes were found but all locked, and when to look again.
      attempts integer NOT NULL DEFAULT 0,
      retry_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      CONSTRAINT allocations_active_has_node CHECK ((state = 'active') = (node_uuid IS NOT NULL))
    );
    CREATE INDEX allocations_owner ON allocations (owner, id);
    CREATE INDEX allocations_pending ON allocations (id) WHERE state = 'allocating';
    -- What allocations choose from.
    CREATE INDEX nodes_allocatable ON nodes (resource_class, owner)
      WHERE provision_state = 'available' AND instance_uuid IS NULL AND parent_node IS NULL AND NOT maintenance;

    -- A node that loses its instance loses its allocation, and that ends: whoever clears instance_uuid, be it an
    -- undeployment, a PATCH or the allocation's deletion, does all three in one statement.
    CREATE FUNCTION end_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM allocations WHERE uuid = OLD.allocation_uuid;
      NEW.allocation_uuid := NULL;
      IF NEW.instance_info -> 'traits' IS NOT DISTINCT FROM OLD.instance_info -> 'traits' THEN
        NEW.instance_info := NEW.instance_info - 'traits';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER nodes_end_allocation BEFORE UPDATE OF instance_uuid ON nodes FOR EACH ROW
      WHEN (OLD.allocation_uuid IS NOT NULL AND NEW.instance_uuid IS DISTINCT FROM OLD.allocation_uuid)
      EXECUTE FUNCTION end_allocation();
  `)
    .execute(db)
}
