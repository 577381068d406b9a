/**
 * A thousand consoles with a thousand watchers: memory, processor, time to come up, echo. See docs/performance.md.
 * With `--beside` conserver and ConMan follow in the same run.
 */
import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { percentile, short } from '../statistics.ts'
import { forkLab } from './lab.ts'
import { nowMs } from './messages.ts'
import {
  bmcPassword,
  childrenOf,
  descriptorsOf,
  enrol,
  loadOfMachine,
  percentOfCore,
  pssMb,
  rssMb,
  startDatabase,
  startService,
  states,
  switchConsoles,
  tokensFor,
} from './service.ts'
import { forkWatchers } from './watchers.ts'

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
    /** A directory for processor profiles of the service. */
    profile: { type: 'string' },
    beside: { type: 'boolean' },
  },
})
const count = Number(options.count)
const measuredMs = Number(options.seconds) * 1_000
const bytesPerSecond = 100_000
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const database = await startDatabase()
const { db } = database
const { lab } = forkLab()
const { watchers } = forkWatchers()
const { ports } = await lab.start({ count, password: bmcPassword })
const rows: [what: string, aim: string, measured: string][] = []
try {
  const profiled = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : []
  if (options.profile) await mkdir(options.profile, { recursive: true })
  const service = startService(database, [], { node: profiled })
  const url = await service.listening()
  const { pid } = service
  const nodes = await enrol(db, ports)
  const tokens = await tokensFor(db, count)
  const processor = async (ms: number) => {
    const [ours, postgres] = await percentOfCore([pid, database.pid], ms)
    return `${percent(ours as number)} (PostgreSQL ${percent(postgres as number)})`
  }
  await sleep(8_000)
  const [idleRss, idlePss] = [await rssMb(pid), await pssMb(pid)]
  const descriptorsBefore = await descriptorsOf(pid)
  row(
    'service without consoles: memory',
    '',
    `${idleRss.toFixed(0)} MB (RSS), ${idlePss.toFixed(0)} MB (PSS)`,
  )
  row('service without consoles: processor', '', await processor(10_000))

  const enabledAtMs = nowMs()
  await switchConsoles(db, true)
  const switchedMs = nowMs() - enabledAtMs
  // At the BMCs: how the service itself says it comes up to a second later.
  while ((await lab.count()).active < count) await sleep(20)
  const activeMs = nowMs() - enabledAtMs
  while (((await states(db)).up ?? 0) < count) await sleep(20)
  const upMs = nowMs() - enabledAtMs
  row(
    `${count} consoles switched on: all up`,
    '3 s',
    `${seconds(upMs)} (of it the UPDATE ${seconds(switchedMs)}; at the BMCs after ${seconds(activeMs)})`,
  )
  const connectMs = await watchers.connect({
    url,
    doors: nodes.map((node, index) => ({ node, token: tokens[index] as string })),
  })
  row(`${count} watchers come`, '', seconds(connectMs))
  await sleep(10_000)
  row('idle, keepalive every 2 s: processor', '8 %', await processor(measuredMs))
  const [rss, pss] = [await rssMb(pid), await pssMb(pid)]
  row(
    'memory above the idle service',
    '128 MB',
    `${(rss - idleRss).toFixed(0)} MB (RSS), ${(pss - idlePss).toFixed(0)} MB (PSS)`,
  )
  await echo('echo, one character, idle', '')
  for (const lineBytes of [50, 100]) {
    await lab.talk({ bytesPerSecond, lineBytes })
    await sleep(2_000)
    const before = await watchers.census()
    const from = nowMs()
    row(`100 KB/s in all, lines of ${lineBytes} bytes: processor`, '15 %', await processor(measuredMs))
    const heard = ((await watchers.census()).bytes - before.bytes) / (nowMs() - from)
    row('of that came to watchers', '', `${heard.toFixed(1)} KB/s`)
  }
  await echo('echo, one character, 100 KB/s', 'p50 1.5 ms, p99 10 ms')
  row(
    'memory above the idle service, with 100 KB/s',
    '128 MB',
    `${((await rssMb(pid)) - idleRss).toFixed(0)} MB (RSS), ${((await pssMb(pid)) - idlePss).toFixed(0)} MB (PSS)`,
  )
  row('child processes', '0', String((await childrenOf(pid)).length))
  row('descriptors more than without', '', String((await descriptorsOf(pid)) - descriptorsBefore))
  const { states: seen, open } = await watchers.census()
  row('at the end', '', `${open} watchers, consoles ${JSON.stringify(seen)}`)
  await watchers.disconnect()
  const { tookMs, stderr, stdout } = await service.end(options.profile ? 'SIGINT' : 'SIGTERM')
  row('all given back', '', `${seconds(tookMs)}, ${(await lab.count()).sessions} sessions left at the BMCs`)
  if (stderr) process.stderr.write(stderr)
  const said = stdout.split('\n').filter((line) => line.startsWith('{'))
  if (said.length > 0) process.stderr.write(`${said.slice(0, 5).join('\n')}\n`)
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 1
} finally {
  console.log(
    `| ${count} consoles, load of the machine ${await loadOfMachine()} | aim | measured |\n| --- | --- | --- |`,
  )
  for (const each of rows) console.log(`| ${each.join(' | ')} |`)
  await lab.stop().catch(() => {})
  await database.close()
  if (options.beside)
    spawnSync(process.execPath, [join(import.meta.dirname, 'beside.ts'), '--count', options.count], {
      stdio: 'inherit',
    })
  process.exit()
}

function row(...cells: [what: string, aim: string, measured: string]): void {
  rows.push(cells)
  process.stderr.write(`${cells.join(' | ')}\n`)
}

async function echo(what: string, aim: string): Promise<void> {
  const times = await watchers.echo({ rounds: 1_000, pauseMs: 5 })
  row(what, aim, `p50 ${short(percentile(times, 0.5))} ms, p99 ${short(percentile(times, 0.99))} ms`)
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`
}

function percent(value: number): string {
  return `${value.toFixed(1)} %`
}
