import { afterAll, beforeAll, expect, test } from 'vitest'
import { attachTable } from './report.ts'
import { ours, vlans } from './subjects.ts'
import { type Doors, forkSwitch, type Wanted } from './target.ts'

const nexus = forkSwitch()
let doors: Doors
let wanted: Wanted

beforeAll(async () => {
  doors = await nexus.start({ loginDelayMs: 5, saveDelayMs: 5 })
  wanted = Object.fromEntries(doors.ports.map((port, at) => [port, 100 + (at % vlans.length)]))
})
afterAll(() => nexus.stop())

test.each(ours)('$label: 48 ports at once are one session and one save', async ({ attach }) => {
  await nexus.reset({ vlans })
  expect(await attach(doors, wanted)).toMatchObject({ errors: [] })
  expect(await nexus.look({ wanted })).toEqual({ logins: 1, saves: 1, right: 48, rightWhenRestarted: 48 })
})

test('what is not done, or elsewhere, or not saved, does not count', async () => {
  await nexus.reset({ vlans })
  expect(await nexus.look({ wanted })).toEqual({ logins: 0, saves: 0, right: 0, rightWhenRestarted: 0 })
  const [ssh] = ours
  const [one, two, three] = doors.ports as [string, string, string]
  await ssh?.attach(doors, { [one]: 100, [two]: 101 })
  expect(await nexus.look({ wanted: { [one]: 100, [two]: 102, [three]: 103 } })).toMatchObject({
    right: 1,
    rightWhenRestarted: 1,
  })
})

test('a call that fails is told of', async () => {
  await nexus.reset({ vlans })
  const attached = await ours[0]?.attach(doors, { 'Ethernet1/49': 100 })
  expect(attached?.errors).toHaveLength(1)
})

test('the table says last how many times as long as the first each took', () => {
  const run = (seconds: number, right: number) => ({
    ...{ seconds, errors: [], logins: right, saves: 1, right, rightWhenRestarted: 0 },
  })
  const table = attachTable(
    [
      { label: 'A', runs: [run(0.4, 48), run(0.5, 48), run(0.6, 48)] },
      { label: 'B', runs: [run(10, 47), run(9, 48), run(11, 48)] },
    ],
    48,
  )
  expect(table.split('\n').at(-1)).toBe('| B | 10.0 (9.00–11.0) | 47–48 | 1 | 47–48 | 0 | 0 | **20.0** |')
})
