/** No false success against a real Open vSwitch: what it does not do, or cannot say that it did, is an error. Needs no root. */
import { execFileSync } from 'node:child_process'
import { openSwitch, type Switch } from '@leasehold/switches'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type OpenVSwitch, startOpenVSwitch } from './frames/openvswitch.ts'
import { type Middle, ovsTarget, standBetween } from './frames/real-ovs.ts'
import { access, guardFor, trunk } from './frames/tenants.ts'

let ovs: OpenVSwitch
let middle: Middle
let one: Switch

beforeEach(async () => {
  ovs = await startOpenVSwitch({ dummy: true })
  await ovs.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy')
  for (const port of ['n0', 'n1'])
    await ovs.vsctl('add-port', 'br0', port, 'tag=66', '--', 'set', 'interface', port, 'type=dummy')
  middle = await standBetween(ovs)
  one = openSwitch(ovsTarget(ovs, middle.address), {
    guard: guardFor(['n0', 'n1', 'ghost']),
    commandTimeoutMs: 1_000,
    connectTimeoutMs: 1_000,
    breakerFailures: 100,
  })
})
afterEach(async () => {
  await one.close()
  await middle.close()
  await ovs.close()
})

it('a port that is not there is unknown, and one that goes away between reading and writing is too', async () => {
  await expect(one.apply({ ports: { ghost: access(100) } })).rejects.toMatchObject({ code: 'unknown-port' })
  beforeWriting(() => now('--no-wait', 'del-port', 'n0'))
  await expect(one.apply({ ports: { n0: access(100) } })).rejects.toMatchObject({ code: 'unknown-port' })
})

it('a VLAN out of range is refused before anything is sent', async () => {
  const before = await ovs.vsctl('get', 'open_vswitch', '.', 'next_cfg')
  await expect(one.apply({ ports: { n0: access(4095) } })).rejects.toMatchObject({ code: 'invalid' })
  await expect(one.apply({ ports: { n0: trunk(null, [0]) } })).rejects.toMatchObject({ code: 'invalid' })
  expect(await ovs.vsctl('get', 'open_vswitch', '.', 'next_cfg')).toBe(before)
})

it('a row that somebody changes between reading and writing is read again, and the result says what was found', async () => {
  beforeWriting(() => now('--no-wait', 'set', 'port', 'n0', 'tag=77'))
  const { changes } = await one.apply({ ports: { n0: access(100) } })
  expect(changes).toContainEqual({ what: 'n0', field: 'membership', is: 'access 77', wanted: 'access 100' })
  expect(await tag('n0')).toBe('100')
})

it('a database that is killed in the middle is an error, and the next change after its return is whole', async () => {
  beforeWriting(() => void ovs.endDatabase('SIGKILL'))
  const error = await one
    .apply({ ports: { n0: access(100), n1: trunk(100, [101]) } })
    .catch((thrown) => thrown)
  expect(error).toMatchObject({ restored: false })
  expect(['unreachable', 'timeout']).toContain(error.code)
  await ovs.startDatabase()
  await one.apply({ ports: { n0: access(100), n1: trunk(100, [101]) } })
  expect(await tag('n0')).toBe('100')
  expect((await ovs.vsctl('get', 'port', 'n1', 'trunks')).trim()).toBe('[100, 101]')
})

it('a database that took the change while ovs-vswitchd is gone is no success', async () => {
  await one.apply({ ports: { n0: access(100) } })
  await ovs.endDaemon('SIGKILL')
  await expect(one.apply({ ports: { n0: access(200) } })).rejects.toMatchObject({
    code: 'timeout',
    restored: false,
  })
  await ovs.startDaemon()
  await one.apply({ ports: { n0: access(200) } })
  expect(await tag('n0')).toBe('200')
  const [next, current] = (await ovs.vsctl('get', 'open_vswitch', '.', 'next_cfg', 'cur_cfg'))
    .trim()
    .split('\n')
  expect(current).toBe(next)
})

/** Once, when the first words that write are on their way. */
function beforeWriting(meddle: () => void): void {
  middle.meddle = (text) => {
    if (!text.includes('"op":"wait"')) return 'pass'
    middle.meddle = undefined
    meddle()
    return 'hold'
  }
}

function now(...words: string[]): void {
  execFileSync('ovs-vsctl', [`--db=${ovs.database}`, '--timeout=10', ...words])
}

async function tag(port: string): Promise<string> {
  return (await ovs.vsctl('get', 'port', port, 'tag')).trim()
}
