/** The driver for Open vSwitch against Open vSwitch: the whole conformance suite, and frames. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSwitch, type PortIntent, type Switch } from '../../packages/switches/index.ts'
import { conform } from '../../packages/switches/testing/conformance.ts'
import { guard, intents } from '../../packages/switches/testing/intents.ts'
import { type RealOvs, startRealOvs } from './ovs.ts'

conform('openvswitch against Open vSwitch', {
  start: () => startRealOvs(),
  dirt: ['factory', 'trunk-all', 'stale'],
  passwords: false,
})

let ovs: RealOvs
let one: Switch
beforeAll(async () => {
  ovs = await startRealOvs()
  one = openSwitch(ovs.target(), { guard: guard(ovs) })
})
afterAll(async () => {
  await one.close()
  await ovs.close()
})

it('frames go where the ports’ VLANs say and nowhere else, tagged and untagged, after every change', async () => {
  const wanted = new Map<string, PortIntent>()
  const ports = ovs.ports.slice(0, 4)
  for (const port of ovs.ports) {
    wanted.set(port, intents.idle())
    await one.apply({ ports: { [port]: intents.idle() } })
  }
  const move = fc.record({ port: fc.constantFrom(...ports), intent: intents.any })
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 4 }), async (moves) => {
      for (const { port, intent } of moves) {
        wanted.set(port, intent)
        await one.apply({ ports: { [port]: intent } })
      }
      for (const from of ports)
        for (const tag of [null, 100, 200, 201, 300, 999]) {
          const out = await ovs.broadcast(from, tag)
          expect(out.sort(byPort), `from ${from} with tag ${tag}`).toEqual(
            expected(from, tag, wanted).sort(byPort),
          )
        }
    }),
    { numRuns: 8 },
  )
})

it('a released port passes nothing: not as a trunk of all VLANs, not in the quarantine VLAN', async () => {
  const [port = '', other = ''] = ovs.ports
  await one.apply({
    ports: { [port]: intents.trunk(100, [200, 300]), [other]: intents.trunk(null, [100, 200]) },
  })
  expect(await ovs.broadcast(port, 200)).toEqual([{ port: other, tag: 200 }])
  await one.apply({ ports: { [port]: intents.idle() } })
  for (const tag of [null, 100, 200, 300, 999]) {
    expect(await ovs.broadcast(port, tag)).toEqual([])
    expect((await ovs.broadcast(other, tag)).filter((frame) => frame.port === port)).toEqual([])
  }
})

it('what somebody changes with ovs-vsctl is told, and put right by the next apply', async () => {
  const [port = ''] = ovs.ports
  await one.apply({ ports: { [port]: intents.access(100) } })
  let told = 0
  const stop = await one.watch?.(() => {
    told++
  })
  await ovs.vsctl('clear', 'Port', port, 'tag', 'vlan_mode')
  await expect.poll(() => told, { timeout: 5_000 }).toBeGreaterThan(0)
  const { changes } = await one.apply({ ports: { [port]: intents.access(100) } })
  expect(changes).toContainEqual({
    what: port,
    field: 'membership',
    is: 'trunk native none tagged all',
    wanted: 'access 100',
  })
  await stop?.()
})

it('200 ports are changed in one transaction', async () => {
  const many = await startRealOvs(200)
  const big = openSwitch(many.target(), { guard: guard(many) })
  const { writes } = many.counts
  await Promise.all(
    many.ports.map((port, index) => big.apply({ ports: { [port]: intents.access(100 + (index % 3)) } })),
  )
  expect(many.counts.writes).toBe(writes + 1)
  expect(many.seen('p200')).toMatchObject({ untagged: 101 })
  await big.close()
  await many.close()
})

type Frame = { port: string; tag: number | null }

function byPort(a: Frame, b: Frame): number {
  return a.port.localeCompare(b.port)
}

/** Where a broadcast comes out, by IEEE 802.1Q: the VLAN that it is in, at every other port of that VLAN. */
function expected(from: string, tag: number | null, wanted: ReadonlyMap<string, PortIntent>): Frame[] {
  const vlan = vlanInto(wanted.get(from), tag)
  if (vlan === null) return []
  return [...wanted].flatMap(([port, intent]): Frame[] => {
    if (port === from) return []
    if (vlanInto(intent, null) === vlan) return [{ port, tag: null }]
    return vlanInto(intent, vlan) === vlan ? [{ port, tag: vlan }] : []
  })
}

function vlanInto(intent: PortIntent | undefined, tag: number | null): number | null {
  if (intent === undefined || intent.mode === 'idle') return null
  if (intent.mode === 'access') return tag === null ? intent.vlan : null
  if (tag === null) return intent.native
  return intent.tagged.includes(tag) || intent.native === tag ? tag : null
}
