/** The port that a VIF is, for a node whose tenant may use it. */
import { sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Node } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import { insertPortIn } from './networks.sql.ts'
import { vifNotFound } from './upstream/index.ts'

/** A port that is attached nowhere. */
export interface FreePort {
  uuid: string
  network_uuid: string
  physical_network: string
  mac_address: string | null
}

/** The port that a VIF names, or one made for it in the network that it names; the node's tenant may use it. */
export async function portFor(
  trx: Db,
  id: string,
  { lessee, owner }: Node,
  quota: number,
): Promise<FreePort> {
  const tenant = lessee ?? owner
  const port = await freePort(trx, id, tenant)
  if (port) return port
  const network = await sql<{ uuid: string }>`
    SELECT uuid FROM networks WHERE uuid::text = lower(${id}) AND network_usable(uuid, ${tenant})`.execute(
    trx,
  )
  const found = network.rows[0]
  if (!found)
    throw new LeaseholdError(
      'invalid',
      `VIF ${id} could not be found: name a port, or a network, that the node's tenant may use.`,
    )
  const made = await insertPortIn(
    trx,
    { network_uuid: found.uuid, project_id: tenant, device_owner: 'baremetal:none', automatic: true },
    quota,
  )
  return (await freePort(trx, made, tenant)) as FreePort
}

/** The copy of a Neutron's port, judged once more by what the copies say. */
export async function copiedPort(trx: Db, id: string, { lessee, owner }: Node): Promise<FreePort> {
  const port = await freePort(trx, id, lessee ?? owner)
  if (!port) throw vifNotFound(id)
  return port
}

/**
 * The port that a VIF names, if the node's tenant may use it.
 * @throws LeaseholdError 'conflict' when it is attached.
 */
async function freePort(trx: Db, id: string, tenant: string | null): Promise<FreePort | undefined> {
  const { rows } = await sql<FreePort>`
    SELECT p.uuid, p.network_uuid, p.mac_address, v.physical_network
    FROM network_ports p JOIN networks n ON n.uuid = p.network_uuid JOIN vlans v ON v.id = n.vlan_id
    WHERE p.uuid::text = lower(${id}) AND network_usable(n.uuid, ${tenant})
      AND (p.project_id IS NOT DISTINCT FROM ${tenant}::text OR p.project_id IS NULL)
    FOR UPDATE OF p`.execute(trx)
  const [port] = rows
  if (!port) return undefined
  const elsewhere = await sql`
    SELECT FROM ports WHERE internal_info ->> 'tenant_vif_port_id' = ${port.uuid}
    UNION ALL SELECT FROM trunk_subports WHERE port_uuid = ${port.uuid}
    UNION ALL SELECT FROM portgroups WHERE internal_info ->> 'tenant_vif_port_id' = ${port.uuid}`.execute(trx)
  if (elsewhere.rows.length > 0)
    throw new LeaseholdError('conflict', `VIF ${id} is attached already, or on a trunk; detach it first.`)
  return port
}
