/**
 * Nothing is left behind: work of a killed process goes on or fails visibly, whoever finds it.
 *
 * The node's row is the order book. A node locked for this conductor whose workflow never began is begun; one whose
 * workflow another process had is taken up; one whose workflow has ended without giving the lock back fails.
 */
import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { LeaseholdError } from '../errors.ts'
import type { Node } from '../hardware/index.ts'
import type { Db } from '../store/index.ts'
import type { Engine } from './engine.ts'
import { failureOf } from './failing.ts'
import { historyRow } from './history.ts'
import { changeNode, findNode, type Hold, held } from './nodes.sql.ts'
import { statesOf } from './states.ts'
import { workOf } from './work.ts'

export interface RecoveryDeps {
  db: Db
  engine: Engine
  config: Config
  log: Logger
  host: string
  /** Names of the hardware types here. */
  drivers: readonly string[]
  resume(nodeUuid: string, outcome: { error: string }): Promise<unknown>
}

/** Locks that requests of an earlier process of this host held; they can not give them back any more. */
export async function releaseRequestLocks(db: Db, host: string): Promise<void> {
  await db
    .updateTable('nodes')
    .set({ reservation: null })
    .where('reservation', '=', host)
    .where('workflow_id', 'is', null)
    .execute()
}

/** Sees to every node that is locked for this conductor's workflows. */
export async function reconcile(deps: RecoveryDeps): Promise<void> {
  const { db, engine, host } = deps
  const locked = await db
    .selectFrom('nodes')
    .select(['uuid', 'generation', 'workflow_id'])
    .where('reservation', '=', host)
    .where('workflow_id', 'is not', null)
    .orderBy('id')
    .limit(reconcileLimit)
    .execute()
  const holds = locked.map(
    ({ uuid, generation, workflow_id }): Hold => ({ uuid, generation, workflowId: workflow_id ?? '', host }),
  )
  const unknown = holds.filter((hold) => !engine.worksOn(hold.workflowId))
  if (unknown.length === 0) return
  const states = await engine.states(unknown.map((hold) => hold.workflowId))
  for (const hold of unknown) {
    const state = states.get(hold.workflowId)
    if (state === 'missing') await beginLate(deps, hold)
    if (state === 'running elsewhere') await takeUp(deps, hold)
    if (state === 'ended')
      await fail(deps, hold, 'The work ended without a result; the log of the conductor says more')
  }
}
const reconcileLimit = 1_000

/** What needs no hurry: dead conductors, waits that are over, states that nobody works on, old records. */
export async function sweep(deps: RecoveryDeps): Promise<void> {
  await takeOver(deps)
  await endWaits(deps)
  await failOrphans(deps)
  const retentionMs = deps.config['conductor.workflow_retention_seconds'] * 1000
  await deps.engine.forget(new Date(Date.now() - retentionMs))
}

/** A workflow whose starting was cut off, or that another process asked of this conductor. */
async function beginLate(deps: RecoveryDeps, hold: Hold): Promise<void> {
  if (deps.engine.full()) return
  const node = await findNode(deps.db, hold.uuid)
  if (node?.workflow_id === hold.workflowId && node.reservation === deps.host) await deps.engine.start(node)
}

/** A workflow that another process had begun, which is dead. Work that keeps killing processes is given up. */
async function takeUp(deps: RecoveryDeps, hold: Hold): Promise<void> {
  const node = await findNode(deps.db, hold.uuid)
  const work = node && workOf(node)
  if (!node || !work || node.workflow_id !== hold.workflowId) return
  const recoveries = (work.recoveries ?? 0) + 1
  if (recoveries > mostRecoveries)
    return fail(deps, hold, `The service ended ${mostRecoveries} times during this work; it is given up`)
  const history = historyRow({
    event: `Conductor ${deps.host} goes on with ${work.workflow}, which its process could not end (${recoveries}).`,
    type: 'takeover',
    host: deps.host,
    caller: work.caller,
    state: node.provision_state,
    target: node.target_provision_state,
  })
  const counted = await changeNode(deps.db, held(hold), { work: JSON.stringify({ ...work, recoveries }) }, [
    history,
  ])
  if (!counted) return
  deps.log.info({ node: hold.uuid, workflow: hold.workflowId }, 'going on with interrupted work')
  await deps.engine.takeUp([hold.workflowId])
}
const mostRecoveries = 10

async function fail(deps: RecoveryDeps, hold: Hold, message: string): Promise<void> {
  const node = await findNode(deps.db, hold.uuid)
  if (!node) return
  const { changes, history } = failureOf(node, message, deps.host)
  const failed = await changeNode(deps.db, held(hold), changes, [history])
  if (failed) deps.log.error({ node: hold.uuid, workflow: hold.workflowId }, message)
}

/** Conductors that are silent, or have stopped with work left: what this one can do becomes its own. */
async function takeOver(deps: RecoveryDeps): Promise<void> {
  const { db, host, config, log } = deps
  const liveness = sql`${config['conductor.liveness_seconds']} * interval '1 second'`
  const dead = await db
    .updateTable('conductors')
    .set({ online: false, updated_at: sql`now()` })
    .where('hostname', '<>', host)
    .where('online', '=', true)
    .where('heartbeat_at', '<', sql<Date>`now() - ${liveness}`)
    .returning('hostname')
    .execute()
  for (const { hostname } of dead)
    log.warn({ conductor: hostname }, 'a conductor is silent; its work is taken over')
  const taken = await sql<{ uuid: string }>`
    UPDATE nodes SET reservation = CASE WHEN workflow_id IS NULL THEN NULL ELSE ${host} END
    WHERE id IN (
      SELECT nodes.id FROM nodes JOIN conductors ON conductors.hostname = nodes.reservation
      WHERE NOT conductors.online AND conductors.hostname <> ${host}
        AND lower(nodes.conductor_group) = lower(${config['conductor.group']})
        AND nodes.driver = ANY (${[...deps.drivers]}::text[])
      ORDER BY nodes.id LIMIT ${takeOverLimit} FOR UPDATE OF nodes SKIP LOCKED)
    RETURNING uuid`.execute(db)
  if (taken.rows.length > 0) {
    log.warn({ nodes: taken.rows.length }, 'nodes of a dead conductor are taken over')
    await reconcile(deps)
  }
}
const takeOverLimit = 500

/** Nodes that have waited too long fail, through their workflow: it may have something to undo. */
async function endWaits(deps: RecoveryDeps): Promise<void> {
  const seconds = deps.config['conductor.callback_timeout_seconds']
  if (seconds === 0) return
  const overdue = await deps.db
    .selectFrom('nodes')
    .select(['uuid', 'provision_state'])
    .where('provision_state', 'in', statesOf('wait'))
    .where('reservation', 'is', null)
    .where('provision_updated_at', '<', sql<Date>`now() - ${seconds} * interval '1 second'`)
    .limit(sweepLimit)
    .execute()
  for (const { uuid, provision_state } of overdue)
    await deps
      .resume(uuid, {
        error: `Timeout: the machine has not reported back within ${seconds} s in "${provision_state}"`,
      })
      .catch((error: unknown) => {
        // Another conductor, or the machine itself, was first.
        if (!(error instanceof LeaseholdError)) throw error
      })
}

/** Nodes that seem busy although nobody holds them: after a restored backup or a change by hand. */
async function failOrphans(deps: RecoveryDeps): Promise<void> {
  const orphans: Node[] = await deps.db
    .selectFrom('nodes')
    .selectAll()
    .where('provision_state', 'in', statesOf('busy'))
    .where('reservation', 'is', null)
    .limit(sweepLimit)
    .execute()
  for (const node of orphans) {
    const message = `Nobody works on the node although it is in state "${node.provision_state}"`
    const { changes, history } = failureOf(node, message, deps.host)
    const condition = sql<boolean>`uuid = ${node.uuid} AND generation = ${node.generation} AND reservation IS NULL
      AND provision_state = ${node.provision_state}`
    await changeNode(deps.db, condition, changes, [{ ...history, event_type: 'startup failure' }])
  }
}
const sweepLimit = 500
