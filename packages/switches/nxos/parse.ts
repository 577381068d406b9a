/** Reads NX-OS's running configuration exactly: what is not said there is the default, and defaults matter. */
import { allowedIn, reserved, said, trunkOf } from '../cli/config.ts'
import type { CliReply } from '../transports/cli.ts'
import type { Membership, PortState, SwitchState, VlanId, VlanState } from '../types.ts'
import { lagName, normalisePort } from './names.ts'
import { rows, text } from './tables.ts'

/** Answers in the order of `readRequests` in dialect.ts. */
export function parseState(replies: readonly CliReply[]): SwitchState {
  const [defaults, interfaces, vlans, switchports] = replies.map((reply) => reply.text)
  const switched = new Set(
    rows(switchports ?? '', 'TABLE_interface', 'ROW_interface')
      .filter((row) => text(row.switchport) === 'Enabled')
      .map((row) => normalisePort(text(row.interface))),
  )
  const system = {
    switchport: /^system default switchport\s*$/m.test(defaults ?? ''),
    shutdown: /^system default switchport shutdown\s*$/m.test(defaults ?? ''),
  }
  const ports = new Map<string, PortState>()
  for (const [name, lines] of sections(interfaces ?? '')) {
    const layer2 = said(lines, 'switchport') ?? (switched.has(name) || system.switchport)
    ports.set(name, portOf(name, lines, layer2, system.shutdown))
  }
  return { vlans: parseVlanBrief(vlans ?? ''), ports: withInheritedProtection(ports) }
}

function parseVlanBrief(json: string): Map<VlanId, VlanState> {
  const found = new Map<VlanId, VlanState>()
  for (const row of rows(json, 'TABLE_vlanbriefxbrief', 'ROW_vlanbriefxbrief')) {
    // The plain id comes with its bytes swapped from some releases: VLAN 1 as 16777216.
    const id = Number(text(row['vlanshowbr-vlanid-utf'] ?? row['vlanshowbr-vlanid']))
    if (!Number.isInteger(id) || id < 1 || id > 4094) continue
    const active =
      text(row['vlanshowbr-vlanstate']) === 'active' && text(row['vlanshowbr-shutstate']) !== 'shutdown'
    found.set(id, { id, name: text(row['vlanshowbr-vlanname']), active })
  }
  return found
}

/** `interface X` and the lines below it, by normalised name; interfaces that are no switch ports are left out. */
function sections(config: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  let lines: string[] | undefined
  for (const line of config.split(/\r?\n/)) {
    const heading = /^interface (\S+)\s*$/.exec(line)
    if (heading) {
      const name = normalisePort(heading[1] as string)
      lines = name === null ? undefined : []
      if (name !== null && lines) found.set(name, lines)
    } else if (/^\s+\S/.test(line)) lines?.push(line.trim())
    else lines = undefined
  }
  return found
}

function portOf(name: string, lines: readonly string[], layer2: boolean, shutByDefault: boolean): PortState {
  const value = (start: string) => lines.find((line) => line.startsWith(`${start} `))?.slice(start.length + 1)
  const channel = /^(\d+)(?: force)?(?: mode (active|passive|on))?/.exec(value('channel-group') ?? '')
  const membership = layer2 ? membershipOf(lines, value) : ({ mode: 'routed' } as const)
  const edge = edgeOf(lines)
  const isLag = name.startsWith('port-channel')
  // A routed Ethernet port is down unless said otherwise; a switched one is up unless the system's default is down.
  const downByDefault = isLag ? false : layer2 ? shutByDefault : true
  const vpc = value('vpc')
  return {
    name,
    membership,
    adminUp: !(said(lines, 'shutdown') ?? downByDefault),
    stpEdge: edge !== null && edge === edgeFor(membership),
    mtu: Number(value('mtu') ?? 1500),
    description: value('description') ?? '',
    lag: channel
      ? { group: Number(channel[1]), lacp: (channel[2] ?? 'on') as 'active' | 'passive' | 'on' }
      : null,
    multiChassis: vpc !== undefined && /^\d+$/.test(vpc) ? Number(vpc) : null,
    protected: protectedBecause(lines, layer2, value('description') ?? ''),
    leftovers: layer2 ? leftoversOf(lines, membership, edge) : [],
  }
}

function membershipOf(lines: readonly string[], value: (start: string) => string | undefined): Membership {
  const mode = value('switchport mode') ?? 'access'
  if (lines.some((line) => /^switchport (vlan mapping|access vlan dynamic|private-vlan)/.test(line)))
    return { mode: 'other', what: 'a port with VLAN mapping or private VLANs' }
  if (mode === 'access') return { mode: 'access', vlan: Number(value('switchport access vlan') ?? 1) }
  if (mode !== 'trunk') return { mode: 'other', what: `switchport mode ${mode}` }
  return trunkOf(Number(value('switchport trunk native vlan') ?? 1), allowedIn(lines))
}

type Edge = 'edge' | 'edge trunk' | null

function edgeOf(lines: readonly string[]): Edge {
  if (lines.includes('spanning-tree port type edge trunk')) return 'edge trunk'
  return lines.includes('spanning-tree port type edge') ? 'edge' : null
}

function edgeFor(membership: Membership): Edge {
  return membership.mode === 'trunk' ? 'edge trunk' : 'edge'
}

function leftoversOf(lines: readonly string[], membership: Membership, edge: Edge): string[] {
  const has = (start: string) => lines.filter((line) => line.startsWith(start))
  const allowed = allowedIn(lines)
  const lists = allowed === 'all' ? ['no list of trunk VLANs, so all'] : has('switchport trunk allowed vlan ')
  const wrongEdge = edge !== null && edge !== edgeFor(membership) ? [`spanning-tree port type ${edge}`] : []
  if (membership.mode === 'access') {
    const old = allowed === 'all' || allowed.length > 0 ? lists : []
    return [...old, ...has('switchport trunk native vlan '), ...wrongEdge]
  }
  const unused = membership.mode === 'trunk' && membership.native === null
  return [
    ...has('switchport access vlan '),
    ...(unused ? has('switchport trunk native vlan ') : []),
    ...wrongEdge,
  ]
}

/** What only the operator may change, in words. */
function protectedBecause(lines: readonly string[], layer2: boolean, description: string): string | null {
  const has = (pattern: RegExp) => lines.some((line) => pattern.test(line))
  if (has(/^vpc peer-link/)) return 'it is the vPC peer link'
  if (has(/^spanning-tree port type network/)) return 'it is an uplink to another bridge (port type network)'
  if (has(/^switchport monitor/)) return 'it is a mirror port'
  if (has(/^fex associate|^switchport mode fex-fabric/)) return 'it leads to a fabric extender'
  if (!layer2 && has(/^(ip|ipv6) address|^vrf member|^(ip|ipv6) router|^ip unnumbered|^medium /))
    return 'it is a routed port in use'
  if (reserved.test(description)) return `its description says so (${description})`
  return null
}

/** Members of a protected port-channel are protected too. */
function withInheritedProtection(ports: Map<string, PortState>): Map<string, PortState> {
  for (const port of ports.values()) {
    const lag = port.lag && ports.get(lagName(port.lag.group))
    if (lag?.protected && port.protected === null)
      ports.set(port.name, { ...port, protected: `it is a member of ${lag.name}: ${lag.protected}` })
  }
  return ports
}
