/** BMCs that fall silent and come back: when it shows, and when their output is seen again. See docs/performance.md. */
import { parseArgs } from 'node:util'
import { percentile } from '../statistics.ts'
import { forkLab } from './lab.ts'
import { nowMs } from './messages.ts'
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
  options: { count: { type: 'string', default: '1000' }, trials: { type: 'string', default: '300' } },
})
const count = Number(options.count)
const trials = Number(options.trials)
const atOnce = 100
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const database = await startDatabase()
const { lab } = forkLab()
const { watchers } = forkWatchers()
const rows: string[][] = []
try {
  const { ports } = await lab.start({ count, password: bmcPassword })
  const service = startService(database)
  const url = await service.listening()
  const nodes = await enrol(database.db, ports)
  const tokens = await tokensFor(database.db, count)
  await switchConsoles(database.db, true)
  await watchers.connect({
    url,
    doors: nodes.map((node, index) => ({ node, token: tokens[index] as string })),
  })
  await allUp(60_000)

  for (const restarted of [true, false]) {
    const noticed: number[] = []
    const back: number[] = []
    while (back.length < trials) {
      const indexes = sample(Math.min(atOnce, count))
      const sinceMs = await lab.silence({ indexes })
      noticed.push(...(await watchers.down({ indexes, sinceMs, waitMs: 15_000 })).map((at) => at - sinceMs))
      // They come back at any moment of a try.
      await sleep(1_000 + Math.random() * 3_000)
      const returnedMs = await lab.restore({ indexes, restarted })
      back.push(
        ...(await watchers.heard({ indexes, sinceMs: returnedMs, waitMs: 15_000 })).map(
          (at) => at - returnedMs,
        ),
      )
      await lab.hush()
      await allUp(15_000)
    }
    const what = restarted ? 'restarted' : 'unreachable for a while'
    row(`BMC ${what}: shows after`, 'at most 6 s', times(noticed))
    row('its data are back after its return within', 'p99 1 s', times(back))
  }

  const all = nodes.map((_node, index) => index)
  const sinceMs = await lab.silence({ indexes: all })
  const noticed = (await watchers.down({ indexes: all, sinceMs, waitMs: 20_000 })).map((at) => at - sinceMs)
  row(`all ${count} silent at once: shows after`, 'at most 6 s', times(noticed))
  const [busy] = await percentOfCore([service.pid], 10_000)
  row(`asking for ${count} silent BMCs: processor`, '', `${(busy as number).toFixed(1)} % of a core`)
  const returnedMs = await lab.restore({ indexes: all, restarted: true })
  const back = (await watchers.heard({ indexes: all, sinceMs: returnedMs, waitMs: 60_000 })).map(
    (at) => at - returnedMs,
  )
  await lab.hush()
  row(`all ${count} are back: their data after`, 'at most 10 s', times(back))
  await allUp(30_000)
  await sleep(3_000)

  const restartedMs = await lab.restart({ indexes: all })
  const again = (await watchers.heard({ indexes: all, sinceMs: restartedMs, waitMs: 60_000 })).map(
    (at) => at - restartedMs,
  )
  await lab.hush()
  row(`all ${count} forget their sessions at once: data after`, 'at most 10 s', times(again))
  await service.end('SIGTERM')
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
  process.exit()
}

function row(...cells: string[]): void {
  rows.push(cells)
  process.stderr.write(`${cells.join(' | ')}\n`)
}

function sample(size: number): number[] {
  const indexes = Array.from({ length: count }, (_, index) => index)
  for (let at = 0; at < size; at += 1) {
    const other = at + Math.floor(Math.random() * (count - at))
    ;[indexes[at], indexes[other]] = [indexes[other] as number, indexes[at] as number]
  }
  return indexes.slice(0, size)
}

function times(values: readonly number[]): string {
  const at = (share: number) => (percentile(values, share) / 1_000).toFixed(2)
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} s (${values.length})`
}

async function allUp(waitMs: number): Promise<void> {
  for (const end = nowMs() + waitMs; (await watchers.census()).states.up !== count; await sleep(50))
    if (nowMs() > end) throw new Error(`not all are up: ${JSON.stringify((await watchers.census()).states)}`)
}
