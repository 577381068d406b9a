/**
 * How fast ports are attached to networks, many at once on one switch: our drivers, and if wanted
 * networking-generic-switch and network-runner beside them, on the same simulated Nexus. Prints a table.
 * `node bench/switches.ts --help` lists the options.
 */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { short } from './statistics.ts'
import { attachTable, type Measured, type Run } from './switches/report.ts'
import { ours, type Subject, startOthers, vlans } from './switches/subjects.ts'
import { type Doors, forkSwitch, type SwitchProcess, type Wanted } from './switches/target.ts'

const help = `Usage: node bench/switches.ts [options]

Attaches ports of a simulated Nexus at once, each to its network, on loopback.
  --against-others    networking-generic-switch and network-runner too, from PyPI, and etcd from Debian (no root)
  --ports N           how many, at most 48 (48)
  --runners N         calls of network-runner at the same time (8): each is a process of Ansible
  --runs N            of each (3)
  --login-ms N        what a login takes the switch (300)
  --save-ms N         what saving takes it (100)
  --json FILE         writes every run's figures
  --help
`

await main().catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = 1
})

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'against-others': { type: 'boolean' },
      ports: { type: 'string', default: '48' },
      runners: { type: 'string', default: '8' },
      runs: { type: 'string', default: '3' },
      'login-ms': { type: 'string', default: '300' },
      'save-ms': { type: 'string', default: '100' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const number = (
    name: 'ports' | 'runners' | 'runs' | 'login-ms' | 'save-ms',
    least: number,
    most: number,
  ): number => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < least || value > most)
      throw new Error(`--${name} must be a whole number from ${least} to ${most}`)
    return value
  }
  const delays = { loginDelayMs: number('login-ms', 0, 60_000), saveDelayMs: number('save-ms', 0, 60_000) }
  const runs = number('runs', 1, 100)
  const ports = number('ports', 1, 48)
  const runners = number('runners', 1, 48)
  if (values['against-others'])
    execFileSync(join(import.meta.dirname, 'switches/peers.sh'), { stdio: ['ignore', 'ignore', 'inherit'] })

  const load = loadavg()[0] ?? 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const others = values['against-others'] ? await startOthers(runners) : []
  const nexus = forkSwitch()
  try {
    const doors = await nexus.start(delays)
    const chosen = doors.ports.slice(0, ports)
    const wanted = Object.fromEntries(chosen.map((port, at) => [port, 100 + (at % vlans.length)]))
    const measured = await measure(nexus, doors, wanted, [...ours, ...others], runs)
    const machine = `${availableParallelism()} × ${cpus()[0]?.model.trim()}, Node.js ${process.version}`
    const facts = `${new Date().toISOString().slice(0, 10)}, ${machine}; a login takes ${delays.loginDelayMs} ms, a save ${delays.saveDelayMs}; median (least–most) of ${runs} runs; load of the machine at the start: ${short(load)}.`
    process.stdout.write(`\n${facts}\n\n${attachTable(measured, chosen.length)}\n`)
    if (values.json)
      await writeFile(values.json, `${JSON.stringify({ machine, delays, measured }, null, 2)}\n`)
  } finally {
    await nexus.stop().catch(() => {})
  }
}

/** By turns: what else the machine does meets all alike. */
async function measure(
  nexus: SwitchProcess,
  doors: Doors,
  wanted: Wanted,
  subjects: readonly Subject[],
  runs: number,
): Promise<Measured[]> {
  const measured = subjects.map(({ label }) => ({ label, runs: [] as Run[] }))
  for (let turn = 0; turn < runs; turn++)
    for (const [at, { label, attach }] of subjects.entries()) {
      await nexus.reset({ vlans })
      const attached = await attach(doors, wanted)
      const run = { ...attached, ...(await nexus.look({ wanted })) }
      measured[at]?.runs.push(run)
      const failed = run.errors.length > 0 ? `, ${run.errors.length} failed: ${run.errors[0]}` : ''
      process.stderr.write(
        `${label}: ${short(run.seconds)} s, ${run.right} of ${Object.keys(wanted).length} right${failed}\n`,
      )
    }
  return measured
}
