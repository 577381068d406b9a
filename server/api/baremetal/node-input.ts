/** What callers say of a node, made into columns: normalised, checked against each other and the node's state. */
import { LeaseholdError } from '../../errors.ts'
import { type InterfaceType, interfaceTypes } from '../../hardware/index.ts'
import type { Node, NodeChanges } from '../../inventory/index.ts'
import { asBoolean } from './fields.ts'
import { nodeNameFault, normalUuid } from './identifiers.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
const conflict = (message: string): LeaseholdError => new LeaseholdError('conflict', message)

type Input = Readonly<Record<string, unknown>>

const jsonColumns = ['driver_info', 'properties', 'instance_info', 'extra', 'network_data'] as const
const booleanColumns = [
  'maintenance',
  'console_enabled',
  'protected',
  'retired',
  'disable_power_off',
  'secure_boot',
  'automated_clean',
] as const
const uuidColumns = ['instance_uuid', 'chassis_uuid'] as const
const textColumns = [
  'name',
  'driver',
  'instance_name',
  'resource_class',
  'owner',
  'lessee',
  'protected_reason',
  'retired_reason',
  'description',
  'boot_mode',
  'shard',
] as const

/**
 * The columns that fields given by a caller become; interfaces and parent_node are the caller's to add.
 * @throws LeaseholdError 'invalid' naming the field.
 */
export function columnsFrom(given: Input, version: number): NodeChanges {
  const columns: Record<string, unknown> = {}
  for (const name of textColumns) if (name in given) columns[name] = given[name] ?? null
  for (const name of jsonColumns) if (name in given) columns[name] = JSON.stringify(given[name] ?? {})
  for (const name of booleanColumns)
    if (name in given) columns[name] = given[name] === null ? null : asBoolean(given[name])
  for (const name of uuidColumns) if (name in given) columns[name] = uuidOf(name, given[name])
  if ('conductor_group' in given) columns.conductor_group = String(given.conductor_group ?? '').toLowerCase()
  if (typeof given.name === 'string') {
    if (given.name === '') columns.name = null
    else {
      const fault = nodeNameFault(given.name, version)
      if (fault) throw invalid(fault)
    }
  }
  if ('network_data' in given) checkNetworkData(given.network_data)
  return columns as NodeChanges
}

function uuidOf(name: string, value: unknown): string | null {
  if (value === null || value === undefined) return null
  const uuid = normalUuid(String(value))
  if (!uuid) throw invalid(`Expected a UUID for ${name} but received ${String(value).slice(0, 100)}.`)
  return uuid
}

/** `{}`, or the top of Nova's network_data.json. */
function checkNetworkData(value: unknown): void {
  const keys = Object.keys((value ?? {}) as object)
  if (keys.length === 0) return
  const missing = ['links', 'networks', 'services'].filter(
    (key) => !Array.isArray((value as Record<string, unknown>)[key]),
  )
  if (missing.length > 0)
    throw invalid(`network_data: ${missing.join(', ')} must be a list; give {} for no network data.`)
  const unknown = keys.filter((key) => !['links', 'networks', 'services'].includes(key))
  if (unknown.length > 0)
    throw invalid(
      `network_data: ${unknown.slice(0, 5).join(', ')} is not part of network data; known are links, networks, services.`,
    )
}

/** The interfaces that a body or a patched node asks for, by type. */
export function askedInterfaces(given: Input): Partial<Record<InterfaceType, string | null>> {
  const asked: Partial<Record<InterfaceType, string | null>> = {}
  for (const type of interfaceTypes) {
    const value = given[`${type}_interface`]
    if (value !== undefined) asked[type] = value as string | null
  }
  return asked
}

/** States in which interfaces and the resource class may change, besides maintenance. */
const interfaceStates = ['enroll', 'inspecting', 'inspect wait', 'manageable', 'available']
/** States in which a node may be changed though it is on its way somewhere. */
const changeableWhileMoving = [
  'deploy failed',
  'inspecting',
  'inspect failed',
  'inspect wait',
  'clean failed',
  'error',
  'verifying',
  'adopt failed',
  'rescue failed',
  'unrescue failed',
  'service',
  'service hold',
  'service failed',
]

/** Whether a node is on its way to another state and may not be changed meanwhile. */
export const isMoving = (node: Pick<Node, 'provision_state' | 'target_provision_state'>): boolean =>
  node.target_provision_state !== null && !changeableWhileMoving.includes(node.provision_state)

/**
 * Condition 5 of a PATCH: the node is not on its way to another state.
 * @throws LeaseholdError 'conflict'.
 */
export function checkNotMoving(node: Node, version: number): void {
  if (isMoving(node))
    throw conflict(`Node ${node.uuid} can not be updated while a state transition is in progress.`)
  if (node.provision_state === 'inspecting' && version >= 39)
    throw conflict(`Node ${node.uuid} can not be updated while it is in state "inspecting".`)
}

/**
 * Conditions 9 of a PATCH, on the node as it is and as it would be.
 * @throws LeaseholdError 'conflict' or 'invalid' naming the field and what stands in the way.
 */
export function checkChanges(
  node: Node,
  changed: readonly string[],
  changes: NodeChanges,
  interfacesChanged: boolean,
): void {
  const stable = interfaceStates.includes(node.provision_state) || node.maintenance
  const where = `while node ${node.uuid} is in state "${node.provision_state}"; it may be in ${interfaceStates.join(', ')}, or in maintenance.`
  if (interfacesChanged && !stable) throw conflict(`Interfaces can not be changed ${where}`)
  if (changed.includes('resource_class') && node.resource_class !== null && !stable)
    throw conflict(`resource_class can not be changed ${where}`)
  if (changed.includes('driver') && node.console_enabled)
    throw conflict(
      `The driver of node ${node.uuid} can not be changed while its console is enabled; disable it first.`,
    )
  if (changes.instance_uuid && node.instance_uuid && changes.instance_uuid !== node.instance_uuid)
    throw conflict(
      `Node ${node.uuid} is associated with instance ${node.instance_uuid}; remove instance_uuid first.`,
    )
  if (
    changed.includes('protected') &&
    changes.protected &&
    !['active', 'rescue'].includes(node.provision_state)
  )
    throw conflict(
      `Node ${node.uuid} can be protected only in active or rescue, not in "${node.provision_state}".`,
    )
  if (changed.includes('retired') && changes.retired && node.provision_state === 'available')
    throw conflict(`Node ${node.uuid} can not be retired while it is available; move it to manageable first.`)
  if (changes.protected_reason && !(changes.protected ?? node.protected))
    throw invalid('protected_reason needs "protected" to be true.')
  if (changes.retired_reason && !(changes.retired ?? node.retired))
    throw invalid('retired_reason needs "retired" to be true.')
}

/** What follows from a change: reasons go with their flags, the fault with maintenance, an instance gets its name. */
export function consequencesOf(changes: NodeChanges, instanceName: string | null): NodeChanges {
  return {
    ...(changes.maintenance === false ? { maintenance_reason: null, fault: null } : {}),
    ...(changes.protected === false ? { protected_reason: null } : {}),
    ...(changes.retired === false ? { retired_reason: null } : {}),
    ...(typeof changes.instance_info === 'string' && !instanceName ? instanceNameFrom(changes) : {}),
  }
}

/** Since 1.104 a node's instance_name follows instance_info.display_name when none is given. */
function instanceNameFrom(changes: NodeChanges): NodeChanges {
  const name = (JSON.parse(changes.instance_info as string) as Record<string, unknown>).display_name
  return changes.instance_name === undefined &&
    typeof name === 'string' &&
    name.length >= 1 &&
    name.length <= 255
    ? { instance_name: name }
    : {}
}
