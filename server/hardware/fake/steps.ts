/** The steps of a fake machine, as one table. Names that Ironic's fake or agent interfaces have mean the same here. */
import { LeaseholdError } from '../../errors.ts'
import { checkRaidConfig } from '../raid.ts'
import type { InterfaceType, MachineChanges, Node, Step, StepKind } from '../types.ts'
import { biosSettingsOf, biosValue, firmwareOf, readMachine, requireComponent } from './machine.ts'
import { memoryOf, remembering } from './memory.ts'

type Args = Readonly<Record<string, unknown>>

/** A step without its `run`. */
export interface FakeStep extends Omit<Step, 'run' | 'kind'> {
  readonly kinds: readonly StepKind[]
  /**
   * What the machine is afterwards.
   * @throws LeaseholdError 'invalid' naming the argument.
   */
  readonly effect?: (node: Node, args: Args) => MachineChanges
  /** Goes on by itself even when `fake_wait` does not name it. */
  readonly alwaysWaits?: true
}

const settings = {
  settings: { description: 'list of {"name": ..., "value": ...}', required: true },
} as const

const images = {
  settings: { description: 'list of {"component": ..., "url": ...}', required: true },
} as const

const raidConfig = {
  raid_config: { description: '{"logical_disks": [...]}', required: true },
  delete_existing: { description: 'whether to delete what is there first; default is true' },
} as const

const raidChoice = {
  create_root_volume: { description: 'whether to create the root volume; default is true' },
  create_nonroot_volumes: { description: 'whether to create the others; default is true' },
  delete_existing: { description: 'whether to delete what is there first; default is true' },
} as const

export const fakeSteps: readonly FakeStep[] = [
  { kinds: ['verify'], interface: 'management', step: 'check_bmc', priority: 10, effect: readMachine },

  { kinds: ['deploy'], interface: 'deploy', step: 'deploy', priority: 100 },
  { kinds: ['deploy'], interface: 'deploy', step: 'write_image', priority: 80 },
  { kinds: ['deploy'], interface: 'deploy', step: 'boot_instance', priority: 20 },

  { kinds: ['clean'], interface: 'deploy', step: 'erase_devices_metadata', priority: 99, abortable: true },
  { kinds: ['clean'], interface: 'deploy', step: 'erase_devices', priority: 10, abortable: true },
  { kinds: ['clean', 'service'], interface: 'deploy', step: 'burnin_cpu', priority: 0, abortable: true },
  { kinds: ['clean', 'service'], interface: 'management', step: 'reset_bmc', priority: 0 },
  { kinds: ['clean'], interface: 'bios', step: 'factory_reset', priority: 0, effect: resetBios },
  {
    kinds: ['clean', 'deploy', 'service'],
    interface: 'bios',
    step: 'apply_configuration',
    priority: 0,
    args: settings,
    effect: applySettings,
  },
  {
    kinds: ['clean'],
    interface: 'raid',
    step: 'create_configuration',
    priority: 0,
    abortable: true,
    args: raidChoice,
    effect: createRaid,
  },
  {
    kinds: ['clean'],
    interface: 'raid',
    step: 'delete_configuration',
    priority: 0,
    effect: () => ({ raid_config: {} }),
  },
  {
    kinds: ['deploy', 'service'],
    interface: 'raid',
    step: 'apply_configuration',
    priority: 0,
    args: raidConfig,
    effect: applyRaid,
  },
  {
    kinds: ['clean', 'service'],
    interface: 'firmware',
    step: 'update',
    priority: 0,
    args: images,
    effect: flash,
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

function applySettings(node: Node, { settings: list }: Args): MachineChanges {
  const good =
    Array.isArray(list) &&
    list.every((each) => isObject(each) && typeof each.name === 'string' && 'value' in each)
  if (!good) throw invalid('settings', 'must be a list of {"name": ..., "value": ...}')
  const given = Object.fromEntries(
    list.map(({ name, value }: { name: string; value: unknown }) => [name, biosValue(name, value)]),
  )
  return withBios(node, { ...memoryOf(node).bios, ...given })
}

const withBios = (node: Node, bios: Record<string, string>): MachineChanges => {
  const remembered = remembering(node, { bios })
  return {
    ...remembered,
    bios_settings: biosSettingsOf({ ...node, driver_internal_info: remembered.memory }),
  }
}

function resetBios(node: Node): MachineChanges {
  return withBios(node, {})
}

/** Ironic's firmware.update takes components and URLs. The version is what the URL says of it. */
function flash(node: Node, { settings: list }: Args): MachineChanges {
  const good = Array.isArray(list) && list.every((each) => isObject(each) && typeof each.url === 'string')
  if (!good) throw invalid('settings', 'must be a list of {"component": ..., "url": ...}')
  const flashed: Record<string, string> = {}
  for (const { component, url } of list as { component: unknown; url: string }[]) {
    requireComponent(component)
    flashed[component] = versionIn(url)
  }
  const remembered = remembering(node, { firmware: { ...memoryOf(node).firmware, ...flashed } })
  const after = { ...node, driver_internal_info: remembered.memory }
  return { ...remembered, firmware_components: firmwareOf(after) }
}

const versionIn = (url: string): string => {
  const file = url.slice(0, 2000).split(/[?#]/)[0]?.split('/').at(-1) ?? ''
  return (/\d+(?:\.\d+){1,8}/.exec(file)?.[0] ?? file.slice(0, 100)) || 'unknown'
}

function applyRaid(_node: Node, { raid_config: config }: Args): MachineChanges {
  if (!isObject(config) || !Array.isArray(config.logical_disks))
    throw invalid('raid_config', 'must be {"logical_disks": [...]}')
  checkRaidConfig(config)
  return { target_raid_config: config, raid_config: raidOf(config.logical_disks) }
}

function createRaid(node: Node, args: Args): MachineChanges {
  const disks = node.target_raid_config.logical_disks
  if (!Array.isArray(disks))
    throw new LeaseholdError(
      'invalid',
      `Node ${node.uuid} has no target_raid_config; set it (PUT states/raid), then create the configuration.`,
    )
  const wanted = disks.filter((disk) =>
    isObject(disk) && disk.is_root_volume === true
      ? args.create_root_volume !== false
      : args.create_nonroot_volumes !== false,
  )
  const before =
    args.delete_existing === false ? (node.raid_config.logical_disks as unknown[] | undefined) : []
  return { raid_config: raidOf([...(before ?? []), ...wanted]) }
}

/** What the controller says of its disks. */
const raidOf = (disks: readonly unknown[]): Record<string, unknown> => ({
  logical_disks: disks.map((disk, index) => ({
    controller: 'Fake RAID',
    volume_name: `volume-${index}`,
    ...(disk as object),
  })),
})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const invalid = (argument: string, words: string): LeaseholdError =>
  new LeaseholdError('invalid', `args: ${argument} ${words}.`)
