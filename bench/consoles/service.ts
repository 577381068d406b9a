/** The service under measurement: started as a user does it, with a PostgreSQL and a data directory of its own. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { issueToken } from '../../server/access/index.ts'
import { startEmbedded } from '../../server/store/embedded.ts'
import { type Db, openStore } from '../../server/store/index.ts'
import { launch, postgresOf, type Service } from '../../server/testing.ts'

export interface Database {
  db: Db
  url: string
  directory: string
  /** The server's first process. */
  pid: number
  close(): Promise<void>
}

/** A PostgreSQL that is nobody's child but ours: services on it may be killed. */
export async function startDatabase(): Promise<Database> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-consoles-'))
  const server = await startEmbedded(directory)
  const store = await openStore({ url: server.url, dataDir: directory })
  return {
    db: store.db,
    url: server.url,
    directory,
    pid: await postmasterOf(directory),
    async close() {
      await store.close()
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Of the server itself, not of the shell that waits for it. */
async function postmasterOf(directory: string): Promise<number> {
  for (const pid of await postgresOf(directory))
    if ((await readFile(`/proc/${pid}/comm`, 'utf8')) === 'postgres\n') return pid
  throw new Error('PostgreSQL is not found')
}

/** Starts a service on it. Power states are not read unless `more` says so: that is another measurement. */
export function startService(
  { url, directory }: Database,
  more: readonly string[] = [],
  { host = 'bench', node = [] as readonly string[] } = {},
): Service {
  const options = {
    'database-url': url,
    data: join(directory, host),
    listen: '127.0.0.1:0',
    'conductor-host': host,
    'log-level': 'warn',
    'conductor-power-sync-seconds': '0',
    'identity-admin-password': 'correct horse battery',
  }
  const command = [process.execPath, ...node, join(import.meta.dirname, '../../server/main.ts')]
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  return launch([...args, ...more], { command })
}

/** No other service on this host has this one: it would take our machines for ones that it had before. */
export const bmcPassword = randomUUID().slice(0, 16)

/** Enrols a node for each BMC, its console off. Gives their UUIDs. */
export async function enrol(db: Db, ports: readonly number[]): Promise<string[]> {
  const uuids = ports.map(() => randomUUID())
  const rows = ports.map((port, index) => ({
    uuid: uuids[index] as string,
    name: `machine-${index + 1}`,
    driver: 'ipmi',
    interfaces: JSON.stringify({ console: 'ipmitool-socat', power: 'ipmitool', management: 'ipmitool' }),
    driver_info: JSON.stringify({
      ipmi_address: '127.0.0.1',
      ipmi_port: port,
      ipmi_username: 'admin',
      ipmi_password: bmcPassword,
    }),
    provision_state: 'active',
    power_state: 'power on',
  }))
  for (let from = 0; from < rows.length; from += 500)
    await db
      .insertInto('nodes')
      .values(rows.slice(from, from + 500) as never)
      .execute()
  return uuids
}

/** Switches the consoles of all nodes on, or off. */
export async function switchConsoles(db: Db, enabled: boolean): Promise<void> {
  await sql`UPDATE nodes SET console_enabled = ${enabled}`.execute(db)
}

/** Tokens of the administrator, each for one watcher: rechecking them is not made easy. */
export async function tokensFor(db: Db, count: number): Promise<string[]> {
  const { id } = await db
    .selectFrom('users')
    .select('id')
    .where('name', '=', 'admin')
    .executeTakeFirstOrThrow()
  const wanted = { userId: id, scope: { system: true } as const, methods: ['password'] }
  const life = { applicationCredentialId: null, lifeSeconds: 86_400, notAfter: null }
  const tokens: string[] = []
  for (let left = count; left > 0; left -= 1)
    tokens.push((await issueToken(db, { ...wanted, ...life })) as string)
  return tokens
}

/** How many consoles are in each state, by what is noted of them. */
export async function states(db: Db): Promise<Record<string, number>> {
  const rows = await db
    .selectFrom('consoles')
    .select(['state', sql<string>`count(*)`.as('count')])
    .groupBy('state')
    .execute()
  return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]))
}

/** Megabytes of a process: its own, with its share of what it has in common with others. */
export async function pssMb(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss: +(\d+)/m.exec(text)?.[1]) / 1024
}

export async function rssMb(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1]) / 1024
}

/** Seconds that a process has computed for; its children that have ended, too, if asked. */
export async function cpuSeconds(pid: number, withEnded = false): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const ticks = [fields[11], fields[12], ...(withEnded ? [fields[13], fields[14]] : [])]
  return ticks.reduce((sum, each) => sum + Number(each), 0) / 100
}

/** What processes, each with its children, take of a core in the given time, percent. */
export async function percentOfCore(pids: readonly number[], ms: number): Promise<number[]> {
  const all = () => Promise.all(pids.map(cpuOfTree))
  const [before, from] = [await all(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, ms))
  const after = await all()
  const share = 100_000 / (performance.now() - from)
  return after.map((seconds, index) => (seconds - (before[index] as number)) * share)
}

/** Children that have ended count as long as somebody waits for them. */
const cpuOfTree = async (pid: number): Promise<number> => {
  const children = await childrenOf(pid)
  const seconds = [cpuSeconds(pid, true), ...children.map((each) => cpuSeconds(each).catch(() => 0))]
  return (await Promise.all(seconds)).reduce((a, b) => a + b)
}

export const descriptorsOf = async (pid: number): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length

/** Processes whose parent it is. */
export async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  )
  return lists.join(' ').split(/\s+/).filter(Boolean).map(Number)
}

/** What else the machine is doing: its load, for the record. */
export async function loadOfMachine(): Promise<string> {
  return (await readFile('/proc/loadavg', 'utf8')).split(' ')[0] as string
}
