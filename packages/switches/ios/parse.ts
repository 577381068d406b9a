/** Reads IOS's running configuration, its table of VLANs, and what ports negotiate. */
import {
  allowedIn,
  channelGroupIn,
  portsIn,
  protectedBecause,
  sectionsOf,
  trunkOf,
  unknownSwitchport,
  value,
} from '../cli/config.ts'
import type { CliReply } from '../transports/cli.ts'
import type { Membership, PortState, SwitchState, VlanId, VlanState } from '../types.ts'

const kinds = [
  ['FastEthernet', /^fa/],
  ['TwoGigabitEthernet', /^tw(?!e)/],
  ['TwentyFiveGigE', /^twe/],
  ['TenGigabitEthernet', /^te/],
  ['FiveGigabitEthernet', /^fi/],
  ['FortyGigabitEthernet', /^fo/],
  ['GigabitEthernet', /^gi/],
  ['HundredGigE', /^hu/],
  ['Ethernet', /^et/],
  ['Port-channel', /^po/],
] as const

/** `Gi1/0/1`, `gigabitethernet 1/0/1` and `Po10` as IOS writes them; null for what is no switch port. */
export function normalisePort(name: string): string | null {
  const match = /^([a-z-]{2,24}?)\s?(\d{1,3}(?:\/\d{1,3}){0,2})$/i.exec(name)
  if (!match) return null
  const [word, number = ''] = [(match[1] as string).toLowerCase(), match[2]]
  const kind = kinds.find(([long, short]) => short.test(word) && long.toLowerCase().startsWith(word))?.[0]
  if (kind === undefined) return null
  return (kind === 'Port-channel') === /^[1-9]\d*$/.test(number) ? `${kind}${number}` : null
}

export function lagName(group: number): string {
  return `Port-channel${group}`
}

/** Answers in the order of `readRequests` in dialect.ts. */
export function parseState(replies: readonly CliReply[]): SwitchState {
  const [config, vlans, switchports] = replies.map((reply) => reply.text)
  const switched = switchedIn(switchports ?? '')
  const ports = portsIn(sectionsOf(config ?? ''), { normalisePort, lagName }, (name, lines) =>
    portOf(name, lines, switched.has(name)),
  )
  return { vlans: vlansIn(vlans ?? ''), ports }
}

/** `100  tenant-a    active    Gi1/0/1, Gi1/0/2`; the list of ports goes on in lines that begin with blanks. */
function vlansIn(table: string): Map<VlanId, VlanState> {
  const found = new Map<VlanId, VlanState>()
  for (const line of table.split('\n')) {
    const match = /^(\d{1,4})\s+(\S.*?)\s+(active|suspended|act\/\S+|sus\/\S+)(?:\s|$)/.exec(line)
    const id = Number(match?.[1])
    // 1002 to 1005 are Token Ring and FDDI: always there, of no use.
    if (match && !(id >= 1002 && id <= 1005))
      found.set(id, { id, name: match[2] as string, active: match[3] === 'active' })
  }
  return found
}

/** Names of the ports that switch, from blocks of `Name: Gi1/0/1` and `Switchport: Enabled`. */
function switchedIn(text: string): Set<string | null> {
  const blocks = text.split(/^(?=Name: )/m).filter((block) => /^Switchport: Enabled/m.test(block))
  return new Set(blocks.map((block) => normalisePort(/^Name: (\S+)/.exec(block)?.[1] ?? '')))
}

function portOf(name: string, lines: readonly string[], switched: boolean): PortState {
  const unknown = unknownSwitchport(lines, known)
  const membership = !switched
    ? ({ mode: 'routed' } as const)
    : unknown === undefined
      ? membershipOf(lines)
      : ({ mode: 'other', what: `a port with "${unknown}"` } as const)
  return {
    name,
    membership,
    adminUp: !lines.includes('shutdown'),
    stpEdge: lines.some((line) => (membership.mode === 'trunk' ? edgeTrunk : edgeAccess).test(line)),
    mtu: null,
    description: value(lines, 'description') ?? '',
    lag: channelGroupIn(lines),
    multiChassis: null,
    protected: lines.some((line) => line.startsWith('stackwise-virtual '))
      ? 'it links the two switches of a virtual stack'
      : protectedBecause(lines, switched),
    leftovers: switched ? leftoversOf(lines, membership) : [],
    lines,
  }
}

const known = [
  /^switchport mode (access|trunk|dynamic \w+)$/,
  /^switchport access vlan \d+$/,
  /^switchport trunk (native vlan \d+|allowed vlan |encapsulation )/,
  /^switchport (nonegotiate|voice vlan \d+)$/,
]
const edgeAccess = /^spanning-tree portfast(?: edge)?$/
const edgeTrunk = /^spanning-tree portfast(?: edge)? trunk$/

/** A port that negotiates may be a trunk as soon as its neighbour wants it, so that is what it counts as. */
function membershipOf(lines: readonly string[]): Membership {
  if (value(lines, 'switchport mode') === 'access')
    return { mode: 'access', vlan: Number(value(lines, 'switchport access vlan') ?? 1) }
  return trunkOf(Number(value(lines, 'switchport trunk native vlan') ?? 1), allowedIn(lines))
}

function leftoversOf(lines: readonly string[], membership: Membership): string[] {
  const has = (pattern: RegExp) => lines.filter((line) => pattern.test(line))
  const voice = has(/^switchport voice vlan /)
  if (membership.mode === 'access') {
    const allowed = allowedIn(lines)
    const lists =
      allowed === 'all' ? ['no list of trunk VLANs, so all'] : has(/^switchport trunk allowed vlan /)
    return [
      ...(allowed === 'all' || allowed.length > 0 ? lists : []),
      ...has(/^switchport trunk (native|encapsulation) /),
      ...has(edgeTrunk),
      ...voice,
    ]
  }
  if (membership.mode !== 'trunk') return []
  return [
    ...(lines.includes('switchport mode trunk') ? [] : ['a mode that negotiates']),
    ...has(/^switchport access vlan /),
    ...(membership.native === null ? has(/^switchport trunk native vlan /) : []),
    ...has(edgeAccess),
    ...voice,
  ]
}
