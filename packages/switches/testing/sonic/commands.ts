/** What SONiC's `config` does to its database, and the words with which it refuses. */
import { parseVlans } from '../../vlans.ts'

export type Table = Record<string, Record<string, string>>
export type Database = Record<string, Table>

/** Null if done; otherwise why not. */
export function config(database: Database, words: string): string | null {
  for (const [pattern, command] of commands) {
    const match = pattern.exec(words)
    if (match) return command(database, match.slice(1))
  }
  return `Usage: config [OPTIONS] COMMAND [ARGS]...\nTry "config -h" for help.\n\nError: No such command "${words.split(' ')[0]}".`
}

type Command = (database: Database, words: string[]) => string | null

const commands: readonly [RegExp, Command][] = [
  [/^vlan add (\d+)$/, addVlan],
  [/^vlan del (\d+)$/, deleteVlan],
  [/^vlan member add (-u )?(-m )?([\d,-]+) (\S+)$/, addMember],
  [/^vlan member del ()(-m )?([\d,-]+) (\S+)$/, deleteMember],
  [/^switchport mode (access|trunk|routed) (\S+)$/, setMode],
  [/^interface (startup|shutdown) (\S+)$/, setAdmin],
  [/^interface mtu (\S+) (\d+)$/, setMtu],
  [/^portchannel add (PortChannel\d+)$/, addLag],
  [/^portchannel del (PortChannel\d+)$/, deleteLag],
  [/^portchannel member add (PortChannel\d+) (\S+)$/, addLagMember],
  [/^portchannel member del (PortChannel\d+) (\S+)$/, deleteLagMember],
]

export function table(database: Database, name: string): Table {
  database[name] ??= {}
  return database[name]
}

function fail(why: string): string {
  return `Usage: config [OPTIONS] COMMAND [ARGS]...\n\nError: ${why}`
}

function addVlan(database: Database, [id = '']: string[]): string | null {
  const vlans = table(database, 'VLAN')
  if (Number(id) < 2 || Number(id) > 4094) return fail(`Invalid VLAN ID ${id} (2-4094)`)
  if (vlans[`Vlan${id}`]) return fail(`Vlan${id} already exists.`)
  vlans[`Vlan${id}`] = { vlanid: id }
  return null
}

function deleteVlan(database: Database, [id = '']: string[]): string | null {
  const vlans = table(database, 'VLAN')
  if (!vlans[`Vlan${id}`]) return fail(`Vlan${id} does not exist`)
  if (Object.keys(table(database, 'VLAN_MEMBER')).some((key) => key.startsWith(`Vlan${id}|`)))
    return fail(`VLAN ID ${id} can not be removed. First remove all members assigned to this VLAN.`)
  delete vlans[`Vlan${id}`]
  return null
}

function addMember(database: Database, [untagged, many, list = '', port = '']: string[]): string | null {
  const members = table(database, 'VLAN_MEMBER')
  if (!many && !/^\d+$/.test(list)) return fail(`${list} is not integer`)
  const own = portOf(database, port)
  for (const id of parseVlans(list)) {
    if (!table(database, 'VLAN')[`Vlan${id}`]) return fail(`Vlan${id} does not exist`)
    if (members[`Vlan${id}|${port}`]) return fail(`${port} is already a member of Vlan${id}`)
    if (own === undefined) return fail(`${port} does not exist`)
    if (table(database, 'INTERFACE')[port]) return fail(`${port} is a router interface!`)
    if (lagOf(database, port)) return fail(`${port} is part of portchannel!`)
    if (untagged && membersOf(database, port).some(([, mode]) => mode === 'untagged'))
      return fail(`${port} is already untagged member!`)
    if ((own.mode ?? 'routed') === 'routed')
      return fail(`${port} is in routed mode!\nUse switchport mode command to change port mode`)
    if (own.mode === 'access' && !untagged)
      return fail(`${port} is in access mode! Tagged Members cannot be added`)
    members[`Vlan${id}|${port}`] = { tagging_mode: untagged ? 'untagged' : 'tagged' }
  }
  return null
}

function deleteMember(database: Database, [, many, list = '', port = '']: string[]): string | null {
  const members = table(database, 'VLAN_MEMBER')
  if (!many && !/^\d+$/.test(list)) return fail(`${list} is not integer`)
  for (const id of parseVlans(list)) {
    if (!members[`Vlan${id}|${port}`]) return fail(`${port} is not a member of Vlan${id}`)
    delete members[`Vlan${id}|${port}`]
  }
  return null
}

function setMode(database: Database, [mode = '', port = '']: string[]): string | null {
  const own = portOf(database, port)
  if (own === undefined) return fail(`${port} does not exist`)
  if ((own.mode ?? 'routed') === mode) return fail(`${port} is already in ${mode} mode`)
  if (table(database, 'INTERFACE')[port]) return fail(`Remove IP from ${port} to change mode!`)
  const tagged = membersOf(database, port).filter(([, tagging]) => tagging === 'tagged')
  if (mode === 'access' && tagged.length > 0)
    return fail(
      `${port} is in trunk mode and have tagged member(s).\nRemove tagged member(s) from ${port} to switch to access mode`,
    )
  if (mode === 'routed' && membersOf(database, port).length > 0)
    return fail(`${port} has untagged or tagged member(s). \nRemove them to change mode to routed`)
  own.mode = mode
  return null
}

function setAdmin(database: Database, [verb, port = '']: string[]): string | null {
  const own = portOf(database, port)
  if (own === undefined) return fail('Interface name is invalid. Please enter a valid interface name!!')
  own.admin_status = verb === 'startup' ? 'up' : 'down'
  return null
}

function setMtu(database: Database, [port = '', mtu = '']: string[]): string | null {
  const own = table(database, 'PORT')[port]
  if (own === undefined) return fail('Invalid port')
  if (lagOf(database, port)) return fail(`${port} is a member of a portchannel`)
  own.mtu = mtu
  return null
}

function addLag(database: Database, [lag = '']: string[]): string | null {
  const lags = table(database, 'PORTCHANNEL')
  if (lags[lag]) return fail(`${lag} already exists!`)
  lags[lag] = { admin_status: 'up', mtu: '9100', lacp_key: 'auto', fast_rate: 'false' }
  return null
}

function deleteLag(database: Database, [lag = '']: string[]): string | null {
  if (!table(database, 'PORTCHANNEL')[lag]) return fail(`${lag} is not present.`)
  if (Object.keys(table(database, 'PORTCHANNEL_MEMBER')).some((key) => key.startsWith(`${lag}|`)))
    return fail(`Portchannel ${lag} contains members. Remove members before deleting Portchannel!`)
  const [member] = membersOf(database, lag)
  if (member) return fail(`${lag} has vlan ${member[0]} configured, remove vlan membership to proceed`)
  delete table(database, 'PORTCHANNEL')[lag]
  return null
}

function addLagMember(database: Database, [lag = '', port = '']: string[]): string | null {
  const own = table(database, 'PORT')[port]
  if (!table(database, 'PORTCHANNEL')[lag]) return fail(`${lag} is not present.`)
  if (own === undefined) return fail(`${port} does not exist`)
  if (lagOf(database, port)) return fail(`${port} Interface is already member of ${lagOf(database, port)} `)
  if (membersOf(database, port).length > 0)
    return fail(
      `${port} Interface configured as VLAN_MEMBER under vlan : Vlan${membersOf(database, port)[0]?.[0]}`,
    )
  table(database, 'PORTCHANNEL_MEMBER')[`${lag}|${port}`] = {}
  return null
}

function deleteLagMember(database: Database, [lag = '', port = '']: string[]): string | null {
  const members = table(database, 'PORTCHANNEL_MEMBER')
  if (!members[`${lag}|${port}`]) return fail(`${port} is not a member of portchannel ${lag}`)
  delete members[`${lag}|${port}`]
  return null
}

export function portOf(database: Database, name: string): Record<string, string> | undefined {
  return table(database, 'PORT')[name] ?? table(database, 'PORTCHANNEL')[name]
}

export function lagOf(database: Database, port: string): string | undefined {
  return Object.keys(table(database, 'PORTCHANNEL_MEMBER'))
    .find((key) => key.endsWith(`|${port}`))
    ?.split('|')[0]
}

/** VLAN ids of a port, with how they are tagged. */
export function membersOf(database: Database, port: string): [number, string][] {
  return Object.entries(table(database, 'VLAN_MEMBER'))
    .filter(([key]) => key.endsWith(`|${port}`))
    .map(([key, { tagging_mode = '' }]): [number, string] => [
      Number(key.slice(4).split('|')[0]),
      tagging_mode,
    ])
    .sort(([a], [b]) => a - b)
}
