/** The place for a VIF: each preference by itself, then all of them on any node. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choosePort } from './choose-port.ts'

const port = (uuid: string, own: Record<string, unknown> = {}) => ({
  uuid,
  portgroup_uuid: null as string | null,
  physical_network: null as string | null,
  pxe_enabled: true,
  internal_info: {} as Record<string, unknown>,
  ...own,
})
const group = (uuid: string, vif?: string) => ({
  uuid,
  internal_info: vif ? { tenant_vif_port_id: vif } : {},
})
const carrying = (vif: string) => ({ internal_info: { tenant_vif_port_id: vif } })
const networks = (...names: string[]) => new Set(names)

describe('a VIF goes', () => {
  it('to a port with a fitting physical network before one without', () => {
    const ports = [port('any'), port('a', { physical_network: 'net-a' })]
    expect(choosePort(ports, [], { id: 'v' }, networks('net-a'))).toEqual({ kind: 'port', uuid: 'a' })
    expect(choosePort(ports, [], { id: 'v' }, networks('net-b'))).toEqual({ kind: 'port', uuid: 'any' })
  })

  it('to a group before a port, and to a port that boots before one that does not', () => {
    const ports = [
      port('cold', { pxe_enabled: false }),
      port('warm'),
      port('member', { portgroup_uuid: 'g' }),
    ]
    expect(choosePort(ports, [group('g')], { id: 'v' }, null)).toEqual({ kind: 'portgroup', uuid: 'g' })
    expect(choosePort(ports, [group('g', 'other')], { id: 'v' }, null)).toEqual({
      kind: 'port',
      uuid: 'warm',
    })
  })

  it('by the physical network first, whatever else speaks for another', () => {
    const ports = [
      port('m', { portgroup_uuid: 'g' }),
      port('p', { physical_network: 'a', pxe_enabled: false }),
    ]
    expect(choosePort(ports, [group('g')], { id: 'v' }, networks('a'))).toEqual({ kind: 'port', uuid: 'p' })
  })

  it('to single ports of a group of which one carries a VIF', () => {
    const ports = [port('a', { portgroup_uuid: 'g', ...carrying('w') }), port('b', { portgroup_uuid: 'g' })]
    expect(choosePort(ports, [group('g')], { id: 'v' }, null)).toEqual({ kind: 'port', uuid: 'b' })
  })

  it('where it is told to, if that is free', () => {
    const ports = [port('a'), port('b'), port('m', { portgroup_uuid: 'g' })]
    expect(choosePort(ports, [group('g')], { id: 'v', port_uuid: 'b' }, null).uuid).toBe('b')
    expect(choosePort(ports, [group('g')], { id: 'v', portgroup_uuid: 'g' }, null).uuid).toBe('g')
    expect(() => choosePort([port('b', carrying('w'))], [], { id: 'v', port_uuid: 'b' }, null)).toThrow(
      'No free port',
    )
    expect(() => choosePort(ports, [group('g')], { id: 'v', port_uuid: 'm' }, null)).toThrow('No free port')
  })

  it('nowhere twice, nor to a group without ports', () => {
    expect(() => choosePort([port('a', carrying('v'))], [], { id: 'v' }, null)).toThrow('attached to a')
    expect(() => choosePort([port('a')], [group('g', 'v')], { id: 'v' }, null)).toThrow('attached to g')
    expect(() => choosePort([], [group('g')], { id: 'v' }, null)).toThrow('No free port')
  })
})

it('is always free, fits the network and is never bettered', () => {
  const anyPort = fc.record({
    portgroup_uuid: fc.constantFrom(null, 'g1', 'g2'),
    physical_network: fc.constantFrom(null, 'a', 'b'),
    pxe_enabled: fc.boolean(),
    internal_info: fc.constantFrom({}, { tenant_vif_port_id: 'w' }),
  })
  const check = fc.property(
    fc.array(anyPort, { maxLength: 6 }),
    fc.constantFrom(undefined, 'x'),
    (rows, taken) => {
      const ports = rows.map((row, index) => ({ uuid: `p${index}`, ...row }))
      const groups = [group('g1', taken), group('g2')]
      const allowed = networks('a')
      const usable = (each: { physical_network: string | null }) => each.physical_network !== 'b'
      try {
        const { kind, uuid } = choosePort(ports, groups, { id: 'v' }, allowed)
        const members =
          kind === 'port'
            ? ports.filter((each) => each.uuid === uuid)
            : ports.filter((each) => each.portgroup_uuid === uuid)
        expect(members.length).toBeGreaterThan(0)
        expect(usable(members[0] as (typeof ports)[number])).toBe(true)
        for (const member of members) expect(member.internal_info).toEqual({})
        if (uuid === 'g1') expect(taken).toBeUndefined()
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid' })
        // Nothing was left: no single port was free and fitting.
        expect(
          ports.filter(
            (each) =>
              each.portgroup_uuid === null && usable(each) && !('tenant_vif_port_id' in each.internal_info),
          ),
        ).toEqual([])
      }
    },
  )
  fc.assert(check)
})
