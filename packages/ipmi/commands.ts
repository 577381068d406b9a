/** The commands of IPMI 2.0 that lending machines needs, each an operation over an open session. */
import { type Command, demand, type Operation, type Reply } from './command.ts'
import { IpmiError } from './errors.ts'
import { type Privilege, privilegeLevels } from './target.ts'
import { netFns } from './wire/index.ts'

export type DeviceId = {
  deviceId: number
  deviceRevision: number
  /** As the BMC's maker writes it, e.g. "9.08". */
  firmware: string
  ipmiVersion: string
  /** IANA enterprise number of the maker. */
  manufacturerId: number
  productId: number
  /** False while the BMC updates its firmware or starts. */
  ready: boolean
}

export type ChassisStatus = {
  power: 'on' | 'off'
  overload: boolean
  interlock: boolean
  powerFault: boolean
  powerControlFault: boolean
  restorePolicy: 'always-off' | 'previous' | 'always-on' | 'unknown'
  lastPowerEvents: readonly ('ac-failed' | 'overload' | 'interlock' | 'fault' | 'on-by-command')[]
  intrusion: boolean
  driveFault: boolean
  coolingFault: boolean
  /** Whether the identify light is on; unknown where the BMC does not tell. */
  identify: 'off' | 'timed' | 'on' | 'unknown'
}

export type PowerAction = 'off' | 'on' | 'cycle' | 'reset' | 'diag' | 'soft'

export type ChannelAuthentication = {
  channel: number
  ipmi15: boolean
  ipmi20: boolean
  /** Whether a Kg (BMC key) other than zero is set, without which no session opens. */
  kgRequired: boolean
  anonymousLogin: boolean
}

/** Get Device ID (20.1). */
export const deviceId: Operation<DeviceId> = async (send) => {
  const data = await demand(send, getDeviceId, 11)
  return {
    deviceId: data.readUInt8(0),
    deviceRevision: data.readUInt8(1) & 0x0f,
    firmware: `${data.readUInt8(2) & 0x7f}.${hex2(data.readUInt8(3))}`,
    ipmiVersion: `${data.readUInt8(4) & 0x0f}.${data.readUInt8(4) >> 4}`,
    manufacturerId: data.readUIntLE(6, 3) & 0x0fffff,
    productId: data.readUInt16LE(9),
    ready: (data.readUInt8(2) & 0x80) === 0,
  }
}

/** Get Chassis Status (28.2). */
export const chassisStatus: Operation<ChassisStatus> = async (send) => {
  const data = await demand(send, getChassisStatus, 3)
  const power = data.readUInt8(0)
  const last = data.readUInt8(1)
  const misc = data.readUInt8(2)
  return {
    power: power & 0x01 ? 'on' : 'off',
    overload: (power & 0x02) !== 0,
    interlock: (power & 0x04) !== 0,
    powerFault: (power & 0x08) !== 0,
    powerControlFault: (power & 0x10) !== 0,
    restorePolicy: restorePolicies[(power >> 5) & 3] ?? 'unknown',
    lastPowerEvents: powerEvents.filter((_, bit) => (last >> bit) & 1),
    intrusion: (misc & 0x01) !== 0,
    driveFault: (misc & 0x04) !== 0,
    coolingFault: (misc & 0x08) !== 0,
    identify: misc & 0x40 ? (identifyStates[(misc >> 4) & 3] ?? 'unknown') : 'unknown',
  }
}

/**
 * Chassis Control (28.3). 'cycle' and 'diag' (NMI) must not happen twice for one request, so the session is
 * proved first and the command is never re-issued: silence then is an IpmiError 'timeout', outcome unknown.
 */
export function chassisControl(action: PowerAction): Operation<void> {
  const code = powerActions[action]
  if (code === undefined) {
    const words = `unknown power action; use one of ${Object.keys(powerActions).join(', ')}`
    return () => Promise.reject(new IpmiError('invalid-argument', words))
  }
  const once = action === 'cycle' || action === 'diag'
  const command = {
    name: `Chassis Control ${action}`,
    netFn: netFns.chassis,
    command: 0x02,
    data: [code],
    once,
  }
  return async (send) => {
    if (once) await demand(send, getChassisStatus)
    await demand(send, command)
  }
}

/** Chassis Identify (28.5): the light on for some seconds (0: off, at most 255) or, with 'forever', until turned off. */
export function identify(seconds: number | 'forever'): Operation<void> {
  if (seconds !== 'forever' && !(Number.isInteger(seconds) && seconds >= 0 && seconds <= 255)) {
    const words = 'identify takes 0 to 255 seconds, or "forever"'
    return () => Promise.reject(new IpmiError('invalid-argument', words))
  }
  const data = seconds === 'forever' ? [0, 1] : [seconds]
  return async (send) => {
    await demand(send, { name: 'Chassis Identify', netFn: netFns.chassis, command: 0x04, data })
  }
}

/** The privilege level the session has now (Set Session Privilege Level with 0, 22.18). */
export const sessionPrivilege: Operation<Privilege> = async (send) => {
  const data = await demand(send, setSessionPrivilege(0), 1)
  return privilegeOf(data.readUInt8(0))
}

/** Changes the session's privilege level, up to the one the target was opened with, and gives the new one (22.18). */
export function changeSessionPrivilege(privilege: Privilege): Operation<Privilege> {
  return async (send) => {
    const data = await demand(send, setSessionPrivilege(privilegeLevels[privilege]), 1)
    return privilegeOf(data.readUInt8(0))
  }
}

/** Any command. Gives the completion code instead of throwing. Not carried out twice if `once` is set. */
export function raw(command: {
  netFn: number
  command: number
  data?: readonly number[]
  once?: boolean
}): Operation<Reply> {
  const bytes = [command.command, ...(command.data ?? [])]
  if (!bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)) {
    return () => Promise.reject(new IpmiError('invalid-argument', 'command and data must be bytes, 0 to 255'))
  }
  if (
    !(Number.isInteger(command.netFn) && command.netFn >= 0 && command.netFn <= 62 && !(command.netFn & 1))
  ) {
    return () => Promise.reject(new IpmiError('invalid-argument', 'netFn must be even, 0 to 62'))
  }
  return (send) => send({ name: `raw 0x${hex2(command.netFn)} 0x${hex2(command.command)}`, ...command })
}

/** Reads the data of Get Channel Authentication Capabilities (22.13). */
export function readChannelAuthentication(data: Buffer): ChannelAuthentication | undefined {
  if (data.length < 4) return undefined
  const extended = (data.readUInt8(1) & 0x80) !== 0
  return {
    channel: data.readUInt8(0) & 0x0f,
    ipmi15: !extended || (data.readUInt8(3) & 0x01) !== 0,
    ipmi20: extended && (data.readUInt8(3) & 0x02) !== 0,
    kgRequired: (data.readUInt8(2) & 0x20) !== 0,
    anonymousLogin: (data.readUInt8(2) & 0x01) !== 0,
  }
}

/** Asks about this channel, with the IPMI 2.0 extension, at ADMINISTRATOR level (22.13). */
export const getChannelAuthentication: Command = {
  name: 'Get Channel Authentication Capabilities',
  netFn: netFns.app,
  command: 0x38,
  data: [0x8e, privilegeLevels.ADMINISTRATOR],
}

/** Sets the level of the session, or with 0 only asks for it (22.18). */
export function setSessionPrivilege(level: number): Command {
  return { name: 'Set Session Privilege Level', netFn: netFns.app, command: 0x3b, data: [level] }
}

/** Ends the session with that id on the BMC's side (22.19). */
export function closeSession(bmcId: number): Command {
  const data = [bmcId & 0xff, (bmcId >>> 8) & 0xff, (bmcId >>> 16) & 0xff, bmcId >>> 24]
  return { name: 'Close Session', netFn: netFns.app, command: 0x3c, data }
}

export const getDeviceId: Command = { name: 'Get Device ID', netFn: netFns.app, command: 0x01 }

const getChassisStatus: Command = { name: 'Get Chassis Status', netFn: netFns.chassis, command: 0x01 }

const powerActions: Readonly<Record<PowerAction, number>> = {
  off: 0,
  on: 1,
  cycle: 2,
  reset: 3,
  diag: 4,
  soft: 5,
}

const restorePolicies = ['always-off', 'previous', 'always-on', 'unknown'] as const
const powerEvents = ['ac-failed', 'overload', 'interlock', 'fault', 'on-by-command'] as const
const identifyStates = ['off', 'timed', 'on', 'unknown'] as const

function privilegeOf(level: number): Privilege {
  const found = Object.entries(privilegeLevels).find(([, number]) => number === (level & 0x0f))
  if (found === undefined)
    throw new IpmiError('malformed', `privilege level ${level} is none that IPMI knows`)
  return found[0] as Privilege
}

const hex2 = (byte: number): string => byte.toString(16).padStart(2, '0')
