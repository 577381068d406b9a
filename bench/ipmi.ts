/** How fast power states can be read: our client over one socket, and ipmitool with a process for each. Prints a table. */
import { execFile } from 'node:child_process'
import { createIpmiClient, type Target } from '@leasehold/ipmi'
import { startLab } from '../server/lab/index.ts'

const count = Number(process.argv[2] ?? 500)
const lab = await startLab({ count })
const ipmi = createIpmiClient()
const targets = (cipherSuite: 3 | 17): Target[] =>
  lab.machines.map(({ address, port, username, password }) => ({
    address,
    port,
    username,
    password,
    cipherSuite,
  }))

const rows: { what: string; requests: number; seconds: string; perSecond: number; msEach: string }[] = []
const measure = async (what: string, requests: number, work: () => Promise<unknown>) => {
  const startedAt = performance.now()
  await work()
  const seconds = (performance.now() - startedAt) / 1_000
  rows.push({
    what,
    requests,
    seconds: seconds.toFixed(2),
    perSecond: Math.round(requests / seconds),
    msEach: ((seconds * 1_000) / requests).toFixed(2),
  })
}
const readAll = (all: readonly Target[]) => Promise.all(all.map((target) => ipmi.chassisStatus(target)))

for (const suite of [3, 17] as const) {
  const all = targets(suite)
  await measure(`ours, suite ${suite}, opening ${count} sessions`, count, () => readAll(all))
  await measure(`ours, suite ${suite}, sessions open`, count * 20, async () => {
    for (let round = 0; round < 20; round += 1) await readAll(all)
  })
}
const one = targets(17).slice(0, 1)
await measure('ours, suite 17, one BMC, one after another', 500, async () => {
  for (let index = 0; index < 500; index += 1) await readAll(one)
})

const tool = (target: Target) =>
  new Promise<void>((resolve, reject) => {
    const words = [
      '-I',
      'lanplus',
      '-C',
      '17',
      '-H',
      target.address,
      '-p',
      String(target.port),
      '-U',
      target.username,
    ]
    const env = { ...process.env, IPMI_PASSWORD: target.password }
    execFile('ipmitool', [...words, '-E', 'power', 'status'], { env }, (error) =>
      error ? reject(error) : resolve(),
    )
  })
await measure('ipmitool -C 17, one after another', 50, async () => {
  for (const target of targets(17).slice(0, 50)) await tool(target)
})
await measure('ipmitool -C 17, eight at once', 200, async () => {
  const waiting = targets(17).slice(0, 200)
  const worker = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await tool(next)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
})

console.table(rows)
console.log(
  `client and ${count} simulated BMCs in one process; ${Math.round(process.memoryUsage.rss() / 1e6)} MB`,
)
await ipmi.close()
await lab.close()
