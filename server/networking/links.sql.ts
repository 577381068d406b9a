/** Links: what is wanted of switch ports and what they were seen to be, as their keeper reads and writes it. */
import { sql } from 'kysely'
import type { Db, WantedLink } from '../store/index.ts'
import { type Held, heldNow } from './keepers.sql.ts'

export interface Link {
  switchPortId: string
  /** The switch port's name. */
  name: string
  nodeUuid: string | null
  wanted: WantedLink
  generation: string
  pending: boolean
  attempts: number
  mtu: number | null
  /** Whether it was last seen not to be as wanted. */
  drifted: boolean
  /** Other switches that have members of the same LAG. */
  spread: string[]
}

/** The links of a switch that are pending and due; with each of a LAG the others of it. */
export const dueLinks = (db: Db, switchId: string): Promise<Link[]> =>
  readLinks(
    db,
    switchId,
    sql`(l.generation > l.verified_generation AND l.retry_at <= now()) OR l.wanted #>> '{lag,group}' IN (
      SELECT m.wanted #>> '{lag,group}' FROM switch_links m JOIN switch_ports mp ON mp.id = m.switch_port_id
      WHERE mp.switch_id = ${switchId} AND m.generation > m.verified_generation AND m.retry_at <= now())`,
  )

/** The links of a switch that have been verified and are as they are wanted, as far as is known. */
export const settledLinks = (db: Db, switchId: string): Promise<Link[]> =>
  readLinks(db, switchId, sql`l.generation = l.verified_generation`)

async function readLinks(db: Db, switchId: string, condition: ReturnType<typeof sql>): Promise<Link[]> {
  const { rows } = await sql<Link>`
    SELECT l.switch_port_id AS "switchPortId", p.name, l.node_uuid AS "nodeUuid", l.wanted, l.generation,
      l.generation > l.verified_generation AS pending, l.attempts, p.mtu,
      l.drift IS NOT NULL AS drifted,
      ARRAY(SELECT DISTINCT mp.switch_id FROM switch_links m JOIN switch_ports mp ON mp.id = m.switch_port_id
        WHERE m.node_uuid = l.node_uuid AND mp.switch_id <> p.switch_id
          AND m.wanted #>> '{lag,group}' = l.wanted #>> '{lag,group}')::text[] AS spread
    FROM switch_links l JOIN switch_ports p ON p.id = l.switch_port_id
    WHERE p.switch_id = ${switchId} AND p.kind = 'node' AND (${condition})
    ORDER BY l.switch_port_id LIMIT 1000`.execute(db)
  return rows
}

/** Notes that switch ports have been read back to be as these links want. @returns false when the lease is lost. */
export async function noteVerified(db: Db, held: Held, links: readonly Link[]): Promise<void> {
  for (const { switchPortId, generation, wanted } of links)
    await db
      .updateTable('switch_links')
      .set({
        verified: JSON.stringify(wanted),
        verified_generation: sql`greatest(verified_generation, ${generation}::bigint)`,
        verified_at: sql<Date>`now()`,
        error: null,
        attempts: 0,
        drift: null,
        drift_since: null,
      })
      .where('switch_port_id', '=', switchPortId)
      .where(heldNow(held))
      .execute()
}

/** Notes why switch ports are not as wanted; they are tried again after a while that grows. */
export async function noteFailed(
  db: Db,
  held: Held,
  links: readonly Link[],
  error: string,
  retryMs: { first: number; most: number },
): Promise<void> {
  for (const { switchPortId, generation, attempts } of links) {
    const waitMs = Math.min(retryMs.most, retryMs.first * 2 ** Math.min(attempts, 20))
    await db
      .updateTable('switch_links')
      .set({
        error: error.slice(0, 1000),
        attempts: attempts + 1,
        retry_at: sql<Date>`now() + make_interval(secs => ${(waitMs * (0.8 + 0.4 * Math.random())) / 1000})`,
      })
      .where('switch_port_id', '=', switchPortId)
      .where('generation', '=', generation)
      .where(heldNow(held))
      .execute()
  }
}

/** Notes what a switch port is that nobody wanted; with `repair` it is put back. None: it is as wanted. */
export async function noteDrift(
  db: Db,
  held: Held,
  link: Link,
  drift: Record<string, unknown> | null,
  repair: boolean,
): Promise<void> {
  await db
    .updateTable('switch_links')
    .set({
      drift: drift === null ? null : JSON.stringify(drift),
      drift_since: drift === null ? null : sql<Date>`coalesce(drift_since, now())`,
      ...(repair
        ? {
            generation: sql`generation + 1`,
            // It is wanted anew: its time to become so begins now.
            wanted_since: sql<Date>`now()`,
            attempts: 0,
            retry_at: sql<Date>`now()`,
          }
        : {}),
    })
    .where('switch_port_id', '=', link.switchPortId)
    .where('generation', '=', link.generation)
    .where(heldNow(held))
    .execute()
}

/** Has every switch port of a switch set and read back anew: another is in its place, and may know nothing of them. */
export const forgetVerified = (db: Db, switchId: string): Promise<unknown> =>
  sql`
    UPDATE switch_links SET generation = generation + 1, wanted_since = now(), attempts = 0, retry_at = now()
    WHERE switch_port_id IN (SELECT id FROM switch_ports WHERE switch_id = ${switchId})`.execute(db)

/**
 * Puts nodes into maintenance of which a switch port was to be idle, or to leave a former tenant's network, and could
 * not be verified to be so in time: what is not known to be isolated is not handed on.
 */
export async function quarantineUnverified(
  db: Db,
  timeoutSeconds: number,
  nodeUuid?: string,
): Promise<string[]> {
  const { rows } = await sql<{ uuid: string }>`
    UPDATE nodes SET maintenance = true, fault = 'network isolation', version = nodes.version + 1, updated_at = now(),
      maintenance_reason = left('Switch port ' || late.port || ' could not be verified to be isolated: '
        || coalesce(late.error, 'its switch has not answered') || '. Mend the switch; clear maintenance once'
        || ' GET /v1/nodes/N/networking says that it is verified.', 1000)
    FROM (
      SELECT DISTINCT ON (l.node_uuid) l.node_uuid, s.name || ' ' || p.name AS port, l.error
      FROM switch_links l JOIN switch_ports p ON p.id = l.switch_port_id JOIN switches s ON s.id = p.switch_id
      WHERE (l.wanted ->> 'mode' = 'idle' OR l.handover_generation > l.verified_generation)
        AND l.generation > l.verified_generation AND l.node_uuid IS NOT NULL
        AND (l.node_uuid = ${nodeUuid ?? null}::uuid
          OR l.wanted_since < now() - make_interval(secs => ${timeoutSeconds}))
      ORDER BY l.node_uuid, l.switch_port_id
    ) AS late
    WHERE nodes.uuid = late.node_uuid AND NOT nodes.maintenance
      AND (${nodeUuid ?? null}::uuid IS NULL OR nodes.uuid = ${nodeUuid ?? null}::uuid)
    RETURNING nodes.uuid`.execute(db)
  return rows.map(({ uuid }) => uuid)
}

/** How a link of a node is, for those who wait for it and those who look. */
export interface NodeLink {
  port_uuid: string | null
  switch: string
  switch_port: string
  wanted: WantedLink
  verified: boolean
  verified_at: Date | null
  error: string | null
  attempts: number
  drift: Record<string, unknown> | null
}

export async function linksOfNode(db: Db, nodeUuid: string): Promise<NodeLink[]> {
  const { rows } = await sql<NodeLink>`
    SELECT l.port_uuid, s.name AS switch, p.name AS switch_port, l.wanted,
      l.generation = l.verified_generation AS verified, l.verified_at, l.error, l.attempts, l.drift
    FROM switch_links l JOIN switch_ports p ON p.id = l.switch_port_id JOIN switches s ON s.id = p.switch_id
    WHERE l.node_uuid = ${nodeUuid} ORDER BY l.switch_port_id`.execute(db)
  return rows
}

/** Whether every switch port of a node has been seen to have left the networks of the tenant that had it before. */
export async function isHandedOver(db: Db, nodeUuid: string): Promise<boolean> {
  const late = await db
    .selectFrom('switch_links')
    .select('switch_port_id')
    .where('node_uuid', '=', nodeUuid)
    .whereRef('handover_generation', '>', 'verified_generation')
    .limit(1)
    .executeTakeFirst()
  return late === undefined
}

/** What a node is doing, as far as its networks go. */
export async function roleOfNode(db: Db, nodeUuid: string): Promise<string | null> {
  const row = await db
    .selectFrom('node_networking')
    .select('role')
    .where('node_uuid', '=', nodeUuid)
    .executeTakeFirst()
  return row?.role ?? null
}

/** How many switch ports are as wanted, not yet, or changed by somebody else. */
export async function countLinks(db: Db): Promise<Record<'verified' | 'pending' | 'drifted', number>> {
  const { rows } = await sql<Record<'verified' | 'pending' | 'drifted', number>>`
    SELECT (count(*) FILTER (WHERE generation = verified_generation AND drift IS NULL))::int AS verified,
      (count(*) FILTER (WHERE generation > verified_generation))::int AS pending,
      (count(*) FILTER (WHERE generation = verified_generation AND drift IS NOT NULL))::int AS drifted
    FROM switch_links`.execute(db)
  return rows[0] ?? { verified: 0, pending: 0, drifted: 0 }
}
