/** Our consoles, through the whole service, over other people's BMCs: OpenIPMI's ipmi_sim and pyghmi's. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestWatcher } from '../../server/console/testing.ts'
import {
  type ConsoleService,
  type SerialMachine,
  serialMachine,
  startConsoles,
  until,
} from './console-service.ts'
import { type Simulator, startSimulator } from './ipmi-sim.ts'
import { freePort, ipmitool, ipmitoolWords, needPrograms, type Running, start } from './programs.ts'

/** All byte values, and much that is random behind them. */
const all256 = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

let service: ConsoleService
/** Sees its console taken away without complaint: `console.when_taken` is yield. */
let yielding: ConsoleService
beforeAll(async () => {
  await needPrograms('ipmi_sim', 'ipmitool')
  service = await startConsoles()
  yielding = await startConsoles(['--console-when-taken', 'yield'])
})
afterAll(async () => {
  await service?.end()
  await yielding?.end()
})

interface Peer {
  node: string
  sim: Simulator
  machine: SerialMachine
  watcher: TestWatcher
}

/** A node behind an ipmi_sim of its own, with somebody who watches. */
async function simulated(on: ConsoleService = service): Promise<Peer & AsyncDisposable> {
  const machine = await serialMachine()
  const sim = await startSimulator({ serialPort: machine.port })
  await until(() => machine.connected, 'the serial line of ipmi_sim')
  const node = await on.node(sim, { ipmi_cipher_suite: 3 })
  await on.up(node)
  const watcher = await on.watch('lessee', node)
  await until(() => watcher.last('hello'), 'the watcher')
  return {
    node,
    sim,
    machine,
    watcher,
    async [Symbol.asyncDispose]() {
      await watcher.close()
      await on.ask('leasehold', 'DELETE', `/v1/nodes/${node}`)
      await sim.remove()
      await machine.close()
    },
  }
}

/** Takes SOL as somebody else would: by force. */
async function steal(sim: Simulator): Promise<Running> {
  await ipmitool(sim, sim.password, ['-C', '3'], ['sol', 'deactivate'])
  return start('ipmitool', [...ipmitoolWords(sim, ['-C', '3']), 'sol', 'activate'], {
    env: { ...process.env, IPMI_PASSWORD: sim.password },
  })
}

/** Open sessions, with the one that asks. */
async function sessions(sim: Simulator): Promise<number> {
  const { output } = await ipmitool(sim, sim.password, ['-C', '3'], ['raw', '6', '0x3d', '0'])
  return Number.parseInt(output.trim().split(/\s+/)[2] ?? '', 16) & 0x3f
}

describe('OpenIPMI’s ipmi_sim', () => {
  test('passes every byte both ways, in order', async () => {
    await using peer = await simulated()
    const { machine, watcher } = peer
    const output = Buffer.concat([all256, randomBytes(32 * 1024)])
    const input = Buffer.concat([all256, randomBytes(2 * 1024)])
    machine.say(output)
    watcher.type(input)
    await until(
      () => watcher.bytes.length >= output.length && machine.typed.length >= input.length,
      'all',
      60_000,
    )
    expect(watcher.bytes.equals(output)).toBe(true)
    expect(machine.typed.equals(input)).toBe(true)
  })

  test('echoes what is typed', async () => {
    await using peer = await simulated()
    const { machine, watcher } = peer
    machine.echo()
    for (let key = 0; key < 256; key += 1) watcher.type(Buffer.of(key))
    await until(() => watcher.bytes.length >= 256, 'the echo', 60_000)
    expect(watcher.bytes.equals(all256)).toBe(true)
  })

  test('keeps the session for longer than its 30 s, which data on the line do not count for', async () => {
    await using peer = await simulated()
    const { machine, watcher } = peer
    let said = ''
    for (const end = Date.now() + 36_000; Date.now() < end; ) {
      const line = `${said.length}\n`
      said += line
      machine.say(line)
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    await until(() => watcher.text.length >= said.length, 'all lines')
    expect(watcher.text).toBe(said)
    expect(watcher.controls.filter(({ type }) => type === 'state')).toEqual([])
  })

  test('whose SOL was ended by somebody else, and tells nobody, is noticed and taken again within 3 s', async () => {
    await using peer = await simulated()
    const { machine, watcher, sim } = peer
    await ipmitool(sim, sim.password, ['-C', '3'], ['sol', 'deactivate'])
    const ended = performance.now()
    await until(() => watcher.last('state')?.state === 'up', 'SOL taken again')
    expect(performance.now() - ended).toBeLessThan(3_000 + busyMs)
    machine.say('back')
    await until(() => watcher.text.endsWith('back'), 'what was said then')
  })

  test('whose SOL ipmitool has taken is taken back within 3 s', async () => {
    await using peer = await simulated()
    const { machine, watcher, sim } = peer
    const thief = await steal(sim)
    const stolen = performance.now()
    await until(
      () => watcher.controls.some((each) => each.type === 'state' && each.state !== 'up'),
      'the theft',
    )
    await until(() => watcher.last('state')?.state === 'up', 'SOL taken back')
    expect(performance.now() - stolen).toBeLessThan(3_000 + busyMs)
    machine.say('ours again')
    await until(() => watcher.text.endsWith('ours again'), 'what was said then')
    expect(thief.said).not.toContain('ours again')
    await thief.end('SIGKILL')
  })

  test('whose SOL ipmitool has taken is left to it where consoles yield, which is told, until it ends', async () => {
    await using peer = await simulated(yielding)
    const { node, machine, watcher, sim } = peer
    // Between its two steps SOL is nobody's, and we may be there first: then ipmitool ends, and comes again.
    const isToBeSeen = async () => /SOL is active for|taken/.test(String((await yielding.show(node)).reason))
    let thief = await steal(sim)
    await until(async () => {
      if (thief.child.exitCode !== null) thief = await steal(sim)
      return isToBeSeen()
    }, 'the theft')
    expect((await yielding.show(node)).health).toBe('CRITICAL')
    await until(() => watcher.last('state')?.state === 'backing off', 'the watcher’s notice')
    machine.say('for ipmitool')
    await until(() => thief.said.includes('for ipmitool'), 'SOL at ipmitool')
    thief.hangUp()
    await thief.ended
    await yielding.up(node)
    machine.say('for us')
    await until(() => watcher.text.endsWith('for us'), 'what was said then')
    expect(watcher.text).not.toContain('for ipmitool')
  })

  test('that is killed shows within 6 s, and is back soon after it', async () => {
    await using peer = await simulated()
    const { node, machine, watcher, sim } = peer
    await sim.stop()
    const killed = performance.now()
    await until(() => watcher.last('state')?.state === 'backing off', 'the loss')
    expect(performance.now() - killed).toBeLessThan(6_000 + busyMs)
    // The lessee is not told where the BMC is; who runs the service is.
    expect(watcher.last('state')?.reason).not.toContain('127.0.0.1')
    await until(
      async () => (await service.show(node)).reason?.includes(`127.0.0.1:${sim.port}`),
      'the reason',
    )
    await sim.start()
    const returned = performance.now()
    await until(() => machine.connected, 'the serial line')
    await until(() => watcher.last('state')?.state === 'up', 'the console')
    expect(performance.now() - returned).toBeLessThan(1_000 + busyMs)
    machine.say('restarted')
    await until(() => watcher.text.endsWith('restarted'), 'what was said then')
  })

  test.each(['retake', 'yield'] as const)(
    'is given back its old session by a service that was killed (%s)',
    async (when) => {
      const on = when === 'yield' ? yielding : service
      await using peer = await simulated(on)
      const { node, machine, sim } = peer
      machine.say('before ')
      await until(() => peer.watcher.text === 'before ', 'what was said first')
      await on.restart('SIGKILL')
      const started = performance.now()
      await on.up(node)
      expect(performance.now() - started).toBeLessThan(3_000 + busyMs)
      machine.say('after')
      const watcher = await on.watch('lessee', node, { offset: '0' })
      await until(() => watcher.text === 'before after', 'all that was said')
      await watcher.close()
      // The old session is closed, not left to run out: there is one for the console, and one for this question.
      await expect.poll(() => sessions(sim), { timeout: 5_000 }).toBe(2)
    },
  )
})

describe('pyghmi’s BMC, which does not say who has SOL', () => {
  const bmc = { port: 0, username: 'admin', password: 'secret' }
  let program: Running
  const begin = async (power: 'on' | 'off') => {
    if (bmc.port === 0) bmc.port = await freePort()
    program = start('/usr/bin/python3', [join(import.meta.dirname, 'pyghmi-bmc.py'), String(bmc.port), power])
    await until(() => program.said.includes('ready'), `pyghmi’s BMC; it says: ${program.said}`)
  }
  const typed = () => Buffer.from(program.said.replace(/ready|\n/g, ''), 'hex')
  const say = (bytes: Buffer) => program.type(`${bytes.toString('hex')}\n`)
  let node: string
  let watcher: TestWatcher
  beforeAll(async () => {
    await begin('off')
    node = await service.node(bmc, { ipmi_cipher_suite: 3 })
  })
  afterAll(() => program?.end())

  test('has no console of a machine that is off, which is told, and has it soon after the machine is on', async () => {
    await until(async () => (await service.show(node)).health === 'CRITICAL', 'the refusal')
    expect((await service.show(node)).reason).toContain('turn the machine on')
    await service.ask('lessee', 'PUT', `/v1/nodes/${node}/states/power`, { target: 'power on' })
    await service.up(node)
    watcher = await service.watch('lessee', node)
    await until(() => watcher.last('hello'))
  })

  test('passes every byte both ways, in order', async () => {
    const input = Buffer.concat([all256, randomBytes(2 * 1024)])
    watcher.type(input)
    await until(() => watcher.bytes.length >= input.length, 'the echo', 60_000)
    expect(watcher.bytes.equals(input)).toBe(true)
    expect(typed().equals(input)).toBe(true)
    const output = Buffer.concat([all256, randomBytes(16 * 1024)])
    say(output)
    await until(() => watcher.bytes.length >= input.length + output.length, 'the output', 60_000)
    expect(watcher.bytes.subarray(input.length).equals(output)).toBe(true)
  })

  test('whose SOL was ended by somebody else lets the next key find that out, and SOL is taken again', async () => {
    await ipmitool(bmc, bmc.password, ['-C', '3'], ['sol', 'deactivate'])
    watcher.type('anybody?')
    const found = performance.now()
    await until(() => watcher.last('state')?.state === 'up', 'SOL taken again')
    expect(performance.now() - found).toBeLessThan(3_000 + busyMs)
    watcher.type('somebody')
    await until(() => watcher.text.endsWith('somebody'), 'the echo')
  })

  test('that was restarted is found again', async () => {
    await program.end('SIGKILL')
    await until(() => watcher.last('state')?.state === 'backing off', 'the loss')
    await begin('on')
    await until(() => watcher.last('state')?.state === 'up', 'the console')
    watcher.type('restarted')
    await until(() => watcher.text.endsWith('restarted'), 'the echo')
  })

  test('whose SOL a killed service had is taken by the next', async () => {
    await service.restart('SIGKILL')
    await service.up(node)
    watcher = await service.watch('lessee', node)
    watcher.type('next')
    await until(() => watcher.text.endsWith('next'), 'the echo')
  })
})

/** The machine that runs this does other things as well. */
const busyMs = 3_000
