/** Changing a node's fields by JSON PATCH. */
import { Type } from 'typebox'
import { nodeTarget, type RuleName, rulesForPatch } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { InterfaceType } from '../../hardware/index.ts'
import { type Node, requireConductor } from '../../inventory/index.ts'
import { findAllocation } from '../../scheduling/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import { clearedValues, gatePatch, showFields } from './fields.ts'
import { applyPatch, type PatchOperation } from './json-patch.ts'
import { changeAllowed, nodeFor, parentOf, requireRules, showNode } from './node-access.ts'
import { nodeFields } from './node-fields.ts'
import { askedInterfaces, checkChanges, checkNotMoving, columnsFrom, consequencesOf } from './node-input.ts'
import type { Call } from './routes.ts'
import { notAcceptable } from './versions.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/** Who may set what is told field by field in access/node-fields.ts. */
export const updateRules: readonly RuleName[] = [
  ...new Set(
    nodeFields
      .filter((field) => field.patch)
      .flatMap((field) => rulesForPatch([{ op: 'replace', path: `/${field.name}` }])),
  ),
  ...rulesForPatch([{ op: 'replace', path: '/automated_clean', value: false }]),
]

/** `PATCH /v1/nodes/N`: the conditions in Ironic's order, then one write. */
export async function updateNode(deps: ApiDeps, call: Call): Promise<unknown> {
  const operations = call.body as PatchOperation[]
  const reset = call.query.reset_interfaces === true
  if (reset && !operations.some((operation) => operation.path === '/driver'))
    throw invalid("The reset_interfaces parameter can only be used when changing the node's driver.")
  gatePatch(nodeFields, operations, call.version)
  if (call.version < 25 && operations.some(({ op, path }) => op === 'remove' && path === '/chassis_uuid'))
    throw notAcceptable(25)
  const first = await nodeFor(deps, call, call.params.node as string)
  const rules = rulesForPatch(operations)
  requireRules(deps, call, first, rules)
  const onlyForgetsInstance =
    operations.length === 1 &&
    operations[0]?.op === 'remove' &&
    operations[0].path === '/instance_uuid' &&
    first.maintenance
  const node = await changeAllowed(deps, call, first, rules, async (current) => {
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
  if ('owner' in given) checkOwnerChange(deps, call, node)
  if (node.allocation_uuid && ('owner' in given || 'lessee' in given))
    await checkAllocation(deps, node, given)
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
  checkChanges(node, changed, changes, Object.keys(askedInterfaces(given)).length > 0)
  return { ...changes, ...consequencesOf(changes, node.instance_name) }
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

/**
 * A project that has a node by an allocation keeps the right to it: the owner stays, and so does the lessee when it is
 * the lessee's allocation.
 * @throws LeaseholdError 'conflict'.
 */
async function checkAllocation(deps: ApiDeps, node: Node, given: Record<string, unknown>): Promise<void> {
  const allocation = await findAllocation(deps.db, { nodeUuid: node.uuid })
  if (!allocation?.owner) return
  const ofLessee = allocation.owner === node.lessee && allocation.owner !== node.owner
  if ('owner' in given || ofLessee)
    throw new LeaseholdError(
      'conflict',
      `Cannot change ${'owner' in given ? 'owner' : 'lessee'} of node ${node.uuid} while it has the allocation ${allocation.uuid} of a project; undeploy the node or remove its instance_uuid first.`,
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
