/** What NX-OS does with a line in configuration mode: changes the model, or says why not in its own words. */
import { parseVlans } from '../../vlans.ts'
import {
  type Config,
  copyLayer2,
  defaultVlanName,
  factoryInterface,
  type Interface,
  shutByDefault,
} from './model.ts'

/** Where in configuration mode a user is. */
export type Place = { kind: 'global' } | { kind: 'interface'; name: string } | { kind: 'vlan'; id: number }

/** Does one line. Answers with where the user is after it and what is printed. */
export function configure(config: Config, place: Place, line: string): { place: Place; text: string } {
  const global = globalLine(config, line)
  if (global) return global
  if (place.kind === 'interface') {
    const one = config.interfaces.find(({ name }) => name === place.name)
    return { place, text: one ? interfaceLine(config, one, line) : invalid }
  }
  if (place.kind === 'vlan') return { place, text: vlanLine(config, place.id, line) }
  return { place, text: invalid }
}

const invalid = "                     ^\n% Invalid command at '^' marker."
const top: Place = { kind: 'global' }

function globalLine(config: Config, line: string): { place: Place; text: string } | undefined {
  let match: RegExpExecArray | null
  if (line === 'exit') return { place: top, text: '' }
  match = /^interface (\S+)$/.exec(line)
  if (match) return enterInterface(config, match[1] as string)
  match = /^no interface port-channel(\d+)$/.exec(line)
  if (match) return { place: top, text: removeChannel(config, Number(match[1])) }
  match = /^default interface (\S+)$/.exec(line)
  if (match) return { place: top, text: resetInterface(config, match[1] as string) }
  match = /^vlan (\d+)$/.exec(line)
  if (match) return enterVlan(config, Number(match[1]))
  match = /^no vlan (\d+)$/.exec(line)
  if (match) return { place: top, text: removeVlan(config, Number(match[1])) }
  match = /^(no )?feature (lacp|vpc)$/.exec(line)
  if (match) {
    config.features = config.features.filter((feature) => feature !== match?.[2])
    if (!match[1]) config.features.push(match[2] as string)
    return { place: top, text: '' }
  }
  match = /^(no )?system default switchport( shutdown)?$/.exec(line)
  if (match) {
    config.defaults[match[2] ? 'shutdown' : 'switchport'] = match[1] === undefined
    return { place: top, text: '' }
  }
  return undefined
}

function enterInterface(config: Config, name: string): { place: Place; text: string } {
  if (/^port-channel([1-9]\d{0,3})$/.test(name) && !config.interfaces.some((one) => one.name === name))
    config.interfaces.push(factoryInterface(name, config.defaults))
  if (!config.interfaces.some((one) => one.name === name))
    return { place: top, text: "                      ^\nInvalid interface format at '^' marker." }
  return { place: { kind: 'interface', name }, text: '' }
}

function enterVlan(config: Config, id: number): { place: Place; text: string } {
  if (id < 1 || id > 4094)
    return { place: top, text: "            ^\n% Invalid number, range is (1-4094) at '^' marker." }
  if (id >= 3968) return { place: top, text: `ERROR: VLAN ${id} is in the range reserved for internal use` }
  if (!config.vlans.some((vlan) => vlan.id === id))
    config.vlans.push({ id, name: defaultVlanName(id), suspended: false, shutdown: false })
  return { place: { kind: 'vlan', id }, text: '' }
}

function removeVlan(config: Config, id: number): string {
  if (id === 1) return 'ERROR: Cannot delete default VLAN 1'
  config.vlans = config.vlans.filter((vlan) => vlan.id !== id)
  return ''
}

function vlanLine(config: Config, id: number, line: string): string {
  const vlan = config.vlans.find((one) => one.id === id)
  if (vlan === undefined) return invalid
  const name = /^name (\S{1,32})$/.exec(line)
  if (name) {
    const twin = config.vlans.find((one) => one.name === name[1] && one.id !== id)
    if (twin) return `ERROR: VLAN ${twin.id} has the same name; names of VLANs must be unique`
    vlan.name = name[1] as string
  } else if (line === 'no name') vlan.name = defaultVlanName(id)
  else if (line === 'state active') vlan.suspended = false
  else if (line === 'state suspend') vlan.suspended = true
  else if (line === 'shutdown') vlan.shutdown = true
  else if (line === 'no shutdown') vlan.shutdown = false
  else return invalid
  return ''
}

function removeChannel(config: Config, group: number): string {
  for (const member of config.interfaces) if (member.channel?.group === group) member.channel = null
  config.interfaces = config.interfaces.filter(({ name }) => name !== `port-channel${group}`)
  return ''
}

function resetInterface(config: Config, name: string): string {
  const at = config.interfaces.findIndex((one) => one.name === name)
  if (at < 0) return invalid
  config.interfaces[at] = factoryInterface(name, config.defaults)
  return ''
}

function interfaceLine(config: Config, one: Interface, line: string): string {
  if (line === 'shutdown' || line === 'no shutdown') {
    one.shutdown = line === 'shutdown'
    return ''
  }
  const description = /^description (.{1,254})$/.exec(line)
  if (description || line === 'no description') {
    one.description = description?.[1] ?? ''
    return ''
  }
  if (/^(no )?channel-group/.test(line)) return channelLine(config, one, line)
  const shared = /^(no )?(switchport|spanning-tree|mtu)/.test(line)
  if (shared && one.channel && !(line === 'switchport' && one.switched))
    return `ERROR: ${one.name}: requested config change not allowed, it is a member of port-channel${one.channel.group}`
  const before = JSON.stringify(one)
  const text = sharedLine(config, one, line)
  const isChannel = one.name.startsWith('port-channel')
  if (isChannel && before !== JSON.stringify(one))
    for (const member of config.interfaces)
      if (`port-channel${member.channel?.group}` === one.name) copyLayer2(one, member)
  return text
}

function sharedLine(config: Config, one: Interface, line: string): string {
  let match: RegExpExecArray | null
  if (line === 'switchport' || line === 'no switchport') {
    const switched = line === 'switchport'
    if (switched === one.switched) return ''
    const wasDefault = one.shutdown === shutByDefault(one.name, one.switched, config.defaults)
    one.switched = switched
    if (switched) one.others = []
    if (wasDefault) one.shutdown = shutByDefault(one.name, switched, config.defaults)
    return ''
  }
  match = /^mtu (\d+)$/.exec(line)
  if (match) {
    if (one.switched && !['1500', '9216'].includes(match[1] as string))
      return `ERROR: ${one.name}: MTU on L2 interfaces can only be set to default or system-jumboMTU`
    one.mtu = Number(match[1])
    return ''
  }
  match = /^vpc (\d+|peer-link)$/.exec(line)
  if (match && one.name.startsWith('port-channel')) {
    if (!config.features.includes('vpc')) return invalid
    one.vpc = match[1] as string
    return ''
  }
  match = /^(no )?spanning-tree port type ?(edge trunk|edge|network)?$/.exec(line)
  if (match) {
    one.edge = match[1] ? '' : (match[2] as Interface['edge'])
    return match[1] || match[2] === 'network' ? '' : edgeWarning
  }
  if (/^(ip address|vrf member) \S+$/.test(line)) {
    if (one.switched) return invalid
    one.others.push(line)
    return ''
  }
  if (/^(no )?switchport /.test(line))
    return one.switched ? switchportLine(one, line) : `ERROR: ${one.name}: not a switching port`
  return invalid
}

function switchportLine(one: Interface, line: string): string {
  const mode = /^switchport mode (access|trunk|fex-fabric|dot1q-tunnel)$/.exec(line)
  const access = vlanAt(/^switchport access vlan (\d+)$/, line)
  const native = vlanAt(/^switchport trunk native vlan (\d+)$/, line)
  const list = /^switchport trunk allowed vlan (?:(add|remove) )?([\d,-]+|none|all)$/.exec(line)
  if (list) return allow(one, list[1], list[2] as string)
  if (mode) one.mode = mode[1] as string
  else if (access) one.access = Number(access[1])
  else if (native) one.native = Number(native[1])
  else if (line === 'no switchport mode') one.mode = 'access'
  else if (line === 'no switchport access vlan') one.access = 1
  else if (line === 'no switchport trunk native vlan') one.native = 1
  else if (line === 'no switchport trunk allowed vlan') one.allowed = 'all'
  else return invalid
  return ''
}

function allow(one: Interface, how: string | undefined, list: string): string {
  if (list === 'all') one.allowed = 'all'
  else {
    let ids: number[]
    try {
      ids = parseVlans(list)
    } catch {
      return "Invalid range at '^' marker."
    }
    // Without a list all are allowed already: adding to it changes nothing.
    const old = one.allowed === 'all' ? Array.from({ length: 4094 }, (_, index) => index + 1) : one.allowed
    if (how === 'add') one.allowed = [...new Set([...old, ...ids])].sort((a, b) => a - b)
    else if (how === 'remove') one.allowed = old.filter((id) => !ids.includes(id))
    else one.allowed = ids
    if (one.allowed.length === 4094) one.allowed = 'all'
  }
  return ''
}

function channelLine(config: Config, one: Interface, line: string): string {
  if (line === 'no channel-group') {
    one.channel = null
    return ''
  }
  const match = /^channel-group (\d+)( force)? mode (active|passive|on)$/.exec(line)
  if (!match || one.name.startsWith('port-channel')) return invalid
  const group = Number(match[1])
  const mode = match[3] as 'active' | 'passive' | 'on'
  if (mode !== 'on' && !config.features.includes('lacp')) return invalid
  let channel = config.interfaces.find(({ name }) => name === `port-channel${group}`)
  if (channel === undefined) {
    channel = factoryInterface(`port-channel${group}`, config.defaults)
    copyLayer2(one, channel)
    config.interfaces.push(channel)
  }
  if (channel.switched !== one.switched) return 'command failed: port not compatible [port layer]'
  const like = { ...one }
  copyLayer2(channel, like)
  if (!match[2] && JSON.stringify(like) !== JSON.stringify(one))
    return 'command failed: port not compatible [Port VLAN or mode], use the force option'
  copyLayer2(channel, one)
  one.channel = { group, mode }
  return ''
}

function vlanAt(pattern: RegExp, line: string): RegExpExecArray | null {
  const match = pattern.exec(line)
  return match && Number(match[1]) >= 1 && Number(match[1]) <= 4094 ? match : null
}

const edgeWarning = `Warning: Edge port type (portfast) should only be enabled on ports connected to a single
 host. Connecting hubs, concentrators, switches, bridges, etc...  to this
 interface  when edge port type (portfast) is enabled, can cause temporary bridging loops.
 Use with CAUTION
`
