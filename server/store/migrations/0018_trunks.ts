/** Trunks: several networks on one VIF, one untagged and the others tagged with the VLAN that each has. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(tables).execute(db)
  await sql.raw(derivation).execute(db)
  await sql.raw(triggers).execute(db)
}

const tables = `
  CREATE TABLE trunks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    -- That of all its ports.
    project_id text,
    -- The parent: the VIF, whose network is untagged.
    port_uuid uuid NOT NULL CONSTRAINT trunks_port UNIQUE REFERENCES network_ports (uuid) ON DELETE CASCADE,
    admin_state_up boolean NOT NULL DEFAULT true,
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 0
  );
  CREATE INDEX trunks_project ON trunks (project_id, id);

  CREATE TABLE trunk_subports (
    port_uuid uuid PRIMARY KEY REFERENCES network_ports (uuid) ON DELETE CASCADE,
    trunk_uuid uuid NOT NULL REFERENCES trunks (uuid) ON DELETE CASCADE
  );
  CREATE INDEX trunk_subports_trunk ON trunk_subports (trunk_uuid);
`

const derivation = `
  -- What a VIF carries tagged beside a network of its own, as far as a project may use it.
  CREATE FUNCTION networking_tagged(vif text, untagged integer, physical text, project text) RETURNS jsonb
  LANGUAGE sql STABLE AS $$
    SELECT jsonb_agg(jsonb_build_object('vlan', v.vlan, 'network', net.uuid) ORDER BY v.vlan)
    FROM trunks t JOIN trunk_subports s ON s.trunk_uuid = t.uuid
    JOIN network_ports np ON np.uuid = s.port_uuid
    JOIN networks net ON net.uuid = np.network_uuid JOIN vlans v ON v.id = net.vlan_id
    WHERE t.port_uuid::text = vif AND t.admin_state_up AND np.admin_state_up AND net.admin_state_up
      AND v.state = 'used' AND v.physical_network = physical AND v.vlan <> untagged
      AND network_usable(net.uuid, project)
  $$;

  -- As of migration 0013, and with what is tagged.
  CREATE OR REPLACE FUNCTION networking_claims(node uuid)
  RETURNS TABLE (switch_port_id bigint, port_uuid uuid, wanted jsonb) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (s.id) s.id, p.uuid, COALESCE(w.wanted, '{"mode": "idle"}')
    FROM nodes n
    JOIN node_networking nn ON nn.node_uuid = n.uuid
    JOIN ports p ON p.node_uuid = n.uuid
    LEFT JOIN portgroups g ON g.uuid = p.portgroup_uuid
    JOIN switch_ports s ON s.id = switch_port_of(p.local_link_connection)
    JOIN switches sw ON sw.id = s.switch_id
    CROSS JOIN LATERAL (
      SELECT COALESCE(g.internal_info ->> 'tenant_vif_port_id', p.internal_info ->> 'tenant_vif_port_id') AS id
    ) vif
    LEFT JOIN LATERAL (
      SELECT jsonb_build_object('mode', 'access', 'vlan', v.vlan, 'network', net.uuid)
        || CASE WHEN nn.role = 'tenant' AND g.internal_info ? 'tenant_vif_port_id' AND g.mode IN ('802.3ad', '4', 'balance-rr', '0', 'balance-xor', '2')
             THEN jsonb_build_object('lag', jsonb_build_object('group', g.uuid,
               'protocol', CASE WHEN g.mode IN ('802.3ad', '4') THEN 'lacp' ELSE 'static' END))
             ELSE '{}' END
        || CASE WHEN tagged.list IS NULL THEN '{}'
             ELSE jsonb_build_object('mode', 'trunk', 'tagged', tagged.list) END AS wanted
      FROM networks net JOIN vlans v ON v.id = net.vlan_id
      LEFT JOIN LATERAL (
        SELECT networking_tagged(vif.id, v.vlan, sw.physical_network, COALESCE(n.lessee, n.owner)) AS list
        WHERE nn.role = 'tenant'
      ) tagged ON true
      WHERE net.admin_state_up AND v.physical_network = sw.physical_network AND v.state = 'used'
        AND networking_role_fits(nn.role, n.provision_state)
        AND CASE nn.role
          WHEN 'idle' THEN false
          WHEN 'tenant' THEN network_usable(net.uuid, COALESCE(n.lessee, n.owner)) AND net.uuid = (
            SELECT np.network_uuid FROM network_ports np WHERE np.admin_state_up AND np.uuid::text = vif.id)
          ELSE p.pxe_enabled AND net.uuid = (SELECT r.network_uuid FROM network_roles r WHERE r.role = nn.role)
        END
    ) w ON true
    WHERE n.uuid = node AND n.interfaces ->> 'network' = 'switch' AND s.kind = 'node'
      AND (s.owner = '*' OR s.owner IS NOT DISTINCT FROM n.owner)
    ORDER BY s.id, p.id
  $$;

  -- The node that has a VIF.
  CREATE FUNCTION networking_refresh_vif(vif uuid) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    node uuid;
  BEGIN
    FOR node IN
      SELECT node_uuid FROM ports WHERE internal_info ->> 'tenant_vif_port_id' = vif::text
      UNION SELECT node_uuid FROM portgroups WHERE internal_info ->> 'tenant_vif_port_id' = vif::text
      ORDER BY 1
    LOOP
      PERFORM networking_refresh(node);
    END LOOP;
  END $$;

  -- As of migration 0013, and nodes that have the network tagged.
  CREATE OR REPLACE FUNCTION networking_refresh_network(network uuid) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    node uuid;
  BEGIN
    FOR node IN
      WITH vifs AS (
        SELECT np.uuid FROM network_ports np WHERE np.network_uuid = network
        UNION SELECT t.port_uuid FROM network_ports np JOIN trunk_subports s ON s.port_uuid = np.uuid
          JOIN trunks t ON t.uuid = s.trunk_uuid WHERE np.network_uuid = network)
      SELECT p.node_uuid FROM vifs JOIN ports p ON p.internal_info ->> 'tenant_vif_port_id' = vifs.uuid::text
      UNION SELECT g.node_uuid FROM vifs JOIN portgroups g ON g.internal_info ->> 'tenant_vif_port_id' = vifs.uuid::text
      UNION SELECT l.node_uuid FROM switch_links l
        WHERE l.node_uuid IS NOT NULL AND (l.wanted ->> 'network' = network::text
          OR l.wanted @> jsonb_build_object('tagged', jsonb_build_array(jsonb_build_object('network', network))))
      ORDER BY 1
    LOOP
      PERFORM networking_refresh(node);
    END LOOP;
  END $$;
`

const triggers = `
  CREATE FUNCTION networking_trunk_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM networking_refresh_vif(CASE TG_OP WHEN 'DELETE' THEN OLD.port_uuid ELSE NEW.port_uuid END);
    RETURN NULL;
  END $$;
  CREATE TRIGGER trunks_made_or_gone AFTER INSERT OR DELETE ON trunks FOR EACH ROW
    EXECUTE FUNCTION networking_trunk_changed();
  CREATE TRIGGER trunks_changed AFTER UPDATE OF admin_state_up ON trunks FOR EACH ROW
    WHEN (OLD.admin_state_up <> NEW.admin_state_up) EXECUTE FUNCTION networking_trunk_changed();

  CREATE FUNCTION networking_subport_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    -- As Neutron says it.
    IF TG_OP = 'DELETE' THEN
      UPDATE network_ports SET device_owner = '', device_id = '', updated_at = now()
        WHERE uuid = OLD.port_uuid AND device_owner = 'trunk:subport';
    ELSE
      UPDATE network_ports SET device_owner = 'trunk:subport', device_id = NEW.trunk_uuid::text, updated_at = now()
        WHERE uuid = NEW.port_uuid;
    END IF;
    PERFORM networking_refresh_vif(port_uuid) FROM trunks
      WHERE uuid = CASE TG_OP WHEN 'DELETE' THEN OLD.trunk_uuid ELSE NEW.trunk_uuid END;
    RETURN NULL;
  END $$;
  CREATE TRIGGER trunk_subports_changed AFTER INSERT OR DELETE ON trunk_subports FOR EACH ROW
    EXECUTE FUNCTION networking_subport_changed();
`
