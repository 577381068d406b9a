/** The way to a node: found, seen, allowed; and how it is shown to whom. */

import type { RuleName } from '../../access/index.ts'
import { type AskableRule, nodeTarget, redactNode, seesNodesWhole, visibleNodes } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import {
  changeNode,
  findNode,
  type LockOptions,
  type Node,
  type NodeChanges,
  responsibleFor,
  type Visible,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { type Field, selfLinks, showFields, type View } from './fields.ts'
import { lookupOf } from './identifiers.ts'
import { listJson } from './list-json.ts'
import { nodeFields, nodeSubLinks } from './node-fields.ts'
import type { Call } from './routes.ts'

/** Ironic's words for a rule that does not hold. */
export const denied = (rule: string): LeaseholdError =>
  new LeaseholdError('forbidden', `Access was denied to the following resource: ${rule}`)

const hidden = (ident: string): LeaseholdError =>
  new LeaseholdError('not-found', `Node ${ident.slice(0, 255)} could not be found.`)

/**
 * The node that a path names, when the caller may see it and every rule holds.
 * @throws LeaseholdError 'not-found' for a node that is absent or hidden, the same either way; 'forbidden'.
 */
export const nodeFor = (deps: ApiDeps, call: Call, ident: string, ...rules: RuleName[]): Promise<Node> =>
  lookedUp(deps, call, ident, call.version >= 5, rules)

/** The same for paths that are Leasehold's own, or of another API: names are good at any microversion, and with none. */
export const nodeOfAnyName = (
  deps: ApiDeps,
  call: Call,
  ident: string,
  ...rules: RuleName[]
): Promise<Node> => lookedUp(deps, call, ident, true, rules)

async function lookedUp(
  deps: ApiDeps,
  call: Call,
  ident: string,
  names: boolean,
  rules: readonly RuleName[],
): Promise<Node> {
  const by = lookupOf(ident, names)
  const node = by && (await findNode(deps.db, by))
  const seen = node && deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(node))
  if (node) noteTarget(call, 'node', node.uuid, node, !seen)
  if (!seen) throw hidden(ident)
  requireRules(deps, call, node, rules)
  return node
}

/** Tells the audit what a request is about. */
export function noteTarget(
  call: Call,
  type: string,
  uuid: string,
  node?: Pick<Node, 'uuid' | 'owner' | 'lessee'>,
  hidden = false,
): void {
  call.request.auditTarget = { type, uuid, hidden, ...(node ? { node } : {}) }
}

/** @throws LeaseholdError 'forbidden' naming the first rule that does not hold for the node. */
export function requireRules(
  deps: ApiDeps,
  call: Call,
  node: Pick<Node, 'owner' | 'lessee'>,
  rules: readonly AskableRule[],
): void {
  for (const rule of rules) if (!deps.policy.allows(rule, call.caller, nodeTarget(node))) throw denied(rule)
}

/** @throws LeaseholdError 'forbidden' when a rule without an object does not hold for the caller. */
export function requireRule(deps: ApiDeps, call: Call, rule: RuleName): void {
  if (!deps.policy.allows(rule, call.caller)) throw denied(rule)
}

/**
 * Whose nodes the caller may list.
 * @throws LeaseholdError 'forbidden'.
 */
export function listable(deps: ApiDeps, call: Call, project?: string): Visible {
  const visible = visibleNodes(deps.policy, call.caller, project)
  if (visible.kind === 'forbidden') throw denied('baremetal:node:list')
  return visible
}

/** Nodes as this caller may see them. `full` adds the links to what belongs to each. */
export async function showNodes(
  deps: ApiDeps,
  call: Call,
  nodes: readonly Node[],
  fields: readonly Field<Node>[],
  full: boolean,
): Promise<Record<string, unknown>[]> {
  const shown = await showFieldsOf(deps, call, nodes, fields)
  return nodes.map((node, index) => ({ ...shown[index], ...nodeLinks(call, node.uuid, full) }))
}

/** The same as the JSON text of a list; `rest` is what stands beside the nodes. */
export async function nodesJson(
  deps: ApiDeps,
  call: Call,
  nodes: readonly Node[],
  fields: readonly Field<Node>[],
  full: boolean,
  rest: Record<string, unknown>,
): Promise<string> {
  const shown = await showFieldsOf(deps, call, nodes, fields)
  const uuids = nodes.map((node) => node.uuid)
  call.reply.type('application/json; charset=utf-8')
  return listJson('nodes', shown, uuids, (uuid) => nodeLinks(call, uuid, full), rest)
}

const nodeLinks = (call: Call, uuid: string, full: boolean): Record<string, unknown> => ({
  links: selfLinks(call.base, `nodes/${uuid}`),
  ...(full ? nodeSubLinks(uuid, { version: call.version, base: call.base }) : {}),
})

/** Nodes as this caller may see them, without links. */
async function showFieldsOf(
  deps: ApiDeps,
  call: Call,
  nodes: readonly Node[],
  fields: readonly Field<Node>[],
): Promise<Record<string, unknown>[]> {
  const view: View = { version: call.version, base: call.base }
  const alive = fields.some((field) => field.name === 'conductor') ? await deps.conductors.alive() : []
  const guarded = fields.some((field) => guardedFields.has(field.name))
  const thresholdHolds = guarded && seesNodesWhole(deps.policy, call.caller)
  return nodes.map((node) => {
    const plain = showFields(fields, node, view)
    const shown = guarded
      ? redactNode(deps.policy, call.caller, plain, { thresholdHolds, ownership: node })
      : plain
    // With a fault the reason is the service's own: what its last error was, with the BMC's address in it.
    if ('maintenance_reason' in shown && node.fault && !thresholdHolds && !seesErrors(deps, call, node))
      shown.maintenance_reason = `${node.fault}; the rest is for those who may see last_error`
    if ('conductor' in shown) shown.conductor = responsibleFor(alive, node)
    return shown
  })
}

const seesErrors = (deps: ApiDeps, call: Call, node: Node): boolean =>
  deps.policy.allows('baremetal:node:get:last_error', call.caller, nodeTarget(node))

/** Fields that not everybody who sees a node may see, or not whole. */
const guardedFields = new Set([
  'last_error',
  'maintenance_reason',
  'reservation',
  'driver_info',
  'driver_internal_info',
  'instance_info',
])

/** The whole node, as the answer to a change of it. */
export async function showNode(deps: ApiDeps, call: Call, node: Node): Promise<Record<string, unknown>> {
  const fields = nodeFields.filter((field) => field.since <= call.version)
  return (await showNodes(deps, call, [node], fields, true))[0] as Record<string, unknown>
}

export const lockOptions = (deps: ApiDeps): LockOptions => ({
  host: deps.config['conductor.host'],
  attempts: deps.config['conductor.lock_attempts'],
  intervalMs: deps.config['conductor.lock_interval_ms'],
})

/**
 * Changes a node that `nodeFor` has found. When the row has changed since, its tenants may have, too: what the caller
 * may do is judged again by the row that is written.
 */
export const changeAllowed = (
  deps: ApiDeps,
  call: Call,
  first: Node,
  rules: readonly RuleName[],
  change: (node: Node) => NodeChanges | Promise<NodeChanges>,
): Promise<Node> =>
  changeNode(deps.db, first, lockOptions(deps), (node) => {
    if (node !== first) judgeAgain(deps, call, node, rules)
    return change(node)
  })

/** @throws LeaseholdError as `nodeFor` does. */
export function judgeAgain(deps: ApiDeps, call: Call, node: Node, rules: readonly RuleName[]): void {
  if (!deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(node))) throw hidden(node.uuid)
  requireRules(deps, call, node, rules)
}

/** The UUID of a parent that the caller sees and that has the same owner; one text for every reason it cannot be. */
export async function parentOf(
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
    throw new LeaseholdError(
      'invalid',
      `parent_node ${String(asked).slice(0, 255)} could not be found, or its owner is not the owner of this node.`,
    )
  return parent.uuid
}
