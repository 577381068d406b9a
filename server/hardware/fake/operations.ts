/** What a fake machine can be asked to do, and what every fake implementation has. */
import { LeaseholdError } from '../../errors.ts'
import {
  type Bounds,
  type Implementation,
  type InterfaceType,
  interfaceTypes,
  type Node,
  type Step,
} from '../types.ts'
import { failure, type KnownOperations, longestDelayMs, type Operation, play, readKnobs } from './knobs.ts'
import { type FakeStep, fakeSteps, stepsOf } from './steps.ts'

/** Operations besides the steps; those that may also wait. */
const waitingCalls = ['inspect.inspect', 'rescue.rescue'] as const satisfies readonly Operation[]
const calls = [
  ...waitingCalls,
  'console.open',
  'console.start',
  'console.stop',
  'inspect.abort',
  'management.attach_media',
  'management.detach_media',
  'management.get_boot_device',
  'management.get_indicator',
  'management.get_media',
  'management.inject_nmi',
  'management.set_boot_device',
  'management.set_boot_mode',
  'management.set_indicator',
  'management.set_secure_boot',
  'network.vif_attach',
  'network.vif_detach',
  'power.get_state',
  'power.set_state',
  'rescue.unrescue',
  'vendor.note',
] as const satisfies readonly Operation[]

const stepNames = [...new Set(fakeSteps.map((step): Operation => `${step.interface}.${step.step}`))]
const validations = interfaceTypes
  .filter((type) => type !== 'vendor')
  .map((type): Operation => `${type}.validate`)
const known: KnownOperations = {
  fail: [...calls, ...stepNames, ...validations],
  wait: [...waitingCalls, ...stepNames],
}

const properties = {
  fake_fail: `Operations of the fake machine that fail, separated by commas: ${known.fail.join(', ')}. Optional.`,
  fake_fail_message: 'What those failures say. Optional.',
  fake_wait: `Operations of the fake machine that go on by themselves until they are resumed, separated by commas: ${known.wait.join(', ')}. Optional.`,
  fake_delay_ms: `How long each operation of the fake machine takes, in milliseconds, 0 to ${longestDelayMs}; default is 0. Optional.`,
} as const

/** The operations that have no step of their own. */
export type Call = (typeof calls)[number]

/** What every fake implementation has. */
export function fake(type: InterfaceType): Implementation & { name: 'fake' } {
  return {
    name: 'fake',
    properties,
    validate(node) {
      const knobs = readKnobs(node, known)
      if (knobs.fail.has(`${type}.validate`))
        throw new LeaseholdError('invalid', failure(knobs, `${type}.validate`).message)
    },
    steps: stepsOf(type).flatMap((step) => step.kinds.map((kind) => runnable(step, kind))),
  }
}

/** Plays an operation as the node's knobs say. @returns whether it goes on by itself. */
export const operate = (node: Node, operation: Operation, bounds: Bounds): Promise<undefined | 'wait'> =>
  play(readKnobs(node, known), operation, bounds)

function runnable({ kinds: _kinds, effect, alwaysWaits, ...step }: FakeStep, kind: Step['kind']): Step {
  return {
    ...step,
    kind,
    async run(node, args, bounds) {
      // What it comes to is worked out first: what makes no sense is refused before the machine is touched.
      const changes = effect?.(node, args)
      const outcome = await operate(node, `${step.interface}.${step.step}`, bounds)
      if (alwaysWaits || outcome === 'wait') return 'wait'
      return changes && { changes }
    },
  }
}
