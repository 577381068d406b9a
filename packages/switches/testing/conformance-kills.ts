/** A process that is killed, really, in the middle of a change: what the next one makes of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Wanted } from '../types.ts'
import type { Bench } from './bench.ts'
import type { Said } from './device.ts'
import { fileJournal } from './file-journal.ts'
import { guard, intents, tenantVlans } from './intents.ts'
import { watchIsolation } from './oracle.ts'

/** `parks`: a port on its way is put where it hears nobody first, and is still there after a kill. */
export function conformKills({ device, open }: Bench, parks: boolean): void {
  const journalPath = () => join(mkdtempSync(join(tmpdir(), 'switch-journal-')), 'entry')

  /** Has another process make a change, and kills it when the switch is told what is to be the last thing it hears. */
  async function killAt(last: (said: Said) => boolean, wanted: Wanted, journal: string): Promise<void> {
    const heard = Promise.withResolvers<void>()
    device().faults.hang = (said) => {
      if (!last(said)) return false
      heard.resolve()
      return true
    }
    const order = JSON.stringify({ target: device().target(), guard: guard(device()), wanted, journal })
    const script = new URL('./killed.ts', import.meta.url).pathname
    const child: ChildProcess = spawn(process.execPath, [script, order], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const exited = once(child, 'exit')
    const early = exited.then(() => Promise.reject(new Error('it ended before it could be killed')))
    try {
      await Promise.race([heard.promise, early])
    } finally {
      early.catch(() => undefined)
      child.kill('SIGKILL')
      await exited
      device().faults.hang = undefined
    }
  }

  const setUp = async () => {
    const [port = '', other = ''] = device().ports
    const one = open()
    await one.apply({
      vlans: tenantVlans.slice(1),
      ports: { [port]: intents.access(200) },
    })
    await one.close()
    const attach: Wanted = {
      vlans: tenantVlans,
      ports: { [port]: intents.access(100), [other]: intents.trunk(100, [101]) },
    }
    return { port, other, attach, before: device().config(), journal: journalPath() }
  }

  it('a change whose process is killed is taken back by the next, before anything else', async () => {
    const { port, other, attach, before, journal } = await setUp()
    const oracle = watchIsolation(device())
    oracle.expect(attach.ports ?? {})
    await killAt((said) => device().isAbout(said, other), attach, journal)
    const next = open({ journal: fileJournal(journal) })
    await next.read()
    if (parks) expect(device().seen(port)).toMatchObject({ untagged: null, tagged: [] })
    else expect(device().config()).toBe(before)
    await expect.poll(() => fileJournal(journal).read()).toBe(null)
    if (next.capabilities.save) expect(device().saved()).toBe(device().config())
    await next.apply(attach)
    expect(device().seen(port).untagged).toBe(100)
    expect(oracle.violations).toEqual([])
  })

  it('a port on its way out of a network stays out, whoever is killed', async () => {
    const { port, other, journal } = await setUp()
    const detach: Wanted = { ports: { [port]: intents.idle(), [other]: intents.access(300) } }
    const oracle = watchIsolation(device())
    oracle.expect(detach.ports ?? {})
    const left = () => device().seen(port).untagged !== 200
    await killAt((said) => left() || device().isAbout(said, other), detach, journal)
    const out = left()
    await open({ journal: fileJournal(journal) }).read()
    if (out) expect(device().seen(port).untagged).toBe(null)
    const next = open({ journal: fileJournal(journal) })
    await next.apply(detach)
    expect(device().seen(port).untagged).toBe(null)
    expect(oracle.violations).toEqual([])
  })

  it('what a killed process had not saved is saved by the next', async () => {
    const { attach, journal } = await setUp()
    if (!open().capabilities.save) return expect(device().saved()).toBe(device().config())
    await killAt(({ line }) => /\bcopy\b|copy-config|write|\bsave\b/i.test(line), attach, journal)
    expect(device().saved()).not.toBe(device().config())
    await open({ journal: fileJournal(journal) }).read()
    await expect.poll(() => device().saved()).toBe(device().config())
    expect(device().seen(device().ports[0] ?? '').untagged).toBe(100)
    await expect.poll(() => fileJournal(journal).read()).toBe(null)
  })

  it('a change that cannot be written down is not made', async () => {
    const { port, attach, before } = await setUp()
    const journal = { read: async () => null, write: () => Promise.reject(new Error('no database')) }
    const { counts } = device()
    const { saves } = counts
    await expect(open({ journal }).apply(attach)).rejects.toMatchObject({ code: 'busy', restored: true })
    expect(device().config()).toBe(before)
    expect(device().seen(port).untagged).toBe(200)
    expect(counts.saves).toBe(saves)
  })
}
