/** What EOS knows and says, as far as a test needs it. */
import { formatVlans, parseVlans } from '../../vlans.ts'
import type { Behaviour, Box, Vendor } from '../cli/box.ts'
import {
  allowedSetting,
  type Config,
  groupOf,
  type Lines,
  linesOf,
  type Setting,
  sortedNames,
} from '../cli/engine.ts'

const settings: readonly Setting[] = [
  { key: 'description', pattern: /^description ?(.{0,240})$/ },
  { key: 'shutdown', pattern: /^shutdown$/ },
  {
    key: 'access',
    pattern: /^switchport access vlan ?(\d*)$/,
    set: ([line, id]) => (id === '1' ? [] : [line as string]),
    says: ([, id], { config, no }) =>
      no || config.vlans.has(Number(id)) ? undefined : `! Access VLAN does not exist. Creating vlan ${id}`,
  },
  {
    key: 'native',
    pattern: /^switchport trunk native vlan ?(\d*)$/,
    set: ([line, id]) => (id === '1' ? [] : [line as string]),
  },
  {
    ...allowedSetting(),
    pattern: /^switchport trunk allowed vlan(?: (add|remove))?(?: (none|all|[\d,-]+))?$/,
  },
  {
    key: 'mode',
    pattern: /^switchport mode ?(access|trunk|dot1q-tunnel)?$/,
    set: ([line, mode]) => (mode === 'access' ? [] : [line as string]),
  },
  { key: 'trunk-group', pattern: /^switchport trunk group (\S+)$/ },
  { key: 'switchport', pattern: /^switchport$/, set: () => [], unset: () => ['no switchport'] },
  {
    key: 'lag',
    pattern: /^channel-group ?(?:(\d+) mode (active|passive|on))?$/,
    set: ([line, group], { config }) => {
      const lag = `Port-Channel${group}`
      if (!config.interfaces.has(lag)) config.interfaces.set(lag, new Map())
      return [line as string]
    },
  },
  { key: 'address', pattern: /^ip address ?(\S*)$/ },
  {
    key: 'edge',
    pattern: /^spanning-tree portfast ?(network|edge)?$/,
    set: ([line]) => [(line as string).replace(' edge', '')],
  },
  { key: 'mlag', pattern: /^mlag ?(\d*)$/ },
]

const invalid = "Invalid input (at token 0: 'x')"

export const eosVendor: Vendor = {
  grammar: {
    interfaceName: (typed) => (/^(Ethernet|Port-Channel)\d+$/.test(typed) ? typed : null),
    lagName: (group) => `Port-Channel${group}`,
    settings,
    vlanSettings: [
      { key: 'name', pattern: /^name ?(\S{0,32})$/ },
      {
        key: 'state',
        pattern: /^state (active|suspend)$/,
        set: ([line, state]) => (state === 'active' ? [] : [line as string]),
      },
    ],
    vlanLine: /^vlan (\d+)$/,
    factory: () => new Map(),
    copied: [],
    words: {
      invalid,
      noInterface: (name) => `Interface does not exist: ${name} (at token 1: '${name}')`,
      noVlan: (id) => (id >= 1 && id <= 4094 ? undefined : 'Invalid input (at token 1)'),
    },
  },
  ports: (count) => Array.from({ length: count }, (_, index) => `Ethernet${index + 1}`),
  globals: ['hostname eos-1', 'spanning-tree mode mstp'],
  runningConfig,
  behaviour,
  dirty: (dirt) => {
    if (dirt === 'routed') return new Map([['switchport', ['no switchport']]])
    if (dirt === 'trunk-all') return new Map([['mode', ['switchport mode trunk']]])
    if (dirt === 'factory') return new Map()
    return new Map([
      ['description', ['description somebody was here']],
      ['native', ['switchport trunk native vlan 66']],
      ['allowed', ['switchport trunk allowed vlan 66,77,88']],
    ])
  },
  membershipLine: /^switchport (access|trunk allowed) vlan/,
  uplink: new Map([
    ['description', ['description to the spine']],
    ['mode', ['switchport mode trunk']],
    ['edge', ['spanning-tree portfast network']],
  ]),
  save: {
    line: 'write memory',
    good: 'Copy completed successfully.',
    bad: '% Error copying system:/running-config to flash:/startup-config (No space left on device)',
  },
  exec: (box, line) => {
    if (line === 'show running-config') return { text: runningConfig(box.running) }
    if (line === 'show configuration sessions detail') return { text: '', json: {} }
    if (line === 'show hostname') return { text: '', json: { hostname: 'eos-1', fqdn: 'eos-1' } }
    if (line === 'show vlan') return { text: '', json: vlans(box) }
    if (line === 'show interfaces switchport') return { text: '', json: switchports(box) }
    return undefined
  },
}

function runningConfig(config: Config): string {
  const lines = ['! Command: show running-config', '! device: eos-1 (vEOS-lab, EOS-4.32.1F)', '!']
  for (const line of config.globals) lines.push(line, '!')
  const plain = [...config.vlans].filter(([id, own]) => id !== 1 && own.size === 0).map(([id]) => id)
  if (plain.length > 0) lines.push(`vlan ${formatVlans(plain)}`, '!')
  for (const [id, own] of [...config.vlans].sort(([a], [b]) => a - b))
    if (own.size > 0)
      lines.push(
        `vlan ${id}`,
        ...linesOf(eosVendor.grammar.vlanSettings, own).map((line) => `   ${line}`),
        '!',
      )
  const names = sortedNames(config)
  for (const name of [
    ...names.filter((one) => one.startsWith('P')),
    ...names.filter((one) => one.startsWith('E')),
  ]) {
    const own = linesOf(settings, config.interfaces.get(name) ?? new Map())
    lines.push(`interface ${name}`, ...own.map((line) => `   ${line}`), '!')
  }
  return [...lines, 'interface Management1', '   ip address 192.0.2.7/24', '!', 'end'].join('\n')
}

function behaviour(lines: Lines): Behaviour {
  const number = (key: string) => Number(/\d+$/.exec(lines.get(key)?.[0] ?? '')?.[0] ?? 1)
  const list = lines.get('allowed')?.[0]?.replace('switchport trunk allowed vlan ', '')
  const allowed = list === undefined ? 'all' : parseVlans(list)
  const native = number('native')
  return {
    up: !lines.has('shutdown'),
    switched: !lines.has('switchport'),
    trunk: lines.has('mode'),
    access: number('access'),
    native: allowed === 'all' || allowed.includes(native) ? native : null,
    allowed,
  }
}

function vlans({ running }: Box): unknown {
  const body: Record<string, unknown> = {}
  for (const [id, own] of running.vlans)
    body[id] = {
      name: own.get('name')?.[0]?.slice(5) ?? (id === 1 ? 'default' : `VLAN${String(id).padStart(4, '0')}`),
      status: own.has('state') ? 'suspended' : 'active',
      dynamic: false,
      interfaces: {},
    }
  return { vlans: body, sourceDetail: '' }
}

function switchports({ running }: Box): unknown {
  const body: Record<string, unknown> = {}
  for (const [name, lines] of running.interfaces) {
    const { switched, trunk, access, allowed } = behaviour(lines)
    if (!switched || groupOf(lines) !== null) continue
    body[name] = {
      enabled: true,
      switchportInfo: {
        mode: trunk ? 'trunk' : 'access',
        accessVlanId: access,
        accessVlanName: '',
        trunkingNativeVlanId: Number(/\d+$/.exec(lines.get('native')?.[0] ?? '')?.[0] ?? 1),
        trunkAllowedVlans: allowed === 'all' ? 'ALL' : formatVlans(allowed) || 'NONE',
        dynamicAllowedVlans: {},
        trunkGroups: [],
      },
    }
  }
  return { switchports: body }
}
