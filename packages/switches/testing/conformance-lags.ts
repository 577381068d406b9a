/** Link aggregation: made with its members, changed as one, gone with the last of them. */
import { expect, it } from 'vitest'
import type { Lag, PortIntent } from '../types.ts'
import { type Bench, failure } from './bench.ts'
import { intents, tenantVlans } from './intents.ts'
import { watchIsolation } from './oracle.ts'

export function conformLags({ device, open }: Bench): void {
  const lag: Lag = { group: 12, lacp: 'active' }

  it('a LAG is made with its members, moved as one, and gone with the last of them', async () => {
    const one = open()
    if (!one.capabilities.lag) {
      const refused = one.apply({ ports: { [device().ports[0] as string]: intents.access(100, lag) } })
      return expect(await failure(refused)).toMatchObject({ code: 'invalid' })
    }
    const [port = '', other = ''] = device().ports
    const oracle = watchIsolation(device())
    const both = (intent: PortIntent) => ({ [port]: intent, [other]: intent })
    await device().makeDirty(port, 'trunk-all')
    await device().makeDirty(other, 'stale')
    for (const intent of [
      intents.trunk(100, [101, 102], lag),
      intents.access(200, lag),
      intents.trunk(300, [301], {
        ...lag,
        lacp: one.capabilities.lacpPassive === false ? 'active' : 'passive',
      }),
    ]) {
      const wanted = { vlans: tenantVlans, ports: both(intent) }
      oracle.expect(wanted.ports)
      await one.apply(wanted)
      expect(await one.apply(wanted)).toMatchObject({ changes: [] })
      const { ports } = await one.read([port, other])
      for (const name of [port, other])
        expect(ports.get(name)?.lag).toEqual(intent.mode === 'idle' ? null : intent.lag)
    }
    expect(device().seen(port)).toMatchObject({ untagged: 300, tagged: [301] })
    expect(device().seen(other)).toMatchObject({ untagged: 300, tagged: [301] })
    oracle.expect({ [port]: intents.access(100) })
    await one.apply({ ports: { [port]: intents.access(100) } })
    expect(device().seen(port)).toMatchObject({ untagged: 100, tagged: [] })
    oracle.expect({ [other]: intents.idle() })
    await one.apply({ ports: { [other]: intents.idle() } })
    const { ports } = await one.read()
    expect([...ports.values()].filter((state) => state.lag?.group === lag.group)).toEqual([])
    expect(await one.apply({ ports: { [other]: intents.idle() } })).toMatchObject({ changes: [] })
    expect(oracle.violations).toEqual([])
  })

  it('members of one LAG that are wanted differently are refused', async () => {
    const one = open()
    if (!one.capabilities.lag) return
    const [port = '', other = ''] = device().ports
    const ports = { [port]: intents.access(100, lag), [other]: intents.access(200, lag) }
    expect(await failure(one.apply({ vlans: tenantVlans, ports }))).toMatchObject({ code: 'invalid' })
  })

  it('a LAG that fails half way leaves nothing behind', async () => {
    const one = open()
    if (!one.capabilities.lag) return
    const [port = '', other = ''] = device().ports
    await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100), [other]: intents.idle() } })
    const before = device().config()
    device().faults.refuse = ({ line }) =>
      /channel-group|bond|member/.test(line) ? 'ERROR: no more groups' : undefined
    const trunk = intents.trunk(200, [201], lag)
    const error = await failure(one.apply({ ports: { [port]: trunk, [other]: trunk } }))
    expect(error).toMatchObject({ restored: true })
    expect(device().config()).toBe(before)
  })
}
