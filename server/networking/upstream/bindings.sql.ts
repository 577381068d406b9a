/** Bindings of ports that a Neutron has not been told of yet, and how telling it went. */
import { sql } from 'kysely'
import type { Db } from '../../store/index.ts'

export interface Binding {
  port: string
  generation: string
  attempts: number
  /** The node; empty for a port that is attached nowhere. */
  host: string
  vnicType: string
  profile: Record<string, unknown>
  /** The machine's MAC address there; null where it has no port any more. */
  address: string | null
}

/** Takes bindings that are due, for as long as one attempt may take: after that others try. */
export async function takeDueBindings(db: Db, forMs: number, limit: number): Promise<Binding[]> {
  const { rows } = await sql<Binding>`
    WITH taken AS (
      UPDATE neutron_ports SET retry_at = now() + make_interval(secs => ${forMs / 1000})
      WHERE port_uuid IN (
        SELECT port_uuid FROM neutron_ports WHERE generation > written_generation AND retry_at <= now()
        ORDER BY retry_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
      RETURNING port_uuid, generation, attempts)
    SELECT p.uuid AS port, t.generation, t.attempts, p.binding_host_id AS host, p.binding_vnic_type AS "vnicType",
      p.binding_profile AS profile, coalesce(
        (SELECT address FROM ports WHERE internal_info ->> 'tenant_vif_port_id' = p.uuid::text LIMIT 1),
        (SELECT coalesce(g.address, m.address) FROM portgroups g JOIN ports m ON m.portgroup_uuid = g.uuid
          WHERE g.internal_info ->> 'tenant_vif_port_id' = p.uuid::text ORDER BY m.id LIMIT 1)) AS address
    FROM taken t JOIN network_ports p ON p.uuid = t.port_uuid`.execute(db)
  return rows
}

/** Notes that Neutron has a binding. A port that is attached nowhere is then no longer ours to know. */
export const noteWritten = (db: Db, { port, generation }: Binding): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await trx
      .updateTable('neutron_ports')
      .set({
        written_generation: sql`greatest(written_generation, ${generation}::bigint)`,
        attempts: 0,
        error: null,
      })
      .where('port_uuid', '=', port)
      .execute()
    await sql`
      DELETE FROM network_ports p USING neutron_ports n
      WHERE n.port_uuid = p.uuid AND p.uuid = ${port} AND p.binding_host_id = ''
        AND n.generation = n.written_generation`.execute(trx)
  })

/** Notes why Neutron does not have a binding; it is told again after a while that grows. */
export async function noteUnwritten(
  db: Db,
  { port, generation, attempts }: Binding,
  error: string,
  retryMs: { first: number; most: number },
): Promise<void> {
  const waitMs = Math.min(retryMs.most, retryMs.first * 2 ** Math.min(attempts, 20))
  await db
    .updateTable('neutron_ports')
    .set({
      error: error.slice(0, 1000),
      attempts: attempts + 1,
      retry_at: sql<Date>`now() + make_interval(secs => ${(waitMs * (0.8 + 0.4 * Math.random())) / 1000})`,
    })
    .where('port_uuid', '=', port)
    .where('generation', '=', generation)
    .execute()
}

/** Notes that Neutron has another binding than it was told; it is told anew. */
export async function writeAnew(db: Db, port: string): Promise<void> {
  await sql`
    UPDATE neutron_ports SET generation = generation + 1, attempts = 0, retry_at = now()
    WHERE port_uuid = ${port} AND generation = written_generation`.execute(db)
}

/** What a Neutron knows of a node's VIFs, for those who look. */
export interface NodeBinding {
  vif: string
  written: boolean
  error: string | null
  attempts: number
}

export async function bindingsOfNode(db: Db, nodeUuid: string): Promise<NodeBinding[]> {
  const { rows } = await sql<NodeBinding>`
    SELECT p.uuid AS vif, n.generation = n.written_generation AS written, n.error, n.attempts
    FROM network_ports p JOIN neutron_ports n ON n.port_uuid = p.uuid
    WHERE p.binding_host_id = ${nodeUuid} ORDER BY p.id`.execute(db)
  return rows
}

/** How many bindings Neutron has been told of, not yet, or has refused or not answered. */
export async function countBindings(db: Db): Promise<Record<'written' | 'pending' | 'failing', number>> {
  const { rows } = await sql<Record<'written' | 'pending' | 'failing', number>>`
    SELECT (count(*) FILTER (WHERE generation = written_generation))::int AS written,
      (count(*) FILTER (WHERE generation > written_generation AND error IS NULL))::int AS pending,
      (count(*) FILTER (WHERE generation > written_generation AND error IS NOT NULL))::int AS failing
    FROM neutron_ports`.execute(db)
  return rows[0] ?? { written: 0, pending: 0, failing: 0 }
}
