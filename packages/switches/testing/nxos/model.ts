/** A Nexus's configuration as NX-OS keeps it: what is set, what is default, and what follows for the frames. */
import type { VlanId } from '../../types.ts'
import { formatVlans } from '../../vlans.ts'
import type { Seen } from '../device.ts'

export type Interface = {
  name: string
  switched: boolean
  mode: string
  access: VlanId
  native: VlanId
  allowed: VlanId[] | 'all'
  shutdown: boolean
  edge: '' | 'edge' | 'edge trunk' | 'network'
  mtu: number
  description: string
  channel: { group: number; mode: 'active' | 'passive' | 'on' } | null
  vpc: string
  /** Lines that we only keep: addresses and the like. */
  others: string[]
}

export type Config = {
  features: string[]
  vlans: { id: VlanId; name: string; suspended: boolean; shutdown: boolean }[]
  interfaces: Interface[]
  defaults: { switchport: boolean; shutdown: boolean }
}

export function factoryConfig(ports: number, defaults: Config['defaults']): Config {
  const config: Config = {
    features: [],
    vlans: [{ id: 1, name: 'default', suspended: false, shutdown: false }],
    interfaces: [],
    defaults,
  }
  for (let port = 1; port <= ports; port++)
    config.interfaces.push(factoryInterface(`Ethernet1/${port}`, defaults))
  return config
}

export function factoryInterface(name: string, defaults: Config['defaults']): Interface {
  return {
    name,
    switched: defaults.switchport,
    mode: 'access',
    access: 1,
    native: 1,
    allowed: 'all',
    shutdown: shutByDefault(name, defaults.switchport, defaults),
    edge: '',
    mtu: 1500,
    description: '',
    channel: null,
    vpc: '',
    others: [],
  }
}

/** The settings that members of a port-channel share with it. */
export function copyLayer2(from: Interface, to: Interface): void {
  const { switched, mode, access, native, allowed, edge, mtu } = from
  Object.assign(to, { switched, mode, access, native, edge, mtu })
  to.allowed = allowed === 'all' ? 'all' : [...allowed]
}

/** Frames that pass, by port; a member of a port-channel passes what its channel passes while both are up. */
export function seenBy(config: Config, port: string): Seen {
  const nothing: Seen = { port, untagged: null, tagged: [] }
  const own = config.interfaces.find(({ name }) => name === port)
  if (own === undefined || own.shutdown) return nothing
  const channel = own.channel
    ? config.interfaces.find(({ name }) => name === `port-channel${own.channel?.group}`)
    : own
  if (channel === undefined || channel.shutdown || !channel.switched) return nothing
  const exists = (id: VlanId) =>
    config.vlans.some((vlan) => vlan.id === id && !vlan.suspended && !vlan.shutdown)
  if (channel.mode === 'access')
    return { port, untagged: exists(channel.access) ? channel.access : null, tagged: [] }
  if (channel.mode !== 'trunk') return nothing
  const { allowed, native } = channel
  if (allowed === 'all') return { port, untagged: native, tagged: 'all' }
  return {
    port,
    untagged: allowed.includes(native) ? native : null,
    tagged: allowed.filter((id) => id !== native),
  }
}

/** `show running-config`: defaults are left out. */
export function runningConfig(config: Config, only: 'all' | 'interface' | 'vlan' = 'all'): string {
  const { features, vlans, interfaces, defaults } = config
  const lines: string[] = ['', 'version 9.3(5) Bios:version']
  if (only === 'all') {
    lines.push(...[...features].sort().map((feature) => `feature ${feature}`))
    if (defaults.switchport) lines.push('system default switchport')
    if (defaults.shutdown) lines.push('system default switchport shutdown')
  }
  if (only !== 'interface') {
    lines.push(`vlan ${formatVlans(vlans.map(({ id }) => id))}`)
    for (const vlan of [...vlans].sort((a, b) => a.id - b.id)) {
      const own = [
        ...(vlan.name === defaultVlanName(vlan.id) ? [] : [`  name ${vlan.name}`]),
        ...(vlan.suspended ? ['  state suspend'] : []),
        ...(vlan.shutdown ? ['  shutdown'] : []),
      ]
      if (own.length > 0) lines.push(`vlan ${vlan.id}`, ...own)
    }
  }
  if (only !== 'vlan') for (const one of sorted(interfaces)) lines.push('', ...interfaceLines(one, defaults))
  return lines.join('\n')
}

export function interfaceLines(one: Interface, defaults: Config['defaults']): string[] {
  const lines = [`interface ${one.name}`]
  const say = (line: string) => lines.push(`  ${line}`)
  if (one.description !== '') say(`description ${one.description}`)
  if (one.switched !== defaults.switchport) say(one.switched ? 'switchport' : 'no switchport')
  if (one.switched) {
    if (one.mode !== 'access') say(`switchport mode ${one.mode}`)
    if (one.access !== 1) say(`switchport access vlan ${one.access}`)
    if (one.native !== 1) say(`switchport trunk native vlan ${one.native}`)
    for (const line of allowedLines(one.allowed)) say(line)
    if (one.edge !== '') say(`spanning-tree port type ${one.edge}`)
  }
  if (one.mtu !== 1500) say(`mtu ${one.mtu}`)
  for (const line of one.others) say(line)
  if (one.channel)
    say(`channel-group ${one.channel.group}${one.channel.mode === 'on' ? '' : ` mode ${one.channel.mode}`}`)
  if (one.vpc !== '') say(`vpc ${one.vpc}`)
  if (one.shutdown !== shutByDefault(one.name, one.switched, defaults))
    say(one.shutdown ? 'shutdown' : 'no shutdown')
  return lines
}

function allowedLines(allowed: VlanId[] | 'all'): string[] {
  if (allowed === 'all') return []
  const ranges = formatVlans(allowed).split(',')
  const lines: string[] = []
  for (let at = 0; at < ranges.length; at += 20)
    lines.push(
      `switchport trunk allowed vlan ${at === 0 ? '' : 'add '}${ranges.slice(at, at + 20).join(',') || 'none'}`,
    )
  return lines
}

export function shutByDefault(name: string, switched: boolean, defaults: Config['defaults']): boolean {
  if (name.startsWith('port-channel')) return false
  return switched ? defaults.shutdown : true
}

export function defaultVlanName(id: VlanId): string {
  return id === 1 ? 'default' : `VLAN${String(id).padStart(4, '0')}`
}

function sorted(interfaces: readonly Interface[]): Interface[] {
  const rank = (name: string) => name.replace(/\d+/g, (digits) => digits.padStart(5, '0'))
  return [...interfaces].sort((a, b) => (rank(a.name) < rank(b.name) ? 1 : -1)).reverse()
}
