/** Steps as edits in OpenConfig's models: each payload by itself is valid data of the published models. */
import { editsOf, type PortEdit } from '../netconf/edits.ts'
import type { NetconfRequest } from '../transports/netconf-messages.ts'
import { element, find, showXml, textAt, type XmlElement } from '../transports/xml.ts'
import type { Settled, Step, SwitchState, VlanId } from '../types.ts'
import { formatVlans } from '../vlans.ts'
import { type LagNames, namespaces } from './names.ts'
import { type OpenconfigState, switchedVlan } from './parse.ts'

export type RenderOptions = { networkInstance: string; lags: LagNames }

export function render(
  steps: readonly Step[],
  before: SwitchState,
  { networkInstance, lags }: RenderOptions,
): NetconfRequest[] {
  const state = before as OpenconfigState
  const edits = editsOf(steps)
  const lacp = new Map(edits.ports.flatMap(({ join }) => (join ? [[lags.of(join.group), join.lacp]] : [])))
  for (const port of lacp.keys())
    if (!edits.ports.some((edit) => edit.port === port)) edits.ports.push({ port })
  // A LAG's own interface comes before its members, which refer to it.
  const ports = [...edits.ports].sort(
    (a, b) => Number(lags.group(b.port) !== null) - Number(lags.group(a.port) !== null),
  )
  const instance = (vlans: readonly XmlElement[]) =>
    request(vlans.length === 0 ? [] : [networkInstances(networkInstance, vlans)])
  return [
    ...instance(edits.vlans.map(({ vlan }) => vlanOf(vlan))),
    ...ports.flatMap((edit) =>
      request(
        [
          ...interfaceOf(edit, lacp.has(edit.port), state, lags),
          ...lacpOf(edit.port, lacp.get(edit.port)),
          ...treeOf(edit.port, edit.join ? false : edit.stpEdge, state),
        ],
        edit.port,
      ),
    ),
    ...edits.removeLags.flatMap(({ port }) => request(removeLag(port, state), port)),
    ...instance(
      edits.removeVlans.map(({ id }) =>
        vlan('vlan', [vlan('vlan-id', String(id))], { 'nc:operation': 'delete' }),
      ),
    ),
  ]
}

type Make = (
  name: string,
  content?: string | readonly XmlElement[],
  attributes?: Record<string, string>,
) => XmlElement
const maker =
  (namespace: string): Make =>
  (name, content = [], attributes = {}) =>
    element(namespace, name, content, attributes)
const iface = maker(namespaces.interfaces)
const vlan = maker(namespaces.networkInstance)
const switched = maker(namespaces.vlan)

export function request(config: readonly XmlElement[], port?: string): NetconfRequest[] {
  if (config.length === 0) return []
  return [
    {
      line: `edit-config ${config.map(showXml).join('')}`,
      operation: { do: 'edit-config', target: 'candidate', config },
      ...(port === undefined ? {} : { port }),
    },
  ]
}

export function networkInstances(name: string, vlans: readonly XmlElement[]): XmlElement {
  const instance = vlan('network-instance', [
    vlan('name', name),
    vlan('config', [vlan('name', name)]),
    vlan('vlans', vlans),
  ])
  return vlan('network-instances', [instance])
}

function vlanOf({ id, name }: { id: VlanId; name?: string }): XmlElement {
  const config = [
    vlan('vlan-id', String(id)),
    ...(name === undefined ? [] : [vlan('name', name)]),
    vlan('status', 'ACTIVE'),
  ]
  return vlan('vlan', [vlan('vlan-id', String(id)), vlan('config', config)])
}

function interfaceOf(edit: PortEdit, lacp: boolean, state: OpenconfigState, lags: LagNames): XmlElement[] {
  const was = state.interfaces.get(edit.port)
  const isLag = lags.group(edit.port) !== null
  const settings = settingsOf(edit, was)
  const layer2 = isLag ? aggregation(edit, lacp) : ethernet(edit, was, lags)
  if (settings.length === 0 && layer2.length === 0) return []
  const config = iface('config', [iface('name', edit.port), typeOf(was, isLag), ...settings])
  return [iface('interfaces', [iface('interface', [iface('name', edit.port), config, ...layer2])])]
}

/** The type is mandatory: what the interface has, or what it must be. */
function typeOf(was: XmlElement | undefined, isLag: boolean): XmlElement {
  const known = textAt(was, 'config', 'type')?.split(':').at(-1)
  const type = known ?? (isLag ? 'ieee8023adLag' : 'ethernetCsmacd')
  return iface('type', `ianaift:${type}`, { 'xmlns:ianaift': namespaces.interfaceTypes })
}

function settingsOf({ mtu, description, adminUp }: PortEdit, was: XmlElement | undefined): XmlElement[] {
  const bare = description === '' && find(was, 'config', 'description')
  return [
    ...(mtu === undefined ? [] : [iface('mtu', String(mtu))]),
    ...(description ? [iface('description', description)] : []),
    ...(bare ? [iface('description', [], { 'nc:operation': 'delete' })] : []),
    ...(adminUp === undefined ? [] : [iface('enabled', String(adminUp))]),
  ]
}

function ethernet(edit: PortEdit, was: XmlElement | undefined, lags: LagNames): XmlElement[] {
  const make = maker(namespaces.ethernet)
  const lag = maker(namespaces.aggregate)
  const member = find(was, 'ethernet', 'config', 'aggregate-id')
  const membership =
    edit.join !== undefined
      ? switchedVlan(was)
        ? [switched('switched-vlan', [], { 'nc:operation': 'delete' })]
        : []
      : switchedOf(edit.membership)
  const parent =
    edit.join !== undefined
      ? [make('config', [lag('aggregate-id', lags.of(edit.join.group))])]
      : edit.leave !== undefined && member
        ? [make('config', [lag('aggregate-id', [], { 'nc:operation': 'delete' })])]
        : []
  return parent.length + membership.length === 0 ? [] : [make('ethernet', [...parent, ...membership])]
}

function aggregation(edit: PortEdit, lacp: boolean): XmlElement[] {
  const make = maker(namespaces.aggregate)
  const type = lacp || edit.make !== undefined ? [make('config', [make('lag-type', 'LACP')])] : []
  const content = [...type, ...switchedOf(edit.membership)]
  return content.length === 0 ? [] : [make('aggregation', content)]
}

/** All that is said of a port's VLANs is replaced, so that nothing of before is left. */
function switchedOf(to: Settled | undefined): XmlElement[] {
  if (to === undefined) return []
  const config =
    to.mode === 'access'
      ? [switched('interface-mode', 'ACCESS'), switched('access-vlan', String(to.vlan))]
      : [
          switched('interface-mode', 'TRUNK'),
          ...(to.native === null ? [] : [switched('native-vlan', String(to.native))]),
          // The native VLAN is listed too: without any list a trunk carries every VLAN.
          ...ranges(to.native === null ? to.tagged : [to.native, ...to.tagged]).map((range) =>
            switched('trunk-vlans', range),
          ),
        ]
  return [switched('switched-vlan', [switched('config', config, { 'nc:operation': 'replace' })])]
}

/** `300..310` is how a range is written. */
function ranges(ids: readonly VlanId[]): string[] {
  return formatVlans(ids)
    .split(',')
    .map((range) => range.replace('-', '..'))
}

function lacpOf(port: string, mode: string | undefined): XmlElement[] {
  if (mode === undefined) return []
  const make = maker(namespaces.lacp)
  const config = make('config', [make('name', port), make('lacp-mode', mode.toUpperCase())])
  return [make('lacp', [make('interfaces', [make('interface', [make('name', port), config])])])]
}

function treeOf(port: string, edge: boolean | undefined, { ports }: OpenconfigState): XmlElement[] {
  if (edge === undefined || edge === (ports.get(port)?.stpEdge ?? false)) return []
  const make = maker(namespaces.spanningTree)
  const identity = `oc-stp-types:${edge ? 'EDGE_ENABLE' : 'EDGE_DISABLE'}`
  const config = make('config', [
    make('name', port),
    make('edge-port', identity, { 'xmlns:oc-stp-types': namespaces.spanningTreeTypes }),
  ])
  return [make('stp', [make('interfaces', [make('interface', [make('name', port), config])])])]
}

function removeLag(port: string, { interfaces, lacp, tree }: OpenconfigState): XmlElement[] {
  const gone = (make: Make) => [
    make('interfaces', [make('interface', [make('name', port)], { 'nc:operation': 'delete' })]),
  ]
  const [inLacp, inTree] = [maker(namespaces.lacp), maker(namespaces.spanningTree)]
  return [
    ...(lacp.has(port) ? [inLacp('lacp', gone(inLacp))] : []),
    ...(tree.has(port) ? [inTree('stp', gone(inTree))] : []),
    ...(interfaces.has(port) ? gone(iface) : []),
  ]
}
