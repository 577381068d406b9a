/** OpenConfig over NETCONF against Debian's netconfd, a server that is not ours. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drivers, openSwitch, SwitchError } from '../../packages/switches/index.ts'
import { openconfig } from '../../packages/switches/openconfig/dialect.ts'
import { namespaces } from '../../packages/switches/openconfig/names.ts'
import { netconfTransport } from '../../packages/switches/transports/netconf.ts'
import type { NetconfReply, Operation } from '../../packages/switches/transports/netconf-messages.ts'
import { element } from '../../packages/switches/transports/xml.ts'
import type { Driver, PortIntent, Switch, SwitchOptions } from '../../packages/switches/types.ts'
import { type Netconfd, startNetconfd } from './netconfd.ts'
import { needPrograms } from './programs.ts'

const ports = ['eth1', 'eth2', 'eth3', 'eth4']
const tenantVlans = [100, 101, 200, 201].map((id) => ({ id, name: `tenant-${id}` }))
const vlans = [...tenantVlans, { id: 999, name: 'quarantine' }]
const guard: SwitchOptions['guard'] = { ports, vlans: '100-299,999', lagGroups: '10-19' }

const access = (vlan: number): PortIntent => ({ mode: 'access', vlan, adminUp: true, stpEdge: false })
const trunk = (native: number | null, tagged: number[]): PortIntent => ({
  mode: 'trunk',
  native,
  tagged,
  adminUp: true,
  stpEdge: false,
})
const idle: PortIntent = { mode: 'idle', quarantine: 999, stpEdge: false }

describe("OpenConfig over NETCONF, with Debian's netconfd", () => {
  let server: Netconfd
  let one: Switch
  beforeAll(async () => {
    await needPrograms('netconfd')
    server = await startNetconfd(ports)
    one = openSwitch(server.target, { guard })
  })
  afterAll(async () => {
    await one?.close()
    await server?.remove()
  })

  const membership = async (port: string) => (await one.read([port])).ports.get(port)?.membership
  /** A session of somebody else, one operation at a time. */
  const stranger = async () => {
    const session = await netconfTransport({ requires: [] }).connect(server.target, { timeoutMs: 10_000 })
    const ask = async (operation: Operation): Promise<NetconfReply> => {
      const [reply] = await session.send([{ line: operation.do, operation }], () => true, {
        timeoutMs: 10_000,
      })
      return reply as NetconfReply
    }
    return { ask, close: session.close }
  }

  it('ports go from one network to another, are read back and saved, and a second time nothing is written', async () => {
    for (const intent of [access(100), trunk(200, [201]), trunk(null, [100, 101]), access(201), idle]) {
      const wanted = { vlans, ports: { eth1: intent } }
      expect(await one.apply(wanted)).toMatchObject({ verified: true, saved: true })
      expect(await one.apply(wanted)).toEqual({ changes: [], verified: true, saved: true })
    }
    expect(await membership('eth1')).toEqual({ mode: 'access', vlan: 999 })
    expect((await one.read(['eth1'])).ports.get('eth1')?.adminUp).toBe(false)
    await one.apply({ ports: { eth1: trunk(200, [201]) } })
    const startup = await server.startup()
    expect(startup).toContain('<native-vlan>200</native-vlan>')
    expect(startup).toContain('200..201</trunk-vlans>')
    expect(startup).not.toContain('<access-vlan>')
  })

  it('what was saved is there after the power failed', async () => {
    await one.apply({ vlans, ports: { eth2: access(101) } })
    await server.restart()
    expect(await membership('eth2')).toEqual({ mode: 'access', vlan: 101 })
  })

  it('a question that reaches netconfd together with our hello is forgotten by it, and asked again', async () => {
    const other = openSwitch(server.target, { guard })
    server.hurryNext()
    const asked = Date.now()
    expect((await other.read(['eth2'])).ports.get('eth2')?.membership).toEqual({ mode: 'access', vlan: 101 })
    // It was forgotten indeed: so long does the first try take.
    expect(Date.now() - asked).toBeGreaterThan(3_000)
    await other.close()
  })

  it('after a save that failed, what was committed is taken back in a commit of its own', async () => {
    await one.apply({ vlans, ports: { eth2: trunk(100, [101]) } })
    const unlucky = openSwitch(server.target, { guard }, neverSaving())
    const change = { vlans: [{ id: 150, name: 'new' }], ports: { eth2: access(200) } }
    const error = await unlucky.apply(change).catch((thrown: unknown) => thrown)
    await unlucky.close()
    expect(error).toMatchObject({ code: 'save-failed', restored: true })
    const state = await one.read()
    expect(state.ports.get('eth2')?.membership).toEqual({ mode: 'trunk', native: 100, tagged: [101] })
    expect(state.vlans.has(150)).toBe(false)
  })

  it('a LAG is made with its members and gone with the last of them', async () => {
    const lag = { group: 12, lacp: 'active' } as const
    const both = { ...trunk(100, [101]), lag }
    await one.apply({ vlans, ports: { eth3: both, eth4: both } })
    const { ports: made } = await one.read()
    expect(made.get('bond12')?.membership).toEqual({ mode: 'trunk', native: 100, tagged: [101] })
    expect(made.get('eth3')?.lag).toEqual(lag)
    expect(await one.apply({ ports: { eth3: both, eth4: both } })).toMatchObject({ changes: [] })
    await one.apply({ ports: { eth3: idle, eth4: access(200) } })
    const { ports: left } = await one.read()
    expect(left.has('bond12')).toBe(false)
    expect(left.get('eth4')?.lag).toBeNull()
  })

  it('a client that is killed between commit and confirmation leaves the switch as it was', async () => {
    await one.apply({ vlans, ports: { eth1: access(100) } })
    const child = spawn(process.execPath, [resolve(import.meta.dirname, 'netconf-killed.ts')], {
      env: { ...process.env, TARGET: JSON.stringify(server.target) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout, 'data')
    // It has committed and says what it then read: the new network.
    expect(String(line)).toContain('access 200')
    child.kill('SIGKILL')
    await once(child, 'exit')
    await expect.poll(() => membership('eth1'), { timeout: 20_000 }).toEqual({ mode: 'access', vlan: 100 })
    expect(await one.apply({ ports: { eth1: access(200) } })).toMatchObject({ verified: true })
  })

  it('a commit that nobody confirms in time is undone while the session is still there', async () => {
    await one.apply({ vlans, ports: { eth1: access(100) } })
    const { ask, close } = await stranger()
    const enabled = element(namespaces.interfaces, 'enabled', 'false')
    const config = [
      element(namespaces.interfaces, 'interfaces', [
        element(namespaces.interfaces, 'interface', [
          element(namespaces.interfaces, 'name', 'eth1'),
          element(namespaces.interfaces, 'config', [enabled]),
        ]),
      ]),
    ]
    expect((await ask({ do: 'edit-config', target: 'candidate', config })).errors).toEqual([])
    expect((await ask({ do: 'commit', confirmed: { timeoutSeconds: 5 } })).errors).toEqual([])
    const up = async () => (await one.read(['eth1'])).ports.get('eth1')?.adminUp
    expect(await up()).toBe(false)
    // netconfd looks at its clock only when nobody asks it anything for a second.
    await expect.poll(up, { timeout: 30_000, interval: 2_500 }).toBe(true)
    await close()
  })

  it("somebody else's lock is waited for, a little, and then named", async () => {
    const { ask, close } = await stranger()
    expect((await ask({ do: 'lock', target: 'candidate' })).errors).toEqual([])
    const error = await one.apply({ vlans, ports: { eth1: access(201) } }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SwitchError)
    expect(error).toMatchObject({ code: 'busy', restored: true })
    const waiting = one.apply({ ports: { eth1: access(201) } })
    await close()
    await waiting
    expect(await membership('eth1')).toEqual({ mode: 'access', vlan: 201 })
  })

  it('VLANs in the namespace in which another project sends them are refused, by name', async () => {
    const { ask, close } = await stranger()
    const wrong = element(namespaces.vlan, 'vlans', [
      element(namespaces.vlan, 'vlan', [element(namespaces.vlan, 'vlan-id', '100')]),
    ])
    const instance = element(namespaces.networkInstance, 'network-instance', [
      element(namespaces.networkInstance, 'name', 'default'),
      wrong,
    ])
    const config = [element(namespaces.networkInstance, 'network-instances', [instance])]
    const reply = await ask({ do: 'edit-config', target: 'candidate', config })
    expect(reply.errors[0]?.tag).toBe('unknown-element')
    expect(openconfig({}).classify(reply)).toMatchObject({ is: 'error' })
    await close()
  })
})

/** The driver, on a switch whose startup configuration cannot be written; netconfd has no such fault to switch on. */
function neverSaving(): Driver {
  const driver = drivers['openconfig-netconf'] as Driver
  const { connect } = driver.transport
  const transport: Driver['transport'] = {
    ...driver.transport,
    connect: async (...how) => {
      const session = await connect(...how)
      return {
        ...session,
        send: async (requests, goOn, options) => {
          if (!requests.some(({ line }) => line.startsWith('copy-config')))
            return session.send(requests, goOn, options)
          throw new SwitchError('save-failed', 'no space left')
        },
      }
    },
  }
  return { ...driver, transport }
}
