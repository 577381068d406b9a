/** Where a BMC's password is not, after a console had all kinds of luck: anywhere but in the node's row. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Lab, startLab } from '../../server/lab/index.ts'
import { type ConsoleService, startConsoles, until } from './console-service.ts'

const password = `pw-${randomBytes(6).toString('hex')}`
/** As they are, and as they may be written down by whoever encodes. */
const forms = [
  password,
  Buffer.from(password).toString('base64').replace(/=+$/, ''),
  Buffer.from(password).toString('hex'),
]

let lab: Lab
let service: ConsoleService
let temporary: string
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'leasehold-temporary-'))
  lab = await startLab({ count: 2, serial: 'quiet', password })
  service = await startConsoles(['--log-level', 'trace'], { TMPDIR: temporary })
})
afterAll(async () => {
  await lab?.close()
  await rm(temporary, { recursive: true, force: true })
})

test('the BMC’s password is in no argument, environment, temporary file, log, journal, audit or table but the nodes’', async () => {
  const [machine, other] = lab.machines
  if (!machine || !other) throw new Error('no machines')
  const node = await service.node(machine)
  await service.up(node)
  const watcher = await service.watch('lessee', node)
  watcher.type('typed')
  machine.serial.write('said')
  await until(() => watcher.text === 'said', 'the console')
  // Power and console at once; SOL stolen; a BMC that is gone, and one that refuses the password.
  await service.ask('lessee', 'PUT', `/v1/nodes/${node}/states/power`, { target: 'power on' })
  machine.stealSol(true)
  await until(() => watcher.last('state')?.state === 'up', 'SOL taken back')
  await machine.stopBmc()
  await until(() => watcher.last('state')?.state === 'backing off', 'the loss', 20_000)
  const refused = await service.node({ ...other, password: `${password}x` })
  await until(async () => (await service.show(refused)).health === 'CRITICAL', 'the refusal')
  const answers = JSON.stringify([
    await service.show(node),
    await service.show(refused),
    await service.ask('leasehold', 'GET', '/v1/nodes/detail'),
    await service.ask('leasehold', 'GET', '/v1/audit?limit=1000'),
  ])
  expect(hitsIn('the API', answers)).toEqual([])

  const processes = await family(service.pid)
  // PostgreSQL at least: an empty search would find nothing.
  expect(processes.length).toBeGreaterThan(3)
  for (const pid of processes)
    for (const file of ['cmdline', 'environ'])
      expect(
        hitsIn(`/proc/${pid}/${file}`, await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')),
      ).toEqual([])
  expect(await tablesWith(service.data)).toEqual(['nodes'])
  expect(await filesWith(temporary)).toEqual([])
  // The database's own files have the nodes' rows.
  expect(await filesWith(service.data, ['postgres'])).toEqual([])
  expect(await filesWith(join(service.data, 'consoles'), [], Buffer.from('said'))).toHaveLength(1)
  await watcher.close()
  const { stdout, stderr } = await service.end()
  expect(stdout + stderr).toContain('"level":10')
  expect(hitsIn('the log', stdout + stderr)).toEqual([])
})

const hitsIn = (where: string, text: string): string[] =>
  forms.filter((form) => text.includes(form)).map((form) => `${where}: ${form}`)

/** A process and all that it has started. */
async function family(pid: number): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'latin1').catch(() => '')
    // The program's name may have spaces, and ends with the last parenthesis.
    parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  }
  const found = [pid]
  for (const each of found) for (const [child, parent] of parents) if (parent === each) found.push(child)
  return found
}

/** Files below a directory that have the password, or other bytes, in them. */
async function filesWith(
  directory: string,
  except: readonly string[] = [],
  ...wanted: readonly Buffer[]
): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || except.some((each) => path.startsWith(join(directory, each, '/')))) continue
    const content = await readFile(path)
    const sought = wanted.length > 0 ? wanted : forms.map((form) => Buffer.from(form))
    if (sought.some((bytes) => content.includes(bytes))) found.push(path)
  }
  return found
}

/** Tables of the embedded database with the password in any row. */
async function tablesWith(data: string): Promise<string[]> {
  const client = new Client({
    host: join(data, 'postgres'),
    user: 'leasehold',
    password: (await readFile(join(data, 'postgres.password'), 'utf8')).trim(),
    database: 'postgres',
  })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`,
    )
    expect(rows.length).toBeGreaterThan(20)
    const found: string[] = []
    for (const { name } of rows) {
      const patterns = forms.map((form) => `%${form}%`)
      const hits = await client.query(`SELECT FROM ${name} AS row WHERE row::text LIKE ANY ($1)`, [patterns])
      if ((hits.rowCount ?? 0) > 0) found.push(name.replace('public.', ''))
    }
    return found
  } finally {
    await client.end()
  }
}
