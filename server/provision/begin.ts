/** Takes orders: checks them, moves the node and takes its lock in one statement, and sets the work going. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { LeaseholdError, messageOf } from '../errors.ts'
import { checkChange, checkIsolated, type Hardware, type Node } from '../hardware/index.ts'
import { lockedError, withoutAgentSession } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import { checkChangeState, checkOptions, checkOrder, checkPower } from './checks.ts'
import { chooseConductor } from './choose-conductor.ts'
import { historyRow, secondsSince } from './history.ts'
import { changeNode, findNode, type NodeChanges, takingLock } from './nodes.sql.ts'
import { type Prepared, prepare, prepareResume } from './prepare.ts'
import { isState, mainVerb, states, type Verb } from './states.ts'
import { withTemplates } from './templates.ts'
import type { Begun, ChangeOrder, Order, Outcome, PowerOrder } from './types.ts'
import { validateFor } from './validate.ts'
import type { Work } from './work.ts'

export interface Desk {
  db: Db
  hardware: Hardware
  config: Config
  log: Logger
  /** The conductor of this process; null while it is none. */
  conductor(): LocalConductor | null
}

export interface LocalConductor {
  host: string
  serves(node: Pick<Node, 'driver' | 'conductor_group'>): boolean
  full(): boolean
  start(node: Node): Promise<void>
}

/** See `Provisioner.begin`. */
export async function begin(desk: Desk, order: Order): Promise<Begun> {
  const { node, verb, caller } = order
  checkOrder(node, verb, order.options ?? {})
  const options = await withTemplates(desk.db, node, verb, order.options ?? {})
  checkOptions(verb, options)
  if (!movesNothing.includes(mainVerb(verb))) await checkIsolated(desk.hardware, node)
  const prepared = prepare(desk, node, verb, caller, options)
  const changed = await carryThrough(desk, node, prepared, sql`TRUE`, (fresh) =>
    checkOrder(fresh, verb, options),
  )
  if (prepared.aborts) await abortInspection(desk, changed)
  return { state: changed.provision_state, workflowId: changed.workflow_id }
}

/** See `Provisioner.setPower`. */
export async function setPower(desk: Desk, order: PowerOrder): Promise<void> {
  const { node, target, timeoutSeconds, caller } = order
  const check = (seen: Node) =>
    checkPower(seen, target, desk.hardware.implementation(seen, 'power'), timeoutSeconds)
  check(node)
  validateFor(desk.hardware, node, 'power')
  const off = target === 'power off' || target === 'soft power off'
  if (!off) await checkIsolated(desk.hardware, node)
  const seconds = timeoutSeconds ?? desk.config['conductor.power_change_timeout_seconds']
  const work: Work = {
    workflow: 'power',
    caller,
    steps: null,
    from: 0,
    power: { target, timeoutMs: seconds * 1000 },
  }
  const prepared: Prepared = {
    changes: {
      target_power_state: off ? 'power off' : 'power on',
      last_error: null,
      driver_internal_info: withoutAgentSession,
      // A waiting node keeps what it waits with.
      work: sql`${JSON.stringify(work)}::jsonb || jsonb_build_object('suspended', work)`,
    },
    workflow: 'power',
    history: [],
  }
  await carryThrough(desk, node, prepared, sql`disable_power_off = ${node.disable_power_off}`, check)
}

/** See `Provisioner.change`. */
export async function change(desk: Desk, { node, change: asked, caller }: ChangeOrder): Promise<void> {
  const check = (seen: Node) => {
    checkChangeState(seen, asked)
    checkChange(desk.hardware, seen, asked)
  }
  check(node)
  const work: Work = { workflow: 'change', caller, steps: null, from: 0, change: asked }
  const prepared: Prepared = {
    changes: {
      last_error: null,
      // A waiting node keeps what it waits with.
      work: sql`${JSON.stringify(work)}::jsonb || jsonb_build_object('suspended', work)`,
    },
    workflow: 'change',
    history: [],
  }
  await carryThrough(desk, node, prepared, sql`TRUE`, check)
}

/** See `Provisioner.resume`. */
export async function resume(desk: Desk, nodeUuid: string, outcome: Outcome): Promise<Begun> {
  const node = await findNode(desk.db, nodeUuid)
  if (!node) throw new LeaseholdError('not-found', `Node ${nodeUuid} could not be found.`)
  const check = (seen: Node) => {
    if (seen.reservation) throw lockedError(seen.uuid, seen.reservation)
    if (!isState(seen.provision_state) || states[seen.provision_state].kind !== 'wait')
      throw new LeaseholdError(
        'conflict',
        `Node ${seen.uuid} waits for nothing: it is in state "${seen.provision_state}".`,
      )
  }
  check(node)
  const changed = await carryThrough(desk, node, prepareResume(node, outcome), sql`TRUE`, check)
  return { state: changed.provision_state, workflowId: changed.workflow_id }
}

/** Verbs for a machine that is not isolated yet: to isolate it, to stop what is under way, to read its power state. */
const movesNothing: readonly Verb[] = ['deleted', 'abort', 'manage']

/**
 * Writes what was prepared, if the node still is what the caller saw; tries again while another holds the lock.
 * @throws LeaseholdError of `recheck` for the node as it is now, or 'conflict'.
 */
async function carryThrough(
  desk: Desk,
  seen: Node,
  prepared: Prepared,
  guard: RawBuilder<boolean>,
  recheck: (fresh: Node) => void,
): Promise<Node> {
  const local = desk.conductor()
  const host = prepared.workflow === null ? null : await hostFor(desk, local, seen)
  const changes: NodeChanges =
    host === null
      ? { ...prepared.changes, version: sql`version + 1` }
      : { ...prepared.changes, ...takingLock(host) }
  const history = prepared.history.map((told) =>
    historyRow({
      ...told,
      host: host ?? local?.host ?? 'api',
      seconds: secondsSince(seen.provision_updated_at),
    }),
  )
  const condition = sql<boolean>`${asSeen(seen)} AND ${guard}`
  for (let attempt = 1; ; attempt++) {
    const changed = await changeNode(desk.db, condition, changes, history)
    if (changed) {
      if (host !== null) await set(desk, local, host, changed)
      return changed
    }
    const fresh = await findNode(desk.db, seen.uuid)
    if (!fresh) throw new LeaseholdError('not-found', `Node ${seen.uuid} could not be found.`)
    recheck(fresh)
    if (!fresh.reservation && !isAsSeen(seen, fresh))
      throw new LeaseholdError(
        'conflict',
        `Node ${seen.uuid} has changed while this was asked of it; look at it and ask again.`,
      )
    if (attempt >= desk.config['conductor.lock_attempts'] && fresh.reservation)
      throw lockedError(fresh.uuid, fresh.reservation)
    if (fresh.reservation) await sleep(desk.config['conductor.lock_interval_ms'])
  }
}

/** Which conductor does it: this process if it can, else one that serves the node. */
async function hostFor(desk: Desk, local: LocalConductor | null, node: Node): Promise<string> {
  if (!local?.serves(node)) return chooseConductor(desk.db, node, desk.config['conductor.liveness_seconds'])
  if (local.full())
    throw new LeaseholdError('unavailable', 'No free conductor workers available; please retry.', {
      retryAfterSeconds: 1,
    })
  return local.host
}

/** Sets the work going, or tells the conductor that has to. The lock tells what to do, so nothing is lost here. */
async function set(desk: Desk, local: LocalConductor | null, host: string, node: Node): Promise<void> {
  try {
    if (local?.host === host) await local.start(node)
    else await sql`SELECT pg_notify(${workChannel}, ${host})`.execute(desk.db)
  } catch (error) {
    desk.log.warn(
      { err: error, node: node.uuid },
      'work could not be started at once; its conductor will find it',
    )
  }
}

/** Channel on which conductors hear that there is work for them. */
export const workChannel = 'leasehold_work'

/** Everything that checks and rights were judged by. */
const guarded = ['provision_state', 'maintenance', 'retired', 'protected', 'owner', 'lessee'] as const

const isAsSeen = (seen: Node, fresh: Node): boolean =>
  guarded.every((column) => seen[column] === fresh[column])

const asSeen = (seen: Node): RawBuilder<boolean> =>
  sql`uuid = ${seen.uuid} AND reservation IS NULL AND provision_state = ${seen.provision_state}
    AND maintenance = ${seen.maintenance} AND retired = ${seen.retired} AND protected = ${seen.protected}
    AND owner IS NOT DISTINCT FROM ${seen.owner} AND lessee IS NOT DISTINCT FROM ${seen.lessee}`

/** Tells the machine that nobody waits for its inspection any more. The state has moved already, so it only may fail. */
async function abortInspection(desk: Desk, node: Node): Promise<void> {
  const inspector = desk.hardware.implementation(node, 'inspect')
  const signal = AbortSignal.timeout(desk.config['conductor.power_change_timeout_seconds'] * 1000)
  await inspector
    .abort?.(node, { signal })
    .catch((error: unknown) =>
      desk.log.warn(
        { node: node.uuid, reason: messageOf(error) },
        'an aborted inspection could not be stopped',
      ),
    )
}
