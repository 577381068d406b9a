/** The fields of a port group, one row each, and what callers say of one made into columns. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import type { OwnedChanges, Portgroup } from '../../inventory/index.ts'
import {
  anyObject,
  asBoolean,
  type Field,
  looseBoolean,
  nullable,
  object,
  plain,
  selfLinks,
  time,
} from './fields.ts'
import { logicalNamePattern, normalMac, normalUuid } from './identifiers.ts'
import { type PartKind, patchedCheck } from './node-parts.ts'

const settable = { create: true, patch: true } as const

export const portgroupFields: readonly Field<Portgroup>[] = [
  plain('uuid', 23, { schema: nullable(Type.String({ maxLength: 45 })), create: true }),
  plain('name', 23, { schema: nullable(Type.String({ pattern: logicalNamePattern })), ...settable }),
  plain('node_uuid', 23, { schema: Type.String({ maxLength: 45 }), ...settable }),
  plain('address', 23, { schema: nullable(Type.String({ maxLength: 18 })), ...settable }),
  object('extra', 23, { schema: nullable(anyObject), ...settable }),
  object('internal_info', 23),
  plain('standalone_ports_supported', 23, { schema: looseBoolean, cleared: true, ...settable }),
  plain('mode', 26, { schema: nullable(Type.String({ minLength: 1, maxLength: 255 })), ...settable }),
  object('properties', 26, { schema: nullable(anyObject), ...settable }),
  plain('physical_network', 102, {
    schema: nullable(Type.String({ minLength: 1, maxLength: 64 })),
    ...settable,
  }),
  plain('category', 103, { schema: nullable(Type.String({ maxLength: 80 })), ...settable }),
  plain('dynamic_portgroup', 111),
  time('created_at', 23),
  time('updated_at', 23),
]

export const portgroupKind: PartKind<'portgroups'> = {
  table: 'portgroups',
  resource: 'portgroup',
  title: 'Portgroup',
  word: 'portgroup',
  path: '/portgroups',
  collection: 'portgroups',
  named: true,
  fields: portgroupFields,
  listFields: ['uuid', 'address', 'name'],
  required: ['node_uuid', 'mode'],
  checkPatched: patchedCheck(portgroupFields),
  subLinks: (group, view) =>
    view.version >= 24 ? { ports: selfLinks(view.base, `portgroups/${group.uuid}/ports`) } : {},
}

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const textColumns = ['name', 'mode', 'physical_network', 'category'] as const
const jsonColumns = ['extra', 'properties'] as const

/**
 * The columns that fields given by a caller become; the node is looked up elsewhere.
 * @throws LeaseholdError 'invalid' naming the field.
 */
export function portgroupColumns(given: Readonly<Record<string, unknown>>): OwnedChanges<'portgroups'> {
  const columns: Record<string, unknown> = {}
  for (const name of textColumns) if (name in given) columns[name] = given[name] ?? null
  for (const name of jsonColumns) if (name in given) columns[name] = JSON.stringify(given[name] ?? {})
  if (typeof given.name === 'string' && normalUuid(given.name))
    throw invalid(`The portgroup name "${given.name}" looks like a UUID; choose a name that does not.`)
  if ('standalone_ports_supported' in given)
    columns.standalone_ports_supported = asBoolean(given.standalone_ports_supported)
  if ('address' in given) columns.address = addressOf(given.address)
  return columns as OwnedChanges<'portgroups'>
}

function addressOf(given: unknown): string | null {
  if (given === null || given === undefined) return null
  const address = normalMac(String(given))
  if (!address)
    throw invalid(
      `Expected a MAC address but received ${String(given).slice(0, 100)}: write it as 52:54:00:12:34:56.`,
    )
  return address
}
