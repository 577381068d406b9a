/** Ports: a node's NICs. A port is seen by whoever sees its node. */
import { randomUUID } from 'node:crypto'
import { type TSchema, Type } from 'typebox'
import { nodeTarget, visibleRows } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import {
  deletePort,
  findNode,
  findPort,
  insertPort,
  listPorts,
  type NewPort,
  type Node,
  type Port,
  type PortColumn,
  type PortFilters,
  updatePort,
  type Visible,
  withLock,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import {
  chooseFields,
  clearedValues,
  columnsOf,
  createSchema,
  type Field,
  gateBody,
  gatePatch,
  selfLinks,
  showFields,
  sortColumn,
} from './fields.ts'
import { lookupOf, normalMac, normalUuid } from './identifiers.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'
import { denied, lockOptions, nodeFor, noteTarget, requireRules } from './node-access.ts'
import { nextLink, pageOf } from './page.ts'
import { checkSmartNic, portColumns, portFields, portListFields } from './port-fields.ts'
import { detail, fields, list, paging, type QuerySchema, text, uuid } from './query.ts'
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
  const listRules = ['baremetal:port:list', 'baremetal:port:list_all'] as const
  const ofNode = async (call: Call) => ({
    nodeUuid: (await nodeFor(deps, call, call.params.node as string)).uuid,
  })
  return [
    {
      method: 'GET',
      path: '/ports',
      summary: 'List ports',
      rules: listRules,
      query: { ...paging, ...fields, ...detail, ...filters },
      ok: 200,
      handler: async (call) =>
        showList(deps, call, await filtersOf(deps, call), '/ports', call.query.detail === true),
    },
    {
      method: 'GET',
      path: '/ports/detail',
      summary: 'List ports with all their fields',
      rules: listRules,
      query: { ...paging, ...filters },
      ok: 200,
      handler: async (call) => showList(deps, call, await filtersOf(deps, call), '/ports/detail', true),
    },
    {
      method: 'GET',
      path: '/nodes/:node/ports',
      summary: "List a node's ports",
      rules: ['baremetal:node:get', ...listRules],
      query: { ...paging, ...fields, ...detail },
      ok: 200,
      handler: async (call) => {
        const own = await ofNode(call)
        return showList(deps, call, own, `/nodes/${own.nodeUuid}/ports`, call.query.detail === true)
      },
    },
    {
      method: 'GET',
      path: '/nodes/:node/ports/detail',
      summary: "List a node's ports with all their fields",
      rules: ['baremetal:node:get', ...listRules],
      query: paging,
      ok: 200,
      handler: async (call) => {
        const own = await ofNode(call)
        return showList(deps, call, own, `/nodes/${own.nodeUuid}/ports/detail`, true)
      },
    },
    {
      method: 'POST',
      path: '/ports',
      summary: 'Create a port',
      rules: ['baremetal:node:get', 'baremetal:port:create'],
      body: createBody,
      ok: 201,
      handler: (call) => create(deps, call),
    },
    {
      method: 'GET',
      path: '/ports/:port',
      summary: 'Show a port',
      rules: ['baremetal:node:get', 'baremetal:port:get'],
      query: fields,
      ok: 200,
      handler: async (call) => {
        const asked = call.query.fields as string[] | undefined
        const shown = chooseFields(portFields, asked, call.version)
        const { port } = await portFor(deps, call, 'baremetal:port:get')
        return showPort(call, port, shown)
      },
    },
    {
      method: 'PATCH',
      path: '/ports/:port',
      summary: 'Change a port',
      rules: ['baremetal:node:get', 'baremetal:port:update'],
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: '/ports/:port',
      summary: 'Delete a port',
      rules: ['baremetal:node:get', 'baremetal:port:delete'],
      ok: 204,
      handler: async (call) => {
        if (!normalUuid(call.params.port as string))
          throw invalid(`Expected a UUID but received ${call.params.port}.`)
        const { port, node } = await portFor(deps, call, 'baremetal:port:delete')
        await withLock(deps.db, node.uuid, lockOptions(deps), () => deletePort(deps.db, port.uuid))
      },
    },
  ]
}

/**
 * The port that a path names and its node, when the caller may see the node and the rule holds.
 * @throws LeaseholdError 'not-found', the same for an absent and a hidden port; 'forbidden'.
 */
async function portFor(
  deps: ApiDeps,
  call: Call,
  rule: 'baremetal:port:get' | 'baremetal:port:update' | 'baremetal:port:delete',
): Promise<{ port: Port; node: Node }> {
  const ident = call.params.port as string
  const by = lookupOf(ident, true)
  const port = by && (await findPort(deps.db, by))
  const node = port && (await findNode(deps.db, { uuid: port.node_uuid }))
  const seen = node && deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(node))
  if (port && node) noteTarget(call, 'port', port.uuid, node, !seen)
  if (!port || !seen) throw new LeaseholdError('not-found', `Port ${ident.slice(0, 255)} could not be found.`)
  requireRules(deps, call, node, [rule])
  return { port, node }
}

function listable(deps: ApiDeps, call: Call): Visible {
  const visible = visibleRows(deps.policy, call.caller, 'port')
  if (visible.kind === 'forbidden') throw denied('baremetal:port:list')
  return visible
}

async function filtersOf(deps: ApiDeps, call: Call): Promise<PortFilters> {
  const { query } = call
  const node = query.node ?? query.node_uuid
  if ([node, query.portgroup, query.shard].filter((each) => each !== undefined).length > 1)
    throw new LeaseholdError(
      'forbidden',
      'Operation not permitted. Use one of node, portgroup and shard at a time.',
    )
  if (query.conductor_groups && (node || query.portgroup || query.address))
    throw invalid('conductor_groups can not be combined with node, portgroup or address.')
  const address = query.address === undefined ? undefined : normalMac(query.address as string)
  if (query.address !== undefined && !address)
    throw invalid(`Expected a MAC address but received ${query.address}.`)
  // There are no port groups yet, so none can be found.
  if (query.portgroup !== undefined)
    throw new LeaseholdError('not-found', `Portgroup ${query.portgroup} could not be found.`)
  return {
    ...(node === undefined ? {} : { nodeUuid: (await nodeFor(deps, call, node as string)).uuid }),
    ...(address ? { address } : {}),
    ...(query.shard ? { shards: query.shard as string[] } : {}),
    ...(query.conductor_groups ? { conductorGroups: query.conductor_groups as string[] } : {}),
    ...(query.description_contains === undefined
      ? {}
      : { descriptionContains: query.description_contains as string }),
  }
}

async function showList(
  deps: ApiDeps,
  call: Call,
  wanted: PortFilters,
  path: string,
  full: boolean,
): Promise<unknown> {
  const { query } = call
  const asked = query.fields as string[] | undefined
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const shown = chooseFields(portFields, asked, call.version, full ? undefined : portListFields)
  const visible = listable(deps, call)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(portFields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<Port>(shown, ['uuid']) as PortColumn[]
  const rows = (await listPorts(deps.db, visible, wanted, { ...page, sortColumn: sortBy }, columns)) as Port[]
  const ports = rows.map((port) => showPort(call, port, shown))
  return { ports, ...nextLink(`${call.base}/v1${path}`, query, page, rows) }
}

const showPort = (call: Call, port: Port, shown: readonly Field<Port>[]): Record<string, unknown> => ({
  ...showFields(shown, port, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `ports/${port.uuid}`),
})

const fullPort = (call: Call, port: Port): Record<string, unknown> =>
  showPort(call, port, chooseFields(portFields, undefined, call.version))

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  const body = call.body as Record<string, unknown>
  gateBody(portFields, body, call.version)
  const { node_ident: ident, node_uuid: nodeUuid, uuid: ownUuid, ...rest } = body
  if (ident !== undefined && call.version < 94) throw notAcceptable(94)
  if ((ident === undefined) === (nodeUuid === undefined))
    throw invalid(
      `Schema error: exactly one of 'node_uuid'${call.version >= 94 ? " and 'node_ident'" : ''} is required`,
    )
  const node = await nodeOfNew(deps, call, String(ident ?? nodeUuid), ident !== undefined)
  const uuid = ownUuid === undefined ? randomUUID() : normalUuid(String(ownUuid))
  if (!uuid) throw invalid(`Expected a UUID for uuid but received ${ownUuid}.`)
  const columns = portColumns(rest, call.version)
  checkSmartNic(columns.is_smartnic ?? false, linkOf(columns.local_link_connection))
  const port = await insertPort(deps.db, { ...columns, uuid, node_uuid: node.uuid } as NewPort)
  noteTarget(call, 'port', port.uuid, node)
  call.reply.header('location', `${call.base}/v1/ports/${port.uuid}`)
  return fullPort(call, port)
}

const linkOf = (column: unknown): Record<string, unknown> =>
  typeof column === 'string'
    ? (JSON.parse(column) as Record<string, unknown>)
    : ((column ?? {}) as Record<string, unknown>)

/**
 * The node of a new port. Whether a hidden node exists is not told: who may not create ports gets 403 either way.
 * @throws LeaseholdError 'forbidden', 'invalid'.
 */
async function nodeOfNew(deps: ApiDeps, call: Call, ident: string, names: boolean): Promise<Node> {
  const by = lookupOf(ident, names)
  const node = by && (await findNode(deps.db, by))
  const seen =
    node && deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(node)) ? node : undefined
  requireRules(deps, call, seen ?? { owner: null, lessee: null }, ['baremetal:port:create'])
  if (!seen) throw invalid(`Node ${ident.slice(0, 255)} could not be found.`)
  return seen
}

const cleared = clearedValues(portFields)
const patchedPort = validatorOf(
  Type.Partial(
    Type.Object(
      Object.fromEntries(
        portFields.flatMap((field) => (field.patch && field.schema ? [[field.name, field.schema]] : [])),
      ),
    ),
  ),
)

/** Fields that concern the wiring: they change only while nothing of a tenant runs on the node. */
const wiring = ['portgroup_uuid', 'pxe_enabled', 'local_link_connection', 'physical_network']
const rewirable = ['enroll', 'inspecting', 'inspect wait', 'manageable']

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  const operations = call.body as PatchOperation[]
  gatePatch(portFields, operations, call.version)
  const first = await portFor(deps, call, 'baremetal:port:update')
  return withLock(deps.db, first.node.uuid, lockOptions(deps), async () => {
    // Under the lock nothing moves: what counts is how things are now.
    const { port, node } = await portFor(deps, call, 'baremetal:port:update')
    if (node.uuid !== first.node.uuid)
      throw new LeaseholdError('conflict', `Port ${port.uuid} has moved to another node, please retry.`)
    const before = showFields(portFields, port, { version: Number.POSITIVE_INFINITY, base: call.base })
    const { result, changed } = applyPatch(before, operations, cleared)
    const given = Object.fromEntries(changed.map((name) => [name, result[name]]))
    for (const name of ['address', 'node_uuid'] as const)
      if (name in given && given[name] === null) throw invalid(`${name} can not be removed; replace it.`)
    patchedPort(given)
    const changes = portColumns(given, call.version)
    checkState(node, changed, call.version)
    checkSmartNic(
      changes.is_smartnic ?? port.is_smartnic,
      linkOf(changes.local_link_connection ?? port.local_link_connection),
    )
    if (typeof given.node_uuid === 'string')
      changes.node_uuid = await newHome(deps, call, node, given.node_uuid)
    if (Object.keys(changes).length === 0) return fullPort(call, port)
    const updated = await updatePort(deps.db, port.uuid, changes)
    if (!updated) throw new LeaseholdError('not-found', `Port ${port.uuid} could not be found.`)
    return fullPort(call, updated)
  })
}

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

/** A port moves only to a node that the caller sees and that has the same owner; one text for every refusal. */
async function newHome(deps: ApiDeps, call: Call, from: Node, asked: string): Promise<string> {
  const by = lookupOf(asked, false)
  const to = by && (await findNode(deps.db, by))
  const seen = to && deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(to))
  if (!seen || to.owner !== from.owner)
    throw invalid(
      `Node ${asked.slice(0, 255)} could not be found, or its owner is not the owner of the port's node.`,
    )
  return to.uuid
}
