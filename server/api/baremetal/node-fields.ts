/** The fields of a node, one row each: since when, how shown, who sets it. */
import { Type } from 'typebox'
import { type InterfaceType, interfaceTypes } from '../../hardware/index.ts'
import type { Node } from '../../inventory/index.ts'
import {
  anyObject,
  type Field,
  looseBoolean,
  nullable,
  object,
  plain,
  selfLinks,
  time,
  type View,
} from './fields.ts'

const shortText = nullable(Type.String({ maxLength: 255 }))
const uuidText = nullable(Type.String({ maxLength: 45 }))
const settable = { create: true, patch: true } as const

/** Microversion of each `X_interface`; 31 for the others. */
const interfaceSince: Partial<Record<InterfaceType, number>> = {
  network: 20,
  storage: 33,
  rescue: 38,
  bios: 40,
  firmware: 86,
}

/** State as older clients know it: before 1.2 an idle node had none, before 1.39 waiting was inspecting. */
export const shownState = (state: string | null, version: number): string | null => {
  if (version < 2 && state === 'available') return null
  return version < 39 && state === 'inspect wait' ? 'inspecting' : state
}

export const nodeFields: readonly Field<Node>[] = [
  plain('uuid', 1, { schema: Type.String({ maxLength: 45 }), create: true }),
  plain('name', 5, { schema: shortText, ...settable }),
  plain('driver', 1, { schema: Type.String({ minLength: 1, maxLength: 255 }), ...settable }),
  object('driver_info', 1, { schema: anyObject, ...settable }),
  object('driver_internal_info', 3),
  object('properties', 1, { schema: anyObject, ...settable }),
  object('instance_info', 1, { schema: anyObject, ...settable }),
  object('extra', 1, { schema: anyObject, ...settable }),
  plain('instance_uuid', 1, { schema: uuidText, ...settable }),
  plain('instance_name', 104, {
    schema: nullable(Type.String({ minLength: 1, maxLength: 255 })),
    ...settable,
  }),
  plain('chassis_uuid', 1, { schema: uuidText, ...settable }),
  plain('resource_class', 21, { schema: nullable(Type.String({ maxLength: 80 })), ...settable }),
  unsortable('traits', 37),
  plain('owner', 50, { schema: shortText, ...settable }),
  plain('lessee', 65, { schema: shortText, ...settable }),
  plain('conductor_group', 46, {
    schema: nullable(Type.String({ pattern: '^[A-Za-z0-9_.-]*$', maxLength: 255 })),
    cleared: '',
    ...settable,
  }),
  { name: 'conductor', since: 49, columns: ['uuid', 'driver', 'conductor_group'], show: () => null },
  plain('maintenance', 1, { schema: looseBoolean, cleared: false, ...settable }),
  plain('maintenance_reason', 1, { columns: ['maintenance_reason', 'fault'] }),
  plain('fault', 42),
  plain('power_state', 1),
  plain('target_power_state', 1),
  plain('provision_state', 1, { show: (node, view) => shownState(node.provision_state, view.version) }),
  plain('target_provision_state', 1),
  time('provision_updated_at', 1),
  plain('last_error', 1),
  plain('reservation', 1),
  plain('automated_clean', 47, { schema: nullable(looseBoolean), ...settable }),
  object('clean_step', 7),
  object('deploy_step', 44),
  object('service_step', 87),
  object('raid_config', 12),
  object('target_raid_config', 12),
  plain('console_enabled', 1, { schema: looseBoolean, create: true }),
  time('inspection_started_at', 6),
  time('inspection_finished_at', 6),
  plain('protected', 48, { schema: looseBoolean, cleared: false, patch: true }),
  plain('protected_reason', 48, { schema: shortText, patch: true }),
  plain('retired', 61, { schema: looseBoolean, cleared: false, ...settable }),
  plain('retired_reason', 61, { schema: shortText, ...settable }),
  plain('description', 51, { schema: nullable(Type.String({ maxLength: 4096 })), ...settable }),
  object('network_data', 66, { schema: anyObject, ...settable }),
  plain('boot_mode', 75, { schema: nullable(Type.String({ maxLength: 16 })), create: true }),
  plain('secure_boot', 75, { schema: nullable(looseBoolean), create: true }),
  plain('shard', 82, { schema: shortText, ...settable }),
  plain('parent_node', 83, { schema: shortText, ...settable }),
  plain('allocation_uuid', 52),
  plain('disable_power_off', 95, { schema: looseBoolean, cleared: false, ...settable }),
  plain('health', 109),
  ...interfaceTypes.map(
    (type): Field<Node> => ({
      name: `${type}_interface`,
      since: interfaceSince[type] ?? 31,
      columns: ['interfaces'],
      show: (node) => node.interfaces[type] ?? null,
      schema: nullable(Type.String({ maxLength: 255 })),
      ...settable,
    }),
  ),
  time('created_at', 1),
  time('updated_at', 1),
]

/** Fields of a list entry when none are asked for. */
export const nodeListFields = [
  'instance_uuid',
  'maintenance',
  'power_state',
  'provision_state',
  'uuid',
  'name',
]

/** Columns that decide who may see what; they are read with every node. */
export const nodeAccessColumns = ['uuid', 'owner', 'lessee'] as const

/** Links to what belongs to a node, on full answers. */
export function nodeSubLinks(uuid: string, view: View): Record<string, unknown> {
  const links = (part: string) => selfLinks(view.base, `nodes/${uuid}/${part}`)
  return {
    ports: links('ports'),
    ...(view.version >= 14 ? { states: links('states') } : {}),
    ...(view.version >= 24 ? { portgroups: links('portgroups') } : {}),
    ...(view.version >= 32 ? { volume: links('volume') } : {}),
  }
}

function unsortable(name: keyof Node & string, since: number): Field<Node> {
  const { sort: _, ...field } = plain<Node>(name, since)
  return field
}
