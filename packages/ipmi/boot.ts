/** What the machine boots from next: the System Boot Options of IPMI 2.0 (28.12 to 28.14). */
import { type Command, demand, type Operation, type Send } from './command.ts'
import { completionError, IpmiError } from './errors.ts'
import { netFns } from './wire/index.ts'

export type BootDevice =
  | 'none'
  | 'pxe'
  | 'disk'
  | 'safe'
  | 'diag'
  | 'cdrom'
  | 'bios'
  | 'remote-floppy'
  | 'remote-cdrom'
  | 'remote-media'
  | 'remote-disk'
  | 'floppy'

/** `valid` is false when the BMC holds no override: the machine then boots as its firmware is set up. */
export type BootSetting = {
  device: BootDevice | 'unknown'
  persistent: boolean
  efi: boolean
  valid: boolean
}

/**
 * `persistent`: for every boot, not only the next. `efi`: boot by UEFI, not legacy BIOS.
 * `keepUntilUsed` (default true) asks the BMC not to forget the setting after 60 seconds without a power command.
 */
export type BootWish = { device: BootDevice; persistent?: boolean; efi?: boolean; keepUntilUsed?: boolean }

/**
 * Sets what to boot from. Only the boot flags themselves must succeed: many BMCs do not know the parameters around
 * them (set in progress, flag clearing, acknowledgement), so their refusal is passed over.
 */
export function setBootDevice(wish: BootWish): Operation<void> {
  const selector = selectors[wish.device]
  if (selector === undefined) {
    const words = `unknown boot device; use one of ${Object.keys(selectors).join(', ')}`
    return () => Promise.reject(new IpmiError('invalid-argument', words))
  }
  const flags = 0x80 | (wish.persistent ? 0x40 : 0) | (wish.efi ? 0x20 : 0)
  return async (send) => {
    await optional(send, setOption(parameters.setInProgress, [1]))
    if (wish.keepUntilUsed ?? true) await optional(send, setOption(parameters.flagClearing, [0x08]))
    await optional(send, setOption(parameters.acknowledge, [0x01, 0x01]))
    const command = setOption(parameters.flags, [flags, selector << 2, 0, 0, 0])
    const { completionCode } = await send(command)
    await optional(send, setOption(parameters.setInProgress, [0]))
    if (completionCode !== 0) throw completionError(`${command.name} to ${wish.device}`, completionCode)
  }
}

/** Reads what is set to boot from. */
export const getBootDevice: Operation<BootSetting> = async (send) => {
  const data = await demand(send, getOption(parameters.flags), 4)
  const flags = data.readUInt8(2)
  const selector = (data.readUInt8(3) >> 2) & 0x0f
  const found = Object.entries(selectors).find(([, number]) => number === selector)
  return {
    device: (found?.[0] as BootDevice | undefined) ?? 'unknown',
    persistent: (flags & 0x40) !== 0,
    efi: (flags & 0x20) !== 0,
    // The top bit of the parameter number says the same of the parameter as a whole.
    valid: (flags & 0x80) !== 0 && (data.readUInt8(1) & 0x80) === 0,
  }
}

/** Boot option parameters (table 28-14). */
const parameters = { setInProgress: 0, flagClearing: 3, acknowledge: 4, flags: 5 } as const

/** Boot device selectors (table 28-14, parameter 5, data 2). */
const selectors: Readonly<Record<BootDevice, number>> = {
  none: 0x0,
  pxe: 0x1,
  disk: 0x2,
  safe: 0x3,
  diag: 0x4,
  cdrom: 0x5,
  bios: 0x6,
  'remote-floppy': 0x7,
  'remote-cdrom': 0x8,
  'remote-media': 0x9,
  'remote-disk': 0xb,
  floppy: 0xf,
}

function setOption(parameter: number, data: readonly number[]): Command {
  const name =
    parameter === parameters.flags ? 'setting the boot device' : `Set System Boot Option ${parameter}`
  return { name, netFn: netFns.chassis, command: 0x08, data: [parameter, ...data] }
}

function getOption(parameter: number): Command {
  return {
    name: `Get System Boot Option ${parameter}`,
    netFn: netFns.chassis,
    command: 0x09,
    data: [parameter, 0, 0],
  }
}

/** Sends what a BMC may refuse without harm; a lack of privilege is not passed over. */
async function optional(send: Send, command: Command): Promise<void> {
  const { completionCode } = await send(command)
  if (completionCode === 0xd4) throw completionError(command.name, completionCode)
}
