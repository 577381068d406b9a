/** What a caller says of a serial console it opens, and what it gets. */
import type { IpmiError } from './errors.ts'
import type { SolQuirk } from './sol-quirks.ts'

export type SolOptions = {
  /**
   * Characters from the machine, in order, each once; perhaps before openSol has given the console. They are
   * acknowledged after this has returned; if it throws they are not, and the console is lost.
   */
  onData(bytes: Buffer): void
  /** The login is done, SOL is being asked for. */
  onActivating?(): void
  /**
   * The BMC's id of the new session: the next openSol's `previousSessionId`, should this process be killed. What it
   * gives is waited for before SOL is asked for.
   */
  onSession?(sessionId: number): void | Promise<void>
  /** Everything that was written has been taken by the BMC. */
  onDrained?(): void
  /** The machine sent a break; or the BMC dropped output that then never got here. */
  onNoted?(event: 'break' | 'overrun'): void
  /** The console is gone, for another client if the code is 'taken'. Nothing comes after this. */
  onLost(error: IpmiError): void
  /** What to do when SOL is active for somebody else: take it from them, or fail as 'taken'. */
  whenTaken: 'retake' | 'yield'
  /** How often the BMC is asked whether it lives and SOL is still ours; 2,000 unless given. */
  keepAliveMs?: number
  /** A session that an earlier process had: it is closed first. */
  previousSessionId?: number
  /** Bytes that may wait for the BMC; 65,536 unless given. */
  maxQueuedBytes?: number
  /** False: characters are signed, but not encrypted, for BMCs that cannot. */
  encryption?: boolean
  quirks?: readonly SolQuirk[]
}

export type Sol = {
  /** The BMC's id of its session. */
  readonly sessionId: number
  /** Bytes that the BMC has not taken yet. */
  readonly queued: number
  /** Queues bytes for the machine; false, and none is taken, when there is no room for all of them. */
  write(bytes: Buffer): boolean
  /** Sends a serial break, after what was written before it. */
  sendBreak(): void
  /** Ends SOL and its session, within about a second whatever the BMC does. `onLost` is not called. */
  close(): Promise<void>
}
