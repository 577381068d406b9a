import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import { failure } from '../testing/bench.ts'
import type { SshSwitch } from '../testing/cli/ssh.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { startCatalyst } from '../testing/ios/simulator.ts'
import { avoidTraps } from '../testing/traps.ts'
import type { Switch } from '../types.ts'
import { ios } from './dialect.ts'

conform('cisco-ios over SSH', { start: () => startCatalyst() })
avoidTraps('cisco-ios on a model that knows ISL', () => startCatalyst({ encapsulation: true }))

describe('a Catalyst', () => {
  let device: SshSwitch
  let one: Switch
  beforeAll(async () => {
    device = await startCatalyst()
    one = openSwitch(device.target(), { guard: guard(device) })
    await one.apply({ vlans: tenantVlans })
  })
  afterAll(async () => {
    await one.close()
    await device.close()
  })

  it('that makes a VLAN which vanished in between says so, and that is no refusal', async () => {
    const port = device.ports[0] as string
    let gone = false
    device.faults.drop = (said) => {
      if (!gone && device.isAbout(said, port)) device.box.running.vlans.delete(100)
      gone ||= device.isAbout(said, port)
      return false
    }
    await one.apply({ ports: { [port]: intents.access(100) } })
    expect(device.seen(port)).toMatchObject({ untagged: 100 })
    device.faults.drop = undefined
    await one.apply({ vlans: tenantVlans })
    expect((await one.read()).vlans.get(100)?.name).toBe('tenant-100')
  })

  it('loses a voice VLAN, which would let tagged frames in, with the next change', async () => {
    const port = device.ports[1] as string
    await one.apply({ ports: { [port]: intents.access(100) } })
    device.box.running.interfaces.get(port)?.set('voice', ['switchport voice vlan 55'])
    expect((await one.read([port])).ports.get(port)?.leftovers).toEqual(['switchport voice vlan 55'])
    await one.apply({ ports: { [port]: intents.access(100) } })
    expect((await one.read([port])).ports.get(port)?.leftovers).toEqual([])
  })

  it('that negotiates counts as a trunk of every VLAN, and is not left alone', async () => {
    const port = device.ports[2] as string
    device.makeDirty(port, 'factory')
    expect((await one.read([port])).ports.get(port)?.membership).toEqual({
      mode: 'trunk',
      native: 1,
      tagged: 'all',
    })
  })

  it('that only switches does not know the word for it, and has LAGs all the same', async () => {
    const plain = await startCatalyst({ switchesOnly: true })
    const switchOf = openSwitch(plain.target(), { guard: guard(plain) })
    const [first = '', second = ''] = plain.ports
    const trunk = intents.trunk(100, [101], { group: 10, lacp: 'active' })
    await switchOf.apply({ vlans: tenantVlans, ports: { [first]: trunk, [second]: trunk } })
    expect(plain.seen(second)).toMatchObject({ untagged: 100, tagged: [101] })
    await switchOf.apply({ ports: { [first]: intents.access(200), [second]: intents.idle() } })
    expect(plain.seen(first)).toMatchObject({ untagged: 200, tagged: [] })
    await switchOf.close()
    await plain.close()
  })

  it('whose user may not configure is an error, not a success', async () => {
    device.faults.refuse = ({ line }) =>
      line.startsWith('interface') ? 'Command authorization failed.' : undefined
    const wish = one.apply({ ports: { [device.ports[3] as string]: intents.access(100) } })
    expect(await failure(wish)).toMatchObject({ reply: 'Command authorization failed.' })
    device.faults.refuse = undefined
  })
})

describe('what IOS says', () => {
  const verdict = (line: string, text: string) => ios.classify({ line, text, mode: 'configure' }).is

  it('is good although it begins like a refusal', () => {
    expect(verdict('switchport access vlan 7', '% Access VLAN does not exist. Creating vlan 7')).toBe('ok')
    expect(verdict('spanning-tree portfast', '%Warning: portfast should only be enabled on ports')).toBe('ok')
    expect(verdict('channel-group 10 mode active', 'Creating a port-channel interface Port-channel 10')).toBe(
      'ok',
    )
    const caret = "                 ^\n% Invalid input detected at '^' marker."
    expect(verdict('switchport trunk encapsulation dot1q', caret)).toBe('ok')
  })

  it.each([
    ['interface Gi9/9/9', "^\n% Invalid input detected at '^' marker."],
    [
      'switchport mode trunk',
      'Command rejected: An interface whose trunk encapsulation is "Auto" can not be',
    ],
    ['switchport access vlan 5000', 'Command rejected: Bad VLAN allowed list.'],
    ['vlan 100', '% Incomplete command.'],
    ['name a', '% Ambiguous command:  "name a"'],
    ['write memory', 'Building configuration...'],
  ])('to "%s" is a refusal', (line, text) => {
    expect(verdict(line, text)).toBe('error')
  })

  it('names ports in long and short', () => {
    const names = ['Gi1/0/1', 'gigabitethernet 1/0/1', 'Te1/1/1', 'Twe1/0/5', 'Tw1/0/1', 'Po3', 'Fa0/1']
    expect(names.map((name) => ios.normalisePort(name))).toEqual([
      'GigabitEthernet1/0/1',
      'GigabitEthernet1/0/1',
      'TenGigabitEthernet1/1/1',
      'TwentyFiveGigE1/0/5',
      'TwoGigabitEthernet1/0/1',
      'Port-channel3',
      'FastEthernet0/1',
    ])
    for (const name of ['Vlan1', 'Po1/1', 'Gi1/0/1\nshutdown', 'Loopback0', 'g'])
      expect(ios.normalisePort(name)).toBeNull()
  })
})
