/** A program that applies random wishes to a switch until it is killed, and says what it is about to do before it does. */
import { openSwitch, type SwitchTarget } from '@leasehold/switches'
import { anyIntent, chanceOf, guardFor, vlans } from './tenants.ts'
import { microseconds } from './watcher.ts'

const { target, ports, seed } = JSON.parse(process.argv[2] as string) as {
  target: SwitchTarget
  ports: string[]
  seed: number
}
const chance = chanceOf(seed)
const one = openSwitch(target, { guard: guardFor(ports), gatherMs: 0 })
for (;;) {
  const node = chance.below(ports.length)
  const intent = anyIntent(chance)
  process.stdout.write(`${JSON.stringify({ node, intent, begun: microseconds() })}\n`)
  await one.apply({ vlans, ports: { [ports[node] as string]: intent } })
  process.stdout.write(`${JSON.stringify({ node, done: microseconds() })}\n`)
}
