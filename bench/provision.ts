/**
 * Provisioning transitions: every node goes enroll, manageable, available, active and back to available at its own
 * pace. One poller reads the states of all of them with one list, as a scheduler would.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'
import type { Run } from './load.ts'
import { forEach } from './load.ts'
import { deleteNodes, namePrefix, nodeBody } from './nodes.ts'
import { percentile } from './statistics.ts'

const steps = [
  { verb: 'manage', goal: 'manageable' },
  { verb: 'provide', goal: 'available' },
  { verb: 'active', goal: 'active' },
  { verb: 'deleted', goal: 'available' },
] as const
/** Orders in flight at most; between polls the poller rests four times as long as a poll took, within these bounds. */
const ordersAtOnce = 16
const leastRestMs = 50
const longestRestMs = 500
const retryMs = 100
const giveUpMs = 540_000

interface Machine {
  uuid: string
  step: number
  /** When the order was first sent; undefined while none is under way. */
  orderedAt?: number
  /** The order has been taken: the poller looks for its end. */
  taken: boolean
}
interface State {
  uuid: string
  provision_state: string
  target_provision_state: string | null
  last_error: string | null
}

/** One round with `count` nodes, which are made and deleted outside the time that is measured. */
export async function provisionRound(client: Client, count: number): Promise<Run> {
  const mark = `${namePrefix}move-${process.pid}-${Date.now().toString(36)}-`
  const machines = new Map<string, Machine>()
  await forEach(
    Array.from({ length: count }, (_, index) => index),
    8,
    async (index) => {
      const body = nodeBody(`${mark}${index}`, index, mark)
      const { uuid } = await client.json<{ uuid: string }>('POST', '/v1/nodes', body)
      machines.set(uuid, { uuid, step: 0, taken: false })
    },
  )
  const states = () =>
    client.json<{ nodes: State[] }>(
      'GET',
      `/v1/nodes?resource_class=${mark}&limit=1000&fields=uuid,provision_state,target_provision_state,last_error`,
    )
  try {
    return await move(client, machines, states)
  } finally {
    // Locks are given back a moment after the last state is reached.
    for (let tries = 0; tries < 50; tries++) {
      if ((await states()).nodes.every((node) => node.target_provision_state === null)) break
      await sleep(100)
    }
    await deleteNodes(client, mark)
  }
}

async function move(
  client: Client,
  machines: ReadonlyMap<string, Machine>,
  states: () => Promise<{ nodes: State[] }>,
): Promise<Run> {
  const durations: number[] = []
  const queue = [...machines.values()]
  let inFlight = 0
  let failed = 0
  let broken: Error | undefined
  const order = async (machine: Machine) => {
    const { verb } = steps[machine.step] as (typeof steps)[number]
    machine.orderedAt ??= performance.now()
    const path = `/v1/nodes/${machine.uuid}/states/provision`
    const { status, body } = await client.send('PUT', path, JSON.stringify({ target: verb }))
    if (status === 202) machine.taken = true
    else if (status === 409 || status === 503) {
      failed++
      await sleep(retryMs)
      queue.push(machine)
    } else
      throw new Error(
        `${client.endpoint.label}: ${verb} answered ${status}: ${body.toString('utf8', 0, 300)}`,
      )
  }
  const pump = () => {
    while (inFlight < ordersAtOnce) {
      const next = queue.shift()
      if (!next) return
      inFlight++
      order(next)
        .catch((error: Error) => {
          broken = error
        })
        .finally(() => {
          inFlight--
          pump()
        })
    }
  }
  const begun = performance.now()
  let finished = 0
  let ended = begun
  pump()
  while (finished < machines.size) {
    if (broken) throw broken
    const polled = performance.now()
    if (polled - begun > giveUpMs)
      throw new Error(`not done in ${giveUpMs} ms: ${finished} of ${machines.size}`)
    for (const node of (await states()).nodes) {
      const machine = machines.get(node.uuid)
      if (!machine?.taken) continue
      if (/fail|error/.test(node.provision_state))
        throw new Error(`${node.uuid} is in ${node.provision_state}: ${node.last_error}`)
      const { goal } = steps[machine.step] as (typeof steps)[number]
      if (node.target_provision_state !== null) continue
      if (node.provision_state !== goal) {
        // Some steps that fail lead back to where they began.
        if (node.last_error) throw new Error(`${node.uuid} stays ${node.provision_state}: ${node.last_error}`)
        continue
      }
      ended = performance.now()
      durations.push(ended - (machine.orderedAt as number))
      delete machine.orderedAt
      machine.taken = false
      machine.step++
      if (machine.step === steps.length) finished++
      else queue.push(machine)
    }
    pump()
    await sleep(Math.min(Math.max(leastRestMs, (performance.now() - polled) * 4), longestRestMs))
  }
  return {
    perSecond: durations.length / ((ended - begun) / 1000),
    p50Ms: percentile(durations, 0.5),
    p99Ms: percentile(durations, 0.99),
    failed,
  }
}
