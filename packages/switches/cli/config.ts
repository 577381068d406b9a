/** Reads running configurations of the family that says `interface X` and indents what belongs to it. */
import type { Membership, VlanId } from '../types.ts'
import { parseVlans } from '../vlans.ts'

export type Section = { heading: string; lines: readonly string[] }

/** Headings with the lines below them, in order; `!` and blank lines are left out. */
export function sectionsOf(config: string): Section[] {
  const found: { heading: string; lines: string[] }[] = []
  for (const line of config.split(/\r?\n/)) {
    if (line.trim() === '' || line.trimStart().startsWith('!')) continue
    if (/^\s/.test(line)) found.at(-1)?.lines.push(line.trim())
    else found.push({ heading: line.trim(), lines: [] })
  }
  return found
}

/** What comes after the first line that starts so: `value(lines, 'switchport mode')`. */
export function value(lines: readonly string[], start: string): string | undefined {
  return lines.find((line) => line.startsWith(`${start} `))?.slice(start.length + 1)
}

/** true for the bare word, false for `no word`, undefined if neither is said. */
export function said(lines: readonly string[], word: string): boolean | undefined {
  if (lines.includes(word)) return true
  return lines.includes(`no ${word}`) ? false : undefined
}

/** The list of a trunk with its continuation lines (`add`). Without any, every VLAN is allowed. */
export function allowedIn(lines: readonly string[]): readonly VlanId[] | 'all' {
  const start = 'switchport trunk allowed vlan '
  const lists = lines.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length))
  if (lists.length === 0 || /^all$/i.test(lists[0] as string)) return 'all'
  const ids = lists.flatMap((list) => parseVlans(list.replace(/^add /, '').toLowerCase()))
  return ids.length === 4094 ? 'all' : ids
}

/** A trunk whose untagged frames belong to `native` only if the list has it. */
export function trunkOf(native: VlanId, allowed: readonly VlanId[] | 'all'): Membership {
  if (allowed === 'all') return { mode: 'trunk', native, tagged: 'all' }
  const tagged = allowed.filter((id) => id !== native)
  return { mode: 'trunk', native: allowed.includes(native) ? native : null, tagged }
}

/** `channel-group 10 mode active` and `channel-group 10`. */
export function channelGroupIn(lines: readonly string[]): {
  group: number
  lacp: 'active' | 'passive' | 'on'
} | null {
  const match = /^(\d+)(?: mode (active|passive|on))?/.exec(value(lines, 'channel-group') ?? '')
  return match ? { group: Number(match[1]), lacp: (match[2] ?? 'on') as 'active' | 'passive' | 'on' } : null
}

/** The first `switchport` line that none of these patterns knows: what it does to frames cannot be said. */
export function unknownSwitchport(lines: readonly string[], known: readonly RegExp[]): string | undefined {
  return lines.find((line) => /^switchport /.test(line) && !known.some((pattern) => pattern.test(line)))
}

/** Words in a description by which operators mark ports that nobody should touch. */
export const reserved = /\b(uplink|peer-?link|peer-?keepalive|mgmt|management)\b/i
