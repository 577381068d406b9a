/** Consoles over a network that loses, doubles and reorders, for minutes: what of it shows. See docs/performance.md. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cross } from '../../server/console/chaos/testing/crossing.ts'
import {
  enrol,
  journalOf,
  loginTo,
  startMachines,
  startService,
} from '../../server/console/chaos/testing/estate.ts'
import { accountFor, isSound } from '../../server/console/chaos/testing/stream.ts'
import { endLaunched } from '../../server/testing.ts'
import { loadOfMachine } from './service.ts'

const { values: options } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, machines: { type: 'string', default: '10' } },
})
const each = Number(options.machines)
const losses = [1, 5, 20]
const load = { ms: Number(options.minutes) * 60_000, printedPerSecond: 1_000, typedPerSecond: 40 }
const data = await mkdtemp(join(tmpdir(), 'leasehold-losses-'))
const lab = await startMachines(each * losses.length)
try {
  const service = startService(data)
  const url = await service.listening()
  const token = await loginTo(url)
  const nodes = await enrol(url, lab.machines)
  const results = await Promise.all(
    lab.machines.map(async (machine, index) => {
      const node = nodes[index] as string
      const percent = losses[index % losses.length] as number
      machine.inject({ kind: 'drop', percent })
      machine.inject({ kind: 'reorder', percent: 10, delayMs: 30 })
      machine.inject({ kind: 'duplicate', percent: 5 })
      const { typed, arrived, seen, stream } = await cross({ url, token, node }, machine, load)
      const acknowledged = stream.acknowledged()
      const account = await accountFor(acknowledged, [journalOf(data, node)])
      return { percent, typed, arrived, seen, acknowledged, account, sessions: stream.owners.length }
    }),
  )
  console.log(
    `| lost each way (and 10 % late by up to 30 ms, 5 % doubled), ${options.minutes} min, ${each} consoles each, load ${await loadOfMachine()} | typed: bytes, consoles where all came once, in order | printed: bytes, journals with all that was acknowledged, once, in order | watchers that saw just that | sessions | gaps, marked |\n| --- | --- | --- | --- | --- | --- |`,
  )
  for (const percent of losses) {
    const ours = results.filter((one) => one.percent === percent)
    const sum = (of: (one: (typeof ours)[number]) => number) => ours.reduce((all, one) => all + of(one), 0)
    const cells = [
      `${percent} %`,
      `${sum(({ typed }) => typed.length)}, ${sum(({ typed, arrived }) => Number(typed.equals(arrived)))}`,
      `${sum(({ acknowledged }) => acknowledged.length)}, ${sum(({ account }) => Number(isSound(account)))}`,
      sum(({ seen, acknowledged }) => Number(seen.equals(acknowledged))),
      sum(({ sessions }) => sessions),
      `${sum(({ account }) => account.gaps)}, ${sum(({ account }) => account.marked)}`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
    for (const { account } of ours) if (!isSound(account)) console.error(JSON.stringify(account))
  }
  await service.end('SIGTERM')
} finally {
  await endLaunched()
  await lab.close()
  await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 })
  process.exit()
}
