/** VLAN ids and lists of them as people and switches write them: 100,200-205. */
import { SwitchError } from './errors.ts'
import type { VlanId } from './types.ts'

/**
 * Reads a list like `100,200-205`; '' and 'none' are the empty list. The result is sorted and has no doubles.
 *
 * @throws SwitchError 'invalid'
 */
export function parseVlans(text: string): VlanId[] {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === 'none') return []
  const found = new Set<VlanId>()
  for (const part of trimmed.split(',')) {
    const match = /^\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*$/.exec(part)
    if (!match) throw new SwitchError('invalid', `not a list of VLANs: ${JSON.stringify(text)}`)
    const first = checkVlan(Number(match[1]))
    const last = match[2] === undefined ? first : checkVlan(Number(match[2]))
    if (last < first) throw new SwitchError('invalid', `a range of VLANs that ends before it begins: ${part}`)
    for (let id = first; id <= last; id++) found.add(id)
  }
  return sortVlans(found)
}

/** Writes a list as `100,200-205`, sorted; '' for the empty list. */
export function formatVlans(ids: Iterable<VlanId>): string {
  const parts: string[] = []
  let start: number | undefined
  let previous: number | undefined
  const flush = () => {
    if (start !== undefined) parts.push(start === previous ? `${start}` : `${start}-${previous}`)
  }
  for (const id of sortVlans(ids)) {
    if (previous !== undefined && id === previous + 1) previous = id
    else {
      flush()
      start = previous = id
    }
  }
  flush()
  return parts.join(',')
}

/** @throws SwitchError 'invalid' for what is no VLAN id of IEEE 802.1Q */
export function checkVlan(id: unknown): VlanId {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 1 || id > 4094)
    throw new SwitchError('invalid', `VLAN ids go from 1 to 4094; ${JSON.stringify(id)} is none`)
  return id
}

/** Ascending, each once. */
export function sortVlans(ids: Iterable<VlanId>): VlanId[] {
  return [...new Set(ids)].sort((a, b) => a - b)
}
