/** What hardware types and their interfaces are: small objects of functions over a node. Names are Ironic's. */
import type { Selectable } from 'kysely'
import type { NodesTable } from '../store/index.ts'

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
  /**
   * Does the step. It may be repeated after a crash, so it must be idempotent.
   * `'wait'` says that it goes on by itself: the node waits until it is resumed.
   */
  run(node: Node, args: Readonly<Record<string, unknown>>, bounds: Bounds): Promise<undefined | 'wait'>
}

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

export interface ManagementInterface extends Implementation {
  supportedBootDevices(node: Node): readonly BootDevice[]
  getBootDevice(
    node: Node,
    bounds: Bounds,
  ): Promise<{ boot_device: BootDevice | null; persistent: boolean | null }>
  /** The caller records the device in `nodes.boot_device` afterwards: a fake machine has no other memory. */
  setBootDevice(node: Node, device: BootDevice, persistent: boolean, bounds: Bounds): Promise<void>
  injectNmi?(node: Node, bounds: Bounds): Promise<void>
}

export interface InspectInterface extends Implementation {
  /** Looks at the machine; returns properties to merge, or 'wait' when results come later. */
  inspect(node: Node, bounds: Bounds): Promise<{ properties: Record<string, unknown> } | 'wait'>
  abort?(node: Node, bounds: Bounds): Promise<void>
}

export interface RescueInterface extends Implementation {
  rescue(node: Node, bounds: Bounds): Promise<undefined | 'wait'>
  unrescue(node: Node, bounds: Bounds): Promise<void>
}

/** What each interface type's implementation can do; those without calls of their own yet are bare. */
export interface Interfaces {
  bios: Implementation
  boot: Implementation
  console: Implementation
  deploy: Implementation
  firmware: Implementation
  inspect: InspectInterface
  management: ManagementInterface
  network: Implementation
  power: PowerInterface
  raid: Implementation
  rescue: RescueInterface
  storage: Implementation
  vendor: Implementation
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
