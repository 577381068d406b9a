/** What real BMCs do differently about Serial over LAN: which of it needs a flag, and that the flag helps. */
import { randomBytes } from 'node:crypto'
import type { IpmiError, SolQuirk } from '@leasehold/ipmi'
import { describe, expect, test } from 'vitest'
import type { Fault, LabMachine } from './index.ts'
import { type Console, testConsoles, typedOn, until } from './testing.ts'

const { freshMachine, open } = testConsoles(30)

describe('a BMC with quirks', () => {
  /** Whether the console works both ways. */
  const proves = async (machine: LabMachine, { sol, got, lost }: Console) => {
    const typed = typedOn(machine)
    const line = randomBytes(500)
    sol.write(line)
    machine.serial.write(line)
    await until(() => typed().length >= 500 && got().length >= 500, 15_000)
    expect([typed().equals(line), got().equals(line), lost]).toEqual([true, true, []])
  }

  const unaided: [string, Fault][] = [
    ['swaps the bytes of payload sizes', { kind: 'sol-sizes', named: 'swapped' }],
    ['names an impossible payload size', { kind: 'sol-sizes', named: 3 }],
    ['names the standard port behind a port mapping', { kind: 'sol-port', port: 623 }],
    ['does not know who has SOL', { kind: 'sol-status', how: 'refused', only: 'instance' }],
    ['does not know whether SOL is active', { kind: 'sol-status', how: 'refused' }],
    ['does not even answer that', { kind: 'sol-status', how: 'silent' }],
    ['names the owner by the console’s id', { kind: 'sol-owner', named: 'by-console-id' }],
    ['names the owner with swapped bytes', { kind: 'sol-owner', named: 'swapped' }],
    ['counts no accepted characters', { kind: 'sol-miscount', accepted: 0 }],
  ]
  test.each(unaided)(
    'that %s works as it is',
    async (_name, fault) => {
      const machine = freshMachine()
      machine.inject(fault)
      const console = await open(machine)
      await proves(machine, console)
      // Long enough for every question that it might not answer.
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      expect(console.lost).toEqual([])
    },
    30_000,
  )

  test('that does not answer who has SOL is still noticed when it dies', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-status', how: 'silent' })
    const { lost } = await open(machine)
    await new Promise((resolve) => setTimeout(resolve, 4_500))
    machine.inject({ kind: 'silent' })
    await until(() => lost.length === 1)
    expect(lost[0]).toMatchObject({ code: 'unreachable' })
  }, 20_000)

  const aided: [SolQuirk, Fault, 'unsupported' | 'command-failed' | 'taken'][] = [
    ['solport', { kind: 'sol-port', port: 9_999 }, 'unsupported'],
    ['serialalertsdeferred', { kind: 'sol-alerts' }, 'command-failed'],
    ['solstatus', { kind: 'sol-owner', named: 'wrongly' }, 'taken'],
  ]
  test.each(aided)('works with quirk %s, and without it says what is wrong', async (quirk, fault, code) => {
    const machine = freshMachine()
    machine.inject(fault)
    const lost: IpmiError[] = []
    const failure = await open(machine, { onLost: (error) => void lost.push(error) }).then(
      () => until(() => lost.length > 0).then(() => lost[0]),
      (error: IpmiError) => error,
    )
    expect(failure).toMatchObject({ code })
    await until(() => machine.sessionCount() === 0)
    await proves(machine, await open(machine, { quirks: [quirk] }))
  })

  test('that miscounts characters works with quirk solcharactercount', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-miscount', accepted: 1 })
    await proves(machine, await open(machine, { quirks: ['solcharactercount'] }))
  })

  test('that names a payload size it cannot take works with quirk solpayloadsize', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-sizes', named: 255 })
    await proves(machine, await open(machine, { quirks: ['solpayloadsize'] }))
  })

  test('that gets stuck on a packet works with quirk solpacketseq', async () => {
    const machine = freshMachine()
    machine.inject({ kind: 'sol-sticks', sequence: 1 })
    await proves(machine, await open(machine, { quirks: ['solpacketseq'] }))
  }, 20_000)

  const refusals: [number, string, RegExp][] = [
    [0x81, 'command-failed', /SOL is disabled.*enable SOL/],
    [0x82, 'busy', /no more payloads/],
    [0x83, 'unsupported', /cannot be encrypted/],
    [0x84, 'unsupported', /must be encrypted/],
    [0xd4, 'insufficient-privilege', /insufficient privilege/],
  ]
  test.each(refusals)(
    'that refuses SOL with completion code %i says what to do',
    async (completionCode, code, words) => {
      const machine = freshMachine()
      machine.inject({ kind: 'sol-refused', completionCode })
      const failure = await open(machine).catch((error: IpmiError) => error)
      expect(failure).toMatchObject({ code, completionCode, message: expect.stringMatching(words) })
      await until(() => machine.sessionCount() === 0)
    },
  )
})
