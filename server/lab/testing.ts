/** Consoles of simulated machines, for tests: opened, written down, and closed again. */
import {
  type ClientOptions,
  createIpmiClient,
  type IpmiClient,
  type IpmiError,
  type Sol,
  type SolOptions,
  type Target,
} from '@leasehold/ipmi'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Lab, type LabMachine, startLab } from './index.ts'

export type Console = {
  sol: Sol
  /** Everything the console got. */
  got: () => Buffer
  lost: IpmiError[]
  noted: string[]
  sessions: number[]
  drained: () => number
}

/** A lab for a test file, and ways to open its consoles. What is opened is closed after each test. */
export function testConsoles(count: number) {
  const opened: { close(): Promise<void> }[] = []
  let lab: Lab
  let next = 0

  beforeAll(async () => {
    lab = await startLab({ count, serial: 'quiet', bootSeconds: 0.1 })
  })
  afterEach(async () => {
    for (const machine of lab.machines) machine.clearFaults()
    for (const thing of opened.splice(0).reverse()) await thing.close()
  })
  afterAll(() => lab.close())

  /** A machine that no other test has touched. */
  const freshMachine = (): LabMachine => {
    const machine = lab.machines[next++]
    if (machine === undefined) throw new Error('the lab has too few machines')
    return machine
  }
  const client = (options: ClientOptions = {}): IpmiClient => {
    const made = createIpmiClient({ replyTimeoutMs: 100, exchangeTimeoutMs: 2_000, ...options })
    opened.push(made)
    return made
  }
  /** Opens a console that writes down what it is told. */
  const open = async (
    machine: LabMachine,
    options: Partial<SolOptions> = {},
    ipmi: IpmiClient = client(),
  ): Promise<Console> => {
    const chunks: Buffer[] = []
    const lost: IpmiError[] = []
    const noted: string[] = []
    const sessions: number[] = []
    let drained = 0
    const sol = await ipmi.openSol(targetOf(machine), {
      onData: (bytes) => void chunks.push(Buffer.from(bytes)),
      onLost: (error) => void lost.push(error),
      onNoted: (event) => void noted.push(event),
      onSession: (id) => void sessions.push(id),
      onDrained: () => {
        drained += 1
      },
      whenTaken: 'retake',
      keepAliveMs: 200,
      ...options,
    })
    return { sol, got: () => Buffer.concat(chunks), lost, noted, sessions, drained: () => drained }
  }
  return { opened, freshMachine, client, open }
}

export const targetOf = ({ address, port, username, password }: LabMachine): Target => ({
  address,
  port,
  username,
  password,
  cipherSuite: 17,
})

export const until = async (what: () => unknown, timeout = 8_000): Promise<void> => {
  await expect.poll(what, { timeout, interval: 10 }).toBeTruthy()
}

/** What is typed on a machine's console, as the machine gets it. */
export const typedOn = (machine: LabMachine): (() => Buffer) => {
  const chunks: Buffer[] = []
  machine.serial.onInput((bytes) => void chunks.push(Buffer.from(bytes)))
  return () => Buffer.concat(chunks)
}
