/** Management of a fake machine: what it boots from and how, its lights, its virtual media. */
import { LeaseholdError } from '../../errors.ts'
import { requireBootDevice } from '../absent.ts'
import { bootDevices, type ManagementInterface, type MediaType, mediaTypes } from '../types.ts'
import { lights } from './machine.ts'
import { memoryOf, remembering } from './memory.ts'
import { fake, operate } from './operations.ts'

const fakeBootDevices = ['pxe', 'disk', 'cdrom', 'bios', 'safe'] as const
const firstBoot = { boot_device: 'pxe', persistent: false } as const

export const management: ManagementInterface = {
  ...fake('management'),
  supportedBootDevices: () => fakeBootDevices,
  async getBootDevice(node, bounds) {
    await operate(node, 'management.get_boot_device', bounds)
    const device = bootDevices.find((each) => each === node.boot_device?.boot_device)
    return device ? { boot_device: device, persistent: node.boot_device?.persistent === true } : firstBoot
  },
  async setBootDevice(node, device, _persistent, bounds) {
    requireBootDevice(node, management, device)
    await operate(node, 'management.set_boot_device', bounds)
  },
  async injectNmi(node, bounds) {
    await operate(node, 'management.inject_nmi', bounds)
    return remembering(node, { nmis: (memoryOf(node).nmis ?? 0) + 1 })
  },
  async setBootMode(node, mode, bounds) {
    await operate(node, 'management.set_boot_mode', bounds)
    // Secure boot is a part of UEFI.
    return { boot_mode: mode, ...(mode === 'bios' ? { secure_boot: false } : {}) }
  },
  async setSecureBoot(node, on, bounds) {
    if (on && node.boot_mode === 'bios')
      throw new LeaseholdError('conflict', 'secure boot needs boot mode uefi; change the boot mode first')
    await operate(node, 'management.set_secure_boot', bounds)
    return { secure_boot: on }
  },
  indicators: () => lights,
  async getIndicator(node, { component, name }, bounds) {
    await operate(node, 'management.get_indicator', bounds)
    if (component === 'system') return node.power_state === 'power on' ? 'on' : 'off'
    return memoryOf(node).indicators?.[`${name}@${component}`] ?? 'off'
  },
  async setIndicator(node, { component, name }, state, bounds) {
    await operate(node, 'management.set_indicator', bounds)
    return remembering(node, {
      indicators: { ...memoryOf(node).indicators, [`${name}@${component}`]: state },
    })
  },
  async listMedia(node, bounds) {
    await operate(node, 'management.get_media', bounds)
    const media = memoryOf(node).media ?? {}
    return mediaTypes.map((type) => ({
      media_types: [type],
      inserted: media[type] !== undefined,
      image: media[type] ?? null,
    }))
  },
  async attachMedium(node, { device_type, image_url }, bounds) {
    await operate(node, 'management.attach_media', bounds)
    const media = { ...memoryOf(node).media, [device_type]: withoutSecrets(image_url) }
    return remembering(node, { media })
  },
  async detachMedia(node, types, bounds) {
    const media = memoryOf(node).media ?? {}
    const left = Object.entries(media).filter(([type]) => !types.includes(type as MediaType))
    if (left.length === Object.keys(media).length) return {}
    await operate(node, 'management.detach_media', bounds)
    return remembering(node, { media: Object.fromEntries(left) })
  },
}

/** A URL may carry a login or a right of its own; a fake machine has no use for either. */
function withoutSecrets(url: string): string {
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  bare.search = ''
  bare.hash = ''
  return bare.href
}
