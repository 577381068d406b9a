/** The commands a simulated BMC knows, as one table: which privilege each needs and what it does. */
import { netFns } from '@leasehold/ipmi/wire'
import {
  type Answer,
  type CommandContext,
  give,
  isOurChannel,
  type Known,
  lanChannel,
  refuse,
} from './bmc-answers.ts'
import { payloadTable } from './bmc-payload-commands.ts'
import type { BootOptions, Machine, PowerAction } from './machine.ts'

/** Carries out one command, or says by completion code why not (IPMI 2.0, table 5-2). Undefined: it keeps silent. */
export function answerCommand(
  context: CommandContext,
  netFn: number,
  command: number,
  data: Buffer,
): Answer | undefined {
  const known = commands[`${netFn} ${command}`]
  if (known === undefined) return refuse(0xc1)
  if (known.privilege > (context.session?.privilege ?? 0)) return refuse(0xd4)
  if (data.length < (known.atLeast ?? 0)) return refuse(0xc7)
  return known.run(context, data)
}

const { app, chassis } = netFns

const commands: Readonly<Record<string, Known>> = {
  ...payloadTable,
  /** Get Device ID. */
  [`${app} ${0x01}`]: {
    privilege: 2,
    run: () => give(0x20, 0x01, 0x01, 0x00, 0x02, 0x80, 0, 0, 0, 0x4c, 0x48, 0, 0, 0, 0),
  },
  /** Cold Reset, Warm Reset. */
  [`${app} ${0x02}`]: { privilege: 4, run: (context) => restart(context) },
  [`${app} ${0x03}`]: { privilege: 4, run: (context) => restart(context) },
  /** Get Self Test Results: all well. */
  [`${app} ${0x04}`]: { privilege: 2, run: () => give(0x55, 0x00) },
  /** Get Device GUID, Get System GUID. */
  [`${app} ${0x08}`]: { privilege: 2, run: ({ machine }) => give(...machine.guid) },
  [`${app} ${0x37}`]: { privilege: 0, run: ({ machine }) => give(...machine.guid) },
  /** Get Channel Authentication Capabilities: IPMI 2.0 only, user names set, perhaps Kg. */
  [`${app} ${0x38}`]: {
    privilege: 0,
    atLeast: 2,
    run: ({ kgSet }, data) => {
      if (!isOurChannel(data.readUInt8(0))) return refuse(0xcc)
      return give(lanChannel, 0x80, 0x04 | (kgSet ? 0x20 : 0), 0x02, 0, 0, 0, 0)
    },
  },
  /** Set Session Privilege Level; 0 asks for the present one. */
  [`${app} ${0x3b}`]: { privilege: 1, atLeast: 1, run: setPrivilege },
  /** Close Session. */
  [`${app} ${0x3c}`]: {
    privilege: 1,
    atLeast: 4,
    run: ({ session, sessions }, data) => {
      const id = data.readUInt32LE(0)
      if (id !== session?.bmcId && (session?.privilege ?? 0) < 4) return refuse(0xd4)
      return sessions.close(id) ? give() : refuse(0x87)
    },
  },
  /** Get Session Info. */
  [`${app} ${0x3d}`]: { privilege: 2, atLeast: 1, run: sessionInfo },
  /** Get Channel Info: 802.3 LAN, multi-session. */
  [`${app} ${0x42}`]: {
    privilege: 2,
    atLeast: 1,
    run: ({ sessions }, data) =>
      isOurChannel(data.readUInt8(0))
        ? give(lanChannel, 0x04, 0x01, 0x80 | Math.min(63, sessions.active().length), 0xf2, 0x1b, 0, 0, 0)
        : refuse(0xcc),
  },
  /** Get Channel Cipher Suites: 3 and 17, as records of table 22-19. */
  [`${app} ${0x54}`]: {
    privilege: 0,
    atLeast: 3,
    run: (_context, data) => {
      const at = (data.readUInt8(2) & 0x3f) * 16
      return give(lanChannel, ...suiteRecords.slice(at, at + 16))
    },
  },
  /** Get Chassis Capabilities. */
  [`${chassis} ${0x00}`]: { privilege: 2, run: () => give(0, 0x20, 0x20, 0x20, 0x20) },
  /** Get Chassis Status. */
  [`${chassis} ${0x01}`]: {
    privilege: 2,
    run: ({ machine }) =>
      give(
        machine.state.power === 'on' ? 0x01 : 0x00,
        machine.state.power === 'on' ? 0x10 : 0x00,
        0x40 | (machine.identifying ? 0x10 : 0),
        0,
      ),
  },
  /** Chassis Control. */
  [`${chassis} ${0x02}`]: {
    privilege: 3,
    atLeast: 1,
    run: ({ machine, session, stuckPower }, data) => {
      const action = powerActions[data.readUInt8(0) & 0x0f]
      if (action === undefined) return refuse(0xcc)
      if (stuckPower) {
        machine.note(`power ${action} ignored`, 'fault')
        return give()
      }
      return machine.control(action, session?.user.name ?? '') ? give() : refuse(0xd5)
    },
  },
  /** Chassis Identify. */
  [`${chassis} ${0x04}`]: {
    privilege: 3,
    run: ({ machine }, data) => {
      machine.identify(data[1] === 1 ? 'forever' : (data[0] ?? 15))
      return give()
    },
  },
  /** Set and Get System Boot Options. */
  [`${chassis} ${0x08}`]: {
    privilege: 3,
    atLeast: 1,
    run: ({ machine }, data) => setBootOption(machine, data),
  },
  [`${chassis} ${0x09}`]: {
    privilege: 3,
    atLeast: 3,
    run: ({ machine }, data) => {
      const parameter = data.readUInt8(0) & 0x7f
      const value = bootOption(machine.state.boot, parameter)
      return value === undefined ? refuse(0x80) : give(0x01, parameter, ...value)
    },
  },
}

const suiteRecords = [0xc0, 3, 0x01, 0x41, 0x81, 0xc0, 17, 0x03, 0x44, 0x81] as const

const powerActions: readonly (PowerAction | undefined)[] = ['off', 'on', 'cycle', 'reset', 'diag', 'soft']

function restart(context: CommandContext): Answer {
  context.restart()
  return give()
}

function setPrivilege({ session }: CommandContext, data: Buffer): Answer {
  if (session === undefined) return refuse(0xd4)
  const wanted = data.readUInt8(0) & 0x0f
  if (wanted === 1 || wanted > 4) return refuse(0xcc)
  if (wanted > session.maxPrivilege) return refuse(0x81)
  if (wanted !== 0) session.privilege = wanted
  return give(session.privilege)
}

function sessionInfo({ session, sessions, maxSessions }: CommandContext, data: Buffer): Answer {
  const active = sessions.active()
  const by = data.readUInt8(0)
  const index = by === 0xfe || by === 0xff ? undefined : by
  const found =
    index === 0
      ? session
      : index !== undefined
        ? active[index - 1]
        : by === 0xfe && data.length >= 2
          ? active.find((other) => other.handle === data.readUInt8(1))
          : active.find((other) => data.length >= 5 && other.bmcId === data.readUInt32LE(1))
  const counts = [Math.min(63, maxSessions), Math.min(63, active.length)]
  if (found === undefined) return give(0, ...counts)
  const ip = found.address.split('.').map(Number)
  const address = ip.length === 4 ? ip : [0, 0, 0, 0]
  const port = [found.port & 0xff, found.port >> 8]
  const channel = lanChannel | 0x10
  return give(
    found.handle,
    ...counts,
    found.userId,
    found.privilege,
    channel,
    ...address,
    0,
    0,
    0,
    0,
    0,
    0,
    ...port,
  )
}

function setBootOption(machine: Machine, data: Buffer): Answer {
  const { boot } = machine.state
  const value = data.subarray(1)
  switch (data.readUInt8(0) & 0x7f) {
    case 0:
      if (value.length >= 1) boot.setInProgress = value.readUInt8(0) & 0x03
      return give()
    case 3:
      if (value.length < 1) return refuse(0xc7)
      boot.flagClearing = value.readUInt8(0) & 0x1f
      return give()
    case 4:
      if (value.length < 2) return refuse(0xc7)
      boot.acknowledge = [value.readUInt8(0), value.readUInt8(1)]
      return give()
    case 5: {
      if (value.length < 5) return refuse(0xc7)
      const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = value
      const flags: BootOptions['flags'] = [first, second, third, fourth, fifth]
      machine.setBootFlags(flags)
      return give()
    }
    default:
      return refuse(0x80)
  }
}

function bootOption(boot: BootOptions, parameter: number): readonly number[] | undefined {
  const values: Readonly<Record<number, readonly number[]>> = {
    0: [boot.setInProgress],
    3: [boot.flagClearing],
    4: boot.acknowledge,
    5: boot.flags,
  }
  return values[parameter]
}
