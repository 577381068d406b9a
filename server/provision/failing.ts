/** What becomes of a node whose work fails: its state, what `last_error` says, and whether it is put aside. */
import { sql } from 'kysely'
import type { Node } from '../hardware/index.ts'
import { cutMiddle, eventTypeOf, type HistoryRow, historyRow, secondsSince } from './history.ts'
import { givingLockBack, type NodeChanges } from './nodes.sql.ts'
import { nextState, type State, targetIn } from './states.ts'
import { standsApart, type Work, workOf } from './work.ts'

/**
 * The changes and the history of a failure, which end the work and give the lock back. The message should say what
 * went wrong; what to do about it is added here.
 */
export function failureOf(
  node: Node,
  message: string,
  host: string,
  key?: string,
): { changes: NodeChanges; history: HistoryRow } {
  const work = workOf(node)
  return work && standsApart(work.workflow)
    ? failureApart(node, work, message, host, key)
    : provisionFailure(node, work, message, host, key)
}

function provisionFailure(
  node: Node,
  work: Work | null,
  message: string,
  host: string,
  key: string | undefined,
): { changes: NodeChanges; history: HistoryRow } {
  const state = nextState(node.provision_state, 'fail')
  const remedy = state === null ? undefined : remedies[state]
  const lastError = cutMiddle(remedy ? `${endSentence(message)} ${remedy}` : message)
  const fault = state === null ? undefined : faults[state]
  const target = state === null ? node.target_provision_state : targetIn(state, node.target_provision_state)
  const changes: NodeChanges = {
    ...givingLockBack,
    last_error: lastError,
    work: null,
    clean_step: '{}',
    deploy_step: '{}',
    service_step: '{}',
    ...(state === null
      ? {}
      : { provision_state: state, target_provision_state: target, provision_updated_at: sql`now()` }),
    ...(fault === undefined
      ? {}
      : { maintenance: true, fault, maintenance_reason: node.maintenance_reason ?? lastError }),
    ...(state === 'rescue failed' ? { instance_info: sql`instance_info - 'rescue_password'` } : {}),
  }
  const history = historyRow({
    event: lastError,
    type: work ? eventTypeOf[work.workflow] : 'transition',
    host,
    caller: work?.caller,
    severity: 'ERROR',
    state: state ?? node.provision_state,
    target,
    seconds: secondsSince(node.provision_updated_at),
    ...(key === undefined ? {} : { key }),
  })
  return { changes, history }
}

function failureApart(
  node: Node,
  work: Work,
  message: string,
  host: string,
  key: string | undefined,
): { changes: NodeChanges; history: HistoryRow } {
  const lastError = cutMiddle(
    `${endSentence(message)} Check the machine's BMC and driver_info, then ask for ${work.workflow === 'power' ? 'the power state' : 'it'} again.`,
  )
  return {
    changes: {
      ...givingLockBack,
      last_error: lastError,
      ...(work.workflow === 'power' ? { target_power_state: null } : {}),
      work: work.suspended ? JSON.stringify(work.suspended) : null,
    },
    history: historyRow({
      event: lastError,
      type: 'transition',
      host,
      caller: work.caller,
      severity: 'ERROR',
      state: node.provision_state,
      target: node.target_provision_state,
      ...(key === undefined ? {} : { key }),
    }),
  }
}

/** What to do next, by the state that a failure ends in. */
const remedies: { readonly [Name in State]?: string } = {
  enroll: 'Correct driver_info or the machine, then "manage" the node again.',
  'clean failed': 'Mend the machine, then "manage" the node, clear its maintenance and clean it again.',
  'deploy failed': 'Mend the cause, then deploy again ("active") or give the machine back ("deleted").',
  error: 'Mend the cause, then undeploy ("deleted") again.',
  'inspect failed': 'Mend the cause, then "inspect" again or "manage" the node.',
  'adopt failed': 'Mend the cause, then "adopt" again or "manage" the node.',
  'rescue failed': 'Mend the cause, then "rescue" or "unrescue" again.',
  'unrescue failed': 'Mend the cause, then "unrescue" or "rescue" again.',
  'service failed':
    'Mend the cause and clear maintenance, then "service" again or "abort" to go back to active.',
}

/** States in which nobody should use the machine until somebody has looked at it. */
const faults: { readonly [Name in State]?: string } = {
  'clean failed': 'clean failure',
  'service failed': 'service failure',
}

const endSentence = (text: string): string =>
  /[.!?]$/.test(text.trimEnd()) ? text.trimEnd() : `${text.trimEnd()}.`
