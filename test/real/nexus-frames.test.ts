/**
 * Lines of a Nexus as frames: what the simulated Nexus makes of each line is done at once to a bridge of Open vSwitch,
 * and frames are tried before the next line. A wrong line, or a wrong order of lines, is a frame that crosses.
 */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSwitch, type Switch, SwitchError } from '../../packages/switches/index.ts'
import type { Seen } from '../../packages/switches/testing/device.ts'
import { guard, intents, tenantVlans } from '../../packages/switches/testing/intents.ts'
import { type Nexus, startNexus } from '../../packages/switches/testing/nxos/simulator.ts'
import { type RealOvs, startRealOvs } from './ovs.ts'

const tenants = [100, 200, 300]
let ovs: RealOvs
beforeAll(async () => {
  ovs = await startRealOvs(4)
})
afterAll(() => ovs.close())

for (const door of ['ssh', 'nxapi'] as const)
  it(`over ${door}, through changes and failures, a port exchanges frames with one tenant at most`, async () => {
    const nexus = await startNexus({ ports: 6 })
    const target = door === 'ssh' ? nexus.target() : nexus.nxapi()
    const leaf = openSwitch(target, { guard: guard(nexus), gatherMs: 0, commandTimeoutMs: 20_000 })
    const frames = await mirrored(nexus)
    try {
      await settleTenants(leaf)
      const fault = fc.constantFrom('none', 'none', 'refuse', 'ignore', 'drop')
      const spot = fc.constantFrom(
        /^switchport mode/,
        /^switchport access/,
        /trunk allowed/,
        /^no shutdown/,
        /^shutdown/,
      )
      const found = fc.constantFrom('factory' as const, 'routed' as const, 'stale' as const)
      const moves = fc.array(fc.record({ intent: intents.any, fault, spot }), { minLength: 2, maxLength: 3 })
      // A list that goes unheard leaves that of the factory: all VLANs.
      const unheard = [{ intent: intents.trunk(100, [101]), fault: 'ignore', spot: /trunk allowed/ }]
      let done = 0
      // From tenant to tenant in every way, before chance has its turn.
      const tour = [
        intents.trunk(100, [101]),
        intents.trunk(200, [201, 202]),
        intents.access(300),
        intents.trunk(null, [101]),
      ]
      for (const intent of [...tour, intents.access(200), intents.idle(), intents.trunk(300, [301])])
        await leaf.apply({ ports: { 'Ethernet1/4': intent } })
      expect(frames.crossings).toEqual([])
      await fc.assert(
        fc.asyncProperty(found, moves, async (dirt, list) => {
          await nexus.makeDirty('Ethernet1/4', dirt)
          for (const move of list) {
            arm(nexus, move.fault, move.spot)
            const change = leaf.apply({ ports: { 'Ethernet1/4': move.intent } })
            const error = await change.then(
              () => null,
              (thrown: unknown) => thrown,
            )
            if (error === null) done++
            else expect(error).toBeInstanceOf(SwitchError)
            arm(nexus, 'none', /./)
          }
          expect(frames.crossings).toEqual([])
        }),
        {
          numRuns: 8,
          endOnFailure: true,
          examples: [
            ['factory', unheard],
            ['routed', unheard],
          ],
        },
      )
      expect(done).toBeGreaterThan(0)
      // The sieve has to catch something: all tenants at once, which no driver of ours does.
      await nexus.makeDirty('Ethernet1/4', 'trunk-all')
      expect(frames.crossings.length).toBeGreaterThan(0)
    } finally {
      await leaf.close()
      await nexus.close()
    }
  })

/** Ports 1 to 3 belong to a tenant each, with all the VLANs of it. */
async function settleTenants(leaf: Switch): Promise<void> {
  const ports = Object.fromEntries(
    tenants.map((vlan, index) => [`Ethernet1/${index + 1}`, intents.trunk(vlan, [vlan + 1, vlan + 2])]),
  )
  await leaf.apply({ vlans: tenantVlans, ports })
}

function arm(nexus: Nexus, fault: string, spot: RegExp): void {
  const here = ({ line, context }: { line: string; context: string }) =>
    context === 'interface Ethernet1/4' && spot.test(line)
  let dropped = false
  nexus.faults.refuse = fault === 'refuse' ? (said) => (here(said) ? 'ERROR: not now' : undefined) : undefined
  nexus.faults.ignore = fault === 'ignore' ? here : undefined
  nexus.faults.drop =
    fault === 'drop'
      ? (said) => {
          const now = !dropped && here(said)
          dropped ||= now
          return now
        }
      : undefined
}

/** Has the bridge follow the Nexus, and after every change tries who hears whom. */
async function mirrored(nexus: Nexus) {
  const crossings: string[] = []
  const names = ['Ethernet1/1', 'Ethernet1/2', 'Ethernet1/3', 'Ethernet1/4']
  const portOf = (name: string) => ovs.ports[names.indexOf(name)] as string
  for (const name of names) await follow(portOf(name), nexus.seen(name))
  nexus.onPortState(async (seen) => {
    if (!names.includes(seen.port)) return
    await follow(portOf(seen.port), seen)
    if (seen.port === 'Ethernet1/4') await tryFrames()
  })

  async function tryFrames(): Promise<void> {
    const met = new Set<string>()
    const [subject = ''] = ovs.ports.slice(3)
    for (const tag of [null, ...tenants.flatMap((vlan) => [vlan, vlan + 1, vlan + 2])])
      for (const { port } of await ovs.broadcast(subject, tag)) met.add(port)
    for (const [index, vlan] of tenants.entries())
      for (const tag of [null, vlan + 1, vlan + 2]) {
        const from = ovs.ports[index] as string
        if ((await ovs.broadcast(from, tag)).some(({ port }) => port === subject)) met.add(from)
      }
    if (met.size > 1) crossings.push(`Ethernet1/4 exchanged frames with ${[...met].join(' and ')}`)
  }
  return { crossings }
}

/** Makes a port of the bridge pass what the Nexus's port passes. */
async function follow(port: string, { untagged, tagged }: Seen): Promise<void> {
  const none = untagged === null && tagged !== 'all' && tagged.length === 0
  const list = tagged === 'all' ? [] : untagged === null ? tagged : [untagged, ...tagged]
  const columns = none
    ? ['vlan_mode=access', 'tag=4000', 'trunks=[]']
    : [
        untagged === null ? 'vlan_mode=trunk' : 'vlan_mode=native-untagged',
        untagged === null ? 'tag=[]' : `tag=${untagged}`,
        `trunks=${list.length === 0 ? '[]' : list.join(',')}`,
      ]
  await ovs.vsctl('set', 'Port', port, ...columns)
  // Open vSwitch goes on by flows of before for a moment, and by addresses it learned from them; a Nexus does not.
  await ovs.appctl('revalidator/purge')
  await ovs.appctl('fdb/flush', 'br0')
}
