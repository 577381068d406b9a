/** The simulated machines themselves: what they remember, how long they take, what they survive. */
import { randomBytes, randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIpmiClient, type IpmiClient, type Target } from '@leasehold/ipmi'
import { decodePacket, encodePing } from '@leasehold/ipmi/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Lab, type LabMachine, type LabOptions, startLab } from './index.ts'

let directory: string
let ipmi: IpmiClient
const labs: Lab[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-lab-'))
  ipmi = createIpmiClient({ replyTimeoutMs: 200, deadlineMs: 5_000 })
})
afterEach(async () => {
  await ipmi.close()
  await Promise.all(labs.splice(0).map((lab) => lab.close()))
  await rm(directory, { recursive: true })
})

const lab = async (options: Partial<LabOptions> = {}): Promise<Lab> => {
  const started = await startLab({ count: 1, bootSeconds: 0.1, softOffSeconds: 0.1, ...options })
  labs.push(started)
  return started
}
const machineOf = ({ machines: [machine] }: Lab): LabMachine => {
  if (machine === undefined) throw new Error('no machine')
  return machine
}
const targetOf = ({ address, port, username, password }: LabMachine): Target => ({
  address,
  port,
  username,
  password,
})
const phases = (machine: LabMachine) => expect.poll(() => machine.phase(), { timeout: 3_000, interval: 5 })

describe('a machine', () => {
  test('takes time to boot and to shut down', async () => {
    const machine = machineOf(await lab())
    await ipmi.chassisControl(targetOf(machine), 'on')
    expect(machine.phase()).toBe('booting')
    await phases(machine).toBe('running')
    await ipmi.chassisControl(targetOf(machine), 'soft')
    expect([machine.phase(), machine.power()]).toEqual(['stopping', 'on'])
    await phases(machine).toBe('off')
    const events = machine.history.map(({ event }) => event)
    expect(events).toEqual(['power on', 'booted', 'power soft', 'shut down'])
  })

  test('boots once from a device set for once, and always from one set for always', async () => {
    const machine = machineOf(await lab())
    const target = targetOf(machine)
    await ipmi.setBootDevice(target, { device: 'pxe' })
    for (const action of ['on', 'reset'] as const) {
      await ipmi.chassisControl(target, action)
      await phases(machine).toBe('running')
    }
    await ipmi.setBootDevice(target, { device: 'disk', persistent: true })
    for (const action of ['reset', 'reset'] as const) {
      await ipmi.chassisControl(target, action)
      await phases(machine).toBe('running')
    }
    const booted = machine.history.filter(({ event }) => event === 'booted').map(({ detail }) => detail)
    expect(booted).toEqual(['pxe', 'default', 'disk, every time', 'disk, every time'])
  })

  test('is off for a moment in a power cycle, then boots', async () => {
    const machine = machineOf(await lab({ cycleSeconds: 0.1 }))
    machine.pressPower('on')
    await ipmi.chassisControl(targetOf(machine), 'cycle')
    expect(machine.power()).toBe('off')
    await phases(machine).toBe('running')
  })

  test('tells a listener what happens to it', async () => {
    const heard: string[] = []
    const machine = machineOf(await lab({ onEvent: (who, { event }) => heard.push(`${who.name} ${event}`) }))
    machine.pressPower('on')
    await phases(machine).toBe('running')
    expect(heard).toEqual(['machine-1 power on', 'machine-1 booted'])
  })

  test('whose power is stuck says yes and stays as it is', async () => {
    const machine = machineOf(await lab())
    machine.inject({ kind: 'stuck-power' })
    await ipmi.chassisControl(targetOf(machine), 'on')
    expect((await ipmi.chassisStatus(targetOf(machine))).power).toBe('off')
  })
})

describe('a lab with a state file', () => {
  test('comes back with the same ports, addresses, power and boot devices', async () => {
    const statePath = join(directory, 'lab.json')
    const first = await startLab({ count: 3, statePath, bootSeconds: 0 })
    const [one, two] = first.machines
    if (one === undefined || two === undefined) throw new Error('no machines')
    await ipmi.setBootDevice(targetOf(two), { device: 'pxe', persistent: true })
    await ipmi.chassisControl(targetOf(two), 'on')
    await first.close()
    const again = await lab({ count: 3, statePath })
    const describeAll = (machines: readonly LabMachine[]) =>
      machines.map(({ name, port, macAddresses }) => ({ name, port, macAddresses }))
    expect(describeAll(again.machines)).toEqual(describeAll(first.machines))
    expect(again.machines.map((machine) => machine.power())).toEqual(['off', 'on', 'off'])
    expect(again.machines[1]?.phase()).toBe('running')
    expect(again.machines[1]?.bootSource()).toBe('pxe, every time')
    expect(again.machines[1]?.history.map(({ event }) => event)).toContain('power on')
  })

  test('takes another port when its own is gone', async () => {
    const statePath = join(directory, 'lab.json')
    const first = await startLab({ count: 1, statePath })
    const { port } = machineOf(first)
    await first.close()
    const squatter = await bound(port)
    const second = machineOf(await lab({ statePath }))
    expect(second.port).not.toBe(port)
    await closed(squatter)
  })

  test('writes it while running, whole', async () => {
    const statePath = join(directory, 'deep', 'lab.json')
    const machine = machineOf(await lab({ statePath }))
    machine.pressPower('on')
    const savedPower = async () =>
      JSON.parse(await readFile(statePath, 'utf8').catch(() => '{}')).machines?.['machine-1']?.power
    await expect.poll(savedPower, { timeout: 3_000 }).toBe('on')
  })

  test.each(['{', '{"version":2,"machines":{}}', '{"version":1,"machines":{"machine-1":{"power":"maybe"}}}'])(
    'refuses a file it did not write, naming it: %s',
    async (text) => {
      const statePath = join(directory, 'lab.json')
      await writeFile(statePath, text)
      await expect(startLab({ count: 1, statePath })).rejects.toThrow(`${statePath} is not a lab state file`)
    },
  )
})

test('makes no sense of counts and ports that make none', async () => {
  await expect(startLab({ count: 0 })).rejects.toThrow('count must be')
  await expect(startLab({ count: 10, basePort: 65_530 })).rejects.toThrow('basePort must leave room')
})

describe('a BMC', () => {
  test('answers a presence ping', async () => {
    const machine = machineOf(await lab())
    const socket = await bound(0)
    const answer = new Promise<Buffer>((resolve) => socket.once('message', resolve))
    socket.send(encodePing(42), machine.port, machine.address)
    expect(decodePacket(await answer)).toEqual({ format: 'asf', kind: 'pong', tag: 42, ipmi: true })
    await closed(socket)
  })

  test('refuses sessions beyond its number, and takes new ones when old ones end', async () => {
    const machine = machineOf(await lab({ maxSessions: 1, kg: 'key' }))
    const target = { ...targetOf(machine), kg: 'key' }
    await ipmi.chassisStatus(target)
    const second = createIpmiClient({ busyPauseMs: 10 })
    await expect(second.chassisStatus(target)).rejects.toMatchObject({ code: 'busy' })
    await ipmi.close()
    expect((await second.chassisStatus(target)).power).toBe('off')
    await second.close()
  })

  test('survives any datagrams and still serves the session it had', async () => {
    const machine = machineOf(await lab())
    await ipmi.chassisStatus(targetOf(machine))
    const socket = await bound(0)
    const heads = [
      '',
      '0600ff07',
      '0600ff0706',
      '0600ff070610',
      '0600ff070612',
      '0600ff070614',
      '0600ff0706c0',
      '0600ff0700',
    ]
    for (let round = 0; round < 100; round += 1) {
      for (const head of heads) {
        const rest = randomBytes(randomInt(0, 120))
        // Half of them with a payload length that fits, so that they get further in.
        if (head.length === 12 && round % 2 && rest.length > 10) rest.writeUInt16LE(rest.length - 10, 8)
        socket.send(Buffer.concat([Buffer.from(head, 'hex'), rest]), machine.port, machine.address)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await ipmi.chassisStatus(targetOf(machine))).power).toBe('off')
    expect(machine.sessionCount()).toBe(1)
    await closed(socket)
  })
})

async function bound(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve))
  return socket
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.close(() => resolve()))
