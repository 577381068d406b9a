/** What is known of a node's machine: BIOS settings, firmware, and what the newest inspection found. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE bios_settings (
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      name text NOT NULL,
      value text,
      -- What the machine says of the setting: its type, bounds, and whether it can be changed.
      registry jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      PRIMARY KEY (node_uuid, name)
    );

    CREATE TABLE firmware_components (
      node_uuid uuid NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
      component text NOT NULL,
      initial_version text NOT NULL,
      current_version text,
      last_version_flashed text,
      vendor text,
      model text,
      serial_number text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz,
      PRIMARY KEY (node_uuid, component)
    );

    -- A table of its own: it may be large, and is read alone.
    CREATE TABLE node_inventory (
      node_uuid uuid PRIMARY KEY REFERENCES nodes (uuid) ON DELETE CASCADE,
      inventory jsonb NOT NULL,
      plugin_data jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now()
    );
  `)
    .execute(db)
}
