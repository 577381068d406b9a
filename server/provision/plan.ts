/** Which steps run, and in what order: those that interfaces declare, changed by those that were asked for. */
import { LeaseholdError } from '../errors.ts'
import {
  type Hardware,
  type InterfaceType,
  interfaceTypes,
  type Node,
  type Step,
  type StepKind,
} from '../hardware/index.ts'
import type { AskedStep } from './types.ts'
import type { PlannedStep } from './work.ts'

/**
 * Steps that run by themselves, of falling priority (of equal priority in Ironic's order of interfaces), and with
 * them the asked ones, which take the place of the declared step of that name. Priority 0 leaves a step out.
 * @throws LeaseholdError 'invalid' when a step is not known to the node's interfaces or lacks an argument.
 */
export function planAutomatic(
  hardware: Hardware,
  node: Node,
  kind: StepKind,
  asked: readonly AskedStep[] = [],
): PlannedStep[] {
  const nameOf = (step: { interface: string; step: string }) => `${step.interface}.${step.step}`
  const overriding = new Map(asked.map((step) => [nameOf(step), step]))
  const declared = declaredSteps(hardware, node, kind)
    .filter((step) => step.priority > 0 && !overriding.has(nameOf(step)))
    .map((step) => planned(step, {}, step.priority))
  const chosen = [...overriding.values()].map((step) =>
    planOne(hardware, node, kind, step, Number(step.priority ?? 0)),
  )
  return [...declared, ...chosen]
    .filter((step) => step.priority > 0)
    .sort((a, b) => b.priority - a.priority || rank(a.interface) - rank(b.interface))
}

/**
 * Steps that were asked for, one after the other as they were given, or by `order` where they have one.
 * @throws LeaseholdError 'invalid' as `planAutomatic`.
 */
export function planAsked(
  hardware: Hardware,
  node: Node,
  kind: StepKind,
  asked: readonly AskedStep[],
): PlannedStep[] {
  return asked
    .map((step, index) => ({ step, order: Number(step.order ?? index) }))
    .sort((a, b) => a.order - b.order)
    .map(({ step }) => planOne(hardware, node, kind, step, 0))
}

/** What a planned step runs: the interface's own, or one that every node has. */
export function findStep(
  hardware: Hardware,
  node: Node,
  kind: StepKind,
  wanted: { interface: string; step: string },
): Step | undefined {
  return (
    declaredSteps(hardware, node, kind).find(
      (step) => step.interface === wanted.interface && step.step === wanted.step,
    ) ?? reservedSteps(hardware, node, kind).find((step) => step.step === wanted.step)
  )
}

/** A step of this name, of whatever interface, puts the node on hold: `unhold` lets it go on. */
export const holdStep = 'hold'

/** Steps that may be asked of every node: Ironic's reserved names. */
function reservedSteps(hardware: Hardware, node: Node, kind: StepKind): Step[] {
  const powerStep = (step: string, target: 'power on' | 'power off' | 'rebooting'): Step => ({
    kind,
    interface: 'power',
    step,
    priority: 0,
    run: async (current, _args, bounds) => {
      await hardware
        .implementation(node, 'power')
        .setState(current, target, { ...bounds, timeoutMs: powerStepTimeoutMs })
      return undefined
    },
  })
  return [
    powerStep('power_on', 'power on'),
    powerStep('power_off', 'power off'),
    powerStep('reboot', 'rebooting'),
    { kind, interface: 'power', step: 'wait', priority: 0, abortable: true, run: async () => 'wait' },
    { kind, interface: 'power', step: holdStep, priority: 0, abortable: true, run: async () => 'wait' },
  ]
}
const powerStepTimeoutMs = 60_000

function declaredSteps(hardware: Hardware, node: Node, kind: StepKind): Step[] {
  return interfaceTypes.flatMap((type) =>
    (hardware.implementation(node, type).steps ?? []).filter((step) => step.kind === kind),
  )
}

function planOne(
  hardware: Hardware,
  node: Node,
  kind: StepKind,
  asked: AskedStep,
  priority: number,
): PlannedStep {
  const step = findStep(hardware, node, kind, asked)
  if (!step)
    throw new LeaseholdError(
      'invalid',
      `Node ${node.uuid} has no ${kind} step ${asked.interface}.${asked.step}; it has ${
        declaredSteps(hardware, node, kind)
          .map((each) => `${each.interface}.${each.step}`)
          .join(', ') || 'none'
      }.`,
    )
  const args = asked.args ?? {}
  for (const [name, { required }] of Object.entries(step.args ?? {}))
    if (required && args[name] === undefined)
      throw new LeaseholdError(
        'invalid',
        `Step ${asked.interface}.${asked.step} needs the argument "${name}".`,
      )
  for (const name of Object.keys(args))
    if (step.args === undefined || !Object.hasOwn(step.args, name))
      throw new LeaseholdError('invalid', `Step ${asked.interface}.${asked.step} has no argument "${name}".`)
  return planned(step, args, priority)
}

const planned = (step: Step, args: Record<string, unknown>, priority: number): PlannedStep => ({
  interface: step.interface,
  step: step.step,
  args,
  priority,
  abortable: step.abortable ?? false,
})

/** Of equal priority, this interface's step goes first. */
const order: readonly InterfaceType[] = ['power', 'management', 'firmware', 'deploy', 'bios', 'raid']
const rank = (name: string): number => {
  const at = (order as readonly string[]).indexOf(name)
  return at < 0 ? order.length : at
}
