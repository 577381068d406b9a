/** The OVSDB driver on a real Open vSwitch, through a socket at which connections can break. */
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { openSwitch, type SwitchTarget } from '@leasehold/switches'
import type { Stage } from './campaign.ts'
import type { OpenVSwitch } from './openvswitch.ts'
import { type Chance, guardFor } from './tenants.ts'
import type { Wires } from './wires.ts'

export type Middle = {
  /** To be given to the driver instead of the database's own address. */
  address: string
  /** Called with each piece that the client says; what it returns is done. */
  meddle: ((text: string) => 'pass' | 'cut before' | 'cut after' | 'hold') | undefined
  close: () => Promise<void>
}

/** Stands between a client and the database: passes on, or lets the line break before or after a request got there. */
export async function standBetween(ovs: OpenVSwitch): Promise<Middle> {
  const path = join(ovs.directory, 'middle.sock')
  const open = new Set<Socket>()
  const middle: Middle = { address: `unix:${path}`, meddle: undefined, close: async () => undefined }
  const server = createServer((client) => {
    const database = connect(ovs.database.replace('unix:', ''))
    const end = () => {
      client.destroy()
      database.destroy()
    }
    for (const socket of [client, database]) {
      open.add(socket)
      socket.on('error', end)
      socket.on('close', end)
      socket.on('close', () => open.delete(socket))
    }
    let deaf = false
    client.on('data', (data: Buffer) => {
      const fate = middle.meddle?.(data.toString()) ?? 'pass'
      if (fate === 'cut before') return end()
      if (fate === 'cut after') {
        deaf = true
        // The answer shows that it was done; nobody gets to see it.
        database.once('data', end)
      }
      const pass = () => void database.write(data)
      if (fate === 'hold') setTimeout(pass, 50)
      else pass()
    })
    database.on('data', (data: Buffer) => {
      if (!deaf) client.write(data)
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  middle.close = () =>
    new Promise((resolve) => {
      for (const socket of open) socket.destroy()
      server.close(() => resolve())
    })
  return middle
}

export function ovsTarget(ovs: OpenVSwitch, address = ovs.database, bridge = 'br0'): SwitchTarget {
  return { driver: 'openvswitch', address, trust: {}, settings: { bridge } }
}

export function ovsStage({ ovs, cardWords }: Wires, middle: Middle, nodes: number): Stage {
  const names = Array.from({ length: nodes }, (_, node) => `n${node}`)
  return {
    port: (node) => `n${node}`,
    open: () =>
      openSwitch(ovsTarget(ovs, middle.address), {
        guard: guardFor(names),
        gatherMs: 2,
        connectTimeoutMs: 5_000,
        commandTimeoutMs: 5_000,
        breakerFailures: 100,
      }),
    dirty: async (node, chance) => {
      const port = `n${node}`
      const [columns, belonging] = chance.of([
        [[], 'anything'],
        [['vlan_mode=trunk'], 'anything'],
        [['vlan_mode=access', 'tag=66', 'trunks=77,88,200'], new Set(['blue'])],
        [['tag=102'], new Set(['red'])],
      ] as const)
      await ovs.vsctl(
        '--if-exists',
        'del-port',
        port,
        '--',
        'add-port',
        'br0',
        port,
        ...columns,
        ...cardWords(port),
      )
      return belonging
    },
    fault: (chance) => fault(ovs, middle, chance),
  }
}

function fault(ovs: OpenVSwitch, middle: Middle, chance: Chance): ReturnType<Stage['fault']> {
  const name = chance.of(['cut before', 'cut after', 'hold', 'meddled'] as const)
  let struck = false
  middle.meddle = (text) => {
    if (struck || !text.includes('"op":"update"')) return 'pass'
    struck = true
    if (name !== 'meddled') return name
    // Somebody else changes all rows between our reading and our writing.
    void ovs.vsctl('--no-wait', 'set', 'port', 'n0', 'external_ids:meddled=yes')
    return 'hold'
  }
  return {
    name,
    end: () => {
      middle.meddle = undefined
      return struck
    },
  }
}
