/** Port groups: ports of a node that work as one, bonded. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE portgroups (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      name text UNIQUE,
      address text UNIQUE,
      extra jsonb NOT NULL DEFAULT '{}',
      internal_info jsonb NOT NULL DEFAULT '{}',
      mode text NOT NULL,
      properties jsonb NOT NULL DEFAULT '{}',
      standalone_ports_supported boolean NOT NULL DEFAULT true,
      physical_network text,
      category text,
      dynamic_portgroup boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      UNIQUE (uuid, node_uuid)
    );
    CREATE INDEX portgroups_node ON portgroups (node_uuid, id);
    -- A group and its ports are of one node, whatever moves; a group that has ports stays.
    ALTER TABLE ports ADD CONSTRAINT ports_portgroup_fkey
      FOREIGN KEY (portgroup_uuid, node_uuid) REFERENCES portgroups (uuid, node_uuid);
    CREATE INDEX ports_portgroup ON ports (portgroup_uuid, id) WHERE portgroup_uuid IS NOT NULL;
  `)
    .execute(db)
}
