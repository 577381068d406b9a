/** Volume connectors and targets: how a node reaches remote volumes, and which. Seen by whoever sees the node. */
import { LeaseholdError } from '../../errors.ts'
import {
  insertOwned,
  type NewOwned,
  type Node,
  type OwnedFilters,
  updateOwned,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { createSchema, selfLinks } from './fields.ts'
import { nodeFor, requireRule } from './node-access.ts'
import { itemRoutes, listRoutes, nodeParent } from './node-part-routes.ts'
import { deletePart, nodeOfNew, type PartKind, patchPart, showCreated, uuidOfNew } from './node-parts.ts'
import { boolean, text } from './query.ts'
import type { Call, Route } from './routes.ts'
import { connectorKind, targetKind, volumeColumns } from './volume-fields.ts'

const since = 32
type VolumeTable = 'volume_connectors' | 'volume_targets'

export function volumeRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/volume',
      summary: 'Show where volume connectors and targets are',
      rules: ['baremetal:volume:get'],
      since,
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:volume:get')
        return volumeDocument(call.base, 'volume')
      },
    },
    {
      method: 'GET',
      path: '/nodes/:node/volume',
      summary: "Show where a node's volume connectors and targets are",
      rules: ['baremetal:volume:get', 'baremetal:node:get'],
      since,
      ok: 200,
      handler: async (call) => {
        // The rule is asked of the caller alone, as in Ironic: who fails it is not told whether there is such a node.
        requireRule(deps, call, 'baremetal:volume:get')
        const { uuid } = await nodeFor(deps, call, call.params.node as string)
        return volumeDocument(call.base, `nodes/${uuid}/volume`)
      },
    },
    ...routesOf(deps, connectorKind, 'volume connector', ['node_uuid', 'type', 'connector_id']),
    ...routesOf(deps, targetKind, 'volume target', ['node_uuid', 'volume_type', 'boot_index', 'volume_id']),
  ]
}

const volumeDocument = (base: string, path: string) => ({
  links: selfLinks(base, `${path}/`),
  connectors: selfLinks(base, `${path}/connectors`),
  targets: selfLinks(base, `${path}/targets`),
})

function routesOf<Table extends VolumeTable>(
  deps: ApiDeps,
  kind: PartKind<Table>,
  noun: string,
  needed: readonly string[],
): Route[] {
  const lists = {
    kind,
    plural: `${noun}s`,
    since,
    filters: { node: text() },
    filtersOf: (call: Call) => filtersOf<Table>(deps, call),
    detail: { detail: boolean() },
    detailPath: false,
  }
  return [
    ...listRoutes(deps, lists),
    ...listRoutes(deps, lists, nodeParent(deps, since)),
    ...itemRoutes(deps, kind, {
      noun,
      since,
      createBody: createSchema(kind.fields, needed),
      create: (call) => create(deps, call, kind),
      update: (call) => update(deps, call, kind, noun),
      remove: (call) =>
        deletePart(deps, call, kind, ({ node }) => {
          if (!deletable.includes(node.provision_state)) requirePowerOff(node, `${noun} deletion`)
        }),
    }),
  ]
}

async function filtersOf<Table extends VolumeTable>(deps: ApiDeps, call: Call): Promise<OwnedFilters<Table>> {
  const { node } = call.query
  if (node === undefined) return {}
  const { uuid } = await nodeFor(deps, call, node as string)
  return { having: { node_uuid: uuid } as NonNullable<OwnedFilters<Table>['having']> }
}

async function create<Table extends VolumeTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
): Promise<unknown> {
  const { uuid, node_uuid: nodeUuid, ...rest } = call.body as Record<string, unknown>
  const node = await nodeOfNew(deps, call, kind, String(nodeUuid))
  const row = await insertOwned(deps.db, kind.table, {
    ...volumeColumns<Table>(rest),
    uuid: uuidOfNew(uuid),
    node_uuid: node.uuid,
  } as NewOwned<Table>)
  return showCreated(deps, call, kind, row, node)
}

const update = <Table extends VolumeTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  noun: string,
): Promise<unknown> =>
  patchPart(deps, call, kind, async ({ row, node }, given, home) => {
    for (const each of [node, home]) requirePowerOff(each, `${noun} update`)
    const changes = volumeColumns<Table>(given)
    return updateOwned(
      deps.db,
      kind.table,
      row,
      home.uuid === node.uuid ? changes : { ...changes, node_uuid: home.uuid },
    )
  })

/** States of the node in which what it has may be deleted whatever its power. */
const deletable = ['enroll', 'manageable', 'adopt failed']

function requirePowerOff(node: Node, action: string): void {
  if (node.power_state !== 'power off')
    throw new LeaseholdError(
      'invalid',
      `The requested action "${action}" can not be performed on node "${node.uuid}" while it is in state "${node.power_state ?? 'unknown power'}"; power it off first.`,
    )
}
