/** Of a node that changed hands: since when its switch ports are wanted to be out of its former tenant's networks. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    -- Generation that was wanted when the node of a link changed hands. Until it has been verified the switch port may
    -- be where the former tenant had it, whatever is wanted of it by now.
    ALTER TABLE switch_links ADD COLUMN handover_generation bigint NOT NULL DEFAULT 0;

    CREATE OR REPLACE FUNCTION networking_node_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      changed_hands boolean := (OLD.owner, OLD.lessee) IS DISTINCT FROM (NEW.owner, NEW.lessee);
    BEGIN
      IF changed_hands THEN
        UPDATE node_networking SET role = 'idle' WHERE node_uuid = NEW.uuid;
        PERFORM networking_forget_vifs(NEW.uuid);
      ELSE
        UPDATE node_networking SET role = 'idle'
          WHERE node_uuid = NEW.uuid AND NOT networking_role_fits(role, NEW.provision_state);
      END IF;
      PERFORM networking_refresh(NEW.uuid);
      IF changed_hands THEN
        UPDATE switch_links SET handover_generation = generation WHERE node_uuid = NEW.uuid;
      END IF;
      RETURN NULL;
    END $$;
  `)
    .execute(db)
}
