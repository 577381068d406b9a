/** The machines of a measurement: simulated BMCs in a process of their own, told what to do by messages. */
import { fork } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { type Lab, type LabMachine, startLab } from '../../server/lab/index.ts'
import { type Answers, answering, asking, nowMs } from './messages.ts'

export interface LabPort {
  ports: number[]
}

const commands = {
  /** Starts so many; what is typed is echoed. */
  async start({
    count,
    password,
    basePort = 0,
  }: {
    count: number
    password: string
    basePort?: number
  }): Promise<LabPort> {
    lab = await startLab({ count, serial: 'quiet', password, basePort })
    for (const { serial } of lab.machines) serial.onInput((bytes) => serial.write(bytes))
    return { ports: lab.machines.map(({ port }) => port) }
  },
  /** All together say so many bytes a second, each machine a line in its turn. */
  talk({ bytesPerSecond, lineBytes }: { bytesPerSecond: number; lineBytes: number }): void {
    clearInterval(talking)
    const line = Buffer.alloc(lineBytes, 'x')
    let next = 0
    let owed = 0
    talking = setInterval(() => {
      for (owed += bytesPerSecond / 100; owed >= lineBytes; owed -= lineBytes, next += 1)
        lab?.machines[next % lab.machines.length]?.serial.write(line)
    }, 10)
  },
  /** BMCs that answer nothing from now on. Gives when. */
  silence({ indexes }: { indexes: number[] }): number {
    for (const machine of machines(indexes)) machine.inject({ kind: 'silent' })
    return nowMs()
  },
  /**
   * They answer again, `restarted` with no memory of sessions, and say a word every 10 ms, or 100 where they are many, until
   * `hush`. Gives when.
   */
  restore({ indexes, restarted }: { indexes: number[]; restarted: boolean }): number {
    for (const machine of machines(indexes)) {
      if (restarted) machine.restartBmc()
      machine.clearFaults()
      speaking.add(machine)
    }
    return nowMs()
  },
  /** They forget their sessions at once, and speak likewise. Gives when. */
  restart({ indexes }: { indexes: number[] }): number {
    for (const machine of machines(indexes)) {
      machine.restartBmc()
      speaking.add(machine)
    }
    return nowMs()
  },
  hush(): void {
    speaking.clear()
  },
  /** The first machine prints so much, lines that say when they were printed, as fast as that or as its console takes. */
  flood({ bytes, bytesPerSecond }: { bytes: number; bytesPerSecond: number }): void {
    const { serial } = machines([0])[0] as LabMachine
    const hash = hashOfTaken ?? createHash('sha256')
    if (hashOfTaken === undefined) {
      hashOfTaken = hash
      serial.onTaken((part) => {
        hash.update(part)
        taken += part.length
      })
    }
    printed = taken
    floodEnd = taken + bytes
    let owed = 0
    const flooding = setInterval(() => {
      // No more than a little ahead: what waits at the BMC is no delay of the service.
      for (owed += bytesPerSecond / 200; owed >= 128 && printed - taken < 2_048; owed -= 128) {
        serial.write(`@${nowMs().toFixed(3).padStart(15)}${'.'.repeat(111)}\n`)
        printed += 128
      }
      owed = Math.min(owed, bytesPerSecond / 50)
      if (printed >= floodEnd) clearInterval(flooding)
    }, 5)
  },
  flooded: (): boolean => printed >= floodEnd && taken >= printed,
  taken: (): { acknowledged: number; sha256: string } => ({
    acknowledged: taken,
    sha256: hashOfTaken?.copy().digest('hex') ?? '',
  }),
  /** How many BMCs have SOL active for somebody, and how many sessions there are. */
  count(): { active: number; sessions: number } {
    const all = lab?.machines ?? []
    const sessions = all.reduce((sum, machine) => sum + machine.sessionCount(), 0)
    return { active: all.filter((machine) => machine.solOwner() !== undefined).length, sessions }
  },
  async stop(): Promise<void> {
    clearInterval(talking)
    await lab?.close()
    setImmediate(() => process.disconnect?.())
  },
}

let lab: Lab | undefined
let hashOfTaken: Hash | undefined
let taken = 0
let printed = 0
let floodEnd = 0
let talking: NodeJS.Timeout | undefined
const speaking = new Set<LabMachine>()

const machines = (indexes: number[]): LabMachine[] => indexes.flatMap((index) => lab?.machines[index] ?? [])

export type LabProcess = Answers<typeof commands>

/** Starts the process, without machines yet. */
export function forkLab(): { lab: LabProcess; pid: number } {
  const child = fork(import.meta.filename)
  return { lab: asking<typeof commands>(child), pid: child.pid as number }
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  // A hundred words each 10 ms at most: the machines must not be what is slow.
  let turn = 0
  setInterval(() => {
    const all = [...speaking]
    for (let left = Math.min(100, all.length); left > 0; left -= 1, turn += 1)
      all[turn % all.length]?.serial.write('back ')
  }, 10).unref()
  answering(commands)
}
