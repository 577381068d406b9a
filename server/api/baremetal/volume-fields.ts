/** The fields of volume connectors and volume targets, one row each, and what callers say of them made into columns. */
import { Type } from 'typebox'
import { redactVolumeTarget } from '../../access/index.ts'
import {
  listNodes,
  type OwnedChanges,
  type OwnedTable,
  type VolumeConnector,
  type VolumeTarget,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { anyObject, type Field, nullable, object, plain, time } from './fields.ts'
import { type PartKind, patchedCheck } from './node-parts.ts'
import type { Call } from './routes.ts'

const since = 32
const settable = { create: true, patch: true } as const
const words = Type.String({ minLength: 1, maxLength: 255 })

export const connectorFields: readonly Field<VolumeConnector>[] = [
  plain('uuid', since, { schema: nullable(Type.String({ maxLength: 45 })), create: true }),
  plain('node_uuid', since, { schema: Type.String({ maxLength: 45 }), ...settable }),
  // iqn, ip, mac, wwnn, wwpn, port, portgroup; as Ironic, no other is refused.
  plain('type', since, { schema: words, ...settable }),
  plain('connector_id', since, { schema: words, ...settable }),
  object('extra', since, { schema: nullable(anyObject), ...settable }),
  time('created_at', since),
  time('updated_at', since),
]

export const targetFields: readonly Field<VolumeTarget>[] = [
  plain('uuid', since, { schema: nullable(Type.String({ maxLength: 45 })), create: true }),
  plain('node_uuid', since, { schema: Type.String({ maxLength: 45 }), ...settable }),
  plain('volume_type', since, { schema: words, ...settable }),
  object('properties', since, { schema: nullable(anyObject), ...settable }),
  plain('boot_index', since, {
    schema: Type.Integer({ minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }),
    ...settable,
  }),
  plain('volume_id', since, { schema: words, ...settable }),
  object('extra', since, { schema: nullable(anyObject), ...settable }),
  time('created_at', since),
  time('updated_at', since),
]

export const connectorKind: PartKind<'volume_connectors'> = {
  table: 'volume_connectors',
  resource: 'volume',
  title: 'Volume connector',
  word: 'connector',
  path: '/volume/connectors',
  collection: 'connectors',
  named: false,
  fields: connectorFields,
  listFields: ['uuid', 'node_uuid', 'type', 'connector_id'],
  required: ['node_uuid', 'type', 'connector_id'],
  checkPatched: patchedCheck(connectorFields),
}

export const targetKind: PartKind<'volume_targets'> = {
  table: 'volume_targets',
  resource: 'volume',
  title: 'Volume target',
  word: 'target',
  path: '/volume/targets',
  collection: 'targets',
  named: false,
  fields: targetFields,
  listFields: ['uuid', 'node_uuid', 'volume_type', 'boot_index', 'volume_id'],
  required: ['node_uuid', 'volume_type', 'boot_index', 'volume_id'],
  checkPatched: patchedCheck(targetFields),
  redact: redactTargets,
}

/** Properties hold what logs in to storage: the right to see them is judged by each target's node. */
async function redactTargets(
  deps: ApiDeps,
  call: Call,
  rows: readonly VolumeTarget[],
  shown: readonly Record<string, unknown>[],
): Promise<Record<string, unknown>[]> {
  if (!shown.some((target) => 'properties' in target)) return [...shown]
  const uuids = [...new Set(rows.map((row) => row.node_uuid))]
  const all = { limit: uuids.length, sortColumn: 'id', sortDirection: 'asc' } as const
  const nodes = await listNodes(deps.db, { kind: 'all' }, { uuids, parent: 'any' }, all, [
    'uuid',
    'owner',
    'lessee',
  ])
  const ownership = new Map(nodes.map((node) => [node.uuid, node]))
  const nobody = { owner: null, lessee: null }
  return shown.map((target, index) =>
    redactVolumeTarget(
      deps.policy,
      call.caller,
      target,
      ownership.get((rows[index] as VolumeTarget).node_uuid) ?? nobody,
    ),
  )
}

const plainColumns = ['type', 'connector_id', 'volume_type', 'boot_index', 'volume_id'] as const
const jsonColumns = ['extra', 'properties'] as const

/** The columns that fields given by a caller become; the node is looked up elsewhere. */
export function volumeColumns<Table extends OwnedTable>(
  given: Readonly<Record<string, unknown>>,
): OwnedChanges<Table> {
  const columns: Record<string, unknown> = {}
  for (const name of plainColumns) if (name in given) columns[name] = given[name]
  for (const name of jsonColumns) if (name in given) columns[name] = JSON.stringify(given[name] ?? {})
  return columns as OwnedChanges<Table>
}
