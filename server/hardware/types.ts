/** What hardware types and their interfaces are: small objects of functions over a node. Names are Ironic's. */
import type { Selectable } from 'kysely'
import type { MachineChanges, NetworkRole, NodesTable } from '../store/index.ts'

export type { BiosSetting, FirmwareComponent, MachineChanges, NetworkRole } from '../store/index.ts'

export const interfaceTypes = [
  'bios',
  'boot',
  'console',
  'deploy',
  'firmware',
  'inspect',
  'management',
  'network',
  'power',
  'raid',
  'rescue',
  'storage',
  'vendor',
] as const
export type InterfaceType = (typeof interfaceTypes)[number]

/** A node as its row is. */
export type Node = Selectable<NodesTable>

export type PowerState = 'power on' | 'power off' | 'error'
export const powerTargets = [
  'power on',
  'power off',
  'rebooting',
  'soft rebooting',
  'soft power off',
] as const
export type PowerTarget = (typeof powerTargets)[number]

export const bootDevices = [
  'pxe',
  'disk',
  'cdrom',
  'bios',
  'safe',
  'wanboot',
  'iscsiboot',
  'floppy',
  'uefihttp',
] as const
export type BootDevice = (typeof bootDevices)[number]

/** What a call into hardware is bounded by. */
export interface Bounds {
  signal: AbortSignal
}

/** What every interface implementation has. */
export interface Implementation {
  /** The name in `X_interface`: `ipmitool`, `fake`, `noop`, `no-console`. */
  readonly name: string
  /** Set for those that refuse everything, such as `no-console`: GET validate says null of them. */
  readonly unsupported?: true
  /** `driver_info` keys that it reads, with what each means: GET /v1/drivers/D/properties. */
  readonly properties: Readonly<Record<string, string>>
  /**
   * Checks what the node says of itself, without touching the machine.
   * @throws LeaseholdError 'invalid' naming the field and the remedy.
   */
  validate(node: Node): void
  readonly steps?: readonly Step[]
}

export type StepKind = 'clean' | 'deploy' | 'service' | 'verify'

/** One step of cleaning, deploying, servicing or verifying. */
export interface Step {
  readonly kind: StepKind
  readonly interface: InterfaceType
  readonly step: string
  /** Automatic steps run in order of falling priority; 0: only when asked for. */
  readonly priority: number
  readonly abortable?: boolean
  readonly requiresRamdisk?: boolean
  readonly args?: Readonly<Record<string, { description: string; required?: boolean }>>
  /** Does the step. It may be repeated after a crash, so it must be idempotent. */
  run(node: Node, args: Readonly<Record<string, unknown>>, bounds: Bounds): Promise<StepResult>
}

/**
 * `'wait'`: the step goes on by itself, and the node waits until it is resumed. `changes`: what the node is told of its
 * machine, written with the end of the step.
 */
export type StepResult = undefined | 'wait' | { changes: MachineChanges }

export interface PowerInterface extends Implementation {
  readonly supported: readonly PowerTarget[]
  getState(node: Node, bounds: Bounds): Promise<PowerState>
  /**
   * Asks for a change and returns when the machine shows it, or throws after `timeoutMs`; a reboot is off and on,
   * each with that time of its own. Does nothing when the machine is so already (a reboot of a machine that is off
   * turns it on). The caller records the new state: that of a fake machine is what its row says.
   */
  setState(node: Node, target: PowerTarget, bounds: Bounds & { timeoutMs: number }): Promise<void>
}

export const bootModes = ['bios', 'uefi'] as const
export type BootMode = (typeof bootModes)[number]

export const mediaTypes = ['cdrom', 'disk', 'floppy'] as const
export type MediaType = (typeof mediaTypes)[number]

/** An image to be inserted as if it were on a disc. */
export interface Medium {
  device_type: MediaType
  image_url: string
  image_download_source: 'http' | 'local' | 'swift'
}

/** A device for virtual media, and what is in it. */
export interface MediaDevice {
  media_types: readonly string[]
  inserted: boolean
  image: string | null
}

export const indicatorStates = ['on', 'off', 'blinking', 'unknown'] as const
export type IndicatorState = (typeof indicatorStates)[number]

/** A light of a machine; `component` is one of chassis, system, disk, power, nic. */
export interface Indicator {
  component: string
  name: string
  readonly: boolean
  states: readonly IndicatorState[]
}

/** Calls that are left out are not supported: whoever asks gets 400. What a call returns, the caller records. */
export interface ManagementInterface extends Implementation {
  supportedBootDevices(node: Node): readonly BootDevice[]
  getBootDevice(
    node: Node,
    bounds: Bounds,
  ): Promise<{ boot_device: BootDevice | null; persistent: boolean | null }>
  /** The caller records the device in `nodes.boot_device` afterwards: a fake machine has no other memory. */
  setBootDevice(node: Node, device: BootDevice, persistent: boolean, bounds: Bounds): Promise<void>
  injectNmi?(node: Node, bounds: Bounds): Promise<MachineChanges>
  setBootMode?(node: Node, mode: BootMode, bounds: Bounds): Promise<MachineChanges>
  setSecureBoot?(node: Node, on: boolean, bounds: Bounds): Promise<MachineChanges>
  indicators?(node: Node): readonly Indicator[]
  getIndicator?(node: Node, indicator: Indicator, bounds: Bounds): Promise<IndicatorState>
  setIndicator?(
    node: Node,
    indicator: Indicator,
    state: IndicatorState,
    bounds: Bounds,
  ): Promise<MachineChanges>
  listMedia?(node: Node, bounds: Bounds): Promise<readonly MediaDevice[]>
  attachMedium?(node: Node, medium: Medium, bounds: Bounds): Promise<MachineChanges>
  /** Ejects what is in devices of these types; nothing there is no error. */
  detachMedia?(node: Node, types: readonly MediaType[], bounds: Bounds): Promise<MachineChanges>
}

/** Calls are left out by those that have no console. */
export interface ConsoleInterface extends Implementation {
  start?(node: Node, bounds: Bounds): Promise<MachineChanges>
  stop?(node: Node, bounds: Bounds): Promise<MachineChanges>
  /**
   * Opens the machine's serial line and keeps it until `close` or `lost`. It opens one line and does not try again:
   * that is its caller's affair.
   * @throws LeaseholdError that says why there is none and what to do.
   */
  open?(node: Node, events: LineEvents, options: LineOptions): Promise<Line>
}

export interface LineOptions extends Bounds {
  /** What to do when somebody else has the line (SOL "already active"), now or later: take it, or leave it to them. */
  whenTaken: 'retake' | 'yield'
  /** How often a silent machine is asked whether the line still is ours, milliseconds. */
  keepAliveMs: number
  /** What `remember` was last told, by this process or an earlier one: a line left open then is closed first. */
  remembered: Readonly<Record<string, unknown>> | null
}

/** What a line tells its keeper. None of these may throw, but `data`. */
export interface LineEvents {
  /**
   * Bytes from the machine, in order, each once. They are acknowledged to the machine after this has returned; if it
   * throws they are not, and the line is lost.
   */
  data(bytes: Buffer): void
  /** The login to the BMC is done, the serial line is being asked for. */
  activating(): void
  /**
   * What the next `open` must know to close this line should this process be killed. The line is not taken before
   * what this gives has come about.
   */
  remember(session: Record<string, unknown>): void | Promise<void>
  /** All that was queued for the machine has been taken by it. */
  drained(): void
  /** Something beside the bytes: the machine sent a break, or its BMC lost output before it got here. */
  noted(event: 'break' | 'overrun'): void
  /** The line is gone; nothing comes after this. `taken`: somebody else has it now. */
  lost(reason: { taken: boolean; error: Error }): void
}

/** An open serial line. */
export interface Line {
  /** Queues bytes for the machine. False when there is no room for all of them: then none was taken; wait for `drained`. */
  write(bytes: Buffer): boolean
  /** Bytes not yet taken by the machine. */
  readonly queued: number
  /** Sends a serial break; left out where the line has none. */
  sendBreak?(): void
  /** Gives the line back, within a second or so whatever the machine does. `lost` is not called. */
  close(): Promise<void>
}

export interface RaidInterface extends Implementation {
  /** What a logical disk may say of itself, with what each means: GET /v1/drivers/D/raid/logical_disk_properties. */
  readonly logicalDiskProperties?: Readonly<Record<string, string>>
  /** @throws LeaseholdError 'invalid' naming the disk and the field. */
  checkConfig?(config: Readonly<Record<string, unknown>>): void
}

/** Attaching VIFs. Those that leave `listVifs` out have none. */
export interface NetworkInterface extends Implementation {
  listVifs?(node: Node, bounds: Bounds): Promise<readonly { id: string }[]>
  attachVif?(node: Node, vif: Readonly<Record<string, unknown>>, bounds: Bounds): Promise<MachineChanges>
  /** @throws LeaseholdError 'invalid' for a VIF that is not attached. */
  detachVif?(node: Node, id: string, bounds: Bounds): Promise<MachineChanges>
  /** Takes every VIF off, when a tenant's use of the node ends. */
  releaseVifs?(node: Node, bounds: Bounds): Promise<MachineChanges>
  /**
   * Puts the node's ports into the networks of a role, and returns once they have been seen to be there. Left out
   * where networks are set by hand.
   * @throws LeaseholdError when that cannot be verified.
   */
  enter?(node: Node, role: NetworkRole, bounds: Bounds): Promise<void>
  /** @throws LeaseholdError 'conflict' while a port may still be in a network of a tenant that had the node before. */
  checkIsolated?(node: Pick<Node, 'uuid'>): Promise<void>
}

export const httpMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type HttpMethod = (typeof httpMethods)[number]

/** What every vendor method says of itself. */
export interface VendorMethod {
  readonly http_methods: readonly HttpMethod[]
  readonly description: string
  /** Whether the caller gets 202 at once and the outcome in the node's `last_error`. */
  readonly async: boolean
}

export interface NodeVendorMethod extends VendorMethod {
  /** Whether it changes the machine: then it is done under the node's lock. One that is async always is. */
  readonly require_exclusive_lock: boolean
  /** @throws LeaseholdError 'invalid' when the arguments will not do; asked before an async one begins. */
  check?(args: Readonly<Record<string, unknown>>): void
  call(
    node: Node,
    args: Readonly<Record<string, unknown>>,
    bounds: Bounds,
  ): Promise<{ answer?: unknown; changes?: MachineChanges }>
}

export interface DriverVendorMethod extends VendorMethod {
  call(args: Readonly<Record<string, unknown>>, bounds: Bounds): Promise<unknown>
}

export interface VendorInterface extends Implementation {
  readonly methods?: Readonly<Record<string, NodeVendorMethod>>
  readonly driverMethods?: Readonly<Record<string, DriverVendorMethod>>
}

/** What an inspection has found: what to merge into the node's properties, and all that it saw. */
export interface InspectionResult {
  properties: Record<string, unknown>
  inventory?: Record<string, unknown>
  pluginData?: Record<string, unknown>
}

export interface InspectInterface extends Implementation {
  /** Looks at the machine; 'wait' when results come later. */
  inspect(node: Node, bounds: Bounds): Promise<InspectionResult | 'wait'>
  abort?(node: Node, bounds: Bounds): Promise<void>
}

export interface RescueInterface extends Implementation {
  rescue(node: Node, bounds: Bounds): Promise<undefined | 'wait'>
  unrescue(node: Node, bounds: Bounds): Promise<void>
}

/** What each interface type's implementation can do; those without calls of their own are bare. */
export interface Interfaces {
  bios: Implementation
  boot: Implementation
  console: ConsoleInterface
  deploy: Implementation
  firmware: Implementation
  inspect: InspectInterface
  management: ManagementInterface
  network: NetworkInterface
  power: PowerInterface
  raid: RaidInterface
  rescue: RescueInterface
  storage: Implementation
  vendor: VendorInterface
}

/** A hardware type: for each interface, the implementations it supports, the preferred one first. */
export interface HardwareType {
  readonly name: string
  readonly interfaces: { readonly [Type in InterfaceType]: readonly Interfaces[Type][] }
}

/** The hardware types of this conductor, and how a node reaches its implementations. */
export interface Hardware {
  readonly types: ReadonlyMap<string, HardwareType>
  /**
   * The implementation that a node uses.
   * @throws LeaseholdError 'invalid' when the driver or the implementation is not enabled here.
   */
  implementation<Type extends InterfaceType>(
    node: Pick<Node, 'driver' | 'interfaces'>,
    type: Type,
  ): Interfaces[Type]
  /**
   * The 13 interfaces of a node of `driver`: what was asked for, defaults for the rest.
   * @throws LeaseholdError 'invalid' naming the interface that the driver does not support.
   */
  chooseInterfaces(
    driver: string,
    asked: Readonly<Record<string, string | null | undefined>>,
  ): Record<InterfaceType, string>
  /** Releases sockets and sessions. */
  close(): Promise<void>
}
