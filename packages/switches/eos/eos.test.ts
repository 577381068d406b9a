import { afterEach, describe, expect, it } from 'vitest'
import { drivers } from '../drivers.ts'
import { SwitchError } from '../errors.ts'
import { openSwitch } from '../switch.ts'
import { failure } from '../testing/bench.ts'
import { conform } from '../testing/conformance.ts'
import { type Arista, startArista } from '../testing/eos/simulator.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { avoidTraps } from '../testing/traps.ts'
import type { Driver, Switch } from '../types.ts'
import { eos } from './dialect.ts'

conform('arista-eos over eAPI', { start: () => startArista() })
avoidTraps('arista-eos', () => startArista())

describe('a change of an Arista switch', () => {
  let device: Arista
  let one: Switch
  const open = async (options: Parameters<typeof startArista>[0] = {}) => {
    device = await startArista(options)
    one = openSwitch(device.target(), { guard: guard(device) })
    await one.apply({ vlans: tenantVlans, ports: { Ethernet1: intents.access(100) } })
    device.lines.splice(0)
  }
  const access = (vlan: number) => one.apply({ ports: { Ethernet1: intents.access(vlan) } })
  afterEach(async () => {
    await one.close()
    await device.close()
  })

  it('is committed on trial, and confirmed only after it was read back', async () => {
    await open()
    await access(200)
    const order = device.lines.filter((line) => /commit|show running-config|write/.test(line))
    expect(order.map((line) => line.replace(/leasehold-\w+/, 'S'))).toEqual([
      'show running-config',
      'commit timer 00:02:00',
      'show running-config',
      'configure session S commit',
      'write memory',
    ])
    expect(device.sessions()).toEqual([])
  })

  it('goes away by itself when the service died before it confirmed, and is no success meanwhile', async () => {
    await open({ hourMs: 60_000 })
    const before = device.config()
    const wanted = { ports: { Ethernet1: intents.access(200) } }
    const dead = openSwitch(device.target(), { guard: guard(device) }, dyingOnTrial())
    const killed = failure(dead.apply(wanted))
    await expect.poll(() => device.seen('Ethernet1').untagged).toBe(200)
    // After a restart: what is found is as it is wanted, and will be gone in a moment.
    expect(await failure(one.apply(wanted))).toMatchObject({ code: 'busy' })
    await expect.poll(() => device.config(), { timeout: 10_000 }).toBe(before)
    expect((await one.apply(wanted)).changes).not.toEqual([])
    expect(await killed).toMatchObject({ code: 'unreachable', restored: false })
    await dead.close()
  })

  it('that was confirmed although the answer got lost is taken back all the same', async () => {
    await open()
    const before = device.config()
    const { drop } = device.faults
    device.faults.drop = ({ line }) => {
      if (!/^configure session \S+ commit$/.test(line)) return drop?.({ line, context: '' }) ?? false
      device.faults.drop = undefined
      device.confirm()
      return true
    }
    expect(await failure(access(200))).toMatchObject({ code: 'unreachable', restored: true })
    expect(device.config()).toBe(before)
  })

  it('waits while another session is on trial, and says so if that takes too long', async () => {
    await open()
    device.faults.refuse = ({ line }) =>
      line.startsWith('commit timer') ? '% Another session is pending commit timer' : undefined
    expect(await failure(access(200))).toMatchObject({ code: 'busy', restored: true })
    expect(device.sessions()).toEqual([])
    device.faults.refuse = undefined
    await access(200)
    expect(device.seen('Ethernet1').untagged).toBe(200)
  })

  it('leaves ports with trunk groups, which carry VLANs besides their list, to the operator', async () => {
    await open()
    device.box.running.interfaces.get('Ethernet2')?.set('trunk-group', ['switchport trunk group storage'])
    expect(await failure(one.apply({ ports: { Ethernet2: intents.access(100) } }))).toMatchObject({
      code: 'not-allowed',
    })
  })

  it('is refused for the MLAG peer link and its members', async () => {
    await open()
    const { running } = device.box
    running.globals.push('mlag configuration\n   peer-link Port-Channel1000')
    running.interfaces.set('Port-Channel1000', new Map([['mode', ['switchport mode trunk']]]))
    running.interfaces.get('Ethernet3')?.set('lag', ['channel-group 1000 mode active'])
    expect((await failure(one.apply({ ports: { Ethernet3: intents.access(100) } }))).message).toContain(
      'MLAG peer link',
    )
  })
})

/** The driver of a process that is killed after the commit and before the confirmation. */
function dyingOnTrial(): Driver {
  const real = drivers['arista-eos-eapi'] as Driver
  let killed = false
  const connect: Driver['transport']['connect'] = async (target, options) => {
    if (killed) throw new SwitchError('unreachable', 'killed')
    const session = await real.transport.connect(target, options)
    return {
      ...session,
      send: async (requests, goOn, limits) => {
        if (killed) throw new SwitchError('unreachable', 'killed')
        const replies = await session.send(requests, goOn, limits)
        killed = requests.some(({ line }) => line.startsWith('commit timer'))
        return replies
      },
    }
  }
  return { ...real, transport: { name: 'dying', connect } }
}

it('names of Arista ports are read in the ways that people and LLDP write them', () => {
  const names = [
    'Et1',
    'ethernet 49/1',
    'Ethernet1',
    'Po10',
    'port-channel10',
    'Management1',
    'Vlan10',
    'Et1;x',
  ]
  expect(names.map((name) => eos().normalisePort(name))).toEqual([
    'Ethernet1',
    'Ethernet49/1',
    'Ethernet1',
    'Port-Channel10',
    'Port-Channel10',
    null,
    null,
    null,
  ])
})
