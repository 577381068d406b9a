/** Consoles and the spans of their journals, in PostgreSQL. Offsets are bytes in the journal. */
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import { silentMs, type Taken } from './holders.sql.ts'

/** Whose bytes a part of the journal holds: from `start` (null: the wall is not built yet) to `end` (null: to now). */
export interface Span {
  id: string
  owner: string | null
  lessee: string | null
  instance_uuid: string | null
  shared_with_owner: boolean
  start: number | null
  end: number | null
  began_at: Date
  ended_at: Date | null
}

/** A console as its keeper sees it. */
export interface Held {
  node: { uuid: string; name: string | null }
  fence: number
  /** Since when it has been off. */
  offAt: Date | null
  /** The span that is being written, and whether others came before it. */
  span: Span
  isFirst: boolean
  powerState: string | null
  /** What it is being changed to; of a reboot, on. */
  targetPowerState: string | null
  provisionState: string
  /** Changes whenever the way to the machine does. */
  access: string
  /** Its journal's directory, by name. */
  journal: string
  /** How far the journal went when it was last written down. */
  endOffset: number
  remembered: Record<string, unknown> | null
}

/** What a holder keeps: all of it, or those of these nodes. */
export async function heldConsoles(
  db: Db,
  holder: string,
  nodeUuids?: readonly string[],
): Promise<Map<string, Held>> {
  const { rows } = await sql<HeldRow>`
    SELECT c.node_uuid, n.name, c.fence, c.off_at, n.power_state, n.target_power_state, n.provision_state,
           md5(n.driver || n.driver_info::text || (n.interfaces ->> 'console')) AS access,
           c.end_offset, c.remembered, ${journalName},
           NOT EXISTS (SELECT FROM console_spans e WHERE e.node_uuid = s.node_uuid AND e.id < s.id) AS is_first,
           ${spanColumns}
    FROM consoles c JOIN nodes n ON n.uuid = c.node_uuid JOIN console_spans s ON s.id = c.span_id
    WHERE c.holder = ${holder}
      AND ${nodeUuids === undefined ? sql`true` : sql`c.node_uuid = ANY (${[...nodeUuids]}::uuid[])`}`.execute(
    db,
  )
  return new Map(
    rows.map((row) => [
      row.node_uuid,
      {
        node: { uuid: row.node_uuid, name: row.name },
        fence: Number(row.fence),
        offAt: row.off_at,
        span: spanOf(row),
        isFirst: row.is_first,
        powerState: row.power_state,
        targetPowerState: row.target_power_state,
        provisionState: row.provision_state,
        access: row.access,
        journal: row.journal,
        endOffset: Number(row.end_offset),
        remembered: row.remembered,
      },
    ]),
  )
}

/** How a node's console is, for whoever asks. */
export interface ConsoleRow {
  state: string
  reason: string | null
  /** The same for those who are not to learn how the machine is reached. */
  plainReason: string | null
  stateSince: Date
  tcpUrl: string | null
  tcpTrouble: string | null
  /** The span that is being written. */
  span: Span
  /** Its journal's directory, by name. */
  journal: string
  /** How far the journal went when it was last written down. */
  end: number
}

/**
 * Finds a node's console; undefined when it never had one. One whose holder has been silent for `silentMs` is idle,
 * whatever that holder wrote down last.
 */
export async function findConsole(db: Db, nodeUuid: string): Promise<ConsoleRow | undefined> {
  const { rows } = await sql<
    SpanRow & {
      held: boolean | null
      state: string
      reason: string | null
      plain_reason: string | null
      state_since: Date
      tcp_url: string | null
      tcp_trouble: string | null
      journal: string
      end_offset: string
    }
  >`
    SELECT h.beat_at > now() - make_interval(secs => ${silentMs / 1000}) AS held,
           c.state, c.reason, c.plain_reason, c.state_since, c.tcp_url, c.tcp_trouble,
           c.end_offset, ${journalName}, ${spanColumns}
    FROM consoles c JOIN console_spans s ON s.id = c.span_id LEFT JOIN console_holders h ON h.id = c.holder
    WHERE c.node_uuid = ${nodeUuid}`.execute(db)
  const row = rows[0]
  if (!row) return undefined
  const { state, reason, plain_reason, tcp_url, tcp_trouble } = row.held
    ? row
    : { state: 'idle', reason: null, plain_reason: null, tcp_url: null, tcp_trouble: null }
  return {
    state,
    reason,
    plainReason: plain_reason,
    stateSince: row.state_since,
    tcpUrl: tcp_url,
    tcpTrouble: tcp_trouble,
    span: spanOf(row),
    journal: row.journal,
    end: Number(row.end_offset),
  }
}

/** Where a span begins in the journal. */
export interface Wall extends Taken {
  spanId: string
  offset: number
}

/**
 * Builds walls, many in one statement: each span begins at its offset, and all before it of that node end there.
 * @returns the spans that stand; those of consoles that are no longer this holder's do not.
 */
export async function buildWalls(db: Db, holder: string, walls: readonly Wall[]): Promise<string[]> {
  if (walls.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    WITH wall AS (
      SELECT c.node_uuid, w."spanId" AS span_id, w."offset"
      FROM jsonb_to_recordset(${JSON.stringify(walls)}::jsonb) AS w
        ("nodeUuid" uuid, fence bigint, "spanId" bigint, "offset" bigint)
      JOIN consoles c ON c.node_uuid = w."nodeUuid" AND c.holder = ${holder} AND c.fence = w.fence
      FOR SHARE OF c
    ), ended AS (
      UPDATE console_spans s
      SET end_offset = wall."offset", start_offset = COALESCE(s.start_offset, wall."offset")
      FROM wall WHERE s.node_uuid = wall.node_uuid AND s.id < wall.span_id AND s.end_offset IS NULL
    )
    UPDATE console_spans s SET start_offset = COALESCE(s.start_offset, wall."offset")
    FROM wall WHERE s.id = wall.span_id AND s.node_uuid = wall.node_uuid
    RETURNING s.id`.execute(db)
  return rows.map((row) => row.id)
}

/** What of a console is written down from time to time. */
export interface Noted {
  nodeUuid: string
  fence: number
  state: string
  reason: string | null
  plainReason: string | null
  since: Date
  end: number
  tcpUrl: string | null
  tcpTrouble: string | null
  remembered: Record<string, unknown> | null
}

/** Writes down how consoles are, many in one statement. */
export async function noteConsoles(db: Db, holder: string, notes: readonly Noted[]): Promise<void> {
  if (notes.length === 0) return
  await sql`
    UPDATE consoles c
    SET state = v.state, reason = v.reason, plain_reason = v."plainReason", state_since = v.since, end_offset = GREATEST(c.end_offset, v."end"),
        tcp_url = v."tcpUrl", tcp_trouble = v."tcpTrouble", remembered = v.remembered
    FROM jsonb_to_recordset(${JSON.stringify(notes)}::jsonb) AS v
      ("nodeUuid" uuid, fence bigint, state text, reason text, "plainReason" text, since timestamptz, "end" bigint, "tcpUrl" text,
       "tcpTrouble" text, remembered jsonb)
    WHERE c.node_uuid = v."nodeUuid" AND c.holder = ${holder} AND c.fence = v.fence`.execute(db)
}

/** A span by its id, with its node and the directory of its journal. */
export async function findSpan(
  db: Db,
  id: string,
): Promise<{ nodeUuid: string; journal: string; current: boolean; span: Span } | undefined> {
  const { rows } = await sql<SpanRow & { node_uuid: string; journal: string; current: boolean }>`
    SELECT s.node_uuid, ${journalName}, c.span_id = s.id AS current, ${spanColumns}
    FROM console_spans s JOIN consoles c ON c.node_uuid = s.node_uuid WHERE s.id = ${id}`.execute(db)
  const row = rows[0]
  return row
    ? { nodeUuid: row.node_uuid, journal: row.journal, current: row.current, span: spanOf(row) }
    : undefined
}

/** Whose these journals are now: the lessee's, else the owner's, else nobody's (''). Those of no console are left out. */
export async function tenantsOfJournals(db: Db, names: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await sql<{ journal: string; tenant: string }>`
    SELECT journal, tenant
    FROM (SELECT ${journalName}, COALESCE(n.lessee, n.owner, '') AS tenant
          FROM consoles c JOIN nodes n ON n.uuid = c.node_uuid) AS known
    WHERE journal = ANY (${[...names]}::text[])`.execute(db)
  return new Map(rows.map((row) => [row.journal, row.tenant]))
}

/** Spans that a project had or has, newest first; of everybody when it is null. */
export async function listSpans(
  db: Db,
  project: string | null,
  page: { limit: number; before?: string | undefined; nodeUuid?: string | undefined },
): Promise<{ nodeUuid: string; current: boolean; span: Span }[]> {
  const { rows } = await sql<SpanRow & { node_uuid: string; current: boolean }>`
    SELECT s.node_uuid, c.span_id = s.id AS current, ${spanColumns}
    FROM console_spans s JOIN consoles c ON c.node_uuid = s.node_uuid
    WHERE ${project === null ? sql`true` : sql`COALESCE(s.lessee, s.owner) = ${project}`}
      AND ${page.before === undefined ? sql`true` : sql`s.id < ${page.before}`}
      AND ${page.nodeUuid === undefined ? sql`true` : sql`s.node_uuid = ${page.nodeUuid}`}
    ORDER BY s.id DESC LIMIT ${page.limit}`.execute(db)
  return rows.map((row) => ({ nodeUuid: row.node_uuid, current: row.current, span: spanOf(row) }))
}

/** Lets the owner of a leased node read along, or no longer, for as long as the present span lasts. */
export async function shareSpan(db: Db, nodeUuid: string, spanId: string, shared: boolean): Promise<void> {
  await db
    .updateTable('console_spans')
    .set({ shared_with_owner: shared })
    .where('id', '=', spanId)
    .where('node_uuid', '=', nodeUuid)
    .execute()
  await sql`SELECT pg_notify(${consoleChannel}, ${nodeUuid})`.execute(db)
}

/** Where PostgreSQL tells of changed nodes; the payload is the node's UUID. */
export const consoleChannel = 'leasehold_console'

const journalName = sql.raw("concat_ws('-', c.node_uuid, c.journal_id) AS journal")
const spanColumns = sql.raw(
  's.id AS span_id, s.owner, s.lessee, s.instance_uuid, s.shared_with_owner, s.start_offset, s.end_offset AS span_end, s.began_at, s.ended_at',
)

interface SpanRow {
  span_id: string
  owner: string | null
  lessee: string | null
  instance_uuid: string | null
  shared_with_owner: boolean
  start_offset: string | null
  span_end: string | null
  began_at: Date
  ended_at: Date | null
}

interface HeldRow extends SpanRow {
  node_uuid: string
  name: string | null
  fence: string
  off_at: Date | null
  power_state: string | null
  target_power_state: string | null
  provision_state: string
  access: string
  journal: string
  end_offset: string
  remembered: Record<string, unknown> | null
  is_first: boolean
}

const numberOrNull = (text: string | null): number | null => (text === null ? null : Number(text))

const spanOf = (row: SpanRow): Span => ({
  id: row.span_id,
  owner: row.owner,
  lessee: row.lessee,
  instance_uuid: row.instance_uuid,
  shared_with_owner: row.shared_with_owner,
  start: numberOrNull(row.start_offset),
  end: numberOrNull(row.span_end),
  began_at: row.began_at,
  ended_at: row.ended_at,
})
