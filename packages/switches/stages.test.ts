import { expect, it } from 'vitest'
import { stagesOf } from './stages.ts'
import type { PortState, PortTarget, SwitchState, Target } from './types.ts'

const trunk = { mode: 'trunk', native: 100, tagged: [101] } as const
const lagName = (group: number) => `Port-channel${group}`

const is = (fields: Partial<PortState>): SwitchState =>
  ({
    vlans: new Map(),
    ports: new Map([['e1', { name: 'e1', leftovers: [], lag: null, ...fields }]]),
  }) as never
const wanted = (...ports: Partial<PortTarget>[]): Target => ({
  vlans: [{ id: 100 }],
  removeVlans: [{ id: 300, name: 'old' }],
  removeLags: new Set([7]),
  ports: new Map(
    ports.map((port) => [
      port.name as string,
      { adminUp: true, group: null, lag: null, ...port } as PortTarget,
    ]),
  ),
})
const toTrunk = wanted({ name: 'e1', membership: trunk })

it.each([
  ['a port of the factory', { membership: { mode: 'access', vlan: 1 }, leftovers: ['trunk VLANs all'] }],
  ['a routed port', { membership: { mode: 'routed' } }],
] as const)('%s that becomes a trunk comes up after it was read back', (_what, fields) => {
  const [first, last] = stagesOf(is(fields), toTrunk, lagName)
  expect(first?.ports.get('e1')).toMatchObject({ membership: trunk, adminUp: false })
  expect(first).toMatchObject({ vlans: [{ id: 100 }], removeVlans: [], removeLags: new Set() })
  expect(last).toBe(toTrunk)
})

it.each([
  ['a port whose list is empty', { membership: { mode: 'access', vlan: 1 } }, toTrunk],
  ['a trunk', { membership: { mode: 'trunk', native: null, tagged: 'all' } }, toTrunk],
  [
    'a port that becomes access',
    { membership: { mode: 'routed' } },
    wanted({ name: 'e1', membership: { mode: 'access', vlan: 100 } }),
  ],
] as const)('%s is changed in one go', (_what, fields, target) => {
  expect(stagesOf(is(fields as Partial<PortState>), target, lagName)).toEqual([target])
})

it('a new LAG gets its members after it was read back, and is up without them', () => {
  const target = wanted(
    { name: 'Port-channel10', membership: trunk, lag: undefined as never, group: 10 },
    { name: 'e1', membership: null, lag: { group: 10, lacp: 'active' } as never },
  )
  const [first, last] = stagesOf(is({ membership: { mode: 'access', vlan: 1 } }), target, lagName)
  expect([...(first?.ports.keys() ?? [])]).toEqual(['Port-channel10'])
  expect(first?.ports.get('Port-channel10')?.adminUp).toBe(true)
  expect(last).toBe(target)
})
