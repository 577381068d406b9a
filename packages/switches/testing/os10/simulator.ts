/** A simulated Dell switch: OS10's command line over SSH, which shows defaults too and whose lists of VLANs add up. */
import { formatVlans, parseVlans } from '../../vlans.ts'
import type { Behaviour, Vendor } from '../cli/box.ts'
import { type About, type Config, type Lines, linesOf, type Setting, sortedNames } from '../cli/engine.ts'
import { type SshSwitch, startSshSwitch } from '../cli/ssh.ts'

export type Os10Options = { ports?: number; username?: string; password?: string }

export function startOs10(options: Os10Options = {}): Promise<SshSwitch> {
  return startSshSwitch({
    ...options,
    vendor: os10Vendor,
    driver: 'dell-os10-ssh',
    host: 'OS10',
    promptTail: (place) => {
      if (place.kind === 'global') return '(config)'
      if (place.kind === 'vlan') return `(conf-if-vl-${place.id})`
      return `(conf-if-${place.name.replace('ethernet', 'eth').replace('port-channel', 'po-')})`
    },
  })
}

const start = 'switchport trunk allowed vlan '
const error = (words: string) => `% Error: ${words}`
const isMember = ({ config, name }: About): boolean => config.interfaces.get(name)?.has('lag') === true

const settings: readonly Setting[] = [
  { key: 'description', pattern: /^description ?(.{0,240})$/ },
  { key: 'shutdown', pattern: /^shutdown$/, unset: () => ['no shutdown'] },
  {
    key: 'switchport',
    pattern: /^switchport$/,
    refuse: (_match, { no }) => (no ? undefined : error('Incomplete command.')),
    unset: (_match, { config, name }) => {
      for (const key of ['mode', 'access', 'allowed']) config.interfaces.get(name)?.delete(key)
      return ['no switchport']
    },
  },
  {
    key: 'mode',
    pattern: /^switchport mode (access|trunk)$/,
    refuse: (_match, about) => (isMember(about) ? error('Interface is part of a port-channel') : undefined),
    set: ([line, mode], { config, name }) => {
      const own = config.interfaces.get(name)
      const wasRouted = own?.delete('switchport')
      if (wasRouted || (mode === 'access' && !own?.has('access')))
        own?.set('access', ['switchport access vlan 1'])
      return mode === 'access' ? [] : [line as string]
    },
  },
  {
    key: 'access',
    pattern: /^switchport access vlan ?(\d*)$/,
    refuse: ([, id], about) => {
      if (isMember(about)) return error('Interface is part of a port-channel')
      if (about.has('no switchport')) return error('Interface is not in L2 mode')
      if (about.no) return undefined
      if (!about.config.vlans.has(Number(id))) return error(`Vlan ${id} does not exist`)
      const tagged = listOf(about.config.interfaces.get(about.name) ?? new Map()).includes(Number(id))
      return tagged ? error(`Vlan ${id} is tagged on this interface`) : undefined
    },
    unset: (_match, { has }) => (has('switchport mode trunk') ? [] : ['switchport access vlan 1']),
  },
  {
    key: 'allowed',
    pattern: /^switchport trunk allowed vlan ([\d,-]+)$/,
    refuse: ([, list], about) => {
      if (isMember(about)) return error('Interface is part of a port-channel')
      if (about.no) return undefined
      if (about.has('no switchport')) return error('Interface is not in L2 mode')
      const untagged = parseVlans(list as string).find((id) => about.has(`switchport access vlan ${id}`))
      return untagged === undefined ? undefined : error(`Vlan ${untagged} is untagged on this interface`)
    },
    set: ([, list], { old }) => listLine([...oldList(old), ...parseVlans(list as string)]),
    unset: ([, list], { old }) => {
      const gone = parseVlans(list as string)
      return listLine(oldList(old).filter((id) => !gone.includes(id)))
    },
  },
  { key: 'mtu', pattern: /^mtu ?(\d*)$/ },
  { key: 'address', pattern: /^ip address ?(.*)$/ },
  { key: 'flow', pattern: /^flowcontrol receive on$/ },
  { key: 'edge', pattern: /^spanning-tree port type edge$/ },
  {
    key: 'lag',
    pattern: /^channel-group ?(?:(\d+) mode (active|passive|on))?$/,
    refuse: ([, group], { config, has, no }) => {
      if (no) return undefined
      if (!config.interfaces.has(`port-channel${group}`)) return error(`port-channel ${group} does not exist`)
      return has('no switchport') ? undefined : error('Interface has L2 configuration')
    },
  },
  { key: 'vlt', pattern: /^vlt-port-channel ?(\d*)$/ },
]

export const os10Vendor: Vendor = {
  grammar: {
    interfaceName: (typed) => (/^(ethernet1\/1\/\d+|port-channel[1-9]\d*)$/.test(typed) ? typed : null),
    lagName: (group) => `port-channel${group}`,
    settings,
    vlanSettings: [
      { key: 'name', pattern: /^description ?(.{0,200})$/ },
      { key: 'shutdown', pattern: /^shutdown$/, unset: () => [] },
    ],
    vlanLine: /^interface vlan ?(\d+)$/,
    factory: (name) =>
      new Map([
        ['shutdown', ['no shutdown']],
        ['access', ['switchport access vlan 1']],
        ...(name.startsWith('e') ? [['flow', ['flowcontrol receive on']] as const] : []),
      ]),
    copied: [],
    words: {
      invalid: error('Unrecognized command.'),
      noInterface: (name) => error(`Invalid interface ${name}`),
      noVlan: (id) => (id <= 4093 ? undefined : error('Vlan is reserved')),
    },
  },
  ports: (count) => Array.from({ length: count }, (_, index) => `ethernet1/1/${index + 1}`),
  globals: ['! Version 10.5.4.1', 'hostname OS10'],
  runningConfig,
  behaviour,
  dirty: (dirt) => {
    const fresh = os10Vendor.grammar.factory('ethernet1/1/1')
    if (dirt === 'routed') {
      fresh.delete('access')
      fresh.set('switchport', ['no switchport'])
    }
    if (dirt === 'trunk-all') fresh.set('mode', ['switchport mode trunk']).set('allowed', [`${start}2-4093`])
    if (dirt === 'stale')
      fresh.set('allowed', [`${start}66,77,88`]).set('description', ['description somebody was here'])
    return fresh
  },
  membershipLine: /^(no )?switchport (access|trunk allowed) vlan/,
  uplink: new Map([
    ['description', ['description uplink to the core']],
    ['shutdown', ['no shutdown']],
    ['mode', ['switchport mode trunk']],
  ]),
  save: { line: 'write memory', good: '', bad: error('Failed to write the startup configuration') },
  exec: (box, line) => {
    if (line === 'terminal length 0') return { text: '' }
    return line === 'show running-configuration' ? { text: runningConfig(box.running) } : undefined
  },
}

function runningConfig(config: Config): string {
  const lines = [...config.globals, '!']
  for (const [id, own] of [...config.vlans].sort(([a], [b]) => a - b)) {
    const state = own.has('shutdown') ? [] : ['no shutdown']
    const all = [...linesOf(os10Vendor.grammar.vlanSettings, own), ...state]
    lines.push(`interface vlan${id}`, ...all.map((line) => ` ${line}`), '!')
  }
  for (const name of sortedNames(config)) {
    const own = linesOf(settings, config.interfaces.get(name) ?? new Map())
    lines.push(`interface ${name}`, ...own.map((line) => ` ${line}`), '!')
  }
  return [...lines, 'interface mgmt1/1/1', ' no shutdown', ' ip address dhcp', '!'].join('\n')
}

function behaviour(lines: Lines): Behaviour {
  const access = /\d+$/.exec(lines.get('access')?.[0] ?? '')?.[0]
  return {
    up: lines.get('shutdown')?.[0] !== 'shutdown',
    switched: !lines.has('switchport'),
    trunk: lines.has('mode'),
    access: Number(access ?? 1),
    native: access === undefined ? null : Number(access),
    allowed: listOf(lines),
  }
}

function listOf(lines: Lines): number[] {
  return oldList(lines.get('allowed') ?? [])
}
function oldList(lines: readonly string[]): number[] {
  return parseVlans((lines[0] ?? '').replace(start, ''))
}
function listLine(ids: readonly number[]): string[] {
  return ids.length === 0 ? [] : [`${start}${formatVlans(ids)}`]
}
