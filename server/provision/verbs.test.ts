import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Verb, VerbOptions } from './index.ts'
import { historyOf, readNode, settled, until } from './testing/nodes.ts'
import { caller, openRoom, type Room } from './testing/room.ts'

let room: Room
beforeAll(async () => {
  room = await openRoom({ 'conductor.callback_timeout_seconds': 1800 })
})
afterAll(() => room.close())

const free = { reservation: null, workflow_id: null, work: null }
const fails = (effect: string, uuid: string, message = 'the machine burns') =>
  room.script.set(`${effect} ${uuid}`, () => Promise.reject(new Error(message)))
const waits = (effect: string, uuid: string) => room.script.set(`${effect} ${uuid}`, async () => 'wait')
const hangs = (effect: string, uuid: string) =>
  room.script.set(`${effect} ${uuid}`, () => new Promise(() => {}))
const effectsOf = (uuid: string) =>
  room.effects.filter((effect) => effect.endsWith(uuid)).map((effect) => effect.slice(0, -uuid.length - 1))

const cleanSteps = [{ interface: 'deploy', step: 'burn_in' }]
const serviceSteps = [{ interface: 'deploy', step: 'update' }]

/** Every verb with a workflow: where it begins and ends, what it does, and where it ends when an effect fails. */
const journeys: {
  verb: Verb
  from: string
  ends: string
  effects: string[]
  failing: string
  failed: string
  options?: VerbOptions
}[] = [
  {
    verb: 'manage',
    from: 'enroll',
    ends: 'manageable',
    effects: ['power.getState', 'management.check'],
    failing: 'power.getState',
    failed: 'enroll',
  },
  {
    verb: 'provide',
    from: 'manageable',
    ends: 'available',
    effects: ['deploy.erase_metadata', 'deploy.erase'],
    failing: 'deploy.erase',
    failed: 'clean failed',
  },
  {
    verb: 'clean',
    from: 'manageable',
    ends: 'manageable',
    effects: ['deploy.burn_in'],
    failing: 'deploy.burn_in',
    failed: 'clean failed',
    options: { cleanSteps },
  },
  {
    verb: 'inspect',
    from: 'inspect failed',
    ends: 'manageable',
    effects: ['inspect.inspect'],
    failing: 'inspect.inspect',
    failed: 'inspect failed',
  },
  {
    verb: 'adopt',
    from: 'manageable',
    ends: 'active',
    effects: ['power.getState'],
    failing: 'power.getState',
    failed: 'adopt failed',
  },
  {
    verb: 'deploy',
    from: 'available',
    ends: 'active',
    effects: ['deploy.prepare', 'deploy.write', 'deploy.boot'],
    failing: 'deploy.write',
    failed: 'deploy failed',
  },
  {
    verb: 'rebuild',
    from: 'active',
    ends: 'active',
    effects: ['deploy.prepare', 'deploy.write', 'deploy.boot'],
    failing: 'deploy.boot',
    failed: 'deploy failed',
  },
  {
    verb: 'undeploy',
    from: 'deploy failed',
    ends: 'available',
    effects: ['power.getState', 'power.off', 'deploy.erase_metadata', 'deploy.erase'],
    failing: 'power.off',
    failed: 'error',
  },
  {
    verb: 'rescue',
    from: 'active',
    ends: 'rescue',
    effects: ['rescue.rescue'],
    failing: 'rescue.rescue',
    failed: 'rescue failed',
    options: { rescuePassword: 'sesame' },
  },
  {
    verb: 'unrescue',
    from: 'rescue',
    ends: 'active',
    effects: ['rescue.unrescue'],
    failing: 'rescue.unrescue',
    failed: 'unrescue failed',
  },
  {
    verb: 'service',
    from: 'active',
    ends: 'active',
    effects: ['deploy.update'],
    failing: 'deploy.update',
    failed: 'service failed',
    options: { serviceSteps },
  },
]

describe.each(journeys)('$verb from $from', (journey) => {
  it(`does its work in order, ends in ${journey.ends}, and tells it`, async () => {
    const uuid = await room.enrol({ provision_state: journey.from })
    const node = await room.go(uuid, journey.verb, journey.options)
    expect(node).toMatchObject({ ...free, provision_state: journey.ends, last_error: null })
    expect(node.target_provision_state).toBeNull()
    expect(effectsOf(uuid)).toEqual(journey.effects)
    const history = await historyOf(room.store.db, uuid)
    expect(history[0]?.event).toMatch(new RegExp(`^Moved from ${journey.from} to `))
    expect(history.at(-1)).toMatchObject({
      state: journey.ends,
      severity: 'INFO',
      conductor: 'here',
      user_id: 'alice',
      project_id: 'acme',
    })
    expect(history.at(-1)?.duration_seconds).toBeGreaterThanOrEqual(0)
  })

  it(`ends in ${journey.failed} when ${journey.failing} fails, says why and what to do, and leaves no lock`, async () => {
    const uuid = await room.enrol({ provision_state: journey.from })
    fails(journey.failing, uuid)
    const node = await room.go(uuid, journey.verb, journey.options)
    expect(node).toMatchObject({ ...free, provision_state: journey.failed })
    expect(node.last_error).toMatch(/failed: the machine burns\. .+"\w+"/)
    const last = (await historyOf(room.store.db, uuid)).at(-1)
    expect(last).toMatchObject({ severity: 'ERROR', event: node.last_error, state: journey.failed })
    room.script.clear()
  })

  it('is refused when the driver lacks what it needs, or fails where it can not be refused', async () => {
    const uuid = await room.enrol({ provision_state: journey.from, driver_info: { nonsense: true } })
    const asked = room.begin(uuid, journey.verb, journey.options)
    if (journey.verb === 'undeploy') {
      await asked
      expect(await settled(room.store.db, uuid)).toMatchObject({ provision_state: 'available' })
    } else if (journey.verb === 'manage') {
      await asked
      const node = await settled(room.store.db, uuid)
      expect(node).toMatchObject({ ...free, provision_state: 'enroll' })
      expect(node.last_error).toMatch(/driver_info: nonsense/)
    } else {
      await expect(asked).rejects.toMatchObject({ code: 'invalid', message: /nonsense/ })
      expect(await readNode(room.store.db, uuid)).toMatchObject({ ...free, provision_state: journey.from })
    }
  })
})

describe('what verbs leave on the node', () => {
  it('manage records the power state that was read', async () => {
    const uuid = await room.enrol()
    expect(await room.go(uuid, 'manage')).toMatchObject({ power_state: 'power on' })
  })

  it('inspect merges what it found and says when', async () => {
    const uuid = await room.enrol({ provision_state: 'manageable' })
    const node = await room.go(uuid, 'inspect')
    expect(node.properties).toEqual({ cpus: 8 })
    expect(node.inspection_started_at).toBeInstanceOf(Date)
    expect(node.inspection_finished_at?.getTime()).toBeGreaterThanOrEqual(Number(node.inspection_started_at))
  })

  it('undeploy forgets the instance and leaves a lessee that the owner has set', async () => {
    const uuid = await room.enrol({
      provision_state: 'active',
      instance_uuid: randomUUID(),
      instance_name: 'web',
      instance_info: { configdrive: 'c2VjcmV0' },
      lessee: 'tenant',
    })
    expect(await room.go(uuid, 'deleted')).toMatchObject({
      instance_uuid: null,
      instance_name: null,
      instance_info: {},
      lessee: 'tenant',
      power_state: 'power off',
    })
  })

  it('deploy lends the node to the project of the instance, and undeploy takes it back', async () => {
    const uuid = await room.enrol({ provision_state: 'available', instance_info: { project_id: 'tenant' } })
    const options = { configdrive: 'https://example.org/drive' }
    expect(await room.go(uuid, 'active', options)).toMatchObject({
      lessee: 'tenant',
      instance_info: { project_id: 'tenant', configdrive: 'https://example.org/drive' },
    })
    expect(await room.go(uuid, 'deleted')).toMatchObject({ lessee: null, driver_internal_info: {} })
  })

  it('a retired node goes from undeploy to manageable', async () => {
    const uuid = await room.enrol({ provision_state: 'active', retired: true })
    expect(await room.go(uuid, 'deleted')).toMatchObject({ provision_state: 'manageable' })
  })

  it('a node that is not to be cleaned is not', async () => {
    const uuid = await room.enrol({ provision_state: 'manageable', automated_clean: false })
    expect(await room.go(uuid, 'provide')).toMatchObject({ provision_state: 'available' })
    await room.go(uuid, 'active')
    room.effects.length = 0
    expect(await room.go(uuid, 'deleted')).toMatchObject({ provision_state: 'available' })
    expect(effectsOf(uuid)).toEqual(['power.getState', 'power.off'])
  })

  it('a failed cleaning puts the node into maintenance with its fault, and manage leads out of it', async () => {
    const uuid = await room.enrol({ provision_state: 'manageable' })
    fails('deploy.erase', uuid)
    const node = await room.go(uuid, 'provide')
    expect(node).toMatchObject({
      maintenance: true,
      fault: 'clean failure',
      maintenance_reason: node.last_error,
    })
    expect(await room.go(uuid, 'manage')).toMatchObject({
      ...free,
      provision_state: 'manageable',
      last_error: null,
    })
  })

  it('a failed deployment turns the machine off, and tells that too', async () => {
    const uuid = await room.enrol({ provision_state: 'available', power_state: 'power on' })
    fails('deploy.boot', uuid)
    await room.go(uuid, 'active')
    expect(effectsOf(uuid).slice(-2)).toEqual(['power.getState', 'power.off'])
    const events = (await historyOf(room.store.db, uuid)).map(({ event }) => event)
    expect(events).toContain('Power off after the failure: done.')
  })

  it('the rescue password is in instance_info while the rescue lasts', async () => {
    const uuid = await room.enrol({ provision_state: 'active' })
    expect((await room.go(uuid, 'rescue', { rescuePassword: 'sesame' })).instance_info).toEqual({
      rescue_password: 'sesame',
    })
    expect((await room.go(uuid, 'unrescue')).instance_info).toEqual({})
  })
})

describe('steps', () => {
  it('deploy steps that were asked for take the place, the priority and the order they ask', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    const deploySteps = [
      { interface: 'deploy', step: 'boot', priority: 90 },
      { interface: 'deploy', step: 'prepare', priority: 0 },
    ]
    await room.go(uuid, 'active', { deploySteps })
    expect(effectsOf(uuid)).toEqual(['deploy.boot', 'deploy.write'])
  })

  it('clean steps run as they were given, reserved ones among them', async () => {
    const uuid = await room.enrol({ provision_state: 'manageable' })
    const steps = ['erase', 'power_on', 'burn_in'].map((step) => ({
      interface: step === 'power_on' ? 'power' : 'deploy',
      step,
    }))
    expect(await room.go(uuid, 'clean', { cleanSteps: steps })).toMatchObject({
      provision_state: 'manageable',
    })
    expect(effectsOf(uuid)).toEqual(['deploy.erase', 'power.on', 'deploy.burn_in'])
  })

  it('an unknown step or argument is refused, naming what there is', async () => {
    const uuid = await room.enrol({ provision_state: 'manageable' })
    const unknown = [{ interface: 'deploy', step: 'polish' }]
    await expect(room.begin(uuid, 'clean', { cleanSteps: unknown })).rejects.toThrow(
      /no clean step deploy\.polish.*deploy\.erase/,
    )
    const args = [{ interface: 'deploy', step: 'erase', args: { passes: 3 } }]
    await expect(room.begin(uuid, 'clean', { cleanSteps: args })).rejects.toThrow(/no argument "passes"/)
  })

  it('a step that lasts is shown while it does, and one that never answers is given up in time', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    hangs('deploy.prepare', uuid)
    await room.begin(uuid, 'active')
    await until(
      'the step is shown',
      async () => (await readNode(room.store.db, uuid)).deploy_step.step === 'prepare',
    )
    const node = await settled(room.store.db, uuid)
    expect(node).toMatchObject({ ...free, provision_state: 'deploy failed', deploy_step: {} })
    expect(node.last_error).toMatch(/deploy\.prepare failed: no answer within 2 s/)
  })
})

describe('waiting', () => {
  it.each([
    ['active', 'available', 'deploy.write', 'wait call-back', 'active', {}],
    ['provide', 'manageable', 'deploy.erase_metadata', 'clean wait', 'available', {}],
    ['deleted', 'active', 'deploy.erase_metadata', 'clean wait', 'available', {}],
    ['service', 'active', 'deploy.update', 'service wait', 'active', { serviceSteps }],
    ['inspect', 'manageable', 'inspect.inspect', 'inspect wait', 'manageable', {}],
    ['rescue', 'active', 'rescue.rescue', 'rescue wait', 'rescue', { rescuePassword: 'sesame' }],
  ] as const)(
    '%s from %s waits at %s, unlocked, and goes on from there',
    async (verb, from, effect, wait, ends, options) => {
      const uuid = await room.enrol({ provision_state: from })
      waits(effect, uuid)
      expect(await room.go(uuid, verb, options)).toMatchObject({
        provision_state: wait,
        reservation: null,
        workflow_id: null,
      })
      // A change of power in between does not make it forget.
      if (wait !== 'clean wait') {
        await room.provisioner.setPower({
          node: await readNode(room.store.db, uuid),
          target: 'power on',
          caller,
        })
        await settled(room.store.db, uuid)
      }
      await room.provisioner.resume(uuid, { properties: { cpus: 16 } })
      expect(await settled(room.store.db, uuid)).toMatchObject({
        ...free,
        provision_state: ends,
        last_error: null,
      })
      expect(effectsOf(uuid).filter((each) => each === effect)).toHaveLength(1)
      room.script.clear()
    },
  )

  it('what the machine reports as an error fails the node', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    waits('deploy.write', uuid)
    await room.go(uuid, 'active')
    await room.provisioner.resume(uuid, { error: 'disk full' })
    expect(await settled(room.store.db, uuid)).toMatchObject({
      ...free,
      provision_state: 'deploy failed',
      last_error: /^disk full\./,
    })
  })

  it.each([
    ['active', 'available', 'deploy.write', 'deploy failed', {}],
    ['provide', 'manageable', 'deploy.erase_metadata', 'clean failed', {}],
    ['inspect', 'manageable', 'inspect.inspect', 'inspect failed', {}],
    ['rescue', 'active', 'rescue.rescue', 'rescue failed', { rescuePassword: 'sesame' }],
    ['service', 'active', 'deploy.update', 'active', { serviceSteps }],
  ] as const)('abort of %s leads to its end at once', async (verb, from, effect, ends, options) => {
    const uuid = await room.enrol({ provision_state: from })
    waits(effect, uuid)
    await room.go(uuid, verb, options)
    expect(
      await room.provisioner.begin({ node: await readNode(room.store.db, uuid), verb: 'abort', caller }),
    ).toEqual({ state: ends, workflowId: null })
    expect(await readNode(room.store.db, uuid)).toMatchObject({
      ...free,
      provision_state: ends,
      last_error: /^Aborted on request/,
    })
    expect(effectsOf(uuid).includes('inspect.abort')).toBe(verb === 'inspect')
    room.script.clear()
  })

  it('abort of a step that must not be cut short takes effect at its end', async () => {
    const uuid = await room.enrol({ provision_state: 'manageable' })
    waits('deploy.erase', uuid)
    await room.go(uuid, 'provide')
    await room.begin(uuid, 'abort')
    expect(await readNode(room.store.db, uuid)).toMatchObject({
      provision_state: 'clean wait',
      clean_step: { abort_after: true },
    })
    await room.provisioner.resume(uuid)
    expect(await settled(room.store.db, uuid)).toMatchObject({
      ...free,
      provision_state: 'clean failed',
      last_error: /^Aborted on request/,
    })
  })

  it('a step named hold stops until unhold', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    const deploySteps = [{ interface: 'deploy', step: 'hold', priority: 50 }]
    expect(await room.go(uuid, 'active', { deploySteps })).toMatchObject({ provision_state: 'deploy hold' })
    expect(await room.go(uuid, 'unhold')).toMatchObject({ provision_state: 'wait call-back' })
    await room.provisioner.resume(uuid)
    expect(await settled(room.store.db, uuid)).toMatchObject({ ...free, provision_state: 'active' })
    expect(effectsOf(uuid)).toEqual(['deploy.prepare', 'deploy.write', 'deploy.boot'])
  })

  it('a node that waits for nothing can not go on', async () => {
    const uuid = await room.enrol({ provision_state: 'active' })
    await expect(room.provisioner.resume(uuid)).rejects.toMatchObject({ code: 'conflict' })
    await expect(room.provisioner.resume(randomUUID())).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('power', () => {
  it.each([
    ['power on', 'power on'],
    ['power off', 'power off'],
    ['rebooting', 'power on'],
    ['soft rebooting', 'power on'],
    ['soft power off', 'power off'],
  ] as const)('%s ends in %s and clears the last error', async (target, ends) => {
    const uuid = await room.enrol({ provision_state: 'active' })
    hangs(`power.${target.replace('power ', '').replace(' ', '_')}`, uuid)
    await room.provisioner.setPower({ node: await readNode(room.store.db, uuid), target, caller })
    expect(await readNode(room.store.db, uuid)).toMatchObject({
      target_power_state: ends,
      reservation: 'here',
      provision_state: 'active',
    })
    room.script.clear()
    const other = await room.enrol({ provision_state: 'active' })
    await room.provisioner.setPower({ node: await readNode(room.store.db, other), target, caller })
    expect(await settled(room.store.db, other)).toMatchObject({
      ...free,
      power_state: ends,
      target_power_state: null,
      last_error: null,
    })
  })

  it('a machine that does not obey leaves the state as it was known, and says why', async () => {
    const uuid = await room.enrol({ provision_state: 'active', power_state: 'power on' })
    fails('power.off', uuid, 'BMC says no')
    await room.provisioner.setPower({
      node: await readNode(room.store.db, uuid),
      target: 'power off',
      caller,
    })
    const node = await settled(room.store.db, uuid)
    expect(node).toMatchObject({
      ...free,
      provision_state: 'active',
      power_state: 'power on',
      target_power_state: null,
    })
    expect(node.last_error).toMatch(/Changing power to "power off" failed: BMC says no\. .+BMC/)
  })

  it('is refused in cleaning, where off is disabled, and for a time that is none', async () => {
    const cleaning = await room.enrol({ provision_state: 'clean wait', target_provision_state: 'available' })
    const always = await room.enrol({ provision_state: 'active', disable_power_off: true })
    const order = async (uuid: string, timeoutSeconds?: number) => ({
      node: await readNode(room.store.db, uuid),
      target: 'power off' as const,
      caller,
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    })
    await expect(room.provisioner.setPower(await order(cleaning))).rejects.toMatchObject({ code: 'invalid' })
    await expect(room.provisioner.setPower(await order(always))).rejects.toMatchObject({ code: 'conflict' })
    await expect(room.provisioner.setPower(await order(always, 0))).rejects.toMatchObject({ code: 'invalid' })
  })
})
