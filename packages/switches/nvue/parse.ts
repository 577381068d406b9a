/** Reads NVUE's trees: what interfaces there are, what is configured of them, and the bridge. */
import { protectedBecause } from '../cli/config.ts'
import type { Membership, PortState, SwitchState, VlanId } from '../types.ts'
import { parseVlans } from '../vlans.ts'

export type Interface = {
  type?: string
  description?: string
  link?: { state?: Record<string, unknown> | string; mtu?: number }
  ip?: { address?: Record<string, unknown>; vrf?: string }
  bridge?: { domain?: Record<string, BridgePort | undefined> }
  bond?: { mode?: string; member?: Record<string, unknown>; mlag?: { id?: number } }
}
type BridgePort = {
  access?: number
  untagged?: number | 'none'
  vlan?: Record<string, unknown>
  stp?: { 'admin-edge'?: string }
}

/** The configured interfaces, the names of all, and the VLANs of the bridge, as they were read. */
export type Trees = {
  names: readonly string[]
  interfaces: Readonly<Record<string, Interface>>
  bridgeVlans: readonly string[]
}

/** `swp1`, `swp1s0`, `bond10`; null for everything else. */
export function normalisePort(name: string): string | null {
  const match = /^(swp\d{1,3}(?:s\d)?|bond[1-9]\d{0,3})$/i.exec(name)
  return match ? name.toLowerCase() : null
}

export function lagName(group: number): string {
  return `bond${group}`
}

export function parseTrees(
  [operational = '{}', applied = '{}', domains = '{}']: readonly string[],
  domain: string,
): Trees {
  const bridges = JSON.parse(domains) as Record<string, { vlan?: Record<string, unknown> } | undefined>
  const interfaces = JSON.parse(applied) as Record<string, Interface>
  const names = new Set([...Object.keys(JSON.parse(operational) as object), ...Object.keys(interfaces)])
  return { names: [...names], interfaces, bridgeVlans: Object.keys(bridges[domain]?.vlan ?? {}) }
}

export function stateOf({ names, interfaces }: Trees, domain: string): SwitchState {
  const ports = new Map<string, PortState>()
  for (const name of names)
    if (normalisePort(name) === name) ports.set(name, portOf(name, interfaces[name], domain))
  for (const [bond, { bond: own }] of Object.entries(interfaces))
    for (const member of Object.keys(own?.member ?? {})) {
      const port = ports.get(member)
      if (port) ports.set(member, memberOf(port, bond, ports.get(bond)))
    }
  return { vlans: new Map(), ports }
}

/** Bonds that operators named otherwise, `peerlink` above all, are theirs. */
function memberOf(port: PortState, bond: string, state: PortState | undefined): PortState {
  const group = /^bond(\d+)$/.exec(bond)?.[1]
  if (group === undefined) return { ...port, protected: `it is a member of ${bond}` }
  const lag = { group: Number(group), lacp: 'active' } as const
  if (!state?.protected) return { ...port, lag }
  return { ...port, lag, protected: `it is a member of ${bond}: ${state.protected}` }
}

function portOf(name: string, own: Interface | undefined, domain: string): PortState {
  const { description = '', link, ip, bridge, bond } = own ?? {}
  const inBridge = bridge?.domain?.[domain]
  const others = Object.keys(bridge?.domain ?? {}).filter((one) => one !== domain)
  const addressed = Object.keys(ip?.address ?? {}).length > 0 || (ip?.vrf ?? 'default') !== 'default'
  return {
    name,
    membership:
      others.length > 0 ? { mode: 'other', what: `a port of bridge ${others[0]}` } : membershipOf(inBridge),
    adminUp: typeof link?.state === 'string' ? link.state !== 'down' : !('down' in (link?.state ?? {})),
    stpEdge: /^(on|enabled)$/.test(inBridge?.stp?.['admin-edge'] ?? ''),
    mtu: link?.mtu ?? null,
    description,
    lag: null,
    multiChassis: bond?.mlag?.id ?? null,
    protected: addressed
      ? 'it is a routed port in use'
      : protectedBecause([`description ${description}`], true),
    leftovers: leftoversOf(inBridge),
  }
}

/** A port of the bridge that says nothing of VLANs carries all of the bridge's. */
function membershipOf(port: BridgePort | undefined): Membership {
  if (port === undefined) return { mode: 'routed' }
  if (port.access !== undefined) return { mode: 'access', vlan: port.access }
  const native = port.untagged === 'none' ? null : (port.untagged ?? 1)
  if (port.vlan === undefined || 'all' in port.vlan) return { mode: 'trunk', native, tagged: 'all' }
  return { mode: 'trunk', native, tagged: vlansOf(port.vlan).filter((id) => id !== native) }
}

function vlansOf(tree: Record<string, unknown>): VlanId[] {
  return parseVlans(Object.keys(tree).join(','))
}

function leftoversOf(port: BridgePort | undefined): string[] {
  if (port?.access === undefined) return []
  return [
    ...(port.untagged === undefined ? [] : [`untagged ${port.untagged}`]),
    ...(port.vlan === undefined ? [] : [`vlan ${Object.keys(port.vlan).join(',')}`]),
  ]
}
