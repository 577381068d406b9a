import { expect, it } from 'vitest'
import { openSwitch } from '../switch.ts'
import { conform } from '../testing/conformance.ts'
import { guard, intents, tenantVlans } from '../testing/intents.ts'
import { startNexus } from '../testing/nxos/simulator.ts'

conform('cisco-nxos over SSH', { start: () => startNexus() })
conform('cisco-nxos over NX-API', {
  start: async () => {
    const nexus = await startNexus()
    return { ...nexus, target: nexus.nxapi }
  },
})

it('without a checkpoint nothing is changed, nothing is rolled back to an older one, and the next change goes', async () => {
  const nexus = await startNexus()
  const one = openSwitch(nexus.target(), { guard: guard(nexus) })
  const [port = ''] = nexus.ports
  await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
  const before = nexus.config()
  const wanted = { ports: { [port]: intents.access(200) } }
  for (const line of ['no checkpoint leasehold', 'checkpoint leasehold'])
    for (const fault of ['refuse', 'drop'] as const) {
      let struck = false
      const strikes = (said: string) => {
        const now = !struck && said === line
        struck ||= now
        return now
      }
      // Dropping a checkpoint that is not there is refused on a sound switch too.
      const harmless = fault === 'refuse' && line.startsWith('no ')
      if (fault === 'drop') nexus.faults.drop = (said) => strikes(said.line)
      else nexus.faults.refuse = (said) => (strikes(said.line) ? 'ERROR: no space' : undefined)
      if (!harmless) {
        await expect(one.apply(wanted)).rejects.toMatchObject({ restored: true })
        expect(nexus.config()).toBe(before)
      }
      delete nexus.faults[fault]
    }
  expect(nexus.lines.filter((line) => line.startsWith('rollback'))).toEqual([])
  await one.apply(wanted)
  expect(nexus.seen(port).untagged).toBe(200)
  await one.close()
  await nexus.close()
})

it('a refusal to enter or leave configuration mode is an error, and no line is said in the wrong mode after it', async () => {
  const nexus = await startNexus()
  const one = openSwitch(nexus.target(), { guard: guard(nexus) })
  const [port = ''] = nexus.ports
  await one.apply({ vlans: tenantVlans, ports: { [port]: intents.access(100) } })
  const before = nexus.config()
  for (const refused of ['configure terminal', 'end']) {
    let struck = false
    nexus.faults.refuse = ({ line }) => {
      if (struck || line !== refused) return undefined
      struck = true
      return '% Permission denied'
    }
    const error = await one
      .apply({ ports: { [port]: intents.access(200) } })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'rejected', line: refused, restored: true })
    expect(nexus.config()).toBe(before)
    await one.read()
  }
  await one.close()
  await nexus.close()
})
