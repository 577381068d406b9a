/**
 * `fake-hardware`: machines that exist only in their rows, for demonstrations and tests. Every interface works.
 *
 * A fake machine has no memory but its node: its power state is `power_state`, its boot device `boot_device`, which
 * callers record after each change. So it survives any restart, and any conductor can drive it.
 */
import { LeaseholdError } from '../../errors.ts'
import {
  absent,
  noInspect,
  noop,
  noopDeploy,
  noopManagement,
  noRescue,
  requireBootDevice,
} from '../absent.ts'
import {
  type Bounds,
  bootDevices,
  type HardwareType,
  type Implementation,
  type InspectInterface,
  type InterfaceType,
  interfaceTypes,
  type ManagementInterface,
  type Node,
  type PowerInterface,
  powerTargets,
  type RescueInterface,
  type Step,
} from '../types.ts'
import {
  failure,
  type Knobs,
  type KnownOperations,
  longestDelayMs,
  type Operation,
  play,
  readKnobs,
} from './knobs.ts'
import { type FakeStep, fakeSteps, stepsOf } from './steps.ts'

/** Operations besides the steps; those that may also wait. */
const waitingCalls = ['inspect.inspect', 'rescue.rescue'] as const satisfies readonly Operation[]
const calls = [
  ...waitingCalls,
  'inspect.abort',
  'management.get_boot_device',
  'management.inject_nmi',
  'management.set_boot_device',
  'power.get_state',
  'power.set_state',
  'rescue.unrescue',
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

const power: PowerInterface = {
  ...fake('power'),
  supported: powerTargets,
  async getState(node, bounds) {
    await operate(node, 'power.get_state', bounds)
    return node.power_state === 'power on' ? 'power on' : 'power off'
  },
  async setState(node, target, bounds) {
    const timeout = AbortSignal.timeout(bounds.timeoutMs)
    try {
      await operate(node, 'power.set_state', { signal: AbortSignal.any([bounds.signal, timeout]) })
    } catch (error) {
      if (!timeout.aborted || bounds.signal.aborted || error instanceof LeaseholdError) throw error
      throw new LeaseholdError(
        'unavailable',
        `Fake machine: ${target} took longer than ${bounds.timeoutMs} ms; lower driver_info's fake_delay_ms or allow more time.`,
      )
    }
  },
}

const management: ManagementInterface = {
  ...fake('management'),
  supportedBootDevices: () => fakeBootDevices,
  async getBootDevice(node, bounds) {
    await operate(node, 'management.get_boot_device', bounds)
    const device = bootDevices.find((each) => each === node.boot_device?.boot_device)
    return device ? { boot_device: device, persistent: node.boot_device?.persistent === true } : firstBoot
  },
  async setBootDevice(node, device, _persistent, bounds) {
    requireBootDevice(node, management, device)
    await operate(node, 'management.set_boot_device', bounds)
  },
  async injectNmi(node, bounds) {
    await operate(node, 'management.inject_nmi', bounds)
  },
}

const inspect: InspectInterface = {
  ...fake('inspect'),
  async inspect(node, bounds) {
    if ((await operate(node, 'inspect.inspect', bounds)) === 'wait') return 'wait'
    const properties = Object.entries(fakeProperties).map(([key, value]) => [
      key,
      node.properties[key] ?? value,
    ])
    return { properties: Object.fromEntries(properties) }
  },
  async abort(node, bounds) {
    await operate(node, 'inspect.abort', bounds)
  },
}

const rescue: RescueInterface = {
  ...fake('rescue'),
  rescue: (node, bounds) => operate(node, 'rescue.rescue', bounds),
  async unrescue(node, bounds) {
    await operate(node, 'rescue.unrescue', bounds)
  },
}

/** The defaults (first of each) are those of Ironic with every fake interface enabled. */
export const fakeHardware: HardwareType = {
  name: 'fake-hardware',
  interfaces: {
    bios: [fake('bios'), absent('bios')],
    boot: [fake('boot')],
    console: [fake('console'), absent('console')],
    deploy: [fake('deploy'), noopDeploy],
    firmware: [fake('firmware'), absent('firmware')],
    inspect: [inspect, noInspect],
    management: [management, noopManagement],
    network: [noop],
    power: [power],
    raid: [fake('raid'), absent('raid')],
    rescue: [rescue, noRescue],
    storage: [noop, fake('storage')],
    vendor: [fake('vendor'), absent('vendor')],
  },
}

/** What every fake implementation has. */
function fake(type: InterfaceType): Implementation & { name: 'fake' } {
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

function runnable({ kinds: _kinds, checkArgs, alwaysWaits, ...step }: FakeStep, kind: Step['kind']): Step {
  return {
    ...step,
    kind,
    async run(node, args, bounds) {
      checkArgs?.(args)
      const outcome = await operate(node, `${step.interface}.${step.step}`, bounds)
      return alwaysWaits ? 'wait' : outcome
    },
  }
}

function operate(node: Node, operation: Operation, bounds: Bounds): Promise<undefined | 'wait'> {
  const knobs: Knobs = readKnobs(node, known)
  return play(knobs, operation, bounds)
}

const fakeBootDevices = ['pxe', 'disk', 'cdrom', 'bios', 'safe'] as const
const firstBoot = { boot_device: 'pxe', persistent: false } as const
/** What inspection finds where the node does not say otherwise. */
const fakeProperties = { cpu_arch: 'x86_64', cpus: 4, memory_mb: 8192, local_gb: 100 }
