/** Reads interfaces, VLANs and LACP as OpenConfig's models have them. */
import { reservedWords } from '../netconf/verdict.ts'
import { dataOf, type NetconfReply } from '../transports/netconf-messages.ts'
import { find, findAll, textAt, type XmlElement } from '../transports/xml.ts'
import type { Membership, PortState, SwitchState, VlanId, VlanState } from '../types.ts'
import { parseVlans, sortVlans } from '../vlans.ts'
import { type LagNames, namespaces, normalisePort } from './names.ts'

/** The state with the elements it was read from: what a change must know of their form. */
export type OpenconfigState = SwitchState & {
  interfaces: ReadonlyMap<string, XmlElement>
  vlanElements: ReadonlyMap<VlanId, XmlElement>
  lacp: ReadonlyMap<string, XmlElement>
  tree: ReadonlyMap<string, XmlElement>
}

export type ParseOptions = { networkInstance: string; lags: LagNames }

/** Answers in the order of `readRequests` in dialect.ts. */
export function parseState(
  [listed, configured]: readonly NetconfReply[],
  { networkInstance, lags }: ParseOptions,
): OpenconfigState {
  const data = dataOf(configured)
  const interfaces = byName(data, 'interfaces')
  const lacp = byName(find(data, 'lacp'), 'interfaces')
  const tree = byName(find(data, 'stp'), 'interfaces')
  const names = [...byName(dataOf(listed), 'interfaces').keys(), ...interfaces.keys()]
  const ports = new Map<string, PortState>()
  for (const name of new Set(names)) {
    const said = interfaces.get(name)
    if (normalisePort(name) === name && isSwitchPort(said))
      ports.set(name, portOf(name, { interfaces, lacp, tree }, lags))
  }
  const vlanElements = vlansIn(data, networkInstance)
  return {
    vlans: vlansOf(vlanElements),
    vlanElements,
    ports: withInheritedProtection(ports, lags),
    interfaces,
    lacp,
    tree,
  }
}

function byName(one: XmlElement | undefined, list: string): Map<string, XmlElement> {
  return new Map(findAll(one, list, 'interface').map((each) => [textAt(each, 'name') ?? '', each]))
}

function vlansIn(data: XmlElement | undefined, networkInstance: string): Map<VlanId, XmlElement> {
  const instance = findAll(data, 'network-instances', 'network-instance').find(
    (one) => textAt(one, 'name') === networkInstance,
  )
  const all = findAll(instance, 'vlans', 'vlan').map((one) => [Number(textAt(one, 'vlan-id')), one] as const)
  return new Map(all.filter(([id]) => Number.isInteger(id)))
}

function vlansOf(elements: ReadonlyMap<VlanId, XmlElement>): Map<VlanId, VlanState> {
  const vlans = new Map<VlanId, VlanState>()
  for (const [id, one] of elements) {
    const active = (textAt(one, 'config', 'status') ?? 'ACTIVE') === 'ACTIVE'
    vlans.set(id, { id, name: textAt(one, 'config', 'name') ?? '', active })
  }
  return vlans
}

/** Ethernet ports and LAGs; what has no type yet is taken for a port, other types (loopbacks, VLAN interfaces) are none. */
function isSwitchPort(said: XmlElement | undefined): boolean {
  const type = local(textAt(said, 'config', 'type'))
  return type === undefined || type === 'ethernetCsmacd' || type === 'ieee8023adLag'
}

function portOf(
  name: string,
  state: Pick<OpenconfigState, 'interfaces' | 'lacp' | 'tree'>,
  lags: LagNames,
): PortState {
  const said = state.interfaces.get(name)
  const { membership, leftovers } = membershipOf(said)
  const mtu = textAt(said, 'config', 'mtu')
  return {
    name,
    membership,
    adminUp: (textAt(said, 'config', 'enabled') ?? 'true') === 'true',
    stpEdge: local(textAt(state.tree.get(name), 'config', 'edge-port')) === 'EDGE_ENABLE',
    mtu: mtu === undefined ? null : Number(mtu),
    description: textAt(said, 'config', 'description') ?? '',
    lag: lagOf(said, state, lags),
    multiChassis: null,
    protected: protectedBecause(said, lags),
    leftovers,
  }
}

/** Where VLANs of a port are said: below `ethernet`, of a LAG below `aggregation`. */
export function switchedVlan(said: XmlElement | undefined): XmlElement | undefined {
  return find(said, 'ethernet', 'switched-vlan') ?? find(said, 'aggregation', 'switched-vlan')
}

function membershipOf(said: XmlElement | undefined): { membership: Membership; leftovers: string[] } {
  const config = find(switchedVlan(said), 'config')
  const mode = textAt(config, 'interface-mode')
  const [access, native] = [textAt(config, 'access-vlan'), textAt(config, 'native-vlan')]
  const lists = findAll(config, 'trunk-vlans').map(({ text }) => text)
  if (config === undefined || mode === undefined) return { membership: { mode: 'routed' }, leftovers: [] }
  if (config.namespace !== namespaces.vlan)
    return { membership: { mode: 'other', what: `a port in ${config.namespace}` }, leftovers: [] }
  if (mode === 'ACCESS')
    return {
      membership: { mode: 'access', vlan: Number(access ?? 1) },
      leftovers: [
        ...(native === undefined ? [] : [`native-vlan ${native}`]),
        ...(lists.length === 0 ? [] : [`trunk-vlans ${lists.join(' ')}`]),
      ],
    }
  if (mode !== 'TRUNK')
    return { membership: { mode: 'other', what: `interface-mode ${mode}` }, leftovers: [] }
  const leftovers = access === undefined ? [] : [`access-vlan ${access}`]
  const untagged = native === undefined ? null : Number(native)
  // Without a list a trunk carries every VLAN: the model says so.
  if (lists.length === 0) return { membership: { mode: 'trunk', native: untagged, tagged: 'all' }, leftovers }
  const carried = sortVlans(lists.flatMap((list) => parseVlans(list.replace('..', '-'))))
  if (untagged !== null && !carried.includes(untagged))
    leftovers.push(`native-vlan ${untagged} outside of trunk-vlans`)
  return {
    membership: { mode: 'trunk', native: untagged, tagged: carried.filter((id) => id !== untagged) },
    leftovers,
  }
}

function lagOf(
  said: XmlElement | undefined,
  { interfaces, lacp }: Pick<OpenconfigState, 'interfaces' | 'lacp'>,
  lags: LagNames,
): PortState['lag'] {
  const parent = textAt(said, 'ethernet', 'config', 'aggregate-id')
  if (parent === undefined) return null
  const type = textAt(interfaces.get(parent), 'aggregation', 'config', 'lag-type')
  const mode = textAt(lacp.get(parent), 'config', 'lacp-mode') ?? 'ACTIVE'
  const group = lags.group(parent) ?? 0
  return { group, lacp: type !== 'LACP' ? 'on' : mode === 'ACTIVE' ? 'active' : 'passive' }
}

/** What only the operator may change, in words. */
function protectedBecause(said: XmlElement | undefined, lags: LagNames): string | null {
  const parent = textAt(said, 'ethernet', 'config', 'aggregate-id')
  if (parent !== undefined && lags.group(parent) === null)
    return `it is a member of ${parent}, which is not ours`
  const routed = find(said, 'routed-vlan') ?? find(said, 'ethernet', 'routed-vlan')
  const addresses = findAll(said, 'subinterfaces', 'subinterface').some((one) =>
    ['ipv4', 'ipv6', 'vlan'].some((name) => find(one, name)),
  )
  if (routed || addresses) return 'it is a routed port in use'
  const description = textAt(said, 'config', 'description') ?? ''
  return reservedWords.test(description) ? `its description says so (${description})` : null
}

/** Members of a protected LAG are protected too. */
function withInheritedProtection(ports: Map<string, PortState>, lags: LagNames): Map<string, PortState> {
  for (const port of ports.values()) {
    const lag = port.lag && ports.get(lags.of(port.lag.group))
    if (lag?.protected && port.protected === null)
      ports.set(port.name, { ...port, protected: `it is a member of ${lag.name}: ${lag.protected}` })
  }
  return ports
}

/** An identity's name without its module's prefix. */
function local(identity: string | undefined): string | undefined {
  return identity?.split(':').at(-1)
}
