/** Serial over LAN between the client and simulated BMCs: what a console promises when networks and BMCs misbehave. */
import { randomBytes } from 'node:crypto'
import { createIpmiClient, type IpmiClient, type Sol } from '@leasehold/ipmi'
import { afterAll, describe, expect, test } from 'vitest'
import { type Fault, type LabMachine, startLab } from './index.ts'
import { targetOf, testConsoles, typedOn, until } from './testing.ts'

const { opened, freshMachine, client, open } = testConsoles(40)

/** Writes all of it, as fast as the console takes it. */
async function typeAll(sol: Sol, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += 1_000) {
    const part = bytes.subarray(at, at + 1_000)
    await until(() => sol.write(part), 30_000)
  }
}

const all256 = Buffer.from(Array.from({ length: 256 }, (_, value) => value))

describe('an open console', () => {
  test.each([3, 17] as const)(
    'passes all 256 byte values both ways with cipher suite %i',
    async (cipherSuite) => {
      const machine = freshMachine()
      const typed = typedOn(machine)
      const got: Buffer[] = []
      const sol = await client().openSol(
        { ...targetOf(machine), cipherSuite },
        { onData: (bytes) => void got.push(bytes), onLost: () => {}, whenTaken: 'yield' },
      )
      sol.write(all256)
      machine.serial.write(all256)
      await until(() => typed().length >= 256 && Buffer.concat(got).length >= 256)
      expect([typed(), Buffer.concat(got)]).toEqual([all256, all256])
    },
  )

  test('and commands leave each other alone on a BMC that knows a session by the port it comes from', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'session-per-port' })
    const typed = typedOn(machine)
    const ipmi = client()
    const lost: unknown[] = []
    const options = {
      onData: () => {},
      onLost: (error: unknown) => void lost.push(error),
      whenTaken: 'yield',
    } as const
    await ipmi.chassisControl(targetOf(machine), 'on')
    const sol = await ipmi.openSol(targetOf(machine), { ...options, keepAliveMs: 100 })
    for (const key of 'abc') {
      expect((await ipmi.chassisStatus(targetOf(machine))).power).toBe('on')
      sol.write(Buffer.from(key))
      await until(() => typed().toString().endsWith(key))
    }
    expect([machine.sessionCount(), lost]).toEqual([2, []])
  })

  test('is had from another port by a BMC that is deaf to ports it knows, as often as wanted, and the ports are given back', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'port-once' })
    const ipmi = client()
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length
    const options = { onData: () => {}, onLost: () => {}, whenTaken: 'yield' } as const
    const counts: number[] = []
    for (let time = 1; time <= 4; time += 1) {
      const sol = await ipmi.openSol(targetOf(machine), options)
      const typed = typedOn(machine)
      sol.write(Buffer.from('here'))
      await until(() => typed().toString() === 'here')
      await sol.close()
      counts.push(sockets())
    }
    expect(machine.sessionCount()).toBe(0)
    // The first went without asking anything but to open.
    expect(counts.slice(2)).toEqual([counts[1], counts[1]])
    machine.inject({ kind: 'sol-refused', completionCode: 0x81 })
    for (let time = 1; time <= 3; time += 1)
      await expect(ipmi.openSol(targetOf(machine), options)).rejects.toMatchObject({ completionCode: 0x81 })
    await until(() => sockets() === counts[1])
    expect(ipmi.stats()).toMatchObject({ sessions: 0, consoles: 0 })
  })

  test('works without encryption where the BMC allows that', async () => {
    const machine = freshMachine()
    const ipmi = client()
    // SOL Authentication: USER, neither encryption nor authentication forced.
    await ipmi.raw(targetOf(machine), { netFn: 0x0c, command: 0x21, data: [1, 2, 0x02] })
    const typed = typedOn(machine)
    const { sol, got } = await open(machine, { encryption: false }, ipmi)
    sol.write(all256)
    machine.serial.write(all256)
    await until(() => typed().equals(all256) && got().equals(all256))
  })

  test('has a session of its own, beside commands', async () => {
    const machine = freshMachine()
    const ipmi = client()
    const { sol, sessions } = await open(machine, {}, ipmi)
    await ipmi.chassisControl(targetOf(machine), 'on')
    expect(ipmi.stats()).toMatchObject({ sessions: 2, consoles: 1 })
    expect([sol.sessionId, machine.solOwner()]).toEqual([sessions[0], sessions[0]])
    await sol.close()
    expect(machine.solOwner()).toBeUndefined()
    expect(ipmi.stats()).toMatchObject({ sessions: 1, consoles: 0 })
    expect(machine.sessionCount()).toBe(1)
  })

  test('queues a bounded amount, whole or not at all, and says when all of it was taken', async () => {
    const machine = freshMachine()
    const typed = typedOn(machine)
    const release = machine.serial.holdInput()
    const { sol, drained } = await open(machine, { maxQueuedBytes: 1_000 })
    expect(sol.write(Buffer.alloc(900, 'a'))).toBe(true)
    expect(sol.write(Buffer.alloc(101, 'b'))).toBe(false)
    expect([sol.queued, drained()]).toEqual([900, 0])
    expect(sol.write(Buffer.alloc(100, 'c'))).toBe(true)
    release()
    await until(() => drained() > 0)
    expect(sol.queued).toBe(0)
    expect(typed().toString()).toBe('a'.repeat(900) + 'c'.repeat(100))
  })

  test('sends breaks, and notes those of the machine', async () => {
    const machine = freshMachine()
    let breaks = 0
    machine.serial.onBreak(() => {
      breaks += 1
    })
    const { sol, noted } = await open(machine)
    sol.sendBreak()
    machine.serial.sendBreak()
    await until(() => breaks === 1 && noted.includes('break'))
  })

  test('acknowledges output only after it has been taken over', async () => {
    const machine = freshMachine()
    const order: string[] = []
    machine.serial.onTaken((bytes) => void order.push(`acknowledged ${bytes}`))
    await open(machine, { onData: (bytes) => void order.push(`recorded ${bytes}`) })
    machine.serial.write('first')
    await until(() => order.length === 2)
    machine.serial.write('second')
    await until(() => order.length === 4)
    expect(order).toEqual(['recorded first', 'acknowledged first', 'recorded second', 'acknowledged second'])
  })

  test('whose output cannot be recorded is lost, and the output is not acknowledged', async () => {
    const machine = freshMachine()
    let taken = 0
    machine.serial.onTaken((bytes) => {
      taken += bytes.length
    })
    const full = new Error('no space left on device')
    const { sol, lost } = await open(machine, {
      onData: () => {
        throw full
      },
    })
    machine.serial.write('lost')
    await until(() => lost.length === 1)
    expect(lost[0]).toMatchObject({ code: 'session-lost' })
    await until(() => machine.solOwner() === undefined && machine.sessionCount() === 0)
    expect([taken, sol.write(Buffer.from('x'))]).toEqual([0, false])
  })

  test('is kept for longer than a silent session lives, although data flows', async () => {
    const short = await startLab({ count: 1, serial: 'quiet', sessionTimeoutSeconds: 1 })
    opened.push(short)
    const [machine] = short.machines as [LabMachine]
    const { got, lost } = await open(machine)
    for (let second = 0; second < 3; second += 1) {
      machine.serial.write('tick')
      await until(() => got().length === 4 * (second + 1))
      await new Promise((resolve) => setTimeout(resolve, 700))
    }
    expect([lost, machine.solOwner() !== undefined]).toEqual([[], true])
  })
})

describe('over a bad network', () => {
  const bad: [string, Fault[]][] = [
    ['1 % loss', [{ kind: 'drop', percent: 1 }]],
    [
      '5 % loss, reordering and duplication',
      [
        { kind: 'drop', percent: 5 },
        { kind: 'reorder', percent: 20 },
        { kind: 'duplicate', percent: 10 },
      ],
    ],
    [
      '10 % loss, and packets that grow when they are sent again',
      [{ kind: 'drop', percent: 10 }, { kind: 'sol-grows' }],
    ],
  ]
  test.each(bad)(
    'nothing is lost, doubled or out of order: %s',
    async (_name, faults) => {
      const machine = freshMachine()
      const typed = typedOn(machine)
      const { sol, got, lost, noted } = await open(machine, { keepAliveMs: 1_000 })
      for (const fault of faults) machine.inject(fault)
      const [up, down] = [randomBytes(4_000), randomBytes(8_000)]
      const typing = typeAll(sol, up)
      for (let at = 0; at < down.length; at += 50) {
        machine.serial.write(down.subarray(at, at + 50))
        if (at % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await typing
      await until(() => typed().length >= up.length && got().length >= down.length, 40_000)
      expect(typed().equals(up)).toBe(true)
      expect(got().equals(down)).toBe(true)
      expect([lost, noted]).toEqual([[], []])
    },
    60_000,
  )

  test('a console opens, and is closed, in spite of 20 % loss', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'drop', percent: 20 })
    const { sol } = await open(machine)
    expect(machine.solOwner()).toBe(sol.sessionId)
    const startedAt = performance.now()
    await sol.close()
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})

test('output from before a lost answer to the activation is not mixed with that after it', async () => {
  const machine = freshMachine()
  machine.inject({ kind: 'sol-answer-lost' })
  const opening = open(machine, { whenTaken: 'yield' })
  await until(() => machine.solOwner() !== undefined)
  machine.serial.write('first')
  const { got, noted } = await opening
  machine.serial.write('second')
  await until(() => got().length > 0)
  expect([got().toString(), noted]).toEqual(['second', []])
})

describe('a BMC that goes away', () => {
  test('is noticed within 6 s, whether or not somebody types', async () => {
    const machines = [freshMachine(), freshMachine()]
    const consoles = await Promise.all(machines.map((machine) => open(machine, { keepAliveMs: 2_000 })))
    for (const machine of machines) machine.inject({ kind: 'silent' })
    const startedAt = performance.now()
    consoles[1]?.sol.write(Buffer.from('anybody there?'))
    await until(() => consoles.every(({ lost }) => lost.length === 1), 12_000)
    expect(performance.now() - startedAt).toBeLessThan(7_000)
    expect(consoles.map(({ lost: [error] }) => error?.code)).toEqual(['unreachable', 'unreachable'])
    expect(consoles[0]?.lost[0]?.message).toContain(`${machines[0]?.port}`)
  }, 20_000)

  test('and takes no characters although it answers is told apart', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-deaf' })
    const { sol, lost } = await open(machine)
    sol.write(Buffer.from('x'))
    await until(() => lost.length === 1)
    expect(lost[0]).toMatchObject({ code: 'session-lost' })
    expect(lost[0]?.message).toContain('takes no characters')
  }, 15_000)

  test('is found again by an opening that waits for it', async () => {
    const machine = freshMachine()
    await machine.stopBmc()
    const opening = open(machine, {}, client({ replyTimeoutMs: 1_000, exchangeTimeoutMs: 20_000 }))
    await new Promise((resolve) => setTimeout(resolve, 700))
    await machine.startBmc()
    const backAt = performance.now()
    await opening
    expect(performance.now() - backAt).toBeLessThan(3_000)
  })

  test('or closing it is over in about a second', async () => {
    const machine = freshMachine()
    const ipmi = client()
    await open(machine, {}, ipmi)
    machine.inject({ kind: 'silent' })
    const startedAt = performance.now()
    await ipmi.close()
    expect(performance.now() - startedAt).toBeLessThan(2_500)
  })
})

describe('when somebody else has SOL', () => {
  test('it is taken from them, or left to them, as asked', async () => {
    const machine = freshMachine()
    const stranger = machine.stealSol()
    await expect(open(machine, { whenTaken: 'yield' })).rejects.toMatchObject({
      code: 'taken',
      completionCode: 0x80,
    })
    expect(machine.solOwner()).toBe(stranger)
    const { sol } = await open(machine)
    expect(machine.solOwner()).toBe(sol.sessionId)
  })

  test.each([false, true])('a theft is noticed within 3 s (told of it: %s)', async (tell) => {
    const machine = freshMachine()
    const { lost } = await open(machine, { keepAliveMs: 2_000 })
    const startedAt = performance.now()
    const thief = machine.stealSol(tell)
    await until(() => lost.length === 1)
    expect(performance.now() - startedAt).toBeLessThan(3_500)
    expect(lost[0]).toMatchObject({ code: 'taken' })
    await until(() => machine.sessionCount() === 0)
    expect(machine.solOwner()).toBe(thief)
  })

  test('SOL that was ended by another is lost, not taken', async () => {
    const machine = freshMachine()
    const { lost } = await open(machine)
    machine.endSol()
    await until(() => lost.length === 1)
    expect(lost[0]).toMatchObject({ code: 'session-lost' })
  })

  test('closing a console that was stolen a moment ago leaves it to the thief', async () => {
    const machine = freshMachine()
    const { sol } = await open(machine, { keepAliveMs: 60_000 })
    await until(() => sol.queued === 0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const thief = machine.stealSol()
    await sol.close()
    expect(machine.solOwner()).toBe(thief)
  })

  test('SOL that is stuck for nobody is freed', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-stuck' })
    const { sol } = await open(machine)
    expect(machine.solOwner()).toBe(sol.sessionId)
  })
})

describe('after a kill of the process', () => {
  /** A client that is never closed, as after kill -9. */
  const killed = async (machine: LabMachine): Promise<number> => {
    const dead = createIpmiClient()
    const { sessions } = await open(machine, { keepAliveMs: 600_000 }, dead)
    orphans.push(dead)
    return sessions[0] ?? 0
  }
  const orphans: IpmiClient[] = []
  afterAll(async () => {
    for (const orphan of orphans) await orphan.close()
  })

  test('its session is closed first, so that even one that yields has the console at once', async () => {
    const machine = freshMachine()
    const previousSessionId = await killed(machine)
    expect(machine.sessionCount()).toBe(1)
    const { sol } = await open(machine, { whenTaken: 'yield', previousSessionId })
    expect(machine.solOwner()).toBe(sol.sessionId)
    expect(machine.sessionCount()).toBe(1)
  })

  test('the old session’s end, a while later, cannot end the new console', async () => {
    const fragile = await startLab({ count: 1, serial: 'quiet', sessionTimeoutSeconds: 1 })
    opened.push(fragile)
    const [machine] = fragile.machines as [LabMachine]
    machine.inject({ kind: 'sol-old-session' })
    const previousSessionId = await killed(machine)
    const { lost } = await open(machine, { previousSessionId })
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect([lost, machine.solOwner() !== undefined]).toEqual([[], true])
  })

  test('nor that of a stranger’s session with quirk solcloseowner; without it the BMC does end it', async () => {
    for (const quirks of [[], ['solcloseowner']] as const) {
      const fragile = await startLab({ count: 1, serial: 'quiet', sessionTimeoutSeconds: 1 })
      opened.push(fragile)
      const [machine] = fragile.machines as [LabMachine]
      machine.inject({ kind: 'sol-old-session' })
      await killed(machine)
      const { lost } = await open(machine, { quirks })
      if (quirks.length === 0) await until(() => lost.length === 1)
      else await new Promise((resolve) => setTimeout(resolve, 2_000))
      expect(lost.map(({ code }) => code)).toEqual(quirks.length === 0 ? ['session-lost'] : [])
    }
  }, 15_000)
})
