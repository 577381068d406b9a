/** What the room offers to others, as types, and what it needs of a switch. */
import type { Switch, SwitchOptions, SwitchTarget } from '@leasehold/switches'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Node } from '../inventory/index.ts'
import type { Db, NetworkRole } from '../store/index.ts'
import type { Upstream } from './upstream/index.ts'
import type { Vault } from './vault.ts'

/** A switch, as far as its keeper uses it. */
export type SwitchHandle = Pick<Switch, 'read' | 'plan' | 'apply' | 'watch' | 'close'>
export type OpenSwitch = (target: SwitchTarget, options: SwitchOptions) => SwitchHandle

/** What a call waits for at most. */
export interface Bounds {
  signal: AbortSignal
}

/** The networks of nodes whose network interface is `switch`. */
export interface Wiring {
  listVifs(node: Node): Promise<{ id: string }[]>
  /**
   * Attaches a port of a network, or a network, to a node whose tenant may use it; on an active node it is put onto
   * the switch at once. Waits a little for that, and goes on in any case: the port's status says when it is live.
   * @throws LeaseholdError 'invalid' for what the node's tenant may not use, or nothing is free for; 'conflict'.
   */
  attachVif(node: Node, vif: Readonly<Record<string, unknown>>, bounds: Bounds): Promise<void>
  /** @throws LeaseholdError 'invalid' for a VIF that is not attached. */
  detachVif(node: Node, id: string, bounds: Bounds): Promise<void>
  /** Takes every VIF off, and waits until the switches say so. */
  releaseVifs(node: Node, bounds: Bounds): Promise<void>
  /**
   * Puts a node into a role, and returns once every switch port of it has been read back to be as that wants.
   * @throws LeaseholdError 'unavailable' when a switch cannot be verified to be so: a node that was to be idle is in
   *   maintenance then; 'invalid' for a VIF that no listed switch port can carry; 'conflict' for a node that has
   *   changed hands.
   */
  enter(node: Node, role: NetworkRole, bounds: Bounds): Promise<void>
  /** @throws LeaseholdError 'conflict' while a switch port may still be in a network of a tenant that had the node before. */
  checkIsolated(node: Pick<Node, 'uuid'>): Promise<void>
}

export interface Networking extends Wiring {
  /** The Neutron that holds the networks, where one does. */
  upstream?: Pick<Upstream, 'projectOf'>
  /** Begins to keep switches as they are wanted. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Of the switches that this process keeps. */
  census(): { switches: number; unreachable: number }
}

export interface NetworkingDeps {
  db: Db
  /** The same database, to hear of changes. */
  databaseUrl: string
  config: Config
  log: Logger
  vault: Vault
  /** Opens a switch; the library's own when left out. */
  open?: OpenSwitch
  /** Silence after which a keeper of switches is dead, milliseconds; 20,000 when left out. */
  silentMs?: number
}
