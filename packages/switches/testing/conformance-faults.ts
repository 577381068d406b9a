/** No false success: whatever goes wrong is an error that names it, and the switch is as it was. */
import { expect, it } from 'vitest'
import type { Wanted } from '../types.ts'
import { type Bench, failure } from './bench.ts'
import { intents, tenantVlans } from './intents.ts'
import { watchIsolation } from './oracle.ts'

export function conformFaults({ device, open }: Bench, passwords: boolean): void {
  const setUp = async () => {
    const one = open({ commandTimeoutMs: 1_500, saveTimeoutMs: 1_500, connectTimeoutMs: 3_000 })
    const [port = '', other = '', third = ''] = device().ports
    await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100), [other]: intents.idle() } })
    const wanted: Wanted = { ports: { [port]: intents.access(200) } }
    return { one, port, other, third, wanted, before: device().config(), oracle: watchIsolation(device()) }
  }

  it('a refused line is an error with the line and the words of the switch, and nothing is left of the change', async () => {
    const { one, port, wanted, before, oracle } = await setUp()
    oracle.expect(wanted.ports ?? {})
    device().faults.refuse = (said) => (device().isAbout(said, port) ? 'ERROR: not today' : undefined)
    const error = await failure(one.apply(wanted))
    expect(error).toMatchObject({ code: 'rejected', port, restored: true })
    expect(error.reply).toContain('not today')
    expect(error.line).toBeTruthy()
    expect(device().config()).toBe(before)
    expect(oracle.violations).toEqual([])
  })

  it('a line that was accepted and not done is found by reading back', async () => {
    const { one, port, wanted, before } = await setUp()
    device().faults.ignore = (said) => device().isAbout(said, port)
    const error = await failure(one.apply(wanted))
    expect(error).toMatchObject({ code: 'not-verified', restored: true })
    expect(error.differences).toContainEqual({
      what: port,
      field: 'membership',
      is: 'access 100',
      wanted: 'access 200',
    })
    expect(device().config()).toBe(before)
  })

  it('a session that breaks in the middle is an error, and the switch is put back over a new one', async () => {
    const { one, port, wanted, before } = await setUp()
    let broken = false
    device().faults.drop = (said) => {
      const now = !broken && device().isAbout(said, port)
      broken ||= now
      return now
    }
    const error = await failure(one.apply(wanted))
    expect(error).toMatchObject({ code: 'unreachable', restored: true })
    expect(device().config()).toBe(before)
    await one.apply(wanted)
    expect(device().seen(port).untagged).toBe(200)
  })

  it('a switch that falls silent is a timeout, and is put back', async () => {
    const { one, port, wanted, before } = await setUp()
    let silent = false
    device().faults.hang = (said) => {
      const now = !silent && device().isAbout(said, port)
      silent ||= now
      return now
    }
    const error = await failure(one.apply(wanted))
    expect(error).toMatchObject({ code: 'timeout', restored: true })
    expect(device().config()).toBe(before)
  }, 20_000)

  it('a wrong password and an unknown host key are told apart, and nothing is sent', async () => {
    const { writes } = device().counts
    if (passwords) {
      const stranger = open({}, { password: 'wrong' })
      expect(await failure(stranger.read())).toMatchObject({ code: 'auth' })
    }
    const trust = { hostKeys: ['SHA256:somebodyElse'], certificates: ['00'.repeat(32)] }
    const changed = open({}, { trust })
    expect(await failure(changed.read())).toMatchObject({ code: 'host-key' })
    expect(await failure(open({}, { trust: {} }).read())).toMatchObject({ code: 'invalid' })
    expect(device().counts.writes).toBe(writes)
  })

  it('a switch that cannot be reached is not tried again at once, and is when the time has come', async () => {
    const one = open({ breakerFailures: 1, breakerOpenMs: 200 }, { port: 1 })
    const { logins } = device().counts
    await failure(one.read())
    expect((await failure(one.read())).message).toContain('not tried again before')
    await expect
      .poll(async () => (await failure(one.read())).message, { timeout: 5_000 })
      .not.toContain('not tried again before')
    expect(device().counts.logins).toBe(logins)
  })

  it('one bad port fails alone', async () => {
    const { one, port, other, third } = await setUp()
    device().faults.refuse = (said) => (device().isAbout(said, other) ? 'ERROR: not this one' : undefined)
    const [first, second, last] = await Promise.allSettled(
      [port, other, third].map((name) =>
        one.apply({ vlans: tenantVlans, ports: { [name]: intents.access(300) } }),
      ),
    )
    expect(first?.status).toBe('fulfilled')
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'rejected', port: other } })
    expect(last?.status).toBe('fulfilled')
    expect(device().seen(port).untagged).toBe(300)
    expect(device().seen(third).untagged).toBe(300)
    expect(device().seen(other).untagged).not.toBe(300)
  })

  it('a failed save is an error: an attached port is taken back, a port on its way out stays out', async () => {
    const { one, port, wanted, before } = await setUp()
    if (!one.capabilities.save) return expect(device().saved()).toBe(before)
    device().faults.failSave = true
    expect(await failure(one.apply(wanted))).toMatchObject({ code: 'save-failed', restored: true })
    expect(device().config()).toBe(before)
    const detach: Wanted = { ports: { [port]: intents.idle() } }
    expect(await failure(one.apply(detach))).toMatchObject({ code: 'save-failed', restored: false })
    expect(device().seen(port)).toMatchObject({ untagged: null, tagged: [] })
    device().faults.failSave = false
    expect(await one.apply(detach)).toMatchObject({ changes: [], saved: true })
    expect(device().saved()).toBe(device().config())
  })

  it('slow logins, slow saves and a pager that does not listen change nothing', async () => {
    Object.assign(device().faults, { loginDelayMs: 100, saveDelayMs: 100, pager: 7 })
    const one = open()
    const [port = ''] = device().ports
    await one.apply({ vlans: tenantVlans, ports: { [port]: intents.trunk(100, [101]) } })
    expect(device().seen(port)).toMatchObject({ untagged: 100, tagged: [101] })
  })
}
