/** What the room offers to others, as types: the provisioner, its orders and what it needs to work. */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Hardware, MachineChange, Node, PowerTarget } from '../hardware/index.ts'
import type { Db } from '../store/index.ts'
import type { Verb } from './states.ts'

/** Who asked, for history and for the lessee that a deployment sets by itself. */
export interface Caller {
  userId: string | null
  projectId: string | null
}

/** One step of `clean_steps`, `deploy_steps` or `service_steps`. */
export interface AskedStep {
  interface: string
  step: string
  args?: Record<string, unknown>
  /** Deploy steps: when it runs; 0 leaves a step out that would run by itself. */
  priority?: number
  /** Clean and service steps: they run as given, or by this where it is given. */
  order?: number
}

/** What may come with a verb (`PUT states/provision`, everything but `target`). */
export interface VerbOptions {
  /** A URL, base64 text, or the parts of one. */
  configdrive?: string | Record<string, unknown>
  cleanSteps?: readonly AskedStep[]
  deploySteps?: readonly AskedStep[]
  serviceSteps?: readonly AskedStep[]
  rescuePassword?: string
  disableRamdisk?: boolean
}

export interface Order {
  /** The node as the caller saw it: the order is refused when its state has changed since. */
  node: Node
  verb: Verb
  caller: Caller
  options?: VerbOptions
}

export interface PowerOrder {
  node: Node
  target: PowerTarget
  /** How long the machine may take; `conductor.power_change_timeout_seconds` when left out. */
  timeoutSeconds?: number
  caller: Caller
}

export interface ChangeOrder {
  node: Node
  change: MachineChange
  caller: Caller
}

/** What a wait has come to: the failure, or what an inspection found. */
export interface Outcome {
  error?: string
  /** Merged into the node's. */
  properties?: Record<string, unknown>
  inventory?: Record<string, unknown>
  pluginData?: Record<string, unknown>
}

/** What an order has begun. */
export interface Begun {
  /** Provision state that the node is in now. */
  state: string
  /** Workflow that goes on with it; null when everything is done. */
  workflowId: string | null
}

export interface Provisioner {
  /**
   * Becomes a conductor: registers itself, takes up what an earlier process of this host left, and keeps
   * heartbeats, power states, timeouts and the work of dead conductors.
   * @throws Error when another living process is the conductor of this host name.
   */
  start(): Promise<void>
  /** Stops within two seconds. Work under way goes on at the next start, here or at another conductor. */
  stop(): Promise<void>
  /**
   * Begins a verb of states/provision: checks it (`checkOrder`), moves the node and takes its lock in one statement,
   * and starts the durable workflow. `manage` from most states, `abort` and `unhold` are done at once.
   *
   * @throws LeaseholdError 'invalid' (state, maintenance, retired, options), 'conflict' (locked, or moved since
   *   the caller looked), 'forbidden' (protected), 'unavailable' (no conductor, or none has a free worker).
   */
  begin(order: Order): Promise<Begun>
  /**
   * Changes power, durably: sets target_power_state and returns; the node is locked until the machine shows the
   * state or `last_error` says why not.
   *
   * @throws LeaseholdError 'invalid' (target, timeout, cleaning, unsupported), 'conflict' (locked, or
   *   disable_power_off), 'unavailable'.
   */
  setPower(order: PowerOrder): Promise<void>
  /**
   * Changes another thing of the machine, durably: returns at once; the node is locked until it is done or
   * `last_error` says why not.
   *
   * @throws LeaseholdError 'invalid' (unsupported), 'conflict' (locked, or in a state that forbids it),
   *   'unavailable'.
   */
  change(order: ChangeOrder): Promise<void>
  /**
   * Goes on with a node in a wait state: its step, inspection or rescue is done, or has failed for `error`.
   * @throws LeaseholdError 'conflict' when the node is locked or waits for nothing, 'not-found'.
   */
  resume(nodeUuid: string, outcome?: Outcome): Promise<Begun>
}

export interface ProvisionerDeps {
  db: Db
  /** The same database, for the durable workflows' own tables (schema `dbos`). */
  databaseUrl: string
  hardware: Hardware
  config: Config
  log: Logger
  /** Name of this conductor; `conductor.host` when left out. */
  host?: string
}
