/** Row types of the tables of consoles; their meaning is told in migrations 0012 and 0016. */
import type { ColumnType, Generated } from 'kysely'

type Defaulted<T> = ColumnType<T, T | undefined, T>
/** PostgreSQL's bigint, which the driver reads as text. */
type Offset = ColumnType<string, number | string, number | string>
type MaybeOffset = ColumnType<string | null, number | string | null | undefined, number | string | null>

export interface ConsoleHoldersTable {
  id: string
  hostname: string
  conductor_group: string
  drivers: string[]
  url: string | null
  beat_at: Defaulted<Date>
}

export interface ConsolesTable {
  node_uuid: string
  holder: string | null
  fence: Defaulted<string>
  free_since: Defaulted<Date>
  off_at: Date | null
  remembered: ColumnType<Record<string, unknown> | null, string | null, string | null>
  end_offset: Offset
  span_id: string | null
  state: Defaulted<string>
  reason: string | null
  plain_reason: string | null
  state_since: Defaulted<Date>
  tcp_url: string | null
  tcp_trouble: string | null
  journal_id: Defaulted<string | null>
  disk: Defaulted<string | null>
}

export interface ConsoleSpansTable {
  id: Generated<string>
  node_uuid: string
  owner: string | null
  lessee: string | null
  instance_uuid: string | null
  shared_with_owner: Defaulted<boolean>
  start_offset: MaybeOffset
  end_offset: MaybeOffset
  began_at: Defaulted<Date>
  ended_at: Date | null
}

export interface ConsoleTicketsTable {
  ticket_hash: Buffer
  node_uuid: string
  span_id: string
  user_id: string | null
  project_id: string | null
  mode: string
  origin: string | null
  reusable: boolean
  sealed_proof: Buffer
  expires_at: Date
}

export interface ConsoleKeysTable {
  id: string
  name: string
  user_id: string
  project_id: string | null
  public_key: string
  fingerprint: string
  created_at: Defaulted<Date>
}
