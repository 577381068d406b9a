/**
 * Where a machine's ports are plugged in, by what their switches say on the cable: LLDP (IEEE 802.1AB) as an inspection
 * reports it. What somebody has said already stays, item by item, as with Ironic's hook `local-link-connection`.
 */
import { sql } from 'kysely'
import type { Node } from '../hardware/index.ts'
import type { Db } from '../store/index.ts'

export interface Neighbour {
  /** Of the machine's interface, lower case. */
  address: string
  switch_id?: string
  port_id?: string
}

/** What neighbours have said: TLVs are in the plugin data's `lldp_raw` by interface, or the interface's own `lldp`. */
export function neighboursOf(inventory: object, pluginData: object): Neighbour[] {
  const { interfaces } = inventory as { interfaces?: unknown }
  const raw = objectOf((pluginData as { lldp_raw?: unknown }).lldp_raw)
  if (!Array.isArray(interfaces)) return []
  return interfaces.map(objectOf).flatMap(({ name, mac_address: address, lldp }) => {
    if (typeof address !== 'string') return []
    const own = typeof name === 'string' && Object.hasOwn(raw, name) ? raw[name] : undefined
    const said = linkOf(own ?? lldp)
    return Object.keys(said).length === 0 ? [] : [{ address: address.toLowerCase(), ...said }]
  })
}

/** Fills in what is not known of where the node's ports are plugged in, while the workflow holds it. */
export async function noteNeighbours(db: Db, node: Node, neighbours: readonly Neighbour[]): Promise<void> {
  for (const { address, ...link } of neighbours)
    await db
      .updateTable('ports')
      .set({
        local_link_connection: sql`${JSON.stringify(link)}::jsonb || local_link_connection`,
        updated_at: new Date(),
      })
      .where('node_uuid', '=', node.uuid)
      .where('address', '=', address)
      .where(sql<boolean>`NOT local_link_connection ?& ${Object.keys(link)}::text[]`)
      .where(
        sql<boolean>`EXISTS (SELECT FROM nodes WHERE uuid = ${node.uuid} AND generation = ${node.generation})`,
      )
      .execute()
}

/** Of each pair the type and the value in hexadecimal digits, whose first byte is a subtype. */
function linkOf(tlvs: unknown): Omit<Neighbour, 'address'> {
  const link: Omit<Neighbour, 'address'> = {}
  for (const tlv of Array.isArray(tlvs) ? tlvs.slice(0, 256) : []) {
    const [type, hex] = Array.isArray(tlv) ? (tlv as unknown[]) : []
    if (typeof hex !== 'string' || !/^([0-9a-f]{2}){2,512}$/i.test(hex)) continue
    const [subtype, value] = [Number.parseInt(hex.slice(0, 2), 16), Buffer.from(hex.slice(2), 'hex')]
    // A switch is known by its address only: other identifiers are nobody's to tell apart.
    if (type === chassisId && subtype === 4 && value.length === 6) link.switch_id = macOf(value)
    if (type === portId) {
      const text = subtype === 3 && value.length === 6 ? macOf(value) : value.toString('latin1')
      if (namingSubtypes.has(subtype) && /^[!-~]([ -~]{0,253}[!-~])?$/.test(text)) link.port_id = text
    }
  }
  return link
}

const chassisId = 1
const portId = 2
/** Interface alias, MAC address, interface name, locally assigned. */
const namingSubtypes: ReadonlySet<number> = new Set([1, 3, 5, 7])
const macOf = (value: Buffer): string =>
  [...value].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
