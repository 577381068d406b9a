/** Wanted things for tests: three tenants with VLANs 100, 200 and 300 on, quarantine in 999. */
import * as fc from 'fast-check'
import type { Guard, Lag, PortIntent, VlanId, VlanIntent } from '../types.ts'
import type { SimulatedSwitch } from './device.ts'

export const quarantine = 999

export const tenantVlans: readonly VlanIntent[] = [
  ...[100, 101, 102, 200, 201, 202, 300, 301, 302].map((id) => ({ id, name: `tenant-${id}` })),
  { id: quarantine, name: 'quarantine' },
]

export function guard(device: SimulatedSwitch): Guard {
  const reserved = device.protectedPort === undefined ? [] : [device.protectedPort]
  // The reserved port is listed too: what the switch says must be enough to keep away from it.
  return {
    ports: [...device.ports, ...reserved],
    vlans: '100-109,200-209,300-309,400,999',
    lagGroups: '10-19',
  }
}

const edge = { adminUp: true, stpEdge: true }

export const intents = {
  access: (vlan: VlanId, lag?: Lag): PortIntent => ({
    mode: 'access',
    vlan,
    ...edge,
    ...(lag ? { lag } : {}),
  }),
  trunk: (native: VlanId | null, tagged: readonly VlanId[], lag?: Lag): PortIntent => ({
    mode: 'trunk',
    native,
    tagged,
    ...edge,
    ...(lag ? { lag } : {}),
  }),
  idle: (): PortIntent => ({ mode: 'idle', quarantine, stpEdge: false }),
  get any(): fc.Arbitrary<PortIntent> {
    return fc.constantFrom(100, 200, 300).chain((tenant) => {
      const vlan = fc.integer({ min: tenant, max: tenant + 2 })
      const access = vlan.map((id) => intents.access(id))
      const trunk = fc
        .tuple(fc.option(vlan), fc.uniqueArray(vlan, { minLength: 1 }))
        .map(([native, tagged]): [VlanId | null, VlanId[]] => [
          native,
          tagged.filter((id) => id !== native).sort((a, b) => a - b),
        ])
        .filter(([native, tagged]) => native !== null || tagged.length > 0)
        .map(([native, tagged]) => intents.trunk(native, tagged))
      return fc.oneof(access, trunk, fc.constant(intents.idle()))
    })
  },
}
