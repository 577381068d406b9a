/** Which process talks to which switch: a lease in PostgreSQL, with a fencing number for each. */
import type { Journal } from '@leasehold/switches'
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import type { Switch } from './switches.sql.ts'

/** Takes switches that nobody keeps, or whose keeper has been silent for so long. */
export async function takeSwitches(db: Db, keeper: string, silentMs: number): Promise<Switch[]> {
  const { rows } = await sql<Switch>`
    UPDATE switches SET keeper = ${keeper}, fence = fence + 1, keeper_beat_at = now()
    WHERE id IN (
      SELECT id FROM switches
      WHERE keeper IS NULL OR keeper_beat_at < now() - make_interval(secs => ${silentMs / 1000})
      ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING *`.execute(db)
  return rows
}

/** Says that the keeper lives. @returns the switches that it has still, as they are now. */
export async function beat(db: Db, keeper: string): Promise<Switch[]> {
  const { rows } = await sql<Switch>`
    UPDATE switches SET keeper_beat_at = now() WHERE keeper = ${keeper} RETURNING *`.execute(db)
  return rows
}

/** Gives all up; the next need not wait. */
export async function leave(db: Db, keeper: string): Promise<void> {
  await db.updateTable('switches').set({ keeper: null }).where('keeper', '=', keeper).execute()
}

/** Whoever keeps a switch, as every write of its keeper proves it. */
export interface Held {
  switchId: string
  keeper: string
  fence: string
}

export const heldNow = ({ switchId, keeper, fence }: Held) =>
  sql<boolean>`EXISTS (SELECT FROM switches WHERE id = ${switchId} AND keeper = ${keeper} AND fence = ${fence})`

/** Notes how a switch is. */
export async function noteSwitch(db: Db, held: Held, state: 'ok' | 'unreachable', reason: string | null) {
  await db
    .updateTable('switches')
    .set({ state, reason, checked_at: sql<Date>`now()` })
    .where('id', '=', held.switchId)
    .where('keeper', '=', held.keeper)
    .where('fence', '=', held.fence)
    .execute()
}

/** What is unfinished on a switch, where a killed keeper's successor finds it. Only who keeps the switch may write. */
export const journalOf = (db: Db, held: Held): Journal => ({
  async read() {
    const row = await db
      .selectFrom('switches')
      .select('unfinished')
      .where('id', '=', held.switchId)
      .executeTakeFirst()
    return row?.unfinished ?? null
  },
  async write(entry) {
    const { numUpdatedRows } = await db
      .updateTable('switches')
      .set({ unfinished: entry === null ? null : JSON.stringify(entry) })
      .where('id', '=', held.switchId)
      .where('keeper', '=', held.keeper)
      .where('fence', '=', held.fence)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw new Error('another process keeps the switch now')
  },
})
