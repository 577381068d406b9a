/**
 * One run of a workflow over a node: what a workflow may do to the machine and to the node's row, and how it ends.
 *
 * What an effect came to is kept in the node's row (`work.done`) and in its history, by one statement that only the
 * holder of the lock can make. It is written before the next effect begins, or with the node's next state: nothing
 * happens between the two. DBOS could keep it, but its record of a step is seven statements; one that is fenced by
 * the lock and is what the history shows serves better.
 */
import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Bounds, Hardware, MachineChanges, Node, StepResult } from '../hardware/index.ts'
import { machineColumns, withMachine } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import { failureOf } from './failing.ts'
import { eventTypeOf, type HistoryRow, historyRow, secondsSince } from './history.ts'
import { changeNodeUnseen, findNode, givingLockBack, type Hold, held, type NodeChanges } from './nodes.sql.ts'
import { type InternalEvent, nextState, type State, targetIn } from './states.ts'
import { type EffectRecord, type PlannedStep, standsApart, type Work } from './work.ts'

/** How a workflow ends when nothing has failed. */
export interface End {
  end: 'done' | 'wait' | 'hold'
  changes?: NodeChanges
  /** What the node is told of its machine. */
  machine?: MachineChanges
  /** Work to go on with once the wait is over. */
  work?: Work
}

export type Workflow = (run: Run) => Promise<End>

export interface EffectOptions {
  /** Column and step that the node shows while it lasts. */
  showing?: { column: StepColumn; step: PlannedStep }
  timeoutMs?: number
}
export type StepColumn = 'clean_step' | 'deploy_step' | 'service_step'

export interface Run {
  /** The node as it was when the workflow began, or after its last `move`, and as it was told since of its machine. */
  readonly node: Node
  readonly work: Work
  readonly hardware: Hardware
  readonly config: Config
  readonly db: Db
  readonly log: Logger
  /**
   * Does something to the machine, once: what it returned or threw is on record before this returns, and a resumed
   * workflow is told that instead of doing it again.
   * @throws Error whose message says what was done and why it failed.
   */
  effect<T>(name: string, act: (bounds: Bounds) => Promise<T>, options?: EffectOptions): Promise<T>
  /** An effect that may change what the node knows of its machine: that is written with the effect's record. */
  machine(
    name: string,
    act: (bounds: Bounds) => Promise<StepResult>,
    options?: EffectOptions,
  ): Promise<undefined | 'wait'>
  /** Moves the node within the workflow, keeping the lock. */
  move(event: InternalEvent, changes?: NodeChanges): Promise<void>
  /** Done, the last first, when a later part of the workflow fails. */
  onFailure(name: string, act: (bounds: Bounds) => Promise<void>): void
}

export interface RunDeps {
  db: Db
  log: Logger
  hardware: Hardware
  config: Config
  hold: Hold
  node: Node
  work: Work
  /** Aborts when the process stops. */
  signal: AbortSignal
  /** Repeats a write while the database does not answer, for a bounded time. */
  retrying: <T>(write: () => Promise<T>) => Promise<T>
  /** Resolves never: where a workflow goes while the process stops, so that nothing more is recorded of it. */
  park: () => Promise<never>
}

/** Thrown when the node's lock has gone to another: the workflow leaves off without a trace. */
export class LockLostError extends Error {}

/**
 * Carries a workflow out, from its first effect to the node's new state. Never throws for what fails on the machine:
 * that ends in the fail state.
 * @throws LockLostError when the node is another's now; the database's errors.
 */
export async function carryOut(workflow: Workflow, deps: RunDeps): Promise<void> {
  const { run, told, untold, undo } = createRun(deps)
  let end: End
  try {
    end = await workflow(run)
  } catch (error) {
    if (error instanceof LockLostError) throw error
    await undo()
    const { changes, history } = failureOf(
      run.node,
      messageOf(error),
      deps.hold.host,
      keyOf(deps, run.node, 'fail'),
    )
    await write(deps, changes, [...told(), history], untold())
    return
  }
  await finish(deps, run.node, { ...end, machine: { ...untold(), ...end.machine } }, told())
}

function createRun(deps: RunDeps): {
  run: Run
  told: () => HistoryRow[]
  untold: () => MachineChanges
  undo: () => Promise<void>
} {
  let node = deps.node
  let count = 0
  const done: EffectRecord[] = [...(deps.work.done ?? [])]
  /** What history has yet to be told: effects whose records are not written. */
  let unwritten: HistoryRow[] = []
  /** What the row has yet to be told of the machine, by the same effects. */
  let machine: MachineChanges = {}
  const undos: { name: string; act: (bounds: Bounds) => Promise<void> }[] = []

  const effect = async <T>(
    name: string,
    act: (bounds: Bounds) => Promise<T>,
    options: EffectOptions = {},
  ) => {
    const index = count++
    let record = done[index]
    if (!record) {
      const shown: NodeChanges = options.showing
        ? { [options.showing.column]: JSON.stringify(options.showing.step) }
        : {}
      const showing = unwritten.length > 0 ? undefined : showLater(deps, shown)
      if (!showing) await save(shown)
      record = await attempt(deps, act, options.timeoutMs)
      await showing?.settle()
      done[index] = record
      unwritten.push(effectHistory(deps, node, name, index, record))
    }
    if (record.error !== undefined) throw new Error(`${name} failed: ${record.error}`)
    return record.value as T
  }
  const save = async (changes: NodeChanges) => {
    const work: Work = { ...deps.work, done }
    await write(deps, { ...changes, work: JSON.stringify(work) }, unwritten, machine)
    unwritten = []
    machine = {}
  }

  const run: Run = {
    get node() {
      return node
    },
    work: deps.work,
    hardware: deps.hardware,
    config: deps.config,
    db: deps.db,
    log: deps.log,
    effect,
    async machine(name, act, options) {
      let told: MachineChanges | undefined
      const outcome = await effect(
        name,
        async (bounds) => {
          const result = await act(bounds)
          if (typeof result !== 'object') return result
          told = result.changes
          return undefined
        },
        options,
      )
      // A resumed workflow is not told again: the row was, with the record.
      if (told) {
        node = withMachine(node, told)
        machine = { ...machine, ...told }
      }
      return outcome
    },
    async move(event, changes = {}) {
      const to = nextState(node.provision_state, event)
      if (to === null) return // a resumed workflow that had moved the node already
      const row = moved(deps, node, to)
      unwritten.push(row.history)
      await save({ ...changes, ...row.changes })
      const after = await deps.retrying(() => findNode(deps.db, node.uuid))
      if (after?.generation !== deps.hold.generation) throw new LockLostError()
      node = after
    },
    onFailure: (name, act) => undos.push({ name, act }),
  }
  const undo = async () => {
    // What an undo fails at is told in history; the cause of the failure stays what last_error says.
    for (const { name, act } of undos.toReversed())
      await effect(name, act).catch((error: unknown) => {
        if (error instanceof LockLostError) throw error
      })
  }
  return { run, told: () => unwritten, untold: () => machine, undo }
}

function effectHistory(
  deps: RunDeps,
  node: Node,
  name: string,
  index: number,
  record: EffectRecord,
): HistoryRow {
  return historyRow({
    event: record.error === undefined ? `${name}: done.` : `${name}: failed: ${record.error}`,
    type: eventTypeOf[deps.work.workflow],
    host: deps.hold.host,
    caller: deps.work.caller,
    severity: record.error === undefined ? 'INFO' : 'ERROR',
    state: node.provision_state,
    target: node.target_provision_state,
    seconds: record.ms / 1000,
    at: new Date(record.endedAt),
    key: `${deps.hold.workflowId}:${index}`,
  })
}

async function attempt<T>(
  deps: RunDeps,
  act: (bounds: Bounds) => Promise<T>,
  timeoutMs = deps.config['conductor.step_timeout_seconds'] * 1000,
): Promise<EffectRecord> {
  if (deps.signal.aborted) return deps.park()
  const begunAt = Date.now()
  const record = () => ({ endedAt: Date.now(), ms: Date.now() - begunAt })
  const controller = new AbortController()
  const stop = () => controller.abort(deps.signal.reason)
  deps.signal.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(
    () => controller.abort(new Error(`no answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  )
  try {
    // What does not heed its signal is given up all the same.
    const givenUp = new Promise<never>((_, reject) =>
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error)),
    )
    const value = await Promise.race([act({ signal: controller.signal }), givenUp])
    return { ...record(), value }
  } catch (error) {
    if (deps.signal.aborted) return deps.park()
    return { ...record(), error: messageOf(error) }
  } finally {
    clearTimeout(timer)
    deps.signal.removeEventListener('abort', stop)
  }
}

/** Steps shorter than this are not shown while they last, milliseconds: nobody could see them, and a write costs. */
const showAfterMs = 250

/** Writes what the node shows of the effect under way if that lasts. Shown or not, the effect goes on. */
function showLater(deps: RunDeps, changes: NodeChanges): { settle: () => Promise<void> } {
  if (Object.keys(changes).length === 0) return { settle: async () => {} }
  let written: Promise<unknown> | undefined
  const timer = setTimeout(() => {
    written = changeNodeUnseen(deps.db, held(deps.hold), changes).catch(() => {})
  }, showAfterMs)
  return {
    settle: async () => {
      clearTimeout(timer)
      await written
    },
  }
}

/** The last write: the new state and the lock given back. Repeated by a resumed workflow, it finds nothing to do. */
async function finish(deps: RunDeps, node: Node, end: End, told: HistoryRow[]): Promise<void> {
  if (standsApart(deps.work.workflow))
    return write(deps, { ...givingLockBack, ...end.changes }, told, end.machine)
  const to = nextState(node.provision_state, end.end, node.target_provision_state)
  if (to === null) throw new Error(`State ${node.provision_state} knows no ${end.end}`)
  const row = moved(deps, node, to)
  const steps: NodeChanges =
    end.end === 'done' ? { clean_step: '{}', deploy_step: '{}', service_step: '{}' } : {}
  return write(
    deps,
    {
      ...steps,
      work: end.work ? JSON.stringify(end.work) : null,
      ...end.changes,
      ...row.changes,
      ...givingLockBack,
    },
    [...told, row.history],
    end.machine,
  )
}

async function write(
  deps: RunDeps,
  changes: NodeChanges,
  history: HistoryRow[],
  machine: MachineChanges = {},
): Promise<void> {
  // A column that both change: the machine's comes first. Left in between, the effect is done again, and it may be.
  if (Object.keys(machineColumns(machine)).some((column) => column in changes)) {
    await write(deps, {}, [], machine)
    return write(deps, changes, history)
  }
  const written = await deps.retrying(() =>
    changeNodeUnseen(deps.db, held(deps.hold), changes, history, machine),
  )
  if (!written) throw new LockLostError()
}

function moved(deps: RunDeps, node: Node, to: State): { changes: NodeChanges; history: HistoryRow } {
  const target = targetIn(to, node.target_provision_state)
  return {
    changes: {
      provision_state: to,
      target_provision_state: target,
      provision_updated_at: sql`now()`,
    },
    history: historyRow({
      event: `Moved from ${node.provision_state} to ${to}.`,
      type: eventTypeOf[deps.work.workflow],
      host: deps.hold.host,
      caller: deps.work.caller,
      state: to,
      target,
      seconds: secondsSince(node.provision_updated_at),
      key: keyOf(deps, node, to),
    }),
  }
}

const keyOf = (deps: RunDeps, node: Node, end: string): string =>
  `${deps.hold.workflowId}:${node.provision_state}>${end}`
