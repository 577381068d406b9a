/** A network between the service and the BMCs that loses, doubles and reorders. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab, LabMachine } from '../../lab/index.ts'
import { endLaunched, postgresLeft, type Service } from '../../testing.ts'
import { cross } from './testing/crossing.ts'
import { enrol, journalOf, loginTo, startMachines, startService } from './testing/estate.ts'
import { accountFor, isSound } from './testing/stream.ts'

const lossy = { 1: 0, 5: 1, 20: 2 } as const
let data: string
let lab: Lab
let service: Service
let url: string
let token: string
let nodes: string[]
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'leasehold-loss-'))
  lab = await startMachines(3)
  service = startService(data)
  url = await service.listening()
  token = await loginTo(url)
  nodes = await enrol(url, lab.machines)
})
afterAll(async () => {
  await service.end('SIGTERM')
  await endLaunched()
  const left = await postgresLeft(data)
  await lab.close()
  await rm(data, { recursive: true, force: true })
  expect(left, 'PostgreSQL servers left behind').toEqual([])
})

const crossOver = async (percent: keyof typeof lossy) => {
  const machine = lab.machines[lossy[percent]] as LabMachine
  const node = nodes[lossy[percent]] as string
  machine.inject({ kind: 'drop', percent })
  machine.inject({ kind: 'reorder', percent: 10, delayMs: 30 })
  machine.inject({ kind: 'duplicate', percent: 5 })
  const load = { ms: 4_000, printedPerSecond: 1_500, typedPerSecond: 100 }
  const crossing = await cross({ url, token, node }, machine, load)
  const account = await accountFor(crossing.stream.acknowledged(), [journalOf(data, node)])
  return { ...crossing, account, node }
}

test.concurrent.for([1, 5] as const)(
  'with %i in a hundred lost, a tenth late and some doubled, everything crosses once and in order, both ways',
  { timeout: 60_000 },
  async (percent, { expect }) => {
    const { typed, arrived, seen, stream, account } = await crossOver(percent)
    expect(arrived.equals(typed), `${arrived.length} of ${typed.length} typed bytes`).toBe(true)
    expect(seen.equals(stream.acknowledged())).toBe(true)
    expect(account).toMatchObject({ sent: account.kept, extras: [], gaps: 0 })
    expect(stream.owners).toHaveLength(1)
    expect(account.kept).not.toBe('')
  },
)

test.concurrent('with 20 in a hundred lost, what is missing is marked', { timeout: 60_000 }, async ({
  expect,
}) => {
  const { account, seen } = await crossOver(20)
  expect(seen.length).toBeGreaterThan(1_000)
  expect(account, JSON.stringify(account)).toSatisfy(isSound)
})
