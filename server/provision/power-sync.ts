/**
 * Reads the power states of the machines, again and again, without a process or a timer a node.
 *
 * Conductors share the nodes: the living ones that serve a driver in a group stand in a row by name, and a node
 * belongs to the one that the hash of its UUID points at. While a conductor comes or goes, a node may be read twice
 * or be left out once; a write is accepted only by a row that has not changed since it was read, so neither does harm.
 */
import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Hardware, Node, PowerState } from '../hardware/index.ts'
import type { Db } from '../store/index.ts'
import { type HistoryRow, historyRow } from './history.ts'

export interface PowerSyncDeps {
  db: Db
  hardware: Hardware
  config: Config
  log: Logger
  host: string
  signal: AbortSignal
}

/** How often in a row a node could not be read, by UUID: kept from one round to the next. */
export type ReadFailures = Map<string, number>

export interface PowerSyncResult {
  read: number
  changed: number
  /** For the next round. */
  failures: ReadFailures
}

/**
 * One round over this conductor's nodes, page by page; a page is one SELECT and, where something has changed, one
 * UPDATE. Locked nodes, nodes in enroll and nodes in maintenance are left alone, but for those put there by this.
 */
export async function syncPower(deps: PowerSyncDeps, before: ReadFailures): Promise<PowerSyncResult> {
  const result: PowerSyncResult = { read: 0, changed: 0, failures: new Map() }
  const shares = await sharesOf(deps)
  for (const share of shares)
    for (let after = '0'; ; ) {
      if (deps.signal.aborted) return result
      const page = await readPage(deps, share, after)
      const last = page.at(-1)
      if (!last) break
      after = last.id
      const readings = await readAll(deps, page)
      if (deps.signal.aborted) return result
      const changes: Change[] = []
      for (const [index, node] of page.entries()) {
        const reading = readings[index] as Reading
        const failed = 'error' in reading ? (before.get(node.uuid) ?? 0) + 1 : 0
        if (failed > 0) result.failures.set(node.uuid, failed)
        const change = judge(node, reading, failed)
        if (change) changes.push(change)
      }
      result.read += page.length
      result.changed += await writeChanges(deps, changes)
      if (page.length < pageSize) break
    }
  return result
}

const pageSize = 500
/** Reads under way at once; the drivers bound their own traffic besides. */
const concurrency = 64
/** Wait for one reading with all its retries, milliseconds. */
const readTimeoutMs = 20_000
const readAttempts = 2
/** Rounds in which a machine may stay silent before its node goes to maintenance. */
const mostFailures = 3
const powerFault = 'power failure'

type Reading = { state: PowerState } | { error: string; state: 'error' | null }

interface Share {
  driver: string
  index: number
  of: number
}

interface Change {
  uuid: string
  generation: number
  seen_power_state: string | null
  seen_maintenance: boolean
  power_state: string | null
  maintenance: boolean
  fault: string | null
  maintenance_reason: string | null
  last_error: string | null
  event: { text: string; severity: 'INFO' | 'ERROR' } | null
  state: string
}

/** What a reading changes, or null: the rule of the power sync. */
export function judge(node: Node, reading: Reading, failures: number): Change | null {
  const faulty = node.fault === powerFault
  const same = {
    uuid: node.uuid,
    generation: node.generation,
    seen_power_state: node.power_state,
    seen_maintenance: node.maintenance,
    maintenance: node.maintenance,
    fault: node.fault,
    maintenance_reason: node.maintenance_reason,
    last_error: node.last_error,
    event: null,
    state: node.provision_state,
  }
  if ('error' in reading) {
    if (faulty || failures < mostFailures) return null
    const reason = `Power state could not be read ${failures} times in a row: ${reading.error}`
    return {
      ...same,
      power_state: reading.state,
      maintenance: true,
      fault: powerFault,
      maintenance_reason: reason,
      last_error: `${reason}. The node leaves maintenance by itself once it can be read; check its BMC and driver_info.`,
      event: { text: reason, severity: 'ERROR' },
    }
  }
  if (faulty)
    return {
      ...same,
      power_state: reading.state,
      maintenance: false,
      fault: null,
      maintenance_reason: null,
      last_error: null,
      event: { text: `Power state can be read again: ${reading.state}.`, severity: 'INFO' },
    }
  return reading.state === node.power_state ? null : { ...same, power_state: reading.state }
}

async function sharesOf(deps: PowerSyncDeps): Promise<Share[]> {
  const { db, hardware, config, host } = deps
  const alive = await db
    .selectFrom('conductors')
    .select(['hostname', 'drivers'])
    .where('online', '=', true)
    .where(
      'heartbeat_at',
      '>',
      sql<Date>`now() - ${config['conductor.liveness_seconds']} * interval '1 second'`,
    )
    .where(sql<boolean>`lower(conductor_group) = lower(${config['conductor.group']})`)
    .orderBy('hostname')
    .execute()
  return [...hardware.types.keys()].flatMap((driver) => {
    const peers = alive.filter((each) => driver in each.drivers)
    const index = peers.findIndex((each) => each.hostname === host)
    return index < 0 ? [] : [{ driver, index, of: peers.length }]
  })
}

function readPage(deps: PowerSyncDeps, share: Share, after: string): Promise<Node[]> {
  return deps.db
    .selectFrom('nodes')
    .selectAll()
    .where('id', '>', after)
    .where('driver', '=', share.driver)
    .where(sql<boolean>`lower(conductor_group) = lower(${deps.config['conductor.group']})`)
    .where(sql<boolean>`(hashtext(uuid::text) & 2147483647) % ${share.of} = ${share.index}`)
    .where('reservation', 'is', null)
    .where('provision_state', '<>', 'enroll')
    .where((eb) => eb.or([eb('maintenance', '=', false), eb('fault', '=', powerFault)]))
    .orderBy('id')
    .limit(pageSize)
    .execute()
}

async function readAll(deps: PowerSyncDeps, nodes: readonly Node[]): Promise<Reading[]> {
  const readings: Reading[] = new Array(nodes.length)
  const queue = nodes.entries()
  const worker = async () => {
    for (const [index, node] of queue) readings[index] = await readOne(deps, node)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return readings
}

async function readOne(deps: PowerSyncDeps, node: Node): Promise<Reading> {
  let error = ''
  for (let attempt = 1; attempt <= readAttempts && !deps.signal.aborted; attempt++)
    try {
      const state = await read(deps, node)
      if (state === 'error') return { error: 'the machine says that its power is in error', state: 'error' }
      return { state }
    } catch (caught) {
      error = messageOf(caught)
    }
  return { error, state: null }
}

/** Reads once; a driver that never answers is given up even if it does not heed its signal. */
async function read(deps: PowerSyncDeps, node: Node): Promise<PowerState> {
  const controller = new AbortController()
  const stop = () => controller.abort(deps.signal.reason)
  deps.signal.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(
    () => controller.abort(new Error(`no answer within ${readTimeoutMs / 1000} s`)),
    readTimeoutMs,
  )
  try {
    const refused = new Promise<never>((_, reject) =>
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error)),
    )
    const power = deps.hardware.implementation(node, 'power')
    return await Promise.race([power.getState(node, { signal: controller.signal }), refused])
  } finally {
    clearTimeout(timer)
    deps.signal.removeEventListener('abort', stop)
  }
}

/** One statement for all changes of a page, each only if its row is as it was read. Returns how many were taken. */
async function writeChanges(deps: PowerSyncDeps, changes: readonly Change[]): Promise<number> {
  if (changes.length === 0) return 0
  const history: (HistoryRow & { node_uuid: string })[] = changes.flatMap((change) =>
    change.event
      ? [
          {
            ...historyRow({
              event: change.event.text,
              severity: change.event.severity,
              type: 'monitoring',
              host: deps.host,
              state: change.state,
            }),
            node_uuid: change.uuid,
          },
        ]
      : [],
  )
  const { rows } = await sql<{ uuid: string }>`
    WITH changed AS (
      UPDATE nodes SET power_state = v.power_state, maintenance = v.maintenance, fault = v.fault,
        maintenance_reason = v.maintenance_reason, last_error = v.last_error, updated_at = now()
      FROM jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) AS v
        (uuid uuid, generation int, seen_power_state text, seen_maintenance boolean, power_state text,
         maintenance boolean, fault text, maintenance_reason text, last_error text)
      WHERE nodes.uuid = v.uuid AND nodes.generation = v.generation AND nodes.reservation IS NULL
        AND nodes.maintenance = v.seen_maintenance AND nodes.power_state IS NOT DISTINCT FROM v.seen_power_state
      RETURNING nodes.uuid),
    told AS (
      INSERT INTO node_history (node_uuid, uuid, created_at, severity, event, event_type, conductor, state)
      SELECT told.* FROM changed JOIN jsonb_to_recordset(${JSON.stringify(history)}::jsonb) AS told
        (node_uuid uuid, uuid uuid, created_at timestamptz, severity text, event text, event_type text,
         conductor text, state text) ON told.node_uuid = changed.uuid)
    SELECT uuid FROM changed`.execute(deps.db)
  return rows.length
}
