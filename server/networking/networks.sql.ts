/** Networks, their sharing, subnets and ports: how each is made, changed and removed. */
import { randomBytes, randomUUID } from 'node:crypto'
import { type Insertable, sql, type Updateable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import { type Constraints, worded } from '../inventory/index.ts'
import type { Db, NetworkPortsTable, NetworksTable, SubnetsTable } from '../store/index.ts'
import { takeNamedVlan, takeVlan } from './pools.sql.ts'

/** An error that Neutron has a name for. */
export class NeutronError extends LeaseholdError {
  readonly type: string
  constructor(code: LeaseholdError['code'], type: string, message: string) {
    super(code, message)
    this.type = type
  }
}

export interface NewNetwork extends Omit<Insertable<NetworksTable>, 'uuid' | 'vlan_id'> {
  shared?: boolean
  external?: boolean
  physicalNetwork?: string | undefined
  vlan?: number | undefined
}
export type NetworkChanges = Updateable<NetworksTable> & { shared?: boolean; external?: boolean }

type Action = 'access_as_shared' | 'access_as_external'

/**
 * Makes a network with a VLAN of its own.
 * @throws NeutronError 'conflict' OverQuota, NoNetworkAvailable, VlanIdInUse.
 */
export const insertNetwork = (db: Db, network: NewNetwork, quota: number): Promise<string> =>
  db.transaction().execute(async (trx) => {
    const { shared, external, physicalNetwork, vlan, ...row } = network
    await checkQuota(trx, 'networks', row.project_id, quota)
    const uuid = randomUUID()
    const vlanId = await neutronConflict(
      vlan === undefined ? 'NoNetworkAvailable' : 'VlanIdInUse',
      vlan === undefined
        ? takeVlan(trx, physicalNetwork)
        : takeNamedVlan(trx, physicalNetwork ?? 'default', vlan),
    )
    await trx
      .insertInto('networks')
      .values({ ...row, uuid, vlan_id: vlanId })
      .execute()
    if (shared) await setPublic(trx, uuid, 'access_as_shared', true)
    if (external) await setPublic(trx, uuid, 'access_as_external', true)
    return uuid
  })

export const changeNetwork = (db: Db, uuid: string, changes: NetworkChanges): Promise<void> =>
  db.transaction().execute(async (trx) => {
    const { shared, external, ...columns } = changes
    await lockNetwork(trx, uuid)
    await change(trx, 'networks', uuid, columns)
    if (shared !== undefined) await setPublic(trx, uuid, 'access_as_shared', shared)
    if (external !== undefined) await setPublic(trx, uuid, 'access_as_external', external)
  })

const inUse: Constraints<{ uuid: string }> = {
  network_ports_network: [
    'conflict',
    ({ uuid }) =>
      `Unable to complete operation on network ${uuid}. There are one or more ports still in use on the network.`,
  ],
  network_roles_network: [
    'conflict',
    ({ uuid }) =>
      `Unable to complete operation on network ${uuid}. The service itself uses it for its nodes.`,
  ],
}

/** @throws NeutronError 'conflict' NetworkInUse. */
export const deleteNetwork = (db: Db, uuid: string): Promise<unknown> =>
  neutronConflict(
    'NetworkInUse',
    worded(inUse, { uuid }, () => db.deleteFrom('networks').where('uuid', '=', uuid).execute()),
  )

/** Whoever shares, or makes ports, waits for each other: a network does not stop being shared under a new port. */
const lockNetwork = (db: Db, uuid: string): Promise<unknown> =>
  db.selectFrom('networks').select('id').where('uuid', '=', uuid).forUpdate().executeTakeFirst()

async function setPublic(db: Db, network: string, action: Action, on: boolean): Promise<void> {
  if (on)
    await db
      .insertInto('network_rbac')
      .values({ uuid: randomUUID(), network_uuid: network, project_id: null, target_project: '*', action })
      .onConflict((conflict) => conflict.constraint('network_rbac_once').doNothing())
      .execute()
  else {
    const policy = await db
      .selectFrom('network_rbac')
      .select('uuid')
      .where('network_uuid', '=', network)
      .where('target_project', '=', '*')
      .where('action', '=', action)
      .executeTakeFirst()
    if (policy) await endShare(db, network, policy.uuid)
  }
}

/** Shares a network. @throws NeutronError 'conflict' when it is already. */
export const insertShare = (
  db: Db,
  share: { network: string; projectId: string | null; target: string; action: Action },
): Promise<string> => {
  const uuid = randomUUID()
  const once: Constraints<object> = {
    network_rbac_once: ['conflict', () => 'An RBAC policy already exists with those values.'],
  }
  return neutronConflict(
    'DuplicateRbacPolicy',
    worded(once, {}, async () => {
      await db
        .insertInto('network_rbac')
        .values({
          uuid,
          network_uuid: share.network,
          project_id: share.projectId,
          target_project: share.target,
          action: share.action,
        })
        .execute()
      return uuid
    }),
  )
}

/** @throws NeutronError 'conflict' RbacPolicyInUse while somebody has ports by it. */
export const deleteShare = (db: Db, network: string, uuid: string): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await lockNetwork(trx, network)
    await endShare(trx, network, uuid)
  })

async function endShare(db: Db, network: string, uuid: string): Promise<void> {
  await db.deleteFrom('network_rbac').where('uuid', '=', uuid).execute()
  const user = await sql`
    SELECT FROM network_ports p JOIN networks n ON n.uuid = p.network_uuid
    WHERE n.uuid = ${network} AND p.project_id IS DISTINCT FROM n.project_id AND p.project_id IS NOT NULL
      AND NOT network_usable(n.uuid, p.project_id) LIMIT 1`.execute(db)
  if (user.rows.length > 0)
    throw new NeutronError(
      'conflict',
      'RbacPolicyInUse',
      `RBAC policy on object ${network} cannot be removed because other objects depend on it.`,
    )
}

export interface NewPort extends Omit<Insertable<NetworkPortsTable>, 'uuid' | 'mac_address'> {
  mac_address?: string | undefined
}

/**
 * Makes a port in a network that its project may use.
 * @throws NeutronError 'conflict' OverQuota, MacAddressInUse; 'not-found' NetworkNotFound.
 */
export const insertPort = (db: Db, port: NewPort, quota: number): Promise<string> =>
  db.transaction().execute((trx) => insertPortIn(trx, port, quota))

/** The same within a transaction. */
export async function insertPortIn(trx: Db, port: NewPort, quota: number): Promise<string> {
  const uuid = randomUUID()
  await checkQuota(trx, 'network_ports', port.project_id, quota)
  await lockNetwork(trx, port.network_uuid)
  // The network may be gone, or not be shared any more, since the caller looked. The operator's ports go anywhere.
  const usable = await sql<{ it: boolean }>`
    SELECT ${port.project_id}::text IS NULL OR network_usable(uuid, ${port.project_id}) AS it
    FROM networks WHERE uuid = ${port.network_uuid}`.execute(trx)
  if (!usable.rows[0]?.it) throw networkNotFound(port.network_uuid)
  const row = { ...port, uuid, mac_address: port.mac_address ?? randomMac() }
  const constraints: Constraints<typeof row> = {
    network_ports_mac: [
      'conflict',
      ({ mac_address, network_uuid }) =>
        `Unable to complete operation for network ${network_uuid}. The mac address ${mac_address} is in use.`,
    ],
  }
  await neutronConflict(
    'MacAddressInUse',
    worded(constraints, row, () => trx.insertInto('network_ports').values(row).execute()),
  )
  return uuid
}

export const networkNotFound = (id: string): NeutronError =>
  new NeutronError('not-found', 'NetworkNotFound', `Network ${id} could not be found.`)

/** As Neutron's: locally administered. */
const randomMac = (): string =>
  `fa:16:3e:${[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`

export const changePort = (db: Db, uuid: string, changes: Updateable<NetworkPortsTable>): Promise<void> =>
  neutronConflict(
    'MacAddressInUse',
    worded(
      {
        network_ports_mac: ['conflict', () => `The mac address ${changes.mac_address} is in use.`],
      },
      changes,
      () => change(db, 'network_ports', uuid, changes),
    ),
  )

/** What is on a trunk leaves it. */
export const deletePort = (db: Db, uuid: string): Promise<unknown> =>
  db.deleteFrom('network_ports').where('uuid', '=', uuid).execute()

/** @throws NeutronError 'conflict' PortInUse while it is a trunk, or on one. */
export const deletePortOffTrunks = async (db: Db, uuid: string): Promise<void> => {
  const { rows } = await sql<{ trunk: string }>`
    WITH on_trunk AS (
      SELECT uuid FROM trunks WHERE port_uuid = ${uuid}
      UNION ALL SELECT trunk_uuid FROM trunk_subports WHERE port_uuid = ${uuid}
    ), gone AS (DELETE FROM network_ports WHERE uuid = ${uuid} AND NOT EXISTS (SELECT FROM on_trunk))
    SELECT uuid AS trunk FROM on_trunk`.execute(db)
  const [trunk] = rows
  if (trunk)
    throw new NeutronError(
      'conflict',
      'PortInUse',
      `Port ${uuid} is on trunk ${trunk.trunk}; remove it there first, or delete the trunk.`,
    )
}

/** @throws LeaseholdError 'invalid' for a CIDR with host bits, or one that overlaps another of the network. */
export const insertSubnet = (db: Db, subnet: Omit<Insertable<SubnetsTable>, 'uuid'>): Promise<string> =>
  db.transaction().execute(async (trx) => {
    const uuid = randomUUID()
    await lockNetwork(trx, subnet.network_uuid)
    const overlapping = await sql<{ cidr: string }>`
      SELECT cidr::text FROM subnets WHERE network_uuid = ${subnet.network_uuid} AND cidr && ${subnet.cidr}::cidr`.execute(
      trx,
    )
    if (overlapping.rows[0])
      throw new LeaseholdError(
        'invalid',
        `Requested subnet with cidr: ${subnet.cidr} for network: ${subnet.network_uuid} overlaps with another subnet (${overlapping.rows[0].cidr}).`,
      )
    await trx
      .insertInto('subnets')
      .values({ ...subnet, uuid })
      .execute()
    return uuid
  })

export const changeSubnet = (db: Db, uuid: string, changes: Updateable<SubnetsTable>): Promise<void> =>
  change(db, 'subnets', uuid, changes)

export const deleteSubnet = (db: Db, uuid: string): Promise<unknown> =>
  db.deleteFrom('subnets').where('uuid', '=', uuid).execute()

async function change(
  db: Db,
  table: 'networks' | 'network_ports' | 'subnets',
  uuid: string,
  changes: object,
): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await db
    .updateTable(table)
    .set({ ...changes, updated_at: new Date(), revision: sql`revision + 1` } as never)
    .where('uuid', '=', uuid)
    .execute()
}

/** Counts under a lock, so that no two requests fit into the last place. */
async function checkQuota(
  db: Db,
  table: 'networks' | 'network_ports',
  projectId: string | null | undefined,
  quota: number,
): Promise<void> {
  if (!projectId) return
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`quota ${table} ${projectId}`}, 0))`.execute(db)
  const { count } = await db
    .selectFrom(table)
    .select(sql<number>`count(*)::int`.as('count'))
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow()
  if (count >= quota)
    throw new NeutronError(
      'conflict',
      'OverQuota',
      `Quota exceeded for resources: ['${table === 'networks' ? 'network' : 'port'}'].`,
    )
}

async function neutronConflict<T>(type: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof LeaseholdError && error.code === 'conflict' && !(error instanceof NeutronError))
      throw new NeutronError('conflict', type, error.message)
    throw error
  }
}
