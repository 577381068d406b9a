/** What only a Nexus has: two doors to one configuration, port-channels over two chassis, lists that do not fit a line. */
import { once } from 'node:events'
import * as fc from 'fast-check'
import type { ClientChannel } from 'ssh2'
import { afterEach, expect, it } from 'vitest'
import { openSwitch, type Switch, type SwitchOptions } from '../index.ts'
import { failure } from '../testing/bench.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { type Nexus, type NexusOptions, startNexus } from '../testing/nxos/simulator.ts'
import { watchIsolation } from '../testing/oracle.ts'
import { connectSsh } from '../transports/ssh.ts'

const toClose: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close()
})

async function nexus(options: NexusOptions = {}): Promise<Nexus> {
  const device = await startNexus(options)
  toClose.push(device.close)
  return device
}

function open(device: Nexus, door: 'ssh' | 'nxapi' = 'ssh', options: Partial<SwitchOptions> = {}): Switch {
  const target = door === 'ssh' ? device.target() : device.nxapi()
  const one = openSwitch(target, { guard: guard(device), ...options })
  toClose.push(one.close)
  return one
}

it('over SSH and over NX-API the same changes leave the same configuration, byte for byte', async () => {
  const [left, right] = [await nexus(), await nexus({ switchedByDefault: false })]
  const [ssh, nxapi] = [open(left, 'ssh', { gatherMs: 0 }), open(right, 'nxapi', { gatherMs: 0 })]
  const ports = left.ports.slice(0, 3)
  const dirt = fc.constantFrom('factory' as const, 'routed' as const, 'trunk-all' as const, 'stale' as const)
  const move = fc.record({ port: fc.constantFrom(...ports), dirt, intent: intents.any })
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 4 }), async (moves) => {
      for (const { port, dirt, intent } of moves)
        await Promise.all(
          [[left, ssh] as const, [right, nxapi] as const].map(async ([device, one]) => {
            device.makeDirty(port, dirt)
            await one.apply({ vlans: tenantVlans, ports: { [port]: intent } })
          }),
        )
      expect(right.config()).toBe(left.config())
      expect(right.saved()).toBe(left.saved())
    }),
    { numRuns: 6 },
  )
})

it("other people's programs find what they look for: a prompt after Enter, one port's state, an end", async () => {
  const device = await nexus()
  device.makeDirty('Ethernet1/3', 'trunk-all')
  const client = await connectSsh(device.target(), 10_000)
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    client.shell((error, opened) => (error ? reject(error) : resolve(opened))),
  )
  let heard = ''
  channel.on('data', (part: Buffer) => {
    heard += part
  })
  channel.write('\nshow interface Ethernet1/3 switchport | json\nshow interface Ethernet1/3 | json\nexit\n')
  await once(client, 'close')
  expect(heard).toMatch(/nexus-1# \r\nnexus-1# show interface/)
  const rows = heard.split('\r\n').filter((line) => line.startsWith('{'))
  expect(rows.map((row) => JSON.parse(row).TABLE_interface.ROW_interface)).toMatchObject([
    { interface: 'Ethernet1/3', switchport: 'Enabled', oper_mode: 'trunk' },
    { interface: 'Ethernet1/3', admin_state: 'up' },
  ])
})

it('48 attaches at once are one session, one transaction and one save', async () => {
  const device = await nexus()
  Object.assign(device.faults, { loginDelayMs: 300, saveDelayMs: 100 })
  const one = open(device)
  const ports = device.ports.slice(0, 48)
  const oracle = watchIsolation(device)
  await Promise.all(
    ports.map((port, index) => {
      const intent = intents.access([100, 200, 300][index % 3] as number)
      oracle.expect({ [port]: intent })
      return one.apply({ vlans: tenantVlans, ports: { [port]: intent } })
    }),
  )
  expect(device.counts).toMatchObject({ logins: 1, saves: 1 })
  expect(device.lines.filter((line) => line.startsWith('checkpoint'))).toHaveLength(1)
  expect(ports.map((port) => device.seen(port).untagged)).toEqual(
    ports.map((_, index) => [100, 200, 300][index % 3]),
  )
  expect(oracle.violations).toEqual([])
})

it('a list of VLANs that does not fit one line is set in several, exactly', async () => {
  const device = await nexus()
  const one = open(device, 'nxapi', { guard: { ...guard(device), vlans: '2-3000' } })
  const [port = ''] = device.ports
  const odd = Array.from({ length: 120 }, (_, index) => 1_001 + 2 * index)
  const vlans = odd.map((id) => ({ id }))
  await one.apply({ vlans, ports: { [port]: intents.trunk(odd[0] as number, odd.slice(1)) } })
  expect(device.seen(port)).toEqual({ port, untagged: odd[0], tagged: odd.slice(1) })
  const lists = device.lines.filter((line) => line.startsWith('switchport trunk allowed vlan'))
  expect(lists.length).toBeGreaterThan(2)
  expect(Math.max(...lists.map((line) => line.length))).toBeLessThan(250)
  expect(await one.apply({ ports: { [port]: intents.trunk(odd[0] as number, odd.slice(1)) } })).toMatchObject(
    {
      changes: [],
    },
  )
})

it('a port-channel over two chassis gets its vPC number, and keeps it', async () => {
  const device = await nexus()
  device.box.config.features.push('vpc')
  const one = open(device)
  const [port = ''] = device.ports
  const lag = { group: 10, lacp: 'active', multiChassis: 10 } as const
  const wanted = { vlans: tenantVlans, ports: { [port]: intents.trunk(100, [101], lag) } }
  await one.apply(wanted)
  expect(device.config()).toContain('interface port-channel10\n')
  expect(device.config()).toContain('\n  vpc 10')
  expect((await one.read()).ports.get('port-channel10')).toMatchObject({ multiChassis: 10 })
  expect(await one.apply(wanted)).toMatchObject({ changes: [] })
})

it('the peer link, its members and ports of a foreign port-channel are left alone though they are listed', async () => {
  const device = await nexus()
  const { interfaces } = device.box.config
  const channel = (name: string, vpc: string) => ({
    ...structuredClone(interfaces[0] as (typeof interfaces)[number]),
    name,
    switched: true,
    mode: 'trunk',
    vpc,
  })
  interfaces.push(channel('port-channel1', 'peer-link'), channel('port-channel2', ''))
  const member = (index: number, group: number) =>
    Object.assign(interfaces[index] ?? {}, {
      switched: true,
      mode: 'trunk',
      channel: { group, mode: 'active' },
    })
  member(0, 1)
  member(1, 2)
  Object.assign(interfaces[2] ?? {}, { description: 'uplink to spine-1' })
  Object.assign(interfaces[3] ?? {}, { shutdown: false, others: ['ip address 10.0.0.1/31'] })
  const one = open(device, 'ssh', {
    guard: { ...guard(device), ports: [...device.ports, 'port-channel1'] },
  })
  const before = device.config()
  for (const [port, why] of [
    ['port-channel1', 'peer link'],
    ['Eth1/1', 'peer link'],
    ['Eth1/2', 'port-channel2'],
    ['Eth1/3', 'uplink'],
    ['Eth1/4', 'routed'],
  ] as const) {
    const error = await failure(one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } }))
    expect(error.code).toBe('not-allowed')
    expect(error.message).toContain(why)
  }
  expect(device.config()).toBe(before)
})

it('a VLAN name that another VLAN has is refused by the switch, and no VLAN is left behind', async () => {
  for (const door of ['ssh', 'nxapi'] as const) {
    const device = await nexus()
    const one = open(device, door)
    await one.apply({ vlans: [{ id: 100, name: 'red' }] })
    const before = device.config()
    const error = await failure(one.apply({ vlans: [{ id: 101, name: 'red' }] }))
    expect(error).toMatchObject({ code: 'rejected', line: 'name red', restored: true })
    expect(error.reply).toContain('names of VLANs must be unique')
    expect(device.config()).toBe(before)
  }
})

it('a checkpoint that a killed process left behind is in nobody’s way', async () => {
  const device = await nexus()
  device.box.checkpoints.set('leasehold', structuredClone(device.box.config))
  const one = open(device)
  const [port = ''] = device.ports
  await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
  expect(device.seen(port).untagged).toBe(100)
  expect([...device.box.checkpoints.keys()]).toEqual([])
})

it('an old checkpoint is never rolled back to, were the session to break before ours is taken', async () => {
  const device = await nexus()
  device.box.checkpoints.set('leasehold', structuredClone(device.box.config))
  const one = open(device)
  const [port = ''] = device.ports
  await one.apply({ vlans: [{ id: 100 }, { id: 200 }] })
  device.box.checkpoints.set('leasehold', structuredClone({ ...device.box.config, vlans: [] }))
  const before = device.config()
  let broken = false
  device.faults.drop = ({ line }) => {
    const now = !broken && line === 'no checkpoint leasehold'
    broken ||= now
    return now
  }
  const error = await failure(one.apply({ ports: { [port]: intents.access(100) } }))
  expect(error).toMatchObject({ code: 'unreachable', restored: true })
  expect(device.config()).toBe(before)
})

it('a change that could not be undone at once is undone before anything else is done', async () => {
  const device = await nexus()
  const one = open(device, 'ssh', { breakerFailures: 100, gatherMs: 0 })
  const [port = '', other = ''] = device.ports
  await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
  const before = (await one.read([port])).ports.get(port)
  // The line breaks behind the change of VLAN, and the switch is gone for a while.
  device.faults.drop = ({ line }) => line === 'switchport mode access' || line.startsWith('terminal')
  const error = await failure(one.apply({ ports: { [port]: intents.access(200) } }))
  expect(error).toMatchObject({ code: 'unreachable', restored: false })
  expect(device.seen(port).untagged).toBe(200)
  device.faults.drop = undefined
  await one.apply({ ports: { [other]: intents.access(300) } })
  expect((await one.read([port])).ports.get(port)).toEqual(before)
  expect(device.seen(other).untagged).toBe(300)
})
