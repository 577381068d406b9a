/** Enrolling a node: whose it becomes, what it starts with. */
import { randomUUID } from 'node:crypto'
import { nodeTarget } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { insertNode, type NewNode, requireConductor } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { createSchema, gateBody } from './fields.ts'
import { lookupOf } from './identifiers.ts'
import { denied, noteTarget, parentOf, showNode } from './node-access.ts'
import { nodeFields } from './node-fields.ts'
import { askedInterfaces, columnsFrom, consequencesOf } from './node-input.ts'
import type { Call } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/** Schema of the body. */
export const createBody = createSchema(nodeFields, ['driver'])

/** `POST /v1/nodes`: answers the whole node and where it is. */
export async function createNode(deps: ApiDeps, call: Call): Promise<unknown> {
  const body = call.body as Record<string, unknown>
  gateBody(nodeFields, body, call.version)
  const owner = ownerOfNew(deps, call, body.owner as string | null | undefined)
  const columns = columnsFrom(body, call.version)
  if (columns.retired_reason && !columns.retired) throw invalid('retired_reason needs "retired" to be true.')
  const driver = body.driver as string
  requireConductor(await deps.conductors.alive(), { driver, conductor_group: columns.conductor_group ?? '' })
  const interfaces = deps.hardware.chooseInterfaces(driver, askedInterfaces(body))
  const parent = await parentOf(deps, call, body.parent_node, owner)
  const state = call.version >= 11 ? 'enroll' : 'available'
  const node = await insertNode(deps.db, {
    resource_class: deps.config['conductor.default_resource_class'] ?? null,
    ...columns,
    ...consequencesOf(columns, null),
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
