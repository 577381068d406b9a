/** The thread behind `watcher.ts`: talks with the prober and with the mirror's database. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type MessagePort, workerData } from 'node:worker_threads'
import { type JsonRpc, openJsonRpc } from './json-rpc.ts'
import type { Columns, Delivery, Kind, Round, WatcherPlan } from './watcher.ts'

const { plan, signal, port } = workerData as { plan: WatcherPlan; signal: Int32Array; port: MessagePort }

const prober = spawn('python3', [`${import.meta.dirname}/prober.py`, JSON.stringify(plan)], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
prober.stdin.on('error', () => undefined)
const exited = new Promise<void>((resolve) => prober.once('close', () => resolve()))
const rounds = new Map<number, (round: Round) => void>()
let deliveries: Delivery[] = []
let lastRound = 0
const kinds = new Promise<Kind[]>((resolve, reject) => {
  prober.once('close', (code) => reject(new Error(`the prober ended with ${code}`)))
  createInterface({ input: prober.stdout }).on('line', (line) => {
    if (line.startsWith('[')) resolve(JSON.parse(line) as Kind[])
    else hear(line)
  })
})
kinds.catch(() => undefined)

function hear(line: string): void {
  const [what, ...words] = line.split(' ')
  const [one = 0, two = 0, three = 0, four = 0, five = 0] = words.map(Number)
  if (what === 'r') rounds.get(one)?.({ first: two, last: three, sent: four, whole: five === 1 })
  else {
    const tags = (words[5] ?? '') === '' ? [] : (words[5] as string).split(',').map(Number)
    deliveries.push({ to: one, kind: two, number: three, sent: four, got: five, tags })
  }
}

const mirror: { database?: JsonRpc; control?: JsonRpc } = {}

/** One transaction; then the daemon has it; then no flow of before is left. */
async function set(name: string, { vlan_mode, tag, trunks }: Columns): Promise<void> {
  mirror.database ??= await openJsonRpc(plan.database.replace('unix:', ''))
  mirror.control ??= await openJsonRpc(plan.control)
  const row = { vlan_mode: vlan_mode ?? ['set', []], tag: tag ?? ['set', []], trunks: ['set', trunks] }
  const select = { op: 'select', table: 'Open_vSwitch', where: [], columns: ['next_cfg', 'cur_cfg'] }
  const answer = (await mirror.database.call('transact', [
    'Open_vSwitch',
    { op: 'update', table: 'Port', where: [['name', '==', name]], row },
    { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] },
    select,
  ])) as [{ count: number }, unknown, { rows: [{ next_cfg: number }] }]
  if (answer[0].count !== 1) throw new Error(`the mirror has no port ${name}: ${JSON.stringify(answer)}`)
  const wanted = answer[2].rows[0].next_cfg
  for (;;) {
    const [now] = (await mirror.database.call('transact', ['Open_vSwitch', select])) as [
      { rows: [{ cur_cfg: number }] },
    ]
    if (now.rows[0].cur_cfg >= wanted) break
  }
  // Flows of before may have taught the bridge where an address is, after it had forgotten: see the driver's README.
  await mirror.control.call('revalidator/wait', [])
  await mirror.control.call('fdb/flush', [])
  await mirror.control.call('revalidator/wait', [])
}

const does: Record<string, (...words: never[]) => unknown> = {
  kinds: () => kinds,
  round: () =>
    new Promise<Round>((resolve) => {
      const id = ++lastRound
      rounds.set(id, (round) => {
        rounds.delete(id)
        resolve(round)
      })
      prober.stdin.write(`round ${id}\n`)
    }),
  set,
  take: () => {
    const taken = deliveries
    deliveries = []
    return taken
  },
  pace: (framesPerSecond: number) => void prober.stdin.write(`pace ${framesPerSecond}\n`),
  close: async () => {
    mirror.database?.close()
    mirror.control?.close()
    prober.stdin.end()
    await exited
  },
}

port.on('message', async ({ name, words }: { name: string; words: never[] }) => {
  try {
    port.postMessage({ result: await does[name]?.(...words) })
  } catch (error) {
    port.postMessage({ error: String(error) })
  }
  Atomics.store(signal, 0, 1)
  Atomics.notify(signal, 0)
  if (name === 'close') port.close()
})
