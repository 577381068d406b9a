import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import { failure } from '../testing/bench.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents } from '../testing/intents.ts'
import { type Cumulus, startCumulus } from '../testing/nvue/simulator.ts'
import { avoidTraps } from '../testing/traps.ts'
import type { Switch } from '../types.ts'

conform('cumulus over NVUE', { start: () => startCumulus() })
avoidTraps('cumulus', () => startCumulus())

describe('a revision of a Cumulus switch', () => {
  let device: Cumulus
  let one: Switch
  beforeEach(async () => {
    device = await startCumulus({ applyMs: 80 })
    one = openSwitch(device.target(), { guard: guard(device) })
    await one.apply({ ports: { swp1: intents.access(100) } })
    device.requests.splice(0)
  })
  afterEach(async () => {
    await one.close()
    await device.close()
  })

  it('is waited for until it is in force', async () => {
    await one.apply({ ports: { swp1: intents.access(200) } })
    expect(device.seen('swp1').untagged).toBe(200)
    const polls = device.requests.filter((line) => /^GET \/nvue_v1\/revision\/changeset%2F/.test(line))
    expect(polls.length).toBeGreaterThan(1)
  })

  it.each([
    ['invalid', 'Config invalid at interface.swp1: no'],
    ['apply_fail', 'ifreload failed'],
    ['apply_error', 'nvued died'],
    ['ays_fail', 'Timeout while waiting for client response'],
  ])('that ends as %s is an error with the words of its issue', async (state, message) => {
    const before = device.config()
    device.failApply(state, message)
    expect(await failure(one.apply({ ports: { swp1: intents.access(200) } }))).toMatchObject({
      code: 'rejected',
      reply: message,
      restored: true,
    })
    expect(device.config()).toBe(before)
  })

  it('that comes to rest in a state nobody knows is no success', async () => {
    device.failApply('detached', '')
    expect(await failure(one.apply({ ports: { swp1: intents.access(200) } }))).toMatchObject({
      code: 'rejected',
      restored: true,
    })
  })

  it('of somebody else that is being applied is waited for before anything is read', async () => {
    const other = openSwitch(device.target(), { guard: guard(device) })
    const theirs = other.apply({ ports: { swp2: intents.access(300) } })
    await expect.poll(() => device.requests.some((line) => line.includes('"state":"apply"'))).toBe(true)
    const { ports } = await one.read(['swp2'])
    expect(ports.get('swp2')?.membership).toEqual({ mode: 'access', vlan: 300 })
    await theirs
    await other.close()
  })

  it('takes the VLANs of a change that failed out of the bridge again, and no others', async () => {
    device.failApply('apply_fail', 'no')
    await failure(one.apply({ ports: { swp1: intents.trunk(200, [201]) } }))
    expect(Object.keys(device.tree().bridge.domain.br_default?.vlan ?? {})).toEqual(['1', '100'])
  })

  it('is not made for ports of the peer link or of bonds that operators named', async () => {
    device.tree().interface.storage = { type: 'bond', bond: { member: { swp3: {} } } }
    const wish = one.apply({ ports: { swp3: intents.access(100) } })
    expect((await failure(wish)).message).toContain('member of storage')
  })
})
