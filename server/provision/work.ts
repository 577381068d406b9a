/** What a workflow is to do with a node, as the node's row keeps it: no workflow needs another source. */
import type { MachineChange, Node, PowerTarget } from '../hardware/index.ts'
import type { MainVerb } from './states.ts'
import type { Caller, Outcome } from './types.ts'

/** The workflows there are, by what they do. */
export type WorkflowName =
  | 'verify'
  | 'clean'
  | 'inspect'
  | 'adopt'
  | 'deploy'
  | 'undeploy'
  | 'rescue'
  | 'unrescue'
  | 'service'
  | 'power'
  | 'change'

/** A step that will run: which, and with what. */
export interface PlannedStep {
  interface: string
  step: string
  args: Record<string, unknown>
  priority: number
  abortable: boolean
}

/** What an effect on the machine came to. A failure is a record too: what follows from it must not be forgotten. */
export interface EffectRecord {
  value?: unknown
  error?: string
  endedAt: number
  ms: number
}

export interface Work {
  workflow: WorkflowName
  caller: Caller
  /** Steps in their order; null: the workflow plans them itself. */
  steps: PlannedStep[] | null
  /** First step to do: those before it are done. */
  from: number
  /** Set when a wait is over: what came of it. */
  outcome?: Outcome
  /** What each effect came to, in their order: a workflow that goes on does none of them again. */
  done?: EffectRecord[]
  /** Of a power change. */
  power?: { target: PowerTarget; timeoutMs: number }
  /** Of another change of the machine. */
  change?: MachineChange
  /** How often it was taken up from another process: each time, the one before can no longer write. */
  takeUps?: number
  /** How often its process died in the middle of it. */
  deaths?: number
  /** Its process has stopped in good order. */
  paused?: boolean
  /** Work of a waiting node, kept while its power or another thing of its machine changes. */
  suspended?: Work | null
}

/** The work on record, or null. Only this room writes the column, so its shape is trusted. */
export const workOf = (node: Pick<Node, 'work'>): Work | null => node.work as unknown as Work | null

/** Whether a workflow leaves the provision state as it is. */
export const standsApart = (workflow: WorkflowName): boolean => workflow === 'power' || workflow === 'change'

/** Which workflow carries out a verb; `abort` and `unhold` need none. */
export const workflowOf: Record<Exclude<MainVerb, 'abort' | 'unhold'>, WorkflowName> = {
  manage: 'verify',
  provide: 'clean',
  clean: 'clean',
  inspect: 'inspect',
  adopt: 'adopt',
  active: 'deploy',
  rebuild: 'deploy',
  deleted: 'undeploy',
  rescue: 'rescue',
  unrescue: 'unrescue',
  service: 'service',
}
