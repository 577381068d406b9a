/** What the newest inspection of a node has found, in PostgreSQL. */
import type { Selectable } from 'kysely'
import type { Db, NodeInventoryTable } from '../store/index.ts'

export type NodeInventory = Selectable<NodeInventoryTable>

/** Keeps what an inspection found in place of what the one before had. */
export async function saveNodeInventory(
  db: Db,
  nodeUuid: string,
  found: { inventory: Record<string, unknown>; pluginData: Record<string, unknown> },
): Promise<void> {
  const columns = {
    inventory: JSON.stringify(found.inventory),
    plugin_data: JSON.stringify(found.pluginData),
    created_at: new Date(),
  }
  await db
    .insertInto('node_inventory')
    .values({ node_uuid: nodeUuid, ...columns })
    .onConflict((conflict) => conflict.column('node_uuid').doUpdateSet(columns))
    .execute()
}

export const findNodeInventory = (db: Db, nodeUuid: string): Promise<NodeInventory | undefined> =>
  db.selectFrom('node_inventory').selectAll().where('node_uuid', '=', nodeUuid).executeTakeFirst()
