/** The way to an allocation: found, seen, allowed; and whose a new one is. */
import { type AskableRule, allocationTarget, nodeTarget } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { findNode, findNodes, type Node } from '../../inventory/index.ts'
import { type Allocation, findAllocation } from '../../scheduling/index.ts'
import type { ApiDeps } from '../deps.ts'
import { lookupOf } from './identifiers.ts'
import { denied, noteTarget } from './node-access.ts'
import type { Call } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

export type AllocationRule = Extract<AskableRule, `baremetal:allocation:${string}`>

/**
 * The allocation that a path names, when the caller may see it and the rule holds.
 * @throws LeaseholdError 'not-found', the same for an absent and a hidden one; 'forbidden'.
 */
export async function allocationFor(deps: ApiDeps, call: Call, rule: AllocationRule): Promise<Allocation> {
  const ident = call.params.allocation as string
  const by = lookupOf(ident, true)
  const allocation = by && (await findAllocation(deps.db, by))
  const seen = allocation && maySee(deps, call, allocation)
  if (allocation) await note(deps, call, allocation, !seen)
  if (!allocation || !seen)
    throw new LeaseholdError('not-found', `Allocation ${ident.slice(0, 255)} could not be found.`)
  requireAllocationRule(deps, call, allocation, rule)
  return allocation
}

export const maySee = (deps: ApiDeps, call: Call, allocation: Pick<Allocation, 'owner'>): boolean =>
  deps.policy.allows('baremetal:allocation:get', call.caller, allocationTarget(allocation))

/** @throws LeaseholdError 'forbidden'. */
export function requireAllocationRule(
  deps: ApiDeps,
  call: Call,
  allocation: Pick<Allocation, 'owner'>,
  rule: AllocationRule,
): void {
  if (!deps.policy.allows(rule, call.caller, allocationTarget(allocation))) throw denied(rule)
}

/** Tells the audit, with the node, whose owner is to know of it. Only for what changes something. */
async function note(deps: ApiDeps, call: Call, allocation: Allocation, hidden: boolean): Promise<void> {
  const reads = call.request.method === 'GET'
  const node =
    allocation.node_uuid === null || reads
      ? undefined
      : await findNode(deps.db, { uuid: allocation.node_uuid })
  noteTarget(call, 'allocation', allocation.uuid, node, hidden)
}

/**
 * Whose a new allocation is. A project makes its own; the system's members make anybody's, or nobody's.
 * @throws LeaseholdError 'forbidden'.
 */
export function ownerOfNew(deps: ApiDeps, call: Call, asked: string | null | undefined): string | null {
  const { caller } = call
  const restricted = mayAllocateForOthers(deps, call)
  const own = caller.projectId
  if (!deps.policy.allows('baremetal:allocation:create', caller)) {
    if (!restricted || (asked !== undefined && asked !== null && asked !== own))
      throw denied('baremetal:allocation:create')
    return own
  }
  if (caller.systemScope === 'all') return asked ?? null
  if (asked === undefined || asked === null) return own
  if (asked !== own && !restricted) throw denied('baremetal:allocation:create_restricted')
  return asked
}

const mayAllocateForOthers = (deps: ApiDeps, call: Call): boolean =>
  deps.policy.allows('baremetal:allocation:create_restricted', call.caller)

/**
 * The UUIDs of the nodes that an allocation is to choose from. Without the right to allocate for others only those
 * count that the caller's project owns or leases; what else there is, is not told.
 * @throws LeaseholdError 'invalid' naming those that could not be found.
 */
export async function candidatesOf(deps: ApiDeps, call: Call, asked: readonly string[]): Promise<string[]> {
  if (asked.length === 0) return []
  const { projectId } = call.caller
  const lookups = asked.map((ident) => lookupOf(ident, true))
  const all = mayAllocateForOthers(deps, call)
  const found =
    !all && projectId === null
      ? []
      : await findNodes(
          deps.db,
          all ? { kind: 'all' } : { kind: 'project', projectId: projectId as string },
          {
            uuids: lookups.flatMap((by) => (by && 'uuid' in by ? [by.uuid] : [])),
            names: lookups.flatMap((by) => (by && 'name' in by ? [by.name] : [])),
          },
        )
  const known = new Map(
    found.flatMap(({ uuid, name }) => [[uuid, uuid] as const, [name ?? uuid, uuid] as const]),
  )
  const uuids = lookups.map((by) => by && known.get('uuid' in by ? by.uuid : by.name))
  const absent = asked.filter((_, index) => uuids[index] === undefined)
  if (absent.length > 0)
    throw invalid(
      `candidate_nodes: ${absent.slice(0, 10).join(', ').slice(0, 1000)} could not be found${absent.length > 10 ? `, nor ${absent.length - 10} others` : ''}.`,
    )
  return [...new Set(uuids as string[])]
}

/**
 * A node that a query or a body names.
 * @throws LeaseholdError 'invalid', the same for an absent and a hidden node.
 */
export async function namedNode(deps: ApiDeps, call: Call, ident: string): Promise<Node> {
  const by = lookupOf(ident, true)
  const node = by && (await findNode(deps.db, by))
  if (!node || !deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(node)))
    throw invalid(`Node ${ident.slice(0, 255)} could not be found.`)
  return node
}
