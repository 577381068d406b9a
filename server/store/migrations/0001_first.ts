/** The first tables: inventory, conductors, history, and the identities of the standalone strategy. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE conductors (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      hostname text NOT NULL UNIQUE,
      conductor_group text NOT NULL DEFAULT '',
      drivers jsonb NOT NULL DEFAULT '{}',
      online boolean NOT NULL DEFAULT true,
      heartbeat_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz
    );

    CREATE TABLE nodes (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      name text UNIQUE,
      driver text NOT NULL,
      driver_info jsonb NOT NULL DEFAULT '{}',
      driver_internal_info jsonb NOT NULL DEFAULT '{}',
      properties jsonb NOT NULL DEFAULT '{}',
      instance_info jsonb NOT NULL DEFAULT '{}',
      extra jsonb NOT NULL DEFAULT '{}',
      instance_uuid uuid UNIQUE,
      instance_name text,
      chassis_uuid uuid,
      resource_class text,
      owner text,
      lessee text,
      conductor_group text NOT NULL DEFAULT '',
      maintenance boolean NOT NULL DEFAULT false,
      maintenance_reason text,
      fault text,
      power_state text,
      target_power_state text,
      provision_state text NOT NULL,
      target_provision_state text,
      provision_updated_at timestamptz,
      last_error text,
      reservation text,
      generation integer NOT NULL DEFAULT 0,
      version integer NOT NULL DEFAULT 0,
      workflow_id text,
      work jsonb,
      automated_clean boolean,
      clean_step jsonb NOT NULL DEFAULT '{}',
      deploy_step jsonb NOT NULL DEFAULT '{}',
      service_step jsonb NOT NULL DEFAULT '{}',
      raid_config jsonb NOT NULL DEFAULT '{}',
      target_raid_config jsonb NOT NULL DEFAULT '{}',
      console_enabled boolean NOT NULL DEFAULT false,
      inspection_started_at timestamptz,
      inspection_finished_at timestamptz,
      protected boolean NOT NULL DEFAULT false,
      protected_reason text,
      retired boolean NOT NULL DEFAULT false,
      retired_reason text,
      description text,
      network_data jsonb NOT NULL DEFAULT '{}',
      boot_mode text,
      secure_boot boolean,
      shard text,
      parent_node uuid,
      allocation_uuid uuid,
      disable_power_off boolean NOT NULL DEFAULT false,
      health text,
      interfaces jsonb NOT NULL DEFAULT '{}',
      boot_device jsonb,
      traits text[] NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz
    );
    -- Tenancy is in every list: owner and lessee each lead an index that ends in the sort key.
    CREATE INDEX nodes_owner ON nodes (owner, id);
    CREATE INDEX nodes_lessee ON nodes (lessee, id) WHERE lessee IS NOT NULL;
    CREATE INDEX nodes_parent ON nodes (parent_node, id) WHERE parent_node IS NOT NULL;
    -- What conductors look for: locked nodes, whose work may have been left.
    CREATE INDEX nodes_reserved ON nodes (reservation) WHERE reservation IS NOT NULL;

    CREATE TABLE ports (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      address text NOT NULL UNIQUE,
      name text UNIQUE,
      description text,
      extra jsonb NOT NULL DEFAULT '{}',
      internal_info jsonb NOT NULL DEFAULT '{}',
      local_link_connection jsonb NOT NULL DEFAULT '{}',
      pxe_enabled boolean NOT NULL DEFAULT true,
      portgroup_uuid uuid,
      physical_network text,
      is_smartnic boolean NOT NULL DEFAULT false,
      vendor text,
      category text,
      available_for_dynamic_portgroup boolean NOT NULL DEFAULT true,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz
    );
    CREATE INDEX ports_node ON ports (node_uuid, id);

    CREATE TABLE node_history (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      created_at timestamptz NOT NULL DEFAULT now(),
      severity text NOT NULL,
      event text NOT NULL,
      event_type text NOT NULL,
      conductor text,
      user_id text,
      project_id text,
      state text,
      target_provision_state text,
      duration_seconds double precision
    );
    CREATE INDEX node_history_node ON node_history (node_uuid, id);

    CREATE TABLE projects (
      id text PRIMARY KEY,
      name text NOT NULL,
      domain_id text NOT NULL DEFAULT 'default',
      description text NOT NULL DEFAULT '',
      enabled boolean NOT NULL DEFAULT true,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (domain_id, name)
    );
    CREATE TABLE users (
      id text PRIMARY KEY,
      name text NOT NULL,
      domain_id text NOT NULL DEFAULT 'default',
      description text NOT NULL DEFAULT '',
      email text,
      default_project_id text REFERENCES projects (id) ON DELETE SET NULL,
      enabled boolean NOT NULL DEFAULT true,
      password_hash text,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (domain_id, name)
    );
    CREATE TABLE roles (
      id text PRIMARY KEY,
      name text NOT NULL UNIQUE,
      description text NOT NULL DEFAULT ''
    );
    CREATE TABLE role_assignments (
      user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      role_id text NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
      project_id text REFERENCES projects (id) ON DELETE CASCADE,
      UNIQUE NULLS NOT DISTINCT (user_id, role_id, project_id)
    );
    CREATE INDEX role_assignments_project ON role_assignments (project_id);
    CREATE TABLE application_credentials (
      id text PRIMARY KEY,
      name text NOT NULL,
      description text NOT NULL DEFAULT '',
      user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
      secret_hash text NOT NULL,
      role_ids text[] NOT NULL,
      unrestricted boolean NOT NULL DEFAULT false,
      expires_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (user_id, name)
    );
    CREATE TABLE tokens (
      token_hash bytea PRIMARY KEY,
      user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      project_id text REFERENCES projects (id) ON DELETE CASCADE,
      system_scope boolean NOT NULL DEFAULT false,
      application_credential_id text REFERENCES application_credentials (id) ON DELETE CASCADE,
      methods text[] NOT NULL,
      audit_ids text[] NOT NULL,
      issued_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX tokens_expiry ON tokens (expires_at);
    CREATE INDEX tokens_user ON tokens (user_id);
  `)
    .execute(db)
}
