/** Three tenants with three VLANs each, and what is wanted of ports on their behalf. */
import type { Guard, PortIntent, VlanId, VlanIntent } from '@leasehold/switches'
import { type Belonging, nobody } from './ledger.ts'

/** The third has the VLANs that a simulated switch's stale lists name, so that an old list that awakes is seen. */
export const tenants: Readonly<Record<string, readonly VlanId[]>> = {
  red: [100, 101, 102],
  green: [200, 201, 202],
  blue: [66, 77, 88],
}
export const quarantine: VlanId = 999
/** VLAN 1 is where ports are that nobody has touched yet. */
export const untouched = 1

export const vlans: readonly VlanIntent[] = [
  ...Object.entries(tenants).flatMap(([tenant, ids]) => ids.map((id) => ({ id, name: `${tenant}-${id}` }))),
  { id: quarantine, name: 'quarantine' },
]
export const probed: VlanId[] = [untouched, ...vlans.map(({ id }) => id)]

export const guardFor = (ports: readonly string[]): Guard => ({
  ports,
  vlans: '66,77,88,100-102,200-202,999',
  lagGroups: '10-19',
})

const up = { adminUp: true, stpEdge: false }
export const access = (vlan: VlanId): Extract<PortIntent, { mode: 'access' }> => ({
  mode: 'access',
  vlan,
  ...up,
})
export const trunk = (
  native: VlanId | null,
  tagged: readonly VlanId[],
): Extract<PortIntent, { mode: 'trunk' }> => ({
  mode: 'trunk',
  native,
  tagged,
  ...up,
})
export const idle: Extract<PortIntent, { mode: 'idle' }> = { mode: 'idle', quarantine, stpEdge: false }

export function tenantOf(intent: PortIntent): Belonging {
  if (intent.mode === 'idle' || !intent.adminUp) return nobody
  const ids =
    intent.mode === 'access'
      ? [intent.vlan]
      : [...intent.tagged, ...(intent.native === null ? [] : [intent.native])]
  const names = Object.entries(tenants).filter(([, own]) => ids.some((id) => own.includes(id)))
  return new Set(names.map(([name]) => name))
}

/** Numbers in an order that a seed decides: the whole of a test can be had again. */
export type Chance = {
  below: (limit: number) => number
  of: <T>(list: readonly T[]) => T
  one: (inSoMany: number) => boolean
}

export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number) => next() % limit
  return { below, of: (list) => list[below(list.length)] as never, one: (inSoMany) => below(inSoMany) === 0 }
}

export function anyIntent(chance: Chance): PortIntent {
  const own = tenants[chance.of(Object.keys(tenants))] as readonly VlanId[]
  switch (chance.below(7)) {
    case 0:
    case 1:
      return idle
    case 2:
    case 3:
    case 4:
      // Mostly the same one, so that there is somebody to talk to.
      return access(own[Math.max(0, chance.below(5) - 2)] as VlanId)
    case 5:
      return trunk(null, own.slice(0, 1 + chance.below(3)))
    default: {
      const [native, ...others] = chance.one(2) ? own : [...own].reverse()
      return trunk(native as VlanId, others.slice(0, chance.below(3)))
    }
  }
}
