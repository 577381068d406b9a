/** What a simulated Junos switch (ELS) has in it, its own operations, and what its configuration means for frames. */
import { element, find, findAll, netconfNamespace, textAt, type XmlElement } from '../../transports/xml.ts'
import type { VlanId } from '../../types.ts'
import { parseVlans } from '../../vlans.ts'
import type { Dirt, Seen } from '../device.ts'
import { edit, type Refusal } from './edit.ts'
import { ok, rpcError } from './server.ts'
import {
  type Box,
  type Model,
  type NetconfSwitch,
  type SimulatorOptions,
  startNetconfSwitch,
} from './simulator.ts'

export type JunosOptions = SimulatorOptions & { revertsAtSessionEnd?: boolean }

export function startJunos(options: JunosOptions = {}): Promise<NetconfSwitch> {
  const { secondMs = 1_000, revertsAtSessionEnd = false } = options
  return startNetconfSwitch(
    { ...junosModel(secondMs), revertsAtSessionEnd },
    // Junos has no startup configuration, and unless told to be RFC-compliant no chunks.
    { ...options, startup: false, chunks: options.chunks ?? false },
  )
}

const ports = Array.from({ length: 8 }, (_, index) => `ge-0/0/${index}`)
const uplink = 'xe-0/1/0'
const namespace = 'http://xml.juniper.net/xnm/1.1/xnm'
const tag = (
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Record<string, string> = {},
) => element(namespace, name, content, attributes)
const nc = (name: string, content: string | readonly XmlElement[] = []) =>
  element(netconfNamespace, name, content)

function junosModel(secondMs: number): Model {
  const keyed = ['interface', 'unit', 'vlan']
  const schema = {
    // `vlan` below ethernet-switching is no list: it has members and no name.
    keyOf: (one: XmlElement) => (keyed.includes(one.name) && find(one, 'name') ? 'name' : null),
    isLeafList: (one: XmlElement) => one.name === 'members',
    operationOf: (one: XmlElement) => one.attributes.operation,
  }
  return {
    ...schema,
    driver: 'junos-netconf',
    settings: {},
    capabilities: ['candidate:1.0', 'confirmed-commit:1.0', 'validate:1.0'].map(
      (name) => `urn:ietf:params:xml:ns:netconf:capability:${name}`,
    ),
    ports: [...ports, uplink],
    protectedPort: uplink,
    revertsAtSessionEnd: false,
    factory: () => {
      const all = [
        ...ports.map((name) => interfaceOf(name, 'factory')),
        interfaceOf(uplink, 'trunk-all', 'uplink to core'),
      ]
      const home = tag('vlan', [tag('name', 'default'), tag('vlan-id', '1')])
      return element('', 'config', [tag('configuration', [tag('interfaces', all), tag('vlans', [home])])])
    },
    dirty: (config, port, dirt) => {
      const replaced = tag('interfaces', [
        { ...interfaceOf(port, dirt), attributes: { operation: 'replace' } },
      ])
      const calm = tag('protocols', [
        tag('rstp', [tag('interface', [tag('name', port)], { operation: 'remove' })]),
      ])
      return edit(config, element('', 'config', [tag('configuration', [replaced, calm])]), schema)
    },
    seen,
    check,
    checkEdit: () => null,
    portOf: (config) => textAt(config, 'configuration', 'interfaces', 'interface', 'name'),
    isAbout: ({ line, context }, port) => context === `interface ${port}` && line.includes('<members>'),
    rpc: (operation, box, session) => rpc(operation, box, session, secondMs),
  }
}

function rpc(
  operation: XmlElement,
  box: Box,
  session: number,
  secondMs: number,
): readonly XmlElement[] | undefined {
  switch (operation.name) {
    case 'get-configuration':
      return box.running.children
    case 'get-interface-information':
      return [
        tag(
          'interface-information',
          [...ports, uplink, 'me0', 'irb', 'vme'].map((name) =>
            // Names come with newlines around them.
            tag('physical-interface', [tag('name', `\n${name}\n`), tag('admin-status', 'up')]),
          ),
        ),
      ]
    case 'get-commit-information':
      return [
        tag(
          'commit-information',
          box.history.map(({ log, comment }, index) =>
            tag('commit-history', [
              tag('sequence-number', String(index)),
              tag('user', 'leasehold'),
              tag('client', 'netconf'),
              ...(log === '' ? [] : [tag('log', log)]),
              ...(comment === '' ? [] : [tag('comment', comment)]),
            ]),
          ),
        ),
      ]
    case 'commit-configuration': {
      const minutes = find(operation, 'confirmed') && Number(textAt(operation, 'confirm-timeout') ?? 10)
      const timeoutMs = minutes === undefined ? undefined : minutes * 60 * secondMs
      box.commit({ session, timeoutMs, log: textAt(operation, 'log') ?? '' })
      // Junos warns of much that is nothing.
      const warning = rpcError(
        '',
        'graceful-switchover is enabled, commit synchronize should be used',
        '',
        'warning',
      )
      return [
        nc('commit-results', [warning, nc('routing-engine', [nc('name', 'fpc0'), nc('commit-success')])]),
      ]
    }
    case 'load-configuration': {
      const back = Number(operation.attributes.rollback)
      const old = box.history[back]
      if (old === undefined) throw { tag: 'invalid-value', message: `no rollback ${back}` } satisfies Refusal
      box.candidate = old.config
      return [nc('load-configuration-results', [ok()])]
    }
    default:
      return undefined
  }
}

function interfaceOf(name: string, dirt: Dirt, description = ''): XmlElement {
  const words = dirt === 'stale' ? 'somebody was here' : description
  const switching = (mode: string, members: string) =>
    tag('unit', [
      tag('name', '0'),
      tag('family', [
        tag('ethernet-switching', [
          tag('interface-mode', mode),
          tag('vlan', [tag('members', members)]),
          tag('storm-control', [tag('profile-name', 'default')]),
        ]),
      ]),
    ])
  const below: Record<Dirt, XmlElement[]> = {
    factory: [switching('access', 'default')],
    routed: [],
    'trunk-all': [switching('trunk', 'all')],
    stale: [tag('native-vlan-id', '66'), switching('access', 'default')],
  }
  return tag('interface', [
    tag('name', name),
    ...(words === '' ? [] : [tag('description', words)]),
    ...below[dirt],
  ])
}

function interfaces(config: XmlElement): readonly XmlElement[] {
  return findAll(config, 'configuration', 'interfaces', 'interface')
}
function vlansIn(config: XmlElement): Map<string, VlanId> {
  return new Map(
    findAll(config, 'configuration', 'vlans', 'vlan').map((one) => [
      textAt(one, 'name') ?? '',
      Number(textAt(one, 'vlan-id')),
    ]),
  )
}
const bundleOf = (one: XmlElement | undefined) => textAt(one, 'gigether-options', 'ieee-802.3ad', 'bundle')
const switchingOf = (one: XmlElement | undefined) =>
  find(
    findAll(one, 'unit').find((unit) => textAt(unit, 'name') === '0'),
    'family',
    'ethernet-switching',
  )

/** What is only found when it is committed. */
function check(config: XmlElement): Refusal | null {
  const vlans = vlansIn(config)
  const count = Number(
    textAt(config, 'configuration', 'chassis', 'aggregated-devices', 'ethernet', 'device-count') ?? 0,
  )
  for (const one of interfaces(config)) {
    const name = textAt(one, 'name') ?? ''
    const path = `[edit interfaces ${name}]`
    for (const { text } of findAll(switchingOf(one), 'vlan', 'members'))
      if (text !== 'all' && !vlans.has(text))
        for (const id of parseVlans(text))
          if (![...vlans.values()].includes(id))
            return { tag: 'operation-failed', message: `vlan ${id} is not configured`, path }
    if (bundleOf(one) !== undefined && findAll(one, 'unit').length > 0)
      return { tag: 'operation-failed', message: 'logical unit is not allowed on a member of a bundle', path }
    const lag = /^ae(\d+)$/.exec(bundleOf(one) ?? (name.startsWith('ae') ? name : ''))
    if (lag && Number(lag[1]) >= count)
      return { tag: 'operation-failed', message: `device-count ${count} is too low`, path }
  }
  const ids = [...vlans.values()]
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  return twice === undefined ? null : { tag: 'operation-failed', message: `vlan-id ${twice} is used twice` }
}

function seen(config: XmlElement, port: string): Seen {
  const nothing: Seen = { port, untagged: null, tagged: [] }
  const at = (name: string) => interfaces(config).find((one) => textAt(one, 'name') === name)
  const own = at(port)
  const bundle = bundleOf(own)
  const one = bundle === undefined ? own : at(bundle)
  const switching = switchingOf(one)
  if (switching === undefined || find(own, 'disable') || find(one, 'disable')) return nothing
  const vlans = vlansIn(config)
  const words = findAll(switching, 'vlan', 'members').map(({ text }) => text)
  const native = Number(textAt(one, 'native-vlan-id') ?? 0)
  if (words.includes('all')) return { port, untagged: native || null, tagged: 'all' }
  const ids = words.flatMap((word) => (vlans.has(word) ? [vlans.get(word) as VlanId] : parseVlans(word)))
  if (textAt(switching, 'interface-mode') !== 'trunk') return { ...nothing, untagged: ids[0] ?? 1 }
  return {
    port,
    untagged: ids.includes(native) ? native : null,
    tagged: ids.filter((id) => id !== native).sort((a, b) => a - b),
  }
}
