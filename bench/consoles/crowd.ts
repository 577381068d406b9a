/** A hundred watchers of one machine that prints without a pause, some of whom read nothing. See docs/performance.md. */
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { journalOf } from '../../server/console/chaos/testing/estate.ts'
import { readJournal } from '../../server/console/index.ts'
import { percentile, short } from '../statistics.ts'
import { forkLab } from './lab.ts'
import {
  bmcPassword,
  enrol,
  loadOfMachine,
  percentOfCore,
  startDatabase,
  startService,
  switchConsoles,
  tokensFor,
} from './service.ts'
import { forkWatchers } from './watchers.ts'

const { values: options } = parseArgs({
  options: {
    watchers: { type: 'string', default: '100' },
    stalled: { type: 'string', default: '10' },
    megabytes: { type: 'string', default: '64' },
    kilobytesPerSecond: { type: 'string', default: '200' },
  },
})
const count = Number(options.watchers)
const stalled = Number(options.stalled)
const bytes = Number(options.megabytes) * 1024 * 1024
const bytesPerSecond = Number(options.kilobytesPerSecond) * 1000
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Writes what lives in memory to where the environment says, on a signal. */
const tellMemory = `data:text/javascript,${encodeURIComponent(`
  import { writeFileSync } from 'node:fs'
  process.on('SIGUSR2', () => {
    gc()
    const { heapUsed, external } = process.memoryUsage()
    writeFileSync(process.cwd() + '/.memory-' + process.pid, String(heapUsed + external))
  })`)}`
const database = await startDatabase()
const { lab } = forkLab()
const { watchers } = forkWatchers()
const rows: string[][] = []
try {
  const { ports } = await lab.start({ count: 1, password: bmcPassword })
  // All of it is compared in the end. What is in memory is asked of the service itself: a process gives back late.
  const service = startService(database, ['--console-journal-mb-per-node', '512'], {
    node: ['--expose-gc', `--import=${tellMemory}`],
  })
  const url = await service.listening()
  const [node] = (await enrol(database.db, ports)) as [string]
  const tokens = await tokensFor(database.db, count)
  await switchConsoles(database.db, true)
  await watchers.connect({ url, doors: tokens.map((token) => ({ node, token })) })
  await sleep(5_000)

  const mebibytes = async (): Promise<number> => {
    const path = `.memory-${service.pid}`
    process.kill(service.pid, 'SIGUSR2')
    await sleep(1_500)
    const text = await readFile(path, 'utf8')
    await rm(path)
    return Number(text) / 1024 / 1024
  }

  /** Lets the machine print so much; gives how it was for those who read. */
  const flood = async (amount: number) => {
    await watchers.listen()
    await lab.flood({ bytes: amount, bytesPerSecond })
    const [ours] = await percentOfCore([service.pid], 20_000)
    // By now the system's own buffers are full, too, and nobody has been sent away yet.
    await sleep(12_000)
    const memory = await mebibytes()
    while (!(await lab.flooded())) await sleep(200)
    await sleep(2_000)
    return { delays: await watchers.delays(), processor: ours as number, memory }
  }
  const without = await flood(bytes / 4)
  await watchers.pause({ count: stalled })
  const withThem = await flood(bytes)
  const after = await flood(bytes / 4)
  row('watchers that read: delay without stalled ones', '', times(without.delays))
  row(`the same with ${stalled} stalled, ${options.megabytes} MB`, 'p99 within 10 %', times(withThem.delays))
  row('the same, another quarter', '', times(after.delays))
  row(
    'processor',
    '',
    `${withThem.processor.toFixed(0)} % of a core (${without.processor.toFixed(0)} % without)`,
  )
  const each = (withThem.memory - without.memory) / stalled
  row(
    'memory for each stalled one',
    '1 MiB',
    `${each.toFixed(2)} MiB (alive in the service: ${without.memory.toFixed(0)} → ${withThem.memory.toFixed(0)} MiB)`,
  )

  await watchers.resume()
  await sleep(1_000)
  const { acknowledged, sha256 } = await lab.taken()
  for (let left = 120; left > 0 && (await watchers.least()) < acknowledged; left -= 1) await sleep(500)
  const hash = createHash('sha256')
  for await (const entry of readJournal(journalOf(`${database.directory}/bench`, node), { from: 0 }))
    if (entry.bytes) hash.update(entry.bytes)
  row(
    'journal is what the BMC got acknowledged (SHA-256)',
    'yes',
    hash.digest('hex') === sha256 ? `yes, ${acknowledged} bytes` : 'NO',
  )
  const same = (await watchers.digests()).filter((digest) => digest === sha256).length
  row('watchers that have all of it in the end, the stalled ones too', String(count), String(same))
  await service.end('SIGTERM')
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 1
} finally {
  console.log(
    `| ${count} watchers, ${options.kilobytesPerSecond} KB/s, load of the machine ${await loadOfMachine()} | aim | measured |\n| --- | --- | --- |`,
  )
  for (const cells of rows) console.log(`| ${cells.join(' | ')} |`)
  await lab.stop().catch(() => {})
  await database.close()
  process.exit()
}

function row(...cells: string[]): void {
  rows.push(cells)
  process.stderr.write(`${cells.join(' | ')}\n`)
}

function times(values: readonly number[]): string {
  return `p50 ${short(percentile(values, 0.5))} ms, p99 ${short(percentile(values, 0.99))} ms`
}
