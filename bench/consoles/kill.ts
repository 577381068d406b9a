/** The service killed again and again while its machines print; and of two conductors the one that has the consoles. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  enrol,
  journalOf,
  startMachines,
  startService,
  until,
} from '../../server/console/chaos/testing/estate.ts'
import { accountFor, isSound, type Stream, startStream } from '../../server/console/chaos/testing/stream.ts'
import { testStore } from '../../server/store/testing.ts'
import { endLaunched, postgresLeft } from '../../server/testing.ts'
import { percentile } from '../statistics.ts'
import { loadOfMachine } from './service.ts'

const { values: options } = parseArgs({
  options: {
    machines: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '100' },
    takeovers: { type: 'string', default: '5' },
  },
})
const rounds = Number(options.rounds)
const takeovers = Number(options.takeovers)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const rows: string[][] = []
const data = await mkdtemp(join(tmpdir(), 'leasehold-kills-'))
const lab = await startMachines(Number(options.machines))
let streams: Stream[] = []
const turned = (turns: number) => streams.every(({ owners }) => owners.length >= turns)
const alone = () => lab.machines.every((machine) => machine.sessionCount() === 1)

try {
  await killed()
  await takenOver()
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 1
} finally {
  console.log(
    `| ${lab.machines.length} consoles, load of the machine ${await loadOfMachine()} | aim | measured |\n| --- | --- | --- |`,
  )
  for (const each of rows) console.log(`| ${each.join(' | ')} |`)
  await endLaunched()
  await lab.close()
  await rm(data, { recursive: true, force: true })
  process.exit()
}

/** The whole service, its PostgreSQL with it. */
async function killed(): Promise<void> {
  let nodes: string[] = []
  const held: number[] = []
  const listening: number[] = []
  for (let life = 0; life <= rounds; life += 1) {
    const begun = performance.now()
    const service = startService(join(data, 'one'))
    const announced = service.listening().then((url) => {
      listening.push(performance.now() - begun)
      return url
    })
    if (life === 0) {
      nodes = await enrol(await announced, lab.machines)
      streams = lab.machines.map((machine) => startStream(machine, 2_000))
    }
    await until(() => turned(life + 1), 'SOL of every machine', 60_000)
    if (life > 0) held.push(performance.now() - begun)
    await announced
    await until(alone, 'one session at each BMC')
    await sleep(Math.random() * 500)
    await service.end(life < rounds ? 'SIGKILL' : 'SIGTERM')
  }
  row(`kill -9 ${rounds} times: SOL of all is held after the start within`, '3 s', seconds(held))
  row('of it until it listens', '', seconds(listening))
  await account(nodes, ['one'])
  row('PostgreSQL servers left behind', '0', String((await postgresLeft(join(data, 'one'))).length))
  row(
    'sessions left at the BMCs',
    '0',
    String(lab.machines.reduce((sum, one) => sum + one.sessionCount(), 0)),
  )
}

/** One of two is killed while it has the consoles, and comes back as the second one. */
async function takenOver(): Promise<void> {
  const store = await testStore()
  const conductor = (name: string) =>
    startService(join(data, name), ['--database-url', store.url, '--conductor-host', name])
  const took: number[] = []
  for (const stream of streams) stream.stop()
  let holder = conductor('0')
  const nodes = await enrol(await holder.listening(), lab.machines)
  streams = lab.machines.map((machine) => startStream(machine, 2_000))
  await until(() => turned(1), 'SOL of every machine', 60_000)
  for (let round = 1; round <= takeovers; round += 1) {
    const next = conductor(String(round))
    await next.listening()
    await sleep(1_500)
    const begun = performance.now()
    await holder.end('SIGKILL')
    await until(() => turned(round + 1), 'a takeover', 60_000)
    took.push(performance.now() - begun)
    await until(alone, 'one session at each BMC')
    await sleep(1_000)
    holder = next
  }
  await holder.end('SIGTERM')
  const most = Math.max(...streams.map(({ owners }) => owners.length))
  row(
    `one of two conductors killed ${takeovers} times: the other one has all its consoles within`,
    '10 s',
    seconds(took),
  )
  row('sessions that had SOL of a machine, one for each holder', String(takeovers + 1), String(most))
  await account(
    nodes,
    Array.from({ length: takeovers + 1 }, (_, index) => String(index)),
  )
  await store.close()
}

async function account(nodes: readonly string[], names: readonly string[]): Promise<void> {
  let [bytes, sound, gaps, marked, extras] = [0, 0, 0, 0, 0]
  for (const [index, node] of nodes.entries()) {
    const acknowledged = (streams[index] as Stream).acknowledged()
    const one = await accountFor(
      acknowledged,
      names.map((name) => journalOf(join(data, name), node)),
    )
    bytes += acknowledged.length
    sound += isSound(one) ? 1 : 0
    gaps += one.gaps
    marked += one.marked
    extras += one.extras.reduce((sum, extra) => sum + extra, 0)
    if (!isSound(one))
      process.stderr.write(`${node}: ${JSON.stringify(one)}
`)
  }
  row(
    'journals that have every acknowledged byte, once, in order (SHA-256)',
    String(nodes.length),
    `${sound} (${bytes} bytes; ${extras} more were written down and not acknowledged)`,
  )
  row('places where output is missing, and marked', 'all', `${gaps}, ${marked}`)
}

function row(...cells: string[]): void {
  rows.push(cells)
  process.stderr.write(`${cells.join(' | ')}\n`)
}

function seconds(values: readonly number[]): string {
  const at = (share: number) => (percentile(values, share) / 1_000).toFixed(2)
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} s`
}
