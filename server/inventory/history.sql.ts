/** What has happened to nodes, in PostgreSQL. */
import type { Selectable } from 'kysely'
import type { Db, NodeHistoryTable } from '../store/index.ts'
import { type Keyset, keysetPage } from './keyset.ts'

export type HistoryEntry = Selectable<NodeHistoryTable>

/** One page of a node's history. */
export async function listHistory(db: Db, nodeUuid: string, page: Keyset): Promise<HistoryEntry[]> {
  const query = db.selectFrom('node_history').selectAll().where('node_uuid', '=', nodeUuid)
  const paged = await keysetPage(query, 'node_history', page, (marker) => findHistory(db, nodeUuid, marker))
  return paged.execute()
}

/** An entry of this node, or undefined. */
export const findHistory = (db: Db, nodeUuid: string, uuid: string): Promise<HistoryEntry | undefined> =>
  db
    .selectFrom('node_history')
    .selectAll()
    .where('node_uuid', '=', nodeUuid)
    .where('uuid', '=', uuid)
    .executeTakeFirst()
