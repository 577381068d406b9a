/** Deleting a node: by whom, and in which states. */
import { nodeTarget } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { childrenOf, deleteNode, type Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { denied, judgeAgain, lockOptions, nodeFor } from './node-access.ts'
import type { Call } from './routes.ts'

/** `DELETE /v1/nodes/N`: what belongs to the node goes with it. */
export async function removeNode(deps: ApiDeps, call: Call): Promise<void> {
  const node = await nodeFor(deps, call, call.params.node as string)
  checkMayDelete(deps, call, node)
  await deleteNode(deps.db, node, lockOptions(deps), async (current) => {
    if (current !== node) {
      judgeAgain(deps, call, current, [])
      checkMayDelete(deps, call, current)
    }
    checkDeletable(deps, current)
    const children = await childrenOf(deps.db, current.uuid)
    if (children.length > 0)
      throw new LeaseholdError(
        'conflict',
        `Node ${node.uuid} has ${children.length} child nodes; delete them or remove their parent_node first.`,
      )
  })
}

function checkMayDelete(deps: ApiDeps, call: Call, node: Node): void {
  const target = nodeTarget(node)
  const allowed =
    deps.policy.allows('baremetal:node:delete', call.caller, target) ||
    (deps.config['api.project_admin_can_manage_own_nodes'] &&
      deps.policy.allows('baremetal:node:delete:self_owned_node', call.caller, target))
  if (!allowed) throw denied('baremetal:node:delete')
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
