/** What of a node and of its ports rules may change, one row an attribute: all else is the service's own. */
import { InspectionRuleError } from './budget.ts'
import { isObject } from './json.ts'

export interface Attribute {
  /** What it is when deleted. */
  readonly cleared: unknown
  /** The value as it is stored. @throws InspectionRuleError for what it cannot be. */
  read(value: unknown): unknown
}

const object: Attribute = {
  cleared: {},
  read(value) {
    if (!isObject(value)) throw new InspectionRuleError('the value must be an object')
    return value
  },
}
const text = (longest: number, pattern?: RegExp): Attribute => ({
  cleared: null,
  read(value) {
    if (value === null) return null
    if (typeof value !== 'string' || value.length > longest || value.includes('\0'))
      throw new InspectionRuleError(`the value must be text of at most ${longest} characters`)
    if (pattern && !pattern.test(value))
      throw new InspectionRuleError(`the value must match ${pattern.source}`)
    return value
  },
})
const boolean = (cleared: boolean): Attribute => ({
  cleared,
  read(value) {
    if (typeof value === 'boolean') return value
    if (typeof value === 'string' && /^(true|yes|on|1)$/i.test(value)) return true
    if (typeof value === 'string' && /^(false|no|off|0)$/i.test(value)) return false
    throw new InspectionRuleError('the value must be true or false')
  },
})

const logicalName = /^[A-Za-z0-9._~-]{1,255}$/

export const nodeAttributes: Readonly<Record<string, Attribute>> = {
  properties: object,
  extra: object,
  driver_info: object,
  instance_info: object,
  network_data: object,
  description: text(4096),
  resource_class: text(80),
  owner: text(255),
  lessee: text(255),
  shard: text(255),
  conductor_group: { ...text(255, /^[a-z0-9_.-]*$/), cleared: '' },
  disable_power_off: boolean(false),
}

export const portAttributes: Readonly<Record<string, Attribute>> = {
  extra: object,
  local_link_connection: object,
  pxe_enabled: boolean(true),
  is_smartnic: boolean(false),
  physical_network: text(64, /^.+$/),
  name: text(255, logicalName),
  description: text(255),
  vendor: text(32),
  category: text(80),
}

/** @throws InspectionRuleError naming what there is. */
export function attributeOf(table: Readonly<Record<string, Attribute>>, name: string): Attribute {
  const attribute = Object.hasOwn(table, name) ? table[name] : undefined
  if (!attribute)
    throw new InspectionRuleError(
      `"${name.slice(0, 100)}" can not be changed by a rule; these can: ${Object.keys(table).join(', ')}`,
    )
  return attribute
}
