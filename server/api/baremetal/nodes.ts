/** Nodes: their routes, lists and showing one. Creating, changing and deleting have files of their own. */
import { LeaseholdError } from '../../errors.ts'
import {
  findChassis,
  listNodes,
  type Node,
  type NodeColumn,
  type NodeFilters,
  responsibleFor,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { chooseFields, columnsOf, sortColumn } from './fields.ts'
import { normalUuid } from './identifiers.ts'
import { patchBody } from './json-patch.ts'
import { listable, nodeFor, nodesJson, showNodes } from './node-access.ts'
import { createBody, createNode } from './node-create.ts'
import { removeNode } from './node-delete.ts'
import { nodeAccessColumns, nodeFields, nodeListFields } from './node-fields.ts'
import { updateNode, updateRules } from './node-update.ts'
import { nextLink, pageOf } from './page.ts'
import { boolean, detail, fields, list, paging, type QuerySchema, text, uuid } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const filters: QuerySchema = {
  chassis_uuid: uuid(),
  instance_uuid: uuid(),
  instance_name: text(104),
  associated: boolean(),
  maintenance: boolean(),
  retired: boolean(61),
  provision_state: text(9),
  driver: text(16),
  resource_class: text(21),
  fault: text(42),
  conductor_group: text(46),
  conductor: text(49),
  owner: text(50),
  lessee: text(65),
  project: text(),
  shard: list(82),
  sharded: boolean(82),
  parent_node: text(83),
  include_children: boolean(83),
  description_contains: text(),
}

/** `node:get` for the parent by which a list may be filtered. */
const listRules = ['baremetal:node:get', 'baremetal:node:list', 'baremetal:node:list_all'] as const

export function nodeRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes',
      summary: 'List nodes',
      rules: listRules,
      query: { ...paging, ...fields, ...detail, ...filters },
      ok: 200,
      handler: (call) => showList(deps, call, '/nodes', call.query.detail === true),
    },
    {
      method: 'GET',
      path: '/nodes/detail',
      summary: 'List nodes with all their fields',
      rules: listRules,
      query: { ...paging, ...filters },
      ok: 200,
      handler: (call) => showList(deps, call, '/nodes/detail', true),
    },
    {
      method: 'POST',
      path: '/nodes',
      summary: 'Enrol a node',
      rules: ['baremetal:node:create', 'baremetal:node:create:self_owned_node'],
      body: createBody,
      ok: 201,
      handler: (call) => createNode(deps, call),
    },
    {
      method: 'GET',
      path: '/nodes/:node',
      summary: 'Show a node',
      rules: ['baremetal:node:get'],
      query: fields,
      ok: 200,
      handler: (call) => show(deps, call),
    },
    {
      method: 'PATCH',
      path: '/nodes/:node',
      summary: 'Change a node',
      rules: ['baremetal:node:get', ...updateRules, 'baremetal:node:update_owner_provisioned'],
      query: { reset_interfaces: boolean(45) },
      body: patchBody,
      ok: 200,
      handler: (call) => updateNode(deps, call),
    },
    {
      method: 'DELETE',
      path: '/nodes/:node',
      summary: 'Delete a node',
      rules: ['baremetal:node:get', 'baremetal:node:delete', 'baremetal:node:delete:self_owned_node'],
      ok: 204,
      handler: (call) => removeNode(deps, call),
    },
    {
      method: 'GET',
      path: '/chassis/:chassis/nodes',
      summary: 'List the nodes of a chassis',
      rules: [...listRules, 'baremetal:chassis:get'],
      query: { ...paging, ...fields, ...detail, ...filters },
      ok: 200,
      within: true,
      handler: (call) => showOfChassis(deps, call, '', call.query.detail === true),
    },
    {
      method: 'GET',
      path: '/chassis/:chassis/nodes/detail',
      summary: 'List the nodes of a chassis with all their fields',
      rules: [...listRules, 'baremetal:chassis:get'],
      query: { ...paging, ...filters },
      ok: 200,
      within: true,
      handler: (call) => showOfChassis(deps, call, '/detail', true),
    },
    {
      method: 'GET',
      path: '/nodes/:node/children',
      summary: "List a node's children",
      rules: listRules,
      since: 83,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string)
        const page = { limit: 10_000, sortColumn: 'id', sortDirection: 'asc' } as const
        const children = await listNodes(deps.db, listable(deps, call), { parent: node.uuid }, page, ['uuid'])
        return {
          children: children.map((child) => child.uuid),
          links: { href: `${call.base}/v1/nodes?parent_node=${node.uuid}`, rel: 'children' },
        }
      },
    },
  ]
}

/** Whether there is such a chassis is told to who may see chassis; to others it is one without nodes of theirs. */
async function showOfChassis(
  deps: ApiDeps,
  call: Call,
  tail: '' | '/detail',
  full: boolean,
): Promise<unknown> {
  const ident = call.params.chassis as string
  const chassisUuid = normalUuid(ident)
  if (!chassisUuid) throw invalid(`Expected a UUID but received ${ident.slice(0, 255)}.`)
  if (deps.policy.allows('baremetal:chassis:get', call.caller) && !(await findChassis(deps.db, chassisUuid)))
    throw new LeaseholdError('not-found', `Chassis ${ident} could not be found.`)
  return showList(deps, call, `/chassis/${chassisUuid}/nodes${tail}`, full, { chassisUuid })
}

async function showList(
  deps: ApiDeps,
  call: Call,
  path: string,
  full: boolean,
  own: Partial<NodeFilters> = {},
): Promise<unknown> {
  const { query } = call
  const asked = query.fields as string[] | undefined
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const visible = listable(deps, call, query.project as string | undefined)
  const shownFields = chooseFields(nodeFields, asked, call.version, full ? undefined : nodeListFields)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(nodeFields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<Node>(shownFields, nodeAccessColumns) as NodeColumn[]
  const conductor = query.conductor as string | undefined
  if (conductor !== undefined) columns.push('driver', 'conductor_group')
  const rows = (await listNodes(
    deps.db,
    visible,
    { ...(await filtersOf(deps, call)), ...own },
    { ...page, sortColumn: sortBy },
    [...new Set(columns)],
  )) as Node[]
  const alive = conductor === undefined ? [] : await deps.conductors.alive()
  const kept =
    conductor === undefined ? rows : rows.filter((node) => responsibleFor(alive, node) === conductor)
  // An instance is on one node at most: its answer has no next page.
  const next = query.instance_uuid === undefined ? nextLink(`${call.base}/v1${path}`, query, page, rows) : {}
  return nodesJson(deps, call, kept, shownFields, full, next)
}

async function filtersOf(deps: ApiDeps, call: Call): Promise<NodeFilters> {
  const { query } = call
  const given = <Name extends keyof NodeFilters>(name: Name, parameter: string) =>
    query[parameter] === undefined ? {} : { [name]: query[parameter] as NodeFilters[Name] }
  const state = query.provision_state as string | undefined
  return {
    ...given('instanceUuid', 'instance_uuid'),
    ...given('instanceName', 'instance_name'),
    ...given('chassisUuid', 'chassis_uuid'),
    ...given('associated', 'associated'),
    ...given('maintenance', 'maintenance'),
    ...given('retired', 'retired'),
    // Clients write "None" for the state of old, idle nodes.
    ...(state === undefined ? {} : { provisionState: state === 'None' ? 'available' : state }),
    ...given('driver', 'driver'),
    ...given('resourceClass', 'resource_class'),
    ...given('fault', 'fault'),
    ...given('conductorGroup', 'conductor_group'),
    ...given('owner', 'owner'),
    ...given('lessee', 'lessee'),
    ...given('shards', 'shard'),
    ...given('sharded', 'sharded'),
    ...given('descriptionContains', 'description_contains'),
    parent: await parentFilter(deps, call),
  }
}

/** A parent that the caller does not see has no children, as has one that is not there. */
async function parentFilter(deps: ApiDeps, call: Call): Promise<NodeFilters['parent']> {
  const asked = call.query.parent_node as string | undefined
  if (asked === undefined) return call.query.include_children || call.query.instance_uuid ? 'any' : 'none'
  return (await nodeFor(deps, call, asked)).uuid
}

async function show(deps: ApiDeps, call: Call): Promise<unknown> {
  const asked = call.query.fields as string[] | undefined
  const shownFields = chooseFields(nodeFields, asked, call.version)
  const node = await nodeFor(deps, call, call.params.node as string)
  return (await showNodes(deps, call, [node], shownFields, asked === undefined))[0]
}
