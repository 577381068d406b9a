import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import { failure } from '../testing/bench.ts'
import type { SshSwitch } from '../testing/cli/ssh.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { startOs10 } from '../testing/os10/simulator.ts'
import { avoidTraps } from '../testing/traps.ts'
import type { Switch } from '../types.ts'
import { os10 } from './dialect.ts'

conform('dell-os10 over SSH', { start: () => startOs10() })
avoidTraps('dell-os10', () => startOs10())

describe('a Dell OS10 switch', () => {
  let device: SshSwitch
  let one: Switch
  beforeAll(async () => {
    device = await startOs10()
    one = openSwitch(device.target(), { guard: guard(device) })
    await one.apply({ vlans: tenantVlans })
  })
  afterAll(async () => {
    await one.close()
    await device.close()
  })

  it('moves a trunk whose native and tagged VLANs change places', async () => {
    const port = device.ports[0] as string
    await one.apply({ ports: { [port]: intents.trunk(100, [101, 102]) } })
    await one.apply({ ports: { [port]: intents.trunk(101, [100]) } })
    expect(device.seen(port)).toMatchObject({ untagged: 101, tagged: [100] })
  })

  it('keeps us away from the links that tie it to its twin', async () => {
    const port = device.ports[1] as string
    device.box.running.globals.push(`vlt-domain 1\n discovery-interface ${port}-1/1/3`)
    const wish = one.apply({ ports: { [port]: intents.access(100) } })
    expect((await failure(wish)).message).toContain('VLT')
    const next = one.apply({ ports: { [device.ports[2] as string]: intents.access(100) } })
    expect(await failure(next)).toMatchObject({ code: 'not-allowed' })
  })

  it('has the MTU and the description that are wanted', async () => {
    const port = device.ports[3] as string
    const wish = { ports: { [port]: { ...intents.access(100), mtu: 9216, description: 'node 7' } } }
    await one.apply(wish)
    expect((await one.read([port])).ports.get(port)).toMatchObject({ mtu: 9216, description: 'node 7' })
    expect(await one.apply(wish)).toMatchObject({ changes: [] })
  })

  it('that does not know a VLAN any more says which line it refused', async () => {
    const port = device.ports[4] as string
    device.faults.drop = (said) => {
      if (device.isAbout(said, port)) device.box.running.vlans.delete(300)
      return false
    }
    expect(await failure(one.apply({ ports: { [port]: intents.access(300) } }))).toMatchObject({
      code: 'rejected',
      line: 'switchport access vlan 300',
      reply: '% Error: Vlan 300 does not exist',
    })
    device.faults.drop = undefined
  })
})

it('names of Dell ports are read in the ways that people and LLDP write them', () => {
  const names = ['ethernet1/1/1', 'Eth 1/1/49:2', 'po10', 'vlan10', 'mgmt1/1/1', 'ethernet1/1']
  expect(names.map((name) => os10.normalisePort(name))).toEqual([
    'ethernet1/1/1',
    'ethernet1/1/49:2',
    'port-channel10',
    null,
    null,
    null,
  ])
})
