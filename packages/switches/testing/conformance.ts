/** What every driver keeps, whatever it speaks: one suite, run unchanged against each one's simulated switch. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { describeMembership } from '../differences.ts'
import { SwitchError } from '../errors.ts'
import { openSwitch } from '../switch.ts'
import type { Driver, PortIntent, Switch, Wanted } from '../types.ts'
import type { Bench } from './bench.ts'
import { conformFaults } from './conformance-faults.ts'
import { conformGuards } from './conformance-guards.ts'
import { conformKills } from './conformance-kills.ts'
import { conformLags } from './conformance-lags.ts'
import type { Dirt, SimulatedSwitch } from './device.ts'
import { guard, intents, tenantVlans } from './intents.ts'
import { watchIsolation } from './oracle.ts'

export type Conformance = {
  /** A switch fresh from the factory, reached with the driver under test. */
  start: () => Promise<SimulatedSwitch>
  /** The driver, while it is not in the table yet. */
  driver?: Driver
  /** False for switches that take no password, only certificates. */
  passwords?: boolean
  /** Ways a port can be found in, of those that this kind of switch knows. */
  dirt?: readonly Dirt[]
  /** A port on its way is put where it hears nobody, and is left there by a process that is killed. */
  parks?: boolean
}

export function conform(
  name: string,
  { start, driver, passwords = true, dirt = allDirt, parks = false }: Conformance,
): void {
  describe(`${name} conforms`, () => {
    let device: SimulatedSwitch
    let opened: Switch[] = []
    beforeAll(async () => {
      device = await start()
    })
    beforeEach(async () => {
      for (const fault of Object.keys(device.faults))
        delete device.faults[fault as keyof typeof device.faults]
      for (const port of device.ports.slice(0, 6)) await device.makeDirty(port, 'factory')
      await Promise.all(opened.splice(0).map((one) => one.close()))
    })
    afterAll(async () => {
      await Promise.all(opened.map((one) => one.close()))
      await device.close()
    })
    const bench: Bench = {
      device: () => device,
      open: (options = {}, target = {}) => {
        const all = { guard: guard(device), ...options }
        const one = driver
          ? openSwitch(device.target(target), all, driver)
          : openSwitch(device.target(target), all)
        opened = [...opened, one]
        return one
      },
    }
    conformBasics(bench, dirt)
    conformFaults(bench, passwords)
    conformGuards(bench)
    conformLags(bench)
    if (driver === undefined) conformKills(bench, parks)
  })
}

const allDirt: readonly Dirt[] = ['factory', 'routed', 'trunk-all', 'stale']

function conformBasics({ device, open }: Bench, dirt: readonly Dirt[]): void {
  for (const kind of dirt)
    it(`a port found ${kind} becomes access, trunk or idle, exactly, and a second time writes nothing`, async () => {
      const one = open()
      const [port = ''] = device().ports
      const oracle = watchIsolation(device())
      for (const intent of [
        intents.access(100),
        intents.trunk(200, [201, 202]),
        intents.trunk(null, [300]),
        intents.idle(),
      ]) {
        oracle.rest()
        await device().makeDirty(port, kind)
        const wanted: Wanted = { vlans: tenantVlans, ports: { [port]: intent } }
        oracle.expect({ [port]: intent })
        const result = await one.apply(wanted)
        expect(result.changes.length).toBeGreaterThan(0)
        expect(device().saved()).toBe(device().config())
        const state = (await one.read([port])).ports.get(port)
        expect(describeMembership(state?.membership ?? { mode: 'routed' })).toBe(wordsOf(intent))
        expect(state?.leftovers).toEqual([])
        expect(state?.adminUp).toBe(intent.mode !== 'idle')
        const { writes, saves } = device().counts
        expect(await one.apply(wanted)).toEqual({ changes: [], verified: true, saved: true })
        expect((await one.plan(wanted)).lines).toEqual([])
        expect(device().counts).toMatchObject({ writes, saves })
      }
      expect(oracle.violations).toEqual([])
    })

  it('in whatever order ports come and go, none is in VLANs of two tenants at any moment', async () => {
    const one = open({ gatherMs: 0 })
    const ports = device().ports.slice(0, 3)
    const oracle = watchIsolation(device())
    const move = fc.record({ port: fc.constantFrom(...ports), intent: intents.any })
    const starts = fc.tuple(...ports.map(() => fc.constantFrom(...dirt)))
    await fc.assert(
      fc.asyncProperty(starts, fc.array(move, { minLength: 1, maxLength: 5 }), async (found, moves) => {
        oracle.rest()
        for (const [index, port] of ports.entries()) await device().makeDirty(port, found[index] as Dirt)
        for (const { port, intent } of moves) {
          oracle.expect({ [port]: intent })
          await one.apply({ vlans: tenantVlans, ports: { [port]: intent } })
          const state = (await one.read([port])).ports.get(port)
          expect(describeMembership(state?.membership ?? { mode: 'routed' })).toBe(wordsOf(intent))
        }
        expect(oracle.violations).toEqual([])
      }),
      { numRuns: 15 },
    )
  })

  it('what a port becomes depends only on what is wanted, not on what it was', async () => {
    const one = open()
    const ports = device().ports.slice(0, 4)
    for (const intent of [intents.access(100), intents.trunk(200, [201]), intents.idle()]) {
      const texts = new Set<string>()
      for (const [index, port] of ports.entries()) {
        await device().makeDirty(port, dirt[index % dirt.length] as Dirt)
        await one.apply({ vlans: tenantVlans, ports: { [port]: { ...intent, description: 'node' } } })
        const state = (await one.read([port])).ports.get(port)
        texts.add(JSON.stringify({ ...state, name: '' }))
      }
      expect([...texts]).toHaveLength(1)
    }
  })

  it('a plan says what would be done and does nothing', async () => {
    const one = open()
    const [port = ''] = device().ports
    const { writes, saves } = device().counts
    const before = device().config()
    const plan = await one.plan({ vlans: tenantVlans, ports: { [port]: intents.access(101) } })
    expect(plan.lines.length).toBeGreaterThan(0)
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
    expect(device().counts).toMatchObject({ writes, saves })
    expect(device().config()).toBe(before)
  })

  it('what comes together goes in one session and one save', async () => {
    const one = open()
    const before = { ...device().counts }
    const results = await Promise.all(
      device()
        .ports.slice(0, 6)
        .map((port) => one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(102) } })),
    )
    expect(results.every((result) => result.saved === true && result.changes.length > 0)).toBe(true)
    expect(device().counts.logins - before.logins).toBeLessThanOrEqual(1)
    expect(device().counts.saves - before.saves).toBeLessThanOrEqual(1)
  })

  it('two changes of one port are done in the order in which they came', async () => {
    const one = open()
    const [port = ''] = device().ports
    await Promise.all([
      one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } }),
      one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(200) } }),
    ])
    expect(device().seen(port)).toMatchObject({ untagged: 200, tagged: [] })
  })

  it('a closed switch refuses', async () => {
    const one = open()
    await one.close()
    await expect(one.read()).rejects.toBeInstanceOf(SwitchError)
  })
}

/** The membership that an intent asks for, in the words of describeMembership. */
function wordsOf(intent: PortIntent): string {
  if (intent.mode === 'access') return describeMembership({ mode: 'access', vlan: intent.vlan })
  if (intent.mode === 'idle') return describeMembership({ mode: 'access', vlan: intent.quarantine })
  return describeMembership({ mode: 'trunk', native: intent.native, tagged: intent.tagged })
}
