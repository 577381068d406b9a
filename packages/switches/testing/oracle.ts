/**
 * The judge of isolation: at every moment a port takes part only in what it took part in before a change or only in
 * what it is to take part in after it, never in some of both. VLAN 1, the switch's own, is nobody's.
 */
import type { PortIntent, PortName, VlanId } from '../types.ts'
import type { Seen, SimulatedSwitch } from './device.ts'

export type Oracle = {
  /** What is about to be wanted; both sides of it are allowed from now on. */
  expect: (ports: Readonly<Record<PortName, PortIntent>>) => void
  /** Looks away, while a test makes ports dirty. */
  rest: () => void
  /** What was seen and must not have been, in words. */
  violations: string[]
}

export function watchIsolation(device: SimulatedSwitch): Oracle {
  const violations: string[] = []
  const sides = new Map<string, { before: Reach; after: Reach }>()
  device.onPortState((seen) => {
    const allowed = sides.get(seen.port)
    if (allowed === undefined) return
    const reach = reachOf(seen)
    if (!within(reach, allowed.before) && !within(reach, allowed.after))
      violations.push(
        `${seen.port} reached ${words(reach)} on its way from ${words(allowed.before)} to ${words(allowed.after)}`,
      )
  })
  return {
    violations,
    rest: () => sides.clear(),
    expect: (ports) => {
      for (const [name, intent] of Object.entries(ports))
        sides.set(name, { before: reachOf(device.seen(name)), after: wantedReach(intent) })
    },
  }
}

type Reach = ReadonlySet<VlanId> | 'all'

function reachOf(seen: Seen): Reach {
  if (seen.tagged === 'all') return 'all'
  return new Set([seen.untagged ?? 1, ...seen.tagged].filter((id) => id !== 1))
}

function wantedReach(intent: PortIntent): Reach {
  if (intent.mode === 'idle' || !intent.adminUp) return new Set()
  if (intent.mode === 'access') return new Set([intent.vlan])
  return new Set(intent.native === null ? intent.tagged : [intent.native, ...intent.tagged])
}

function within(reach: Reach, allowed: Reach): boolean {
  if (allowed === 'all') return true
  return reach !== 'all' && [...reach].every((id) => allowed.has(id))
}

function words(reach: Reach): string {
  return reach === 'all' ? 'every VLAN' : `{${[...reach].join(' ')}}`
}
