/** Names and UUIDs by which resources are addressed. */

/**
 * A UUID in its usual form, or undefined. Like Ironic it takes one without dashes, in braces, or in capitals.
 */
export function normalUuid(text: string): string | undefined {
  const hex = text
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/[{}-]/g, '')
  if (!/^[0-9a-f]{32}$/.test(hex) || text.length > 45) return undefined
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** RFC 3986's unreserved characters (since 1.10). */
export const logicalNamePattern = '^[A-Za-z0-9._~-]{1,255}$'
const logicalName = new RegExp(logicalNamePattern)
/** RFC 1123 host names (1.5 to 1.9). */
const hostName =
  /^(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/

/** Path words below a node, and words that Ironic keeps for itself: no node may be called so. */
const reservedNodeNames = new Set([
  'maintenance',
  'management',
  'states',
  'vendor_passthru',
  'detail',
  'validate',
  // Accepted at creation by Ironic, and then unreachable: better refused.
  'ports',
  'portgroups',
  'vifs',
  'networking',
  'volume',
  'traits',
  'bios',
  'allocation',
  'history',
  'inventory',
  'children',
  'firmware',
  'vmedia',
])

/** Why a node cannot be called `name`, or undefined when it can. */
export function nodeNameFault(name: string, version: number): string | undefined {
  if (reservedNodeNames.has(name))
    return `Cannot create or change a node: the name "${name}" is reserved; choose another.`
  if (normalUuid(name)) return `The node name "${name}" looks like a UUID; choose a name that does not.`
  if (!(version < 10 ? hostName : logicalName).test(name))
    return `Invalid node name "${name}": use 1 to 255 of A-Z a-z 0-9 - . _ ~`
  return undefined
}

/** How an identifier in a path or query is looked up, or undefined when nothing can have it. */
export function lookupOf(ident: string, names: boolean): { uuid: string } | { name: string } | undefined {
  const uuid = normalUuid(ident)
  if (uuid) return { uuid }
  return names && logicalName.test(ident) ? { name: ident } : undefined
}

/** A MAC address in colons and lower case, or undefined (IEEE 802). */
export const normalMac = (text: string): string | undefined =>
  /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? text.toLowerCase() : undefined
