/** Two Open vSwitch bridges and two wires between them, made a LAG by the driver: frames pass, and only the tenant's. */
import type { PortIntent } from '@leasehold/switches'
import { openSwitch, type Switch } from '@leasehold/switches'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLedger, crossings } from './frames/ledger.ts'
import { makeNetwork, type Network } from './frames/network.ts'
import { type OpenVSwitch, startOpenVSwitch } from './frames/openvswitch.ts'
import { ovsTarget } from './frames/real-ovs.ts'
import { access, guardFor, idle, probed, tenantOf, trunk } from './frames/tenants.ts'
import { microseconds, startWatcher, type Watcher } from './frames/watcher.ts'

const links: [string, string][] = [
  ['a0', 'b0'],
  ['a1', 'b1'],
]
const cards = ['n0', 'n1', 'n2', 'n3', 'beat0', 'beat1']
/** Nodes 0 and 2 are at one bridge, 1 and 3 at the other; the first two are one tenant's, the others another's. */
const intents: PortIntent[] = [access(100), access(100), access(200), access(200)]

const root = process.getuid?.() === 0

let network: Network
let ovs: OpenVSwitch
let watcher: Watcher
let left: Switch
let right: Switch
const ledger = createLedger(4)

beforeAll(async () => {
  if (!root) return
  network = await makeNetwork(cards, links)
  ovs = await startOpenVSwitch({ namespace: network.inside })
  const ports = { 'br-a': ['n0', 'n2', 'a0', 'a1', 'beat0', 'beat1'], 'br-b': ['n1', 'n3', 'b0', 'b1'] }
  let alone = 4_000
  for (const [bridge, names] of Object.entries(ports)) {
    await ovs.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev')
    for (const name of names)
      await ovs.vsctl(
        'add-port',
        bridge,
        name,
        'vlan_mode=access',
        `tag=${name.startsWith('beat') ? 4_089 : alone++}`,
      )
  }
  const { database, control } = ovs
  const [nodes, beats] = [network.cards.slice(0, 4), network.cards.slice(4)]
  watcher = startWatcher({
    nodes,
    beats,
    vlans: probed,
    seed: 1,
    pace: 1_000,
    dummy: false,
    database,
    control,
  })
  left = openSwitch(ovsTarget(ovs, database, 'br-a'), { guard: guardFor(['n0', 'n2', 'a0', 'a1']) })
  right = openSwitch(ovsTarget(ovs, database, 'br-b'), { guard: guardFor(['n1', 'n3', 'b0', 'b1']) })
  await left.apply({ ports: { n0: access(100), n2: access(200) } })
  await right.apply({ ports: { n1: access(100), n3: access(200) } })
  for (const [node, intent] of intents.entries()) ledger.set(node, tenantOf(intent), microseconds())
})
afterAll(async () => {
  await left?.close()
  await right?.close()
  await watcher?.close()
  await ovs?.close()
  await network?.close()
})

// Without root there is no wire to cut: there `openvswitch.test.ts` has a LAG on the dummy datapath.
if (root)
  it('a LAG is negotiated, carries its list and no more, survives the loss of a member, and goes away cleanly', async () => {
    const crossed: string[] = []
    /** Which nodes reach which now. */
    const reach = (): string[] => {
      const { first, last } = watcher.round()
      const arrived = watcher.take()
      crossed.push(...crossings(arrived, watcher.kinds, ledger))
      const now = arrived.filter(({ number }) => number >= first && number <= last)
      return [...new Set(now.map(({ kind, to }) => `${watcher.kinds[kind]?.from}>${to}`))].sort()
    }
    const soon = { timeout: 20_000, interval: 100 }
    // The name of a LAG is a row's name, so both bridges of one database need a number of their own.
    const lag = { group: 10, lacp: 'active' } as const
    const opposite = { group: 11, lacp: 'active' } as const
    expect(reach()).toEqual([])

    const red = { ...trunk(null, [100]), lag }
    await left.apply({ ports: { a0: red, a1: red } })
    await right.apply({ ports: { b0: { ...red, lag: opposite }, b1: { ...red, lag: opposite } } })
    await expect.poll(reach, soon).toEqual(['0>1', '1>0'])
    expect(await ovs.appctl('lacp/show', 'bond10')).toContain('status: active negotiated')
    expect((await left.read(['a0'])).ports.get('a0')?.lag).toEqual(lag)

    const both = { ...trunk(null, [100, 200]), lag }
    await left.apply({ ports: { a0: both, a1: both } })
    await right.apply({ ports: { b0: { ...both, lag: opposite }, b1: { ...both, lag: opposite } } })
    await expect.poll(reach, soon).toEqual(['0>1', '1>0', '2>3', '3>2'])

    for (const [lost] of links) {
      await network.ip('link', 'set', lost, 'down')
      await expect.poll(reach, soon).toEqual(['0>1', '1>0', '2>3', '3>2'])
      await network.ip('link', 'set', lost, 'up')
      await expect.poll(() => membersThatAreCurrent(), soon).toBe(4)
    }

    await left.apply({ ports: { a0: idle, a1: idle } })
    expect(reach()).toEqual([])
    await right.apply({ ports: { b0: idle, b1: idle } })
    expect(reach()).toEqual([])
    expect(await ovs.vsctl('--columns=name', 'find', 'port', 'lacp=active')).toBe('')
    expect(await ovs.appctl('lacp/show')).toBe('')
    expect(crossed).toEqual([])
  })

async function membersThatAreCurrent(): Promise<number> {
  return (await ovs.appctl('lacp/show')).match(/current attached/g)?.length ?? 0
}
