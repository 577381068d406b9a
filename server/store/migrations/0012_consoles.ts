/** Serial consoles: who keeps each open, whose bytes are whose, and what lets somebody in. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    -- Processes that keep consoles. One whose beat is old has lost all it kept.
    CREATE TABLE console_holders (
      -- Of one life of a process, not of a host.
      id uuid PRIMARY KEY,
      hostname text NOT NULL,
      conductor_group text NOT NULL,
      drivers text[] NOT NULL,
      -- Base of its API, for other processes.
      url text,
      beat_at timestamptz NOT NULL DEFAULT now()
    );

    -- A row for each node whose console is on, or was.
    CREATE TABLE consoles (
      node_uuid uuid PRIMARY KEY REFERENCES nodes (uuid) ON DELETE CASCADE,
      holder uuid REFERENCES console_holders (id) ON DELETE SET NULL,
      -- Raised at each taking: the fencing number of the holder's writes.
      fence bigint NOT NULL DEFAULT 0,
      free_since timestamptz NOT NULL DEFAULT now(),
      -- Since when it has been off; null: on. The line stays open for a moment, so that off and on loses nothing.
      off_at timestamptz,
      -- What the driver needs to close a line that a killed process left open.
      remembered jsonb,
      -- How far its journal went when it was last written down.
      end_offset bigint NOT NULL DEFAULT 0,
      -- The span that is being written.
      span_id bigint,
      state text NOT NULL DEFAULT 'idle',
      -- Why it is not up: for who may see last_error, and for everybody else.
      reason text,
      plain_reason text,
      state_since timestamptz NOT NULL DEFAULT now(),
      -- Its unauthenticated listener at the holder, where that is configured: tcp://HOST:PORT, or why there is none.
      tcp_url text,
      tcp_trouble text
    );
    CREATE INDEX consoles_holder ON consoles (holder);

    -- Whose bytes of the journal are whose. A new span begins with each change of owner, lessee or instance: nobody
    -- reaches across its start.
    CREATE TABLE console_spans (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      owner text,
      lessee text,
      instance_uuid uuid,
      -- The lessee lets the owner read along.
      shared_with_owner boolean NOT NULL DEFAULT false,
      -- Offsets in the journal; null until the holder has got there.
      start_offset bigint,
      end_offset bigint,
      began_at timestamptz NOT NULL DEFAULT now(),
      ended_at timestamptz
    );
    CREATE INDEX console_spans_node ON console_spans (node_uuid, id);
    CREATE INDEX console_spans_tenant ON console_spans ((COALESCE(lessee, owner)), id);

    CREATE TABLE console_tickets (
      -- SHA-256 of the ticket; the ticket itself is never stored.
      ticket_hash bytea PRIMARY KEY,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      span_id bigint NOT NULL REFERENCES console_spans (id) ON DELETE CASCADE,
      user_id text,
      project_id text,
      mode text NOT NULL,
      -- Of the page that may use it; null: no browser.
      origin text,
      reusable boolean NOT NULL,
      -- What the bearer is judged by, sealed with a key that only the ticket gives.
      sealed_proof bytea NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX console_tickets_expiry ON console_tickets (expires_at);
    CREATE INDEX console_tickets_node ON console_tickets (node_uuid);

    -- Public keys with which a user comes in by SSH, as a member of one project.
    CREATE TABLE console_keys (
      id uuid PRIMARY KEY,
      name text NOT NULL,
      user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      -- Null: the system.
      project_id text REFERENCES projects (id) ON DELETE CASCADE,
      -- Of OpenSSH: "ssh-ed25519 AAAA...".
      public_key text NOT NULL,
      -- SHA256:..., as ssh-keygen -l shows it.
      fingerprint text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE NULLS NOT DISTINCT (fingerprint, user_id, project_id)
    );
    CREATE INDEX console_keys_user ON console_keys (user_id);

    CREATE FUNCTION console_switched() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.console_enabled THEN
        INSERT INTO consoles (node_uuid) VALUES (NEW.uuid) ON CONFLICT (node_uuid) DO UPDATE SET off_at = NULL;
        -- Its first span, unless one is being written.
        WITH span AS (
          INSERT INTO console_spans (node_uuid, owner, lessee, instance_uuid)
          SELECT NEW.uuid, NEW.owner, NEW.lessee, NEW.instance_uuid
          WHERE EXISTS (SELECT FROM consoles WHERE node_uuid = NEW.uuid AND span_id IS NULL)
          RETURNING id)
        UPDATE consoles SET span_id = span.id FROM span WHERE node_uuid = NEW.uuid;
      ELSE
        UPDATE consoles SET off_at = now() WHERE node_uuid = NEW.uuid AND off_at IS NULL;
      END IF;
      PERFORM pg_notify('leasehold_console', NEW.uuid::text);
      RETURN NULL;
    END $$;
    CREATE TRIGGER nodes_console_created AFTER INSERT ON nodes FOR EACH ROW
      WHEN (NEW.console_enabled) EXECUTE FUNCTION console_switched();
    CREATE TRIGGER nodes_console_switched AFTER UPDATE OF console_enabled ON nodes FOR EACH ROW
      WHEN (OLD.console_enabled IS DISTINCT FROM NEW.console_enabled) EXECUTE FUNCTION console_switched();

    -- The wall between tenants is in the transaction that changes them.
    CREATE FUNCTION console_changed_hands() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM FROM consoles WHERE node_uuid = NEW.uuid AND span_id IS NOT NULL FOR UPDATE;
      IF NOT FOUND THEN RETURN NULL; END IF;
      UPDATE console_spans SET ended_at = now() WHERE node_uuid = NEW.uuid AND ended_at IS NULL;
      WITH span AS (
        INSERT INTO console_spans (node_uuid, owner, lessee, instance_uuid)
        VALUES (NEW.uuid, NEW.owner, NEW.lessee, NEW.instance_uuid) RETURNING id)
      UPDATE consoles SET span_id = span.id FROM span WHERE node_uuid = NEW.uuid;
      PERFORM pg_notify('leasehold_console', NEW.uuid::text);
      RETURN NULL;
    END $$;
    CREATE TRIGGER nodes_console_changed_hands AFTER UPDATE OF owner, lessee, instance_uuid ON nodes FOR EACH ROW
      WHEN ((OLD.owner, OLD.lessee, OLD.instance_uuid) IS DISTINCT FROM (NEW.owner, NEW.lessee, NEW.instance_uuid))
      EXECUTE FUNCTION console_changed_hands();

    -- What a console's keeper shows beside the bytes, or opens its line anew for.
    CREATE FUNCTION console_machine_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('leasehold_console', NEW.uuid::text);
      RETURN NULL;
    END $$;
    CREATE TRIGGER nodes_console_machine_changed
      AFTER UPDATE OF name, power_state, target_power_state, provision_state, driver, driver_info, interfaces ON nodes FOR EACH ROW
      WHEN (NEW.console_enabled AND
        (OLD.name, OLD.power_state, OLD.target_power_state, OLD.provision_state, OLD.driver, OLD.driver_info, OLD.interfaces) IS DISTINCT FROM
        (NEW.name, NEW.power_state, NEW.target_power_state, NEW.provision_state, NEW.driver, NEW.driver_info, NEW.interfaces))
      EXECUTE FUNCTION console_machine_changed();

    CREATE FUNCTION console_gone() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('leasehold_console', OLD.node_uuid::text);
      RETURN NULL;
    END $$;
    CREATE TRIGGER consoles_gone AFTER DELETE ON consoles FOR EACH ROW EXECUTE FUNCTION console_gone();

    INSERT INTO consoles (node_uuid) SELECT uuid FROM nodes WHERE console_enabled;
    INSERT INTO console_spans (node_uuid, owner, lessee, instance_uuid)
      SELECT uuid, owner, lessee, instance_uuid FROM nodes WHERE console_enabled;
    UPDATE consoles SET span_id = s.id FROM console_spans s WHERE s.node_uuid = consoles.node_uuid;
  `)
    .execute(db)
}
