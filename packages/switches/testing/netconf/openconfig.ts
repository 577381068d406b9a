/** What a simulated switch that speaks OpenConfig has in it, and what its configuration means for frames. */
import { namespaces } from '../../openconfig/names.ts'
import { element, find, findAll, textAt, type XmlElement } from '../../transports/xml.ts'
import type { VlanId } from '../../types.ts'
import { parseVlans } from '../../vlans.ts'
import type { Dirt, Seen } from '../device.ts'
import { edit } from './edit.ts'
import { type Model, type NetconfSwitch, type SimulatorOptions, startNetconfSwitch } from './simulator.ts'

export function startOpenconfig(options: SimulatorOptions = {}): Promise<NetconfSwitch> {
  return startNetconfSwitch(openconfigModel(), options)
}

const ports = Array.from({ length: 8 }, (_, index) => `eth${index + 1}`)
const uplink = 'eth9'

const make =
  (namespace: string) =>
  (name: string, content: string | readonly XmlElement[] = [], attributes: Record<string, string> = {}) =>
    element(namespace, name, content, attributes)
const iface = make(namespaces.interfaces)
const vlan = make(namespaces.vlan)
const instance = make(namespaces.networkInstance)

export function openconfigModel(): Model {
  const schema = {
    keyOf: (one: XmlElement) => {
      if (one.name === 'vlan' && one.namespace === namespaces.networkInstance) return 'vlan-id'
      return one.name === 'interface' || one.name === 'network-instance' ? 'name' : null
    },
    isLeafList: (one: XmlElement) => one.name === 'trunk-vlans',
    operationOf: (one: XmlElement) => one.attributes['nc:operation'],
  }
  const capability = (name: string) => `urn:ietf:params:netconf:capability:${name}`
  return {
    ...schema,
    driver: 'openconfig-netconf',
    settings: { lagName: 'bond%', spanningTree: 'openconfig', untagged: 'dropped' },
    capabilities: ['candidate:1.0', 'confirmed-commit:1.1', 'validate:1.1'].map(capability),
    ports: [...ports, uplink],
    protectedPort: uplink,
    revertsAtSessionEnd: true,
    factory: () => {
      const all = [
        ...ports.map((name) => interfaceOf(name, 'factory')),
        interfaceOf(uplink, 'trunk-all', 'uplink to core'),
      ]
      const one = instance('network-instance', [instance('name', 'default'), instance('vlans', [vlanOf(1)])])
      return element('', 'config', [iface('interfaces', all), instance('network-instances', [one])])
    },
    dirty: (config, port, dirt) => {
      const fresh = interfaceOf(port, dirt)
      const replaced = iface('interfaces', [{ ...fresh, attributes: { 'nc:operation': 'replace' } }])
      const tree = make(namespaces.spanningTree)
      const noTree = tree('stp', [
        tree('interfaces', [tree('interface', [tree('name', port)], { 'nc:operation': 'remove' })]),
      ])
      return edit(config, element('', 'config', [replaced, noTree]), schema)
    },
    seen,
    check: (config) => {
      const known = new Set(vlanIds(config))
      for (const one of interfaces(config)) {
        const name = textAt(one, 'name') ?? ''
        const parent = textAt(one, 'ethernet', 'config', 'aggregate-id')
        if (parent !== undefined && !interfaces(config).some((other) => textAt(other, 'name') === parent))
          return { tag: 'data-missing', message: `${name} is to be in ${parent}, which is not there` }
        for (const id of asked(one))
          if (!known.has(id)) return { tag: 'invalid-value', message: `VLAN ${id} of ${name} does not exist` }
      }
      return null
    },
    checkEdit: (change) => {
      const strange = strangers(change)
      return strange === undefined
        ? null
        : { tag: 'unknown-element', message: `unknown element ${strange.name} in ${strange.namespace}` }
    },
    portOf: (config) => textAt(config, 'interfaces', 'interface', 'name'),
    isAbout: ({ line, context }, port) => context === `interface ${port}` && line.includes('<switched-vlan>'),
    rpc: () => undefined,
  }
}

function interfaceOf(name: string, dirt: Dirt, description = ''): XmlElement {
  const ethernet = make(namespaces.ethernet)
  const lists: Record<Dirt, XmlElement[]> = {
    factory: [vlan('interface-mode', 'ACCESS'), vlan('access-vlan', '1')],
    routed: [],
    'trunk-all': [vlan('interface-mode', 'TRUNK'), vlan('native-vlan', '1')],
    stale: [
      vlan('interface-mode', 'ACCESS'),
      vlan('access-vlan', '1'),
      vlan('native-vlan', '66'),
      vlan('trunk-vlans', '66'),
      vlan('trunk-vlans', '77..88'),
    ],
  }
  const words = dirt === 'stale' ? 'somebody was here' : description
  const config = iface('config', [
    iface('name', name),
    iface('type', 'ianaift:ethernetCsmacd', { 'xmlns:ianaift': namespaces.interfaceTypes }),
    iface('enabled', 'true'),
    ...(words === '' ? [] : [iface('description', words)]),
  ])
  const layer2 = lists[dirt]
  const below = layer2.length === 0 ? [] : [vlan('switched-vlan', [vlan('config', layer2)])]
  return iface('interface', [iface('name', name), config, ethernet('ethernet', below)])
}

function vlanOf(id: number): XmlElement {
  const config = instance('config', [instance('vlan-id', String(id)), instance('name', 'default')])
  return instance('vlan', [instance('vlan-id', String(id)), config])
}

function interfaces(config: XmlElement): readonly XmlElement[] {
  return findAll(config, 'interfaces', 'interface')
}
function vlanIds(config: XmlElement): VlanId[] {
  return findAll(config, 'network-instances', 'network-instance').flatMap((one) =>
    findAll(one, 'vlans', 'vlan').map((each) => Number(textAt(each, 'vlan-id'))),
  )
}

function seen(config: XmlElement, port: string): Seen {
  const nothing: Seen = { port, untagged: null, tagged: [] }
  const at = (name: string | undefined) => interfaces(config).find((one) => textAt(one, 'name') === name)
  const own = at(port)
  const parent = textAt(own, 'ethernet', 'config', 'aggregate-id')
  const one = parent === undefined ? own : at(parent)
  const up = [own, one].every((each) => textAt(each, 'config', 'enabled') !== 'false')
  const said = parent === undefined ? find(one, 'ethernet') : find(one, 'aggregation')
  const vlans = find(said, 'switched-vlan', 'config')
  if (!up || vlans === undefined) return nothing
  if (textAt(vlans, 'interface-mode') === 'ACCESS')
    return { ...nothing, untagged: Number(textAt(vlans, 'access-vlan') ?? 1) }
  const native = textAt(vlans, 'native-vlan')
  const untagged = native === undefined ? null : Number(native)
  const lists = findAll(vlans, 'trunk-vlans')
  if (lists.length === 0) return { port, untagged, tagged: 'all' }
  const carried = lists.flatMap(({ text }) => parseVlans(text.replace('..', '-')))
  return {
    port,
    untagged: untagged !== null && carried.includes(untagged) ? untagged : null,
    tagged: carried.filter((id) => id !== untagged).sort((a, b) => a - b),
  }
}

/** VLANs that our edits ask for; what was there before is not judged. */
function asked(one: XmlElement): VlanId[] {
  const config =
    find(one, 'ethernet', 'switched-vlan', 'config') ?? find(one, 'aggregation', 'switched-vlan', 'config')
  const access = textAt(config, 'interface-mode') === 'ACCESS' ? textAt(config, 'access-vlan') : undefined
  return access === undefined ? [] : [Number(access)]
}

/** The first element that the published models do not have where it is. */
function strangers(one: XmlElement): XmlElement | undefined {
  for (const child of one.children) {
    const home = homes[child.name]
    if (home !== undefined && !home.includes(child.namespace)) return child
    const below = strangers(child)
    if (below) return below
  }
  return undefined
}
const homes: Readonly<Record<string, readonly string[]>> = {
  'switched-vlan': [namespaces.vlan],
  'trunk-vlans': [namespaces.vlan],
  'access-vlan': [namespaces.vlan],
  'native-vlan': [namespaces.vlan],
  'interface-mode': [namespaces.vlan],
  vlans: [namespaces.networkInstance],
  vlan: [namespaces.networkInstance],
  'vlan-id': [namespaces.networkInstance],
  ethernet: [namespaces.ethernet],
  aggregation: [namespaces.aggregate],
  'aggregate-id': [namespaces.aggregate],
  'lag-type': [namespaces.aggregate],
  'lacp-mode': [namespaces.lacp],
  'edge-port': [namespaces.spanningTree],
  type: [namespaces.interfaces],
  enabled: [namespaces.interfaces],
  mtu: [namespaces.interfaces],
  description: [namespaces.interfaces],
}
