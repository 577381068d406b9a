/** Steps as edits of Junos's candidate configuration: one for the VLANs, one a port, only what is ours in each. */
import { editsOf, type PortEdit } from '../netconf/edits.ts'
import type { NetconfRequest } from '../transports/netconf-messages.ts'
import { element, find, findAll, showXml, textAt, type XmlElement } from '../transports/xml.ts'
import type { Settled, Step, SwitchState, VlanId } from '../types.ts'
import { formatVlans } from '../vlans.ts'
import { lagName } from './names.ts'
import { type JunosState, lagOptions, type SpanningTree } from './parse.ts'

export type RenderOptions = { tree: SpanningTree; memberOptions: string }

export function render(
  steps: readonly Step[],
  before: SwitchState,
  { tree, memberOptions }: RenderOptions,
): NetconfRequest[] {
  const state = before as JunosState
  const edits = editsOf(steps)
  const lacp = new Map(edits.ports.flatMap(({ join }) => (join ? [[lagName(join.group), join.lacp]] : [])))
  for (const port of lacp.keys())
    if (!edits.ports.some((edit) => edit.port === port)) edits.ports.push({ port })
  const made = Math.max(0, ...edits.ports.map(({ make }) => (make === undefined ? 0 : make + 1)))
  return [
    ...request(vlanEdits(edits.vlans, state)),
    ...request(deviceCount(made, state)),
    ...edits.ports.flatMap((edit) =>
      request(
        [
          ...inside('interfaces', interfaceOf(edit, lacp.get(edit.port), state, memberOptions)),
          ...treeEdit(edit.port, edit.join ? false : edit.stpEdge, state, tree),
        ],
        edit.port,
      ),
    ),
    ...edits.removeLags.flatMap(({ port }) =>
      request(
        [
          ...inside('interfaces', [tag('interface', [tag('name', port)], { operation: 'delete' })]),
          ...treeEdit(port, false, state, tree),
        ],
        port,
      ),
    ),
    ...request(
      inside(
        'vlans',
        edits.removeVlans.map(({ name }) => tag('vlan', [tag('name', name)], { operation: 'delete' })),
      ),
    ),
  ]
}

const namespace = 'http://xml.juniper.net/xnm/1.1/xnm'

function tag(
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Record<string, string> = {},
): XmlElement {
  return element(namespace, name, content, attributes)
}
const deleted = (name: string): XmlElement => tag(name, [], { operation: 'delete' })

function request(config: readonly XmlElement[], port?: string): NetconfRequest[] {
  if (config.length === 0) return []
  return [
    {
      line: `edit-config ${config.map(showXml).join('')}`,
      operation: { do: 'edit-config', target: 'candidate', config: [tag('configuration', config)] },
      ...(port === undefined ? {} : { port }),
    },
  ]
}

function inside(name: string, content: readonly XmlElement[]): XmlElement[] {
  return content.length === 0 ? [] : [tag(name, content)]
}

function vlanEdits(
  vlans: readonly { vlan: { id: VlanId; name?: string }; exists: boolean }[],
  { vlanElements }: JunosState,
): XmlElement[] {
  const edits = vlans.flatMap(({ vlan: { id, name } }): XmlElement[] => {
    const was = vlanElements.get(id)
    const number = tag('vlan-id', String(id))
    // `create`: a VLAN of this name and another id must not be taken over.
    if (was === undefined)
      return [tag('vlan', [tag('name', name ?? `vlan-${id}`), number], { operation: 'create' })]
    const before = textAt(was, 'name') ?? ''
    if (name === undefined || name === before) return []
    const rest = was.children.filter((child) => child.name !== 'name')
    return [
      tag('vlan', [tag('name', before)], { operation: 'delete' }),
      tag('vlan', [tag('name', name), ...rest], { operation: 'create' }),
    ]
  })
  return inside('vlans', edits)
}

/** The switch has ae interfaces only up to a number that is configured; it is never lowered. */
function deviceCount(needed: number, { aggregatedDevices }: JunosState): XmlElement[] {
  if (needed <= aggregatedDevices) return []
  const ethernet = tag('ethernet', [tag('device-count', String(needed))])
  return [tag('chassis', [tag('aggregated-devices', [ethernet])])]
}

function interfaceOf(
  edit: PortEdit,
  lacp: string | undefined,
  state: JunosState,
  memberOptions: string,
): XmlElement[] {
  const was = state.interfaces.get(edit.port)
  const content = [
    ...describe(edit, was),
    ...(lacp === undefined
      ? []
      : [tag('aggregated-ether-options', [tag('lacp', [tag(lacp)], { operation: 'replace' })])]),
    ...membersLag(edit, was, memberOptions),
    ...(edit.membership === undefined ? [] : membershipOf(edit.membership, was)),
  ]
  return content.length === 0 ? [] : [tag('interface', [tag('name', edit.port), ...content])]
}

function describe({ description, adminUp, mtu }: PortEdit, was: XmlElement | undefined): XmlElement[] {
  const drop = (name: string) => (find(was, name) ? [deleted(name)] : [])
  return [
    ...(description === undefined
      ? []
      : description === ''
        ? drop('description')
        : [tag('description', description)]),
    ...(adminUp === undefined ? [] : adminUp ? drop('disable') : [tag('disable')]),
    ...(mtu === undefined ? [] : [tag('mtu', String(mtu + 14))]),
  ]
}

/** In and out of a LAG. A member has no unit, no native VLAN and no MTU of its own. */
function membersLag(
  { leave, join }: PortEdit,
  was: XmlElement | undefined,
  memberOptions: string,
): XmlElement[] {
  const options = lagOptions(was)
  if (join === undefined)
    return leave === undefined || options === undefined ? [] : [tag(options, [deleted('ieee-802.3ad')])]
  const units = findAll(was, 'unit').map((unit) =>
    tag('unit', [tag('name', textAt(unit, 'name') ?? '0')], { operation: 'delete' }),
  )
  const own = ['native-vlan-id', 'mtu'].filter((name) => find(was, name)).map(deleted)
  const bundle = tag('ieee-802.3ad', [tag('bundle', lagName(join.group))])
  return [...own, ...units, tag(options ?? memberOptions, [bundle])]
}

function membershipOf(to: Settled, was: XmlElement | undefined): XmlElement[] {
  const native = to.mode === 'trunk' ? to.native : null
  const ids = to.mode === 'access' ? [to.vlan] : to.native === null ? to.tagged : [to.native, ...to.tagged]
  const members = formatVlans(ids)
    .split(',')
    .map((range) => tag('members', range))
  const nativeEdit =
    native !== null
      ? [tag('native-vlan-id', String(native))]
      : find(was, 'native-vlan-id')
        ? [deleted('native-vlan-id')]
        : []
  const switching = tag('ethernet-switching', [
    tag('interface-mode', to.mode),
    // Exactly these members; what else the family has (storm control, filters) stays.
    tag('vlan', members, { operation: 'replace' }),
  ])
  return [...nativeEdit, tag('unit', [tag('name', '0'), tag('family', [switching])])]
}

function treeEdit(
  port: string,
  edge: boolean | undefined,
  { ports, treeNames }: JunosState,
  tree: SpanningTree,
): XmlElement[] {
  const isEdge = ports.get(port)?.stpEdge ?? false
  if (tree === 'none' || edge === undefined || edge === isEdge) return []
  const name = tag('name', treeNames.get(port) ?? port)
  return [tag('protocols', [tag(tree, [tag('interface', [name, edge ? tag('edge') : deleted('edge')])])])]
}
