/**
 * Copies of a Neutron's networks and ports, for `networking.provider: neutron`. A copy is a row of `networks` or
 * `network_ports` as ever, so that what is wanted of switch ports is derived as ever, and a row here that says what is
 * between it and Neutron.
 */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(tables).execute(db)
  await sql.raw(triggers).execute(db)
}

const tables = `
  -- Addresses of copies are Neutron's to keep: theirs is null.
  ALTER TABLE network_ports ALTER COLUMN mac_address DROP NOT NULL;

  CREATE TABLE neutron_networks (
    network_uuid uuid PRIMARY KEY REFERENCES networks (uuid) ON DELETE CASCADE,
    -- When it is compared with Neutron's next. Whoever does it takes it by setting this.
    look_at timestamptz NOT NULL
  );
  CREATE INDEX neutron_networks_look ON neutron_networks (look_at);

  CREATE TABLE neutron_ports (
    port_uuid uuid PRIMARY KEY REFERENCES network_ports (uuid) ON DELETE CASCADE,
    -- Raised by one at each change of the port's binding, and the one that Neutron has been told.
    generation bigint NOT NULL DEFAULT 1,
    written_generation bigint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz NOT NULL DEFAULT now(),
    error text
  );
  CREATE INDEX neutron_ports_pending ON neutron_ports (retry_at) WHERE generation > written_generation;
`

const triggers = `
  -- What is bound is written back, whoever changes it: an attachment, a detachment, or a node that changes hands.
  CREATE FUNCTION neutron_binding_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE neutron_ports SET generation = generation + 1, attempts = 0, retry_at = now() WHERE port_uuid = NEW.uuid;
    IF FOUND THEN PERFORM pg_notify('leasehold_networking', NEW.uuid::text); END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER network_ports_bound AFTER UPDATE OF binding_host_id, binding_profile ON network_ports FOR EACH ROW
    WHEN ((OLD.binding_host_id, OLD.binding_profile) IS DISTINCT FROM (NEW.binding_host_id, NEW.binding_profile))
    EXECUTE FUNCTION neutron_binding_changed();

  -- A network whose VLAN is another one now: the old one may still be on switches.
  CREATE FUNCTION networking_vlan_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE vlans SET state = 'leaving', freed_at = now() WHERE id = OLD.vlan_id;
    PERFORM networking_refresh_network(NEW.uuid);
    RETURN NULL;
  END $$;
  CREATE TRIGGER networks_vlan_changed AFTER UPDATE OF vlan_id ON networks FOR EACH ROW
    WHEN (OLD.vlan_id <> NEW.vlan_id) EXECUTE FUNCTION networking_vlan_changed();
`
