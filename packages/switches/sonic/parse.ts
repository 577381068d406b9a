/** Reads SONiC's configuration database, as JSON. */
import { protectedBecause } from '../cli/config.ts'
import type { Membership, PortState, SwitchState, VlanId, VlanState } from '../types.ts'

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>
type Database = Readonly<Record<string, Table | undefined>>

/** `Ethernet0` and `PortChannel10`, as SONiC writes them; null for everything else. */
export function normalisePort(name: string): string | null {
  const match = /^(ethernet|portchannel)(\d{1,4})$/i.exec(name)
  if (!match) return null
  const number = Number(match[2])
  return match[1]?.toLowerCase() === 'ethernet' ? `Ethernet${number}` : lagName(number)
}

export function lagName(group: number): string {
  return `PortChannel${group}`
}

export function parseState(json: string): SwitchState {
  const database = JSON.parse(json) as Database
  const members = membersOf(database.VLAN_MEMBER ?? {})
  const groups = new Map(
    keys(database.PORTCHANNEL_MEMBER).map(([lag, port]) => [port, Number(lag.slice(11))]),
  )
  const routed = new Set(
    [...keys(database.INTERFACE), ...keys(database.PORTCHANNEL_INTERFACE)].map(([name]) => name),
  )
  const mirrors = new Set(Object.values(database.MIRROR_SESSION ?? {}).map((session) => session.dst_port))
  const ports = new Map<string, PortState>()
  for (const [name, own] of [
    ...Object.entries(database.PORT ?? {}),
    ...Object.entries(database.PORTCHANNEL ?? {}),
  ]) {
    const of = members.get(name) ?? { untagged: [], tagged: [] }
    const group = groups.get(name)
    const description = own.description ?? ''
    ports.set(name, {
      name,
      membership: membershipOf(own.mode, of),
      adminUp: own.admin_status === 'up',
      stpEdge: false,
      mtu: own.mtu === undefined ? null : Number(own.mtu),
      description,
      lag: group === undefined ? null : { group, lacp: 'active' },
      multiChassis: null,
      protected: routed.has(name)
        ? 'it is a routed port in use'
        : mirrors.has(name)
          ? 'it is a mirror port'
          : protectedBecause([`description ${description}`], true),
      leftovers: leftoversOf(own.mode, of),
    })
  }
  for (const port of ports.values()) {
    const lag = port.lag && ports.get(lagName(port.lag.group))
    if (lag?.protected)
      ports.set(port.name, { ...port, protected: `it is a member of ${lag.name}: ${lag.protected}` })
  }
  return { vlans: vlansOf(database.VLAN ?? {}), ports }
}

type Members = { untagged: VlanId[]; tagged: VlanId[] }

function membersOf(table: Table): Map<string, Members> {
  const found = new Map<string, Members>()
  for (const [key, { tagging_mode }] of Object.entries(table)) {
    const [vlan = '', port = ''] = key.split('|')
    const of = found.get(port) ?? { untagged: [], tagged: [] }
    found.set(port, of)
    of[tagging_mode === 'untagged' ? 'untagged' : 'tagged'].push(Number(vlan.slice(4)))
  }
  for (const of of found.values()) of.tagged.sort((a, b) => a - b)
  return found
}

/** A port in no VLAN switches nothing, whatever its mode. */
function membershipOf(mode: string | undefined, { untagged, tagged }: Members): Membership {
  if (untagged.length > 1) return { mode: 'other', what: `untagged in the VLANs ${untagged.join(', ')}` }
  const [native] = untagged
  if (native === undefined && tagged.length === 0) return { mode: 'routed' }
  if (native !== undefined && tagged.length === 0 && mode !== 'trunk') return { mode: 'access', vlan: native }
  return { mode: 'trunk', native: native ?? null, tagged }
}

/** Ports of releases before there were modes have none: it is said anew, so that a trunk stays one. */
function leftoversOf(mode: string | undefined, { untagged, tagged }: Members): string[] {
  const right = tagged.length > 0 ? ['trunk'] : ['access', 'trunk']
  if (untagged.length + tagged.length === 0 || right.includes(mode ?? '')) return []
  return [`mode ${mode ?? 'not set'}`]
}

function vlansOf(table: Table): Map<VlanId, VlanState> {
  return new Map(
    Object.values(table).map(({ vlanid, description = '' }) => {
      const id = Number(vlanid)
      return [id, { id, name: description, active: true }]
    }),
  )
}

function keys(table: Table = {}): [string, string][] {
  return Object.keys(table).map((key) => {
    const [first = '', second = ''] = key.split('|')
    return [first, second]
  })
}
