/** Reads nodes for lines that open: those asked for in the same moment in one query, however many they are. */

import type { Node } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'

/** @returns a function that finds a node; undefined when it is gone */
export function createNodeReader(db: Db): (uuid: string) => Promise<Node | undefined> {
  let batch: { uuids: Set<string>; rows: Promise<Map<string, Node>> } | undefined

  const read = async (uuids: Set<string>): Promise<Map<string, Node>> => {
    await new Promise((resolve) => setImmediate(resolve))
    batch = undefined
    const rows = await db
      .selectFrom('nodes')
      .selectAll()
      .where('uuid', 'in', [...uuids])
      .execute()
    return new Map(rows.map((row) => [row.uuid, row]))
  }

  return async (uuid) => {
    if (batch === undefined) {
      const uuids = new Set<string>()
      batch = { uuids, rows: read(uuids) }
    }
    batch.uuids.add(uuid)
    return (await batch.rows).get(uuid)
  }
}
