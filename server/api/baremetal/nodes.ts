/** Nodes: list, create, show, change, delete. */
import { randomUUID } from 'node:crypto'
import { Type } from 'typebox'
import type { RuleName } from '../../access/index.ts'
import { nodeTarget, rulesForPatch } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { InterfaceType } from '../../hardware/index.ts'
import {
  changeNode,
  childrenOf,
  deleteNode,
  findNode,
  insertNode,
  listNodes,
  lockedError,
  type NewNode,
  type Node,
  type NodeColumn,
  type NodeFilters,
  requireConductor,
  responsibleFor,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import {
  chooseFields,
  clearedValues,
  columnsOf,
  createSchema,
  gateBody,
  gatePatch,
  showFields,
  sortColumn,
} from './fields.ts'
import { lookupOf } from './identifiers.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'
import {
  changeOptions,
  denied,
  listable,
  nodeFor,
  noteTarget,
  requireRules,
  showNode,
  showNodes,
} from './node-access.ts'
import { nodeAccessColumns, nodeFields, nodeListFields } from './node-fields.ts'
import { askedInterfaces, checkChanges, checkNotMoving, columnsFrom, consequencesOf } from './node-input.ts'
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

const createBody = createSchema(nodeFields, ['driver'])
/** Who may set what is told field by field in access/node-fields.ts. */
const updateRules: readonly RuleName[] = [
  ...new Set(
    nodeFields
      .filter((field) => field.patch)
      .flatMap((field) => rulesForPatch([{ op: 'replace', path: `/${field.name}` }])),
  ),
  ...rulesForPatch([{ op: 'replace', path: '/automated_clean', value: false }]),
]

export function nodeRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes',
      summary: 'List nodes',
      rules: ['baremetal:node:list', 'baremetal:node:list_all'],
      query: { ...paging, ...fields, ...detail, ...filters },
      ok: 200,
      handler: (call) => showList(deps, call, call.query.detail === true),
    },
    {
      method: 'GET',
      path: '/nodes/detail',
      summary: 'List nodes with all their fields',
      rules: ['baremetal:node:list', 'baremetal:node:list_all'],
      query: { ...paging, ...filters },
      ok: 200,
      handler: (call) => showList(deps, call, true),
    },
    {
      method: 'POST',
      path: '/nodes',
      summary: 'Enrol a node',
      rules: ['baremetal:node:create', 'baremetal:node:create:self_owned_node'],
      body: createBody,
      ok: 201,
      handler: (call) => create(deps, call),
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
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: '/nodes/:node',
      summary: 'Delete a node',
      rules: ['baremetal:node:get', 'baremetal:node:delete', 'baremetal:node:delete:self_owned_node'],
      ok: 204,
      handler: (call) => remove(deps, call),
    },
    {
      method: 'GET',
      path: '/nodes/:node/children',
      summary: "List a node's children",
      rules: ['baremetal:node:get', 'baremetal:node:list', 'baremetal:node:list_all'],
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

async function showList(deps: ApiDeps, call: Call, full: boolean): Promise<unknown> {
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
    await filtersOf(deps, call),
    { ...page, sortColumn: sortBy },
    [...new Set(columns)],
  )) as Node[]
  const alive = conductor === undefined ? [] : await deps.conductors.alive()
  const kept =
    conductor === undefined ? rows : rows.filter((node) => responsibleFor(alive, node) === conductor)
  const nodes = await showNodes(deps, call, kept, shownFields, full)
  // An instance is on one node at most: its answer has no next page.
  if (query.instance_uuid !== undefined) return { nodes }
  const path = `${call.base}/v1/nodes${call.request.routeOptions.url?.endsWith('/detail') ? '/detail' : ''}`
  return { nodes, ...nextLink(path, query, page, rows) }
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

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  const body = call.body as Record<string, unknown>
  gateBody(nodeFields, body, call.version)
  const owner = ownerOfNew(deps, call, body.owner as string | null | undefined)
  const columns = columnsFrom(body, call.version)
  if (columns.chassis_uuid) throw invalid(`Chassis ${columns.chassis_uuid} could not be found.`)
  const driver = body.driver as string
  requireConductor(await deps.conductors.alive(), { driver, conductor_group: columns.conductor_group ?? '' })
  const interfaces = deps.hardware.chooseInterfaces(driver, askedInterfaces(body))
  const parent = await parentOf(deps, call, body.parent_node, owner)
  const state = call.version >= 11 ? 'enroll' : 'available'
  const node = await insertNode(deps.db, {
    resource_class: deps.config['conductor.default_resource_class'] ?? null,
    ...definedOnly(columns),
    uuid: body.uuid === undefined ? randomUUID() : uuidOfNew(body.uuid as string),
    driver,
    owner,
    parent_node: parent,
    provision_state: state,
    interfaces: JSON.stringify(interfaces),
  } as NewNode)
  noteTarget(call, 'node', node.uuid, node)
  call.reply.header('location', `${call.base}/v1/nodes/${node.uuid}`)
  return showNode(deps, call, node)
}

/** Nulls of NOT NULL columns mean "not given": the default takes their place. */
const definedOnly = (columns: object): object =>
  Object.fromEntries(
    Object.entries(columns).filter(
      ([name, value]) =>
        value !== null || !['maintenance', 'console_enabled', 'retired', 'disable_power_off'].includes(name),
    ),
  )

function uuidOfNew(given: string): string {
  const by = lookupOf(given, false)
  if (!by || !('uuid' in by)) throw invalid(`Expected a UUID for uuid but received ${given}.`)
  return by.uuid
}

/**
 * Who owns a new node: a project's administrator makes nodes of that project, the system's for anybody.
 * @throws LeaseholdError 'forbidden', or 'invalid' when a project asks for another's ownership.
 */
function ownerOfNew(deps: ApiDeps, call: Call, asked: string | null | undefined): string | null {
  const { caller } = call
  const forItself =
    deps.config['api.project_admin_can_manage_own_nodes'] &&
    deps.policy.allows(
      'baremetal:node:create:self_owned_node',
      caller,
      nodeTarget({ owner: caller.projectId, lessee: null }),
    )
  if (
    !forItself &&
    !deps.policy.allows('baremetal:node:create', caller, nodeTarget({ owner: asked ?? null, lessee: null }))
  )
    throw denied('baremetal:node:create')
  if (!forItself || caller.systemScope === 'all') return asked ?? null
  if (asked !== undefined && asked !== null && asked !== caller.projectId)
    throw invalid(
      'Cannot create a node as a project-scoped user with an owner other than the own project; leave owner out.',
    )
  return caller.projectId
}

/** The UUID of a parent that the caller sees and that has the same owner; one text for every reason it cannot be. */
async function parentOf(
  deps: ApiDeps,
  call: Call,
  asked: unknown,
  owner: string | null,
): Promise<string | null> {
  if (asked === undefined || asked === null || asked === '') return null
  const by = lookupOf(String(asked), true)
  const parent = by && (await findNode(deps.db, by))
  const seen = parent && deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(parent))
  if (!seen || parent.owner !== owner)
    throw invalid(
      `parent_node ${String(asked).slice(0, 255)} could not be found, or its owner is not the owner of this node.`,
    )
  return parent.uuid
}

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  const operations = call.body as PatchOperation[]
  const reset = call.query.reset_interfaces === true
  if (reset && !operations.some((operation) => operation.path === '/driver'))
    throw invalid("The reset_interfaces parameter can only be used when changing the node's driver.")
  gatePatch(nodeFields, operations, call.version)
  const first = await nodeFor(deps, call, call.params.node as string)
  requireRules(deps, call, first, rulesForPatch(operations))
  const onlyForgetsInstance =
    operations.length === 1 &&
    operations[0]?.op === 'remove' &&
    operations[0].path === '/instance_uuid' &&
    first.maintenance
  const node = await changeNode(deps.db, first, changeOptions(deps), async (current) => {
    if (!onlyForgetsInstance) checkNotMoving(current, call.version)
    return changesOf(deps, call, current, operations, reset)
  })
  return showNode(deps, call, node)
}

const cleared = clearedValues(nodeFields)
const patchedNode = validatorOf(
  Type.Partial(
    Type.Object(
      Object.fromEntries(
        nodeFields.flatMap((field) => (field.patch && field.schema ? [[field.name, field.schema]] : [])),
      ),
    ),
  ),
)

async function changesOf(
  deps: ApiDeps,
  call: Call,
  node: Node,
  operations: readonly PatchOperation[],
  reset: boolean,
) {
  const patchable = nodeFields.filter((field) => field.patch)
  const before = showFields(patchable, node, { version: Number.POSITIVE_INFINITY, base: call.base })
  const { result, changed } = applyPatch(before, operations, cleared)
  const given = Object.fromEntries(changed.map((name) => [name, result[name]]))
  patchedNode(given)
  if (
    'driver' in given &&
    operations.some((operation) => operation.op === 'remove' && operation.path === '/driver')
  )
    throw invalid('driver can not be removed; replace it.')
  const changes = { ...columnsFrom(given, call.version) }
  if (changes.chassis_uuid) throw invalid(`Chassis ${changes.chassis_uuid} could not be found.`)
  if ('owner' in given) checkOwnerChange(deps, call, node)
  if ('parent_node' in given)
    changes.parent_node = await parentOf(
      deps,
      call,
      given.parent_node,
      changes.owner === undefined ? node.owner : changes.owner,
    )
  if (changes.parent_node === node.uuid) throw invalid('parent_node must be another node.')
  if (changes.owner !== undefined && changes.parent_node === undefined && node.parent_node)
    throw invalid(
      `Node ${node.uuid} has a parent_node, whose owner must be the same; remove parent_node first.`,
    )
  for (const name of ['protected', 'retired', 'maintenance', 'disable_power_off'] as const)
    if (name in given && given[name] === null) changes[name] = false
  const interfaces = interfacesAfter(deps, node, given, reset)
  if (interfaces) changes.interfaces = JSON.stringify(interfaces)
  if ('driver' in given || 'conductor_group' in given)
    requireConductor(await deps.conductors.alive(), {
      driver: changes.driver ?? node.driver,
      conductor_group: changes.conductor_group ?? node.conductor_group,
    })
  checkChanges(node, changed, changes, interfaces !== undefined && !('driver' in given))
  return { ...changes, ...consequencesOf(changes) }
}

/** An active node's owner changes only by a right of its own; the refusal is a conflict, as in Ironic. */
function checkOwnerChange(deps: ApiDeps, call: Call, node: Node): void {
  if (node.provision_state !== 'active') return
  if (!deps.policy.allows('baremetal:node:update_owner_provisioned', call.caller, nodeTarget(node)))
    throw new LeaseholdError(
      'conflict',
      `Cannot update owner of node ${node.uuid} while it is in state "active".`,
    )
}

/** The interfaces after a change of driver or of single interfaces; undefined when they stay. */
function interfacesAfter(
  deps: ApiDeps,
  node: Node,
  given: Record<string, unknown>,
  reset: boolean,
): Record<InterfaceType, string> | undefined {
  const asked = askedInterfaces(given)
  if (!('driver' in given) && Object.keys(asked).length === 0) return undefined
  const kept = reset ? {} : node.interfaces
  return deps.hardware.chooseInterfaces((given.driver as string | undefined) ?? node.driver, {
    ...kept,
    ...asked,
  })
}

async function remove(deps: ApiDeps, call: Call): Promise<undefined> {
  const node = await nodeFor(deps, call, call.params.node as string)
  const target = nodeTarget(node)
  const allowed =
    deps.policy.allows('baremetal:node:delete', call.caller, target) ||
    (deps.config['api.project_admin_can_manage_own_nodes'] &&
      deps.policy.allows('baremetal:node:delete:self_owned_node', call.caller, target))
  if (!allowed) throw denied('baremetal:node:delete')
  await changeNode(deps.db, node, changeOptions(deps), async (current) => {
    checkDeletable(deps, current)
    const children = await childrenOf(deps.db, current.uuid)
    if (children.length > 0)
      throw new LeaseholdError(
        'conflict',
        `Node ${node.uuid} has ${children.length} child nodes; delete them or remove their parent_node first.`,
      )
    return {}
  })
  if (await deleteNode(deps.db, node.uuid)) return undefined
  const still = await findNode(deps.db, { uuid: node.uuid })
  if (still) throw lockedError(still.uuid, still.reservation ?? 'another')
  return undefined
}

function checkDeletable(deps: ApiDeps, node: Node): void {
  if (node.protected)
    throw new LeaseholdError(
      'forbidden',
      `Node ${node.uuid} is protected and can not be deleted; unset "protected" first.`,
    )
  if (node.maintenance) return
  if (node.instance_uuid)
    throw new LeaseholdError(
      'conflict',
      `Node ${node.uuid} is associated with instance ${node.instance_uuid}; remove it, or set maintenance first.`,
    )
  const states = [
    'manageable',
    'enroll',
    'adopt failed',
    ...(deps.config['conductor.allow_deleting_available_nodes'] ? ['available'] : []),
  ]
  if (!states.includes(node.provision_state))
    throw new LeaseholdError(
      'conflict',
      `Can not delete node ${node.uuid} while it is in provision state "${node.provision_state}". Valid provision states are: ${states.join(', ')}, or any in maintenance.`,
    )
}
