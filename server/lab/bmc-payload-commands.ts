/** A simulated BMC's commands about payloads and SOL's configuration (IPMI 2.0, chapters 24 and 26). */
import {
  decodeActivateRequest,
  decodeInstanceRequest,
  encodeActivateResponse,
  encodeActivationStatus,
  encodeInstanceInfo,
  isMalformed,
  netFns,
  payloadCommands,
  payloadCompletion,
  payloadTypes,
} from '@leasehold/ipmi/wire'
import { type Answer, type CommandContext, give, isOurChannel, type Known, refuse } from './bmc-answers.ts'
import { solSizes } from './bmc-sol.ts'

const { app, transport } = netFns

export const payloadTable: Readonly<Record<string, Known>> = {
  [`${app} ${payloadCommands.activate}`]: { privilege: 2, atLeast: 6, run: activate },
  [`${app} ${payloadCommands.deactivate}`]: {
    privilege: 2,
    atLeast: 2,
    run: ({ sol, faults, session }, data) => {
      if (!isSol(data)) return refuse(payloadCompletion.disabled)
      const others = sol.owner()?.bmcId !== session?.bmcId
      const ended = sol.deactivate(others && faults.find('sol-tells') !== undefined)
      const unstuck = faults.endOnce('sol-stuck')
      return ended || unstuck ? give() : refuse(payloadCompletion.alreadyActive)
    },
  },
  [`${app} ${payloadCommands.activationStatus}`]: {
    privilege: 2,
    atLeast: 1,
    run: ({ sol, faults }, data) => {
      const status = faults.find('sol-status')
      if (status !== undefined && status.only === undefined) return unanswered(status)
      const active = (data.readUInt8(0) & 0x3f) === payloadTypes.sol && sol.owner() !== undefined ? 1 : 0
      return give(...encodeActivationStatus({ capacity: 1, active }))
    },
  },
  [`${app} ${payloadCommands.instanceInfo}`]: { privilege: 2, atLeast: 2, run: instanceInfo },
  /** Set and Get User Payload Access: everybody may use SOL. */
  [`${app} ${payloadCommands.setUserAccess}`]: { privilege: 4, atLeast: 6, run: () => give() },
  [`${app} ${payloadCommands.userAccess}`]: { privilege: 3, atLeast: 2, run: () => give(0x02, 0, 0, 0) },
  /** Get Channel Payload Support: IPMI messages, SOL, and what opens a session. */
  [`${app} ${payloadCommands.channelSupport}`]: {
    privilege: 2,
    atLeast: 1,
    run: (_context, data) =>
      isOurChannel(data.readUInt8(0)) ? give(0x03, 0, 0x3f, 0, 0, 0, 0, 0) : refuse(0xcc),
  },
  /** Get Channel Payload Version: 1.0. */
  [`${app} ${payloadCommands.channelVersion}`]: {
    privilege: 2,
    atLeast: 2,
    run: (_context, data) => ((data.readUInt8(1) & 0x3f) <= payloadTypes.sol ? give(0x10) : refuse(0x80)),
  },
  /** Set and Get SOL Configuration Parameters. */
  [`${transport} ${0x21}`]: {
    privilege: 4,
    atLeast: 2,
    run: ({ sol }, data) => {
      if (!isOurChannel(data.readUInt8(0))) return refuse(0xcc)
      const number = data.readUInt8(1)
      const present = sol.settings.get(number)
      if (present === undefined) return refuse(0x80)
      if (number === payloadChannelNumber) return refuse(0x82)
      if (data.length < 2 + present.length) return refuse(0xc7)
      sol.settings.set(number, Buffer.from(data.subarray(2, 2 + present.length)))
      return give()
    },
  },
  [`${transport} ${0x22}`]: {
    privilege: 2,
    atLeast: 4,
    run: ({ sol, port }, data) => {
      if (!isOurChannel(data.readUInt8(0))) return refuse(0xcc)
      const onlyRevision = (data.readUInt8(0) & 0x80) !== 0
      const number = data.readUInt8(1)
      const value = number === payloadPortNumber ? twoBytes(port) : sol.settings.get(number)
      if (value === undefined) return refuse(0x80)
      return onlyRevision ? give(parameterRevision) : give(parameterRevision, ...value)
    },
  },
}

function activate({ session, sol, faults, port }: CommandContext, data: Buffer): Answer | undefined {
  const request = decodeActivateRequest(data)
  if (isMalformed(request) || session === undefined) return refuse(0xc7)
  if (request.type !== payloadTypes.sol) return refuse(payloadCompletion.disabled)
  if (request.instance !== 1) return refuse(payloadCompletion.tooMany)
  const refused = faults.find('sol-refused')
  if (refused !== undefined) return refuse(refused.completionCode)
  const enabled = (sol.settings.get(1)?.[0] ?? 0) & 1
  if (!enabled) return refuse(payloadCompletion.disabled)
  const { encrypts, authenticates, privilege } = readAuthentication(sol.settings.get(2))
  if (session.privilege < privilege) return refuse(0xd4)
  if ((encrypts && !request.encrypted) || (authenticates && !request.authenticated))
    return refuse(payloadCompletion.notWithoutEncryption)
  if (faults.find('sol-alerts') !== undefined && request.serialAlerts === 0) return refuse(0xff)
  if (faults.find('sol-stuck') !== undefined) return refuse(payloadCompletion.alreadyActive)
  if (!sol.activate(session, request.encrypted)) return refuse(payloadCompletion.alreadyActive)
  if (faults.endOnce('sol-answer-lost')) return undefined
  const sizes = faults.find('sol-sizes')?.named
  const written = (size: number) => (sizes === 'swapped' ? ((size & 0xff) << 8) | (size >> 8) : size)
  return give(
    ...encodeActivateResponse({
      inboundSize: typeof sizes === 'number' ? sizes : written(solSizes.inbound),
      outboundSize: written(solSizes.outbound),
      port: faults.find('sol-port')?.port ?? port,
      vlan: 0xffff,
    }),
  )
}

function instanceInfo({ sol, faults }: CommandContext, data: Buffer): Answer | undefined {
  const status = faults.find('sol-status')
  if (status !== undefined) return unanswered(status)
  const asked = decodeInstanceRequest(data)
  if (isMalformed(asked)) return refuse(0xc7)
  if (asked.type !== payloadTypes.sol || asked.instance > 1) return refuse(0xcc)
  if (faults.find('sol-stuck') !== undefined)
    return give(...encodeInstanceInfo({ sessionId: stuckOwner, channel: 1 }))
  const owner = sol.owner()
  return give(
    ...encodeInstanceInfo({
      sessionId: owner === undefined ? 0 : nameOf(owner, faults.find('sol-owner')?.named),
      channel: 1,
    }),
  )
}

function nameOf(
  { bmcId, consoleId }: { bmcId: number; consoleId: number },
  how: 'by-console-id' | 'swapped' | 'wrongly' | undefined,
): number {
  if (how === 'by-console-id') return consoleId
  if (how === 'wrongly') return 7
  return how === 'swapped' ? swapped(bmcId) : bmcId
}

function swapped(id: number): number {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(id)
  return bytes.readUInt32BE()
}

const unanswered = ({ how }: { how: 'refused' | 'silent' }): Answer | undefined =>
  how === 'refused' ? refuse(0xc1) : undefined

const isSol = (data: Buffer): boolean => {
  const asked = decodeInstanceRequest(data)
  return !isMalformed(asked) && asked.type === payloadTypes.sol && asked.instance === 1
}

function readAuthentication(bytes: Buffer | undefined) {
  const byte = bytes?.[0] ?? 0
  return { encrypts: (byte & 0x80) !== 0, authenticates: (byte & 0x40) !== 0, privilege: byte & 0x0f }
}

const twoBytes = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8])

const stuckOwner = 0x5707
const payloadChannelNumber = 7
const payloadPortNumber = 8
const parameterRevision = 0x11
