import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import { failure } from '../testing/bench.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { type SonicSwitch, startSonic } from '../testing/sonic/simulator.ts'
import { avoidTraps } from '../testing/traps.ts'
import type { Switch } from '../types.ts'
import { sonic } from './dialect.ts'

conform('sonic over SSH', { start: () => startSonic() })
avoidTraps('sonic', () => startSonic())

describe('a SONiC switch', () => {
  let device: SonicSwitch
  let one: Switch
  beforeAll(async () => {
    device = await startSonic()
    one = openSwitch(device.target(), { guard: guard(device) })
    await one.apply({ vlans: tenantVlans, ports: { Ethernet0: intents.access(100) } })
  })
  beforeEach(() => device.lines.splice(0))
  afterAll(async () => {
    await one.close()
    await device.close()
  })

  it('leaves the old untagged VLAN before it enters the new one', async () => {
    await one.apply({ ports: { Ethernet0: intents.trunk(200, [201, 202]) } })
    expect(device.lines.filter((line) => /vlan member|switchport/.test(line))).toEqual([
      'sudo config vlan member del 100 Ethernet0',
      'sudo config switchport mode trunk Ethernet0',
      'sudo config vlan member add -u 200 Ethernet0',
      'sudo config vlan member add -m 201-202 Ethernet0',
    ])
  })

  it('whose command ends with a status and no word is an error all the same', async () => {
    const before = device.config()
    device.faults.refuse = ({ line }) => (line.includes('switchport mode access') ? '' : undefined)
    expect(await failure(one.apply({ ports: { Ethernet0: intents.access(100) } }))).toMatchObject({
      code: 'rejected',
      line: 'sudo config switchport mode access Ethernet0',
      restored: true,
    })
    device.faults.refuse = undefined
    expect(device.config()).toBe(before)
  })

  it('has nothing to say to a passive LACP, which it does not have', async () => {
    const wish = intents.access(100, { group: 10, lacp: 'passive' })
    expect(await failure(one.apply({ ports: { Ethernet4: wish } }))).toMatchObject({ code: 'invalid' })
  })

  it('keeps us away from ports with addresses', async () => {
    device.database().INTERFACE = { Ethernet8: {}, 'Ethernet8|10.0.0.0/31': {} }
    expect(await failure(one.apply({ ports: { Ethernet8: intents.access(100) } }))).toMatchObject({
      code: 'not-allowed',
    })
  })

  it('has the MTU and the description that are wanted, in words that no shell reads', async () => {
    const wish = {
      ports: { Ethernet12: { ...intents.access(100), mtu: 9000, description: 'node 7 (rack 3)' } },
    }
    await one.apply(wish)
    const state = (await one.read(['Ethernet12'])).ports.get('Ethernet12')
    expect(state).toMatchObject({ mtu: 9000, description: 'node 7 (rack 3)' })
    expect(await one.apply(wish)).toMatchObject({ changes: [] })
  })
})

it('a SONiC user who would be asked for a password by sudo is told so', () => {
  const reply = { line: 'sudo config save -y', mode: 'configure' as const, failed: true as const }
  expect(sonic.classify({ ...reply, text: 'sudo: a password is required' })).toMatchObject({ code: 'auth' })
})
