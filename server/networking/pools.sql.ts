/** VLAN pools and the VLANs in them. A VLAN is a row: a network takes it, and no other network can. */
import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import { type Constraints, worded } from '../inventory/index.ts'
import type { Db, VlanPoolsTable } from '../store/index.ts'
import { parseRanges } from './ranges.ts'
import { vlanName } from './vlans.sql.ts'

export interface VlanPool extends Selectable<VlanPoolsTable> {
  /** How many of its VLANs are in each state. */
  free: number
  used: number
  leaving: number
}

export interface NewPool {
  name: string
  physical_network: string
  ranges: string
}

const constraints: Constraints<{ name?: unknown }> = {
  vlan_pools_name_key: ['conflict', ({ name }) => `A VLAN pool with name ${name} already exists.`],
}

const counted = (db: Db) =>
  db
    .selectFrom('vlan_pools')
    .leftJoin('vlans', 'vlans.pool_id', 'vlan_pools.id')
    .selectAll('vlan_pools')
    .select([
      sql<number>`(count(*) FILTER (WHERE vlans.state = 'free'))::int`.as('free'),
      sql<number>`(count(*) FILTER (WHERE vlans.state = 'used'))::int`.as('used'),
      sql<number>`(count(*) FILTER (WHERE vlans.state = 'leaving'))::int`.as('leaving'),
    ])
    .groupBy('vlan_pools.id')

export const listPools = (db: Db): Promise<VlanPool[]> =>
  counted(db).orderBy('vlan_pools.id').limit(1000).execute()

export const findPool = (db: Db, by: { uuid: string } | { name: string }): Promise<VlanPool | undefined> => {
  const query = counted(db)
  return (
    'uuid' in by ? query.where('vlan_pools.uuid', '=', by.uuid) : query.where('vlan_pools.name', '=', by.name)
  ).executeTakeFirst()
}

/** @throws LeaseholdError 'conflict' for a name or a VLAN that another pool has; 'invalid' for its ranges. */
export const insertPool = (db: Db, pool: NewPool): Promise<VlanPool> =>
  db.transaction().execute(async (trx) => {
    const uuid = randomUUID()
    const { id } = await worded(constraints, pool, () =>
      trx
        .insertInto('vlan_pools')
        .values({ ...pool, uuid })
        .returning('id')
        .executeTakeFirstOrThrow(),
    )
    await addVlans(trx, id, pool.physical_network, parseRanges(pool.ranges))
    return (await findPool(trx, { uuid })) as VlanPool
  })

/** @throws LeaseholdError 'conflict' for VLANs that are another pool's, or that leave while they are in use. */
export const changePool = (
  db: Db,
  uuid: string,
  change: (pool: VlanPool) => Partial<Pick<NewPool, 'name' | 'ranges'>>,
): Promise<VlanPool> =>
  db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('vlan_pools')
      .select('id')
      .where('uuid', '=', uuid)
      .forUpdate()
      .executeTakeFirst()
    const pool = row && (await findPool(trx, { uuid }))
    if (!pool) throw new LeaseholdError('not-found', `VLAN pool ${uuid} could not be found.`)
    const changes = change(pool)
    if (changes.ranges !== undefined) {
      const vlans = parseRanges(changes.ranges)
      await removeVlans(trx, pool, vlans)
      await addVlans(trx, pool.id, pool.physical_network, vlans)
    }
    await worded(constraints, { ...pool, ...changes }, () =>
      trx
        .updateTable('vlan_pools')
        .set({ ...changes, updated_at: new Date() })
        .where('id', '=', pool.id)
        .execute(),
    )
    return (await findPool(trx, { uuid })) as VlanPool
  })

/** @throws LeaseholdError 'conflict' while a VLAN of it is in use. */
export const deletePool = (db: Db, pool: VlanPool): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await removeVlans(trx, pool, [])
    await trx.deleteFrom('vlan_pools').where('id', '=', pool.id).execute()
  })

async function addVlans(
  db: Db,
  poolId: string,
  physicalNetwork: string,
  vlans: readonly number[],
): Promise<void> {
  await sql`
    INSERT INTO vlans (physical_network, vlan, pool_id, state)
    SELECT ${physicalNetwork}, vlan, ${poolId}, 'free' FROM unnest(${[...vlans]}::int[]) AS vlan
    ON CONFLICT (physical_network, vlan) DO NOTHING`.execute(db)
  // One that the operator has named by itself stays what it is.
  const foreign = await db
    .selectFrom('vlans')
    .select('vlan')
    .where('physical_network', '=', physicalNetwork)
    .where('vlan', 'in', [...vlans])
    .where((eb) => eb.or([eb('pool_id', 'is', null), eb('pool_id', '<>', poolId)]))
    .orderBy('vlan')
    .executeTakeFirst()
  if (foreign)
    throw new LeaseholdError(
      'conflict',
      `VLAN ${foreign.vlan} of physical network ${physicalNetwork} is in another pool, or a network of the operator's has it.`,
    )
  const quarantine = await db
    .selectFrom('switches')
    .select(['name', 'quarantine_vlan'])
    .where('physical_network', '=', physicalNetwork)
    .where('quarantine_vlan', 'in', [...vlans])
    .executeTakeFirst()
  if (quarantine)
    throw new LeaseholdError(
      'conflict',
      `VLAN ${quarantine.quarantine_vlan} is where switch ${quarantine.name} puts idle ports; no network may have it.`,
    )
}

async function removeVlans(db: Db, pool: VlanPool, keeping: readonly number[]): Promise<void> {
  await db
    .deleteFrom('vlans')
    .where('pool_id', '=', pool.id)
    .where('state', '=', 'free')
    .where(sql<boolean>`NOT vlan = ANY (${[...keeping]}::int[])`)
    .execute()
  const left = await db
    .selectFrom('vlans')
    .select(['vlan', 'state'])
    .where('pool_id', '=', pool.id)
    .where(sql<boolean>`NOT vlan = ANY (${[...keeping]}::int[])`)
    .executeTakeFirst()
  if (left)
    throw new LeaseholdError(
      'conflict',
      `VLAN ${left.vlan} of pool ${pool.name} is ${left.state === 'used' ? 'in use' : 'not yet gone from every switch'}.`,
    )
}

/**
 * Takes a VLAN that has been free the longest, in the transaction that makes its network.
 * @throws LeaseholdError 'conflict' when no pool has one.
 */
export async function takeVlan(db: Db, physicalNetwork: string | undefined): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    UPDATE vlans SET state = 'used' WHERE id = (
      SELECT id FROM vlans WHERE state = 'free' AND pool_id IS NOT NULL
        AND ${physicalNetwork === undefined ? sql`true` : sql`physical_network = ${physicalNetwork}`}
      ORDER BY freed_at, vlan LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id`.execute(db)
  if (rows[0]) return rows[0].id
  throw new LeaseholdError(
    'conflict',
    'Unable to create the network. No VLAN is free now: those of all pools are in use, or not yet gone from all switches. An operator can add a pool, or ranges to one: /v1/vlan_pools.',
  )
}

/**
 * Takes a VLAN that the operator names, of a pool or not.
 * @throws LeaseholdError 'conflict' when a network has it, or it is not yet gone from all switches.
 */
export async function takeNamedVlan(db: Db, physicalNetwork: string, vlan: number): Promise<string> {
  const quarantine = await db
    .selectFrom('switches')
    .select('name')
    .where('physical_network', '=', physicalNetwork)
    .where('quarantine_vlan', '=', vlan)
    .executeTakeFirst()
  const { rows } = await sql<{ id: string }>`
    INSERT INTO vlans AS v (physical_network, vlan, state) VALUES (${physicalNetwork}, ${vlan}, 'used')
    ON CONFLICT (physical_network, vlan) DO UPDATE SET state = 'used' WHERE v.state = 'free'
    RETURNING id`.execute(db)
  if (rows[0] && !quarantine) return rows[0].id
  throw new LeaseholdError(
    'conflict',
    `Unable to create the network. The VLAN ${vlan} on physical network ${physicalNetwork} is in use.`,
  )
}

/**
 * Takes the VLAN that a Neutron has given a network, if a pool has it. What the network left behind on switches is its
 * own to have back.
 * @throws LeaseholdError 'invalid' when no pool has it; 'conflict' while it is another network's, or may still be.
 */
export async function takeGivenVlan(
  db: Db,
  network: string,
  segment: { physicalNetwork: string; vlan: number },
): Promise<string> {
  const given = sql`physical_network = ${segment.physicalNetwork} AND vlan = ${segment.vlan} AND pool_id IS NOT NULL`
  const { rows } = await sql<{ id: string }>`
    UPDATE vlans SET state = 'used' WHERE ${given} AND (state = 'free' OR state = 'leaving' AND NOT EXISTS (
      SELECT FROM switch_vlans s WHERE s.vlan_id = vlans.id AND s.name <> ${vlanName(network)}))
    RETURNING id`.execute(db)
  if (rows[0]) return rows[0].id
  const known = await sql`SELECT FROM vlans WHERE ${given}`.execute(db)
  throw known.rows.length > 0
    ? new LeaseholdError(
        'conflict',
        `The VLAN that Neutron has given network ${network} is not yet gone from all switches since another network had it; try again in a moment.`,
      )
    : new LeaseholdError(
        'invalid',
        `The VLAN that Neutron has given network ${network} is in no VLAN pool here; ask the operator to add it to one.`,
      )
}
