/** A simulated data centre on loopback: machines with real BMC ports, for a first try and for tests. */
import { type Bmc, startBmc } from './bmc.ts'
import type { LabUser } from './bmc-sessions.ts'
import type { Fault } from './faults.ts'
import { bootSource, createMachine, type MachineEvent, type Phase, type Power } from './machine.ts'
import { createSerialLine, type LabSerial } from './serial.ts'
import { playOnSerial } from './serial-play.ts'
import { createSaver, loadLab, type SavedLab } from './state.ts'

export type { LabUser } from './bmc-sessions.ts'
export type { Fault, FaultKind } from './faults.ts'
export type { MachineEvent, Phase, Power } from './machine.ts'
export type { LabSerial } from './serial.ts'
export { type LabSwitch, startLabSwitch } from './switch.ts'

export type LabOptions = {
  /** How many machines, at most 10,000. */
  count: number
  /** Loopback address the BMCs listen on; 127.0.0.1 unless given. */
  address?: string
  /** Port of the first BMC, the others follow; any free ports unless given, or where one is taken. */
  basePort?: number
  /** Name of the first machine is `${namePrefix}-1`; "machine" unless given. */
  namePrefix?: string
  /** JSON file that power, boot devices, ports and history are kept in; nothing is kept unless given. */
  statePath?: string
  username?: string
  password?: string
  /** More accounts than the administrator. */
  users?: readonly LabUser[]
  /** BMC key (Kg), at most 20 bytes. */
  kg?: string
  bootSeconds?: number
  softOffSeconds?: number
  cycleSeconds?: number
  sessionTimeoutSeconds?: number
  maxSessions?: number
  /** What is on the serial lines: a boot log and a shell ('play', unless given), or only what the caller writes. */
  serial?: 'play' | 'quiet'
  /** Told of everything that happens to a machine, e.g. to play its operating system when it has booted. */
  onEvent?: (machine: LabMachine, event: MachineEvent) => void
  /** Told if the state file cannot be written. */
  onSaveError?: (error: unknown) => void
}

export type LabMachine = {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly macAddresses: readonly [string, string]
  readonly history: readonly MachineEvent[]
  power(): Power
  phase(): Phase
  /** What the next boot is set to come from, e.g. "pxe" or "disk, every time, UEFI". */
  bootSource(): string
  /** As if someone pressed the button at the machine. */
  pressPower(power: Power): void
  /** Open sessions at its BMC. */
  sessionCount(): number
  /** The machine's serial line: what is written here its console shows. */
  readonly serial: LabSerial
  /** The BMC's id of the session that has SOL. */
  solOwner(): number | undefined
  /** Gives SOL to somebody who does not exist; the one who has it may be told. Gives that one's session id. */
  stealSol(tell?: boolean): number
  /** Takes SOL from whoever has it. */
  endSol(tell?: boolean): void
  /** Makes something go wrong until the function it gives is called. */
  inject(fault: Fault): () => void
  clearFaults(): void
  /** Takes the BMC off the network, and puts it back on the same port. */
  stopBmc(): Promise<void>
  startBmc(): Promise<void>
  /** Makes the BMC forget its sessions. */
  restartBmc(): void
}

export type Lab = { readonly machines: readonly LabMachine[]; close(): Promise<void> }

/**
 * Starts the machines, each with a BMC on a UDP port of its own.
 *
 * @throws Error if a count or port makes no sense, the state file is not the lab's, or there is no free port
 */
export async function startLab(options: LabOptions): Promise<Lab> {
  const settings = { ...defaults, ...options }
  const { count, basePort, statePath } = settings
  if (!Number.isInteger(count) || count < 1 || count > 10_000) throw new Error('count must be 1 to 10000')
  if (basePort !== 0 && (!Number.isInteger(basePort) || basePort < 1 || basePort + count > 65_536)) {
    throw new Error('basePort must leave room for one port per machine below 65536')
  }
  const saved = statePath === undefined ? {} : await loadLab(statePath)
  const parts: { machine: LabMachine; save: () => SavedLab[string]; stop: () => Promise<void> }[] = []
  const snapshot = (): SavedLab => ({
    ...saved,
    ...Object.fromEntries(parts.map(({ machine, save }) => [machine.name, save()])),
  })
  const saver =
    statePath === undefined ? undefined : createSaver(statePath, snapshot, settings.onSaveError ?? (() => {}))
  const stopAll = async () => {
    await Promise.all(parts.map(({ stop }) => stop()))
  }
  try {
    for (let index = 0; index < count; index += 1) {
      const name = `${settings.namePrefix}-${index + 1}`
      const ports = [saved[name]?.port ?? 0, basePort && basePort + index, 0]
      parts.push(await startMachine(name, ports, saved[name], settings, () => saver?.changed()))
    }
  } catch (error) {
    await stopAll()
    throw error
  }
  saver?.changed()
  return {
    machines: parts.map(({ machine }) => machine),
    async close() {
      await stopAll()
      await saver?.flush()
    },
  }
}

const defaults = {
  address: '127.0.0.1',
  basePort: 0,
  namePrefix: 'machine',
  username: 'admin',
  password: 'leasehold',
  bootSeconds: 3,
  softOffSeconds: 1,
  cycleSeconds: 1,
  sessionTimeoutSeconds: 60,
  maxSessions: 16,
  serial: 'play' as 'play' | 'quiet',
}

async function startMachine(
  name: string,
  ports: readonly number[],
  saved: SavedLab[string] | undefined,
  settings: typeof defaults & LabOptions,
  changed: () => void,
): Promise<{ machine: LabMachine; save: () => SavedLab[string]; stop: () => Promise<void> }> {
  const { address, username, password } = settings
  const times = {
    bootMs: settings.bootSeconds * 1_000,
    softOffMs: settings.softOffSeconds * 1_000,
    cycleMs: settings.cycleSeconds * 1_000,
  }
  const box = createMachine(
    name,
    times,
    saved && { power: saved.power, boot: saved.boot, history: saved.history },
    (event) => {
      changed()
      play?.(event)
      settings.onEvent?.(machine, event)
    },
  )
  const line = createSerialLine()
  const play = settings.serial === 'play' ? playOnSerial(line.machine, box) : undefined
  const bmc: Bmc = await startBmc(
    box,
    line.bmc,
    [...new Set(ports.filter((port, index) => port !== 0 || index === ports.length - 1))],
    {
      address,
      users: [{ name: username, password, maxPrivilege: 4 }, ...(settings.users ?? [])],
      kg: settings.kg === undefined ? undefined : Buffer.from(settings.kg),
      maxSessions: settings.maxSessions,
      sessionTimeoutMs: settings.sessionTimeoutSeconds * 1_000,
    },
  )
  const machine: LabMachine = {
    name,
    address,
    get port() {
      return bmc.port
    },
    username,
    password,
    macAddresses: box.macAddresses,
    history: box.state.history,
    power: () => box.state.power,
    phase: () => box.phase,
    bootSource: () => bootSource(box.state.boot.flags),
    pressPower: (power) => void box.control(power, 'button'),
    sessionCount: bmc.sessionCount,
    serial: line.machine,
    solOwner: () => bmc.sol.owner()?.bmcId,
    stealSol: (tell = false) => bmc.sol.steal(tell),
    endSol: (tell = false) => void bmc.sol.deactivate(tell),
    inject: bmc.faults.inject,
    clearFaults: bmc.faults.clear,
    stopBmc: bmc.stop,
    startBmc: bmc.start,
    restartBmc: bmc.restart,
  }
  return {
    machine,
    save: () => ({ ...box.state, port: bmc.port }),
    stop: () => {
      box.stop()
      return bmc.stop()
    },
  }
}
