/** What is known of a machine besides its node's row, and what a node is told about its machine. */
import type { ColumnType, JSONColumnType } from 'kysely'

/** What a machine says of a BIOS setting besides its value: Ironic's registry fields. */
export interface BiosRegistry {
  attribute_type?: string | null
  allowable_values?: readonly string[] | null
  lower_bound?: number | null
  upper_bound?: number | null
  min_length?: number | null
  max_length?: number | null
  read_only?: boolean | null
  reset_required?: boolean | null
  unique?: boolean | null
}

export interface BiosSettingsTable {
  node_uuid: string
  name: string
  value: string | null
  registry: JSONColumnType<BiosRegistry, string | undefined, string>
  created_at: ColumnType<Date, Date | undefined, never>
  updated_at: Date | null
}

export interface FirmwareComponentsTable {
  node_uuid: string
  component: string
  /** What it had when it was first seen. */
  initial_version: string
  current_version: string | null
  last_version_flashed: string | null
  vendor: string | null
  model: string | null
  serial_number: string | null
  created_at: ColumnType<Date, Date | undefined, never>
  updated_at: Date | null
}

/** What the newest inspection found. */
export interface NodeInventoryTable {
  node_uuid: string
  inventory: JSONColumnType<Record<string, unknown>, string, string>
  plugin_data: JSONColumnType<Record<string, unknown>, string | undefined, string>
  created_at: ColumnType<Date, Date | undefined, Date>
}

export interface BiosSetting {
  name: string
  value: string | null
  registry?: BiosRegistry
}

export interface FirmwareComponent {
  component: string
  current_version: string | null
  /** Set when this service flashed it. */
  last_version_flashed?: string | null
  vendor?: string | null
  model?: string | null
  serial_number?: string | null
}

export interface Inventory {
  inventory: Record<string, unknown>
  plugin_data: Record<string, unknown>
}

/**
 * What a node is told of its machine: found, or just done to it. Nothing else of a node is changed so. What is left
 * out stays.
 */
export interface MachineChanges {
  boot_mode?: string | null
  secure_boot?: boolean | null
  /** What it boots from. */
  boot_device?: { boot_device: string; persistent: boolean }
  raid_config?: Record<string, unknown>
  target_raid_config?: Record<string, unknown>
  console_enabled?: boolean
  /** Merged into the node's. */
  properties?: Record<string, unknown>
  /** What an implementation keeps with the node, by its own name; merged into driver_internal_info. */
  memory?: Record<string, unknown>
  /** All that the machine has: others are forgotten. */
  bios_settings?: readonly BiosSetting[]
  firmware_components?: readonly FirmwareComponent[]
  inventory?: Inventory
}
