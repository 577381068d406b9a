/** The way to a runbook: found, allowed, and fit for a node. */
import { type RuleName, runbookTarget } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { findRunbook, type Node, type Runbook } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { lookupOf } from './identifiers.ts'
import { denied, noteTarget } from './node-access.ts'
import type { Call } from './routes.ts'
import { runbookTraitsSince } from './runbook-fields.ts'
import { requireStepRules } from './stored-steps.ts'

type RunbookRule = RuleName & `baremetal:runbook:${string}`

/**
 * The runbook of this name or UUID, when every rule holds; `forPublic` lets everybody have a public one.
 *
 * As in Ironic a runbook that the caller may not see is a 403, not a 404. So that nobody learns from that which
 * runbooks there are, one that does not exist is judged like one that belongs to nobody.
 *
 * @throws LeaseholdError 'forbidden', the same for absent and hidden; 'not-found' to whoever may see all.
 */
export async function runbookFor(
  deps: ApiDeps,
  call: Call,
  ident: string,
  rules: readonly RunbookRule[],
  forPublic = false,
): Promise<Runbook> {
  const by = lookupOf(ident, true)
  const runbook = by && (await findRunbook(deps.db, by))
  if (runbook && isSeen(deps, call, runbook)) noteTarget(call, 'runbook', runbook.uuid)
  if (!(forPublic && runbook?.public)) requireRunbookRules(deps, call, runbook ?? { owner: null }, rules)
  if (!runbook) throw absentRunbook(ident)
  return runbook
}

/** What a caller may not see is not in its audit either. */
const isSeen = (deps: ApiDeps, call: Call, runbook: Runbook): boolean =>
  runbook.public || deps.policy.allows('baremetal:runbook:get', call.caller, runbookTarget(runbook))

/** @throws LeaseholdError 'forbidden' naming the first rule that does not hold. */
export function requireRunbookRules(
  deps: ApiDeps,
  call: Call,
  runbook: Pick<Runbook, 'owner'>,
  rules: readonly RunbookRule[],
): void {
  for (const rule of rules)
    if (!deps.policy.allows(rule, call.caller, runbookTarget(runbook))) throw denied(rule)
}

export const absentRunbook = (ident: string): LeaseholdError =>
  new LeaseholdError('not-found', `Runbook ${ident.slice(0, 255)} could not be found.`)

/**
 * The runbook that `states/provision` names, when the caller may use it, it fits the node, and its steps may be run.
 * Those of a public runbook, or of one that belongs to nobody, an administrator has approved.
 *
 * @throws LeaseholdError 'forbidden', 'not-found', 'invalid' when it does not fit the node.
 */
export async function runbookForNode(deps: ApiDeps, call: Call, ident: string, node: Node): Promise<Runbook> {
  const target = call.request.auditTarget
  const runbook = await runbookFor(deps, call, ident, ['baremetal:runbook:use'], true)
  // What is asked for is about the node still.
  call.request.auditTarget = target
  if (!fits(runbook, node, call.version))
    throw new LeaseholdError(
      'invalid',
      `Runbook ${runbook.name} is not approved for node ${node.uuid}: ${
        call.version >= runbookTraitsSince
          ? 'they have no trait in common'
          : `before 1.${runbookTraitsSince} the node needs the runbook's name as a trait`
      }.`,
    )
  if (!runbook.public && runbook.owner !== null) requireStepRules(deps, call, runbook.steps, node)
  return runbook
}

const fits = (runbook: Runbook, node: Node, version: number): boolean =>
  version >= runbookTraitsSince
    ? runbook.traits.some((trait) => node.traits.includes(trait))
    : node.traits.includes(runbook.name)
