/** Which process keeps which consoles: a lease in PostgreSQL, with a fencing number for each console. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'

/** Silence after which others take a holder's consoles, milliseconds. */
export const silentMs = 6_000

/** A holder takes no more bytes of a line than so many beyond the end that is written down. */
export const mostUnnotedBytes = 16 * 1024 * 1024

/** A process that keeps consoles. */
export interface Holder {
  id: string
  hostname: string
  conductorGroup: string
  drivers: readonly string[]
  url: string | null
  /** Where its journals are. */
  disk: string
}

/** A console that was taken: its fencing number goes into every later write. */
export interface Taken {
  nodeUuid: string
  fence: number
}

/**
 * Enters a process among the holders. An earlier life of the same host is over: one process at a time has a
 * conductor's name.
 */
export async function enterHolder(db: Db, holder: Holder): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('console_holders').where('hostname', '=', holder.hostname).execute()
    await trx
      .insertInto('console_holders')
      .values({
        id: holder.id,
        hostname: holder.hostname,
        conductor_group: holder.conductorGroup,
        drivers: [...holder.drivers],
        url: holder.url,
      })
      .execute()
  })
}

/** Gives up all that a holder keeps; the next one need not wait. `noted`: nodes whose journals' ends are written down. */
export async function leaveHolder(db: Db, id: string, noted: readonly string[] = []): Promise<void> {
  await sql`
    UPDATE consoles SET disk = NULL WHERE holder = ${id} AND node_uuid = ANY (${[...noted]}::uuid[])`.execute(
    db,
  )
  await db.deleteFrom('console_holders').where('id', '=', id).execute()
}

/** Forgets holders that are long gone. */
export async function purgeHolders(db: Db): Promise<void> {
  await sql`DELETE FROM console_holders WHERE beat_at < now() - interval '1 hour'`.execute(db)
}

/**
 * Takes consoles that are on and that nobody keeps, at most `most`. One that other living holders could keep goes to
 * the one that a hash prefers; when that does not come for it within `graceMs`, to whoever does.
 *
 * What the last holder has recorded on another disk and not written down must not have its offsets given again: the end
 * is put behind all that there may be.
 */
export async function takeFree(
  db: Db,
  holder: Holder,
  { graceMs, most }: { graceMs: number; most: number },
): Promise<Taken[]> {
  const { rows } = await sql<{ node_uuid: string; fence: string }>`
    WITH dead AS (
      SELECT id FROM console_holders WHERE beat_at < now() - make_interval(secs => ${silentMs / 1000})
    ), free AS (
      SELECT c.node_uuid
      FROM consoles c JOIN nodes n ON n.uuid = c.node_uuid
      WHERE n.console_enabled AND (c.holder IS NULL OR c.holder IN (SELECT id FROM dead))
        AND n.conductor_group = ${holder.conductorGroup} AND n.driver = ANY (${[...holder.drivers]}::text[])
        AND (c.free_since < now() - make_interval(secs => ${graceMs / 1000}) OR ${holder.id} = (
          SELECT h.id FROM console_holders h
          WHERE h.id NOT IN (SELECT id FROM dead) AND h.conductor_group = n.conductor_group
            AND n.driver = ANY (h.drivers)
          ORDER BY md5(h.hostname || c.node_uuid::text) LIMIT 1))
      LIMIT ${most} FOR UPDATE OF c SKIP LOCKED
    )
    -- How it was at its last holder, and at which port, is nobody's truth any more: that port may be another console's.
    UPDATE consoles SET holder = ${holder.id}, fence = nextval('console_fences'), tcp_url = NULL, tcp_trouble = NULL,
      state = 'opening', reason = NULL, state_since = now(), disk = ${holder.disk},
      end_offset = consoles.end_offset + CASE WHEN consoles.disk <> ${holder.disk} THEN ${mostUnnotedBytes} ELSE 0 END
    FROM free WHERE consoles.node_uuid = free.node_uuid
    RETURNING consoles.node_uuid, consoles.fence`.execute(db)
  return rows.map((row) => ({ nodeUuid: row.node_uuid, fence: Number(row.fence) }))
}

/** Gives one console up. */
export async function giveUp(db: Db, holder: string, { nodeUuid, fence }: Taken): Promise<void> {
  await db
    .updateTable('consoles')
    .set({
      holder: null,
      remembered: null,
      tcp_url: null,
      tcp_trouble: null,
      state: 'idle',
      free_since: sql<Date>`now()`,
    })
    .where('node_uuid', '=', nodeUuid)
    .where('holder', '=', holder)
    .where('fence', '=', String(fence))
    .execute()
}

/** Who keeps a node's console, if a living holder does. */
export async function holderOf(
  db: Db,
  nodeUuid: string,
): Promise<{ id: string; url: string | null } | undefined> {
  return db
    .selectFrom('consoles')
    .innerJoin('console_holders', 'console_holders.id', 'consoles.holder')
    .select(['console_holders.id', 'console_holders.url'])
    .where('consoles.node_uuid', '=', nodeUuid)
    .where('console_holders.beat_at', '>', sql<Date>`now() - make_interval(secs => ${silentMs / 1000})`)
    .executeTakeFirst()
}
