/**
 * Networks: switches and what is wanted of their ports, VLANs, and Neutron's networks, ports and subnets.
 *
 * What is wanted of a switch port is derived, in the transaction that changes anything it follows from: the node's
 * tenant, state and role, its ports and VIFs, networks and who may use them. No other place writes it.
 */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(tables).execute(db)
  await sql.raw(derivation).execute(db)
  await sql.raw(triggers).execute(db)
}

const tables = `
  CREATE TABLE switches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    driver text NOT NULL,
    address text NOT NULL,
    -- What local_link_connection's switch_id may be, lower case.
    chassis_ids text[] NOT NULL DEFAULT '{}',
    physical_network text NOT NULL,
    -- Where an idle port is, besides being down.
    quarantine_vlan integer NOT NULL CHECK (quarantine_vlan BETWEEN 1 AND 4094),
    trust jsonb NOT NULL DEFAULT '{}',
    options jsonb NOT NULL DEFAULT '{}',
    sealed_credentials bytea,
    -- Raised by one at each change through the API: its keeper opens it anew.
    version integer NOT NULL DEFAULT 0,
    -- The process that talks to it; each taking raises the fencing number of its writes.
    keeper uuid,
    keeper_beat_at timestamptz NOT NULL DEFAULT now(),
    fence bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'unknown',
    reason text,
    checked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
  );

  CREATE TABLE switch_ports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    switch_id bigint NOT NULL REFERENCES switches (id),
    name text NOT NULL,
    -- Other spellings that local_link_connection's port_id may have.
    aliases text[] NOT NULL DEFAULT '{}',
    -- Only a port of kind node is ever written to.
    kind text NOT NULL CHECK (kind IN ('node', 'uplink', 'protected')),
    -- Whose nodes may be on it: a project, * for anybody's, null for those without an owner.
    owner text,
    mtu integer,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    UNIQUE (switch_id, name)
  );

  CREATE TABLE vlan_pools (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    physical_network text NOT NULL,
    -- As it was given: 100-199,300.
    ranges text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
  );

  -- One row a VLAN, so that no two networks can have the same.
  CREATE TABLE vlans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    physical_network text NOT NULL,
    vlan integer NOT NULL CHECK (vlan BETWEEN 1 AND 4094),
    -- Null: the operator named it, and it is of no pool.
    pool_id bigint REFERENCES vlan_pools (id),
    -- leaving: its network is gone, and it is not used again before every switch is rid of it.
    state text NOT NULL CHECK (state IN ('free', 'used', 'leaving')),
    freed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (physical_network, vlan)
  );
  CREATE INDEX vlans_free ON vlans (freed_at, vlan) WHERE state = 'free';
  CREATE INDEX vlans_leaving ON vlans (id) WHERE state = 'leaving';
  CREATE INDEX vlans_pool ON vlans (pool_id);

  CREATE TABLE networks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    -- Null: the operator's.
    project_id text,
    vlan_id bigint NOT NULL UNIQUE REFERENCES vlans (id),
    admin_state_up boolean NOT NULL DEFAULT true,
    mtu integer NOT NULL DEFAULT 1500,
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 0
  );
  CREATE INDEX networks_project ON networks (project_id, id);

  -- Who may use a network besides its project: another, or everybody (*).
  CREATE TABLE network_rbac (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    network_uuid uuid NOT NULL REFERENCES networks (uuid) ON DELETE CASCADE,
    project_id text,
    target_project text NOT NULL,
    action text NOT NULL CHECK (action IN ('access_as_shared', 'access_as_external')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT network_rbac_once UNIQUE (network_uuid, target_project, action)
  );
  CREATE INDEX network_rbac_target ON network_rbac (target_project, network_uuid);

  -- Addresses, as data for whoever configures the machines.
  CREATE TABLE subnets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    network_uuid uuid NOT NULL REFERENCES networks (uuid) ON DELETE CASCADE,
    project_id text,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    cidr cidr NOT NULL,
    gateway_ip text,
    enable_dhcp boolean NOT NULL DEFAULT false,
    allocation_pools jsonb NOT NULL DEFAULT '[]',
    dns_nameservers text[] NOT NULL DEFAULT '{}',
    host_routes jsonb NOT NULL DEFAULT '[]',
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 0
  );
  CREATE INDEX subnets_network ON subnets (network_uuid, id);

  -- Neutron's ports: what a VIF is.
  CREATE TABLE network_ports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    network_uuid uuid NOT NULL CONSTRAINT network_ports_network REFERENCES networks (uuid),
    project_id text,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    admin_state_up boolean NOT NULL DEFAULT true,
    mac_address text NOT NULL,
    fixed_ips jsonb NOT NULL DEFAULT '[]',
    device_id text NOT NULL DEFAULT '',
    device_owner text NOT NULL DEFAULT '',
    binding_host_id text NOT NULL DEFAULT '',
    binding_vnic_type text NOT NULL DEFAULT 'normal',
    binding_profile jsonb NOT NULL DEFAULT '{}',
    -- Made by an attachment that named a network, and gone with it.
    automatic boolean NOT NULL DEFAULT false,
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 0,
    CONSTRAINT network_ports_mac UNIQUE (network_uuid, mac_address)
  );
  CREATE INDEX network_ports_project ON network_ports (project_id, id);
  CREATE INDEX network_ports_device ON network_ports (device_id) WHERE device_id <> '';

  -- What a node is doing, as far as its networks go. The row is the lock of all that is derived of the node.
  CREATE TABLE node_networking (
    node_uuid uuid PRIMARY KEY REFERENCES nodes (uuid) ON DELETE CASCADE,
    role text NOT NULL DEFAULT 'idle' CHECK (role IN ('idle', 'provisioning', 'cleaning', 'rescuing', 'tenant'))
  );
  -- The operator's network for each role.
  CREATE TABLE network_roles (
    role text PRIMARY KEY,
    network_uuid uuid NOT NULL CONSTRAINT network_roles_network REFERENCES networks (uuid)
  );

  -- What is wanted of a switch port, and what it was last seen to be.
  CREATE TABLE switch_links (
    switch_port_id bigint PRIMARY KEY CONSTRAINT switch_links_port REFERENCES switch_ports (id),
    node_uuid uuid REFERENCES nodes (uuid) ON DELETE SET NULL,
    -- The node's port.
    port_uuid uuid,
    wanted jsonb NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    wanted_since timestamptz NOT NULL DEFAULT now(),
    -- Generation that the switch has been read back to have.
    verified_generation bigint NOT NULL DEFAULT 0,
    verified jsonb,
    verified_at timestamptz,
    error text,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz NOT NULL DEFAULT now(),
    drift jsonb,
    drift_since timestamptz
  );
  CREATE INDEX switch_links_node ON switch_links (node_uuid);
  CREATE INDEX switch_links_pending ON switch_links (retry_at) WHERE generation > verified_generation;

  -- VLANs that we have made on a switch, noted before they are made.
  CREATE TABLE switch_vlans (
    switch_id bigint NOT NULL REFERENCES switches (id) ON DELETE CASCADE,
    vlan_id bigint NOT NULL REFERENCES vlans (id),
    -- By which it is known to be ours when it is removed.
    name text NOT NULL,
    PRIMARY KEY (switch_id, vlan_id)
  );
  CREATE INDEX switch_vlans_vlan ON switch_vlans (vlan_id);

  -- The number that a port group has on a switch, while a link there wants it or has it.
  CREATE TABLE switch_lags (
    switch_id bigint NOT NULL REFERENCES switches (id) ON DELETE CASCADE,
    portgroup_uuid uuid NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (switch_id, portgroup_uuid),
    UNIQUE (switch_id, number)
  );

  CREATE INDEX ports_vif ON ports ((internal_info ->> 'tenant_vif_port_id'));
  CREATE INDEX portgroups_vif ON portgroups ((internal_info ->> 'tenant_vif_port_id'));
  CREATE INDEX ports_switch_info ON ports (lower(local_link_connection ->> 'switch_info'));
  CREATE INDEX ports_switch_id ON ports (lower(local_link_connection ->> 'switch_id'));
`

const derivation = `
  CREATE FUNCTION network_usable(network uuid, project text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM networks WHERE uuid = network AND project_id IS NOT DISTINCT FROM project)
      OR EXISTS (SELECT FROM network_rbac WHERE network_uuid = network AND target_project IN (project, '*')
        AND action = 'access_as_shared')
  $$;
  -- An external network is seen, as in Neutron, and not used by itself.
  CREATE FUNCTION network_visible(network uuid, project text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT network_usable(network, project)
      OR EXISTS (SELECT FROM network_rbac WHERE network_uuid = network AND target_project IN (project, '*'))
  $$;

  -- The switch port that a port's local_link_connection names; null when it names none, or more than one.
  CREATE FUNCTION switch_port_of(link jsonb) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(p.id) FROM switches s JOIN switch_ports p ON p.switch_id = s.id
    WHERE (lower(s.name) = lower(link ->> 'switch_info') OR lower(link ->> 'switch_id') = ANY (s.chassis_ids))
      AND (p.name = link ->> 'port_id' OR link ->> 'port_id' = ANY (p.aliases))
    HAVING count(*) = 1
  $$;

  -- Whether a node in a state may be in a role: whatever else goes wrong, one that is given back is in no network.
  CREATE FUNCTION networking_role_fits(role text, state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE role
      WHEN 'idle' THEN true
      WHEN 'provisioning' THEN state IN ('deploying', 'wait call-back', 'deploy hold')
      WHEN 'cleaning' THEN state IN ('cleaning', 'clean wait', 'clean hold')
      WHEN 'rescuing' THEN state IN ('rescuing', 'rescue wait', 'rescue')
      WHEN 'tenant' THEN state IN ('deploying', 'active', 'adopting', 'rescuing', 'rescue wait', 'rescue failed',
        'unrescuing', 'unrescue failed', 'rescue', 'servicing', 'service wait', 'service hold', 'service failed')
      ELSE false
    END
  $$;

  -- What a node wants of the switch ports that are its own to have.
  CREATE FUNCTION networking_claims(node uuid) RETURNS TABLE (switch_port_id bigint, port_uuid uuid, wanted jsonb)
  LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (s.id) s.id, p.uuid, COALESCE(w.wanted, '{"mode": "idle"}')
    FROM nodes n
    JOIN node_networking nn ON nn.node_uuid = n.uuid
    JOIN ports p ON p.node_uuid = n.uuid
    LEFT JOIN portgroups g ON g.uuid = p.portgroup_uuid
    JOIN switch_ports s ON s.id = switch_port_of(p.local_link_connection)
    JOIN switches sw ON sw.id = s.switch_id
    LEFT JOIN LATERAL (
      SELECT jsonb_build_object('mode', 'access', 'vlan', v.vlan, 'network', net.uuid)
        || CASE WHEN nn.role = 'tenant' AND g.internal_info ? 'tenant_vif_port_id' AND g.mode IN ('802.3ad', '4', 'balance-rr', '0', 'balance-xor', '2')
             THEN jsonb_build_object('lag', jsonb_build_object('group', g.uuid,
               'protocol', CASE WHEN g.mode IN ('802.3ad', '4') THEN 'lacp' ELSE 'static' END))
             ELSE '{}' END AS wanted
      FROM networks net JOIN vlans v ON v.id = net.vlan_id
      WHERE net.admin_state_up AND v.physical_network = sw.physical_network AND v.state = 'used'
        AND networking_role_fits(nn.role, n.provision_state)
        AND CASE nn.role
          WHEN 'idle' THEN false
          WHEN 'tenant' THEN network_usable(net.uuid, COALESCE(n.lessee, n.owner)) AND net.uuid = (
            SELECT np.network_uuid FROM network_ports np
            WHERE np.admin_state_up AND np.uuid::text =
              COALESCE(g.internal_info ->> 'tenant_vif_port_id', p.internal_info ->> 'tenant_vif_port_id'))
          ELSE p.pxe_enabled AND net.uuid = (SELECT r.network_uuid FROM network_roles r WHERE r.role = nn.role)
        END
    ) w ON true
    WHERE n.uuid = node AND n.interfaces ->> 'network' = 'switch' AND s.kind = 'node'
      AND (s.owner = '*' OR s.owner IS NOT DISTINCT FROM n.owner)
    ORDER BY s.id, p.id
  $$;

  -- Derives anew what is wanted for a node. Whoever does this for a node waits for who does it already, and then sees
  -- what that one has changed.
  CREATE FUNCTION networking_refresh(node uuid) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    item record;
    changed boolean := false;
  BEGIN
    INSERT INTO node_networking (node_uuid)
      SELECT uuid FROM nodes WHERE uuid = node AND interfaces ->> 'network' = 'switch'
      ON CONFLICT DO NOTHING;
    PERFORM FROM node_networking WHERE node_uuid = node FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    FOR item IN
      SELECT COALESCE(c.switch_port_id, l.switch_port_id) AS port, c.switch_port_id IS NULL AS gone, c.port_uuid, c.wanted
      FROM networking_claims(node) c
      FULL JOIN (SELECT switch_port_id FROM switch_links WHERE node_uuid = node) l USING (switch_port_id)
      ORDER BY 1
    LOOP
      IF item.gone THEN
        PERFORM switch_link_released(item.port, node);
        changed := true;
      ELSE
        -- The first node that says it is on a switch port keeps it until it says so no more.
        INSERT INTO switch_links AS l (switch_port_id, node_uuid, port_uuid, wanted)
          VALUES (item.port, node, item.port_uuid, item.wanted)
          ON CONFLICT (switch_port_id) DO UPDATE SET
            node_uuid = node, port_uuid = excluded.port_uuid, wanted = excluded.wanted,
            generation = l.generation + CASE WHEN l.wanted = excluded.wanted THEN 0 ELSE 1 END,
            wanted_since = CASE WHEN l.wanted = excluded.wanted THEN l.wanted_since ELSE now() END,
            attempts = 0, retry_at = now()
          WHERE (l.node_uuid IS NULL OR l.node_uuid = node)
            AND (l.node_uuid, l.port_uuid, l.wanted) IS DISTINCT FROM (node, excluded.port_uuid, excluded.wanted);
        changed := changed OR FOUND;
      END IF;
    END LOOP;
    IF changed THEN PERFORM pg_notify('leasehold_networking', node::text); END IF;
  END $$;

  CREATE FUNCTION switch_link_released(port bigint, node uuid) RETURNS void LANGUAGE sql AS $$
    UPDATE switch_links SET node_uuid = NULL, port_uuid = NULL, wanted = '{"mode": "idle"}',
      generation = generation + CASE WHEN wanted = '{"mode": "idle"}' THEN 0 ELSE 1 END,
      wanted_since = CASE WHEN wanted = '{"mode": "idle"}' THEN wanted_since ELSE now() END,
      attempts = 0, retry_at = now()
    WHERE switch_port_id = port AND node_uuid = node
  $$;

  -- Nodes of which a port may be on a switch, or was.
  CREATE FUNCTION networking_refresh_switch(switch bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    node uuid;
  BEGIN
    FOR node IN
      SELECT p.node_uuid FROM ports p, switches s WHERE s.id = switch
        AND (lower(p.local_link_connection ->> 'switch_info') = lower(s.name)
          OR lower(p.local_link_connection ->> 'switch_id') = ANY (s.chassis_ids))
      UNION SELECT l.node_uuid FROM switch_links l JOIN switch_ports sp ON sp.id = l.switch_port_id
        WHERE sp.switch_id = switch AND l.node_uuid IS NOT NULL
      ORDER BY 1
    LOOP
      PERFORM networking_refresh(node);
    END LOOP;
  END $$;

  -- Nodes that have a VIF in a network.
  CREATE FUNCTION networking_refresh_network(network uuid) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    node uuid;
  BEGIN
    FOR node IN
      SELECT p.node_uuid FROM network_ports np JOIN ports p ON p.internal_info ->> 'tenant_vif_port_id' = np.uuid::text
        WHERE np.network_uuid = network
      UNION SELECT g.node_uuid FROM network_ports np
        JOIN portgroups g ON g.internal_info ->> 'tenant_vif_port_id' = np.uuid::text WHERE np.network_uuid = network
      UNION SELECT l.node_uuid FROM switch_links l
        WHERE l.wanted ->> 'network' = network::text AND l.node_uuid IS NOT NULL
      ORDER BY 1
    LOOP
      PERFORM networking_refresh(node);
    END LOOP;
  END $$;
`

const triggers = `
  -- The wall between tenants is in the transaction that changes them. Rows of ports are changed before anything is
  -- derived: everybody locks them in that order.
  CREATE FUNCTION networking_node_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF (OLD.owner, OLD.lessee) IS DISTINCT FROM (NEW.owner, NEW.lessee) THEN
      UPDATE node_networking SET role = 'idle' WHERE node_uuid = NEW.uuid;
      PERFORM networking_forget_vifs(NEW.uuid);
    ELSE
      UPDATE node_networking SET role = 'idle'
        WHERE node_uuid = NEW.uuid AND NOT networking_role_fits(role, NEW.provision_state);
    END IF;
    PERFORM networking_refresh(NEW.uuid);
    RETURN NULL;
  END $$;

  CREATE FUNCTION networking_forget_vifs(node uuid) RETURNS void LANGUAGE sql AS $$
    UPDATE network_ports SET binding_host_id = '', binding_profile = '{}'
      WHERE binding_host_id = node::text AND NOT automatic;
    UPDATE portgroups SET internal_info = internal_info - 'tenant_vif_port_id'
      WHERE node_uuid = node AND internal_info ? 'tenant_vif_port_id';
    UPDATE ports SET internal_info = internal_info - 'tenant_vif_port_id'
      WHERE node_uuid = node AND internal_info ? 'tenant_vif_port_id';
    DELETE FROM network_ports WHERE binding_host_id = node::text AND automatic;
  $$;

  CREATE FUNCTION networking_node_made() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM networking_refresh(NEW.uuid);
    RETURN NULL;
  END $$;
  CREATE TRIGGER nodes_networking_made AFTER INSERT ON nodes FOR EACH ROW
    WHEN (NEW.interfaces ->> 'network' = 'switch') EXECUTE FUNCTION networking_node_made();
  CREATE TRIGGER nodes_networking_changed AFTER UPDATE OF owner, lessee, provision_state, interfaces ON nodes FOR EACH ROW
    WHEN ((OLD.interfaces ->> 'network' = 'switch' OR NEW.interfaces ->> 'network' = 'switch')
      AND (OLD.owner, OLD.lessee, OLD.provision_state, OLD.interfaces ->> 'network') IS DISTINCT FROM
        (NEW.owner, NEW.lessee, NEW.provision_state, NEW.interfaces ->> 'network'))
    EXECUTE FUNCTION networking_node_changed();

  CREATE FUNCTION networking_node_goes() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF EXISTS (SELECT FROM node_networking WHERE node_uuid = OLD.uuid) THEN
      PERFORM networking_forget_vifs(OLD.uuid);
      PERFORM switch_link_released(switch_port_id, OLD.uuid) FROM switch_links WHERE node_uuid = OLD.uuid;
      PERFORM pg_notify('leasehold_networking', OLD.uuid::text);
    END IF;
    RETURN OLD;
  END $$;
  CREATE TRIGGER nodes_networking_goes BEFORE DELETE ON nodes FOR EACH ROW EXECUTE FUNCTION networking_node_goes();

  CREATE FUNCTION networking_port_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM networking_refresh(OLD.node_uuid); END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.node_uuid <> OLD.node_uuid) THEN
      PERFORM networking_refresh(NEW.node_uuid);
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER ports_networking_made AFTER INSERT OR DELETE ON ports FOR EACH ROW
    EXECUTE FUNCTION networking_port_changed();
  CREATE TRIGGER ports_networking_changed
    AFTER UPDATE OF node_uuid, local_link_connection, internal_info, portgroup_uuid, pxe_enabled ON ports FOR EACH ROW
    WHEN ((OLD.node_uuid, OLD.local_link_connection, OLD.internal_info -> 'tenant_vif_port_id', OLD.portgroup_uuid, OLD.pxe_enabled)
      IS DISTINCT FROM
      (NEW.node_uuid, NEW.local_link_connection, NEW.internal_info -> 'tenant_vif_port_id', NEW.portgroup_uuid, NEW.pxe_enabled))
    EXECUTE FUNCTION networking_port_changed();
  CREATE TRIGGER portgroups_networking_changed AFTER UPDATE OF internal_info, mode ON portgroups FOR EACH ROW
    WHEN ((OLD.internal_info -> 'tenant_vif_port_id', OLD.mode) IS DISTINCT FROM
      (NEW.internal_info -> 'tenant_vif_port_id', NEW.mode))
    EXECUTE FUNCTION networking_port_changed();

  -- A VIF that is deleted is attached nowhere.
  CREATE FUNCTION networking_vif_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP = 'DELETE' THEN
      UPDATE portgroups SET internal_info = internal_info - 'tenant_vif_port_id'
        WHERE internal_info ->> 'tenant_vif_port_id' = OLD.uuid::text;
      UPDATE ports SET internal_info = internal_info - 'tenant_vif_port_id'
        WHERE internal_info ->> 'tenant_vif_port_id' = OLD.uuid::text;
    ELSE
      PERFORM networking_refresh_network(NEW.network_uuid);
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER network_ports_gone AFTER DELETE ON network_ports FOR EACH ROW
    EXECUTE FUNCTION networking_vif_changed();
  CREATE TRIGGER network_ports_changed AFTER UPDATE OF admin_state_up ON network_ports FOR EACH ROW
    WHEN (OLD.admin_state_up <> NEW.admin_state_up) EXECUTE FUNCTION networking_vif_changed();

  CREATE FUNCTION networking_network_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM networking_refresh_network(NEW.uuid);
    RETURN NULL;
  END $$;
  CREATE TRIGGER networks_changed AFTER UPDATE OF admin_state_up, project_id ON networks FOR EACH ROW
    WHEN ((OLD.admin_state_up, OLD.project_id) IS DISTINCT FROM (NEW.admin_state_up, NEW.project_id))
    EXECUTE FUNCTION networking_network_changed();

  -- A VLAN whose network is gone may still be on switches.
  CREATE FUNCTION networking_network_gone() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE vlans SET state = 'leaving', freed_at = now() WHERE id = OLD.vlan_id;
    PERFORM pg_notify('leasehold_networking', OLD.uuid::text);
    RETURN NULL;
  END $$;
  CREATE TRIGGER networks_gone AFTER DELETE ON networks FOR EACH ROW EXECUTE FUNCTION networking_network_gone();

  CREATE FUNCTION networking_share_ended() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM networking_refresh_network(OLD.network_uuid);
    RETURN NULL;
  END $$;
  CREATE TRIGGER network_rbac_ended AFTER DELETE OR UPDATE ON network_rbac FOR EACH ROW
    EXECUTE FUNCTION networking_share_ended();
`
