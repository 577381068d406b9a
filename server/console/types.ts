/** What passes between a console, its watchers and the doors they come in by. */
import type { Caller } from '../access/index.ts'

/**
 * What a watcher asks for: to look on; to type if nobody else does; to take the keyboard from who is idle; to take it
 * from anybody.
 */
export const modes = ['read', 'write', 'take', 'force'] as const
export type Mode = (typeof modes)[number]

/** What a watcher's rights are found by, again and again while it watches. `source`: of those who come by TCP. */
export type Proof =
  | {
      kind: 'token'
      token: string
      serviceToken?: string
      /** The console token that it came by: its SHA-256, and its end. Dropped before that, it ends the visit. */
      console?: { hash: string; expiresAt: string }
    }
  | { kind: 'key'; keyId: string }
  | { kind: 'source' }

export type DoorKind = 'websocket' | 'ssh' | 'tcp'

/** Who stands at a door. */
export interface Visitor {
  caller: Caller
  proof: Proof
  door: DoorKind
  /** Where from: an IP address. */
  address: string
}

export interface AttachOptions {
  mode: Mode
  /** Where in the journal to go on; the last of it (`console.scrollback_kb`) when left out. */
  offset?: number | undefined
  /** In place of `console.scrollback_kb`; bytes. */
  scrollbackBytes?: number | undefined
}

/** What a console does with itself. */
export const lineStates = ['idle', 'opening', 'activating', 'up', 'backing off'] as const
export type LineState = (typeof lineStates)[number]

/** How a console is, and what to do if it is not well. */
export interface LineStatus {
  state: LineState
  since: Date
  /** Why it is not up, with the way to the machine in it: for who may see a node's last_error. Null when it is up. */
  reason: string | null
  /** The same for everybody else. */
  plainReason: string | null
}

export interface WatcherView {
  id: string
  user: string | null
  project: string | null
  /** `write` for the one whose keys go to the machine. */
  mode: 'read' | 'write'
  door: DoorKind
  since: string
}

/** What is told to a watcher beside the bytes. Times are ISO 8601, offsets bytes in the journal. */
export type Control =
  | {
      type: 'hello'
      node: { uuid: string; name: string | null }
      /** This watcher's own id. */
      watcher: string
      mode: 'read' | 'write'
      /** Of the first byte that follows; the oldest one can ask for; the end at this moment. */
      offset: number
      start: number
      end: number
      state: LineState
      reason: string | null
      power_state: string | null
      watchers: WatcherView[]
    }
  | { type: 'state'; state: LineState; reason: string | null; at: string }
  /** `power on`, `power off`, `provision active`, `break`, `overrun`, ... */
  | { type: 'event'; event: string; at: string }
  /** Bytes that are not there to be shown. The next byte is at `to`. */
  | { type: 'gap'; from: number; to: number; reason: string }
  /** The node was handed over; this watcher may go on. */
  | { type: 'wall'; offset: number; at: string }
  | { type: 'watchers'; watchers: WatcherView[] }
  /** Whether this watcher's keys go to the machine, since when and by whose doing. */
  | { type: 'mode'; mode: 'read' | 'write'; reason: string }
  | { type: 'resize'; columns: number; rows: number; by: string }
  /** What was asked for is not done. */
  | { type: 'error'; error: string }
  | { type: 'pong'; offset: number }
  /** The link to the conductor that keeps the console broke; it is being made anew, and nothing is lost. */
  | { type: 'reconnecting' }

/** What a watcher asks for beside its bytes. */
export type Request =
  | { type: 'break' }
  | { type: 'write' }
  | { type: 'take' }
  | { type: 'force' }
  /** Gives the keyboard up. */
  | { type: 'release' }
  | { type: 'resize'; columns: number; rows: number }
  | { type: 'ping' }

/** Why a watcher was cut. */
export const endings = {
  unauthenticated: 'the token has expired or was revoked',
  forbidden: 'the right to watch this console is gone',
  'lease-ended': 'the node has changed hands',
  disabled: 'the console was switched off',
  expelled: 'sent away by somebody who may',
  full: 'as many watch already as may; try again when one has left',
  unavailable: 'the console can not be reached now; try again',
  stopping: 'the service is stopping; try again',
} as const
export type Ending = keyof typeof endings

/** The door's end of a watcher. None of these may throw. */
export interface Sink {
  /**
   * Bytes of the journal at `offset`, right behind the ones before unless a `gap` came between. False when no more
   * should come before `drained` is called; these were taken all the same.
   */
  bytes(offset: number, bytes: Buffer): boolean
  control(message: Control): void
  /** `write` has room again after it said false. */
  writable(): void
  /** The watcher was cut; nothing comes after this. Not called for one's own `close`. */
  ended(ending: Ending): void
}

/** The console's end of a watcher. */
export interface Attachment {
  readonly node: { uuid: string; name: string | null }
  /** Keys for the machine. False when there is no room: none was taken, `writable` is called later. True, too, when they were dropped because this watcher does not write; it has been told so (`mode`). */
  write(bytes: Buffer): boolean
  request(request: Request): void
  /** The sink takes bytes again. */
  drained(): void
  /** The watcher left. */
  close(): void
}

/**
 * Lets a visitor in, whichever conductor keeps the console: what a door needs of the room.
 * @param ident name or UUID of a node
 * @throws LeaseholdError 'not-found' for a node that is absent or hidden, the same either way; 'forbidden' naming the
 *   rule; 'conflict' when the console is off; 'too-many' when it is full, or the caller's project has too many; 'unavailable' when nobody keeps it at the moment.
 */
export type Attach = (
  visitor: Visitor,
  ident: string,
  options: AttachOptions,
  sink: Sink,
) => Promise<Attachment>
