/** Port groups: ports of a node that work as one. A group is seen by whoever sees its node. */
import { LeaseholdError } from '../../errors.ts'
import {
  insertOwned,
  type NewOwned,
  type Node,
  type OwnedFilters,
  setPhysicalNetwork,
  updateOwned,
  withPortgroup,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { createSchema, gateBody } from './fields.ts'
import { normalMac } from './identifiers.ts'
import { nodeFor } from './node-access.ts'
import { itemRoutes, listRoutes, nodeParent, type PartLists } from './node-part-routes.ts'
import { deletePart, nodeOfNew, patchPart, showCreated, uuidOfNew } from './node-parts.ts'
import { portgroupColumns, portgroupFields, portgroupKind } from './portgroup-fields.ts'
import { checkStandalone } from './portgroup-members.ts'
import { detail, list, text } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
const since = 23

export function portgroupRoutes(deps: ApiDeps): Route[] {
  const lists: PartLists<'portgroups'> = {
    kind: portgroupKind,
    plural: 'port groups',
    since,
    filters: { node: text(), address: text(), shard: list(106), conductor_groups: list() },
    filtersOf: (call) => filtersOf(deps, call),
    detail,
    detailPath: true,
  }
  return [
    ...listRoutes(deps, lists),
    ...listRoutes(deps, lists, nodeParent(deps, 24)),
    ...itemRoutes(deps, portgroupKind, {
      noun: 'port group',
      since,
      createBody: createSchema(portgroupFields, ['node_uuid']),
      create: (call) => create(deps, call),
      update: (call) => update(deps, call),
      remove: (call) => deletePart(deps, call, portgroupKind),
    }),
  ]
}

async function filtersOf(deps: ApiDeps, call: Call): Promise<OwnedFilters<'portgroups'>> {
  const { node, address, shard, conductor_groups: conductorGroups } = call.query
  if ([node, address, shard, conductorGroups].filter((each) => each !== undefined).length > 1)
    throw invalid('node, address, shard and conductor_groups can not be combined; use one of them.')
  const mac = address === undefined ? undefined : normalMac(address as string)
  if (address !== undefined && !mac) throw invalid(`Expected a MAC address but received ${address}.`)
  return {
    having: {
      ...(node === undefined ? {} : { node_uuid: (await nodeFor(deps, call, node as string)).uuid }),
      ...(mac ? { address: mac } : {}),
    },
    ...(shard ? { shards: shard as string[] } : {}),
    ...(conductorGroups ? { conductorGroups: conductorGroups as string[] } : {}),
  }
}

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  const { uuid, node_uuid: nodeUuid, ...rest } = call.body as Record<string, unknown>
  gateBody(portgroupFields, rest, call.version)
  const node = await nodeOfNew(deps, call, portgroupKind, String(nodeUuid))
  const columns = portgroupColumns(rest)
  const group = await insertOwned(deps.db, 'portgroups', {
    ...columns,
    uuid: uuidOfNew(uuid),
    node_uuid: node.uuid,
    mode: columns.mode ?? deps.config['conductor.default_portgroup_mode'],
  } as NewOwned<'portgroups'>)
  return showCreated(deps, call, portgroupKind, group, node)
}

/** States of the node in which a group may move to another, besides maintenance. */
const movable = ['enroll', 'inspecting', 'inspect wait', 'manageable']

const update = (deps: ApiDeps, call: Call): Promise<unknown> =>
  patchPart(deps, call, portgroupKind, async ({ row, node }, given, home) => {
    const changes = portgroupColumns(given)
    if (home.uuid !== node.uuid) {
      checkMovable(node)
      changes.node_uuid = home.uuid
    }
    return withPortgroup(deps.db, row.uuid, async (db, group, ports) => {
      if (changes.standalone_ports_supported === false) checkStandalone(group, ports)
      const written = await updateOwned(db, 'portgroups', group, changes)
      if (changes.physical_network !== undefined)
        await setPhysicalNetwork(db, group.uuid, changes.physical_network)
      return written
    })
  })

function checkMovable(node: Node): void {
  if (!node.maintenance && !movable.includes(node.provision_state))
    throw new LeaseholdError(
      'conflict',
      `A portgroup can not be moved while its node ${node.uuid} is in state "${node.provision_state}"; it may be in ${movable.join(', ')}, or in maintenance.`,
    )
}
