/** What an order changes in the node's row, worked out without effects. */
import { sql } from 'kysely'
import type { Config } from '../config.ts'
import type { Hardware, Node } from '../hardware/index.ts'
import { automatedClean } from './automated-clean.ts'
import { type EventType, eventTypeOf, type Told } from './history.ts'
import type { NodeChanges } from './nodes.sql.ts'
import { planAsked, planAutomatic } from './plan.ts'
import { mainVerb, nextState, type State, states, targetIn, type Verb } from './states.ts'
import type { Caller, Outcome, VerbOptions } from './types.ts'
import { validateFor } from './validate.ts'
import { type PlannedStep, type Work, type WorkflowName, workflowOf, workOf } from './work.ts'

export interface Prepared {
  changes: NodeChanges
  /** Workflow that takes the lock and goes on; null when the changes are all. */
  workflow: WorkflowName | null
  history: Omit<Told, 'host' | 'seconds'>[]
  /** Whether the machine is to be told that its inspection is over. */
  aborts?: boolean
}

interface Desk {
  hardware: Hardware
  config: Config
}

/**
 * Prepares a verb that the checks have let through.
 * @throws LeaseholdError 'invalid' when the node's driver or a step's argument does not do.
 */
export function prepare(desk: Desk, node: Node, verb: Verb, caller: Caller, options: VerbOptions): Prepared {
  const main = mainVerb(verb)
  if (main === 'abort') return prepareAbort(node, caller)
  const to = nextState(node.provision_state, main) as State
  const workflow = main === 'unhold' ? null : workflowOf[main]
  if (workflow === null || states[to].kind !== 'busy') return prepareMove(node, to, caller, 'transition')
  // Nothing is to be cleaned: straight on.
  if (main === 'provide' && !automatedClean(node, desk.config))
    return prepareMove(node, 'available', caller, eventTypeOf.clean)

  if (desk.hardware.types.has(node.driver)) validateFor(desk.hardware, node, workflow)
  const target = wanted(node, main, to)
  const work: Work = { workflow, caller, steps: planFor(desk, node, main, options), from: 0 }
  const { instance, more } = extras(desk, node, main, options)
  return {
    workflow,
    changes: {
      ...moveTo(to, target),
      last_error: null,
      work: JSON.stringify(work),
      ...(Object.keys(instance).length > 0
        ? { instance_info: sql`instance_info || ${JSON.stringify(instance)}::jsonb` }
        : {}),
      ...more,
    },
    history: [moveHistory(node, to, target, caller, eventTypeOf[workflow])],
  }
}

/** Prepares going on after a wait. */
export function prepareResume(node: Node, outcome: Outcome): Prepared {
  const to = nextState(node.provision_state, 'resume') as State
  const before = workOf(node)
  const workflow = before?.workflow ?? waitingFor[to] ?? 'deploy'
  const caller = before?.caller ?? { userId: null, projectId: null }
  const work: Work = { workflow, caller, steps: before?.steps ?? [], from: before?.from ?? 0, outcome }
  const target = targetIn(to, node.target_provision_state)
  return {
    workflow,
    changes: { ...moveTo(to, target), work: JSON.stringify(work) },
    history: [moveHistory(node, to, target, caller, eventTypeOf[workflow])],
  }
}

/** An abort that must wait for the end of a step is noted on the step; any other moves the node at once. */
function prepareAbort(node: Node, caller: Caller): Prepared {
  const from = node.provision_state
  const column = from === 'clean wait' ? 'clean_step' : from === 'service wait' ? 'service_step' : null
  if (column && (node[column] as Partial<PlannedStep>).abortable === false)
    return {
      workflow: null,
      changes: { [column]: sql`${sql.ref(column)} || '{"abort_after": true}'::jsonb` },
      history: [],
    }
  const first = nextState(from, 'abort') as State
  // An aborted service leaves the instance as it was; a node in maintenance stays where somebody will look.
  const last = first === 'service failed' && !node.maintenance ? 'active' : first
  const prepared = prepareMove(node, last, caller, 'transition')
  const wasFailed = from === 'service failed'
  return {
    ...prepared,
    changes: {
      ...prepared.changes,
      ...cleared,
      last_error: wasFailed ? null : `Aborted on request while in "${from}".`,
      ...(from === 'rescue wait' ? { instance_info: sql`instance_info - 'rescue_password'` } : {}),
    },
    aborts: from === 'inspect wait',
  }
}

function prepareMove(node: Node, to: State, caller: Caller, type: EventType): Prepared {
  const target = targetIn(to, node.target_provision_state)
  const rests = states[to].kind === 'stable'
  return {
    workflow: null,
    changes: { ...moveTo(to, target), last_error: null, ...(rests ? cleared : {}) },
    history: [moveHistory(node, to, target, caller, type)],
  }
}

const cleared: NodeChanges = { work: null, clean_step: '{}', deploy_step: '{}', service_step: '{}' }

/** Where a verb leads in the end, where its first state may lead to two. */
function wanted(node: Node, main: Verb, to: State): State | null {
  const target: State | null =
    main === 'clean' || (main === 'deleted' && node.retired)
      ? 'manageable'
      : main === 'provide' || main === 'deleted'
        ? 'available'
        : null
  return targetIn(to, target)
}

/** The steps as far as they can be known here: those asked for. Those that run by themselves are planned by the workflow. */
function planFor(desk: Desk, node: Node, main: Verb, options: VerbOptions): PlannedStep[] | null {
  if (main === 'clean') return planAsked(desk.hardware, node, 'clean', options.cleanSteps ?? [])
  if (main === 'service') return planAsked(desk.hardware, node, 'service', options.serviceSteps ?? [])
  if ((main === 'active' || main === 'rebuild') && options.deploySteps?.length)
    return planAutomatic(desk.hardware, node, 'deploy', options.deploySteps)
  return null
}

/** What else an order leaves on the node. */
function extras(
  desk: Desk,
  node: Node,
  main: Verb,
  options: VerbOptions,
): { instance: Record<string, unknown>; more: NodeChanges } {
  const instance: Record<string, unknown> = {}
  if (options.configdrive !== undefined) instance.configdrive = options.configdrive
  if (options.rescuePassword !== undefined) instance.rescue_password = options.rescuePassword
  const more: NodeChanges = {}
  if (main === 'inspect') {
    more.inspection_started_at = sql`now()`
    more.inspection_finished_at = null
  }
  const project = node.instance_info.project_id
  if (
    main === 'active' &&
    desk.config['conductor.automatic_lessee'] &&
    node.lessee === null &&
    typeof project === 'string' &&
    project !== ''
  ) {
    more.lessee = project
    more.driver_internal_info = sql`driver_internal_info || '{"automatic_lessee": true}'::jsonb`
  }
  return { instance, more }
}

/** Workflow of a busy state, for a waiting node whose work is not on record. */
const waitingFor: { readonly [Name in State]?: WorkflowName } = {
  cleaning: 'clean',
  deploying: 'deploy',
  inspecting: 'inspect',
  rescuing: 'rescue',
  servicing: 'service',
}

const moveTo = (to: State, target: State | null): NodeChanges => ({
  provision_state: to,
  target_provision_state: target,
  provision_updated_at: sql`now()`,
})

const moveHistory = (
  node: Node,
  to: State,
  target: State | null,
  caller: Caller,
  type: EventType,
): Omit<Told, 'host' | 'seconds'> => ({
  event: `Moved from ${node.provision_state} to ${to}.`,
  type,
  caller,
  state: to,
  target,
})
