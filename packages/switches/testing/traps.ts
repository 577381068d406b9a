/** Defects of other drivers, as tests: what each driver for a switch with trunk lists must not do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import type { Guard, Switch } from '../types.ts'
import { failure } from './bench.ts'
import type { SimulatedSwitch } from './device.ts'
import { intents, tenantVlans } from './intents.ts'
import { watchIsolation } from './oracle.ts'

export function avoidTraps(name: string, start: () => Promise<SimulatedSwitch>): void {
  describe(`${name} keeps out of the traps of others`, () => {
    let device: SimulatedSwitch
    let one: Switch
    beforeAll(async () => {
      device = await start()
      const wide: Guard = { ports: device.ports, vlans: '2-999,1500-1999', lagGroups: '10-19' }
      one = openSwitch(device.target(), { guard: wide })
      await one.apply({ vlans: tenantVlans })
    })
    afterAll(async () => {
      await one.close()
      await device.close()
    })

    it('a trunk that carries nothing but its native VLAN stays a trunk', async () => {
      const port = device.ports[0] as string
      await one.apply({ ports: { [port]: intents.trunk(100, []) } })
      expect((await one.read([port])).ports.get(port)?.membership).toEqual({
        mode: 'trunk',
        native: 100,
        tagged: [],
      })
      expect(device.seen(port)).toMatchObject({ untagged: 100, tagged: [] })
    })

    it('a factory-fresh port that becomes a trunk never carries more than its list', async () => {
      const port = device.ports[1] as string
      device.makeDirty(port, 'factory')
      const oracle = watchIsolation(device)
      const intent = intents.trunk(null, [201])
      oracle.expect({ [port]: intent })
      await one.apply({ ports: { [port]: intent } })
      expect(device.seen(port)).toMatchObject({ untagged: null, tagged: [201] })
      expect(oracle.violations).toEqual([])
    })

    it('a list longer than a line arrives whole, and shrinks to exactly what is left', async () => {
      const port = device.ports[2] as string
      const many = Array.from({ length: 200 }, (_, index) => 1500 + index * 2)
      await one.apply({
        vlans: many.map((id) => ({ id })),
        ports: { [port]: intents.trunk(null, many) },
      })
      expect(device.seen(port).tagged).toEqual(many)
      await one.apply({ ports: { [port]: intents.trunk(null, many.slice(50, 53)) } })
      expect(device.seen(port).tagged).toEqual(many.slice(50, 53))
    })

    it('of several ports in one change none is skipped, and if one is bad none is changed', async () => {
      const [bad = '', ...good] = device.ports.slice(0, 4)
      const before = device.config()
      device.faults.refuse = (said) => (device.isAbout(said, bad) ? '% Error: not this one' : undefined)
      const ports = Object.fromEntries([...good, bad].map((port) => [port, intents.access(300)]))
      expect(await failure(one.apply({ ports }))).toMatchObject({
        code: 'rejected',
        port: bad,
        restored: true,
      })
      expect(device.config()).toBe(before)
      device.faults.refuse = undefined
      await one.apply({ ports })
      for (const port of [...good, bad])
        expect(device.seen(port)).toMatchObject({ untagged: 300, tagged: [] })
    })

    it('what was found, whatever it was, is there again after a change that failed', async () => {
      const port = device.ports[3] as string
      for (const dirt of ['factory', 'routed', 'trunk-all', 'stale'] as const) {
        device.makeDirty(port, dirt)
        const before = device.config()
        device.faults.ignore = (said) => device.isAbout(said, port)
        expect(await failure(one.apply({ ports: { [port]: intents.trunk(100, [101]) } }))).toMatchObject({
          code: 'not-verified',
          restored: true,
        })
        expect(device.config()).toBe(before)
        device.faults.ignore = undefined
        device.faults.failSave = true
        expect(await failure(one.apply({ ports: { [port]: intents.trunk(100, [101]) } }))).toMatchObject({
          code: 'save-failed',
          restored: true,
        })
        expect(device.config()).toBe(before)
        device.faults.failSave = undefined
      }
    })

    it('two ports that leave a LAG one after the other are each where they should be', async () => {
      const [first = '', second = ''] = device.ports.slice(4, 6)
      const lag = { group: 11, lacp: 'active' } as const
      const trunk = intents.trunk(100, [101], lag)
      await one.apply({ ports: { [first]: trunk, [second]: trunk } })
      // A third joins a group that is there already, and takes over what it carries.
      const third = device.ports[6] as string
      await one.apply({ ports: { [first]: trunk, [second]: trunk, [third]: trunk } })
      expect(device.seen(third)).toMatchObject({ untagged: 100, tagged: [101] })
      for (const port of [first, second, third]) {
        await one.apply({ ports: { [port]: intents.access(200) } })
        expect(device.seen(port)).toMatchObject({ untagged: 200, tagged: [] })
      }
    })
  })
}
