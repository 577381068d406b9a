/** Kills a program in the middle of its work on a switch, again and again, and looks what that does to frames. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type PortIntent, SwitchError, type SwitchTarget } from '@leasehold/switches'
import { start } from '../programs.ts'
import type { Scene, Stage } from './campaign.ts'
import { compareRound } from './expected.ts'
import { both, crossings } from './ledger.ts'
import { anyIntent, tenantOf, vlans } from './tenants.ts'
import { type Delivery, microseconds } from './watcher.ts'

export type KillReport = {
  kills: number
  applied: number
  /** Kills that came between the beginning and the end of a change. */
  midway: number
  received: number
  crossed: string[]
  wrong: string[]
}

export async function killAgain(
  stage: Stage,
  target: SwitchTarget,
  scene: Scene,
  kills: number,
): Promise<KillReport> {
  const { watcher, ledger, intents, chance } = scene
  const ports = intents.map((_, node) => stage.port(node))
  const report: KillReport = { kills: 0, applied: 0, midway: 0, received: 0, crossed: [], wrong: [] }
  // All are somewhere before the first comes to harm.
  await putRight()
  for (let kill = 0; kill < kills; kill++) {
    const words = JSON.stringify({ target, ports, seed: chance.below(1e9) })
    const program = start(process.execPath, [`${import.meta.dirname}/applier.ts`, words])
    const deadline = Date.now() + 20_000
    while (!program.said.includes('"done"') && Date.now() < deadline && program.child.exitCode === null)
      await sleep(5)
    await sleep(chance.below(300))
    await program.end('SIGKILL')
    report.kills++
    take(program.said)
    judge()
    await putRight()
  }
  return report

  /** What the program said that it did, with its own times, for the ledger. */
  function take(said: string): void {
    const lines = said.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))
    const open = new Map<number, PortIntent>()
    for (const line of lines) {
      const { node, intent, begun, done } = JSON.parse(line) as Line
      if (intent !== undefined) {
        ledger.set(node, both(ledger.now(node), tenantOf(intent)), begun ?? 0)
        open.set(node, intent)
      } else {
        ledger.set(node, tenantOf(open.get(node) as PortIntent), done ?? 0)
        open.delete(node)
        report.applied++
      }
    }
    if (lines.length === 0) report.wrong.push(`the program did nothing: ${said.slice(0, 500)}`)
    if (open.size > 0) report.midway++
  }

  /** The restart: every port is said once, and then it must be so. */
  async function putRight(): Promise<void> {
    const one = stage.open()
    const wanted = intents.map(() => anyIntent(chance))
    for (const [node, intent] of wanted.entries())
      ledger.set(node, both(ledger.now(node), tenantOf(intent)), microseconds())
    const wish = {
      vlans,
      ports: Object.fromEntries(ports.map((port, node) => [port, wanted[node] as PortIntent])),
    }
    // A switch that still has the dead one's change on trial says that it is busy until it has undone it.
    const patience = Date.now() + 10_000
    for (;;) {
      const error = await one.apply(wish).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      if (error === null) break
      if (!(error instanceof SwitchError) || error.code !== 'busy' || Date.now() > patience) throw error
    }
    await one.close()
    for (const [node, intent] of wanted.entries()) {
      intents[node] = intent
      ledger.set(node, tenantOf(intent), microseconds())
    }
    for (let tries = 0; ; tries++) {
      const { first, last } = watcher.round()
      const arrived = judge().filter(({ number }) => number >= first && number <= last)
      const { missing, extra } = compareRound(arrived, watcher.kinds, intents)
      if (extra.length === 0 && missing.length > 0 && tries < 5) continue
      for (const what of [...missing, ...extra].slice(0, 5))
        report.wrong.push(`after kill ${report.kills}: ${what}`)
      return
    }
  }

  function judge(): Delivery[] {
    const deliveries = watcher.take()
    report.received += deliveries.length
    report.crossed.push(...crossings(deliveries, watcher.kinds, ledger))
    return deliveries
  }
}

type Line = { node: number; intent?: PortIntent; begun?: number; done?: number }
