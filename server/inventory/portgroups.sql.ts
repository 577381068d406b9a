/** Port groups and the ports in them, in PostgreSQL. */
import type { Db } from '../store/index.ts'
import type { Port, Portgroup } from './owned.sql.ts'

/**
 * Runs `work` in a transaction in which neither a port group nor who is in it changes by another's hand; undefined when
 * there is no such group.
 */
export const withPortgroup = <T>(
  db: Db,
  uuid: string,
  work: (db: Db, group: Portgroup, ports: Port[]) => Promise<T>,
): Promise<T | undefined> =>
  db.transaction().execute(async (transaction) => {
    const group = await transaction
      .selectFrom('portgroups')
      .selectAll()
      .where('uuid', '=', uuid)
      .forUpdate()
      .executeTakeFirst()
    if (!group) return undefined
    const ports = await transaction
      .selectFrom('ports')
      .selectAll()
      .where('portgroup_uuid', '=', uuid)
      .orderBy('id')
      .execute()
    return work(transaction, group, ports)
  })

/** Gives the ports of a group the group's physical network. */
export async function setPhysicalNetwork(
  db: Db,
  portgroupUuid: string,
  physicalNetwork: string | null,
): Promise<void> {
  await db
    .updateTable('ports')
    .set({ physical_network: physicalNetwork, updated_at: new Date() })
    .where('portgroup_uuid', '=', portgroupUuid)
    .where((eb) => eb('physical_network', 'is distinct from', physicalNetwork))
    .execute()
}
