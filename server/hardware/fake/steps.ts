/** The steps of a fake machine, as one table. Names that Ironic's fake or agent interfaces have mean the same here. */
import { LeaseholdError } from '../../errors.ts'
import type { InterfaceType, Step, StepKind } from '../types.ts'

/** A step without its `run`. */
export interface FakeStep extends Omit<Step, 'run' | 'kind'> {
  readonly kinds: readonly StepKind[]
  /** @throws LeaseholdError 'invalid' */
  readonly checkArgs?: (args: Readonly<Record<string, unknown>>) => void
  /** Goes on by itself even when `fake_wait` does not name it. */
  readonly alwaysWaits?: true
}

const settings = {
  settings: { description: 'list of {"name": ..., "value": ...}', required: true },
} as const

const raidConfig = {
  raid_config: { description: '{"logical_disks": [...]}', required: true },
} as const

export const fakeSteps: readonly FakeStep[] = [
  { kinds: ['verify'], interface: 'management', step: 'check_bmc', priority: 10 },

  { kinds: ['deploy'], interface: 'deploy', step: 'deploy', priority: 100 },
  { kinds: ['deploy'], interface: 'deploy', step: 'write_image', priority: 80 },
  { kinds: ['deploy'], interface: 'deploy', step: 'boot_instance', priority: 20 },

  { kinds: ['clean'], interface: 'deploy', step: 'erase_devices_metadata', priority: 99, abortable: true },
  { kinds: ['clean'], interface: 'deploy', step: 'erase_devices', priority: 10, abortable: true },
  { kinds: ['clean', 'service'], interface: 'deploy', step: 'burnin_cpu', priority: 0, abortable: true },
  { kinds: ['clean', 'service'], interface: 'management', step: 'reset_bmc', priority: 0 },
  { kinds: ['clean'], interface: 'bios', step: 'factory_reset', priority: 0 },
  {
    kinds: ['clean', 'deploy', 'service'],
    interface: 'bios',
    step: 'apply_configuration',
    priority: 0,
    args: settings,
    checkArgs: checkSettings,
  },
  { kinds: ['clean'], interface: 'raid', step: 'create_configuration', priority: 0, abortable: true },
  { kinds: ['clean'], interface: 'raid', step: 'delete_configuration', priority: 0 },
  {
    kinds: ['deploy', 'service'],
    interface: 'raid',
    step: 'apply_configuration',
    priority: 0,
    args: raidConfig,
    checkArgs: checkRaidConfig,
  },
  {
    kinds: ['clean', 'service'],
    interface: 'firmware',
    step: 'update',
    priority: 0,
    args: settings,
    checkArgs: checkFirmwareSettings,
  },
  { kinds: ['clean', 'service'], interface: 'vendor', step: 'log_passthrough', priority: 0 },
  {
    kinds: ['service'],
    interface: 'vendor',
    step: 'trigger_servicewait',
    priority: 0,
    abortable: true,
    alwaysWaits: true,
  },
]

/** The fake steps of one interface. */
export const stepsOf = (type: InterfaceType): readonly FakeStep[] =>
  fakeSteps.filter((step) => step.interface === type)

function checkSettings(args: Readonly<Record<string, unknown>>): void {
  const list = args.settings
  const good =
    Array.isArray(list) &&
    list.every((each) => isObject(each) && typeof each.name === 'string' && 'value' in each)
  if (!good) throw invalid('settings', 'must be a list of {"name": ..., "value": ...}')
}

/** Ironic's firmware.update takes components and URLs. */
function checkFirmwareSettings(args: Readonly<Record<string, unknown>>): void {
  const list = args.settings
  if (!(Array.isArray(list) && list.every(isObject)))
    throw invalid('settings', 'must be a list of {"component": ..., "url": ...}')
}

function checkRaidConfig(args: Readonly<Record<string, unknown>>): void {
  const config = args.raid_config
  if (!isObject(config) || !Array.isArray(config.logical_disks))
    throw invalid('raid_config', 'must be {"logical_disks": [...]}')
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const invalid = (argument: string, words: string): LeaseholdError =>
  new LeaseholdError('invalid', `args: ${argument} ${words}.`)
