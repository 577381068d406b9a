/**
 * How an allocation gets its node: one statement takes both, or neither. It waits for no lock, so it cannot be part of
 * a deadlock; what another has locked is not free.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { isVisible } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import type { Allocation } from './allocations.sql.ts'

/** Allocations without an outcome whose time has come, the oldest first. */
export const dueAllocations = (db: Db, limit: number): Promise<Allocation[]> =>
  db
    .selectFrom('allocations')
    .selectAll()
    .where('state', '=', 'allocating')
    .where('retry_at', '<=', sql<Date>`now()`)
    .orderBy('id')
    .limit(limit)
    .execute()

/**
 * Takes a node for an allocation: of those that suit, one that is called like it, else one that nobody else leases,
 * else any. Returns the node's UUID; undefined when there is none, or somebody else has the allocation in hand.
 */
export async function claimNode(db: Db, allocation: Allocation): Promise<string | undefined> {
  const { rows } = await claimStatement(allocation).execute(db)
  return rows[0]?.node_uuid
}

/** The statement itself. */
export function claimStatement(allocation: Allocation): RawBuilder<{ node_uuid: string }> {
  const { uuid, owner } = allocation
  const instanceInfo = JSON.stringify({ traits: allocation.traits })
  return sql<{ node_uuid: string }>`
    WITH due AS MATERIALIZED (
      SELECT id FROM allocations WHERE uuid = ${uuid} AND state = 'allocating' FOR UPDATE SKIP LOCKED),
    free AS MATERIALIZED (
      SELECT nodes.id FROM nodes
      WHERE ${isWanted(allocation)} AND ${hasTraits(allocation)} AND nodes.reservation IS NULL
        AND EXISTS (SELECT 1 FROM due)
      ORDER BY (nodes.name IS NOT DISTINCT FROM ${allocation.name ?? ''}) DESC,
        (nodes.lessee IS NULL OR nodes.lessee IS NOT DISTINCT FROM ${owner}) DESC, random()
      LIMIT 1 FOR UPDATE OF nodes SKIP LOCKED),
    taken AS (
      UPDATE nodes SET instance_uuid = ${uuid}, allocation_uuid = ${uuid}, version = version + 1, updated_at = now(),
        instance_info = instance_info || ${instanceInfo}::jsonb
      FROM free WHERE nodes.id = free.id RETURNING nodes.uuid)
    UPDATE allocations SET state = 'active', node_uuid = taken.uuid, updated_at = now()
    FROM taken, due WHERE allocations.id = due.id RETURNING allocations.node_uuid`
}

/** How many nodes are wanted, and how many of those have the traits, locked or not. */
export async function countSuitable(
  db: Db,
  allocation: Allocation,
): Promise<{ wanted: number; suitable: number }> {
  const { rows } = await sql<{ wanted: number; suitable: number }>`
    SELECT count(*)::int AS wanted, (count(*) FILTER (WHERE ${hasTraits(allocation)}))::int AS suitable
    FROM nodes WHERE ${isWanted(allocation)}`.execute(db)
  return rows[0] ?? { wanted: 0, suitable: 0 }
}

/** Has it looked for again after a while, if nobody has done anything with it since it was read. */
export async function postpone(db: Db, allocation: Allocation, milliseconds: number): Promise<void> {
  await db
    .updateTable('allocations')
    .set({
      attempts: allocation.attempts + 1,
      retry_at: sql<Date>`now() + ${milliseconds} * interval '1 millisecond'`,
    })
    .where(isAsRead(allocation))
    .execute()
}

/** Ends it without a node, if nobody has done anything with it since it was read. */
export async function failAllocation(db: Db, allocation: Allocation, lastError: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('allocations')
    .set({ state: 'error', last_error: lastError, updated_at: sql`now()` })
    .where(isAsRead(allocation))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

const isAsRead = ({ uuid, attempts }: Allocation) =>
  sql<SqlBool>`uuid = ${uuid} AND state = 'allocating' AND attempts = ${attempts}`

/** Free nodes of the class, of the candidates if it names any, that the allocation's owner owns or leases. */
function isWanted({ resource_class, candidate_nodes, owner }: Allocation): RawBuilder<SqlBool> {
  const visible = isVisible(owner === null ? { kind: 'all' } : { kind: 'project', projectId: owner })
  const named =
    candidate_nodes.length === 0
      ? sql<SqlBool>`true`
      : sql<SqlBool>`nodes.uuid = ANY(${candidate_nodes}::uuid[])`
  return sql<SqlBool>`nodes.provision_state = 'available' AND nodes.instance_uuid IS NULL
    AND nodes.parent_node IS NULL AND NOT nodes.maintenance AND nodes.power_state IS NOT NULL
    AND nodes.resource_class = ${resource_class} AND ${visible} AND ${named}`
}

const hasTraits = ({ traits }: Allocation): RawBuilder<SqlBool> =>
  sql<SqlBool>`nodes.traits @> ${traits}::text[]`
