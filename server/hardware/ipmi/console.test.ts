/** The console of hardware type ipmi, against simulated BMCs on real UDP ports. */
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultConfig } from '../../config.ts'
import { type Lab, type LabMachine, startLab } from '../../lab/index.ts'
import { createHardware, type Line, type LineOptions, type Node } from '../index.ts'
import { testNode } from '../testing.ts'

const hardware = createHardware({
  config: defaultConfig({ 'ipmi.request_timeout_ms': 100, 'ipmi.command_timeout_ms': 1_000 }),
  log: pino({ level: 'silent' }),
})
const console = hardware.implementation(testNode({ driver: 'ipmi' }), 'console')
const signal = new AbortController().signal

let lab: Lab
let next = 0
beforeAll(async () => {
  lab = await startLab({ count: 12, serial: 'quiet' })
})
afterAll(async () => {
  await hardware.close()
  await lab.close()
})

const freshMachine = (): LabMachine => lab.machines[next++] as LabMachine
const nodeOf = (
  { address, port, username, password }: LabMachine,
  info: Record<string, unknown> = {},
): Node =>
  testNode({
    driver: 'ipmi',
    driver_info: {
      ipmi_address: address,
      ipmi_port: String(port),
      ipmi_username: username,
      ipmi_password: password,
      ...info,
    },
  })
const until = async (what: () => unknown) => {
  await expect.poll(what, { timeout: 8_000, interval: 10 }).toBeTruthy()
}

async function open(node: Node, options: Partial<LineOptions> = {}) {
  const chunks: Buffer[] = []
  const told: string[] = []
  const remembered: Record<string, unknown>[] = []
  const lost: { taken: boolean; error: Error }[] = []
  const line = (await console.open?.(
    node,
    {
      data: (bytes) => void chunks.push(Buffer.from(bytes)),
      activating: () => void told.push('activating'),
      remember: (session) => {
        told.push('remember')
        remembered.push(session)
      },
      drained: () => void told.push('drained'),
      noted: (event) => void told.push(event),
      lost: (reason) => void lost.push(reason),
    },
    { signal, whenTaken: 'retake', keepAliveMs: 200, remembered: null, ...options },
  )) as Line
  return { line, got: () => Buffer.concat(chunks).toString(), told, remembered, lost }
}

describe('an open line', () => {
  it('passes bytes and breaks both ways, and is given back', async () => {
    const machine = freshMachine()
    const typed: string[] = []
    machine.serial.onInput((bytes) => void typed.push(bytes.toString()))
    machine.serial.onBreak(() => void typed.push('break'))
    const { line, got, told, lost } = await open(nodeOf(machine))
    line.write(Buffer.from('hello'))
    line.sendBreak?.()
    machine.serial.write('welcome')
    machine.serial.sendBreak()
    await until(() => typed.join() === 'hello,break' && got() === 'welcome' && told.includes('break'))
    await until(() => line.queued === 0)
    expect(told.slice(0, 2)).toEqual(['remember', 'activating'])
    await line.close()
    expect([machine.solOwner(), machine.sessionCount(), lost]).toEqual([undefined, 0, []])
  })

  it('that is stolen is lost as taken, with an error that can be shown', async () => {
    const machine = freshMachine()
    const { lost } = await open(nodeOf(machine))
    machine.stealSol()
    await until(() => lost.length === 1)
    expect(lost[0]).toMatchObject({ taken: true, error: { code: 'conflict' } })
    expect(lost[0]?.error.message).toContain(String(machine.port))
  })

  it('is taken back by what is remembered of it, from a BMC that is the same', async () => {
    const machine = freshMachine()
    const { remembered, lost } = await open(nodeOf(machine), { keepAliveMs: 600_000 })
    const [session = null] = remembered
    const elsewhere = { ...session, address: '10.0.0.1' }
    const failure = await open(nodeOf(machine), { whenTaken: 'yield', remembered: elsewhere }).catch(
      (e: unknown) => e,
    )
    expect(failure).toMatchObject({ code: 'conflict' })
    const again = await open(nodeOf(machine), { whenTaken: 'yield', remembered: session })
    expect(machine.sessionCount()).toBe(1)
    expect(lost).toEqual([])
    await again.line.close()
  })
})

describe('a console that cannot be had', () => {
  it('because the BMC is silent, or the password wrong, says which keys to check', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'silent' })
    await expect(open(nodeOf(machine))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ipmi_address'),
    })
    machine.clearFaults()
    await expect(open(nodeOf(machine, { ipmi_password: 'mistyped' }))).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('ipmi_password'),
    })
  })

  it('because SOL is disabled says how to enable it', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-refused', completionCode: 0x81 })
    await expect(open(nodeOf(machine))).rejects.toThrow(/enable SOL/)
  })
})

describe('driver_info', () => {
  it('takes quirks as text or as a list, and refuses others with those that there are', () => {
    const machine = freshMachine()
    for (const ipmi_sol_quirks of ['solport, solstatus', ['solport'], '', null]) {
      expect(() => console.validate(nodeOf(machine, { ipmi_sol_quirks }))).not.toThrow()
    }
    expect(() => console.validate(nodeOf(machine, { ipmi_sol_quirks: 'solprot' }))).toThrow(/solport/)
    expect(() => console.validate(nodeOf(machine, { ipmi_sol_encryption: 'perhaps' }))).toThrow(
      /ipmi_sol_encryption/,
    )
  })

  it('turns quirks on', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-port', port: 9_999 })
    await expect(open(nodeOf(machine))).rejects.toThrow(/9999/)
    const { line } = await open(nodeOf(machine, { ipmi_sol_quirks: 'solport' }))
    expect(machine.solOwner()).toBeDefined()
    await line.close()
  })
})

it('is switched on and off without touching the machine', async () => {
  const machine = freshMachine()
  expect(await console.start?.(nodeOf(machine), { signal })).toEqual({ console_enabled: true })
  expect(await console.stop?.(nodeOf(machine), { signal })).toEqual({ console_enabled: false })
  expect(machine.sessionCount()).toBe(0)
})
