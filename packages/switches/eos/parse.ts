/** Reads EOS: memberships as the switch says they are in effect, everything else from the running configuration. */
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
import { parseVlans } from '../vlans.ts'

/** `Et1`, `ethernet 1/1` and `Po10` as `Ethernet1`, `Ethernet1/1`, `Port-Channel10`; null for all other interfaces. */
export function normalisePort(name: string): string | null {
  const ethernet = /^et(?:h|hernet)?\s?(\d{1,3}(?:\/\d{1,3}){0,2})$/i.exec(name)
  if (ethernet) return `Ethernet${ethernet[1]}`
  const channel = /^po(?:rt-?channel)?\s?([1-9]\d{0,3})$/i.exec(name)
  return channel ? lagName(Number(channel[1])) : null
}

export function lagName(group: number): string {
  return `Port-Channel${group}`
}

/** Answers in the order of `readRequests` in dialect.ts. */
export function parseState(replies: readonly CliReply[]): SwitchState {
  const [config, vlans, switchports] = replies.map((reply) => reply.text)
  const inEffect = switchportsOf(switchports ?? '')
  const sections = sectionsOf(config ?? '')
  const peerLink = sections
    .find(({ heading }) => heading === 'mlag configuration')
    ?.lines.find((line) => line.startsWith('peer-link '))
  const peerLinkPort = normalisePort(peerLink?.slice('peer-link '.length) ?? '')
  const ports = portsIn(sections, { normalisePort, lagName }, (name, lines) =>
    portOf(name, lines, inEffect.get(name), name === peerLinkPort),
  )
  return { vlans: vlansOf(vlans ?? ''), ports }
}

function vlansOf(json: string): Map<VlanId, VlanState> {
  const body = JSON.parse(json) as { vlans?: Record<string, { name?: string; status?: string }> }
  const found = new Map<VlanId, VlanState>()
  for (const [key, vlan] of Object.entries(body.vlans ?? {})) {
    const id = Number(key)
    found.set(id, { id, name: vlan.name ?? '', active: vlan.status === 'active' })
  }
  return found
}

type Info = {
  mode?: string
  accessVlanId?: number
  trunkingNativeVlanId?: number
  trunkAllowedVlans?: string
}

function switchportsOf(json: string): Map<string, Info> {
  const body = JSON.parse(json) as {
    switchports?: Record<string, { enabled?: boolean; switchportInfo?: Info }>
  }
  const found = new Map<string, Info>()
  for (const [key, { enabled, switchportInfo }] of Object.entries(body.switchports ?? {})) {
    const name = normalisePort(key)
    if (name !== null && enabled !== false && switchportInfo) found.set(name, switchportInfo)
  }
  return found
}

function portOf(
  name: string,
  lines: readonly string[],
  info: Info | undefined,
  peerLink: boolean,
): PortState {
  const lag = channelGroupIn(lines)
  // What a member of a group does by itself is without effect, and not every release says it.
  const own = lag === null ? info : (info ?? {})
  const unknown = unknownSwitchport(lines, known)
  const membership: Membership =
    own === undefined
      ? { mode: 'routed' }
      : unknown !== undefined
        ? { mode: 'other', what: `a port with "${unknown}"` }
        : membershipOf(own)
  const mlag = value(lines, 'mlag')
  return {
    name,
    membership,
    adminUp: !lines.includes('shutdown'),
    stpEdge: lines.some((line) => /^spanning-tree portfast(?: edge)?$/.test(line)),
    mtu: null,
    description: value(lines, 'description') ?? '',
    lag,
    multiChassis: mlag === undefined ? null : Number(mlag),
    protected: peerLink ? 'it is the MLAG peer link' : protectedBecause(lines, own !== undefined),
    leftovers: own === undefined ? [] : leftoversOf(lines, membership),
    lines,
  }
}

const known = [
  /^switchport mode (access|trunk)$/,
  /^switchport access vlan \d+$/,
  /^switchport trunk (native vlan \d+|allowed vlan )/,
]

function membershipOf({ mode, accessVlanId, trunkingNativeVlanId, trunkAllowedVlans }: Info): Membership {
  if (mode === undefined || mode === 'access') return { mode: 'access', vlan: accessVlanId ?? 1 }
  if (mode !== 'trunk') return { mode: 'other', what: `switchport mode ${mode}` }
  const list = trunkAllowedVlans ?? 'ALL'
  const ids = /^all$/i.test(list) ? 'all' : parseVlans(list.toLowerCase())
  return trunkOf(trunkingNativeVlanId ?? 1, ids !== 'all' && ids.length === 4094 ? 'all' : ids)
}

function leftoversOf(lines: readonly string[], membership: Membership): string[] {
  const has = (start: string) => lines.filter((line) => line.startsWith(start))
  if (membership.mode === 'access') {
    const allowed = allowedIn(lines)
    const lists =
      allowed === 'all' ? ['no list of trunk VLANs, so all'] : has('switchport trunk allowed vlan ')
    return [
      ...(allowed === 'all' || allowed.length > 0 ? lists : []),
      ...has('switchport trunk native vlan '),
    ]
  }
  const unused = membership.mode === 'trunk' && membership.native === null
  return [
    ...has('switchport access vlan ').filter((line) => line !== 'switchport access vlan 1'),
    ...(unused ? has('switchport trunk native vlan ') : []),
  ]
}
