/** Reads running configurations of the family that says `interface X` and indents what belongs to it. */
import type { Membership, PortIntent, PortState, VlanId } from '../types.ts'
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

/** The switch ports of a configuration. Members of a protected group are protected too. */
export function portsIn(
  sections: readonly Section[],
  names: { normalisePort: (name: string) => string | null; lagName: (group: number) => string },
  portOf: (name: string, lines: readonly string[]) => PortState,
): Map<string, PortState> {
  const ports = new Map<string, PortState>()
  for (const { heading, lines } of sections) {
    const name = heading.startsWith('interface ')
      ? names.normalisePort(heading.slice('interface '.length))
      : null
    if (name !== null) ports.set(name, portOf(name, lines))
  }
  for (const port of ports.values()) {
    const lag = port.lag && ports.get(names.lagName(port.lag.group))
    if (lag?.protected && port.protected === null)
      ports.set(port.name, { ...port, protected: `it is a member of ${lag.name}: ${lag.protected}` })
  }
  return ports
}

/** What only the operator may change, in words, as far as every vendor says it alike. */
export function protectedBecause(lines: readonly string[], switched: boolean): string | null {
  const has = (pattern: RegExp) => lines.some((line) => pattern.test(line))
  if (has(/^spanning-tree (portfast|port type) network$/))
    return 'it is an uplink to another bridge (port type network)'
  if (!switched && has(/^(ip|ipv6) (address|ospf)|^(ip )?vrf |^ip unnumbered/))
    return 'it is a routed port in use'
  const description = value(lines, 'description') ?? ''
  return reserved.test(description) ? `its description says so (${description})` : null
}

/** Words in a description by which operators mark ports that nobody should touch. */
export const reserved = /\b(uplink|peer-?link|peer-?keepalive|mgmt|management)\b/i

/** For `forbidden`: a description that would shut ourselves out. */
export function forbiddenDescription({ description = '' }: PortIntent): string | null {
  return reserved.test(description)
    ? 'a description with words such as uplink or management would shut us out from the port'
    : null
}

/** For `forbidden`, where VLAN 1 is the native one of a trunk that has no other: it cannot be tagged there. */
export function forbiddenTrunk(intent: PortIntent): string | null {
  return intent.mode === 'trunk' && intent.native === null && intent.tagged.includes(1)
    ? 'VLAN 1 cannot be tagged unless another VLAN is native'
    : null
}
