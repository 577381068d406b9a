/** What is asked of a machine besides power and steps: whether its driver can do it, and doing it. */
import { LeaseholdError } from '../errors.ts'
import type {
  BootMode,
  Bounds,
  Hardware,
  HttpMethod,
  Implementation,
  MachineChanges,
  Node,
  NodeVendorMethod,
  VendorMethod,
} from './types.ts'
import { mediaTypes } from './types.ts'

/** One change of a machine that goes on after its caller has been answered. */
export type MachineChange =
  | { kind: 'boot_mode'; value: BootMode }
  | { kind: 'secure_boot'; value: boolean }
  | { kind: 'console'; value: boolean }
  | { kind: 'vendor'; method: string; args: Record<string, unknown> }

/**
 * Checks that the node's driver can make the change, without touching the machine.
 * @throws LeaseholdError 'invalid'.
 */
export function checkChange(hardware: Hardware, node: Node, change: MachineChange): void {
  kinds[change.kind](hardware, node, change as never)
}

/** Makes the change. @returns what the node is to be told. @throws LeaseholdError as the driver says. */
export function changeMachine(
  hardware: Hardware,
  node: Node,
  change: MachineChange,
  bounds: Bounds,
): Promise<MachineChanges> {
  return kinds[change.kind](hardware, node, change as never)(bounds)
}

/** The name of a change in history and in errors. */
export function titleOf(change: MachineChange): string {
  if (change.kind === 'vendor') return `Vendor method ${change.method}`
  if (change.kind === 'boot_mode') return `Changing boot mode to ${change.value}`
  return `Turning ${change.kind === 'console' ? 'the console' : 'secure boot'} ${change.value ? 'on' : 'off'}`
}

/**
 * A machine that has changed hands does nothing for its new tenant while it may be in a network of the former.
 * @throws LeaseholdError 'conflict'.
 */
export async function checkIsolated(
  hardware: Hardware,
  node: Pick<Node, 'uuid' | 'driver' | 'interfaces'>,
): Promise<void> {
  if (hardware.types.has(node.driver)) await hardware.implementation(node, 'network').checkIsolated?.(node)
}

/** Takes from the machine what its user left in it: virtual media, and the console's session. */
export async function releaseMachine(
  hardware: Hardware,
  node: Node,
  bounds: Bounds,
): Promise<MachineChanges> {
  const management = hardware.implementation(node, 'management')
  const console = hardware.implementation(node, 'console')
  const ejected = (await management.detachMedia?.(node, mediaTypes, bounds)) ?? {}
  // What it remembers by now: the one change must not undo the other.
  const after = { ...node, driver_internal_info: { ...node.driver_internal_info, ...ejected.memory } }
  const detached = await hardware.implementation(node, 'network').releaseVifs?.(after, bounds)
  // As in Ironic the node goes on saying that its console is enabled: the next user finds it as it was set up.
  if (node.console_enabled) await console.stop?.(node, bounds)
  return { ...ejected, ...detached }
}

/** @throws LeaseholdError 'invalid' in Ironic's words. */
export function unsupported(node: Pick<Node, 'driver'>, what: string): LeaseholdError {
  return new LeaseholdError(
    'invalid',
    `Driver ${node.driver} does not support ${what} (disabled or not implemented).`,
  )
}

/**
 * A call of an implementation, checked for being there.
 * @throws LeaseholdError 'invalid' when the node says too little, or the driver cannot do it.
 */
export function callOf<T extends Implementation, Name extends keyof T & string>(
  node: Node,
  implementation: T,
  name: Name,
  what: string,
): NonNullable<T[Name]> {
  implementation.validate(node)
  const call = implementation[name]
  if (call === undefined || call === null) throw unsupported(node, what)
  return call
}

/**
 * The vendor method of that name, for that HTTP method.
 * @throws LeaseholdError 'invalid' naming those that there are.
 */
export function vendorMethod<Method extends VendorMethod>(
  methods: Readonly<Record<string, Method>>,
  name: string,
  httpMethod: HttpMethod,
): Method {
  const found = Object.hasOwn(methods, name) ? methods[name] : undefined
  if (!found)
    throw new LeaseholdError(
      'invalid',
      `No handler for method ${name.slice(0, 100)}; there are: ${Object.keys(methods).join(', ') || 'none'}.`,
    )
  if (!found.http_methods.includes(httpMethod))
    throw new LeaseholdError(
      'invalid',
      `The method ${name} does not support HTTP ${httpMethod}; use ${found.http_methods.join(' or ')}.`,
    )
  return found
}

/** The vendor methods of a node. @throws LeaseholdError 'invalid' when its driver has none. */
export function vendorMethodsOf(hardware: Hardware, node: Node): Readonly<Record<string, NodeVendorMethod>> {
  const vendor = hardware.implementation(node, 'vendor')
  return callOf(node, vendor, 'methods', 'vendor_passthru')
}

type Begin = (bounds: Bounds) => Promise<MachineChanges>
type Kinds = {
  [Kind in MachineChange['kind']]: (
    hardware: Hardware,
    node: Node,
    change: Extract<MachineChange, { kind: Kind }>,
  ) => Begin
}

const kinds: Kinds = {
  boot_mode(hardware, node, { value }) {
    const management = hardware.implementation(node, 'management')
    const set = callOf(node, management, 'setBootMode', 'set_boot_mode')
    return (bounds) => set(node, value, bounds)
  },
  secure_boot(hardware, node, { value }) {
    const management = hardware.implementation(node, 'management')
    const set = callOf(node, management, 'setSecureBoot', 'set_secure_boot_state')
    return (bounds) => set(node, value, bounds)
  },
  console(hardware, node, { value }) {
    const console = hardware.implementation(node, 'console')
    const set = callOf(node, console, value ? 'start' : 'stop', 'console')
    return (bounds) => set(node, bounds)
  },
  vendor(hardware, node, { method, args }) {
    const found = vendorMethodsOf(hardware, node)[method]
    if (!found) throw unsupported(node, method)
    found.check?.(args)
    return async (bounds) => (await found.call(node, args, bounds)).changes ?? {}
  },
}
