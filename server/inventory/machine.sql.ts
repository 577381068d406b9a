/** What a node is told of its machine, in PostgreSQL: its row, and what is known besides, by one statement. */
import { type QueryCreator, type RawBuilder, type Selectable, sql, type UpdateObject } from 'kysely'
import type {
  BiosSettingsTable,
  Database,
  Db,
  FirmwareComponentsTable,
  MachineChanges,
  NodeInventoryTable,
} from '../store/index.ts'
import type { NodeLock } from './lock.ts'
import type { Node } from './nodes.sql.ts'

export type StoredBiosSetting = Selectable<BiosSettingsTable>
export type StoredFirmware = Selectable<FirmwareComponentsTable>

/** What of the changes is in columns of the node's row. */
export function machineColumns(changes: MachineChanges): UpdateObject<Database, 'nodes', 'nodes'> {
  const { memory, properties } = changes
  const columns: UpdateObject<Database, 'nodes', 'nodes'> = {}
  for (const name of ['boot_mode', 'secure_boot', 'console_enabled'] as const)
    if (changes[name] !== undefined) Object.assign(columns, { [name]: changes[name] })
  for (const name of ['boot_device', 'raid_config', 'target_raid_config'] as const)
    if (changes[name]) Object.assign(columns, { [name]: JSON.stringify(changes[name]) })
  if (properties) columns.properties = sql`properties || ${JSON.stringify(properties)}::jsonb`
  if (memory) columns.driver_internal_info = sql`driver_internal_info || ${JSON.stringify(memory)}::jsonb`
  return columns
}

/** The node as it is once it has been told. */
export function withMachine(node: Node, changes: MachineChanges): Node {
  const {
    memory,
    properties,
    bios_settings: _,
    firmware_components: __,
    inventory: ___,
    ...columns
  } = changes
  return {
    ...node,
    ...columns,
    ...(properties ? { properties: { ...node.properties, ...properties } } : {}),
    ...(memory ? { driver_internal_info: { ...node.driver_internal_info, ...memory } } : {}),
  }
}

/**
 * Adds to a statement, whose part `changed` names the node by `uuid`, what of the changes is in other tables. So what
 * is known of a machine is written if and only if its node is.
 */
export const withMachineParts = <Statement>(statement: Statement, changes: MachineChanges): Statement =>
  machineParts(changes).reduce(
    (whole, [name, part]) => (whole as QueryCreator<Database>).with(name, () => sql`(${part})` as never),
    statement as unknown,
  ) as Statement

function machineParts(changes: MachineChanges): [name: string, part: RawBuilder<unknown>][] {
  const { bios_settings: bios, firmware_components: firmware, inventory } = changes
  return [
    ...(bios ? biosParts(bios) : []),
    ...(firmware ? firmwareParts(firmware) : []),
    ...(inventory ? [inventoryPart(inventory)] : []),
  ]
}

const biosParts = (
  settings: NonNullable<MachineChanges['bios_settings']>,
): [string, RawBuilder<unknown>][] => [
  [
    'bios_gone',
    sql`DELETE FROM bios_settings USING changed WHERE node_uuid = changed.uuid
      AND NOT bios_settings.name = ANY(${settings.map(({ name }) => name)}::text[])`,
  ],
  [
    'bios_there',
    sql`INSERT INTO bios_settings AS known (node_uuid, name, value, registry)
      SELECT changed.uuid, found.name, found.value, coalesce(found.registry, '{}') FROM changed,
        jsonb_to_recordset(${JSON.stringify(settings)}::jsonb) AS found (name text, value text, registry jsonb)
      ON CONFLICT (node_uuid, name) DO UPDATE
        SET value = excluded.value, registry = excluded.registry, updated_at = now()
        WHERE (known.value, known.registry) IS DISTINCT FROM (excluded.value, excluded.registry)`,
  ],
]

const firmwareParts = (
  components: NonNullable<MachineChanges['firmware_components']>,
): [string, RawBuilder<unknown>][] => [
  [
    'firmware_gone',
    sql`DELETE FROM firmware_components USING changed WHERE node_uuid = changed.uuid
      AND NOT firmware_components.component = ANY(${components.map(({ component }) => component)}::text[])`,
  ],
  [
    'firmware_there',
    sql`INSERT INTO firmware_components AS known
        (node_uuid, component, initial_version, current_version, last_version_flashed, vendor, model, serial_number)
      SELECT changed.uuid, found.component, coalesce(found.current_version, ''), found.current_version,
        found.last_version_flashed, found.vendor, found.model, found.serial_number FROM changed,
        jsonb_to_recordset(${JSON.stringify(components)}::jsonb) AS found (component text, current_version text,
          last_version_flashed text, vendor text, model text, serial_number text)
      ON CONFLICT (node_uuid, component) DO UPDATE
        SET current_version = excluded.current_version, vendor = excluded.vendor, model = excluded.model,
          last_version_flashed = coalesce(excluded.last_version_flashed, known.last_version_flashed),
          serial_number = excluded.serial_number, updated_at = now()
        WHERE (known.current_version, known.vendor, known.model, known.serial_number)
            IS DISTINCT FROM (excluded.current_version, excluded.vendor, excluded.model, excluded.serial_number)
          OR known.last_version_flashed
            IS DISTINCT FROM coalesce(excluded.last_version_flashed, known.last_version_flashed)`,
  ],
]

const inventoryPart = ({
  inventory,
  plugin_data,
}: NonNullable<MachineChanges['inventory']>): [string, RawBuilder<unknown>] => [
  'inventory_there',
  sql`INSERT INTO node_inventory (node_uuid, inventory, plugin_data)
    SELECT changed.uuid, ${JSON.stringify(inventory)}::jsonb, ${JSON.stringify(plugin_data)}::jsonb FROM changed
    ON CONFLICT (node_uuid) DO UPDATE
      SET inventory = excluded.inventory, plugin_data = excluded.plugin_data, created_at = now()`,
]

/**
 * Tells a node what was done to its machine under `lock`. Does nothing when there is nothing to tell.
 * @returns whether the lock still held.
 */
export async function tellNode(db: Db, lock: NodeLock, changes: MachineChanges): Promise<boolean> {
  if (Object.keys(changes).length === 0) return true
  const first = db.with('changed', (query) =>
    query
      .updateTable('nodes')
      .set({ ...machineColumns(changes), updated_at: sql`now()` })
      .where('uuid', '=', lock.uuid)
      .where('generation', '=', lock.generation)
      .returning('uuid'),
  )
  const whole = withMachineParts(first, changes)
  return (await whole.selectFrom('changed').select('uuid').executeTakeFirst()) !== undefined
}

/** The BIOS settings of a node, by name. */
export const listBiosSettings = (db: Db, nodeUuid: string): Promise<StoredBiosSetting[]> =>
  db.selectFrom('bios_settings').selectAll().where('node_uuid', '=', nodeUuid).orderBy('name').execute()

export const findBiosSetting = (
  db: Db,
  nodeUuid: string,
  name: string,
): Promise<StoredBiosSetting | undefined> =>
  db
    .selectFrom('bios_settings')
    .selectAll()
    .where('node_uuid', '=', nodeUuid)
    .where('name', '=', name)
    .executeTakeFirst()

/** What the newest inspection of a node has found, or undefined. */
export const findInventory = (
  db: Db,
  nodeUuid: string,
): Promise<Pick<Selectable<NodeInventoryTable>, 'inventory' | 'plugin_data'> | undefined> =>
  db
    .selectFrom('node_inventory')
    .select(['inventory', 'plugin_data'])
    .where('node_uuid', '=', nodeUuid)
    .executeTakeFirst()

/** The firmware of a node's machine, by component. */
export const listFirmware = (db: Db, nodeUuid: string): Promise<StoredFirmware[]> =>
  db
    .selectFrom('firmware_components')
    .selectAll()
    .where('node_uuid', '=', nodeUuid)
    .orderBy('component')
    .execute()
