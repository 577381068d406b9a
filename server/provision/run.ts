/** One run of a workflow over a node: what a workflow may do to the machine and to the node's row, and how it ends. */
import { DBOS } from '@dbos-inc/dbos-sdk'
import { sql } from 'kysely'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Bounds, Hardware, Node } from '../hardware/types.ts'
import type { Db } from '../store/index.ts'
import { failureOf } from './failing.ts'
import { eventTypeOf, type HistoryRow, historyRow, secondsSince } from './history.ts'
import { changeNode, givingLockBack, type Hold, held, type NodeChanges } from './nodes.sql.ts'
import { type InternalEvent, nextState, type State, targetIn } from './states.ts'
import type { PlannedStep, Work } from './work.ts'

/** How a workflow ends when nothing has failed. */
export interface End {
  end: 'done' | 'wait' | 'hold'
  changes?: NodeChanges
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
  /** The node as it was when the workflow began, or after its last `move`. */
  readonly node: Node
  readonly work: Work
  readonly hardware: Hardware
  readonly config: Config
  /**
   * Does something to the machine, once: what it returned or threw is on record before this returns, and a resumed
   * workflow is told that instead of doing it again.
   * @throws Error whose message says what was done and why it failed.
   */
  effect<T>(name: string, act: (bounds: Bounds) => Promise<T>, options?: EffectOptions): Promise<T>
  /** Moves the node within the workflow, keeping the lock. */
  move(event: InternalEvent, changes?: NodeChanges): Promise<void>
  /** Done, the last first, when a later part of the workflow fails. */
  onFailure(name: string, act: (bounds: Bounds) => Promise<void>): void
}

export interface RunDeps {
  db: Db
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
  const { run, told, undo } = createRun(deps)
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
    await write(deps, changes, [...told(), history])
    return
  }
  await finish(deps, run.node, end, told())
}

function createRun(deps: RunDeps): { run: Run; told: () => HistoryRow[]; undo: () => Promise<void> } {
  let node = deps.node
  // Told again with every write: what is in the history already stays as it is, for each row has a key.
  const rows: HistoryRow[] = []
  const told = (): HistoryRow[] => rows
  const undos: { name: string; act: (bounds: Bounds) => Promise<void> }[] = []
  const tell = (name: string, key: string, record: { endedAt: number; ms: number }, error?: string) =>
    rows.push(
      historyRow({
        event: error === undefined ? `${name}: done.` : `${name}: failed: ${error}`,
        type: eventTypeOf[deps.work.workflow],
        host: deps.hold.host,
        caller: deps.work.caller,
        severity: error === undefined ? 'INFO' : 'ERROR',
        state: node.provision_state,
        target: node.target_provision_state,
        seconds: record.ms / 1000,
        at: new Date(record.endedAt),
        key: `${deps.hold.workflowId}:${key}`,
      }),
    )

  let count = 0
  const effect = async <T>(
    name: string,
    act: (bounds: Bounds) => Promise<T>,
    options: EffectOptions = {},
  ) => {
    const key = String(count++)
    const showing = showLater(deps, options.showing, told)
    try {
      const record = await DBOS.runStep(() => attempt(deps, act, options.timeoutMs), { name })
      if ('error' in record) {
        tell(name, key, record, record.error)
        throw new Error(`${name} failed: ${record.error}`)
      }
      tell(name, key, record)
      return record.value
    } finally {
      await showing.settle()
    }
  }

  const run: Run = {
    get node() {
      return node
    },
    work: deps.work,
    hardware: deps.hardware,
    config: deps.config,
    effect,
    async move(event, changes = {}) {
      const to = nextState(node.provision_state, event)
      if (to === null) return // a resumed workflow that had moved the node already
      const row = moved(deps, node, to)
      node = await write(deps, { ...changes, ...row.changes }, [...told(), row.history])
    },
    onFailure: (name, act) => undos.push({ name, act }),
  }
  const undo = async () => {
    // What an undo fails at is told in history; the cause of the failure stays what last_error says.
    for (const { name, act } of undos.toReversed()) await effect(name, act).catch(() => {})
  }
  return { run, told, undo }
}

/** What is on record of an effect. A failure is a value, so that history knows how long it took. */
type EffectRecord<T> = { endedAt: number; ms: number } & ({ value: T } | { error: string })

async function attempt<T>(
  deps: RunDeps,
  act: (bounds: Bounds) => Promise<T>,
  timeoutMs = deps.config['conductor.step_timeout_seconds'] * 1000,
): Promise<EffectRecord<T>> {
  if (deps.signal.aborted) return deps.park()
  const begunAt = Date.now()
  const record = () => ({ endedAt: Date.now(), ms: Date.now() - begunAt })
  const controller = new AbortController()
  const stop = () => controller.abort(deps.signal.reason)
  deps.signal.addEventListener('abort', stop, { once: true })
  let giveUp: () => void = () => {}
  const timer = setTimeout(() => giveUp(), timeoutMs)
  try {
    const value = await Promise.race([
      act({ signal: controller.signal }),
      new Promise<never>((_, reject) => {
        giveUp = () => {
          const error = new Error(`no answer within ${timeoutMs / 1000} s`)
          reject(error)
          controller.abort(error)
        }
        controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error))
      }),
    ])
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

/** Writes the current step into the node's row if it lasts, with what history has to tell so far. */
function showLater(
  deps: RunDeps,
  showing: EffectOptions['showing'],
  told: () => HistoryRow[],
): { settle: () => Promise<void> } {
  if (!showing) return { settle: async () => {} }
  let written: Promise<unknown> | undefined
  const timer = setTimeout(() => {
    written = changeNode(
      deps.db,
      held(deps.hold),
      { [showing.column]: JSON.stringify(showing.step) },
      told(),
    ).catch(
      () => {}, // shown or not, the step goes on
    )
  }, showAfterMs)
  return {
    settle: async () => {
      clearTimeout(timer)
      await written
    },
  }
}

/** The last write: the new state and the lock given back. Repeated by a resumed workflow, it finds nothing to do. */
async function finish(deps: RunDeps, node: Node, end: End, told: HistoryRow[]): Promise<Node> {
  if (deps.work.workflow === 'power') return write(deps, { ...givingLockBack, ...end.changes }, told)
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
  )
}

async function write(deps: RunDeps, changes: NodeChanges, history: HistoryRow[]): Promise<Node> {
  const changed = await deps.retrying(() => changeNode(deps.db, held(deps.hold), changes, history))
  if (!changed) throw new LockLostError()
  return changed
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
