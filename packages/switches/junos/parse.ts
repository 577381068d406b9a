/** Reads what Junos says of its VLANs and ports: ELS, units of family ethernet-switching. */
import { reservedWords } from '../netconf/verdict.ts'
import type { NetconfReply } from '../transports/netconf-messages.ts'
import { find, findAll, textAt, type XmlElement } from '../transports/xml.ts'
import type { Membership, PortState, SwitchState, VlanId, VlanState } from '../types.ts'
import { parseVlans, sortVlans } from '../vlans.ts'
import { lagName, normalisePort } from './names.ts'

/** The state with what a change must know of its form: what is there can be deleted, what is not there cannot. */
export type JunosState = SwitchState & {
  interfaces: ReadonlyMap<string, XmlElement>
  vlanElements: ReadonlyMap<VlanId, XmlElement>
  /** Ports that spanning tree has a line of, by the name it uses. */
  treeNames: ReadonlyMap<string, string>
  aggregatedDevices: number
}

export type SpanningTree = 'rstp' | 'mstp' | 'none'

/** Answers in the order of `readRequests` in dialect.ts; the first is only judged, not read. */
export function parseState([, configured, listed]: readonly NetconfReply[], tree: SpanningTree): JunosState {
  const configuration = find(configured?.answer ?? undefined, 'configuration')
  const interfaces = new Map<string, XmlElement>()
  for (const one of findAll(configuration, 'interfaces', 'interface'))
    interfaces.set(textAt(one, 'name') ?? '', one)
  const vlanElements = new Map<VlanId, XmlElement>()
  for (const one of findAll(configuration, 'vlans', 'vlan')) {
    const id = Number(textAt(one, 'vlan-id'))
    if (Number.isInteger(id) && id >= 1 && id <= 4094) vlanElements.set(id, one)
  }
  const vlans = vlansOf(vlanElements)
  const edges = treeOf(configuration, tree)
  const ports = new Map<string, PortState>()
  const context = { interfaces, vlans, edges: edges.edges }
  for (const name of portNames(listed, interfaces))
    ports.set(name, portOf(name, interfaces.get(name), context))
  return {
    vlans,
    ports: withInheritedProtection(ports),
    interfaces,
    vlanElements,
    treeNames: edges.names,
    aggregatedDevices: Number(
      textAt(configuration, 'chassis', 'aggregated-devices', 'ethernet', 'device-count') ?? 0,
    ),
  }
}

type Context = {
  interfaces: ReadonlyMap<string, XmlElement>
  vlans: ReadonlyMap<VlanId, VlanState>
  edges: ReadonlySet<string>
}

/** Ports that the hardware has, configured or not, and LAGs that are configured. What is only configured is no port. */
function portNames(listed: NetconfReply | undefined, interfaces: ReadonlyMap<string, XmlElement>): string[] {
  const physical = findAll(listed?.answer ?? undefined, 'interface-information', 'physical-interface')
    .map((one) => textAt(one, 'name') ?? '')
    .filter((name) => normalisePort(name) === name && !name.startsWith('ae'))
  const lags = [...interfaces.keys()].filter((name) => normalisePort(name) === name && name.startsWith('ae'))
  return [...physical, ...lags]
}

function vlansOf(elements: ReadonlyMap<VlanId, XmlElement>): Map<VlanId, VlanState> {
  const vlans = new Map<VlanId, VlanState>([[1, { id: 1, name: 'default', active: true }]])
  for (const [id, one] of elements)
    vlans.set(id, { id, name: textAt(one, 'name') ?? '', active: !inactive(one) })
  return vlans
}

function treeOf(configuration: XmlElement | undefined, tree: SpanningTree) {
  const names = new Map<string, string>()
  const edges = new Set<string>()
  for (const one of findAll(configuration, 'protocols', tree, 'interface')) {
    const said = textAt(one, 'name') ?? ''
    const port = normalisePort(said)
    if (port === null) continue
    names.set(port, said)
    if (find(one, 'edge')) edges.add(port)
  }
  return { names, edges }
}

function portOf(name: string, said: XmlElement | undefined, context: Context): PortState {
  const { membership, leftovers } = membershipOf(said, context)
  const mtu = textAt(said, 'mtu')
  return {
    name,
    membership,
    adminUp: find(said, 'disable') === undefined,
    stpEdge: context.edges.has(name),
    // Junos counts the Ethernet header.
    mtu: mtu === undefined ? 1500 : Number(mtu) - 14,
    description: textAt(said, 'description') ?? '',
    lag: lagOf(said, context),
    multiChassis: null,
    protected: protectedBecause(said),
    leftovers,
  }
}

/** Where a member says which LAG it is in: an element that has different names on different hardware. */
export function lagOptions(said: XmlElement | undefined): string | undefined {
  return said?.children.find((one) => find(one, 'ieee-802.3ad', 'bundle'))?.name
}

function lagOf(said: XmlElement | undefined, { interfaces }: Context): PortState['lag'] {
  const options = lagOptions(said)
  if (options === undefined) return null
  const bundle = textAt(said, options, 'ieee-802.3ad', 'bundle') ?? ''
  const lacp = find(interfaces.get(bundle), 'aggregated-ether-options', 'lacp')
  const mode = find(lacp, 'active') ? 'active' : lacp ? 'passive' : 'on'
  return { group: Number(bundle.replace(/^ae/, '')), lacp: mode }
}

function membershipOf(
  said: XmlElement | undefined,
  { vlans }: Context,
): { membership: Membership; leftovers: string[] } {
  const units = findAll(said, 'unit')
  const unit = units.find((one) => textAt(one, 'name') === '0')
  const switching = find(unit, 'family', 'ethernet-switching')
  const other = (what: string) => ({ membership: { mode: 'other', what } as const, leftovers: [] })
  if (find(said, 'vlan-tagging') ?? find(said, 'flexible-vlan-tagging') ?? find(said, 'encapsulation'))
    return other('a port of logical interfaces by tag')
  if (switching === undefined) return { membership: { mode: 'routed' }, leftovers: [] }
  if (units.length > 1) return other('a port with several logical interfaces')
  if (find(switching, 'port-mode')) return other('a port of a switch without Enhanced Layer 2 Software')
  const native = textAt(said, 'native-vlan-id')
  const members = membersOf(switching, vlans)
  if (typeof members === 'string' && members !== 'all')
    return other(`a port in VLAN ${members}, which is not configured`)
  if ((textAt(switching, 'interface-mode') ?? 'access') === 'access') {
    const leftovers = native === undefined ? [] : [`native-vlan-id ${native}`]
    if (members === 'all' || members.length > 1) return other('an access port in several VLANs')
    return { membership: { mode: 'access', vlan: members[0] ?? 1 }, leftovers }
  }
  if (members === 'all')
    return {
      membership: { mode: 'trunk', native: native === undefined ? null : Number(native), tagged: 'all' },
      leftovers: [],
    }
  // Untagged frames are only forwarded if the native VLAN is among the members.
  const carried = native !== undefined && members.includes(Number(native))
  const tagged = members.filter((id) => String(id) !== native)
  return {
    membership: { mode: 'trunk', native: carried ? Number(native) : null, tagged },
    leftovers: native === undefined || carried ? [] : [`native-vlan-id ${native}, which is no member`],
  }
}

/** Members by id, by range or by name. A name that no VLAN has is returned as it is. */
function membersOf(switching: XmlElement, vlans: Context['vlans']): VlanId[] | 'all' | string {
  const ids: VlanId[] = []
  for (const { text } of findAll(switching, 'vlan', 'members')) {
    if (text === 'all') return 'all'
    const named = [...vlans.values()].find(({ name }) => name === text)
    if (named) ids.push(named.id)
    else if (/^\d+(-\d+)?$/.test(text)) ids.push(...parseVlans(text))
    else return text
  }
  return sortVlans(ids)
}

/** What only the operator may change, in words. */
function protectedBecause(said: XmlElement | undefined): string | null {
  const families = findAll(said, 'unit').flatMap((unit) => find(unit, 'family')?.children ?? [])
  if (families.some(({ name }) => name === 'inet' || name === 'inet6')) return 'it is a routed port in use'
  if (find(said, 'aggregated-ether-options', 'mc-ae')) return 'it is a LAG over two chassis'
  if (said && deactivated(said)) return 'a part of its configuration is deactivated'
  const description = textAt(said, 'description') ?? ''
  return reservedWords.test(description) ? `its description says so (${description})` : null
}

function deactivated(one: XmlElement): boolean {
  return inactive(one) || one.children.some(deactivated)
}
function inactive(one: XmlElement): boolean {
  return one.attributes.inactive !== undefined
}

/** Members of a protected LAG are protected too. */
function withInheritedProtection(ports: Map<string, PortState>): Map<string, PortState> {
  for (const port of ports.values()) {
    const lag = port.lag && ports.get(lagName(port.lag.group))
    if (lag?.protected && port.protected === null)
      ports.set(port.name, { ...port, protected: `it is a member of ${lag.name}: ${lag.protected}` })
  }
  return ports
}
