/** Our IPMI client against OpenIPMI's ipmi_sim, and ipmitool against our simulated BMC: neither can agree with itself alone. */
import { join } from 'node:path'
import { createIpmiClient, type IpmiClient, type Target } from '@leasehold/ipmi'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../../server/console/testing.ts'
import { type Lab, type LabMachine, startLab } from '../../server/lab/index.ts'
import { type Simulator, startSimulator } from './ipmi-sim.ts'
import { freePort, ipmitool, needPrograms, type Running, start } from './programs.ts'

beforeAll(() => needPrograms('ipmi_sim', 'ipmitool'))

describe('our client and OpenIPMI’s BMC', () => {
  let sim: Simulator
  let ipmi: IpmiClient
  let target: Target

  beforeAll(async () => {
    sim = await startSimulator()
    target = { address: '127.0.0.1', port: sim.port, username: 'admin', password: 'secret', cipherSuite: 3 }
  })
  beforeEach(() => {
    ipmi = createIpmiClient({ replyTimeoutMs: 500 })
  })
  afterEach(() => ipmi.close())
  afterAll(() => sim.remove())

  test('know each other: identity, version, what it speaks', async () => {
    expect(await ipmi.deviceId(target)).toMatchObject({
      firmware: '9.08',
      ipmiVersion: '2.0',
      manufacturerId: 0x1291,
      productId: 0xf02,
    })
    expect(await ipmi.discover(target)).toMatchObject({ ipmi15: true, ipmi20: true, kgRequired: false })
    expect(await ipmi.sessionPrivilege(target)).toBe('ADMINISTRATOR')
  })

  test.each([
    ['on', 'set power 1'],
    ['reset', 'set reset 1'],
    ['soft', 'set shutdown 1'],
    ['off', 'set power 0'],
  ] as const)('power %s reaches the chassis once as "%s"', async (action, words) => {
    const before = await sim.chassisLog()
    await ipmi.chassisControl(target, action)
    const fresh = (await sim.chassisLog()).slice(before.length).filter((line) => line.startsWith('set'))
    expect(fresh).toEqual([words])
  })

  test('power cycle goes off and on, once', async () => {
    await ipmi.chassisControl(target, 'on')
    const before = await sim.chassisLog()
    await ipmi.chassisControl(target, 'cycle')
    const sets = async () =>
      (await sim.chassisLog()).slice(before.length).filter((line) => line.startsWith('set'))
    await expect.poll(sets, { timeout: 5_000 }).toEqual(['set power 0', 'set power 1'])
    expect((await ipmi.chassisStatus(target)).power).toBe('on')
  })

  test.each([
    ['pxe', 'set boot pxe'],
    ['disk', 'set boot default'],
    ['cdrom', 'set boot cdrom'],
    ['bios', 'set boot bios'],
  ] as const)('boot device %s reaches the chassis as "%s"', async (device, words) => {
    await ipmi.setBootDevice(target, { device })
    expect((await sim.chassisLog()).filter((line) => line.startsWith('set boot')).at(-1)).toBe(words)
    expect((await ipmi.getBootDevice(target)).device).toBe(device)
  })

  test('identify reaches the chassis', async () => {
    await ipmi.identify(target, 5)
    expect((await sim.chassisLog()).at(-1)).toBe('set identify 5 0')
  })

  test('what it cannot do is refused with its completion code', async () => {
    await expect(ipmi.setBootDevice(target, { device: 'floppy' })).rejects.toMatchObject({
      code: 'command-failed',
      completionCode: 0xff,
    })
    await expect(ipmi.raw(target, { netFn: 6, command: 0x7f })).resolves.toMatchObject({
      completionCode: 0xc1,
    })
  })

  test('a wrong password, an unknown user, too little privilege and a refused suite are told apart', async () => {
    const code = (change: Partial<Target>, action: 'status' | 'on' = 'status') =>
      (action === 'on'
        ? ipmi.chassisControl({ ...target, ...change }, 'on')
        : ipmi.chassisStatus({ ...target, ...change })
      ).then(
        () => 'fine',
        (error: { code: string }) => error.code,
      )
    expect(await code({ password: 'mistyped' })).toBe('wrong-password')
    expect(await code({ username: 'nobody' })).toBe('unknown-user')
    const viewer = { username: 'viewer', password: 'see', privilege: 'USER' } as const
    expect(await code(viewer)).toBe('fine')
    expect(await code(viewer, 'on')).toBe('insufficient-privilege')
    expect(await code({ cipherSuite: 17 })).toBe('unsupported')
    expect(await code({})).toBe('fine')
  })

  test('a BMC that stops is unreachable, and once it runs again the client goes on', async () => {
    await ipmi.chassisStatus(target)
    await sim.stop()
    await expect(ipmi.chassisStatus(target, { deadlineMs: 4_000 })).rejects.toMatchObject({
      code: 'unreachable',
    })
    await sim.start()
    expect(['on', 'off']).toContain((await ipmi.chassisStatus(target)).power)
  })

  test('a BMC restarted between two requests is a new session, not an error', async () => {
    await ipmi.chassisStatus(target)
    await sim.stop()
    await sim.start()
    expect(['on', 'off']).toContain((await ipmi.chassisStatus(target)).power)
  })

  test('closing gives the session back', async () => {
    const activeSessions = async () => {
      const { data } = await ipmi.raw(target, { netFn: 6, command: 0x3d, data: [0] })
      return data.readUInt8(2) & 0x3f
    }
    const before = await activeSessions()
    const other = createIpmiClient()
    await other.chassisStatus(target)
    expect(await activeSessions()).toBe(before + 1)
    await other.close()
    expect(await activeSessions()).toBe(before)
  })
})

describe('our client and pyghmi’s BMC, which knows a session by the port that it comes from', () => {
  let program: Running
  let target: Target
  let ipmi: IpmiClient
  beforeAll(async () => {
    const port = await freePort()
    const words = [join(import.meta.dirname, 'pyghmi-bmc.py'), String(port), 'off']
    program = start('/usr/bin/python3', words)
    await until(() => program.said.includes('ready'), 'pyghmi’s BMC')
    target = { address: '127.0.0.1', port, username: 'admin', password: 'secret', cipherSuite: 3 }
    ipmi = createIpmiClient()
  })
  afterAll(async () => {
    await ipmi?.close()
    await program?.end('SIGKILL')
  })
  const openSol = () => ipmi.openSol(target, { onData: () => {}, onLost: () => {}, whenTaken: 'retake' })

  test('open sessions one after another, for commands and for consoles at the same time', async () => {
    for (let time = 1; time <= 4; time += 1) {
      // The machine is off: a session is opened each time, and SOL refused.
      const [refusal, status] = await Promise.all([
        openSol().catch((error: unknown) => error),
        ipmi.chassisStatus(target),
      ])
      expect(refusal).toMatchObject({ completionCode: 0x81 })
      expect(status.power).toBe('off')
    }
    await ipmi.chassisControl(target, 'on')
    await (await openSol()).close()
  })

  test('go on when it was held up, and everything comes to it at once', async () => {
    for (let time = 1; time <= 3; time += 1) {
      program.child.kill('SIGSTOP')
      const opening = openSol()
      await new Promise((resolve) => setTimeout(resolve, 1_800))
      program.child.kill('SIGCONT')
      await (await opening).close()
    }
    expect(program.child.exitCode).toBeNull()
  })
})

describe.each([
  ['-C 3', ['-C', '3']],
  ['-C 17', ['-C', '17']],
  ['no -C', []],
] as const)('ipmitool -I lanplus with %s and our BMC', (_name, suite) => {
  let lab: Lab
  let machine: LabMachine

  beforeAll(async () => {
    lab = await startLab({ count: 1, bootSeconds: 0.2, softOffSeconds: 0.2, cycleSeconds: 0.2 })
    const [first] = lab.machines
    if (first === undefined) throw new Error('no machine')
    machine = first
  })
  afterAll(() => lab.close())

  const tool = (...words: readonly string[]) => ipmitool(machine, machine.password, [...suite], words)
  const said = async (...words: readonly string[]) => {
    const { code, output } = await tool(...words)
    expect({ code, output }).toMatchObject({ code: 0 })
    return output
  }
  const lastEvent = () => machine.history.at(-1)?.event

  test('power: status, on, reset, cycle, soft, off', async () => {
    expect(await said('power', 'status')).toContain('Chassis Power is off')
    expect(await said('power', 'on')).toContain('Up/On')
    expect(machine.power()).toBe('on')
    expect(await said('power', 'status')).toContain('Chassis Power is on')
    await said('power', 'reset')
    expect(machine.history.some(({ event }) => event === 'power reset')).toBe(true)
    await said('power', 'cycle')
    await expect.poll(() => machine.phase(), { timeout: 5_000 }).toBe('running')
    expect(machine.history.map(({ event }) => event)).toContain('power cycle')
    await said('power', 'soft')
    await expect.poll(() => machine.power(), { timeout: 5_000 }).toBe('off')
    expect(lastEvent()).toBe('shut down')
    await said('power', 'on')
    await said('power', 'off')
    expect(machine.power()).toBe('off')
    expect((await tool('power', 'reset')).output).toContain('not supported in present state')
  })

  test('boot device: for always and by UEFI, and for once', async () => {
    await said('chassis', 'bootdev', 'pxe', 'options=persistent,efiboot')
    const always = await said('chassis', 'bootparam', 'get', '5')
    expect(always).toContain('Boot Flag Valid')
    expect(always).toContain('Options apply to all future boots')
    expect(always).toContain('BIOS EFI boot')
    expect(always).toContain('Force PXE')
    expect(machine.bootSource()).toBe('pxe, every time, UEFI')
    await said('chassis', 'bootdev', 'disk')
    expect(await said('chassis', 'bootparam', 'get', '5')).toContain('Options apply to only next boot')
    expect(machine.bootSource()).toBe('disk')
  })

  test('identity: mc info, guid, self test', async () => {
    expect(await said('mc', 'info')).toMatch(/IPMI Version\s+: 2\.0/)
    expect(await said('mc', 'guid')).toContain('System GUID')
    expect(await said('mc', 'selftest')).toContain('passed')
  })

  test('session info', async () => {
    const info = await said('session', 'info', 'active')
    expect(info).toMatch(/privilege level\s+: ADMINISTRATOR/)
    expect(info).toMatch(/session type\s+: IPMIv2\/RMCP\+/)
    expect(info).toMatch(/console ip\s+: 127\.0\.0\.1/)
  })

  test('identify', async () => {
    await said('chassis', 'identify', '5')
    expect(machine.history.at(-1)).toMatchObject({ event: 'identify', detail: '5' })
    expect(await said('chassis', 'status')).toMatch(/Chassis Identify State|System Power/)
  })

  test('no session is left behind', async () => {
    await said('mc', 'info')
    expect(machine.sessionCount()).toBe(0)
  })

  test('a wrong password opens nothing', async () => {
    const refused = await ipmitool(machine, 'mistyped', [...suite], ['power', 'status'])
    expect(refused.code).not.toBe(0)
    expect(refused.output).toContain('Unable to establish IPMI v2 / RMCP+ session')
    expect(machine.sessionCount()).toBe(0)
  })
})

test('ipmitool logs in with a BMC key, and not without', async () => {
  const lab = await startLab({ count: 1, kg: 'two-key-login' })
  const [machine] = lab.machines
  if (machine === undefined) throw new Error('no machine')
  const withKey = await ipmitool(
    machine,
    machine.password,
    ['-C', '17', '-k', 'two-key-login'],
    ['power', 'status'],
  )
  expect(withKey.output).toContain('Chassis Power is off')
  const without = await ipmitool(machine, machine.password, ['-C', '17'], ['power', 'status'])
  expect(without.code).not.toBe(0)
  await lab.close()
})
