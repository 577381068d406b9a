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
  parks: true,
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
  const strays: string[] = []
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
          const due = expected(from, tag, wanted).sort(byPort)
          // Nothing may ever come out elsewhere. That it comes out where it should may take a moment: a flow of before
          // that dropped it lasts until Open vSwitch has looked at it again.
          const arrives = async () => {
            const out = (await ovs.broadcast(from, tag)).sort(byPort)
            for (const frame of out)
              if (!due.some(({ port, tag: asTag }) => port === frame.port && asTag === frame.tag))
                strays.push(`from ${from} with tag ${tag} at ${frame.port} with tag ${frame.tag}`)
            return out
          }
          await expect.poll(arrives, { timeout: 5_000 }).toEqual(due)
          expect(strays).toEqual([])
        }
    }),
    { numRuns: 8 },
  )
})

it('a released port passes nothing: not as a trunk of all VLANs, not in the quarantine VLAN', async () => {
  const [port = '', other = ''] = ovs.ports
  await one.apply({ ports: Object.fromEntries(ovs.ports.map((name) => [name, intents.idle()])) })
  await one.apply({
    ports: { [port]: intents.trunk(100, [200, 300]), [other]: intents.trunk(null, [100, 200]) },
  })
  await expect.poll(() => ovs.broadcast(port, 200), { timeout: 5_000 }).toEqual([{ port: other, tag: 200 }])
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

it('a LAG made by the driver negotiates LACP, survives the loss of a member, and goes away cleanly', async () => {
  const pair = await startRealOvs()
  const near = openSwitch(pair.target(), { guard: guard(pair) })
  const [port = '', first = '', second = ''] = pair.ports
  // The machine at the other end is a bridge of its own, with a bond, behind two cables.
  await pair.vsctl('add-br', 'machine', '--', 'set', 'Bridge', 'machine', 'datapath_type=dummy')
  const cable = (from: string, to: string) => [
    ...['--', 'set', 'Interface', from, `options:pstream=punix:${pair.socket}.${from}`],
    ...['--', 'set', 'Interface', to, 'type=dummy', `options:stream=unix:${pair.socket}.${from}`],
  ]
  const bond = [
    'add-bond',
    'machine',
    'bond0',
    'm1',
    'm2',
    'lacp=active',
    'bond_mode=balance-tcp',
    'trunks=100',
  ]
  await pair.vsctl(...bond, 'other_config:lacp-time=fast', ...cable(first, 'm1'), ...cable(second, 'm2'))
  await pair.vsctl(
    'add-port',
    'machine',
    'inside',
    'tag=100',
    '--',
    'set',
    'Interface',
    'inside',
    'type=dummy',
  )

  const lag = { group: 12, lacp: 'active' } as const
  const trunk = intents.trunk(null, [100, 200], lag)
  await near.apply({ ports: { [port]: intents.access(100), [first]: trunk, [second]: trunk } })
  const lacp = () => pair.appctl('lacp/show', 'bond12').catch(() => '')
  await expect.poll(lacp, { timeout: 20_000 }).toContain('status: active negotiated')
  const members = async () => ((await lacp()).match(/current attached/g) ?? []).length
  await expect.poll(members, { timeout: 20_000 }).toBe(2)
  const learned = () => pair.appctl('fdb/show', 'machine')
  const arrives = async () => {
    await pair.appctl('fdb/flush', 'machine')
    await pair.broadcast(port, null)
    return (await learned()).includes('02:00:00:00:00:01')
  }
  await expect.poll(arrives, { timeout: 20_000 }).toBe(true)

  await pair.vsctl('set', 'Interface', 'm1', `options:stream=unix:${pair.socket}.cut`)
  await expect.poll(members, { timeout: 20_000 }).toBe(1)
  await expect.poll(arrives, { timeout: 20_000 }).toBe(true)

  await near.apply({ ports: { [first]: intents.idle(), [second]: intents.idle() } })
  expect(await pair.vsctl('--columns=name', 'find', 'Port', 'name=bond12')).toBe('')
  expect(await lacp()).toBe('')
  expect(await arrives()).toBe(false)
  await near.close()
  await pair.close()
})

it('200 ports leave one after another what they were, and enter in one transaction what they are to be', async () => {
  const many = await startRealOvs(200)
  const settings = { bridge: 'br0', settleMs: '4' }
  const big = openSwitch(many.target({ settings }), { guard: guard(many) })
  const { writes } = many.counts
  await Promise.all(
    many.ports.map((port, index) => big.apply({ ports: { [port]: intents.access(100 + (index % 3)) } })),
  )
  expect(many.counts.writes).toBe(writes + 201)
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
