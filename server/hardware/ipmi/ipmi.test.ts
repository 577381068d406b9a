/** The ipmi hardware type against simulated BMCs on real UDP ports. */
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { defaultConfig } from '../../config.ts'
import { LeaseholdError } from '../../errors.ts'
import { type Lab, type LabMachine, startLab } from '../../lab/index.ts'
import { createHardware, type Node, type PowerTarget } from '../index.ts'
import { testNode } from '../testing.ts'

const hardware = createHardware({
  config: defaultConfig({ 'ipmi.request_timeout_ms': 100, 'ipmi.command_timeout_ms': 600 }),
  log: pino({ level: 'silent' }),
})
const password = 'kept-from-messages'

let lab: Lab
let machine: LabMachine
let next = 0

beforeAll(async () => {
  lab = await startLab({ count: 80, password, bootSeconds: 3, softOffSeconds: 0.3 })
})
afterAll(async () => {
  await hardware.close()
  await lab.close()
})
beforeEach(() => {
  machine = lab.machines[next++] as LabMachine
})
afterEach(() => machine.clearFaults())

function nodeOf(own: LabMachine, info: Record<string, unknown> = {}, more: Partial<Node> = {}): Node {
  const { address, port, username } = own
  const driver_info = {
    ipmi_address: address,
    ipmi_port: port,
    ipmi_username: username,
    ipmi_password: password,
    ...info,
  }
  return testNode({ driver: 'ipmi', driver_info, ...more })
}

const signal = new AbortController().signal
const power = hardware.implementation(testNode({ driver: 'ipmi' }), 'power')
const management = hardware.implementation(testNode({ driver: 'ipmi' }), 'management')
const set = (node: Node, target: PowerTarget, timeoutMs = 5_000) =>
  power.setState(node, target, { signal, timeoutMs })
const events = () => machine.history.map(({ event }) => event)

describe('a BMC', () => {
  it('outside of the allowed networks is sent nothing, also if a name leads there', async () => {
    const strict = createHardware({
      config: defaultConfig({ 'hardware.allowed_networks': ['10.0.0.0/8', '::1'] }),
      log: pino({ level: 'silent' }),
    })
    const { getState } = strict.implementation(testNode({ driver: 'ipmi' }), 'power')
    for (const ipmi_address of ['127.0.0.1', 'localhost', '::ffff:127.0.0.1']) {
      const error = await getState(nodeOf(machine, { ipmi_address }), { signal }).catch((each) => each)
      expect([ipmi_address, error]).toEqual([ipmi_address, expect.any(LeaseholdError)])
      expect([error.code, error.message]).toEqual(['invalid', expect.stringContaining('driver_info')])
    }
    await strict.close()
    const lenient = createHardware({
      config: defaultConfig({ 'hardware.allowed_networks': ['127.0.0.0/8'] }),
      log: pino({ level: 'silent' }),
    })
    const state = await lenient
      .implementation(testNode({ driver: 'ipmi' }), 'power')
      .getState(nodeOf(machine), { signal })
    expect(state).toBe('power off')
    await lenient.close()
  })
})

describe('power', () => {
  it('is read from the machine', async () => {
    expect(await power.getState(nodeOf(machine), { signal })).toBe('power off')
    machine.pressPower('on')
    expect(await power.getState(nodeOf(machine), { signal })).toBe('power on')
  })

  it('goes on, is on while the machine still boots, and goes off', async () => {
    const node = nodeOf(machine)
    await set(node, 'power on')
    expect(machine.phase()).toBe('booting')
    expect(await power.getState(node, { signal })).toBe('power on')
    await set(node, 'power off')
    expect(machine.power()).toBe('off')
  })

  it('on and off ask nothing of a machine that is so already', async () => {
    const node = nodeOf(machine)
    await set(node, 'power off')
    await set(node, 'soft power off')
    await set(node, 'power on')
    await set(node, 'power on')
    expect(events()).toEqual(['power on'])
  })

  it('off softly waits until the operating system has shut down', async () => {
    const node = nodeOf(machine)
    await set(node, 'power on')
    await set(node, 'soft power off')
    expect(machine.power()).toBe('off')
    expect(events()).toEqual(['power on', 'power soft', 'shut down'])
  })

  it('rebooted goes off and on, softly or not', async () => {
    const node = nodeOf(machine)
    await set(node, 'power on')
    await set(node, 'rebooting')
    await set(node, 'soft rebooting')
    expect(machine.power()).toBe('on')
    expect(events().filter((event) => event !== 'shut down')).toEqual([
      'power on',
      'power off',
      'power on',
      'power soft',
      'power on',
    ])
  })

  it.each(['rebooting', 'soft rebooting'] as const)(
    '%s a machine that is off turns it on',
    async (target) => {
      await set(nodeOf(machine), target)
      expect(machine.power()).toBe('on')
      expect(events()).toEqual(['power on'])
    },
  )

  it('that does not change in time is an error that says what to do', async () => {
    machine.inject({ kind: 'stuck-power' })
    const node = nodeOf(machine)
    await expect(set(node, 'power on', 700)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('did not reach "power on" within 0.7 s; allow more time'),
    })
    machine.clearFaults()
    await set(node, 'power on')
    machine.inject({ kind: 'stuck-power' })
    await expect(set(node, 'soft power off', 700)).rejects.toThrow('use "power off", which does not ask it')
  })

  it('changes although the BMC is busy for a while, or falls silent in the middle', async () => {
    const node = nodeOf(machine)
    machine.inject({ kind: 'busy', times: 6 })
    await set(node, 'power on', 15_000)
    await power.getState(node, { signal })
    const change = set(node, 'soft power off', 15_000)
    await expect.poll(() => machine.phase(), { interval: 5 }).toBe('stopping')
    const recover = machine.inject({ kind: 'silent' })
    setTimeout(recover, 1_500)
    await change
    expect(machine.power()).toBe('off')
    expect(events().filter((event) => event === 'power soft')).toHaveLength(1)
  })

  it('stops waiting when its signal fires, with the reason of the signal', async () => {
    machine.inject({ kind: 'stuck-power' })
    const control = new AbortController()
    const change = power.setState(nodeOf(machine), 'power on', { signal: control.signal, timeoutMs: 20_000 })
    setTimeout(() => control.abort(new LeaseholdError('unavailable', 'this conductor stops')), 300)
    const started = performance.now()
    await expect(change).rejects.toThrow('this conductor stops')
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

describe('a BMC that cannot be used', () => {
  it.each([
    ['password', { ipmi_password: 'another-secret' }, 'ipmi_password'],
    ['user', { ipmi_username: 'nobody' }, 'ipmi_username'],
    ['BMC key', { ipmi_hex_kg_key: 'ab'.repeat(20) }, 'ipmi_'],
  ])('for a wrong %s says which field to correct, and no secret', async (_what, info, field) => {
    const asked = power.getState(nodeOf(machine, info), { signal })
    const error = (await asked.catch((thrown: unknown) => thrown)) as LeaseholdError
    expect(error).toBeInstanceOf(LeaseholdError)
    expect(error.code).toBe('invalid')
    expect(error.message).toContain(`BMC 127.0.0.1:${machine.port}`)
    expect(error.message).toContain(field)
    expect(error.message).not.toMatch(/another-secret|kept-from-messages|abab/)
  })

  it('because it does not answer says which fields to check, within the command timeout', async () => {
    const node = nodeOf(machine)
    await machine.stopBmc()
    const started = performance.now()
    for (const asked of [power.getState(node, { signal }), set(node, 'power on', 30_000)])
      await expect(asked).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(/ipmi_address and ipmi_port/),
      })
    expect(performance.now() - started).toBeLessThan(4_000)
  })

  it('because the name does not exist says so', async () => {
    const node = nodeOf(machine, { ipmi_address: 'bmc.invalid' })
    await expect(power.getState(node, { signal })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ipmi_address'),
    })
  })

  it('because it answers nonsense is an error, not a hang', async () => {
    machine.inject({ kind: 'malformed' })
    await expect(power.getState(nodeOf(machine), { signal })).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('because driver_info is wrong names the field before anything is sent', async () => {
    const node = nodeOf(machine, { ipmi_port: 'x' })
    await expect(power.getState(node, { signal })).rejects.toThrow('driver_info: ipmi_port must be')
    expect(machine.sessionCount()).toBe(0)
  })
})

describe('boot device', () => {
  it('is null while none is set', async () => {
    expect(await management.getBootDevice(nodeOf(machine), { signal })).toEqual({
      boot_device: null,
      persistent: null,
    })
  })

  it.each(['pxe', 'disk', 'cdrom', 'bios', 'safe'] as const)('%s is set and read back', async (device) => {
    const node = nodeOf(machine)
    expect(management.supportedBootDevices(node)).toContain(device)
    await management.setBootDevice(node, device, true, { signal })
    expect(await management.getBootDevice(node, { signal })).toEqual({
      boot_device: device,
      persistent: true,
    })
    expect(machine.bootSource()).toBe(`${device}, every time, UEFI`)
  })

  it('is for the next boot alone when not persistent, and by BIOS when the node says so', async () => {
    const node = nodeOf(machine, {}, { properties: { capabilities: 'boot_mode:bios' } })
    await management.setBootDevice(node, 'pxe', false, { signal })
    expect(machine.bootSource()).toBe('pxe')
    await set(node, 'power on')
    expect(machine.bootSource()).toBe('default')
  })

  it('that IPMI does not know is refused with those it does', async () => {
    await expect(
      management.setBootDevice(nodeOf(machine), 'uefihttp', false, { signal }),
    ).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('choose one of pxe, disk') })
  })

  it('is set again at each power on with ipmi_force_boot_device', async () => {
    const info = { ipmi_force_boot_device: true }
    const node = nodeOf(machine, info, { boot_device: { boot_device: 'disk', persistent: true } })
    await management.setBootDevice(node, 'disk', true, { signal })
    expect(machine.bootSource()).toBe('disk, UEFI')
    expect(await management.getBootDevice(node, { signal })).toEqual({
      boot_device: 'disk',
      persistent: true,
    })
    await set(node, 'power on')
    await set(node, 'rebooting')
    const sources = machine.history.flatMap(({ event, detail }) =>
      event === 'boot device set' ? [detail] : [],
    )
    expect(sources).toEqual(['disk, UEFI', 'disk, UEFI', 'disk, UEFI'])
  })
})

describe('boot mode', () => {
  it('changes how the machine boots, and leaves what it boots from', async () => {
    const node = nodeOf(machine)
    await management.setBootDevice(node, 'disk', true, { signal })
    expect(await management.setBootMode?.(node, 'bios', { signal })).toEqual({ boot_mode: 'bios' })
    expect(machine.bootSource()).toBe('disk, every time')
    expect(await management.setBootMode?.({ ...node, boot_mode: 'bios' }, 'uefi', { signal })).toEqual({
      boot_mode: 'uefi',
    })
    expect(machine.bootSource()).toBe('disk, every time, UEFI')
  })

  it('that contradicts the capabilities, which would win at the next power on, is refused', async () => {
    const node = nodeOf(machine, {}, { properties: { capabilities: 'boot_mode:uefi' } })
    await expect(management.setBootMode?.(node, 'bios', { signal })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('change those instead'),
    })
    expect(machine.bootSource()).toBe('default')
  })

  it('is all that IPMI can do of it: the rest is left out, and so refused', () => {
    for (const call of ['setSecureBoot', 'indicators', 'listMedia', 'attachMedium', 'detachMedia'] as const)
      expect([call, management[call]]).toEqual([call, undefined])
  })
})

describe('NMI', () => {
  it('reaches a machine that is on, and is refused as a conflict by one that is off', async () => {
    const node = nodeOf(machine)
    await expect(management.injectNmi?.(node, { signal })).rejects.toMatchObject({ code: 'conflict' })
    await set(node, 'power on')
    await management.injectNmi?.(node, { signal })
    expect(events()).toContain('power diag')
  })
})

describe('many machines', () => {
  it('500 are asked at once without a process or a socket each, and ten silent ones stop nobody', async () => {
    const many = await startLab({ count: 500, password })
    try {
      const silent = many.machines.slice(0, 10)
      for (const each of silent) each.inject({ kind: 'silent' })
      for (const each of many.machines.slice(250)) each.pressPower('on')
      const answers = await Promise.all(
        many.machines.map((each) => power.getState(nodeOf(each), { signal }).catch(() => 'failed')),
      )
      expect(answers.slice(0, 10)).toEqual(Array(10).fill('failed'))
      expect(answers.slice(10, 250)).toEqual(Array(240).fill('power off'))
      expect(answers.slice(250)).toEqual(Array(250).fill('power on'))
    } finally {
      await many.close()
    }
  })
})
