import { expect, it } from 'vitest'
import { openSwitch } from '../index.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents } from '../testing/intents.ts'
import { startSimulatedOvs } from '../testing/ovs/simulator.ts'

conform('openvswitch', {
  start: () => startSimulatedOvs(),
  dirt: ['factory', 'trunk-all', 'stale'],
  passwords: false,
  parks: true,
})

it('what somebody else changes is told at once', async () => {
  const ovs = await startSimulatedOvs()
  const one = openSwitch(ovs.target(), { guard: guard(ovs) })
  let told = 0
  const stop = await one.watch?.(() => {
    told++
  })
  expect(told).toBe(0)
  ovs.meddle('eth1', { tag: [200], vlan_mode: ['access'] })
  await expect.poll(() => told).toBe(1)
  await stop?.()
  await one.close()
  await ovs.close()
})

it('a row that changed between read and write is read again, not overwritten unseen', async () => {
  const ovs = await startSimulatedOvs()
  const one = openSwitch(ovs.target(), { guard: guard(ovs) })
  let meddled = false
  ovs.faults.drop = ({ line }) => {
    if (!meddled && line.startsWith('{"op":"wait"')) {
      meddled = true
      ovs.meddle('eth1', { tag: [66] })
    }
    return false
  }
  const result = await one.apply({ ports: { eth1: intents.access(100) } })
  expect(meddled).toBe(true)
  expect(result.changes).toContainEqual({
    what: 'eth1',
    field: 'membership',
    is: 'access 66',
    wanted: 'access 100',
  })
  expect(ovs.seen('eth1')).toMatchObject({ untagged: 100 })
  await one.close()
  await ovs.close()
})

it('what was not as wanted afterwards is put back, were it a trunk of all VLANs', async () => {
  const ovs = await startSimulatedOvs()
  const one = openSwitch(ovs.target(), { guard: guard(ovs) })
  await ovs.makeDirty('eth1', 'trunk-all')
  await ovs.makeDirty('eth2', 'stale')
  // The bridge for ports that are down is made with the first of them, and stays.
  await one.apply({ ports: { eth3: intents.idle() } })
  const before = ovs.config()
  ovs.faults.ignore = (said) => ovs.isAbout(said, 'eth2')
  const described = { ...intents.access(100), description: 'node-1' }
  const wanted = { ports: { eth1: described, eth2: intents.access(100) } }
  await expect(one.apply(wanted)).rejects.toMatchObject({ code: 'not-verified', restored: true })
  expect(ovs.config()).toBe(before)
  await one.close()
  await ovs.close()
})

it('a certificate is known by its authority as well as by its fingerprint', async () => {
  const ovs = await startSimulatedOvs()
  const known = openSwitch(ovs.target({ trust: { ca: ovs.ca } }), { guard: guard(ovs) })
  expect((await known.read()).ports.has('eth1')).toBe(true)
  const other = await startSimulatedOvs()
  const stranger = openSwitch(ovs.target({ trust: { ca: other.ca } }), { guard: guard(ovs) })
  await expect(stranger.read()).rejects.toMatchObject({ code: 'host-key' })
  await Promise.all([known.close(), stranger.close()])
  await Promise.all([ovs.close(), other.close()])
})

it('a port that leaves a network is parked until flows of before are gone, and only then enters another', async () => {
  const ovs = await startSimulatedOvs()
  const settings = { bridge: 'br0', settleMs: '150' }
  const one = openSwitch(ovs.target({ settings }), { guard: guard(ovs) })
  await one.apply({ ports: { eth1: intents.access(100), eth2: intents.access(100) } })
  const seen: { what: string; at: number }[] = []
  ovs.onPortState(({ port, untagged }) => seen.push({ what: `${port} ${untagged}`, at: Date.now() }))
  await one.apply({ ports: { eth1: intents.access(200) } })
  expect(seen.map(({ what }) => what)).toEqual(['eth1 null', 'eth1 200'])
  expect((seen[1]?.at ?? 0) - (seen[0]?.at ?? 0)).toBeGreaterThanOrEqual(140)
  await one.close()
  await ovs.close()
})

it('ports that leave together do so one after another, and enter together', async () => {
  const ovs = await startSimulatedOvs()
  const one = openSwitch(ovs.target(), { guard: guard(ovs) })
  await one.apply({ ports: { eth1: intents.access(100), eth2: intents.access(200) } })
  const { writes } = ovs.counts
  await one.apply({ ports: { eth1: intents.access(200), eth2: intents.access(100) } })
  expect(ovs.counts.writes - writes).toBe(3)
  expect([ovs.seen('eth1').untagged, ovs.seen('eth2').untagged]).toEqual([200, 100])
  await one.close()
  await ovs.close()
})

it('if a port cannot enter the other network it is where it was, whatever that was', async () => {
  const ovs = await startSimulatedOvs()
  const one = openSwitch(ovs.target(), { guard: guard(ovs) })
  // The bridge for ports that are down is there from now on.
  await one.apply({ ports: { eth2: intents.idle() } })
  for (const dirt of ['factory', 'trunk-all', 'stale'] as const)
    for (const fault of ['refuse', 'drop'] as const) {
      await ovs.makeDirty('eth1', dirt)
      const before = ovs.config()
      let struck = false
      const strikes = (line: string) => {
        const now = !struck && line.startsWith('{"op":"update","table":"Port"')
        struck ||= now
        return now
      }
      if (fault === 'refuse')
        ovs.faults.refuse = ({ line }) => (strikes(line) ? 'constraint violation' : undefined)
      else ovs.faults.drop = ({ line }) => strikes(line)
      await expect(one.apply({ ports: { eth1: intents.access(100) } })).rejects.toMatchObject({
        restored: true,
      })
      expect(struck).toBe(true)
      expect(ovs.config()).toBe(before)
      for (const name of ['refuse', 'drop'] as const) delete ovs.faults[name]
    }
  await one.close()
  await ovs.close()
})
