/**
 * `npm run bench`: how fast the Bare Metal API answers, of this service and of any others beside it, as one table.
 * `npm run bench -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { type Client, clientOf, type Endpoint, loopbackUrl } from './client.ts'
import { measureAll, type Result, type Settings, type Subject } from './measurements.ts'
import { deleteNodes, namePrefix, seed } from './nodes.ts'
import { type Measured, markdownTable } from './report.ts'
import { type Service, startIronic, startOurs } from './services.ts'
import { short } from './statistics.ts'

const usual: Settings = {
  nodes: 10_000,
  runs: 3,
  runMs: 5_000,
  warmUpMs: 1_000,
  readersAtOnce: 16,
  writersAtOnce: 8,
  creations: 3_000,
  moving: 100,
}
const quick: Settings = { ...usual, nodes: 2_000, runMs: 1_000, warmUpMs: 500, creations: 500, moving: 50 }

/** So many nodes are made through an API of which more can be copied. */
const seedsToCopy = 1_000

const help = `Usage: npm run bench -- [options]

Measures this service, started for it, and whatever else is named; all on loopback.
  --endpoint URL       another Bare Metal API; may be given several times
  --token TOKEN        a token of a system administrator there (after its --endpoint)
  --label NAME         its name in the table (after its --endpoint)
  --against-ironic     Debian's Ironic, installed if need be (as root) and started for it
  --no-ours            leaves this service out
  --quick              ${quick.nodes} nodes and short runs: a first look
  --nodes N            nodes in the inventory (${usual.nodes})
  --runs N             runs of each measurement, 3 or more (${usual.runs})
  --seconds N          of each run (${usual.runMs / 1000})
  --json FILE          writes every run's figures
  --help
`

await main().catch((error: Error) => fail(error.message, 1))

async function main(): Promise<void> {
  const { values, tokens } = parse()
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const settings = settingsOf(values)
  const starts: (() => Promise<Service>)[] = [
    ...(values['no-ours'] ? [] : [() => startOurs([])]),
    ...endpointsOf(tokens).map((endpoint) => async () => ({
      endpoint,
      ownsNodes: false,
      stop: async () => {},
    })),
    ...(values['against-ironic'] ? [startIronic] : []),
  ]
  if (starts.length === 0)
    fail('nothing to measure: give --endpoint or --against-ironic, or leave --no-ours out')
  const load = loadavg()[0] ?? 0
  const measured = await measure(starts, settings)

  const machine = `${availableParallelism()} × ${cpus()[0]?.model.trim()}, Node.js ${process.version}`
  const facts = `${new Date().toISOString().slice(0, 10)}, ${machine}; ${settings.nodes} nodes; median (least–most) of ${settings.runs} runs of ${settings.runMs / 1000} s, ${settings.readersAtOnce} readers or ${settings.writersAtOnce} writers at once; the load generator on the same cores; load of other programs at the start: ${short(load)}.`
  process.stdout.write(`\n${facts}\n\n${markdownTable(measured)}\n`)
  if (values.json) {
    const report = { date: new Date().toISOString(), machine, settings, measured }
    await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
  }
}

/** Starts endpoints, fills and measures them; what was made is deleted, whatever happens. */
async function measure(starts: readonly (() => Promise<Service>)[], settings: Settings): Promise<Measured[]> {
  const services: Service[] = []
  const clients: Client[] = []
  const stopAll = async () => {
    for (const client of clients.splice(0)) client.close()
    for (const service of services.splice(0)) await service.stop()
  }
  const interrupted = () => void stopAll().finally(() => process.exit(130))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const subjects: Subject[] = []
    for (const start of starts) {
      const service = await start()
      services.push(service)
      const client = clientOf(service.endpoint)
      clients.push(client)
      subjects.push({ client, uuids: await fill(service, client, settings.nodes) })
    }
    const measured = new Map(
      subjects.map((subject) => [subject, { label: subject.client.endpoint.label, results: [] as Result[] }]),
    )
    await measureAll(subjects, settings, (subject, result) => {
      measured.get(subject)?.results.push(result)
      const rates = result.runs.map((run) => short(run.perSecond)).join(', ')
      say(`${subject.client.endpoint.label}: ${result.name}: ${rates} ${result.unit}`)
    })
    return [...measured.values()]
  } finally {
    // A service that was started for this takes its nodes with it.
    for (const [index, service] of services.entries())
      if (!service.ownsNodes && clients[index]) await deleteNodes(clients[index], namePrefix)
    await stopAll()
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
  }
}

/** Makes the nodes that are not there yet. @returns the UUIDs of all */
async function fill(service: Service, client: Client, nodes: number): Promise<string[]> {
  const { label } = service.endpoint
  const begun = performance.now()
  say(`${label}: making ${nodes} nodes`)
  if (service.copySeeds && nodes > seedsToCopy) {
    await seed(client, seedsToCopy)
    await service.copySeeds(seedsToCopy, nodes)
  }
  const uuids = await seed(client, nodes)
  say(`${label}: they are there after ${short((performance.now() - begun) / 1000)} s`)
  return uuids
}

function parse() {
  const text = { type: 'string' } as const
  const several = { type: 'string', multiple: true } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      tokens: true,
      options: {
        endpoint: several,
        token: several,
        label: several,
        'against-ironic': flag,
        'no-ours': flag,
        quick: flag,
        nodes: text,
        runs: text,
        seconds: text,
        json: text,
        help: flag,
      },
    })
  } catch (error) {
    fail((error as Error).message)
  }
}

/** A token and a label belong to the endpoint that they follow. */
function endpointsOf(tokens: readonly { kind: string; name?: string; value?: unknown }[]): Endpoint[] {
  const endpoints: Endpoint[] = []
  for (const { kind, name, value } of tokens) {
    if (kind !== 'option' || !['endpoint', 'token', 'label'].includes(name ?? '')) continue
    if (name === 'endpoint') {
      const url = loopbackOrFail(String(value))
      endpoints.push({ label: url, url })
      continue
    }
    const endpoint = endpoints.at(-1)
    if (!endpoint) fail(`--${name} must follow the --endpoint that it belongs to`)
    Object.assign(endpoint, { [name as string]: value })
  }
  return endpoints
}

function loopbackOrFail(url: string): string {
  try {
    return loopbackUrl(url)
  } catch (error) {
    fail((error as Error).message)
  }
}

function settingsOf(values: { quick?: boolean; nodes?: string; runs?: string; seconds?: string }): Settings {
  const number = (name: 'nodes' | 'runs' | 'seconds', least: number, unlessGiven: number): number => {
    const value = values[name] === undefined ? unlessGiven : Number(values[name])
    if (!Number.isInteger(value) || value < least)
      fail(`--${name} must be a whole number of at least ${least}`)
    return value
  }
  const base = values.quick ? quick : usual
  return {
    ...base,
    nodes: number('nodes', 1000, base.nodes),
    runs: number('runs', 3, base.runs),
    runMs: number('seconds', 1, base.runMs / 1000) * 1000,
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function fail(message: string, code = 2): never {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(code)
}
