/** Trunks: how each is made, changed and removed. What follows for switch ports is derived by the database. */
import { randomUUID } from 'node:crypto'
import { type Insertable, type RawBuilder, sql, type Updateable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Db, TrunksTable } from '../store/index.ts'
import { NeutronError } from './networks.sql.ts'

/**
 * Makes a trunk of a port, with others tagged on it.
 * @throws NeutronError 'conflict' ParentPortInUse, and what addSubports throws.
 */
export const insertTrunk = (
  db: Db,
  trunk: Omit<Insertable<TrunksTable>, 'uuid'>,
  subports: readonly string[],
): Promise<string> =>
  db.transaction().execute(async (trx) => {
    const uuid = randomUUID()
    await holdNode(trx, sql`${trunk.port_uuid}`)
    await lockPorts(trx, [trunk.port_uuid, ...subports])
    const { rows } = await sql`
      SELECT FROM trunks WHERE port_uuid = ${trunk.port_uuid}
      UNION ALL SELECT FROM trunk_subports WHERE port_uuid = ${trunk.port_uuid}`.execute(trx)
    if (rows.length > 0)
      throw conflict(
        'ParentPortInUse',
        `Port ${trunk.port_uuid} is currently in use and is not eligible for use as a parent port.`,
      )
    await trx
      .insertInto('trunks')
      .values({ ...trunk, uuid })
      .execute()
    await add(trx, uuid, subports)
    return uuid
  })

export const changeTrunk = (db: Db, uuid: string, changes: Updateable<TrunksTable>): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await holdNode(trx, parentOf(uuid))
    if (Object.keys(changes).length > 0) await change(trx, uuid, changes)
  })

export const deleteTrunk = (db: Db, uuid: string): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await holdNode(trx, parentOf(uuid))
    await sql`SELECT FROM network_ports WHERE uuid IN (SELECT port_uuid FROM trunk_subports WHERE trunk_uuid = ${uuid})
      ORDER BY id FOR UPDATE`.execute(trx)
    await trx.deleteFrom('trunks').where('uuid', '=', uuid).execute()
  })

/**
 * @throws NeutronError 'conflict' PortInUse for a port that is on a trunk, a trunk itself, or attached; 'invalid' for
 *   one of another project, of another physical network, or in a network that the trunk carries already.
 */
export const addSubports = (db: Db, trunk: string, ports: readonly string[]): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await holdNode(trx, parentOf(trunk))
    await lockPorts(trx, ports)
    await add(trx, trunk, ports)
    await change(trx, trunk, {})
  })

/** @throws NeutronError 'not-found' SubPortNotFound. */
export const removeSubports = (db: Db, trunk: string, ports: readonly string[]): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await holdNode(trx, parentOf(trunk))
    await lockPorts(trx, ports)
    const gone = await trx
      .deleteFrom('trunk_subports')
      .where('trunk_uuid', '=', trunk)
      .where(sql<boolean>`port_uuid = ANY (${[...ports]}::uuid[])`)
      .returning('port_uuid')
      .execute()
    const missing = ports.find((port) => !gone.some(({ port_uuid }) => port_uuid === port))
    if (missing)
      throw new NeutronError(
        'not-found',
        'SubPortNotFound',
        `SubPort on trunk ${trunk} with parent port ${missing} could not be found.`,
      )
    await change(trx, trunk, {})
  })

const change = (trx: Db, uuid: string, changes: Updateable<TrunksTable>): Promise<unknown> =>
  trx
    .updateTable('trunks')
    .set({ ...changes, updated_at: new Date(), revision: sql`revision + 1` })
    .where('uuid', '=', uuid)
    .execute()

/**
 * A machine that changes hands meanwhile waits, or is waited for: it locks what is derived of it before its ports, and
 * a trunk the other way round.
 */
const holdNode = (trx: Db, vif: RawBuilder<unknown>): Promise<unknown> =>
  sql`SELECT FROM nodes WHERE uuid IN (
    SELECT node_uuid FROM ports WHERE internal_info ->> 'tenant_vif_port_id' = (${vif})::text
    UNION SELECT node_uuid FROM portgroups WHERE internal_info ->> 'tenant_vif_port_id' = (${vif})::text)
    ORDER BY id FOR SHARE`.execute(trx)
const parentOf = (trunk: string) => sql`SELECT port_uuid FROM trunks WHERE uuid = ${trunk}`

/** Whoever attaches a port locks it too. In one order, so that nobody waits for each other. */
const lockPorts = (trx: Db, ports: readonly string[]): Promise<unknown> =>
  sql`SELECT FROM network_ports WHERE uuid = ANY (${[...ports]}::uuid[]) ORDER BY id FOR UPDATE`.execute(trx)

async function add(trx: Db, trunk: string, ports: readonly string[]): Promise<void> {
  if (ports.length === 0) return
  // One change of a trunk at a time: what it carries is looked at.
  const { rows: parents } = await sql<{ project_id: string | null; network: string; physical: string }>`
    SELECT t.project_id, n.uuid AS network, v.physical_network AS physical
    FROM trunks t JOIN network_ports p ON p.uuid = t.port_uuid JOIN networks n ON n.uuid = p.network_uuid
    JOIN vlans v ON v.id = n.vlan_id WHERE t.uuid = ${trunk} FOR UPDATE OF t`.execute(trx)
  const parent = parents[0]
  if (!parent) throw new NeutronError('not-found', 'TrunkNotFound', `Trunk ${trunk} could not be found.`)
  const { rows } = await sql<Candidate>`
    SELECT p.uuid, p.project_id, p.network_uuid AS network, v.physical_network AS physical,
      p.binding_host_id <> '' OR EXISTS (SELECT FROM trunks t WHERE t.port_uuid = p.uuid)
        OR EXISTS (SELECT FROM trunk_subports s WHERE s.port_uuid = p.uuid) AS busy
    FROM network_ports p JOIN networks n ON n.uuid = p.network_uuid JOIN vlans v ON v.id = n.vlan_id
    WHERE p.uuid = ANY (${[...ports]}::uuid[])`.execute(trx)
  const carried = await trx
    .selectFrom('trunk_subports')
    .innerJoin('network_ports', 'network_ports.uuid', 'trunk_subports.port_uuid')
    .select('network_uuid')
    .where('trunk_uuid', '=', trunk)
    .execute()
  const networks = new Set([parent.network, ...carried.map(({ network_uuid }) => network_uuid)])
  for (const uuid of ports) {
    const port = rows.find((row) => row.uuid === uuid)
    if (!port) throw new NeutronError('not-found', 'PortNotFound', `Port ${uuid} could not be found.`)
    check(port, parent, networks)
    networks.add(port.network)
  }
  await trx
    .insertInto('trunk_subports')
    .values(ports.map((port_uuid) => ({ port_uuid, trunk_uuid: trunk })))
    .execute()
}

interface Candidate {
  uuid: string
  project_id: string | null
  network: string
  physical: string
  busy: boolean
}

function check(
  port: Candidate,
  parent: { project_id: string | null; physical: string },
  carried: ReadonlySet<string>,
): void {
  const refuse = (why: string): never => {
    throw new LeaseholdError('invalid', `Port ${port.uuid} cannot be a subport of this trunk: ${why}`)
  }
  if (port.project_id !== parent.project_id) refuse('it is of another project than the parent port.')
  if (port.physical !== parent.physical) refuse('its network is not on the switches of the parent port’s.')
  if (port.busy)
    throw conflict(
      'PortInUse',
      `Port ${port.uuid} is attached, or on a trunk already; it cannot be a subport.`,
    )
  if (carried.has(port.network)) refuse('the trunk carries its network already.')
}

const conflict = (type: string, message: string): NeutronError => new NeutronError('conflict', type, message)
