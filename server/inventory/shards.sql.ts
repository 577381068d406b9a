/** Shards in PostgreSQL: words by which an operator parts nodes between the services that look after them. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'

export interface Shard {
  /** Null for the nodes that are in none. */
  name: string | null
  count: number
}

/** How many nodes each shard has, the largest first. */
export async function countShards(db: Db): Promise<Shard[]> {
  const rows = await db
    .selectFrom('nodes')
    .select(['shard as name', (eb) => eb.fn.countAll<string>().as('count')])
    .groupBy('shard')
    .orderBy('count', 'desc')
    .orderBy(sql`nodes.shard ASC NULLS LAST`)
    .execute()
  return rows.map(({ name, count }) => ({ name, count: Number(count) }))
}
