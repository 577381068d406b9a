/** Volume connectors and targets: how a node reaches remote volumes, and which. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE volume_connectors (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      type text NOT NULL,
      connector_id text NOT NULL,
      extra jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      CONSTRAINT volume_connectors_address_key UNIQUE (type, connector_id)
    );
    CREATE INDEX volume_connectors_node ON volume_connectors (node_uuid, id);

    CREATE TABLE volume_targets (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      volume_type text NOT NULL,
      -- May hold credentials: shown by a right of its own, and masked.
      properties jsonb NOT NULL DEFAULT '{}',
      boot_index integer NOT NULL,
      volume_id text NOT NULL,
      extra jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      CONSTRAINT volume_targets_boot_index_key UNIQUE (node_uuid, boot_index)
    );
    CREATE INDEX volume_targets_node ON volume_targets (node_uuid, id);
  `)
    .execute(db)
}
