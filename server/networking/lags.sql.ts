/** Numbers of LAGs: one a port group on each switch, while a link there wants it or has it. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import type { Switch } from './switches.sql.ts'
import { type LagNumbers, lagGroupsOf, peerOf } from './target.ts'

/**
 * The numbers of a port group's LAG on a switch. A group that has members on another switch too is one LAG only if the
 * two are a pair; both then know it by the number that it has on the first of them.
 *
 * @param spread ids of the other switches that have members of it
 * @throws Error that says what to do, when no number is free or the switches are no pair
 */
export async function lagNumbersOf(
  db: Db,
  row: Switch,
  group: string,
  spread: readonly string[],
): Promise<LagNumbers> {
  if (spread.length === 0) return { group: await lagNumber(db, row, group) }
  const others = await db.selectFrom('switches').selectAll().where('id', 'in', spread).execute()
  const [other] = others
  if (!other || others.length > 1 || peerOf(row) !== other.name || peerOf(other) !== row.name)
    throw new Error(
      `the port group has members on ${[row, ...others].map(({ name }) => name).join(', ')}, and one LAG spans two switches that are a pair, at most: where they share a vPC, MLAG or VLT domain, give each the other's name as options.peer; else take the ports out of their port group`,
    )
  const [first, second] = BigInt(row.id) < BigInt(other.id) ? [row, other] : [other, row]
  const multiChassis = await lagNumber(db, first, group)
  // The same on both, where that can be had: operators expect it.
  return {
    group: row === first ? multiChassis : await lagNumber(db, second, group, multiChassis),
    multiChassis,
  }
}

/** The number on one switch, `liked` if that is free. The keepers of both switches of a pair may ask at once. */
async function lagNumber(db: Db, row: Switch, group: string, liked = 0): Promise<number> {
  for (let tries = 0; tries < 3; tries++) {
    const { rows } = await sql<{ number: number }>`
      WITH made AS (
        INSERT INTO switch_lags (switch_id, portgroup_uuid, number)
        SELECT ${row.id}, ${group}, n FROM unnest(${lagGroupsOf(row)}::int[]) AS n
        WHERE NOT EXISTS (SELECT FROM switch_lags WHERE switch_id = ${row.id} AND (number = n OR portgroup_uuid = ${group}))
        ORDER BY n <> ${liked}, n LIMIT 1 ON CONFLICT DO NOTHING RETURNING number)
      SELECT number FROM made
      UNION ALL SELECT number FROM switch_lags WHERE switch_id = ${row.id} AND portgroup_uuid = ${group}`.execute(
      db,
    )
    if (rows[0]) return rows[0].number
  }
  throw new Error(
    `no LAG number is free on switch ${row.name}; give it more in options.lag_groups, or take the ports out of their port group`,
  )
}

/** Forgets the numbers, here and on the pair's other switch, of groups that no link wants, has, or may still have. */
export async function freeLagNumbers(db: Db, switchId: string): Promise<void> {
  await sql`
    DELETE FROM switch_lags sl
    WHERE sl.portgroup_uuid IN (SELECT portgroup_uuid FROM switch_lags WHERE switch_id = ${switchId}) AND NOT EXISTS (
      SELECT FROM switch_links l JOIN switch_ports p ON p.id = l.switch_port_id
      WHERE p.switch_id IN (SELECT switch_id FROM switch_lags o WHERE o.portgroup_uuid = sl.portgroup_uuid)
        AND (l.generation > l.verified_generation
          OR l.wanted #>> '{lag,group}' = sl.portgroup_uuid::text
          OR l.verified #>> '{lag,group}' = sl.portgroup_uuid::text))`.execute(db)
}
