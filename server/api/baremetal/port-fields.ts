/** The fields of a port, one row each, and what callers say of a port made into columns. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import type { OwnedChanges, Port } from '../../inventory/index.ts'
import { anyObject, asBoolean, type Field, looseBoolean, nullable, object, plain, time } from './fields.ts'
import { logicalNamePattern, normalMac, normalUuid } from './identifiers.ts'
import { type PartKind, patchedCheck } from './node-parts.ts'

const settable = { create: true, patch: true } as const

export const portFields: readonly Field<Port>[] = [
  plain('uuid', 1, { schema: Type.String({ maxLength: 45 }), create: true }),
  plain('address', 1, { schema: Type.String({ maxLength: 18 }), ...settable }),
  plain('node_uuid', 1, { schema: Type.String({ maxLength: 45 }), ...settable }),
  plain('name', 88, { schema: nullable(Type.String({ pattern: logicalNamePattern })), ...settable }),
  plain('description', 97, { schema: nullable(Type.String({ maxLength: 255 })), ...settable }),
  object('extra', 1, { schema: nullable(anyObject), ...settable }),
  object('internal_info', 18),
  object('local_link_connection', 19, { schema: nullable(anyObject), ...settable }),
  plain('pxe_enabled', 19, { schema: looseBoolean, cleared: true, ...settable }),
  plain('portgroup_uuid', 24, { schema: nullable(Type.String({ maxLength: 45 })), ...settable }),
  plain('physical_network', 34, {
    schema: nullable(Type.String({ minLength: 1, maxLength: 64 })),
    ...settable,
  }),
  plain('is_smartnic', 53, { schema: looseBoolean, cleared: false, ...settable }),
  plain('vendor', 100, { schema: nullable(Type.String({ maxLength: 32 })), ...settable }),
  plain('category', 101, { schema: nullable(Type.String({ maxLength: 80 })), ...settable }),
  plain('available_for_dynamic_portgroup', 111, { schema: looseBoolean, cleared: true, ...settable }),
  time('created_at', 1),
  time('updated_at', 1),
]

export const portKind: PartKind<'ports'> = {
  table: 'ports',
  resource: 'port',
  title: 'Port',
  word: 'port',
  path: '/ports',
  collection: 'ports',
  named: true,
  fields: portFields,
  listFields: ['uuid', 'address'],
  required: ['address', 'node_uuid'],
  checkPatched: patchedCheck(portFields),
}

const textColumns = ['name', 'description', 'physical_network', 'vendor', 'category'] as const
const booleanColumns = ['pxe_enabled', 'is_smartnic', 'available_for_dynamic_portgroup'] as const

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/**
 * The columns that fields given by a caller become; the node is looked up elsewhere.
 * @throws LeaseholdError 'invalid' naming the field.
 */
export function portColumns(
  given: Readonly<Record<string, unknown>>,
  version: number,
): OwnedChanges<'ports'> {
  const columns: Record<string, unknown> = {}
  if ('address' in given) {
    const address = normalMac(String(given.address))
    if (!address)
      throw invalid(
        `Expected a MAC address but received ${String(given.address)}: write it as 52:54:00:12:34:56.`,
      )
    columns.address = address
  }
  for (const name of textColumns) if (name in given) columns[name] = given[name] ?? null
  if (typeof given.name === 'string' && normalUuid(given.name))
    throw invalid(`The port name "${given.name}" looks like a UUID; choose a name that does not.`)
  for (const name of booleanColumns) if (name in given) columns[name] = asBoolean(given[name])
  if ('extra' in given) columns.extra = JSON.stringify(given.extra ?? {})
  if ('local_link_connection' in given) {
    const link = linkConnection((given.local_link_connection ?? {}) as Record<string, unknown>, version)
    columns.local_link_connection = JSON.stringify(link)
  }
  if ('portgroup_uuid' in given) columns.portgroup_uuid = groupOf(given.portgroup_uuid)
  return columns as OwnedChanges<'ports'>
}

function groupOf(given: unknown): string | null {
  if (given === null || given === undefined) return null
  const uuid = normalUuid(String(given))
  if (!uuid) throw invalid(`Expected a UUID for portgroup_uuid but received ${String(given).slice(0, 100)}.`)
  return uuid
}

const linkKeys = ['switch_id', 'port_id', 'switch_info', 'hostname', 'network_type']

/** `{}`, a switch port, a smart NIC's port, or an unmanaged one; the switch's id normalised. */
function linkConnection(link: Record<string, unknown>, version: number): Record<string, unknown> {
  const keys = Object.keys(link)
  if (keys.length === 0) return link
  const unknown = keys.filter((key) => !linkKeys.includes(key))
  if (unknown.length > 0)
    throw invalid(
      `local_link_connection: ${unknown.slice(0, 5).join(', ')} is unknown; known are ${linkKeys.join(', ')}.`,
    )
  for (const key of keys)
    if (typeof link[key] !== 'string' || (link[key] as string).length > 255)
      throw invalid(`local_link_connection: ${key} must be text of at most 255 characters.`)
  const type = link.network_type
  if (type !== undefined && (version < 64 || (type !== 'managed' && type !== 'unmanaged')))
    throw invalid('local_link_connection: network_type must be managed or unmanaged (since 1.64).')
  if (type === 'unmanaged' && keys.length === 1) return link
  if (!('port_id' in link)) throw invalid('local_link_connection: port_id is missing.')
  if ('switch_id' in link) return { ...link, switch_id: switchId(link.switch_id as string) }
  if ('hostname' in link) return link
  throw invalid('local_link_connection: switch_id (or, for a smart NIC, hostname) is missing.')
}

/** A MAC address, or an OpenFlow datapath id of 16 hexadecimal digits. */
function switchId(text: string): string {
  const id = normalMac(text) ?? (/^[0-9a-f]{16}$/i.test(text) ? text.toLowerCase() : undefined)
  if (!id)
    throw invalid(
      'local_link_connection: switch_id must be a MAC address or a datapath id of 16 hexadecimal digits.',
    )
  return id
}

/** @throws LeaseholdError 'invalid' for a smart NIC that does not say where it is. */
export function checkSmartNic(isSmartNic: boolean, link: Readonly<Record<string, unknown>>): void {
  if (isSmartNic && !(link.port_id && link.hostname))
    throw invalid('A smart NIC port needs port_id and hostname in local_link_connection.')
}
