/** What can stand in the way of an order, checked without effects and in the order of Ironic's states/provision. */
import { LeaseholdError } from '../errors.ts'
import type { MachineChange, Node, PowerInterface, PowerTarget } from '../hardware/index.ts'
import { lockedError } from '../inventory/index.ts'
import { isPossible, isVerb, mainVerb, type State, states, type Verb } from './states.ts'
import type { AskedStep, VerbOptions } from './types.ts'

/**
 * Check 4: nothing is deployed to a node in maintenance.
 * @throws LeaseholdError 'invalid'.
 */
export function checkMaintenance(node: Node, verb: Verb): void {
  const main = mainVerb(verb)
  if (node.maintenance && (main === 'active' || main === 'rebuild')) throw inMaintenance(node, verb)
}

/**
 * Check 5: the state machine knows the verb from the node's state.
 * @throws LeaseholdError 'conflict' when the node is locked (it may be possible later), else 'invalid'.
 */
export function checkVerb(node: Node, verb: string): asserts verb is Verb {
  if (isVerb(verb) && isPossible(node.provision_state, verb)) return
  if (node.reservation) throw lockedError(node.uuid, node.reservation)
  throw new LeaseholdError(
    'invalid',
    `The requested action "${verb}" can not be performed on node "${node.uuid}" while it is in state "${node.provision_state}".`,
  )
}

/**
 * Checks 6, 8 and 10 as far as they need no microversion: options go with their verb, steps are well formed.
 * @throws LeaseholdError 'invalid'.
 */
export function checkOptions(verb: Verb, options: VerbOptions): void {
  const main = mainVerb(verb)
  for (const [option, name, allowed] of optionRules)
    if (options[option] !== undefined && !allowed.includes(main))
      throw new LeaseholdError(
        'invalid',
        `"${name}" is only valid with target ${allowed.join(' or ')}, not ${verb}.`,
      )
  if (main === 'clean' && !options.cleanSteps?.length)
    throw new LeaseholdError(
      'invalid',
      '"clean_steps" is required when setting target provision state to clean.',
    )
  if (main === 'service' && !options.serviceSteps?.length)
    throw new LeaseholdError(
      'invalid',
      '"service_steps" is required when setting target provision state to service.',
    )
  if (main === 'rescue' && !options.rescuePassword?.trim())
    throw new LeaseholdError(
      'invalid',
      'A non-empty "rescue_password" is required when setting target provision state to rescue.',
    )
  for (const step of options.cleanSteps ?? []) checkStep(step, 'clean_steps')
  for (const step of options.deploySteps ?? []) checkStep(step, 'deploy_steps')
  for (const step of options.serviceSteps ?? []) checkStep(step, 'service_steps')
}

/**
 * Check 11, less the lock: what a conductor asks of the node.
 * @throws LeaseholdError 'invalid' (maintenance, retired) or 'forbidden' (protected).
 */
export function checkNode(node: Node, verb: Verb): void {
  const main = mainVerb(verb)
  if (node.maintenance && maintenanceBlocks.includes(main)) throw inMaintenance(node, verb)
  if (node.maintenance && main === 'abort' && node.provision_state === 'service failed')
    throw new LeaseholdError('conflict', `Node ${node.uuid} is in maintenance; clear it before ${verb}.`)
  if (node.retired && main === 'provide')
    throw new LeaseholdError(
      'invalid',
      `Node ${node.uuid} is retired and can not become available; unset "retired" first.`,
    )
  if (node.protected && (main === 'deleted' || main === 'rebuild'))
    throw new LeaseholdError(
      'forbidden',
      `Node ${node.uuid} is protected and can not be undeployed, rebuilt or deleted${node.protected_reason ? ` (${node.protected_reason})` : ''}; unset "protected" first.`,
    )
}

/** Every check of `begin`, in order. @throws as the single ones do. */
export function checkOrder(node: Node, verb: Verb, options: VerbOptions): void {
  checkMaintenance(node, verb)
  checkVerb(node, verb)
  checkOptions(verb, options)
  checkNode(node, verb)
}

/**
 * What can stand in the way of a power change, less the lock.
 * @throws LeaseholdError 'invalid' or, for `disable_power_off`, 'conflict'.
 */
export function checkPower(
  node: Node,
  target: PowerTarget,
  power: Pick<PowerInterface, 'name' | 'supported'>,
  timeoutSeconds?: number,
): void {
  if (timeoutSeconds !== undefined && !(Number.isInteger(timeoutSeconds) && timeoutSeconds >= 1))
    throw new LeaseholdError('invalid', 'timeout must be a whole number of seconds, at least 1.')
  if (node.provision_state === 'cleaning' || node.provision_state === 'clean wait')
    throw new LeaseholdError(
      'invalid',
      `The requested action "${target}" can not be performed on node "${node.uuid}" while it is in state "${node.provision_state}".`,
    )
  if (!power.supported.includes(target))
    throw new LeaseholdError(
      'invalid',
      `Power interface ${power.name} of node ${node.uuid} does not support "${target}"; it supports ${power.supported.join(', ')}.`,
    )
  if (node.disable_power_off && (target === 'power off' || target === 'soft power off'))
    throw new LeaseholdError(
      'conflict',
      `Power off of node ${node.uuid} is disabled; unset "disable_power_off" first.`,
    )
}

/**
 * How a machine boots is not changed under the hands of a workflow.
 * @throws LeaseholdError 'conflict'.
 */
export function checkChangeState(node: Node, { kind }: MachineChange): void {
  if (kind !== 'boot_mode' && kind !== 'secure_boot') return
  const state = states[node.provision_state as State]?.kind
  if (state === 'busy' || state === 'wait')
    throw new LeaseholdError(
      'conflict',
      `Node ${node.uuid} is in state "${node.provision_state}": while it is on its way, ${kind} stays as it is. Try again later.`,
    )
}

const maintenanceBlocks: readonly string[] = ['active', 'rebuild', 'clean', 'service', 'rescue', 'unrescue']

const optionRules = [
  ['configdrive', 'configdrive', ['active', 'rebuild']],
  ['cleanSteps', 'clean_steps', ['clean']],
  ['deploySteps', 'deploy_steps', ['active', 'rebuild']],
  ['serviceSteps', 'service_steps', ['service']],
  ['rescuePassword', 'rescue_password', ['rescue']],
  ['disableRamdisk', 'disable_ramdisk', ['clean', 'service']],
] as const satisfies readonly (readonly [
  keyof VerbOptions,
  string,
  readonly string[],
])[] as readonly (readonly [keyof VerbOptions, string, readonly string[]])[]

/** Interfaces whose steps may be asked for. */
const steppable: readonly string[] = ['vendor', 'power', 'management', 'firmware', 'deploy', 'bios', 'raid']

function checkStep(step: AskedStep, field: string): void {
  if (typeof step.step !== 'string' || step.step === '')
    throw new LeaseholdError('invalid', `${field}: each step needs "step", the name of what to do.`)
  if (!steppable.includes(step.interface))
    throw new LeaseholdError(
      'invalid',
      `${field}: "interface" of step ${step.step} must be one of ${steppable.join(', ')}.`,
    )
  for (const key of ['priority', 'order'] as const) {
    const value = step[key]
    if (value !== undefined && !(Number.isInteger(value) && value >= 0))
      throw new LeaseholdError(
        'invalid',
        `${field}: "${key}" of step ${step.step} must be a whole number, 0 or more.`,
      )
  }
  if (step.interface === 'vendor' && step.step === 'send_raw')
    throw new LeaseholdError('invalid', `${field}: step vendor.send_raw is not allowed.`)
}

const inMaintenance = (node: Node, verb: string): LeaseholdError =>
  new LeaseholdError(
    'invalid',
    `The ${verb} operation can't be performed on node ${node.uuid} because it's in maintenance mode.`,
  )
