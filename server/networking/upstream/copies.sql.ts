/** Copies of a Neutron's networks and ports: made when a VIF is attached, gone when nothing uses them any more. */
import { sql } from 'kysely'
import type { Db } from '../../store/index.ts'
import { takeGivenVlan } from '../pools.sql.ts'
import type { UpstreamNetwork, UpstreamPort } from './neutron.ts'

/**
 * Makes a network's copy what Neutron says, in a transaction of the caller's. What follows for switch ports is derived
 * with it.
 * @throws LeaseholdError 'invalid', 'conflict' as `takeGivenVlan`; nothing of the copy is changed then.
 */
export async function putNetwork(
  trx: Db,
  network: UpstreamNetwork & { segment: NonNullable<UpstreamNetwork['segment']> },
  lookAfterSeconds: number,
): Promise<void> {
  const { id, projectId, up, mtu, segment, shares } = network
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`neutron network ${id}`}, 0))`.execute(trx)
  const known = await trx
    .selectFrom('networks')
    .innerJoin('vlans', 'vlans.id', 'networks.vlan_id')
    .select(['vlan_id', 'vlan', 'physical_network'])
    .where('networks.uuid', '=', id)
    .executeTakeFirst()
  const same = known?.vlan === segment.vlan && known.physical_network === segment.physicalNetwork
  const vlanId = known && same ? known.vlan_id : await takeGivenVlan(trx, id, segment)
  const row = { project_id: projectId, admin_state_up: up, mtu, vlan_id: vlanId }
  if (known) {
    await trx.updateTable('networks').set(row).where('uuid', '=', id).execute()
    await trx
      .deleteFrom('network_rbac')
      .where('network_uuid', '=', id)
      .where(sql<boolean>`NOT uuid = ANY (${shares.map((share) => share.id)}::uuid[])`)
      .execute()
  } else {
    await trx
      .insertInto('networks')
      .values({ ...row, uuid: id })
      .execute()
    await trx
      .insertInto('neutron_networks')
      .values({ network_uuid: id, look_at: sql<Date>`now() + make_interval(secs => ${lookAfterSeconds})` })
      .execute()
  }
  const added =
    shares.length > 0 &&
    (await trx
      .insertInto('network_rbac')
      .values(
        shares.map((share) => ({
          uuid: share.id,
          network_uuid: id,
          project_id: null,
          target_project: share.target,
          action: 'access_as_shared' as const,
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst())
  // Who may use it anew may have been in it before.
  if (known && added) await sql`SELECT networking_refresh_network(${id}::uuid)`.execute(trx)
}

/** Makes a port's copy; one that there is already stays as it is. */
export async function putPort(trx: Db, { id, networkId, projectId, up }: UpstreamPort): Promise<void> {
  await sql`
    WITH made AS (
      INSERT INTO network_ports (uuid, network_uuid, project_id, admin_state_up)
      VALUES (${id}, ${networkId}, ${projectId}, ${up}) ON CONFLICT (uuid) DO NOTHING RETURNING uuid)
    INSERT INTO neutron_ports (port_uuid) SELECT uuid FROM made`.execute(trx)
}

/** A network that Neutron has no more: its ports with it, and whatever was in it is isolated. */
export const dropNetwork = (db: Db, uuid: string): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await trx.deleteFrom('network_roles').where('network_uuid', '=', uuid).execute()
    await trx.deleteFrom('network_ports').where('network_uuid', '=', uuid).execute()
    await sql`SELECT networking_refresh_network(${uuid}::uuid)`.execute(trx)
    await trx.deleteFrom('networks').where('uuid', '=', uuid).execute()
  })

/** Takes a network out of use for as long as it can not be had as Neutron has it. */
export const isolateNetwork = async (db: Db, uuid: string): Promise<void> => {
  await db
    .updateTable('networks')
    .set({ admin_state_up: false })
    .where('uuid', '=', uuid)
    .where('admin_state_up', '=', true)
    .execute()
}

/** A port that Neutron has no more: it is attached nowhere. */
export const dropPort = async (db: Db, uuid: string): Promise<void> => {
  await db.deleteFrom('network_ports').where('uuid', '=', uuid).execute()
}

export const setPortUp = async (db: Db, uuid: string, up: boolean): Promise<void> => {
  await db
    .updateTable('network_ports')
    .set({ admin_state_up: up })
    .where('uuid', '=', uuid)
    .where('admin_state_up', '<>', up)
    .execute()
}

/** Forgets copies of ports that are attached nowhere, which Neutron knows, and of networks that nothing is in. */
export async function forgetUnused(db: Db, keepNetworks: readonly string[]): Promise<void> {
  await sql`
    DELETE FROM network_ports p USING neutron_ports n
    WHERE n.port_uuid = p.uuid AND p.binding_host_id = '' AND n.generation = n.written_generation`.execute(db)
  const { rows } = await sql<{ uuid: string }>`
    SELECT n.network_uuid AS uuid FROM neutron_networks n
    WHERE NOT n.network_uuid = ANY (${[...keepNetworks]}::uuid[])
      AND NOT EXISTS (SELECT FROM network_ports p WHERE p.network_uuid = n.network_uuid)
      AND NOT EXISTS (SELECT FROM network_roles r WHERE r.network_uuid = n.network_uuid)
    LIMIT 1000`.execute(db)
  for (const { uuid } of rows)
    await db
      .deleteFrom('networks')
      .where('uuid', '=', uuid)
      .execute()
      // Something has been put into it meanwhile.
      .catch((error: { code?: string }) => {
        if (error.code !== '23503') throw error
      })
}

/** Takes copies of networks that are due to be compared. Another process takes others. */
export async function takeDueNetworks(db: Db, againSeconds: number, limit: number): Promise<string[]> {
  const { rows } = await sql<{ uuid: string }>`
    UPDATE neutron_networks SET look_at = now() + make_interval(secs => ${againSeconds})
    WHERE network_uuid IN (
      SELECT network_uuid FROM neutron_networks WHERE look_at <= now() ORDER BY look_at LIMIT ${limit}
      FOR UPDATE SKIP LOCKED)
    RETURNING network_uuid AS uuid`.execute(db)
  return rows.map(({ uuid }) => uuid)
}

export interface PortCopy {
  id: string
  host: string
  profile: Record<string, unknown>
  /** Neutron has been told of the binding. */
  written: boolean
}

/** The copies of ports of some networks, a page of them after a port. */
export async function portsOfNetworks(
  db: Db,
  networks: readonly string[],
  after: string | undefined,
  limit: number,
): Promise<PortCopy[]> {
  const { rows } = await sql<PortCopy>`
    SELECT p.uuid AS id, p.binding_host_id AS host, p.binding_profile AS profile,
      n.generation = n.written_generation AS written
    FROM network_ports p JOIN neutron_ports n ON n.port_uuid = p.uuid
    WHERE p.network_uuid = ANY (${[...networks]}::uuid[])
      AND (${after ?? null}::uuid IS NULL OR p.uuid > ${after ?? null}::uuid)
    ORDER BY p.uuid LIMIT ${limit}`.execute(db)
  return rows
}

export const knownNetworks = async (db: Db, ids: readonly string[]): Promise<string[]> =>
  ids.length === 0
    ? []
    : (
        await db
          .selectFrom('networks')
          .select('uuid')
          .where('uuid', 'in', [...ids])
          .execute()
      ).map(({ uuid }) => uuid)

/** How many networks are not of this provider: of the other one, which a database is used with by itself. */
export async function countForeign(db: Db, provider: 'local' | 'neutron'): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM networks n LEFT JOIN neutron_networks c ON c.network_uuid = n.uuid
    WHERE (c.network_uuid IS NULL) = ${provider === 'neutron'}`.execute(db)
  return rows[0]?.count ?? 0
}
