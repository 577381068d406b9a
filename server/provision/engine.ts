/**
 * Runs durable workflows in this process, with DBOS: what each effect came to is on record in PostgreSQL, so that a
 * workflow whose process was killed goes on after the last of them.
 *
 * A workflow starts in the process that took the order, without a queue. What a dead process left goes onto a queue
 * that has the conductor's name, and only that conductor takes from it. DBOS is one a process, and so is this.
 */
import { DBOS } from '@dbos-inc/dbos-sdk'
import { sql } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Hardware, Node } from '../hardware/index.ts'
import { type Db, prepareStatements } from '../store/index.ts'
import { holdNode, holdOf } from './nodes.sql.ts'
import { carryOut, LockLostError, type Workflow } from './run.ts'
import { type WorkflowName, workOf } from './work.ts'
import { adopt } from './workflows/adopt.ts'
import { change } from './workflows/change.ts'
import { clean } from './workflows/clean.ts'
import { deploy } from './workflows/deploy.ts'
import { inspect } from './workflows/inspect.ts'
import { power } from './workflows/power.ts'
import { rescue } from './workflows/rescue.ts'
import { service } from './workflows/service.ts'
import { undeploy } from './workflows/undeploy.ts'
import { unrescue } from './workflows/unrescue.ts'
import { verify } from './workflows/verify.ts'

export interface EngineDeps {
  db: Db
  databaseUrl: string
  hardware: Hardware
  config: Config
  log: Logger
  host: string
}

/** How far a workflow has come, as DBOS records it; `missing` when it has never begun. */
export type WorkflowState = 'missing' | 'queued' | 'running here' | 'running elsewhere' | 'ended'

export interface Engine {
  /** Whether this process works on it, or is about to. */
  worksOn(workflowId: string): boolean
  /** Whether another workflow would be more than `conductor.workers`. */
  full(): boolean
  /** Starts the workflow of a node that has just been locked for it. Doing it twice is doing it once. */
  start(node: Node): Promise<void>
  /** Puts workflows that began in another process onto this conductor's queue. */
  takeUp(workflowIds: readonly string[]): Promise<void>
  states(workflowIds: readonly string[]): Promise<Map<string, WorkflowState>>
  /** Deletes records of workflows that ended before then, in batches; returns how many. */
  forget(endedBefore: Date): Promise<number>
  /** Waits a little for what is about to end, then leaves off: the rest goes on at the next start. */
  stop(): Promise<void>
}

/** Changes only when the effects of a workflow do: records of another version are not taken up. */
const workflowVersion = '1'

const workflows: Record<WorkflowName, Workflow> = {
  verify,
  clean,
  inspect,
  adopt,
  deploy,
  undeploy,
  rescue,
  unrescue,
  service,
  power,
  change,
}

interface Running extends EngineDeps {
  executorId: string
  /** Queue of work that was taken up. */
  queue: string
  /** Workflows that this process works on. */
  workflowIds: Set<string>
  /** Of those, the ones that left off because the process stops. */
  parked: number
  /** Nodes as they were locked, for the workflows about to start: saves reading them again. */
  locked: Map<string, Node>
  stopping: AbortController
}

/** The engine of this process: DBOS calls workflows by name, so they find what they need here. */
let running: Running | undefined

/** Connects DBOS to the database and makes its tables when there are none. @throws Error when one runs already. */
export async function startEngine(deps: EngineDeps, incarnation: string): Promise<Engine> {
  if (running) throw new Error('This process has a provisioning engine already')
  const queue = `conductor ${deps.host}`
  const engine: Running = {
    ...deps,
    executorId: `${deps.host}/${incarnation}`,
    queue,
    workflowIds: new Set(),
    parked: 0,
    locked: new Map(),
    stopping: new AbortController(),
  }
  running = engine
  const pool = new pg.Pool({
    connectionString: deps.databaseUrl,
    max: poolSize,
    connectionTimeoutMillis: 10_000,
    application_name: 'leasehold-workflows',
    // What must outlive a crash of the database is in the nodes' rows; what DBOS loses of its last milliseconds is
    // begun again from there.
    options: '-c synchronous_commit=off',
  })
  prepareStatements(pool)
  // Of connections that are being closed nobody wants to hear.
  let closing = false
  pool.on('error', (error) => {
    if (!closing) deps.log.warn({ err: error }, 'a connection of the workflows was lost')
  })
  try {
    DBOS.setConfig({
      name: 'leasehold',
      systemDatabaseUrl: withHost(deps.databaseUrl),
      systemDatabasePool: pool,
      logger: dbosLogger(deps.log),
      applicationVersion: workflowVersion,
      executorID: engine.executorId,
      listenQueues: [queue],
      useListenNotify: false,
      enableOTLP: false,
    })
    await DBOS.launch()
    await DBOS.registerQueue(queue, {
      workerConcurrency: deps.config['conductor.workers'],
      minPollingIntervalMs: queuePollMs,
      onConflict: 'always_update',
    })
  } catch (error) {
    running = undefined
    await DBOS.shutdown().catch(() => {})
    await pool.end()
    throw error
  }

  return {
    worksOn: (workflowId) => engine.workflowIds.has(workflowId),
    full: () => engine.workflowIds.size >= deps.config['conductor.workers'],
    start: (node) => start(engine, node),
    takeUp: async (workflowIds) => {
      if (workflowIds.length > 0) await DBOS.resumeWorkflows([...workflowIds], { queueName: queue })
    },
    states: (workflowIds) => statesOfWorkflows(engine, workflowIds),
    forget: (endedBefore) => forget(engine, endedBefore),
    stop: async () => {
      await leaveOff(engine)
      closing = true
      await DBOS.shutdown()
      running = undefined
      await pool.end()
    },
  }
}

const poolSize = 10
const queuePollMs = 500
/** How long `stop` waits for workflows to reach the end of what they do, and then for them to let go. */
const drainMs = 1_000
const letGoMs = 300

const registered = Object.fromEntries(
  (Object.keys(workflows) as WorkflowName[]).map((name) => [
    name,
    DBOS.registerWorkflow((uuid: string, generation: number) => runWorkflow(name, uuid, generation), {
      name,
    }),
  ]),
) as Record<WorkflowName, (uuid: string, generation: number) => Promise<void>>

async function start(engine: Running, node: Node): Promise<void> {
  const work = workOf(node)
  const workflowId = node.workflow_id
  if (!work || !workflowId || engine.stopping.signal.aborted) return
  engine.locked.set(workflowId, node)
  engine.workflowIds.add(workflowId)
  try {
    await DBOS.startWorkflow(registered[work.workflow], { workflowID: workflowId })(
      node.uuid,
      node.generation,
    )
  } catch (error) {
    engine.locked.delete(workflowId)
    engine.workflowIds.delete(workflowId)
    throw error
  }
}

async function runWorkflow(name: WorkflowName, uuid: string, generation: number): Promise<void> {
  const engine = running
  const workflowId = DBOS.workflowID
  if (!engine || workflowId === undefined) return forever()
  const { host, db, hardware, config, log } = engine
  const park = () => {
    engine.parked++
    return forever()
  }
  engine.workflowIds.add(workflowId)
  try {
    const node =
      engine.locked.get(workflowId) ??
      (await retrying(engine, () => holdNode(db, uuid, generation, workflowId, host)))
    engine.locked.delete(workflowId)
    const work = node && workOf(node)
    if (!work) return
    const signal = engine.stopping.signal
    await carryOut(workflows[name], {
      db,
      log,
      hardware,
      config,
      hold: holdOf(node, host),
      node,
      work,
      signal,
      park,
      retrying: (write) => retrying(engine, write),
    })
  } catch (error) {
    if (error instanceof LockLostError) {
      log.warn(
        { node: uuid, workflow: workflowId },
        'the lock of a node has gone to another; its work is left off',
      )
      return
    }
    if (engine.stopping.signal.aborted) return park()
    throw error
  } finally {
    engine.workflowIds.delete(workflowId)
  }
}

/** Repeats a write that the database did not answer; statements here may be done twice. */
async function retrying<T>(engine: Running, write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await write()
    } catch (error) {
      if (error instanceof LockLostError || attempt >= writeAttempts || engine.stopping.signal.aborted)
        throw error
      engine.log.warn({ err: error, attempt }, 'the database did not take a write; trying again')
      await new Promise((done) => setTimeout(done, 100 * 2 ** attempt * (0.5 + Math.random())))
    }
}
const writeAttempts = 7

async function statesOfWorkflows(
  engine: Running,
  workflowIds: readonly string[],
): Promise<Map<string, WorkflowState>> {
  const found =
    workflowIds.length === 0
      ? []
      : await DBOS.listWorkflows({ workflowIDs: [...workflowIds], loadInput: false, loadOutput: false })
  const states = new Map<string, WorkflowState>(workflowIds.map((id) => [id, 'missing']))
  for (const { workflowID, status, executorId, queueName } of found) {
    const queued = status === 'ENQUEUED' || status === 'DELAYED'
    const ended = !queued && status !== 'PENDING'
    // On the queue of another conductor it is as good as running there.
    const here = queued ? queueName === engine.queue : executorId === engine.executorId
    states.set(
      workflowID,
      ended ? 'ended' : here ? (queued ? 'queued' : 'running here') : 'running elsewhere',
    )
  }
  return states
}

async function forget(engine: Running, endedBefore: Date): Promise<number> {
  let forgotten = await forgetAbandoned(engine)
  for (let batch = 0; batch < forgetBatches; batch++) {
    const ended = await DBOS.listWorkflows({
      status: ['SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'],
      completedBefore: endedBefore.toISOString(),
      limit: forgetBatchSize,
      loadInput: false,
      loadOutput: false,
    })
    if (ended.length > 0) await DBOS.deleteWorkflows(ended.map((each) => each.workflowID))
    forgotten += ended.length
    if (ended.length < forgetBatchSize) break
  }
  return forgotten
}

/** Workflows that never ended, because their node went to another end without them. */
async function forgetAbandoned(engine: Running): Promise<number> {
  const open = await DBOS.listWorkflows({
    status: ['PENDING', 'ENQUEUED'],
    endTime: new Date(Date.now() - abandonedMs).toISOString(),
    limit: forgetBatchSize,
    loadInput: false,
    loadOutput: false,
  })
  if (open.length === 0) return 0
  const ids = open.map((each) => each.workflowID)
  const nodes = await engine.db
    .selectFrom('nodes')
    .select('workflow_id')
    .where(sql<boolean>`workflow_id = ANY (${ids}::text[])`)
    .execute()
  const wanted = new Set(nodes.map((node) => node.workflow_id))
  const abandoned = ids.filter((id) => !wanted.has(id) && !engine.workflowIds.has(id))
  if (abandoned.length > 0) await DBOS.deleteWorkflows(abandoned)
  return abandoned.length
}
const abandonedMs = 86_400_000
const forgetBatchSize = 500
/** Bounds one call: what is left waits for the next. */
const forgetBatches = 100

async function leaveOff(engine: Running): Promise<void> {
  const idle = () => engine.workflowIds.size - engine.parked <= 0
  const wait = async (ms: number) => {
    for (const end = Date.now() + ms; !idle() && Date.now() < end; )
      await new Promise((done) => setTimeout(done, 10))
  }
  await wait(drainMs)
  engine.stopping.abort(new Error('the conductor stops'))
  await wait(letGoMs)
}

/** DBOS parses the URL by the rules of the web, where a socket's URL lacks a host; the pool connects with the true one. */
const withHost = (url: string): string => url.replace(/@\//, '@localhost/')

const dbosLogger = (log: Logger) => {
  const child = log.child({ part: 'dbos' })
  return {
    info: (entry: unknown) => child.debug(String(entry)),
    debug: (entry: unknown) => child.trace(String(entry)),
    warn: (entry: unknown) => child.warn(String(entry)),
    error: (entry: unknown) => child.error(messageOf(entry)),
  }
}

const forever = (): Promise<never> => new Promise(() => {})
