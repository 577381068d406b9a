/** Whatever is asked of nodes in whatever order, and whatever fails: no node stays busy or locked for ever. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LeaseholdError } from '../errors.ts'
import { isState, states, type Verb, verbs } from './index.ts'
import { isBusy, readNode } from './testing/nodes.ts'
import { caller, openRoom, type Room } from './testing/room.ts'

let room: Room
beforeAll(async () => {
  room = await openRoom({ 'conductor.lock_attempts': 1, 'conductor.step_timeout_seconds': 1 })
})
afterAll(() => room.close())

const optionsOf = (verb: Verb) =>
  verb === 'clean'
    ? { cleanSteps: [{ interface: 'deploy', step: 'burn_in' }] }
    : verb === 'service'
      ? {
          serviceSteps: [
            { interface: 'deploy', step: 'update' },
            { interface: 'power', step: 'reboot' },
          ],
        }
      : verb === 'rescue'
        ? { rescuePassword: 'sesame' }
        : {}

const action = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...verbs) },
  { weight: 1, arbitrary: fc.constantFrom('power on', 'power off', 'rebooting') },
  { weight: 2, arbitrary: fc.constant('resume') },
)
/** What each effect of a node comes to, one after the other. */
const fate = fc.constantFrom('succeeds', 'succeeds', 'succeeds', 'fails', 'waits', 'is late')

it('random verbs, random failures, orders that overlap', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 4, maxLength: 14 }),
      fc.array(fate, { minLength: 3, maxLength: 12 }),
      fc.constantFrom('enroll', 'manageable', 'available', 'active'),
      fc.boolean(),
      async (actions, fates, from, hasty) => {
        const uuid = await room.enrol({ provision_state: from })
        let at = 0
        const play = async (): Promise<undefined | 'wait'> => {
          const next = fates[at++ % fates.length]
          if (next === 'fails') throw new Error('fate')
          if (next === 'is late') await new Promise((done) => setTimeout(done, 15))
          return next === 'waits' ? 'wait' : undefined
        }
        for (const effect of everyEffect) room.script.set(`${effect} ${uuid}`, play)
        for (const each of actions) {
          const node = await readNode(room.store.db, uuid)
          try {
            if (each === 'resume') await room.provisioner.resume(uuid)
            else if (each.includes(' ') || each === 'rebooting')
              await room.provisioner.setPower({ node, target: each as 'power on', caller })
            else {
              const verb = each as Verb
              await room.provisioner.begin({ node, verb, caller, options: optionsOf(verb) })
            }
          } catch (error) {
            // Refused, in so many words: anything else is a fault.
            expect(error).toBeInstanceOf(LeaseholdError)
          }
          if (!hasty) await rest(uuid)
        }
        const node = await rest(uuid)
        expect(isState(node.provision_state)).toBe(true)
        expect(node).toMatchObject({ workflow_id: null, target_power_state: null })
        const { kind } = states[node.provision_state as keyof typeof states]
        // As in Ironic, a change of power clears what was there before.
        const powered = actions.some((each) => each.includes(' ') || each === 'rebooting')
        if (kind === 'failed' && !powered) expect(node.last_error).toBeTruthy()
        if (kind === 'stable') expect(node).toMatchObject({ work: null, target_provision_state: null })
      },
    ),
    { numRuns: 60 },
  )
}, 60_000)

async function rest(uuid: string) {
  for (const end = Date.now() + 5_000; ; await new Promise((done) => setTimeout(done, 5))) {
    const node = await readNode(room.store.db, uuid)
    if (!node.reservation && !isBusy(node)) return node
    expect(Date.now(), `stuck in ${node.provision_state}`).toBeLessThan(end)
  }
}

const everyEffect = [
  'power.getState',
  'power.on',
  'power.off',
  'power.rebooting',
  'management.check',
  'deploy.prepare',
  'deploy.write',
  'deploy.boot',
  'deploy.erase_metadata',
  'deploy.erase',
  'deploy.burn_in',
  'deploy.update',
  'inspect.inspect',
  'rescue.rescue',
  'rescue.unrescue',
]
