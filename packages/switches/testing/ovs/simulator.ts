/** A simulated Open vSwitch: our own OVSDB server in front of a database with one bridge and ordinary ports. */
import type { VlanId } from '../../types.ts'
import type { Counts, Dirt, Faults, Seen, SimulatedSwitch } from '../device.ts'
import { createDatabase, type Row } from './database.ts'
import { startOvsdbServer } from './server.ts'

export type SimulatedOvs = SimulatedSwitch & {
  /** The certificate of the server, for tests of trust by authority. */
  ca: string
  /** Somebody else changes a port's columns behind our back. */
  meddle: (port: string, columns: Row) => void
}

export async function startSimulatedOvs(ports = 8): Promise<SimulatedOvs> {
  const faults: Faults = {}
  const counts: Counts = { logins: 0, writes: 0, saves: 0 }
  const observers: ((seen: Seen) => void)[] = []
  const last = new Map<string, string>()
  const database = createDatabase()
  const names = Array.from({ length: ports }, (_, index) => `eth${index + 1}`)
  const add = (name: string, type: string) =>
    database.insert('Port', { name, interfaces: [database.insert('Interface', { name, type })] })
  const rows = [...names.map((name) => add(name, 'system')), add('br0', 'internal'), add('patch0', 'patch')]
  const bridge = database.insert('Bridge', { name: 'br0', ports: rows, datapath_type: 'netdev' })
  database.insert('Open_vSwitch', { bridges: [bridge], next_cfg: 0, cur_cfg: 0 })

  const all = (table: string): [string, Row][] => [...(database.tables[table] ?? [])]
  const bridgeRow = (name: string) => all('Bridge').find(([, row]) => row.name === name)?.[1]
  function portOf(name: string): [string, Row] | undefined {
    const [uuid] = all('Interface').find(([, row]) => row.name === name) ?? []
    return all('Port').find(([, row]) => (row.interfaces as string[]).includes(uuid ?? ''))
  }

  function seen(port: string): Seen {
    const [uuid, row] = portOf(port) ?? []
    const forwards = uuid !== undefined && listOf(bridgeRow('br0')?.ports).includes(uuid)
    return forwards && row ? seenInRow(port, row) : { port, untagged: null, tagged: [] }
  }
  function observe(): void {
    for (const name of names) {
      const now = seen(name)
      if (last.get(name) === JSON.stringify(now)) continue
      last.set(name, JSON.stringify(now))
      for (const observer of observers) observer(now)
    }
  }

  const server = await startOvsdbServer({ database, faults, counts, onCommit: observe })
  observe()

  function makeDirty(name: string, dirt: Dirt): void {
    const [interfaceUuid = ''] = all('Interface').find(([, row]) => row.name === name) ?? []
    const [old = '', oldRow] = portOf(name) ?? []
    const others = listOf(oldRow?.interfaces).filter((uuid) => uuid !== interfaceUuid)
    if (others.length > 0 && oldRow) oldRow.interfaces = others
    else {
      for (const [, row] of all('Bridge')) row.ports = (row.ports as string[]).filter((uuid) => uuid !== old)
      database.tables.Port?.delete(old)
    }
    const interfaceRow = database.tables.Interface?.get(interfaceUuid)
    if (interfaceRow) interfaceRow.external_ids = {}
    const uuid = database.insert('Port', { name, interfaces: [interfaceUuid], ...columnsOf[dirt] })
    const main = bridgeRow('br0')
    if (main) main.ports = [...(main.ports as string[]), uuid]
    observe()
    server.tell()
  }

  function config(): string {
    const lines = all('Bridge').flatMap(([, row]) => {
      const inIt = (row.ports as string[]).map((uuid) => {
        const { interfaces, ...port } = database.tables.Port?.get(uuid) ?? {}
        const members = ((interfaces ?? []) as string[]).map((one) => {
          const { name, external_ids } = database.tables.Interface?.get(one) ?? {}
          return `${name} ${JSON.stringify(external_ids)}`
        })
        return `${row.name} ${JSON.stringify({ ...port, members: members.sort() })}`
      })
      return inIt
    })
    return lines.sort().join('\n')
  }

  return {
    target: (overrides = {}) => ({
      driver: 'openvswitch',
      address: '127.0.0.1',
      port: server.port,
      trust: { certificates: [server.certificate.sha256] },
      settings: { bridge: 'br0', settleMs: '1' },
      ...overrides,
    }),
    ca: server.certificate.cert,
    ports: names,
    faults,
    counts,
    config,
    saved: config,
    makeDirty,
    meddle: (port, columns) => {
      Object.assign(portOf(port)?.[1] ?? {}, columns)
      server.tell()
    },
    isAbout: ({ line, context }, port) =>
      context === port && line.startsWith('{"op":"update","table":"Port"'),
    onPortState: (observer) => {
      observers.push(observer)
    },
    seen,
    protectedPort: 'patch0',
    close: server.close,
  }
}

function listOf(value: unknown): string[] {
  return (value ?? []) as string[]
}

const columnsOf: Record<Dirt, Row> = {
  factory: {},
  routed: {},
  'trunk-all': { vlan_mode: ['trunk'] },
  stale: { vlan_mode: ['access'], tag: [66], trunks: [77, 88] },
}

/** What the columns mean for frames. */
export function seenInRow(port: string, row: Row): Seen {
  const mode = (row.vlan_mode as string[])[0]
  const tag = (row.tag as VlanId[])[0] ?? null
  const trunks = row.trunks as VlanId[]
  if (mode === 'access' || (mode === undefined && tag !== null)) return { port, untagged: tag, tagged: [] }
  const native = mode === 'native-untagged' ? tag : null
  if (trunks.length === 0) return { port, untagged: native, tagged: 'all' }
  return {
    port,
    untagged: native !== null && trunks.includes(native) ? native : null,
    tagged: trunks.filter((id) => id !== native),
  }
}
