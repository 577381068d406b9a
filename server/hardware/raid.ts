/** RAID configurations as Ironic has them: what a logical disk may say, and whether what it says makes sense. */
import { LeaseholdError } from '../errors.ts'

interface Property {
  description: string
  /** What is wrong with the value, in words that follow the property's name; undefined when nothing is. */
  fault: (value: unknown) => string | undefined
}

const oneOf = (values: readonly string[]) => (value: unknown) =>
  values.includes(value as string) ? undefined : `must be one of ${values.join(', ')}`
const boolean = (value: unknown) => (typeof value === 'boolean' ? undefined : 'must be true or false')
const text = (value: unknown) =>
  typeof value === 'string' && value !== '' && value.length <= 255
    ? undefined
    : 'must be text of 1 to 255 characters'
const positive = (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) > 0 ? undefined : 'must be a whole number above 0'

const properties: Readonly<Record<string, Property>> = {
  size_gb: {
    description: 'Size in GiB, a whole number above 0, or MAX for all that is left. Required.',
    fault: (value) =>
      value === 'MAX' || positive(value) === undefined ? undefined : `${positive(value)}, or "MAX"`,
  },
  raid_level: {
    description: 'RAID level: JBOD, 0, 1, 2, 5, 6, 1+0, 5+0 or 6+0. Required.',
    fault: oneOf(['JBOD', '0', '1', '2', '5', '6', '1+0', '5+0', '6+0']),
  },
  volume_name: {
    description: 'Name of the volume; made up by the driver when left out. Optional.',
    fault: text,
  },
  is_root_volume: {
    description:
      'Whether the system is installed on it; at most one logical disk. Default is false. Optional.',
    fault: boolean,
  },
  share_physical_disks: {
    description: 'Whether its physical disks may also serve other logical disks. Default is false. Optional.',
    fault: boolean,
  },
  disk_type: {
    description: 'Kind of physical disk: hdd or ssd. Any when left out. Optional.',
    fault: oneOf(['hdd', 'ssd']),
  },
  interface_type: {
    description: 'Interface of the physical disks: sata, scsi or sas. Any when left out. Optional.',
    fault: oneOf(['sata', 'scsi', 'sas']),
  },
  number_of_physical_disks: {
    description: 'How many physical disks; as few as the RAID level needs when left out. Optional.',
    fault: positive,
  },
  controller: { description: 'Name of the RAID controller; any when left out. Optional.', fault: text },
  physical_disks: {
    description: 'The physical disks to use, as a list of their names; any when left out. Optional.',
    fault: (value) =>
      Array.isArray(value) &&
      value.length <= 1000 &&
      value.every((each) => text(each) === undefined || isHint(each))
        ? undefined
        : 'must be a list of names',
  },
}

/** The properties of a logical disk, with what each means. */
export const logicalDiskProperties: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(properties).map(([name, { description }]) => [name, description]),
)

const mostDisks = 1000

/**
 * Checks a configuration: `{"logical_disks": [...]}`.
 * @throws LeaseholdError 'invalid' naming the disk and the field.
 */
export function checkRaidConfig(config: Readonly<Record<string, unknown>>): void {
  const disks = config.logical_disks
  const other = Object.keys(config).find((key) => key !== 'logical_disks')
  if (other !== undefined) throw invalid(`${other.slice(0, 100)} is not known; give logical_disks alone`)
  if (!Array.isArray(disks) || disks.length > mostDisks)
    throw invalid(`logical_disks must be a list of at most ${mostDisks} logical disks`)
  disks.forEach(checkDisk)
  if (disks.filter((disk) => disk.is_root_volume === true).length > 1)
    throw invalid('only one logical disk can be the root volume')
}

function checkDisk(disk: unknown, index: number): void {
  const at = `logical_disks[${index}]`
  if (!isHint(disk)) throw invalid(`${at} must be an object`)
  for (const name of ['size_gb', 'raid_level'])
    if (!Object.hasOwn(disk, name)) throw invalid(`${at} lacks ${name}`)
  for (const [name, value] of Object.entries(disk)) {
    if (!Object.hasOwn(properties, name))
      throw invalid(
        `${at}.${name.slice(0, 100)} is not known; known are ${Object.keys(properties).join(', ')}`,
      )
    const fault = properties[name]?.fault(value)
    if (fault) throw invalid(`${at}.${name} ${fault}`)
  }
}

/** Disks may be named by hints, such as `{"size": "> 100"}`. */
const isHint = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const invalid = (words: string): LeaseholdError =>
  new LeaseholdError('invalid', `RAID configuration: ${words}.`)
