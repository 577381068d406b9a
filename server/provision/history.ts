/** What is told of a node: rows of its history, which GET /v1/nodes/N/history shows. */
import { createHash, randomUUID } from 'node:crypto'
import type { Caller } from './types.ts'
import type { WorkflowName } from './work.ts'

/** One row, as the database function `jsonb_to_recordset` takes it. */
export interface HistoryRow {
  uuid: string
  created_at: string
  severity: 'INFO' | 'ERROR'
  event: string
  event_type: EventType
  conductor: string
  user_id: string | null
  project_id: string | null
  state: string | null
  target_provision_state: string | null
  duration_seconds: number | null
}

/** Ironic's kinds of event. */
export type EventType =
  | 'provisioning'
  | 'unprovision'
  | 'transition'
  | 'verify'
  | 'adoption'
  | 'introspection'
  | 'takeover'
  | 'monitoring'
  | 'startup failure'

export const eventTypeOf: Record<WorkflowName, EventType> = {
  verify: 'verify',
  clean: 'transition',
  inspect: 'introspection',
  adopt: 'adoption',
  deploy: 'provisioning',
  undeploy: 'unprovision',
  rescue: 'transition',
  unrescue: 'transition',
  service: 'transition',
  power: 'transition',
  change: 'transition',
}

export interface Told {
  event: string
  type: EventType
  host: string
  caller?: Caller | undefined
  severity?: 'INFO' | 'ERROR'
  state?: string | null
  target?: string | null
  /** How long what is told of has taken, seconds. */
  seconds?: number | null
  /** When it ended; now when left out. */
  at?: Date
  /** Rows with the same key are one row, however often a resumed workflow tells it. */
  key?: string
}

/** Makes a row of history. Events are cut to 64 KiB, in the middle, where hardware says too much. */
export function historyRow(told: Told): HistoryRow {
  return {
    uuid: told.key === undefined ? randomUUID() : uuidOf(told.key),
    created_at: (told.at ?? new Date()).toISOString(),
    severity: told.severity ?? 'INFO',
    event: cutMiddle(told.event),
    event_type: told.type,
    conductor: told.host,
    user_id: told.caller?.userId ?? null,
    project_id: told.caller?.projectId ?? null,
    state: told.state ?? null,
    target_provision_state: told.target ?? null,
    duration_seconds: told.seconds ?? null,
  }
}

/** Seconds since an instant, never negative: clocks of two machines differ. */
export const secondsSince = (instant: Date | null): number | null =>
  instant === null ? null : Math.max(0, (Date.now() - instant.getTime()) / 1000)

/** The longest text that is kept in `last_error` and history, characters. */
const longestText = 65_536

export function cutMiddle(text: string): string {
  if (text.length <= longestText) return text
  const half = Math.floor(longestText / 2) - 3
  return `${text.slice(0, half)} ... ${text.slice(-half)}`
}

/** A UUID (version 8: made by a rule of our own, RFC 9562) that is the same for the same key. */
function uuidOf(key: string): string {
  const bytes = createHash('sha256').update(key).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
