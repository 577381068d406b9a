import { expect, it } from 'vitest'
import { openSwitch } from '../index.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents } from '../testing/intents.ts'
import { startSimulatedOvs } from '../testing/ovs/simulator.ts'

conform('openvswitch', {
  start: () => startSimulatedOvs(),
  dirt: ['factory', 'trunk-all', 'stale'],
  passwords: false,
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
