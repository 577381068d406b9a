/**
 * Implementations that do nothing. `no-X` stands for what a driver cannot do: it refuses every request. `noop`
 * stands for what is left as it is: it accepts requests and changes nothing.
 */
import { LeaseholdError } from '../errors.ts'
import type {
  Implementation,
  InspectInterface,
  InterfaceType,
  ManagementInterface,
  NetworkInterface,
  Node,
  RescueInterface,
} from './types.ts'

type Bare = Exclude<InterfaceType, 'inspect' | 'management' | 'power' | 'rescue'>

/** `no-bios`, `no-console` and the like, for interfaces without calls of their own. */
export function absent(type: Bare): Implementation {
  return { name: `no-${type}`, unsupported: true, properties: {}, validate: (node) => refuse(node, type) }
}

export const noInspect: InspectInterface = {
  name: 'no-inspect',
  unsupported: true,
  properties: {},
  validate: (node) => refuse(node, 'inspect'),
  inspect: async (node) => refuse(node, 'inspect'),
}

export const noRescue: RescueInterface = {
  name: 'no-rescue',
  unsupported: true,
  properties: {},
  validate: (node) => refuse(node, 'rescue'),
  rescue: async (node) => refuse(node, 'rescue'),
  unrescue: async (node) => refuse(node, 'rescue'),
}

/** Leaves things as they are: `noop` of boot and storage. */
export const noop: Implementation = { name: 'noop', properties: {}, validate: () => {} }

/** For machines whose networks are set by hand: takes every VIF, and knows of none. */
export const noopNetwork: NetworkInterface = {
  ...noop,
  listVifs: async () => [],
  attachVif: async () => ({}),
  detachVif: async () => ({}),
}

/**
 * Hands a machine over as it is. It writes no image, so it refuses a node whose instance_info asks for one: an
 * owner must not see `active` and believe that something was installed.
 */
export const noopDeploy: Implementation = {
  name: 'noop',
  properties: {},
  validate: refuseImages,
  steps: [
    {
      kind: 'deploy',
      interface: 'deploy',
      step: 'deploy',
      priority: 100,
      run: async (node) => {
        refuseImages(node)
        return undefined
      },
    },
  ],
}

/** For machines whose boot order is set by hand: network first, then disk. Ironic's devices. */
export const noopManagement: ManagementInterface = {
  name: 'noop',
  properties: {},
  validate: () => {},
  supportedBootDevices: () => ['pxe', 'disk'],
  getBootDevice: async () => ({ boot_device: null, persistent: null }),
  setBootDevice: async (node, device) => requireBootDevice(node, noopManagement, device),
}

/** @throws LeaseholdError 'invalid' when the management interface cannot boot the node from `device`. */
export function requireBootDevice(
  node: Node,
  management: Pick<ManagementInterface, 'name' | 'supportedBootDevices'>,
  device: string,
): void {
  const supported: readonly string[] = management.supportedBootDevices(node)
  if (supported.includes(device)) return
  throw new LeaseholdError(
    'invalid',
    `boot_device: ${device} is not supported by management interface ${management.name}; choose one of ${supported.join(', ')}.`,
  )
}

const imageFields = ['image_source', 'kernel', 'ramdisk', 'configdrive'] as const

function refuseImages(node: Node): void {
  const asked = imageFields.find((field) => node.instance_info[field] != null)
  if (asked)
    throw new LeaseholdError(
      'invalid',
      `instance_info: deploy_interface noop hands the machine over as it is and writes no image; remove ${asked}.`,
    )
}

/** Ironic's words. */
function refuse(node: Node, type: InterfaceType): never {
  throw new LeaseholdError(
    'invalid',
    `Driver ${node.driver} does not support ${type} (disabled or not implemented).`,
  )
}
