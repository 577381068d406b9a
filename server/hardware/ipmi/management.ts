/** Boot device, boot mode and NMI over IPMI. */
import type { BootDevice as IpmiBootDevice } from '@leasehold/ipmi'
import { LeaseholdError } from '../../errors.ts'
import { requireBootDevice } from '../absent.ts'
import type { BootDevice, Bounds, ManagementInterface, Node } from '../types.ts'
import type { AskBmc } from './bmc.ts'
import { bootModeOf } from './boot-mode.ts'
import { ipmiProperties, readBmcAccess } from './driver-info.ts'

/** The management interface `ipmitool` (the name that Ironic's nodes have; no such program is run). */
export function createIpmiManagement(ask: AskBmc): ManagementInterface {
  const management: ManagementInterface = {
    name: 'ipmitool',
    properties: ipmiProperties,
    validate: (node) => void readBmcAccess(node),
    supportedBootDevices: () => devices,
    async getBootDevice(node, bounds) {
      const forced = readBmcAccess(node).forceBootDevice && node.boot_device?.persistent === true
      const remembered = devices.find((device) => device === node.boot_device?.boot_device)
      if (forced && remembered) return { boot_device: remembered, persistent: true }
      const setting = await ask(node, bounds, (client, target, options) =>
        client.getBootDevice(target, options),
      )
      const device = setting.valid ? devices.find((each) => each === setting.device) : undefined
      return device === undefined
        ? { boot_device: null, persistent: null }
        : { boot_device: device, persistent: setting.persistent }
    },
    async setBootDevice(node, device, persistent, bounds) {
      requireBootDevice(node, management, device)
      // A BMC that forgets is told again at each power on.
      const forced = readBmcAccess(node).forceBootDevice
      await setBootDevice(ask, node, device, persistent && !forced, bounds)
    },
    async injectNmi(node, bounds) {
      await ask(node, bounds, (client, target, options) => client.chassisControl(target, 'diag', options))
      return {}
    },
    async setBootMode(node, mode, bounds) {
      // IPMI has no boot mode by itself: it goes with what to boot from, which stays as it is.
      const { device, persistent } = await ask(node, bounds, (client, target, options) =>
        client.getBootDevice(target, options),
      )
      const kept = devices.find((each) => each === device) ?? 'none'
      const next = { ...node, boot_mode: mode }
      if (bootModeOf(next) !== mode)
        throw new LeaseholdError(
          'conflict',
          `the capabilities in instance_info or properties ask for boot mode ${bootModeOf(next)}; change those instead`,
        )
      await setBootDevice(ask, next, kept, persistent, bounds)
      return { boot_mode: mode }
    },
  }
  return management
}

/** Sets what the machine boots from, by UEFI or BIOS as its boot mode is (IPMI 2.0, table 28-14, parameter 5). */
export function setBootDevice(
  ask: AskBmc,
  node: Node,
  device: string,
  persistent: boolean,
  bounds: Bounds,
): Promise<void> {
  const wish = {
    device: device as IpmiBootDevice,
    persistent,
    efi: bootModeOf(node) === 'uefi',
    keepUntilUsed: readBmcAccess(node).disableBootTimeout,
  }
  return ask(node, { signal: bounds.signal }, (client, target, options) =>
    client.setBootDevice(target, wish, options),
  )
}

/** Ironic's devices of IPMI; each has the same name in the IPMI client. */
const devices = ['pxe', 'disk', 'cdrom', 'bios', 'safe'] as const satisfies readonly (BootDevice &
  IpmiBootDevice)[]
