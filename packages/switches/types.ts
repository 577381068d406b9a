/** What is wanted of a switch, what it says, and what a dialect, a transport and a driver are. Types only. */

/** An IEEE 802.1Q VLAN id, 1 to 4094. Checked at the door. */
export type VlanId = number

/** A port's name as the switch's dialect writes it: `Ethernet1/1`, `port-channel10`, `swp1`. */
export type PortName = string

// ---------------------------------------------------------------------------------------------------- what is wanted

/** A link aggregation group that a port is a member of. All members of a group carry the same intent. */
export type Lag = {
  group: number
  lacp: 'active' | 'passive'
  /** The number that two switches of a pair give to the same group (vPC, MLAG), where the group spans both. */
  multiChassis?: number
}

type Settings = {
  /** Spanning tree takes the port for one without a bridge behind it: it forwards at once, which network boot needs. */
  stpEdge: boolean
  /** Left as it is if absent. */
  mtu?: number
  /** Left as it is if absent; '' removes it. */
  description?: string
}

/**
 * What a port is to be.
 *
 * - `access`: untagged frames belong to `vlan`, tagged ones are dropped.
 * - `trunk`: frames tagged with exactly the VLANs of `tagged`; untagged ones belong to `native`, or are dropped if null.
 * - `idle`: down, and should it come up by mistake, access in the `quarantine` VLAN. Leaves its LAG.
 */
export type PortIntent = Settings &
  (
    | { mode: 'access'; vlan: VlanId; adminUp: boolean; lag?: Lag }
    | { mode: 'trunk'; native: VlanId | null; tagged: readonly VlanId[]; adminUp: boolean; lag?: Lag }
    | { mode: 'idle'; quarantine: VlanId }
  )

/** A VLAN that is to exist. Without a name, its name is left as it is. */
export type VlanIntent = { id: VlanId; name?: string }

/** One change: what it names comes to be as it says, all of it or nothing; what it does not name stays as it is. */
export type Wanted = {
  vlans?: readonly VlanIntent[]
  ports?: Readonly<Record<PortName, PortIntent>>
  /** VLANs to remove: only one that has this very name, so is ours, and that no port uses. */
  removeVlans?: readonly Required<VlanIntent>[]
}

// ------------------------------------------------------------------------------------------------ what the switch says

export type VlanState = { id: VlanId; name: string; active: boolean }

/** What frames a port takes part in. `tagged` holds no native VLAN. `all` is a trunk without a list: every VLAN. */
export type Membership =
  | { mode: 'access'; vlan: VlanId }
  | { mode: 'trunk'; native: VlanId | null; tagged: readonly VlanId[] | 'all' }
  | { mode: 'routed' }
  | { mode: 'other'; what: string }

export type PortState = {
  name: PortName
  membership: Membership
  adminUp: boolean
  stpEdge: boolean
  mtu: number | null
  description: string
  /** The group the port is a member of; `lacp: 'on'` is a group without LACP. */
  lag: { group: number; lacp: 'active' | 'passive' | 'on' } | null
  /** For a LAG's own interface: its number on both switches of a pair, if it spans them. */
  multiChassis: number | null
  /** Why nobody but the operator may touch it, in words: 'peer link', 'uplink', 'has an IP address'; null for others. */
  protected: string | null
  /**
   * Settings without effect now that would have one after a change of mode (an access port's old list of trunk VLANs).
   * A port that is as wanted has none.
   */
  leftovers: readonly string[]
  /** The switch's own lines, where the dialect undoes by them (`restore`). Equal lines prove that all is as before. */
  lines?: readonly string[]
}

/** `ports` has physical ports and LAG interfaces, by name; `vlans` by id. */
export type SwitchState = {
  vlans: ReadonlyMap<VlanId, VlanState>
  ports: ReadonlyMap<PortName, PortState>
}

/** One field that is not as wanted, in words that can be shown. */
export type Difference = { what: string; field: string; is: string; wanted: string }

// -------------------------------------------------------------------------------------------------------------- steps

/**
 * One move on the way from what is to what is wanted, in an order that keeps tenants apart: VLANs first, ports down
 * that need it, out of the old, into the new, up last, VLANs removed at the end.
 * `port` may be a LAG's interface. `from` of `membership` is what the port is at that moment.
 */
export type Step =
  | { kind: 'vlan'; vlan: VlanIntent; exists: boolean }
  | { kind: 'down'; port: PortName }
  | { kind: 'leave-lag'; port: PortName; group: number }
  | { kind: 'make-lag'; port: PortName; group: number }
  | { kind: 'membership'; port: PortName; from: Membership | null; to: Settled }
  | {
      kind: 'settings'
      port: PortName
      to: Settled | null
      set: { stpEdge?: boolean; mtu?: number; description?: string }
    }
  | { kind: 'multi-chassis'; port: PortName; number: number }
  | { kind: 'join-lag'; port: PortName; lag: Lag }
  | { kind: 'up'; port: PortName }
  | { kind: 'remove-lag'; port: PortName; group: number }
  | { kind: 'remove-vlan'; vlan: Required<VlanIntent> }

/** A membership that an intent can ask for. */
export type Settled =
  | Extract<Membership, { mode: 'access' }>
  | { mode: 'trunk'; native: VlanId | null; tagged: readonly VlanId[] }

/** What would be done: JSON, to be shown and logged. `lines` is what would be sent. */
export type Plan = { steps: readonly Step[]; lines: readonly string[]; differences: readonly Difference[] }

/** What was done. */
export type Result = {
  /** What was different before. Empty: the switch was as wanted, and nothing was written. */
  changes: readonly Difference[]
  /** Always true: what could not be verified is an error. */
  verified: true
  /** True if it would survive a restart of the switch, otherwise why it was not saved ('saving is turned off'). */
  saved: true | string
}

// ------------------------------------------------------------------------------------------------- dialect, transport

/** What a dialect sends. `line` is what people read in plans and errors; a transport's requests carry more. */
export type Request = { line: string; port?: PortName }
/** What came back for one request, in the order of the requests. A refusal may come alone, for a batch that was undone. */
export type Reply = { line: string; text: string; port?: PortName }

/** What a reply means. `retry`: nothing was done, try again shortly (a locked configuration, a stale expectation). */
export type Verdict =
  | { is: 'ok' }
  | { is: 'retry'; reply: string }
  | { is: 'error'; code?: 'unknown-port' | 'missing-vlan' | 'busy' | 'auth'; reply: string }

export type Capabilities = {
  /** VLANs must exist before a port can use them (`explicit`) or need not be made at all (`implicit`). */
  vlans: 'explicit' | 'implicit'
  lag: boolean
  /** False where LACP is always active; true if absent. */
  lacpPassive?: boolean
  multiChassis: boolean
  stpEdge: boolean
  mtu: boolean
  description: boolean
  /** A change is all or nothing by the device's own means; without `Dialect.transaction`, because it is one request. */
  transaction: boolean
  /** The running configuration is lost at a restart unless saved. */
  save: boolean
}

/** What a dialect may need for rendering beside the steps. */
export type RenderContext = { before: SwitchState; id: string }

/** Requests around a change, for a device that can undo. All optional. */
export type Transaction<Q extends Request> = {
  /** Before the first step: take a checkpoint, open a session, lock. */
  begin?: (id: string) => readonly Q[]
  /** After the last step, before the state is read back: commit with a timer that undoes it. */
  arm?: (id: string) => readonly Q[]
  /** After the state was found as wanted, before it is saved: confirm the commit. From here `rollback` is not used. */
  commit?: (id: string) => readonly Q[]
  /** After all went well, or after a rollback: drop the checkpoint. A refusal of these is no error. */
  end?: (id: string) => readonly Q[]
  /** Back to what was. Sent in a new session if the old one broke; must work at any point after `begin`. */
  rollback: (id: string, before: SwitchState) => readonly Q[]
}

/**
 * A vendor's language: pure functions, no input or output.
 */
export type Dialect<Q extends Request = Request, A extends Reply = Reply> = {
  name: string
  capabilities: Capabilities
  /** The name as the switch writes it, or null if no port can be called so. `lagName` names a group's interface. */
  normalisePort: (name: string) => PortName | null
  lagName: (group: number) => PortName
  /** What to ask for the state; all of the switch if no ports are named. */
  readRequests: (ports?: readonly PortName[]) => readonly Q[]
  parseState: (replies: readonly A[], ports?: readonly PortName[]) => SwitchState
  /** Ordered steps; most dialects take `orderedSteps` as it is. Empty if all is as wanted. */
  diff: (state: SwitchState, target: Target) => readonly Step[]
  render: (steps: readonly Step[], context: RenderContext) => readonly Q[]
  classify: (reply: A) => Verdict
  /** Why this intent cannot be had from this kind of switch, or null. */
  forbidden: (port: PortName, intent: PortIntent) => string | null
  /** Why this VLAN cannot be made on this kind of switch (reserved ids, long names), or null. */
  forbiddenVlan: (vlan: VlanIntent) => string | null
  transaction?: Transaction<Q>
  /**
   * Brings what `touched` names back from `now` to `before`: for a device that cannot undo, and for a change that was
   * committed before it failed. Without it, the steps of the way back are taken, which cannot say everything (a routed
   * port, a trunk of all VLANs). Inside of `begin`, `arm` and `commit` if there is a transaction.
   */
  restore?: (before: SwitchState, now: SwitchState, touched: Target, id: string) => readonly Q[]
  /**
   * The change of a process that was killed is taken back by the next one, which has `before` as JSON: no more than the
   * state itself may be needed for that. For devices that neither go back by themselves nor take a change as one.
   */
  recoverable?: true
  /** Makes the running configuration survive a restart. */
  saveRequests?: () => readonly Q[]
}

/** What is wanted with names normalised and LAG interfaces spelt out: made by the core, used by `diff`. */
export type Target = {
  vlans: readonly VlanIntent[]
  removeVlans: readonly Required<VlanIntent>[]
  /** By normalised name. Members of LAGs have `membership: null`: they take it from their LAG's interface. */
  ports: ReadonlyMap<PortName, PortTarget>
  /** Groups whose interface goes because this change takes the last member out. */
  removeLags: ReadonlySet<number>
}
export type PortTarget = {
  name: PortName
  membership: Settled | null
  adminUp: boolean
  stpEdge: boolean | null
  mtu: number | null
  description: string | null
  /** undefined for a LAG's own interface, null for a port that is to be in no LAG. */
  lag: Lag | null | undefined
  /** For a LAG's own interface: its group. */
  group: number | null
  multiChassis: number | null
}

/**
 * An open conversation. Requests go one after another; sending stops after the first reply that `goOn` refuses, which is
 * the last of those returned. `timeoutMs` is for all of them together. A reply repeats its request's `line` and `port`.
 */
export type Session<Q extends Request = Request, A extends Reply = Reply> = {
  send: (
    requests: readonly Q[],
    goOn: (reply: A) => boolean,
    options: { timeoutMs: number },
  ) => Promise<readonly A[]>
  /** Changes that somebody makes, where the device tells. Returns what stops it. */
  watch?: (onChange: () => void) => Promise<() => Promise<void>>
  /** False once it broke or was closed. */
  alive: () => boolean
  close: () => Promise<void>
}

/** How bytes get there and back; knows no vendor. Throws SwitchError unreachable, auth, host-key, timeout. */
export type Transport<Q extends Request = Request, A extends Reply = Reply> = {
  name: string
  /** Its sessions have `watch`. */
  watches?: boolean
  connect: (target: SwitchTarget, options: { timeoutMs: number }) => Promise<Session<Q, A>>
}

/** How a switch is known to be itself. One of them must be given; `insecure` switches the check off. */
export type Trust = {
  /** SSH: fingerprints as `ssh-keygen -l` prints them, SHA256:... */
  hostKeys?: readonly string[]
  /** TLS: certificates of authorities, PEM. */
  ca?: string
  /** TLS: SHA-256 fingerprints of the switch's own certificate, hexadecimal with or without colons. */
  certificates?: readonly string[]
  insecure?: 'I accept any host key and any certificate'
}

/** One switch and how to log in. */
export type SwitchTarget = {
  /** A name of the table `drivers`: 'cisco-nxos-nxapi', 'cisco-nxos-ssh', 'openvswitch', ... */
  driver: string
  /** Name or address; for OVSDB also `unix:/path`. */
  address: string
  /** The transport's usual port if absent. */
  port?: number
  username?: string
  password?: string
  /** For SSH, PEM or OpenSSH format. */
  privateKey?: string
  /** TLS client certificate and key, PEM (OVSDB, gNMI). */
  clientCertificate?: { certificate: string; key: string }
  trust: Trust
  /** What only one kind of switch needs: `bridge` for Open vSwitch, `domain` for NVUE, ... */
  settings?: Readonly<Record<string, string>>
}

/** A kind of switch: a language over a wire. */
export type Driver = { transport: Transport; dialectFor: (target: SwitchTarget) => Dialect }

// ------------------------------------------------------------------------------------------------------- the switch

/** What may be touched. Everything else may not. */
export type Guard = {
  /** Ports by name; LAG interfaces that the operator made may be listed too. */
  ports: readonly PortName[]
  /** Tenant and quarantine VLANs: '100-199,300'. */
  vlans: string
  /** Group numbers that may be made, used and removed: '10-99'. None if absent. */
  lagGroups?: string
}

/** Where a switch's unfinished business is kept, each switch's by itself. An entry is JSON, and nobody's business but ours. */
export type Journal = {
  /** What was written last, by whichever process; null when nothing is owed to the switch. */
  read: () => Promise<unknown>
  /** Resolves once it would outlive this process. When it throws, nothing is said to the switch. */
  write: (entry: unknown) => Promise<void>
}

export type SwitchOptions = {
  guard: Guard
  /** Save to the startup configuration; true if absent. */
  save?: boolean
  /** Changes that arrive within this time share a session, a transaction and a save; 10. */
  gatherMs?: number
  connectTimeoutMs?: number
  commandTimeoutMs?: number
  saveTimeoutMs?: number
  /** From the call of `apply` to its end, waiting in the queue included; 120,000. */
  applyTimeoutMs?: number
  /** A session without work is closed after this time; 10,000. */
  idleSessionMs?: number
  /** Changes that may wait; more are refused as busy; 1,000. */
  queueLimit?: number
  /** After so many failures to connect in a row (3) nothing is tried for `breakerOpenMs` (15,000). */
  breakerFailures?: number
  breakerOpenMs?: number
  /** Taken before anything is written, and released after the save: for several processes with one database. */
  lease?: () => Promise<() => Promise<void>>
  /**
   * Kept for this switch where a process that is killed cannot take it along: the next one takes back what that one left
   * half done, and saves what it had not saved. Without it a killed process's change stays as it is.
   */
  journal?: Journal
  /** Told of what happens; never of secrets. */
  onEvent?: (event: SwitchEvent) => void
}

export type SwitchEvent =
  | { event: 'connected'; tookMs: number }
  | { event: 'connect-failed'; error: string }
  | { event: 'applied'; changes: number; ports: number; tookMs: number }
  | { event: 'refused'; code: string; message: string }
  | { event: 'rolled-back'; verified: boolean }
  | { event: 'saved'; tookMs: number }
  | { event: 'split'; ports: number }

export type Switch = {
  capabilities: Capabilities
  /** What the switch says; all ports if none are named. @throws SwitchError unknown-port, unreachable, auth, ... */
  read: (ports?: readonly PortName[]) => Promise<SwitchState>
  /** What `apply` would do, guards included. Writes nothing. */
  plan: (wanted: Wanted) => Promise<Plan>
  /** Makes it so, or throws SwitchError; see its codes. Doing it twice writes once. */
  apply: (wanted: Wanted) => Promise<Result>
  /** Calls back after somebody changed the switch, where it tells (Open vSwitch); undefined elsewhere: poll `read`. */
  watch: ((onChange: () => void) => Promise<() => Promise<void>>) | undefined
  /** Waits for what is under way, refuses what waits. */
  close: () => Promise<void>
}
