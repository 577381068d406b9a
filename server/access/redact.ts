/** What is shown of an object's fields: the field, the field with its secrets masked, or the right that is missing. */
import type { Caller } from './caller.ts'
import { nodeTarget, type Policy, type Target } from './policy.ts'
import type { RuleName } from './rules.ts'
import { masked, maskSecrets } from './secrets.ts'

/** The owner and lessee of a node, by which the rules decide. */
export interface Ownership {
  readonly owner: string | null
  readonly lessee?: string | null
}

export interface NodeRedaction {
  /** Whether `baremetal:node:get:filter_threshold` holds; for a list ask once: `seesNodesWhole`. */
  readonly thresholdHolds?: boolean
  /** Whose node it is. Taken from the view when left out; give it when `fields=` leaves owner or lessee out. */
  readonly ownership?: Ownership
}

/** Whether the caller sees every node's fields without the finer rules being asked. */
export const seesNodesWhole = (policy: Policy, caller: Caller): boolean =>
  policy.allows('baremetal:node:get:filter_threshold', caller)

/**
 * Redacts and masks a node as it is about to be shown, by the API's field names: in GET, in lists and in the answers
 * of POST and PATCH. Only fields that are there are touched, whatever their value. The node given is not changed.
 */
export function redactNode<T extends object>(
  policy: Policy,
  caller: Caller,
  node: T,
  redaction: NodeRedaction = {},
): T {
  const { ownership = ownershipOf(node) } = redaction
  const target = nodeTarget(ownership)
  const seesAll =
    redaction.thresholdHolds ?? policy.allows('baremetal:node:get:filter_threshold', caller, target)
  const shown = { ...node } as Record<string, unknown>
  for (const { field, rule, text } of guardedFields) {
    if (field in shown && !seesAll && !policy.allows(rule, caller, target)) shown[field] = text
    else maskField(policy, caller, target, shown, field)
  }
  maskField(policy, caller, target, shown, 'instance_info')
  return shown as T
}

/** Redacts a volume target: its properties need a right of their own, and show no secrets to anybody. */
export function redactVolumeTarget<T extends object>(
  policy: Policy,
  caller: Caller,
  volumeTarget: T,
  ownership: Ownership,
): T {
  if (!('properties' in volumeTarget)) return volumeTarget
  const allowed = policy.allows('baremetal:volume:view_target_properties', caller, nodeTarget(ownership))
  return { ...volumeTarget, properties: allowed ? maskSecrets(volumeTarget.properties) : redactedProperties }
}

/** What stands in place of each field for who may not see it: Ironic's words, which clients may know. */
const guardedFields = [
  {
    field: 'last_error',
    rule: 'baremetal:node:get:last_error',
    text: '** Value Redacted - Requires baremetal:node:get:last_error permission. **',
  },
  {
    field: 'reservation',
    rule: 'baremetal:node:get:reservation',
    text: '** Redacted - requires baremetal:node:get:reservation permission. **',
  },
  {
    field: 'driver_internal_info',
    rule: 'baremetal:node:get:driver_internal_info',
    text: { content: '** Redacted - Requires baremetal:node:get:driver_internal_info permission. **' },
  },
  {
    field: 'driver_info',
    rule: 'baremetal:node:get:driver_info',
    text: { content: '** Redacted - requires baremetal:node:get:driver_info permission. **' },
  },
] as const satisfies readonly { field: string; rule: RuleName; text: unknown }[]

const redactedProperties = {
  redacted_contents:
    '** Value redacted: Requires permission baremetal:volume:view_target_properties access. Permission denied. **',
}

/** The rule that shows a field's secrets. */
const unmaskingRules = {
  driver_info: 'show_password',
  driver_internal_info: 'show_password',
  instance_info: 'show_instance_secrets',
} as const satisfies Record<string, RuleName>

function maskField(
  policy: Policy,
  caller: Caller,
  target: Target,
  node: Record<string, unknown>,
  field: string,
): void {
  if (!isMasked(field) || !(field in node)) return
  if (policy.allows(unmaskingRules[field], caller, target)) return
  const value = maskSecrets(node[field])
  node[field] = field === 'instance_info' ? maskImageUrl(value) : value
}

const isMasked = (field: string): field is keyof typeof unmaskingRules => Object.hasOwn(unmaskingRules, field)

/** An image's URL may be a temporary one that carries its own right. */
const maskImageUrl = (info: unknown): unknown =>
  typeof info === 'object' && info !== null && 'image_url' in info && info.image_url
    ? { ...info, image_url: masked }
    : info

function ownershipOf(node: { readonly owner?: unknown; readonly lessee?: unknown }): Ownership {
  return {
    owner: typeof node.owner === 'string' ? node.owner : null,
    lessee: typeof node.lessee === 'string' ? node.lessee : null,
  }
}
