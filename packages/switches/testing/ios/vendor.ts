/** What IOS knows and says, as far as a test needs it: a Catalyst that also knows ISL, or one that does not. */
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

export type IosModel = {
  /** Knows ISL too, and wants to be told which encapsulation a trunk has. */
  encapsulation: boolean
  /** Routes nothing, so that `switchport` alone is no command. */
  switchesOnly?: boolean
}

const invalid = "                 ^\n% Invalid input detected at '^' marker.\n"
const compatible = ['mode', 'access', 'native', 'allowed']

function settingsOf({ encapsulation, switchesOnly = false }: IosModel): Setting[] {
  const encapsulated: Setting = {
    key: 'encapsulation',
    pattern: /^switchport trunk encapsulation ?(dot1q|isl|negotiate)?/,
    set: ([line, kind]) => (kind === 'negotiate' ? [] : [line as string]),
    refuse: () => (encapsulation ? undefined : invalid),
  }
  return [
    { key: 'description', pattern: /^description ?(.{0,240})$/ },
    {
      key: 'switchport',
      pattern: /^switchport$/,
      set: () => [],
      unset: () => ['no switchport'],
      refuse: () => (switchesOnly ? '% Incomplete command.\n' : undefined),
    },
    {
      key: 'access',
      pattern: /^switchport access vlan ?(\d*)$/,
      set: ([line, id], { config }) => {
        if (!config.vlans.has(Number(id))) config.vlans.set(Number(id), new Map())
        return id === '1' ? [] : [line as string]
      },
      says: ([, id], { config, no }) =>
        no || config.vlans.has(Number(id)) ? undefined : `% Access VLAN does not exist. Creating vlan ${id}`,
    },
    encapsulated,
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
      pattern: /^switchport mode ?(access|trunk|dynamic auto|dot1q-tunnel)?$/,
      set: ([line, mode]) => (mode === 'dynamic auto' ? [] : [line as string]),
      refuse: ([, mode], { no, has }) =>
        !no && mode === 'trunk' && encapsulation && !has('switchport trunk encapsulation dot1q')
          ? 'Command rejected: An interface whose trunk encapsulation is "Auto" can not be configured to "trunk" mode.'
          : undefined,
    },
    { key: 'voice', pattern: /^switchport voice vlan ?(\d*)$/ },
    { key: 'address', pattern: /^ip address ?(.*)$/ },
    { key: 'shutdown', pattern: /^shutdown$/ },
    {
      key: 'lag',
      pattern: /^channel-group ?(?:(\d+) mode (active|passive|on))?$/,
      refuse: ([, group], { config, name, no }) => {
        const lag = config.interfaces.get(`Port-channel${group}`)
        const own = config.interfaces.get(name)
        if (
          no ||
          lag === undefined ||
          compatible.every((key) => String(lag.get(key)) === String(own?.get(key)))
        )
          return undefined
        return `Command rejected (Port-channel${group}, ${name}): not compatible with the group's switchport configuration`
      },
      set: ([line, group], { config }) => {
        const lag = `Port-channel${group}`
        if (!config.interfaces.has(lag)) config.interfaces.set(lag, new Map())
        return [line as string]
      },
      unset: (_match, { config, name }) => {
        // A port that leaves a group is taken down.
        const own = config.interfaces.get(name)
        if (own?.has('lag')) own.set('shutdown', ['shutdown'])
        return []
      },
    },
    {
      key: 'edge',
      pattern: /^spanning-tree portfast ?(trunk|network|edge)?$/,
      says: (_match, { no }) =>
        no
          ? undefined
          : '%Warning: portfast should only be enabled on ports connected to a single\n host. Use with CAUTION\n\n%Portfast has been configured on this port but will only\n have effect when the interface is in a non-trunking mode.',
    },
  ]
}

const vlanSettings: readonly Setting[] = [
  { key: 'name', pattern: /^name ?(\S{0,32})$/ },
  {
    key: 'state',
    pattern: /^state (active|suspend)$/,
    set: ([line, state]) => (state === 'active' ? [] : [line as string]),
  },
  { key: 'shutdown', pattern: /^shutdown$/ },
]

export function iosVendor(model: IosModel): Vendor {
  const settings = settingsOf(model)
  const runningConfig = (config: Config) => show(config, settings)
  return {
    grammar: {
      interfaceName: (typed) =>
        /^(GigabitEthernet1\/0\/\d+|Port-channel[1-9]\d*)$/.test(typed) ? typed : null,
      lagName: (group) => `Port-channel${group}`,
      settings,
      vlanSettings,
      vlanLine: /^vlan (\d+)$/,
      factory: () => new Map(),
      copied: [...compatible, 'encapsulation', 'voice', 'switchport'],
      words: {
        invalid,
        noInterface: () => invalid,
        noVlan: (id) =>
          id >= 1002 && id <= 1005 ? `Default VLAN ${id} may not be changed.\n% Command rejected` : undefined,
      },
    },
    ports: (count) => Array.from({ length: count }, (_, index) => `GigabitEthernet1/0/${index + 1}`),
    globals: ['hostname catalyst-1', 'spanning-tree mode rapid-pvst'],
    runningConfig,
    behaviour,
    dirty: (dirt) => {
      const isl: [string, string[]][] = model.encapsulation
        ? [['encapsulation', ['switchport trunk encapsulation dot1q']]]
        : []
      if (dirt === 'factory') return new Map()
      if (dirt === 'routed') return new Map([['switchport', ['no switchport']]])
      if (dirt === 'trunk-all') return new Map([...isl, ['mode', ['switchport mode trunk']]])
      return new Map([
        ...isl,
        ['description', ['description somebody was here']],
        ['mode', ['switchport mode access']],
        ['native', ['switchport trunk native vlan 66']],
        ['allowed', ['switchport trunk allowed vlan 66,77,88']],
        ['voice', ['switchport voice vlan 55']],
        ['edge', ['spanning-tree portfast trunk']],
      ])
    },
    membershipLine: /^switchport (access|trunk allowed) vlan/,
    uplink: new Map([
      ['description', ['description to the core']],
      ['mode', ['switchport mode trunk']],
      ['edge', ['spanning-tree portfast network']],
    ]),
    save: {
      line: 'write memory',
      good: 'Building configuration...\n[OK]',
      bad: 'Building configuration...\nnv_open: error opening file (No space left on device)',
    },
    exec: (box, line) => {
      if (/^terminal (length|width) \d+$/.test(line)) return { text: '' }
      if (line === 'show running-config')
        return {
          text: `Building configuration...\n\nCurrent configuration : 5123 bytes\n!\n${runningConfig(box.running)}`,
        }
      if (line === 'show vlan brief') return { text: vlanTable(box) }
      if (line === 'show interfaces switchport') return { text: switchports(box, model) }
      return undefined
    },
  }
}

function show(config: Config, settings: readonly Setting[]): string {
  const lines = ['version 17.9', '!', ...config.globals, '!']
  for (const [id, own] of [...config.vlans].sort(([a], [b]) => a - b))
    if (id !== 1) lines.push(`vlan ${id}`, ...linesOf(vlanSettings, own).map((line) => ` ${line}`), '!')
  const names = sortedNames(config)
  for (const name of [
    ...names.filter((one) => one.startsWith('P')),
    ...names.filter((one) => one.startsWith('G')),
  ])
    lines.push(
      `interface ${name}`,
      ...linesOf(settings, config.interfaces.get(name) ?? new Map()).map((line) => ` ${line}`),
      '!',
    )
  return [...lines, 'interface Vlan1', ' ip address 192.0.2.9 255.255.255.0', '!', 'end'].join('\n')
}

function behaviour(lines: Lines): Behaviour {
  const number = (key: string) => Number(/\d+$/.exec(lines.get(key)?.[0] ?? '')?.[0] ?? 1)
  const list = lines.get('allowed')?.[0]?.replace('switchport trunk allowed vlan ', '')
  const allowed = list === undefined ? 'all' : parseVlans(list)
  const native = number('native')
  return {
    up: !lines.has('shutdown'),
    switched: !lines.has('switchport'),
    // A machine does not negotiate, so a port that would stays an access port.
    trunk: lines.get('mode')?.[0] === 'switchport mode trunk',
    access: number('access'),
    native: allowed === 'all' || allowed.includes(native) ? native : null,
    allowed,
  }
}

function vlanTable({ running }: Box): string {
  const rows = [...running.vlans]
    .sort(([a], [b]) => a - b)
    .map(([id, own]) => {
      const name =
        own.get('name')?.[0]?.slice(5) ?? (id === 1 ? 'default' : `VLAN${String(id).padStart(4, '0')}`)
      const status = own.has('state') ? 'suspended' : own.has('shutdown') ? 'act/lshut' : 'active'
      return `${String(id).padEnd(4)} ${name.padEnd(32)} ${status.padEnd(9)}${id === 1 ? ' Gi1/0/40, Gi1/0/41, Gi1/0/42, Gi1/0/43\n                                                Gi1/0/44, Gi1/0/45' : ''}`
    })
  const reserved = [1002, 1003, 1004, 1005].map((id) => `${id} ${'fddi-default'.padEnd(32)} act/unsup `)
  return [
    '',
    'VLAN Name                             Status    Ports',
    '---- -------------------------------- --------- -------------------------------',
    ...rows,
    ...reserved,
  ].join('\n')
}

function switchports({ running }: Box, model: IosModel): string {
  return [...running.interfaces]
    .map(([name, lines]) => {
      const { switched, trunk, access, allowed } = behaviour(lines)
      const short = name.replace('GigabitEthernet', 'Gi').replace('Port-channel', 'Po')
      const mode = trunk ? 'trunk' : lines.has('mode') ? 'static access' : 'dynamic auto'
      if (!switched) return `Name: ${short}\nSwitchport: Disabled\n`
      return [
        `Name: ${short}`,
        'Switchport: Enabled',
        `Administrative Mode: ${mode}`,
        `Operational Mode: ${groupOf(lines) === null ? mode : `${mode} (member of bundle Po${groupOf(lines)})`}`,
        `Administrative Trunking Encapsulation: ${model.encapsulation && !lines.has('encapsulation') ? 'negotiate' : 'dot1q'}`,
        `Access Mode VLAN: ${access} (VLAN${String(access).padStart(4, '0')})`,
        `Trunking VLANs Enabled: ${allowed === 'all' ? 'ALL' : formatVlans(allowed) || 'NONE'}`,
        '',
      ].join('\n')
    })
    .join('\n')
}
