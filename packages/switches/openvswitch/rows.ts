/** Rows of an Open vSwitch database, as far as VLANs are concerned. */
import type { OvsdbReply } from '../transports/ovsdb.ts'
import type { Membership, VlanId } from '../types.ts'
import { sortVlans } from '../vlans.ts'

export type Uuid = string

export type Columns = {
  mode: '' | 'access' | 'trunk' | 'native-tagged' | 'native-untagged' | 'dot1q-tunnel'
  tag: VlanId | null
  trunks: readonly VlanId[]
}

export type PortRow = Columns & {
  uuid: Uuid
  name: string
  interfaces: readonly Uuid[]
  lacp: '' | 'active' | 'passive' | 'off'
}

export type BridgeRow = {
  uuid: Uuid
  name: string
  ports: ReadonlySet<Uuid>
  failMode: string
  datapath: string
}

export type Rows = {
  root: Uuid
  bridges: ReadonlyMap<string, BridgeRow>
  ports: ReadonlyMap<Uuid, PortRow>
  interfaces: ReadonlyMap<Uuid, { name: string; type: string; description: string }>
}

/** Where we keep a port's description: with its interface, which stays when the port joins or leaves a LAG. */
export const descriptionKey = 'leasehold-description'

/** From the answers to `readRequests`: Open_vSwitch, Bridge, Port, Interface. */
export function readRows(replies: readonly OvsdbReply[]): Rows {
  const [roots, bridges, ports, interfaces] = replies.map((reply) => rowsIn(reply))
  return {
    root: uuid(roots?.[0]?._uuid),
    bridges: new Map(
      (bridges ?? []).map((row) => [
        String(row.name),
        {
          uuid: uuid(row._uuid),
          name: String(row.name),
          ports: new Set(list(row.ports).map(uuid)),
          failMode: String(list(row.fail_mode)[0] ?? ''),
          datapath: String(row.datapath_type ?? ''),
        },
      ]),
    ),
    ports: new Map(
      (ports ?? []).map((row) => [
        uuid(row._uuid),
        {
          uuid: uuid(row._uuid),
          name: String(row.name),
          mode: String(list(row.vlan_mode)[0] ?? '') as Columns['mode'],
          tag: (list(row.tag)[0] as number | undefined) ?? null,
          trunks: sortVlans(list(row.trunks) as number[]),
          interfaces: list(row.interfaces).map(uuid).sort(),
          lacp: String(list(row.lacp)[0] ?? '') as PortRow['lacp'],
        },
      ]),
    ),
    interfaces: new Map(
      (interfaces ?? []).map((row) => [
        uuid(row._uuid),
        {
          name: String(row.name),
          type: String(row.type ?? ''),
          description: map(row.external_ids).get(descriptionKey) ?? '',
        },
      ]),
    ),
  }
}

/** What the columns mean (ovs-vswitchd.conf.db(5)). A trunk whose list is empty carries every VLAN. */
export function membershipOf({ mode, tag, trunks }: Columns): Membership {
  if (mode === 'dot1q-tunnel') return { mode: 'other', what: 'a dot1q tunnel' }
  if (mode === 'native-tagged') return { mode: 'other', what: 'a trunk with a tagged native VLAN' }
  if (mode === 'access' || (mode === '' && tag !== null)) return { mode: 'access', vlan: tag ?? 0 }
  const native = mode === 'native-untagged' ? tag : null
  if (trunks.length === 0) return { mode: 'trunk', native, tagged: 'all' }
  return { mode: 'trunk', native, tagged: trunks.filter((id) => id !== native) }
}

/** Columns for a membership. The native VLAN is in the list too: alone it would leave the list empty, which is all. */
export function columnsFor(to: Extract<Membership, { mode: 'access' | 'trunk' }>): Columns {
  if (to.mode === 'access') return { mode: 'access', tag: to.vlan, trunks: [] }
  const tagged = to.tagged === 'all' ? [] : to.tagged
  if (to.native === null) return { mode: 'trunk', tag: null, trunks: sortVlans(tagged) }
  return { mode: 'native-untagged', tag: to.native, trunks: sortVlans([to.native, ...tagged]) }
}

/** Set, but without effect now. */
export function leftoversOf({ mode, tag, trunks }: Columns): string[] {
  if (mode === 'dot1q-tunnel' || mode === 'native-tagged') return []
  const access = mode === 'access' || (mode === '' && tag !== null)
  return [
    ...(mode === '' ? ['vlan_mode is not set'] : []),
    ...(access && trunks.length > 0 ? [`trunks ${trunks.join(',')}`] : []),
    ...(mode === 'trunk' && tag !== null ? [`tag ${tag}`] : []),
    ...(mode === 'native-untagged' && tag !== null && trunks.length > 0 && !trunks.includes(tag)
      ? [`trunks without the native VLAN ${tag}`]
      : []),
  ]
}

/** OVSDB writes a set of one as the thing itself. */
export function list(value: unknown): unknown[] {
  if (Array.isArray(value) && value[0] === 'set') return value[1] as unknown[]
  return value === undefined ? [] : [value]
}

export function map(value: unknown): Map<string, string> {
  return new Map(Array.isArray(value) && value[0] === 'map' ? (value[1] as [string, string][]) : [])
}

export function uuid(value: unknown): Uuid {
  return Array.isArray(value) ? String(value[1]) : ''
}

function rowsIn(reply: OvsdbReply): Record<string, unknown>[] {
  const rows = reply.results[0]?.rows
  return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
}
