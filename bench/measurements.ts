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

/** Measures an endpoint that holds the nodes `uuids`. `done` is told each result. */
export async function measureAll(
  client: Client,
  uuids: readonly string[],
  settings: Settings,
  done: (result: Result) => void,
): Promise<void> {
  for (const { name, writes, send } of measurements) {
    const load = {
      atOnce: writes ? settings.writersAtOnce : settings.readersAtOnce,
      ms: settings.runMs,
      atMost: name === 'create' ? settings.creations : Number.POSITIVE_INFINITY,
    }
    const one = async (serial: number) => (await send(client, uuids, serial)).status < 300
    await runLoad({ ...load, ms: settings.warmUpMs }, one)
    const runs: Run[] = []
    for (let run = 0; run < settings.runs; run++) runs.push(await runLoad(load, one))
    done({ name, unit: 'requests/s', runs })
  }
  const rounds: Run[] = []
  for (let round = 0; round < settings.runs; round++)
    rounds.push(await provisionRound(client, settings.moving))
  done({ name: 'provisioning', unit: 'transitions/s', runs: rounds })
}
