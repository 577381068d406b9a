/** What a fake machine is made of: its BIOS, its firmware, its lights, and what an inspection finds of it. */
import { createHash } from 'node:crypto'
import { LeaseholdError } from '../../errors.ts'
import type {
  BiosSetting,
  FirmwareComponent,
  Indicator,
  InspectionResult,
  MachineChanges,
  Node,
} from '../types.ts'
import { memoryOf } from './memory.ts'

const onOrOff = {
  attribute_type: 'Enumeration',
  allowable_values: ['Enabled', 'Disabled'],
  read_only: false,
  reset_required: true,
  unique: false,
} as const

/** The BIOS as it comes from the factory. */
const factorySettings: readonly (BiosSetting & { value: string })[] = [
  { name: 'BootRetryCount', value: '3', registry: { ...wholeNumber(0, 10), reset_required: false } },
  { name: 'LogicalProc', value: 'Enabled', registry: onOrOff },
  { name: 'NumLock', value: 'On', registry: { ...onOrOff, allowable_values: ['On', 'Off'] } },
  { name: 'OwnerTag', value: '', registry: { ...shortText(0, 63), read_only: false, unique: true } },
  { name: 'ProcTurboMode', value: 'Enabled', registry: onOrOff },
  { name: 'ProcVirtualization', value: 'Enabled', registry: onOrOff },
  { name: 'SystemModelName', value: 'Fake One', registry: { ...shortText(1, 63), read_only: true } },
]

/** All BIOS settings of a node's machine. */
export const biosSettingsOf = (node: Node): BiosSetting[] =>
  factorySettings.map((setting) => ({
    ...setting,
    value: memoryOf(node).bios?.[setting.name] ?? setting.value,
  }))

/**
 * The value that a setting is given, as the BIOS keeps it.
 * @throws LeaseholdError 'invalid' naming the setting and what it takes.
 */
export function biosValue(name: string, given: unknown): string {
  const setting = factorySettings.find((each) => each.name === name)
  if (!setting)
    throw invalid(`this machine has no BIOS setting ${name.slice(0, 100)}; it has ${names(factorySettings)}`)
  const { registry = {} } = setting
  if (registry.read_only) throw invalid(`BIOS setting ${name} can only be read`)
  const value = String(given)
  const { allowable_values: allowed } = registry
  if (allowed && !allowed.includes(value)) throw invalid(`BIOS setting ${name} takes ${allowed.join(' or ')}`)
  if (registry.attribute_type === 'Integer') {
    const [low, high] = [registry.lower_bound ?? 0, registry.upper_bound ?? 0]
    if (!/^\d{1,9}$/.test(value) || Number(value) < low || Number(value) > high)
      throw invalid(`BIOS setting ${name} takes a whole number from ${low} to ${high}`)
  }
  if (registry.attribute_type === 'String' && value.length > (registry.max_length ?? 0))
    throw invalid(`BIOS setting ${name} takes at most ${registry.max_length} characters`)
  return value
}

const factoryFirmware = [
  { component: 'bios', current_version: '1.0.0', vendor: 'Leasehold', model: 'Fake One' },
  { component: 'bmc', current_version: '1.0.0', vendor: 'Leasehold', model: 'Fake BMC' },
  { component: 'nic:eno1', current_version: '1.0.0', vendor: 'Leasehold', model: 'Fake 10G' },
] as const

/** The firmware of a node's machine. */
export const firmwareOf = (node: Node): FirmwareComponent[] =>
  factoryFirmware.map((each) => {
    const flashed = memoryOf(node).firmware?.[each.component]
    return {
      ...each,
      serial_number: serialOf(node, each.component),
      current_version: flashed ?? each.current_version,
      last_version_flashed: flashed ?? null,
    }
  })

/** @throws LeaseholdError 'invalid' when the machine has no such component. */
export function requireComponent(component: unknown): asserts component is string {
  if (!factoryFirmware.some((each) => each.component === component))
    throw invalid(
      `component must be one of ${factoryFirmware.map((each) => each.component).join(', ')}, not ${JSON.stringify(component)?.slice(0, 100)}`,
    )
}

/** What is read of the machine when its node is managed. */
export const readMachine = (node: Node): MachineChanges => ({
  boot_mode: node.boot_mode ?? 'uefi',
  secure_boot: node.secure_boot ?? false,
  bios_settings: biosSettingsOf(node),
  firmware_components: firmwareOf(node),
})

/** The lights; that of the power button follows the power. */
export const lights: readonly Indicator[] = [
  { component: 'chassis', name: 'identify', readonly: false, states: ['on', 'off', 'blinking'] },
  { component: 'system', name: 'power', readonly: true, states: ['on', 'off'] },
  { component: 'disk', name: 'bay-0', readonly: false, states: ['on', 'off', 'blinking'] },
]

/** What inspection finds where the node does not say otherwise. */
const found = { cpu_arch: 'x86_64', cpus: 4, memory_mb: 8192, local_gb: 100 }

/** Properties as inspection finds them: what the node says already stays. */
export const propertiesOf = (node: Node): Record<string, unknown> =>
  Object.fromEntries(Object.entries(found).map(([key, value]) => [key, node.properties[key] ?? value]))

/** All that inspection sees, in the form of Ironic's agent. */
export function inventoryOf(node: Node): Omit<InspectionResult, 'properties'> {
  const { cpu_arch, cpus, memory_mb, local_gb } = propertiesOf(node)
  const mac = macOf(node)
  return {
    inventory: {
      interfaces: [
        {
          name: 'eno1',
          mac_address: mac,
          has_carrier: true,
          ipv4_address: null,
          lldp: null,
          vendor: '0x8086',
          product: '0x1572',
          speed_mbps: 10_000,
        },
      ],
      cpu: {
        architecture: cpu_arch,
        count: cpus,
        model_name: 'Fake CPU at 2.00 GHz',
        frequency: '2000',
        flags: [],
      },
      memory: { physical_mb: memory_mb, total: Number(memory_mb) * 2 ** 20 },
      disks: [
        {
          name: '/dev/sda',
          model: 'Fake Disk',
          serial: serialOf(node, 'disk'),
          size: Number(local_gb) * 2 ** 30,
          rotational: false,
          wwn: null,
          hctl: '0:0:0:0',
        },
      ],
      system_vendor: {
        manufacturer: 'Leasehold',
        product_name: 'Fake One',
        serial_number: serialOf(node, 'system'),
      },
      boot: { current_boot_mode: node.boot_mode ?? 'uefi', pxe_interface: mac },
      bmc_address: null,
      bmc_mac: null,
      hostname: null,
    },
    pluginData: {
      valid_interfaces: { eno1: { name: 'eno1', mac_address: mac, pxe_enabled: true } },
      boot_interface: mac,
    },
  }
}

function wholeNumber(low: number, high: number) {
  return {
    attribute_type: 'Integer',
    lower_bound: low,
    upper_bound: high,
    read_only: false,
    unique: false,
  } as const
}

function shortText(min: number, max: number) {
  return { attribute_type: 'String', min_length: min, max_length: max, reset_required: false } as const
}

/** A number of its own for each part of each machine, always the same. */
const digestOf = (node: Node, part: string): string =>
  createHash('sha256').update(`${node.uuid} ${part}`).digest('hex')
const serialOf = (node: Node, part: string): string => digestOf(node, part).slice(0, 10).toUpperCase()
/** A locally administered address (IEEE 802). */
const macOf = (node: Node): string => `02:${digestOf(node, 'eno1').slice(0, 10).match(/../g)?.join(':')}`

const names = (settings: readonly { name: string }[]): string => settings.map(({ name }) => name).join(', ')
const invalid = (words: string): LeaseholdError => new LeaseholdError('invalid', `args: ${words}.`)
