/** A simulated SONiC switch: `config`, `sonic-cfggen` and `sonic-db-cli` over SSH, on a database in memory. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Counts, Dirt, Faults, Seen, SimulatedSwitch } from '../device.ts'
import { startShellServer } from '../shell-server.ts'
import { config, type Database, lagOf, membersOf, portOf, table } from './commands.ts'

export type SonicOptions = { ports?: number; username?: string; password?: string }
export type SonicSwitch = SimulatedSwitch & { database: () => Database; lines: string[] }

type Box = {
  running: Database
  startup: Database
  checkpoints: Map<string, Database>
  faults: Faults
  counts: Counts
}
type Ended = { text: string; status: number }

export async function startSonic(options: SonicOptions = {}): Promise<SonicSwitch> {
  const { ports = 24, username = 'leasehold', password = 'correct horse' } = options
  const names = Array.from({ length: ports }, (_, index) => `Ethernet${index * 4}`)
  const database: Database = { PORT: {}, DEVICE_METADATA: { localhost: { hostname: 'sonic-1' } } }
  for (const name of names) table(database, 'PORT')[name] = factoryPort()
  const uplink = names.at(-1) as string
  table(database, 'PORT')[uplink] = { ...factoryPort(), description: 'uplink to the spine' }
  const faults: Faults = {}
  const counts: Counts = { logins: 0, writes: 0, saves: 0 }
  const box: Box = {
    running: database,
    startup: structuredClone(database),
    checkpoints: new Map(),
    faults,
    counts,
  }
  const lines: string[] = []
  const observers: ((seen: Seen) => void)[] = []
  const last = new Map<string, string>()
  const observe = () => {
    for (const name of names) {
      const seen = seenBy(box.running, name)
      const text = JSON.stringify(seen)
      if (last.get(name) !== text) for (const observer of observers) observer(seen)
      last.set(name, text)
    }
  }
  const server = await startShellServer({
    username,
    password,
    faults,
    counts,
    open: () => ({ prompt: () => 'admin@sonic-1:~$ ', run: async () => null, pageLength: () => 0 }),
    exec: async (line) => {
      lines.push(line)
      const said = { line, context: '' }
      if (faults.drop?.(said)) return null
      if (faults.hang?.(said)) return undefined
      const words = faults.refuse?.(said)
      if (words !== undefined) return { text: `${words}\n`, status: 1 }
      if (line !== 'sonic-cfggen -d --print-data' && !/save|checkpoint/.test(line)) counts.writes++
      if (faults.ignore?.(said)) return { text: '', status: 0 }
      const ended = await run(box, line)
      observe()
      return ended
    },
  })
  observe()
  return {
    database: () => box.running,
    lines,
    faults,
    counts,
    ports: names.slice(0, -2),
    protectedPort: uplink,
    target: (overrides = {}) => ({
      driver: 'sonic-ssh',
      address: '127.0.0.1',
      port: server.port,
      username,
      password,
      trust: { hostKeys: [server.hostKey] },
      ...overrides,
    }),
    config: () => canonical(box.running),
    saved: () => canonical(box.startup),
    makeDirty: (port, dirt) => {
      makeDirty(box.running, port, dirt)
      observe()
    },
    isAbout: ({ line }, port) => new RegExp(`vlan member (add|del) .* ${port}$`).test(line),
    onPortState: (observer) => {
      observers.push(observer)
    },
    seen: (port) => seenBy(box.running, port),
    close: server.close,
  }
}

async function run(box: Box, line: string): Promise<Ended> {
  const done = (text = ''): Ended => ({ text, status: 0 })
  if (line === 'sonic-cfggen -d --print-data') return done(JSON.stringify(box.running, null, 4))
  const words = /^sudo (.*)$/.exec(line)?.[1]
  if (words === undefined) return { text: 'Root privileges are required for this operation\n', status: 1 }
  const checkpoint = /^config (checkpoint|rollback|delete-checkpoint) (\S+)$/.exec(words)
  if (checkpoint) return checkpoints(box, checkpoint[1] as string, checkpoint[2] as string)
  if (words === 'config save -y') return save(box)
  const field = /^sonic-db-cli CONFIG_DB (hset|hdel) '(\w+)\|(\w+)' (\w+)(?: '?([^']*)'?)?$/.exec(words)
  if (field) {
    const [, verb, name = '', key = '', column = '', value = ''] = field
    const row = table(box.running, name)[key]
    // The database takes whatever it is told.
    if (verb === 'hset') table(box.running, name)[key] = { ...row, [column]: value }
    else delete row?.[column]
    return done('1\n')
  }
  if (!words.startsWith('config '))
    return { text: `sudo: ${words.split(' ')[0]}: command not found\n`, status: 1 }
  const why = config(box.running, words.slice('config '.length))
  return why === null ? done() : { text: `${why}\n`, status: 2 }
}

function checkpoints(box: Box, verb: string, name: string): Ended {
  const missing = { text: `Error: Checkpoint '${name}' does not exist\n`, status: 1 }
  if (verb === 'checkpoint') box.checkpoints.set(name, structuredClone(box.running))
  else if (verb === 'delete-checkpoint')
    return box.checkpoints.delete(name) ? { text: 'Checkpoint deleted successfully.\n', status: 0 } : missing
  else {
    const old = box.checkpoints.get(name)
    if (old === undefined) return missing
    box.running = structuredClone(old)
  }
  return { text: 'Config done successfully.\n', status: 0 }
}

async function save(box: Box): Promise<Ended> {
  await sleep(box.faults.saveDelayMs ?? 0)
  if (box.faults.failSave)
    return { text: '/bin/sh: 1: cannot create /etc/sonic/config_db.json: Read-only file system\n', status: 2 }
  box.startup = structuredClone(box.running)
  box.counts.saves++
  return {
    text: 'Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json\n',
    status: 0,
  }
}

function seenBy(database: Database, port: string): Seen {
  const nothing: Seen = { port, untagged: null, tagged: [] }
  const lag = lagOf(database, port)
  const up = (name: string) => portOf(database, name)?.admin_status === 'up'
  if (!up(port) || (lag !== undefined && !up(lag))) return nothing
  const members = membersOf(database, lag ?? port)
  return {
    port,
    untagged: members.find(([, tagging]) => tagging === 'untagged')?.[0] ?? null,
    tagged: members.filter(([, tagging]) => tagging === 'tagged').map(([id]) => id),
  }
}

function makeDirty(database: Database, port: string, dirt: Dirt): void {
  const members = table(database, 'VLAN_MEMBER')
  for (const key of Object.keys(members)) if (key.endsWith(`|${port}`)) delete members[key]
  const lags = table(database, 'PORTCHANNEL_MEMBER')
  for (const key of Object.keys(lags)) if (key.endsWith(`|${port}`)) delete lags[key]
  const own = factoryPort()
  table(database, 'PORT')[port] = own
  if (dirt === 'routed') own.mode = 'routed'
  if (dirt === 'trunk-all') {
    own.mode = 'trunk'
    for (const vlan of Object.keys(table(database, 'VLAN')))
      members[`${vlan}|${port}`] = { tagging_mode: 'tagged' }
  }
  if (dirt !== 'stale') return
  // From before there were modes: members, and no mode that would go with them.
  own.description = 'somebody was here'
  for (const id of [66, 77, 88]) {
    table(database, 'VLAN')[`Vlan${id}`] = { vlanid: String(id) }
    members[`Vlan${id}|${port}`] = { tagging_mode: id === 66 ? 'untagged' : 'tagged' }
  }
}

function factoryPort(): Record<string, string> {
  return { admin_status: 'up', mtu: '9100', speed: '100000', lanes: '1' }
}

/** Empty tables and the order of keys make no difference. */
function canonical(database: Database): string {
  const sorted = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    const rows = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(rows.map(([key, one]) => [key, sorted(one)]))
  }
  const tables = Object.entries(database).filter(([, rows]) => Object.keys(rows).length > 0)
  return JSON.stringify(sorted(Object.fromEntries(tables)), null, 1)
}
