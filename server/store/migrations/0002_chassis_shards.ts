/** Chassis and shards: two ways in which an operator groups nodes. A shard is but a word on its nodes. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
    CREATE TABLE chassis (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      uuid uuid NOT NULL UNIQUE,
      description text,
      extra jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz
    );
    -- A chassis that holds nodes stays.
    ALTER TABLE nodes ADD CONSTRAINT nodes_chassis_fkey FOREIGN KEY (chassis_uuid) REFERENCES chassis (uuid);
    CREATE INDEX nodes_chassis ON nodes (chassis_uuid, id) WHERE chassis_uuid IS NOT NULL;
    CREATE INDEX nodes_shard ON nodes (shard, id) WHERE shard IS NOT NULL;
  `)
    .execute(db)
}
