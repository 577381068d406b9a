/** Denied by default: nothing is sent for what is not listed, not there, reserved or no name at all. */
import { expect, it } from 'vitest'
import type { PortIntent, Wanted } from '../types.ts'
import { type Bench, failure } from './bench.ts'
import { guard, intents, quarantine, tenantVlans } from './intents.ts'

export function conformGuards({ device, open }: Bench): void {
  it('ports and VLANs that are not listed, not there or reserved are refused by name, and nothing is written', async () => {
    const [port = '', other = ''] = device().ports
    const one = open()
    await one.apply({ vlans: tenantVlans })
    const narrow = open({ guard: { ...guard(device()), ports: [other] } })
    const { writes } = device().counts
    const refused: [string, Promise<unknown>][] = [
      ['not-allowed', narrow.apply({ ports: { [port]: intents.access(100) } })],
      ['not-allowed', one.apply({ ports: { [port]: intents.access(555) } })],
      ['not-allowed', one.apply({ vlans: [{ id: 555, name: 'else' }] })],
      ['not-allowed', one.apply({ ports: { [port]: intents.access(100, { group: 99, lacp: 'active' }) } })],
      ['unknown-port', one.apply({ ports: { 'no such port': intents.access(100) } })],
      ['unknown-port', one.read(['no such port'])],
      ['invalid', one.apply({ ports: { [port]: intents.access(4095) } })],
      ['invalid', one.apply({ ports: { [port]: intents.trunk(100, [100]) } })],
    ]
    if (device().protectedPort !== undefined)
      refused.push([
        'not-allowed',
        one.apply({ ports: { [device().protectedPort as string]: intents.access(100) } }),
      ])
    if (one.capabilities.vlans === 'explicit')
      refused.push(['missing-vlan', one.apply({ ports: { [port]: intents.access(400) } })])
    for (const [code, promise] of refused) expect(await failure(promise)).toMatchObject({ code })
    expect(device().counts.writes).toBe(writes)
  })

  it('no name or description can end a line or begin another', async () => {
    const one = open()
    const [port = ''] = device().ports
    const { writes, logins } = device().counts
    const evil = [
      'a\nno shutdown',
      'a\r',
      'a;b',
      'a|b',
      'a"b',
      "a'b",
      'a`b',
      'a\u0007b',
      'a?b',
      'a!b',
      '$(a)',
      'é',
      ' a',
    ]
    for (const text of evil) {
      const described: PortIntent = { mode: 'idle', quarantine, stpEdge: false, description: text }
      const wishes: Wanted[] = [
        { vlans: [{ id: 100, name: text }] },
        { ports: { [port]: described } },
        { ports: { [`${port}${text}`]: intents.idle() } },
      ]
      for (const wish of wishes)
        expect(['invalid', 'unknown-port']).toContain((await failure(one.apply(wish))).code)
    }
    expect(device().counts).toMatchObject({ writes, logins })
  })

  it('a VLAN is removed only if it bears our name and no port uses it', async () => {
    const one = open()
    if (one.capabilities.vlans === 'implicit') return expect((await one.read()).vlans.size).toBe(0)
    const [port = ''] = device().ports
    await one.apply({
      vlans: [...tenantVlans, { id: 108, name: 'ours' }],
      ports: { [port]: intents.access(108) },
    })
    const remove = (name: string) => one.apply({ removeVlans: [{ id: 108, name }] })
    expect(await failure(remove('theirs'))).toMatchObject({ code: 'not-allowed' })
    expect(await failure(remove('ours'))).toMatchObject({ code: 'not-allowed' })
    await one.apply({ ports: { [port]: intents.idle() }, removeVlans: [{ id: 108, name: 'ours' }] })
    expect((await one.read()).vlans.has(108)).toBe(false)
    expect(await remove('ours')).toMatchObject({ changes: [] })
  })
}
