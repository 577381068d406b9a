/** Ports: a node's NICs. A port is seen by whoever sees its node. */
import { type TSchema, Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import {
  findOwned,
  insertOwned,
  type NewOwned,
  type Node,
  type OwnedFilters,
  type Port,
  updateOwned,
  withPortgroup,
} from '../../inventory/index.ts'
import type { Db } from '../../store/index.ts'
import type { ApiDeps } from '../deps.ts'
import { createSchema, gateBody } from './fields.ts'
import { normalMac, normalUuid } from './identifiers.ts'
import { nodeFor } from './node-access.ts'
import { itemRoutes, listRoutes, nodeParent, type PartLists, type PartParent } from './node-part-routes.ts'
import { deletePart, nodeOfNew, partFor, patchPart, showCreated, uuidOfNew } from './node-parts.ts'
import { checkSmartNic, portColumns, portFields, portKind } from './port-fields.ts'
import { portgroupKind } from './portgroup-fields.ts'
import { groupNotFound, type Membership, physicalNetworkInGroup } from './portgroup-members.ts'
import { detail, list, type QuerySchema, text, uuid } from './query.ts'
import type { Call, Route } from './routes.ts'
import { notAcceptable } from './versions.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const filters: QuerySchema = {
  node: text(),
  node_uuid: uuid(),
  address: text(),
  portgroup: text(24),
  shard: list(82),
  conductor_groups: list(),
  description_contains: text(),
}

const createBody = Type.Object(
  {
    ...(createSchema(portFields, ['address']) as TSchema & { properties: Record<string, TSchema> })
      .properties,
    node_ident: Type.Optional(Type.String({ maxLength: 255 })),
  },
  { additionalProperties: false },
)

export function portRoutes(deps: ApiDeps): Route[] {
  const lists: PartLists<'ports'> = {
    kind: portKind,
    plural: 'ports',
    since: 1,
    filters,
    filtersOf: (call) => filtersOf(deps, call),
    detail,
    detailPath: true,
  }
  return [
    ...listRoutes(deps, lists),
    ...listRoutes(deps, lists, nodeParent(deps, 1)),
    ...listRoutes(deps, lists, portgroupParent(deps)),
    ...itemRoutes(deps, portKind, {
      noun: 'port',
      since: 1,
      createBody,
      create: (call) => create(deps, call),
      update: (call) => update(deps, call),
      remove: async (call) => {
        if (!normalUuid(call.params.port as string))
          throw invalid(`Expected a UUID but received ${call.params.port}.`)
        await deletePart(deps, call, portKind)
      },
    }),
  ]
}

const portgroupParent = (deps: ApiDeps): PartParent => ({
  path: '/portgroups/:portgroup',
  noun: 'port group',
  since: 24,
  find: async (call) => {
    const { row } = await partFor(deps, call, portgroupKind, call.params.portgroup as string)
    return { path: `/portgroups/${row.uuid}`, having: { portgroup_uuid: row.uuid } }
  },
})

async function filtersOf(deps: ApiDeps, call: Call): Promise<OwnedFilters<'ports'>> {
  const { query } = call
  const node = query.node ?? query.node_uuid
  const group = query.portgroup as string | undefined
  if ([node, group, query.shard].filter((each) => each !== undefined).length > 1)
    throw new LeaseholdError(
      'forbidden',
      'Operation not permitted. Use one of node, portgroup and shard at a time.',
    )
  if (query.conductor_groups && (node || group || query.address))
    throw invalid('conductor_groups can not be combined with node, portgroup or address.')
  const address = query.address === undefined ? undefined : normalMac(query.address as string)
  if (query.address !== undefined && !address)
    throw invalid(`Expected a MAC address but received ${query.address}.`)
  return {
    having: {
      ...(node === undefined ? {} : { node_uuid: (await nodeFor(deps, call, node as string)).uuid }),
      ...(group === undefined
        ? {}
        : { portgroup_uuid: (await partFor(deps, call, portgroupKind, group)).row.uuid }),
      ...(address ? { address } : {}),
    },
    ...(query.description_contains === undefined
      ? {}
      : { containing: { description: query.description_contains as string } }),
    ...(query.shard ? { shards: query.shard as string[] } : {}),
    ...(query.conductor_groups ? { conductorGroups: query.conductor_groups as string[] } : {}),
  }
}

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  const body = call.body as Record<string, unknown>
  gateBody(portFields, body, call.version)
  const { node_ident: ident, node_uuid: nodeUuid, uuid: ownUuid, ...rest } = body
  if (ident !== undefined && call.version < 94) throw notAcceptable(94)
  if ((ident === undefined) === (nodeUuid === undefined))
    throw invalid(
      `Schema error: exactly one of 'node_uuid'${call.version >= 94 ? " and 'node_ident'" : ''} is required`,
    )
  const node = await nodeOfNew(deps, call, portKind, String(ident ?? nodeUuid), ident !== undefined)
  const columns = {
    ...portColumns(rest, call.version),
    uuid: uuidOfNew(ownUuid),
    node_uuid: node.uuid,
  } as NewOwned<'ports'>
  checkSmartNic(columns.is_smartnic ?? false, linkOf(columns.local_link_connection))
  const port = {
    uuid: columns.uuid,
    node_uuid: node.uuid,
    portgroup_uuid: columns.portgroup_uuid ?? null,
    pxe_enabled: columns.pxe_enabled ?? true,
    physical_network: columns.physical_network ?? null,
  }
  const inserted = await inGroup(deps, call, port, null, (db, network) =>
    insertOwned(db, 'ports', { ...columns, ...network }),
  )
  return showCreated(deps, call, portKind, inserted, node)
}

const linkOf = (column: unknown): Record<string, unknown> =>
  typeof column === 'string'
    ? (JSON.parse(column) as Record<string, unknown>)
    : ((column ?? {}) as Record<string, unknown>)

/**
 * Has a port written that is in a group, while the group stays as it is, with the physical network that the group asks
 * for; or one in no group, just so.
 * @throws LeaseholdError 'invalid', 'conflict' when the port does not fit its group.
 */
async function inGroup<T>(
  deps: ApiDeps,
  call: Call,
  port: Membership,
  before: Membership | null,
  write: (db: Db, network: { physical_network?: string | null }) => Promise<T>,
): Promise<T> {
  const { portgroup_uuid: groupUuid } = port
  if (groupUuid === null) return write(deps.db, {})
  // Found first outside of the transaction, which costs a connection.
  const known = await findOwned(deps.db, 'portgroups', { uuid: groupUuid })
  if (known?.node_uuid !== port.node_uuid) throw groupNotFound(groupUuid, port.node_uuid)
  const written = await withPortgroup(deps.db, groupUuid, async (db, group, others) => {
    const network = physicalNetworkInGroup(group, others, port, before, call.version)
    return { row: await write(db, network === port.physical_network ? {} : { physical_network: network }) }
  })
  if (!written) throw groupNotFound(groupUuid, port.node_uuid)
  return written.row
}

/** Fields that concern the wiring: they change only while nothing of a tenant runs on the node. */
const wiring = ['portgroup_uuid', 'pxe_enabled', 'local_link_connection', 'physical_network']
const rewirable = ['enroll', 'inspecting', 'inspect wait', 'manageable']

const update = (deps: ApiDeps, call: Call): Promise<unknown> =>
  patchPart(deps, call, portKind, async ({ row: port, node }, given, home) => {
    const changes = portColumns(given, call.version)
    checkState(node, Object.keys(given), call.version)
    checkSmartNic(
      changes.is_smartnic ?? port.is_smartnic,
      linkOf(changes.local_link_connection ?? port.local_link_connection),
    )
    if (home.uuid !== node.uuid) changes.node_uuid = home.uuid
    if (Object.keys(changes).length === 0) return port
    const after = { ...port, ...changes } as Port
    return inGroup(deps, call, after, port, (db, network) =>
      updateOwned(db, 'ports', port, { ...changes, ...network }),
    )
  })

function checkState(node: Node, changed: readonly string[], version: number): void {
  const conflict = (what: string, remedy: string) =>
    new LeaseholdError(
      'conflict',
      `${what} can not be changed while node ${node.uuid} is in state "${node.provision_state}"; ${remedy}.`,
    )
  if (node.maintenance) return
  if (node.provision_state === 'inspecting' && version >= 39 && changed.length > 0)
    throw conflict('A port', 'wait until it ends')
  if (changed.includes('address') && (node.provision_state === 'active' || node.instance_uuid))
    throw conflict('The address of a port', 'undeploy the node or set maintenance first')
  const rewired = changed.filter((name) => wiring.includes(name))
  if (rewired.length > 0 && !rewirable.includes(node.provision_state))
    throw conflict(rewired.join(', '), `it may be in ${rewirable.join(', ')}, or in maintenance`)
}
