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
import { changeNodeUnseen, findNode, held, holdOf } from './nodes.sql.ts'
import { statesOf } from './states.ts'
import { type Work, workOf } from './work.ts'

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
    .select(['uuid', 'workflow_id'])
    .where('reservation', '=', host)
    .where('workflow_id', 'is not', null)
    .orderBy('id')
    .limit(reconcileLimit)
    .execute()
  const unknown = locked.filter(({ workflow_id }) => workflow_id !== null && !engine.worksOn(workflow_id))
  if (unknown.length === 0) return
  const states = await engine.states(unknown.map(({ workflow_id }) => workflow_id ?? ''))
  for (const { uuid, workflow_id } of unknown) {
    const state = states.get(workflow_id ?? '')
    if (state === 'queued' || state === 'running here') continue
    // As it is now: it may have been ended since, and then needs nothing.
    const node = await findNode(db, uuid)
    if (!node || node.workflow_id !== workflow_id || node.reservation !== host) continue
    if (state === 'missing' && !engine.full()) await engine.start(node)
    if (state === 'running elsewhere') await takeUp(deps, node)
    if (state === 'ended')
      await fail(deps, node, 'The work ended without a result; the log of the conductor says more')
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

/** A workflow that another process had begun, which is gone. Work that keeps killing processes is given up. */
async function takeUp(deps: RecoveryDeps, node: Node): Promise<void> {
  const work = workOf(node)
  if (!work) return fail(deps, node, 'What was to be done is not on record')
  const { paused = false, ...rest } = work
  const deaths = (work.deaths ?? 0) + (paused ? 0 : 1)
  if (deaths > mostDeaths)
    return fail(deps, node, `The service died ${mostDeaths} times during this work; it is given up`)
  const history = historyRow({
    event: `Conductor ${deps.host} goes on with ${work.workflow}, which ${paused ? 'was left when its process stopped' : 'its process did not live to end'}.`,
    type: 'takeover',
    host: deps.host,
    caller: work.caller,
    state: node.provision_state,
    target: node.target_provision_state,
  })
  const taken: Work = { ...rest, deaths, takeUps: (work.takeUps ?? 0) + 1 }
  const changes = { work: JSON.stringify(taken) }
  if (!(await changeNodeUnseen(deps.db, held(holdOf(node, deps.host)), changes, [history]))) return
  deps.log.info({ node: node.uuid, workflow: node.workflow_id }, 'going on with interrupted work')
  await deps.engine.takeUp([node.workflow_id ?? ''])
}
const mostDeaths = 10

async function fail(deps: RecoveryDeps, node: Node, message: string): Promise<void> {
  const { changes, history } = failureOf(node, message, deps.host)
  if (await changeNodeUnseen(deps.db, held(holdOf(node, deps.host)), changes, [history]))
    deps.log.error({ node: node.uuid, workflow: node.workflow_id }, message)
}

/** Says of the work that a stopping conductor leaves that nothing has gone wrong. */
export async function pauseWork(db: Db, host: string): Promise<void> {
  await db
    .updateTable('nodes')
    .set({ work: sql`work || '{"paused": true}'::jsonb` })
    .where('reservation', '=', host)
    .where('workflow_id', 'is not', null)
    .where('work', 'is not', null)
    .execute()
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
    await changeNodeUnseen(deps.db, condition, changes, [{ ...history, event_type: 'startup failure' }])
  }
}
const sweepLimit = 500
