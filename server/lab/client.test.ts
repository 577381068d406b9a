/** The IPMI client against simulated BMCs: what it promises when networks and BMCs misbehave. */
import { randomBytes, randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { inspect } from 'node:util'
import { type ClientOptions, createIpmiClient, type IpmiClient, type Target } from '@leasehold/ipmi'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Fault, type Lab, type LabMachine, startLab } from './index.ts'
import { standBetween } from './middle.ts'

const quick: ClientOptions = {
  replyTimeoutMs: 60,
  tries: 6,
  exchangeTimeoutMs: 2_000,
  busyPauseMs: 20,
  deadlineMs: 8_000,
}
const opened: { close(): Promise<void> }[] = []
let lab: Lab

beforeAll(async () => {
  const users = [
    { name: 'operator', password: 'op', maxPrivilege: 3 },
    { name: 'viewer', password: 'see', maxPrivilege: 2 },
  ]
  lab = await startLab({ count: 20, bootSeconds: 0.2, softOffSeconds: 0.1, cycleSeconds: 0.1, users })
})
afterEach(async () => {
  for (const machine of lab.machines) machine.clearFaults()
  // What was opened last talks to what was opened before.
  for (const thing of opened.splice(0).reverse()) await thing.close()
  for (const machine of lab.machines) machine.restartBmc()
})
afterAll(() => lab.close())

const machineAt = (index: number): LabMachine => {
  const machine = lab.machines[index]
  if (machine === undefined) throw new Error(`no machine ${index}`)
  return machine
}
const targetOf = (machine: LabMachine, change: Partial<Target> = {}): Target => ({
  address: machine.address,
  port: machine.port,
  username: machine.username,
  password: machine.password,
  ...change,
})
const client = (options: ClientOptions = {}): IpmiClient => {
  const made = createIpmiClient({ ...quick, ...options })
  opened.push(made)
  return made
}
const until = async (what: () => boolean) => {
  await expect.poll(what, { timeout: 5_000, interval: 10 }).toBe(true)
}

describe.each([3, 17] as const)('with cipher suite %i', (cipherSuite) => {
  test('a machine is turned on, told what to boot, watched and turned off', async () => {
    const machine = machineAt(0)
    const target = targetOf(machine, { cipherSuite })
    const ipmi = client()
    await ipmi.setBootDevice(target, { device: 'pxe', persistent: true, efi: true })
    expect(await ipmi.getBootDevice(target)).toEqual({
      device: 'pxe',
      persistent: true,
      efi: true,
      valid: true,
    })
    await ipmi.chassisControl(target, 'on')
    expect((await ipmi.chassisStatus(target)).power).toBe('on')
    await until(() => machine.phase() === 'running')
    expect(machine.history.at(-1)).toMatchObject({ event: 'booted', detail: 'pxe, every time, UEFI' })
    await ipmi.identify(target, 'forever')
    expect((await ipmi.chassisStatus(target)).identify).toBe('timed')
    await ipmi.identify(target, 0)
    expect((await ipmi.chassisStatus(target)).identify).toBe('off')
    await ipmi.setBootDevice(target, { device: 'disk' })
    expect(await ipmi.getBootDevice(target)).toEqual({
      device: 'disk',
      persistent: false,
      efi: false,
      valid: true,
    })
    await ipmi.chassisControl(target, 'reset')
    expect((await ipmi.getBootDevice(target)).valid).toBe(false)
    await ipmi.chassisControl(target, 'soft')
    await until(() => machine.power() === 'off')
    expect(await ipmi.deviceId(target)).toMatchObject({ ipmiVersion: '2.0', firmware: '1.00', ready: true })
    expect(machine.sessionCount()).toBe(1)
  })
})

test('a session’s privilege can be read and lowered', async () => {
  const ipmi = client()
  const target = targetOf(machineAt(0))
  expect(await ipmi.sessionPrivilege(target)).toBe('ADMINISTRATOR')
  expect(await ipmi.changeSessionPrivilege(target, 'USER')).toBe('USER')
  await expect(ipmi.chassisControl(target, 'on')).rejects.toMatchObject({
    code: 'insufficient-privilege',
    completionCode: 0xd4,
  })
})

test('a raw command gives its completion code and data', async () => {
  const ipmi = client()
  const target = targetOf(machineAt(0))
  expect(await ipmi.raw(target, { netFn: 6, command: 0x04 })).toEqual({
    completionCode: 0,
    data: Buffer.from([0x55, 0]),
  })
  expect((await ipmi.raw(target, { netFn: 0x2c, command: 1 })).completionCode).toBe(0xc1)
  await expect(ipmi.raw(target, { netFn: 7, command: 1 })).rejects.toMatchObject({ code: 'invalid-argument' })
})

test('a BMC tells without a login what it speaks', async () => {
  expect(await client().discover(machineAt(0))).toMatchObject({
    ipmi20: true,
    ipmi15: false,
    kgRequired: false,
  })
})

describe('what went wrong is told apart', () => {
  const cases: [string, string, Fault | undefined, Partial<Target>, RegExp][] = [
    ['a wrong password', 'wrong-password', undefined, { password: 'mistyped' }, /password of user "admin"/],
    [
      'a user unknown to the BMC',
      'unknown-user',
      undefined,
      { username: 'nobody' },
      /"nobody" does not exist/,
    ],
    [
      'a user without that level',
      'insufficient-privilege',
      undefined,
      { username: 'viewer', password: 'see' },
      /lower/,
    ],
    ['a Kg the BMC does not have', 'wrong-bmc-key', undefined, { kg: 'something' }, /check kg/],
    ['a BMC that is silent', 'unreachable', { kind: 'silent' }, {}, /no answer; check/],
    ['a BMC without free sessions', 'busy', { kind: 'no-sessions' }, {}, /too many sessions/],
    ['a BMC that is busy for good', 'busy', { kind: 'busy' }, {}, /node busy/],
    ['a BMC that talks gibberish', 'malformed', { kind: 'malformed' }, {}, /cannot be read/],
    ['answers without data', 'malformed', { kind: 'truncated' }, {}, /0 bytes/],
    ['answers with a wrong checksum', 'malformed', { kind: 'bad-checksum' }, {}, /checksum/],
    [
      'a BMC that cannot prove the password',
      'wrong-password',
      { kind: 'bad-rakp', message: 2 },
      {},
      /password/,
    ],
    ['a BMC with another session key', 'wrong-bmc-key', { kind: 'bad-rakp', message: 4 }, {}, /Kg/],
    ['answers signed wrongly', 'session-lost', { kind: 'bad-signature' }, {}, /does not answer/],
  ]

  test.each(cases)('%s is %s', async (_name, code, fault, change, words) => {
    const machine = machineAt(0)
    if (fault) machine.inject(fault)
    const ipmi = client({ tries: 3 })
    const error = await ipmi.chassisStatus(targetOf(machine, change)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'IpmiError', code, bmc: `127.0.0.1:${machine.port}` })
    expect((error as Error).message).toMatch(words)
    expect(inspect(error, { depth: 9 })).not.toContain(change.password ?? machine.password)
  })

  test('a BMC that is too slow is a timeout, a name that does not resolve is unreachable', async () => {
    const ipmi = client({ replyTimeoutMs: 2_000 })
    const machine = machineAt(0)
    await ipmi.chassisStatus(targetOf(machine))
    machine.inject({ kind: 'slow', delayMs: 500 })
    const slow = ipmi.chassisStatus(targetOf(machine), { deadlineMs: 100 })
    await expect(slow).rejects.toMatchObject({ code: 'timeout' })
    const nameless = ipmi.chassisStatus(targetOf(machine, { address: 'no-such-host.invalid' }))
    await expect(nameless).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('a BMC that is busy for a moment is waited for', async () => {
    machineAt(0).inject({ kind: 'busy', times: 2 })
    expect((await client().chassisStatus(targetOf(machineAt(0)))).power).toBe('off')
  })

  test('a power action the machine’s state does not allow is refused with its completion code', async () => {
    const refused = client().chassisControl(targetOf(machineAt(5)), 'cycle')
    await expect(refused).rejects.toMatchObject({ code: 'command-failed', completionCode: 0xd5 })
  })
})

test('with every fifth datagram lost each way, everything still gets done', async () => {
  const ipmi = client({ tries: 10, deadlineMs: 20_000 })
  for (const machine of lab.machines) machine.inject({ kind: 'drop', percent: 20 })
  const devices = await Promise.all(
    lab.machines.map(async (machine) => {
      const target = targetOf(machine)
      await ipmi.setBootDevice(target, { device: 'cdrom', efi: true })
      await ipmi.chassisControl(target, 'on')
      expect((await ipmi.chassisStatus(target)).power).toBe('on')
      await ipmi.chassisControl(target, 'off')
      return machine.power()
    }),
  )
  expect(devices).toEqual(lab.machines.map(() => 'off'))
})

test('a BMC that was restarted gets a new session, and the caller does not notice', async () => {
  const ipmi = client({ exchangeTimeoutMs: 300 })
  const machine = machineAt(1)
  await ipmi.chassisStatus(targetOf(machine))
  machine.restartBmc()
  expect((await ipmi.chassisStatus(targetOf(machine))).power).toBe('off')
  await machine.stopBmc()
  await expect(ipmi.chassisStatus(targetOf(machine), { deadlineMs: 900 })).rejects.toMatchObject({
    code: 'unreachable',
  })
  await machine.startBmc()
  expect((await ipmi.chassisStatus(targetOf(machine))).power).toBe('off')
  expect(machine.sessionCount()).toBe(1)
})

test('another password never rides on the session of the right one', async () => {
  const ipmi = client()
  const machine = machineAt(2)
  await ipmi.chassisStatus(targetOf(machine))
  const wrong = ipmi.chassisStatus(targetOf(machine, { password: 'old' }))
  await expect(wrong).rejects.toMatchObject({ code: 'wrong-password' })
  const other = ipmi.chassisStatus(targetOf(machine, { kg: 'x' }))
  await expect(other).rejects.toMatchObject({ code: 'wrong-bmc-key' })
  await ipmi.chassisStatus(targetOf(machine))
})

test('a power cycle whose answer is lost is done once and said to be uncertain', async () => {
  const machine = machineAt(3)
  machine.pressPower('on')
  let answers = 0
  let cutOff = false
  const middle = await standBetween(machine, (to) => {
    if (to === 'client' && cutOff) answers += 1
    return !(to === 'client' && cutOff)
  })
  opened.push(middle)
  const ipmi = client({ tries: 4 })
  const target = targetOf(machine, { port: middle.port })
  await ipmi.chassisStatus(target)
  // Get Chassis Status goes first; from the second in-session answer on, nothing comes back.
  const cycle = ipmi.perform(target, async (send) => {
    cutOff = true
    await send({ name: 'Chassis Control cycle', netFn: 0, command: 2, data: [2], once: true })
  })
  await expect(cycle).rejects.toMatchObject({
    code: 'timeout',
    message: expect.stringContaining('power state'),
  })
  expect(answers).toBe(1)
  expect(machine.history.filter(({ event }) => event === 'power cycle')).toHaveLength(1)
  machine.pressPower('off')
})

describe('work is bounded', () => {
  test('no more operations at once than allowed, no longer a line than allowed', async () => {
    const ipmi = client({ maxConcurrent: 4, maxSessions: 4, maxQueued: 6 })
    for (const machine of lab.machines) machine.inject({ kind: 'slow', delayMs: 20 })
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, ipmi.stats().working)
    }, 1)
    const outcomes = await Promise.allSettled(
      lab.machines.map((machine) => ipmi.chassisStatus(targetOf(machine))),
    )
    clearInterval(watch)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(most).toBe(4)
    expect(refused).toHaveLength(lab.machines.length - 4 - 6)
    expect(refused.map(({ reason }) => reason.code)).toEqual(refused.map(() => 'overloaded'))
  })

  test('one command at a time for one BMC', async () => {
    let waiting = 0
    let most = 0
    const middle = await standBetween(machineAt(4), (to) => {
      waiting += to === 'bmc' ? 1 : -1
      most = Math.max(most, waiting)
      return true
    })
    opened.push(middle)
    const ipmi = client({ replyTimeoutMs: 2_000 })
    const target = targetOf(machineAt(4), { port: middle.port })
    await Promise.all(Array.from({ length: 20 }, () => ipmi.chassisStatus(target)))
    expect(most).toBe(1)
  })

  test('the session unused longest makes room for a new one', async () => {
    const ipmi = client({ maxSessions: 5, maxConcurrent: 1 })
    for (const machine of lab.machines) await ipmi.chassisStatus(targetOf(machine))
    expect(ipmi.stats().sessions).toBe(5)
    await until(() => lab.machines.filter((machine) => machine.sessionCount() > 0).length === 5)
  })

  test('a session nobody uses is closed; one kept alive outlives the BMC’s patience', async () => {
    const impatient = await startLab({ count: 1, sessionTimeoutSeconds: 1 })
    opened.push(impatient)
    const machine = impatient.machines[0]
    if (machine === undefined) throw new Error('no machine')
    const careless = client({ sessionIdleMs: 100 })
    await careless.chassisStatus(targetOf(machine))
    await until(() => careless.stats().sessions === 0)
    const careful = client({ keepAliveMs: 200 })
    await careful.chassisStatus(targetOf(machine))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(machine.sessionCount()).toBe(1)
  })

  test('giving up frees the place at once', async () => {
    const ipmi = client({ maxConcurrent: 1, maxSessions: 1 })
    machineAt(0).inject({ kind: 'silent' })
    const control = new AbortController()
    const stuck = ipmi.chassisStatus(targetOf(machineAt(0)), { signal: control.signal })
    const next = ipmi.chassisStatus(targetOf(machineAt(1)))
    control.abort()
    await expect(stuck).rejects.toMatchObject({ code: 'aborted' })
    expect((await next).power).toBe('off')
    const never = ipmi.chassisStatus(targetOf(machineAt(1)), { signal: AbortSignal.abort() })
    await expect(never).rejects.toMatchObject({ code: 'aborted' })
  })
})

test('closing ends every session at its BMC, refuses what is under way and frees the socket', async () => {
  const ipmi = client()
  await Promise.all(lab.machines.map((machine) => ipmi.chassisStatus(targetOf(machine))))
  const port = await ourPort(ipmi, machineAt(0))
  await expect(bindTo(port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  machineAt(6).inject({ kind: 'slow', delayMs: 300 })
  const late = ipmi.chassisStatus(targetOf(machineAt(6)))
  late.catch(() => {})
  await ipmi.close()
  await expect(late).rejects.toMatchObject({ code: 'closed' })
  await bindTo(port)
  const left = lab.machines.filter((machine, index) => index !== 6 && machine.sessionCount() > 0)
  expect(left).toEqual([])
  await expect(ipmi.chassisStatus(targetOf(machineAt(0)))).rejects.toMatchObject({ code: 'closed' })
})

test('500 BMCs are polled over one socket', async () => {
  const many = await startLab({ count: 500, namePrefix: 'many' })
  opened.push(many)
  const ipmi = client({ replyTimeoutMs: 1_000 })
  const ports = await Promise.all(
    many.machines.map(async (machine) => {
      expect((await ipmi.chassisStatus(targetOf(machine))).power).toBe('off')
      return ourPort(ipmi, machine)
    }),
  )
  expect(new Set(ports).size).toBe(1)
})

test('neither side is moved by a flood of forged, altered and repeated datagrams', async () => {
  const machine = machineAt(7)
  const middle = await standBetween(machine)
  opened.push(middle)
  const ipmi = client({ replyTimeoutMs: 500 })
  const target = targetOf(machine, { port: middle.port })
  await ipmi.chassisStatus(target)
  const openedBefore = middle.seen.length
  for (let round = 0; round < 30; round += 1) {
    for (const { to, datagram } of middle.seen.slice(-20)) {
      middle.forge(to, datagram)
      middle.forge(to, altered(datagram))
      middle.forge(to, datagram.subarray(0, randomInt(datagram.length)))
      middle.forge(to, Buffer.concat([datagram.subarray(0, randomInt(20)), randomBytes(randomInt(1, 80))]))
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect((await ipmi.chassisStatus(target)).power).toBe('off')
  }
  expect(machine.sessionCount()).toBe(1)
  expect(ipmi.stats()).toMatchObject({ sessions: 1, working: 0, waiting: 0 })
  // Every exchange was one request and one answer (or its repetition): no handshake was needed again.
  const handshakes = middle.seen
    .slice(openedBefore)
    .filter(({ to, datagram }) => to === 'bmc' && datagram[5] === 0x10)
  expect(handshakes).toEqual([])
})

test('a session opens although junk arrives before every genuine datagram', async () => {
  const machine = machineAt(8)
  const middle = await standBetween(machine, (to, datagram) => {
    for (const head of [
      '',
      '0600ff07',
      '0600ff0706',
      '0600ff070611',
      '0600ff070613',
      '0600ff070615',
      '0600ff0706c0',
    ]) {
      middle.forge(to, Buffer.concat([Buffer.from(head, 'hex'), randomBytes(randomInt(0, 80))]))
    }
    middle.forge(to, datagram.subarray(0, randomInt(datagram.length)))
    return true
  })
  opened.push(middle)
  const ipmi = client({ replyTimeoutMs: 500 })
  for (const cipherSuite of [3, 17] as const) {
    const target = targetOf(machine, { port: middle.port, cipherSuite })
    expect((await ipmi.chassisStatus(target)).power).toBe('off')
  }
  expect(machine.sessionCount()).toBe(2)
})

/** The port a BMC sees us at, by Get Session Info. */
async function ourPort(ipmi: IpmiClient, machine: LabMachine): Promise<number> {
  const { data } = await ipmi.raw(targetOf(machine), { netFn: 6, command: 0x3d, data: [0] })
  return data.readUInt16LE(16)
}

/** Takes a UDP port for a moment; fails if someone has it. */
async function bindTo(port: number): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, resolve)
  })
  await new Promise<void>((resolve) => socket.close(() => resolve()))
}

function altered(datagram: Buffer): Buffer {
  const copy = Buffer.from(datagram)
  const at = randomInt(copy.length)
  copy[at] = copy.readUInt8(at) ^ randomInt(1, 256)
  return copy
}
