/** Which rule a change of a node's field needs: Ironic's table, matched by prefix, first match wins. */
import type { RuleName } from './rules.ts'

/** One operation of a JSON PATCH (RFC 6902): `add`, `replace` or `remove`. */
export interface PatchOperation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

/** A node's 13 interfaces. */
export const interfaceTypes = [
  'bios',
  'boot',
  'console',
  'deploy',
  'firmware',
  'inspect',
  'management',
  'network',
  'power',
  'raid',
  'rescue',
  'storage',
  'vendor',
] as const

/** Order matters: `/driver_info` stands before `/driver`, which also takes `/driver_internal_info`. */
const rulesByPrefix = [
  ['/instance_info', 'baremetal:node:update_instance_info'],
  ['/extra', 'baremetal:node:update_extra'],
  ['/driver_info', 'baremetal:node:update:driver_info'],
  ['/properties', 'baremetal:node:update:properties'],
  ['/chassis_uuid', 'baremetal:node:update:chassis_uuid'],
  ['/instance_uuid', 'baremetal:node:update:instance_uuid'],
  ['/instance_name', 'baremetal:node:update_instance_info'],
  ['/lessee', 'baremetal:node:update:lessee'],
  ['/owner', 'baremetal:node:update:owner'],
  ['/driver', 'baremetal:node:update:driver_interfaces'],
  ['/network_data', 'baremetal:node:update:network_data'],
  ['/conductor_group', 'baremetal:node:update:conductor_group'],
  ['/name', 'baremetal:node:update:name'],
  ['/retired', 'baremetal:node:update:retired'],
  ['/shard', 'baremetal:node:update:shard'],
  ['/parent_node', 'baremetal:node:update:parent_node'],
  ['/disable_power_off', 'baremetal:node:update:disable_power_off'],
  ...interfaceTypes.map((type) => [`/${type}_interface`, 'baremetal:node:update:driver_interfaces'] as const),
] as const satisfies readonly (readonly [string, RuleName])[]

/**
 * The rules that must all hold for a patch of a node, each once, in the order in which the operations need them. The
 * first is to be checked behind `node:get` (404), the others directly (403). An empty patch needs the general rule.
 *
 * Changing the owner of an active node needs `baremetal:node:update_owner_provisioned` as well: that depends on the
 * node, not on the patch.
 */
export function rulesForPatch(operations: readonly PatchOperation[]): RuleName[] {
  const rules = operations.map(ruleForOperation)
  return rules.length === 0 ? [generalRule] : [...new Set(rules)]
}

const generalRule: RuleName = 'baremetal:node:update'

function ruleForOperation({ path, op, value }: PatchOperation): RuleName {
  const row = rulesByPrefix.find(([prefix]) => path.startsWith(prefix))
  if (row !== undefined) return row[1]
  const disablesCleaning = path.startsWith('/automated_clean') && op !== 'remove' && isFalse(value)
  return disablesCleaning ? 'baremetal:node:disable_cleaning' : generalRule
}

/** What Ironic reads as false in a boolean field: the value itself, 0, or one of these words. */
const isFalse = (value: unknown): boolean =>
  typeof value !== 'object' &&
  ['false', 'f', '0', 'off', 'no', 'n'].includes(String(value).trim().toLowerCase())
