/** Allocations: a project's claim on a node of its own. Seen by the project that owns it. */
import { visibleRows } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../inventory/index.ts'
import {
  type Allocation,
  type AllocationChanges,
  type AllocationColumn,
  changeAllocation,
  findAllocation,
  listAllocations,
  releaseAllocation,
} from '../../scheduling/index.ts'
import type { ApiDeps } from '../deps.ts'
import { allocationFor, maySee, namedNode, requireAllocationRule } from './allocation-access.ts'
import { allocationName, createAllocation } from './allocation-create.ts'
import { allocationCreateBody, allocationFields } from './allocation-fields.ts'
import {
  chooseFields,
  clearedValues,
  columnsOf,
  type Field,
  gatePatch,
  selfLinks,
  showFields,
  sortColumn,
} from './fields.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'
import { denied, lockOptions, nodeFor, noteTarget } from './node-access.ts'
import { isMoving } from './node-input.ts'
import { nextLink, pageOf } from './page.ts'
import { fields, paging, text } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const since = 52

export function allocationRoutes(deps: ApiDeps): Route[] {
  const one = '/allocations/:allocation'
  const ofNode = '/nodes/:node/allocation'
  return [
    {
      method: 'GET',
      path: '/allocations',
      summary: 'List allocations',
      rules: [
        'baremetal:allocation:list',
        'baremetal:allocation:list_all',
        'baremetal:allocation:get',
        'baremetal:node:get',
      ],
      since,
      query: {
        ...paging,
        ...fields,
        node: text(),
        resource_class: text(),
        state: text(),
        owner: text(60),
      },
      ok: 200,
      handler: (call) => showList(deps, call),
    },
    {
      method: 'POST',
      path: '/allocations',
      summary: 'Allocate a node',
      rules: ['baremetal:allocation:create', 'baremetal:allocation:create_restricted', 'baremetal:node:get'],
      since,
      below: 405,
      body: allocationCreateBody,
      ok: 201,
      handler: async (call) => {
        const allocation = await createAllocation(deps, call)
        call.reply.header('location', `${call.base}/v1/allocations/${allocation.uuid}`)
        return fullAllocation(call, allocation)
      },
    },
    {
      method: 'GET',
      path: one,
      summary: 'Show an allocation',
      rules: ['baremetal:allocation:get'],
      since,
      query: fields,
      ok: 200,
      handler: async (call) => {
        const shown = chooseFields(allocationFields, call.query.fields as string[] | undefined, call.version)
        return showAllocation(call, await allocationFor(deps, call, 'baremetal:allocation:get'), shown)
      },
    },
    {
      method: 'PATCH',
      path: one,
      summary: 'Change an allocation',
      rules: ['baremetal:allocation:get', 'baremetal:allocation:update'],
      since: 57,
      below: 405,
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Delete an allocation',
      rules: ['baremetal:allocation:get', 'baremetal:allocation:delete'],
      since,
      below: 405,
      ok: 204,
      handler: async (call) => release(deps, await allocationFor(deps, call, 'baremetal:allocation:delete')),
    },
    {
      method: 'GET',
      path: ofNode,
      summary: "Show a node's allocation",
      rules: ['baremetal:node:get', 'baremetal:allocation:get'],
      since,
      query: fields,
      ok: 200,
      handler: async (call) => {
        const shown = chooseFields(allocationFields, call.query.fields as string[] | undefined, call.version)
        return showAllocation(call, await allocationOfNode(deps, call, 'baremetal:allocation:get'), shown)
      },
    },
    {
      method: 'DELETE',
      path: ofNode,
      summary: "Delete a node's allocation",
      rules: ['baremetal:node:get', 'baremetal:allocation:delete'],
      since,
      ok: 204,
      handler: async (call) =>
        release(deps, await allocationOfNode(deps, call, 'baremetal:allocation:delete')),
    },
  ]
}

const showAllocation = (
  call: Call,
  allocation: Allocation,
  shown: readonly Field<Allocation>[],
): Record<string, unknown> => ({
  ...showFields(shown, allocation, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `allocations/${allocation.uuid}`),
})

const fullAllocation = (call: Call, allocation: Allocation): Record<string, unknown> =>
  showAllocation(call, allocation, chooseFields(allocationFields, undefined, call.version))

async function showList(deps: ApiDeps, call: Call): Promise<unknown> {
  const { query } = call
  const visible = visibleRows(deps.policy, call.caller, 'allocation', query.owner as string | undefined)
  if (visible.kind === 'forbidden') throw denied('baremetal:allocation:list')
  const shown = chooseFields(allocationFields, query.fields as string[] | undefined, call.version)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(allocationFields, query.sort_key as string | undefined, call.version)
  const filters = {
    ...(query.node === undefined
      ? {}
      : { nodeUuid: (await namedNode(deps, call, query.node as string)).uuid }),
    ...(query.resource_class === undefined ? {} : { resourceClass: query.resource_class as string }),
    ...(query.state === undefined ? {} : { state: query.state as string }),
  }
  const columns = columnsOf<Allocation>(shown, ['uuid', 'owner']) as AllocationColumn[]
  const rows = (await listAllocations(
    deps.db,
    visible,
    filters,
    { ...page, sortColumn: sortBy },
    columns,
  )) as Allocation[]
  // As in Ironic, the right to list is not yet the right to see each.
  if (!rows.every((row) => maySee(deps, call, row))) throw denied('baremetal:allocation:get')
  const allocations = rows.map((row) => showAllocation(call, row, shown))
  return { allocations, ...nextLink(`${call.base}/v1/allocations`, query, page, rows) }
}

/** @throws LeaseholdError 'not-found' for a node that is hidden or has no allocation; 'forbidden'. */
async function allocationOfNode(
  deps: ApiDeps,
  call: Call,
  rule: 'baremetal:allocation:get' | 'baremetal:allocation:delete',
): Promise<Allocation> {
  const node = await nodeFor(deps, call, call.params.node as string)
  const allocation = await findAllocation(deps.db, { nodeUuid: node.uuid })
  if (!allocation) throw new LeaseholdError('not-found', `Allocation for node ${node.uuid} was not found.`)
  noteTarget(call, 'allocation', allocation.uuid, node)
  requireAllocationRule(deps, call, allocation, rule)
  return allocation
}

const patchable = allocationFields.filter((field) => field.patch)
const cleared = clearedValues(allocationFields)

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  const operations = call.body as PatchOperation[]
  gatePatch(allocationFields, operations, call.version)
  const { uuid } = await allocationFor(deps, call, 'baremetal:allocation:update')
  const changed = await changeAllocation(deps.db, uuid, (allocation) =>
    changesOf(showFields(patchable, allocation, { version: call.version, base: call.base }), operations),
  )
  if (!changed) throw new LeaseholdError('not-found', `Allocation ${uuid} could not be found.`)
  return fullAllocation(call, changed)
}

function changesOf(
  before: Record<string, unknown>,
  operations: readonly PatchOperation[],
): AllocationChanges {
  const { result, changed } = applyPatch(before, operations, cleared)
  const { name, extra } = result
  if (name !== null && typeof name !== 'string') throw invalid('Schema error: name: must be string or null')
  if (extra === null || typeof extra !== 'object' || Array.isArray(extra))
    throw invalid('Schema error: extra: must be object')
  return {
    ...(changed.includes('name') ? { name: allocationName(name) } : {}),
    ...(changed.includes('extra') ? { extra: JSON.stringify(extra) } : {}),
  }
}

async function release(deps: ApiDeps, allocation: Allocation): Promise<void> {
  await releaseAllocation(deps.db, allocation, lockOptions(deps), checkReleasable)
}

/** @throws LeaseholdError 'conflict' while the node is in use or on its way somewhere. */
function checkReleasable(node: Node): void {
  if (node.maintenance || (node.provision_state !== 'active' && !isMoving(node))) return
  throw new LeaseholdError(
    'conflict',
    `Cannot remove the allocation of node ${node.uuid} while it is in state "${node.provision_state}"; undeploy the node, or set maintenance first.`,
  )
}
