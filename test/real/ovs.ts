/**
 * A real Open vSwitch for a test: ovsdb-server and ovs-vswitchd in a directory of their own, with the dummy datapath,
 * which needs neither root nor a kernel module, and ports whose frames can be put in and are written down.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Counts, Dirt, Faults, Seen, SimulatedSwitch } from '../../packages/switches/testing/device.ts'
import { seenInRow } from '../../packages/switches/testing/ovs/simulator.ts'
import { createRpc } from '../../packages/switches/transports/ovsdb-rpc.ts'
import { startOvsProxy } from './ovs-proxy.ts'

const run = promisify(execFile)

export type RealOvs = SimulatedSwitch & {
  vsctl: (...args: string[]) => Promise<string>
  appctl: (...args: string[]) => Promise<string>
  /** Puts a broadcast frame into a port and says at which ports it came out, with which tag. */
  broadcast: (from: string, tag: number | null) => Promise<{ port: string; tag: number | null }[]>
  /** The database's own socket. */
  socket: string
}

export async function startRealOvs(count = 6): Promise<RealOvs> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-ovs-'))
  const socket = join(directory, 'db.sock')
  const control = join(directory, 'vswitchd.ctl')
  const env = { ...process.env, OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory }
  await run('ovsdb-tool', ['create', join(directory, 'conf.db'), '/usr/share/openvswitch/vswitch.ovsschema'])
  const daemons = [
    start('/usr/sbin/ovsdb-server', [
      join(directory, 'conf.db'),
      `--remote=punix:${socket}`,
      `--unixctl=${join(directory, 'db.ctl')}`,
    ]),
  ]
  const vsctl = async (...args: string[]) =>
    (await run('ovs-vsctl', [`--db=unix:${socket}`, ...args], { env })).stdout
  const appctl = async (...args: string[]) =>
    (await run('ovs-appctl', ['-t', control, ...args], { env })).stdout
  await until(() => vsctl('--no-wait', 'init'))
  daemons.push(
    start('/usr/sbin/ovs-vswitchd', [
      '--enable-dummy=override',
      '--disable-system',
      `--unixctl=${control}`,
      `unix:${socket}`,
    ]),
  )
  function start(program: string, args: string[]) {
    const child = spawn(program, [...args, '--log-file=/dev/null', '-vconsole:off'], { env, stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    return { child, ended }
  }

  const ports = Array.from({ length: count }, (_, index) => `p${index + 1}`)
  const pcap = (port: string) => join(directory, `${port}.pcap`)
  const addPort = (port: string, dirt: Dirt) => [
    ...['--', '--may-exist', 'add-port', 'br0', port, ...dirtColumns[dirt]],
    ...['--', 'set', 'Interface', port, 'type=dummy', `options:tx_pcap=${pcap(port)}`],
  ]
  await vsctl('add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=dummy')
  await vsctl(...ports.flatMap((port) => addPort(port, 'factory')))
  await vsctl(
    'add-port',
    'br0',
    'patch0',
    '--',
    'set',
    'Interface',
    'patch0',
    'type=patch',
    'options:peer=nowhere',
  )

  const faults: Faults = {}
  const counts: Counts = { logins: 0, writes: 0, saves: 0 }
  const view = await watchDatabase(socket)
  const proxy = await startOvsProxy(socket, faults, counts, view.catchUp)

  const readFrames = async (port: string) => frames(await readFile(pcap(port)).catch(() => Buffer.alloc(0)))
  return {
    vsctl,
    appctl,
    socket,
    ports,
    faults,
    counts,
    target: (overrides = {}) => ({
      driver: 'openvswitch',
      address: '127.0.0.1',
      port: proxy.port,
      trust: { certificates: [proxy.sha256] },
      settings: { bridge: 'br0' },
      ...overrides,
    }),
    config: view.text,
    saved: view.text,
    seen: view.seen,
    onPortState: (observer) => view.observe(ports, observer),
    makeDirty: async (port, dirt) => {
      await vsctl('--if-exists', '--with-iface', 'del-port', port, ...addPort(port, dirt))
      await until(async () => {
        if (!view.isFresh(port, dirt)) throw new Error(`${port} is not ${dirt} yet`)
      })
    },
    isAbout: ({ line, context }, port) =>
      context === port && line.startsWith('{"op":"update","table":"Port"'),
    protectedPort: 'patch0',
    broadcast: async (from, tag) => {
      const before = new Map(
        await Promise.all(ports.map(async (port) => [port, (await readFrames(port)).length] as const)),
      )
      await appctl('netdev-dummy/receive', from, frameHex(ports.indexOf(from) + 1, tag))
      // The dummy datapath forwards before the command returns; what came out is in the files by then.
      const found = await Promise.all(
        ports.map(async (port) =>
          (await readFrames(port)).slice(before.get(port)).map((frame) => ({ port, tag: tagOf(frame) })),
        ),
      )
      return found.flat()
    },
    close: async () => {
      view.close()
      await proxy.close()
      for (const { child, ended } of daemons.reverse()) {
        child.kill()
        await ended
      }
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const dirtColumns: Record<Dirt, string[]> = {
  factory: [],
  routed: [],
  'trunk-all': ['vlan_mode=trunk'],
  stale: ['vlan_mode=access', 'tag=66', 'trunks=77,88'],
}

/** What the database says, kept up to date by a monitor of the test's own. */
async function watchDatabase(path: string) {
  const connection = createConnection(path)
  const rpc = createRpc(connection)
  const tables: Record<string, Map<string, Record<string, unknown>>> = {}
  const observers: (() => void)[] = []
  const take = (update: unknown) => {
    for (const [table, rows] of Object.entries(update as Record<string, Record<string, { new?: object }>>))
      for (const [uuid, row] of Object.entries(rows)) {
        tables[table] ??= new Map()
        if (row.new) tables[table].set(uuid, row.new as Record<string, unknown>)
        else tables[table].delete(uuid)
      }
    for (const observer of observers) observer()
  }
  rpc.onUpdate('view', take)
  const columns = (...names: string[]) => ({ columns: names })
  take(
    await rpc.call(
      'monitor',
      [
        'Open_vSwitch',
        'view',
        {
          Bridge: columns('name', 'ports'),
          Port: columns('name', 'vlan_mode', 'tag', 'trunks', 'interfaces', 'lacp'),
          Interface: columns('name', 'external_ids'),
        },
      ],
      10_000,
    ),
  )
  const set = (value: unknown) =>
    Array.isArray(value) && value[0] === 'set' ? (value[1] as unknown[]) : [value]
  const references = (value: unknown) => set(value).map((one) => (one as string[])[1] as string)
  const find = (port: string) => {
    const own = [...(tables.Interface ?? [])].find(([, row]) => row.name === port)?.[0] ?? ''
    const [uuid = '', row] =
      [...(tables.Port ?? [])].find(([, one]) => references(one.interfaces).includes(own)) ?? []
    const bridge = [...(tables.Bridge?.values() ?? [])].find((one) => references(one.ports).includes(uuid))
    return { bridge: bridge?.name, row }
  }
  const seen = (port: string): Seen => {
    const { bridge, row } = find(port)
    if (bridge !== 'br0' || row === undefined) return { port, untagged: null, tagged: [] }
    const { vlan_mode, tag, trunks } = row
    return seenInRow(port, { vlan_mode: set(vlan_mode), tag: set(tag), trunks: set(trunks) })
  }
  return {
    seen,
    isFresh: (port: string, dirt: Dirt) => {
      const { row, bridge } = find(port)
      const tag = set(row?.tag)[0]
      return row?.name === port && bridge === 'br0' && (dirt === 'stale' ? tag === 66 : tag === undefined)
    },
    text: () =>
      [...(tables.Interface?.values() ?? [])]
        .map(({ name, external_ids }) => {
          const { bridge, row } = find(String(name))
          const { interfaces: _, ...columnsOf } = row ?? {}
          return `${name} ${JSON.stringify(external_ids)} ${bridge} ${JSON.stringify(columnsOf)}`
        })
        .sort()
        .join('\n'),
    observe: (ports: readonly string[], observer: (seen: Seen) => void) => {
      const last = new Map(ports.map((port) => [port, JSON.stringify(seen(port))]))
      observers.push(() => {
        for (const port of ports) {
          const now = seen(port)
          if (last.get(port) === JSON.stringify(now)) continue
          last.set(port, JSON.stringify(now))
          observer(now)
        }
      })
    },
    /** The server tells of changes before it answers this. */
    catchUp: () => rpc.call('echo', [], 10_000),
    close: () => rpc.close('closed'),
  }
}

/** An Ethernet broadcast from 02:00:00:00:00:<from>, with an 802.1Q tag or without. */
function frameHex(from: number, tag: number | null): string {
  const address = `0200000000${from.toString(16).padStart(2, '0')}`
  const vlan = tag === null ? '' : `8100${tag.toString(16).padStart(4, '0')}`
  return `ffffffffffff${address}${vlan}88b5${'00'.repeat(46)}`
}

function tagOf(frame: Buffer): number | null {
  return frame.readUInt16BE(12) === 0x8100 ? frame.readUInt16BE(14) & 0xfff : null
}

/** The packets of a pcap file. */
function frames(file: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8)
    found.push(file.subarray(at + 16, at + 16 + length))
    at += 16 + length
  }
  return found
}

async function until<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 10_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
