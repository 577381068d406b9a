/** VLANs on switches: which we have made where, which may be used there, and when one is free again. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import type { Held } from './keepers.sql.ts'

/** The name that a network's VLAN has on switches: known as ours, and short enough for all of them. */
export const vlanName = (networkUuid: string): string => `lh-${networkUuid.replaceAll('-', '').slice(0, 24)}`

/** VLANs that may be touched on a switch: those of its physical network. */
export async function vlansOfSwitch(db: Db, switchId: string): Promise<number[]> {
  const { rows } = await sql<{ vlan: number }>`
    SELECT v.vlan FROM vlans v JOIN switches s ON s.physical_network = v.physical_network WHERE s.id = ${switchId}
    UNION SELECT quarantine_vlan FROM switches WHERE id = ${switchId} ORDER BY 1`.execute(db)
  return rows.map(({ vlan }) => vlan)
}

export const nodePortsOf = async (db: Db, switchId: string): Promise<string[]> =>
  (
    await db
      .selectFrom('switch_ports')
      .select('name')
      .where('switch_id', '=', switchId)
      .where('kind', '=', 'node')
      .orderBy('id')
      .execute()
  ).map(({ name }) => name)

/**
 * Notes, before it is made, that a network's VLAN is on a switch.
 * @returns the name to give it; null for one that the operator made, whose name is the operator's.
 */
export async function noteVlan(
  db: Db,
  switchId: string,
  vlan: number,
  networkUuid: string,
): Promise<string | null> {
  const { rows } = await sql<{ ours: boolean }>`
    WITH v AS (
      SELECT v.id, v.pool_id IS NOT NULL AS ours FROM vlans v JOIN switches s ON s.physical_network = v.physical_network
      WHERE s.id = ${switchId} AND v.vlan = ${vlan})
    , noted AS (
      INSERT INTO switch_vlans (switch_id, vlan_id, name) SELECT ${switchId}, id, ${vlanName(networkUuid)} FROM v
      ON CONFLICT (switch_id, vlan_id) DO NOTHING)
    SELECT ours FROM v`.execute(db)
  return rows[0]?.ours ? vlanName(networkUuid) : null
}

export interface LeavingVlan {
  id: string
  vlan: number
  name: string
  ours: boolean
}

/** VLANs on a switch whose networks are gone, and that no port there is in, is to be in, or may still be in. */
export async function leavingVlans(db: Db, switchId: string): Promise<LeavingVlan[]> {
  const { rows } = await sql<LeavingVlan>`
    SELECT v.id, v.vlan, sv.name, v.pool_id IS NOT NULL AS ours
    FROM switch_vlans sv JOIN vlans v ON v.id = sv.vlan_id
    CROSS JOIN LATERAL (
      SELECT jsonb_build_object('tagged', jsonb_build_array(jsonb_build_object('vlan', v.vlan))) AS it) tagged
    WHERE sv.switch_id = ${switchId} AND v.state = 'leaving' AND NOT EXISTS (
      SELECT FROM switch_links l JOIN switch_ports p ON p.id = l.switch_port_id
      WHERE p.switch_id = sv.switch_id AND (l.generation > l.verified_generation
        OR (l.wanted ->> 'vlan')::int = v.vlan OR (l.verified ->> 'vlan')::int = v.vlan
        OR l.wanted @> tagged.it OR l.verified @> tagged.it))
    ORDER BY v.id`.execute(db)
  return rows
}

/** Notes that a VLAN is gone from a switch. */
export async function noteVlanGone(db: Db, { switchId, keeper, fence }: Held, vlanId: string): Promise<void> {
  await sql`
    DELETE FROM switch_vlans WHERE switch_id = ${switchId} AND vlan_id = ${vlanId}
      AND EXISTS (SELECT FROM switches WHERE id = ${switchId} AND keeper = ${keeper} AND fence = ${fence})
      AND EXISTS (SELECT FROM vlans WHERE id = ${vlanId} AND state = 'leaving')`.execute(db)
}

/** VLANs that are gone from every switch may be used again; those that the operator named are forgotten. */
export async function freeVlans(db: Db): Promise<void> {
  const gone = sql`state = 'leaving' AND NOT EXISTS (SELECT FROM switch_vlans sv WHERE sv.vlan_id = vlans.id)`
  await sql`UPDATE vlans SET state = 'free', freed_at = now() WHERE ${gone} AND pool_id IS NOT NULL`.execute(
    db,
  )
  await sql`DELETE FROM vlans WHERE ${gone} AND pool_id IS NULL`.execute(db)
}
