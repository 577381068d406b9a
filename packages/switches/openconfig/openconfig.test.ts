import { afterEach, describe, expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { startOpenconfig } from '../testing/netconf/openconfig.ts'
import { avoidTraps } from '../testing/traps.ts'
import { lagNames } from './names.ts'

conform('OpenConfig over NETCONF', { start: () => startOpenconfig() })
avoidTraps('OpenConfig over NETCONF', () => startOpenconfig())

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
async function start(settings?: Record<string, string>) {
  const device = await startOpenconfig()
  const one = openSwitch(device.target(settings === undefined ? {} : { settings }), { guard: guard(device) })
  cleanups.push(device.close, one.close)
  return { device, one, port: device.ports[0] as string }
}

describe('OpenConfig', () => {
  it('a trunk without a native VLAN is refused where nobody knows what becomes of untagged frames', async () => {
    const { device, one, port } = await start({})
    const trunk = { mode: 'trunk', native: null, tagged: [100], adminUp: true, stpEdge: false } as const
    const applying = one.apply({ vlans: tenantVlans, ports: { [port]: trunk } })
    await expect(applying).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('untagged: dropped'),
    })
    expect(device.counts.writes).toBe(0)
  })

  it('a trunk of its native VLAN alone has a list, as without one it would carry every VLAN', async () => {
    const { device, one, port } = await start()
    await one.apply({ vlans: tenantVlans, ports: { [port]: intents.trunk(100, []) } })
    expect(device.config()).toContain('<trunk-vlans>100</trunk-vlans>')
    expect(device.seen(port)).toEqual({ port, untagged: 100, tagged: [] })
  })

  it('the commit is only confirmed after what it made was read back', async () => {
    const { device, one, port } = await start()
    device.operations.length = 0
    await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
    expect(device.operations).toEqual([
      ...['get', 'get-config', 'lock', 'edit-config', 'edit-config', 'commit'],
      ...['get', 'get-config', 'commit', 'copy-config', 'unlock'],
    ])
  })

  it('a client that is gone between commit and confirmation leaves the switch as it was', async () => {
    const { device, one, port } = await start()
    await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
    const before = device.config()
    let commits = 0
    device.faults.drop = ({ line }) => line === '<commit/>' && ++commits === 1
    const error = await one
      .apply({ ports: { [port]: intents.access(200) } })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'unreachable', restored: true })
    expect(device.config()).toBe(before)
  })

  it('names of LAGs are those of the switch, and only with a number in their place', () => {
    const names = lagNames('Port-Channel%')
    expect(names.of(12)).toBe('Port-Channel12')
    expect(names.group('Port-Channel12')).toBe(12)
    for (const other of ['Port-Channel', 'Port-Channel012', 'Port-Channel1/2', 'xPort-Channel1', 'Ethernet1'])
      expect(names.group(other)).toBeNull()
    expect(lagNames('ae%').group('ae7')).toBe(7)
  })
})
