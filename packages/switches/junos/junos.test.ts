import { afterEach, describe, expect, it } from 'vitest'
import { drivers } from '../drivers.ts'
import { SwitchError } from '../errors.ts'
import { openSwitch } from '../switch.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { type JunosOptions, startJunos } from '../testing/netconf/junos.ts'
import type { NetconfSwitch } from '../testing/netconf/simulator.ts'
import type { Driver, Switch } from '../types.ts'

conform('Junos over NETCONF', { start: () => startJunos() })

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
async function start(
  options: JunosOptions = {},
): Promise<{ device: NetconfSwitch; one: Switch; port: string }> {
  const device = await startJunos(options)
  const one = openSwitch(device.target(), { guard: guard(device) })
  cleanups.push(device.close, one.close)
  const port = device.ports[0] as string
  await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
  return { device, one, port }
}

describe('Junos', () => {
  it('speaks chunks too, where it is told to keep to the standard', async () => {
    const { device, port } = await start({ chunks: true, revertsAtSessionEnd: true })
    expect(device.seen(port)).toMatchObject({ untagged: 100 })
  })

  it('what is not ours on a port stays: storm control, speed', async () => {
    const { device, one, port } = await start()
    await one.apply({ ports: { [port]: intents.trunk(100, [101]) } })
    await one.apply({ ports: { [port]: intents.idle() } })
    const interfaces = device.config().split('<interface>\n')
    const ours = interfaces.find((text) => text.includes(`<name>${port}</name>`))
    expect(ours).toContain('<storm-control>')
  })

  it('members by name, by id and by range are the same VLANs', async () => {
    const { device, one, port } = await start()
    await one.apply({ ports: { [port]: intents.trunk(100, [101, 102, 200]) } })
    expect(device.config()).toContain('<members>100-102</members>')
    device.makeDirty(port, 'factory')
    // The factory's member is called `default`.
    expect((await one.read([port])).ports.get(port)?.membership).toEqual({ mode: 'access', vlan: 1 })
  })

  it('a VLAN that is not there is found by the switch before anything is in force', async () => {
    const { device, one, port } = await start()
    const before = device.config()
    device.faults.ignore = ({ line }) => line.includes('<vlans>')
    const applying = one.apply({ vlans: [{ id: 109, name: 'new' }], ports: { [port]: intents.access(109) } })
    await expect(applying).rejects.toMatchObject({ code: 'missing-vlan', line: 'validate', restored: true })
    expect(device.config()).toBe(before)
  })

  it('a VLAN of another id that has the name is not taken over', async () => {
    const { device, one } = await start()
    const before = device.config()
    const applying = one.apply({ vlans: [{ id: 109, name: 'tenant-100' }] })
    await expect(applying).rejects.toMatchObject({ code: 'rejected', restored: true })
    expect(device.config()).toBe(before)
  })

  it('a locked configuration is waited for, and named if it stays locked', async () => {
    const { device, one, port } = await start()
    device.lockFor(99)
    const wanted = { ports: { [port]: intents.access(200) } }
    const refused = await one.apply(wanted).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'busy', restored: true })
    const waiting = one.apply(wanted)
    device.lockFor(null)
    expect(await waiting).toMatchObject({ verified: true })
  })

  it('uncommitted changes of somebody else are neither committed with ours nor thrown away', async () => {
    const { device, one, port } = await start()
    device.box.candidate = { ...device.box.candidate }
    const theirs = device.box.candidate
    const refused = await one
      .apply({ ports: { [port]: intents.access(200) } })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'busy', reply: expect.stringContaining('database modified') })
    expect(device.box.candidate).toBe(theirs)
  })

  it('a client that is gone between commit and confirmation leaves the switch as it was, and nobody takes it for done before', async () => {
    const { device, one, port } = await start({ secondMs: 40 })
    const before = device.config()
    // It dies right after the commit: its connection is gone, and it never comes back to undo.
    const died = openSwitch(
      device.target(),
      { guard: guard(device), commandTimeoutMs: 200 },
      dying(({ line }) => line === 'commit confirmed'),
    )
    cleanups.push(died.close)
    const wanted = { ports: { [port]: intents.access(200) } }
    const applying = died.apply(wanted).catch(() => undefined)
    await expect.poll(() => device.seen(port).untagged).toBe(200)
    await expect(one.read()).rejects.toMatchObject({ code: 'busy' })
    await expect.poll(() => device.config(), { timeout: 20_000 }).toBe(before)
    expect((await one.read([port])).ports.get(port)?.membership).toEqual({ mode: 'access', vlan: 100 })
    await applying
    expect(await one.apply(wanted)).toMatchObject({ verified: true })
  })

  it('if only the answer to the confirmation is lost, all is put back by the log of commits', async () => {
    const { device, one, port } = await start()
    const before = device.config()
    let lost = false
    const losing = wrapped(({ line }) => {
      const now = line === 'commit' && !lost
      lost ||= now
      return now
    })
    const unlucky = openSwitch(device.target(), { guard: guard(device) }, losing)
    cleanups.push(unlucky.close)
    const error = await unlucky
      .apply({ ports: { [port]: intents.access(200) } })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'unreachable', restored: true })
    expect(device.config()).toBe(before)
    expect((await one.read([port])).ports.get(port)?.membership).toEqual({ mode: 'access', vlan: 100 })
  })

  it('a port that only the configuration knows is no port', async () => {
    const { one } = await start()
    await expect(one.read(['ge-9/0/0'])).rejects.toMatchObject({ code: 'unknown-port' })
    for (const name of ['me0', 'irb.10', 'vlan.1', 'lo0', 'ge-0/0', 'ge-0/0/1.5'])
      await expect(one.read([name])).rejects.toMatchObject({ code: 'unknown-port' })
    expect((await one.read(['GE-0/0/1.0'])).ports.has('ge-0/0/1')).toBe(true)
  })
})

/** The driver, with sessions that break right after the switch has done what a request says. */
function wrapped(breaks: (request: { line: string }) => boolean): Driver {
  const driver = drivers['junos-netconf'] as Driver
  return {
    ...driver,
    transport: {
      ...driver.transport,
      connect: async (target, options) => {
        const session = await driver.transport.connect(target, options)
        return {
          ...session,
          send: async (requests, goOn, how) => {
            const at = requests.findIndex(breaks)
            if (at < 0) return session.send(requests, goOn, how)
            await session.send(requests.slice(0, at + 1), goOn, how)
            await session.close()
            throw new SwitchError('unreachable', 'the connection is gone')
          },
        }
      },
    },
  }
}

/** The same, and after that no connection comes about any more. */
function dying(breaks: (request: { line: string }) => boolean): Driver {
  let dead = false
  const driver = wrapped((request) => {
    dead ||= breaks(request)
    return dead
  })
  const { connect } = driver.transport
  return {
    ...driver,
    transport: {
      ...driver.transport,
      connect: async (target, options) => {
        if (dead) throw new SwitchError('unreachable', 'dead')
        return connect(target, options)
      },
    },
  }
}
