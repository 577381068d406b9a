/** A service that is killed again and again, and two of which one is killed or stands still. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Lab } from '../../lab/index.ts'
import { testStore } from '../../store/testing.ts'
import { endLaunched, postgresLeft } from '../../testing.ts'
import { enrol, journalOf, startMachines, startService, until } from './testing/estate.ts'
import { accountFor, isSound, type Stream, startStream } from './testing/stream.ts'

let data: string
let lab: Lab
let streams: Stream[]
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'leasehold-kill-'))
  lab = await startMachines(4)
  streams = []
})
afterEach(async () => {
  for (const stream of streams) stream.stop()
  await endLaunched()
  const left = await postgresLeft(data)
  await lab.close()
  await rm(data, { recursive: true, force: true })
  expect(left, 'PostgreSQL servers left behind').toEqual([])
})

/** How many sessions have had SOL of each machine. */
const turns = () => streams.map(({ owners }) => owners.length)
const sessions = () => lab.machines.map((machine) => machine.sessionCount())

test('a service killed five times holds its consoles again each time, and has all that was acknowledged', async () => {
  let nodes: string[] = []
  streams = lab.machines.map((machine) => startStream(machine, 8_000))
  for (let life = 1; life <= 6; life += 1) {
    const service = startService(data)
    if (life === 1) nodes = await enrol(await service.listening(), lab.machines)
    await until(() => turns().every((count) => count >= life), 'SOL of every machine', 30_000)
    // The old session is closed, not left for the BMC to time out.
    await until(() => sessions().every((count) => count === 1), 'one session at each BMC')
    await sleep(Math.random() * 400)
    await service.end(life <= 5 ? 'SIGKILL' : 'SIGTERM')
  }
  expect(turns()).toEqual(lab.machines.map(() => 6))
  expect(sessions()).toEqual(lab.machines.map(() => 0))
  for (const [index, node] of nodes.entries()) {
    const acknowledged = (streams[index] as Stream).acknowledged()
    expect(acknowledged.length).toBeGreaterThan(1_000)
    const account = await accountFor(acknowledged, [journalOf(data, node)])
    expect(account, JSON.stringify(account)).toSatisfy(isSound)
    expect(account.gaps).toBeGreaterThan(0)
  }
}, 120_000)

/** A conductor of the machines' nodes, with a disk of its own. */
const conductor = (name: string, url: string) =>
  startService(join(data, name), ['--database-url', url, '--conductor-host', name])

/** Of each machine: that all is in the journals of the two, that the former's end before the latter's begin. */
const expectSound = async (nodes: readonly string[], names: readonly string[]) => {
  for (const [index, node] of nodes.entries()) {
    const directories = names.map((name) => journalOf(join(data, name), node))
    const account = await accountFor((streams[index] as Stream).acknowledged(), directories)
    expect(account, JSON.stringify(account)).toSatisfy(isSound)
  }
}

test('of two conductors one is killed, and the other one has its consoles; one that stood still takes nothing back', async () => {
  const store = await testStore()
  try {
    const killed = conductor('first', store.url)
    const nodes = await enrol(await killed.listening(), lab.machines)
    streams = lab.machines.map((machine) => startStream(machine, 4_000))
    await until(() => turns().every((count) => count === 1), 'SOL of every machine')
    const still = conductor('second', store.url)
    await still.listening()
    await killed.end('SIGKILL')
    await until(() => turns().every((count) => count === 2), 'a takeover', 30_000)
    await until(() => sessions().every((count) => count === 1), 'one session at each BMC')

    const third = conductor('third', store.url)
    await third.listening()
    process.kill(still.pid, 'SIGSTOP')
    await until(() => turns().every((count) => count === 3), 'another takeover', 30_000)
    process.kill(still.pid, 'SIGCONT')
    // Long enough for it to do harm: to ask again, to open again, to write down what it has not written.
    await sleep(3_000)
    expect(turns()).toEqual(lab.machines.map(() => 3))
    expect(sessions()).toEqual(lab.machines.map(() => 1))
    await still.end('SIGTERM')
    await third.end('SIGTERM')
    await expectSound(nodes, ['first', 'second', 'third'])
  } finally {
    await endLaunched()
    await store.close()
  }
}, 120_000)
