/** What is measured: one row each, the same requests to every endpoint. */
import type { Client } from './client.ts'
import { type Run, runLoad } from './load.ts'
import { namePrefix, nodeBody, ownerOf } from './nodes.ts'
import { provisionRound } from './provision.ts'

export interface Settings {
  /** Nodes in the inventory. */
  nodes: number
  /** Runs of each measurement, after a warm-up. */
  runs: number
  runMs: number
  warmUpMs: number
  readersAtOnce: number
  writersAtOnce: number
  /** Creations of a run at most: they would make the inventory another one. */
  creations: number
  /** Nodes of a round of provisioning. */
  moving: number
}

export interface Result {
  name: string
  unit: string
  runs: readonly Run[]
}

interface Measurement {
  name: string
  writes?: boolean
  send: (client: Client, uuids: readonly string[], serial: number) => Promise<{ status: number }>
}

/** The nodes that single requests go round, so that no row is hot and no two changes meet at one. */
const roundTrip = 1000

const measurements: readonly Measurement[] = [
  { name: 'list, 1,000 nodes', send: (client) => client.send('GET', '/v1/nodes?limit=1000') },
  { name: 'list with detail, 100 nodes', send: (client) => client.send('GET', '/v1/nodes/detail?limit=100') },
  {
    name: "list one owner's",
    send: (client, _uuids, serial) => client.send('GET', `/v1/nodes?owner=${ownerOf(serial)}`),
  },
  {
    name: 'show',
    send: (client, uuids, serial) => client.send('GET', `/v1/nodes/${uuids[serial % roundTrip]}`),
  },
  {
    name: 'patch',
    writes: true,
    send: (client, uuids, serial) => {
      const patch = [{ op: 'add', path: '/extra/bench', value: `${serial}-${Date.now()}` }]
      return client.send('PATCH', `/v1/nodes/${uuids[serial % roundTrip]}`, JSON.stringify(patch))
    },
  },
  {
    name: 'create',
    writes: true,
    send: (client, _uuids, serial) => {
      const name = `${namePrefix}new-${process.hrtime.bigint().toString(36)}`
      return client.send('POST', '/v1/nodes', JSON.stringify(nodeBody(name, serial)))
    },
  },
]

/** An endpoint that is filled, and the nodes it holds. */
export interface Subject {
  client: Client
  uuids: readonly string[]
}

/**
 * Measures the endpoints by turns, run by run: what else the machine does meets all of them alike. `done` is told
 * each result.
 */
export async function measureAll(
  subjects: readonly Subject[],
  settings: Settings,
  done: (subject: Subject, result: Result) => void,
): Promise<void> {
  for (const { name, writes, send } of measurements) {
    const load = {
      atOnce: writes ? settings.writersAtOnce : settings.readersAtOnce,
      ms: settings.runMs,
      atMost: name === 'create' ? settings.creations : Number.POSITIVE_INFINITY,
    }
    const run = ({ client, uuids }: Subject, ms: number) =>
      runLoad({ ...load, ms }, async (serial) => (await send(client, uuids, serial)).status < 300)
    for (const subject of subjects) await run(subject, settings.warmUpMs)
    const runs = await byTurns(subjects, settings.runs, (subject) => run(subject, settings.runMs))
    for (const subject of subjects) done(subject, { name, unit: 'requests/s', runs: runs.get(subject) ?? [] })
  }
  const rounds = await byTurns(subjects, settings.runs, ({ client }) =>
    provisionRound(client, settings.moving),
  )
  for (const subject of subjects)
    done(subject, { name: 'provisioning', unit: 'transitions/s', runs: rounds.get(subject) ?? [] })
}

async function byTurns(
  subjects: readonly Subject[],
  times: number,
  measure: (subject: Subject) => Promise<Run>,
): Promise<Map<Subject, Run[]>> {
  const runs = new Map(subjects.map((subject) => [subject, [] as Run[]]))
  for (let turn = 0; turn < times; turn++) for (const [subject, own] of runs) own.push(await measure(subject))
  return runs
}
