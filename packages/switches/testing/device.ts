/** What every simulated switch offers to tests, whatever language it speaks. */
import type { SwitchTarget, VlanId } from '../types.ts'

/** What frames a port takes part in at this moment; nothing for one that is down or routed. */
export type Seen = { port: string; untagged: VlanId | null; tagged: readonly VlanId[] | 'all' }

/** How a port may be found. `stale`: access, with lists and natives of an old life still there. */
export type Dirt = 'factory' | 'routed' | 'trunk-all' | 'stale'

/** A line that came, and the heading it came under (`interface Ethernet1/1`). */
export type Said = { line: string; context: string }

/** What goes wrong, until taken away. */
export type Faults = {
  /** The words with which a line is refused. */
  refuse?: ((said: Said) => string | undefined) | undefined
  /** Accepted without a word, and not done. */
  ignore?: ((said: Said) => boolean) | undefined
  /** The connection breaks when the line comes; nothing of the line is done. */
  drop?: ((said: Said) => boolean) | undefined
  /** No answer ever. */
  hang?: ((said: Said) => boolean) | undefined
  failSave?: boolean | undefined
  loginDelayMs?: number | undefined
  saveDelayMs?: number | undefined
  /** Lines to a page, even if asked for none. */
  pager?: number | undefined
}

export type Counts = { logins: number; writes: number; saves: number }

export type SimulatedSwitch = {
  target: (overrides?: Partial<SwitchTarget>) => SwitchTarget
  /** Physical ports that tests may use, at least six. */
  ports: readonly string[]
  faults: Faults
  counts: Counts
  /** The whole running configuration: equal text means equal switches. */
  config: () => string
  /** What a restart would bring back. */
  saved: () => string
  makeDirty: (port: string, dirt: Dirt) => void | Promise<void>
  /** Whether a line (or operation) is the one that puts this port into a VLAN, takes it down, ... */
  isAbout: (said: Said, port: string) => boolean
  /**
   * Called after every line that changed what a port takes part in. The simulated Nexus waits for what it returns before
   * it goes on, so that frames can be tried between two lines.
   */
  onPortState: (observer: (seen: Seen) => unknown) => void
  /** What a port takes part in now. */
  seen: (port: string) => Seen
  /** Something that the operator reserves: an uplink, a peer link. */
  protectedPort: string | undefined
  close: () => Promise<void>
}
