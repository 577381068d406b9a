/** A process that is killed in the middle of its work leaves nothing stuck, and nothing done is done again. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { createProvisioner, type Provisioner, type Verb } from './index.ts'
import { type ConductorProcess, startProcess } from './testing/child.ts'
import { effects, enrol, scriptedHardware } from './testing/machines.ts'
import { historyOf, readNode, settled, until } from './testing/nodes.ts'

let store: Store
let directory: string
/** Takes orders only: the conductors are other processes. */
let desk: Provisioner
const caller = { userId: 'alice', projectId: 'acme' }
const conductors: ConductorProcess[] = []

beforeAll(async () => {
  store = await testStore()
  directory = await mkdtemp(join(tmpdir(), 'leasehold-kill-'))
  desk = createProvisioner({
    ...store,
    databaseUrl: store.url,
    hardware: scriptedHardware(async () => undefined),
    config: defaultConfig({ 'conductor.lock_attempts': 1 }),
    log: pino({ level: 'silent' }),
  })
})
afterAll(async () => {
  await Promise.all(conductors.map((each) => each.kill()))
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const start = async (file: string, name: string, settings: Record<string, unknown>) => {
  const conductor = await startProcess(store.url, join(directory, file), name, settings)
  conductors.push(conductor)
  return conductor
}

interface Line {
  process: string
  uuid: string
  point: string
  effect: string
}
const linesOf = async (file: string): Promise<Line[]> =>
  (await readFile(join(directory, file), 'utf8').catch(() => ''))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [process = '', uuid = '', point = '', effect = ''] = line.split(' ')
      return { process, uuid, point, effect }
    })

/** Effects that history says are done. */
const doneOf = async (uuid: string): Promise<string[]> =>
  (await historyOf(store.db, uuid)).map(({ event }) => event).filter((event) => / done\.$/.test(event))

/** What history calls an effect. */
const told: Record<string, string> = {
  'power.getState': 'Reading the power state: done.',
  'management.check': 'Verify step management.check: done.',
  'deploy.erase_metadata': 'Clean step deploy.erase_metadata: done.',
  'deploy.erase': 'Clean step deploy.erase: done.',
  'deploy.prepare': 'Deploy step deploy.prepare: done.',
  'deploy.write': 'Deploy step deploy.write: done.',
  'deploy.boot': 'Deploy step deploy.boot: done.',
  'power.off': 'Power off: done.',
  'power.on': 'Changing power to "power on": done.',
  'inspect.inspect': 'Inspection: done.',
  'rescue.rescue': 'Rescue: done.',
  'rescue.unrescue': 'Unrescue: done.',
}

const journeys: readonly { verb: Verb; from: string; ends: string; effects: readonly string[] }[] = [
  { verb: 'active', from: 'available', ends: 'active', effects: effects.active },
  { verb: 'manage', from: 'enroll', ends: 'manageable', effects: effects.manage },
  { verb: 'provide', from: 'manageable', ends: 'available', effects: effects.provide },
  { verb: 'deleted', from: 'active', ends: 'available', effects: effects.deleted },
  { verb: 'inspect', from: 'manageable', ends: 'manageable', effects: effects.inspect },
  { verb: 'rescue', from: 'active', ends: 'rescue', effects: effects.rescue },
  { verb: 'unrescue', from: 'rescue', ends: 'active', effects: effects.unrescue },
]

describe('kill -9 at each step, then a restart', () => {
  const points = ['start', 'middle', 'end']
  const cases = journeys.flatMap((journey) =>
    journey.effects.flatMap((effect) => points.map((point) => ({ ...journey, effect, point, uuid: '' }))),
  )
  const powerCases = points.map((point) => ({ point, effect: 'power.on', uuid: '' }))
  let before: Line[] = []
  const recorded = new Map<string, string[]>()

  beforeAll(async () => {
    const settings = { 'conductor.host': 'phoenix' }
    const first = await start('steps', 'first', settings)
    const enrolAt = (each: { point: string; effect: string }, state: string) =>
      enrol(store.db, {
        provision_state: state,
        power_state: each.effect === 'power.off' ? 'power on' : null,
        driver_info: { hang: `${each.point}:${each.effect}`, hang_in: 'first' },
      })
    for (const each of cases) {
      each.uuid = await enrolAt(each, each.from)
      const node = await readNode(store.db, each.uuid)
      const options = each.verb === 'rescue' ? { rescuePassword: 'sesame' } : {}
      await desk.begin({ node, verb: each.verb, caller, options })
    }
    for (const each of powerCases) {
      each.uuid = await enrolAt(each, 'active')
      await desk.setPower({ node: await readNode(store.db, each.uuid), target: 'power on', caller })
    }
    await until('every node hangs where it should', async () => {
      const lines = await linesOf('steps')
      return [...cases, ...powerCases].every(({ uuid, point, effect }) =>
        lines.some((line) => line.uuid === uuid && line.point === point && line.effect === effect),
      )
    })
    await first.kill()
    before = await linesOf('steps')
    for (const { uuid } of [...cases, ...powerCases]) recorded.set(uuid, await doneOf(uuid))
    await start('steps', 'second', settings)
  }, 60_000)

  it.each(cases)(
    '$verb killed at the $point of $effect ends well, and repeats nothing done',
    async (each) => {
      const node = await settled(store.db, each.uuid)
      expect(node).toMatchObject({
        provision_state: each.ends,
        reservation: null,
        workflow_id: null,
        work: null,
        last_error: null,
      })
      expectOnce(each.uuid, each.effects, await linesOf('steps'))
      const events = (await historyOf(store.db, each.uuid)).map(({ event }) => event)
      for (const effect of each.effects)
        expect(events.filter((event) => event === told[effect])).toHaveLength(1)
      expect(events.some((event) => event.startsWith('Conductor phoenix goes on with'))).toBe(true)
      expect(events.at(-1)).toMatch(new RegExp(`^Moved from .* to ${each.ends}\\.$`))
    },
  )

  it.each(powerCases)('a power change killed at its $point ends well', async (each) => {
    const node = await settled(store.db, each.uuid)
    expect(node).toMatchObject({
      provision_state: 'active',
      power_state: 'power on',
      target_power_state: null,
      reservation: null,
      last_error: null,
    })
    expectOnce(each.uuid, [each.effect], await linesOf('steps'))
  })

  /** Every effect reached its end; those on record at the kill did not begin again, those before the kill's did not. */
  function expectOnce(uuid: string, expected: readonly string[], lines: Line[]) {
    const mine = lines.filter((line) => line.uuid === uuid)
    for (const effect of expected) {
      const begun = mine.filter((line) => line.effect === effect && line.point === 'start')
      const wasRecorded = recorded.get(uuid)?.includes(told[effect] ?? effect)
      const hadBegun = before.some((line) => line.uuid === uuid && line.effect === effect)
      expect(begun, effect).toHaveLength(hadBegun && !wasRecorded ? 2 : 1)
      expect(mine.some((line) => line.effect === effect && line.point === 'end')).toBe(true)
    }
    // Only the effect that was under way at the kill may have begun twice.
    const repeated = expected.filter(
      (effect) => mine.filter((line) => line.effect === effect && line.point === 'start').length > 1,
    )
    expect(repeated.length).toBeLessThanOrEqual(1)
  }
})

it('killed at any moment, four times in a row, under load: no node is stuck and nothing on record is repeated', async () => {
  const settings = { 'conductor.host': 'hydra', 'conductor.group': 'hydra' }
  const uuids: string[] = []
  for (let index = 0; index < 24; index++)
    uuids.push(
      await enrol(store.db, {
        provision_state: 'available',
        conductor_group: 'hydra',
        driver_info: { half_ms: 5 + (index % 7) * 8 },
      }),
    )
  const recorded = new Map<string, string[]>()
  let conductor = await start('load', 'life0', settings)
  for (const uuid of uuids) {
    await desk.begin({ node: await readNode(store.db, uuid), verb: 'active', caller })
  }
  for (let life = 1; life <= 4; life++) {
    await sleep(40 + Math.random() * 120)
    await conductor.kill()
    const before = await linesOf('load')
    for (const uuid of uuids) recorded.set(`${life} ${uuid}`, await doneOf(uuid))
    conductor = await start('load', `life${life}`, settings)
    expect(before.length).toBeGreaterThan(0)
  }
  for (const uuid of uuids)
    expect(await settled(store.db, uuid)).toMatchObject({ provision_state: 'active', last_error: null })
  const lines = await linesOf('load')
  for (let life = 1; life <= 4; life++)
    for (const uuid of uuids)
      for (const effect of effects.active)
        if (recorded.get(`${life} ${uuid}`)?.includes(told[effect] ?? ''))
          expect(
            lines.filter(
              (line) => line.process === `life${life}` && line.uuid === uuid && line.effect === effect,
            ),
          ).toHaveLength(0)
  await conductor.stop()
}, 60_000)

it('another conductor takes over the work of a dead one', async () => {
  const quick = {
    'conductor.heartbeat_seconds': 1,
    'conductor.liveness_seconds': 2,
    'conductor.group': 'pair',
  }
  const dying = await start('pair', 'dying', { ...quick, 'conductor.host': 'dying' })
  const uuid = await enrol(store.db, {
    provision_state: 'available',
    conductor_group: 'pair',
    driver_info: { hang: 'middle:deploy.write', hang_in: 'dying' },
  })
  await desk.begin({ node: await readNode(store.db, uuid), verb: 'active', caller })
  await until('the step hangs', async () =>
    (await linesOf('pair')).some((line) => line.point === 'middle' && line.effect === 'deploy.write'),
  )
  const heir = await start('pair', 'heir', { ...quick, 'conductor.host': 'heir' })
  await dying.kill()
  expect(await settled(store.db, uuid)).toMatchObject({ provision_state: 'active', last_error: null })
  const lines = await linesOf('pair')
  expect(
    lines
      .filter((line) => line.effect === 'deploy.prepare' && line.point === 'start')
      .map((line) => line.process),
  ).toEqual(['dying'])
  expect(
    lines
      .filter((line) => line.effect === 'deploy.write' && line.point === 'end')
      .map((line) => line.process),
  ).toEqual(['heir'])
  expect((await historyOf(store.db, uuid)).some(({ event_type }) => event_type === 'takeover')).toBe(true)
  await heir.stop()
}, 30_000)

it('a conductor stops within two seconds in the middle of a step, which goes on at the next start', async () => {
  const settings = { 'conductor.host': 'napper', 'conductor.group': 'nap' }
  const first = await start('nap', 'first', settings)
  const uuid = await enrol(store.db, {
    provision_state: 'available',
    conductor_group: 'nap',
    driver_info: { hang: 'middle:deploy.write', hang_in: 'first' },
  })
  await desk.begin({ node: await readNode(store.db, uuid), verb: 'active', caller })
  await until('the step hangs', async () =>
    (await linesOf('nap')).some((line) => line.point === 'middle' && line.effect === 'deploy.write'),
  )
  expect(await first.stop()).toBeLessThan(2_000)
  expect(await readNode(store.db, uuid)).toMatchObject({ provision_state: 'deploying', last_error: null })
  const second = await start('nap', 'second', settings)
  expect(await settled(store.db, uuid)).toMatchObject({ provision_state: 'active', last_error: null })
  await second.stop()
}, 30_000)

it('work that has killed its process ten times is given up, and says so', async () => {
  const settings = { 'conductor.host': 'cursed', 'conductor.group': 'cursed' }
  const first = await start('cursed', 'first', settings)
  const uuid = await enrol(store.db, {
    provision_state: 'available',
    conductor_group: 'cursed',
    driver_info: { hang: 'start:deploy.prepare', hang_in: 'first' },
  })
  await desk.begin({ node: await readNode(store.db, uuid), verb: 'active', caller })
  await until('the step hangs', async () => (await linesOf('cursed')).length > 0)
  await first.kill()
  await sql`UPDATE nodes SET work = work || '{"deaths": 10}'::jsonb WHERE uuid = ${uuid}`.execute(store.db)
  const second = await start('cursed', 'second', settings)
  const node = await settled(store.db, uuid)
  expect(node).toMatchObject({ provision_state: 'deploy failed', reservation: null, work: null })
  expect(node.last_error).toMatch(/^The service died 10 times during this work; it is given up\./)
  expect((await linesOf('cursed')).every((line) => line.process === 'first')).toBe(true)
  await second.stop()
}, 30_000)

it('a second process under the same host name is refused, and says what to do', async () => {
  const settings = { 'conductor.host': 'twin', 'conductor.group': 'twins' }
  const first = await start('twin', 'first', settings)
  const second = createProvisioner({
    ...store,
    databaseUrl: store.url,
    hardware: scriptedHardware(async () => undefined),
    config: defaultConfig(settings),
    log: pino({ level: 'silent' }),
  })
  await expect(second.start()).rejects.toThrow(/Another process is the conductor "twin".*conductor\.host/)
  await first.stop()
}, 30_000)
