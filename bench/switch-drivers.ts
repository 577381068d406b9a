/**
 * How long a change of one port takes, by driver: read, plan, guard, apply, read back, save. Each on its own simulated switch,
 * which answers at once, in this process: what is counted is our work and its round trips. Prints a table.
 */
import { openSwitch } from '@leasehold/switches'
import {
  type SimulatedSwitch,
  startArista,
  startCatalyst,
  startCumulus,
  startJunos,
  startNexus,
  startOpenconfig,
  startOs10,
  startSimulatedOvs,
  startSonic,
} from '@leasehold/switches/testing'
import { median, percentile, short } from './statistics.ts'

const changes = Number(process.argv[2] ?? 50)

const overNxapi = async (): Promise<SimulatedSwitch> => {
  const nexus = await startNexus()
  return { ...nexus, target: nexus.nxapi }
}
const starts: readonly (() => Promise<SimulatedSwitch>)[] = [
  startNexus,
  overNxapi,
  startArista,
  startCatalyst,
  startOs10,
  startSonic,
  startCumulus,
  startJunos,
  startOpenconfig,
  startSimulatedOvs,
]

console.log(
  `| ${changes} changes of one port | first, with login, ms | plan p50 | apply p50 | apply p99 |\n| --- | --: | --: | --: | --: |`,
)
for (const start of starts) console.log(`| ${(await measure(await start())).join(' | ')} |`)
async function measure(device: SimulatedSwitch): Promise<string[]> {
  const port = device.ports[0] as string
  const one = openSwitch(device.target(), { guard: { ports: [port], vlans: '100-101' }, gatherMs: 0 })
  const vlans = [100, 101].map((id) => ({ id }))
  const to = (vlan: number) => ({
    vlans,
    ports: { [port]: { mode: 'access', vlan, adminUp: true, stpEdge: false } as const },
  })
  const first = await timed(() => one.apply(to(100)))
  const plans: number[] = []
  const applies: number[] = []
  for (let change = 1; change <= changes; change++) {
    const wanted = to(100 + (change % 2))
    plans.push(await timed(() => one.plan(wanted)))
    applies.push(await timed(() => one.apply(wanted)))
  }
  const driver = device.target().driver
  await one.close()
  await device.close()
  return [driver, first, median(plans), median(applies), percentile(applies, 0.99)].map((cell) =>
    typeof cell === 'number' ? short(cell) : cell,
  )
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}
