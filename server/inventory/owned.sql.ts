/**
 * What belongs to a node, in PostgreSQL: ports, port groups, volume connectors and targets. Such a row is seen by
 * whoever sees its node, and goes with it.
 */
import { type Insertable, type RawBuilder, type Selectable, type SqlBool, sql, type Updateable } from 'kysely'
import type { Database, Db } from '../store/index.ts'
import { type Constraints, worded } from './constraints.ts'
import { type Keyset, keysetPage } from './keyset.ts'
import { isVisible, type Visible } from './visible.ts'

export type OwnedTable = 'ports' | 'portgroups' | 'volume_connectors' | 'volume_targets'
export type Owned<Table extends OwnedTable> = Selectable<Database[Table]> & {
  uuid: string
  node_uuid: string
}
export type Port = Owned<'ports'>
export type Portgroup = Owned<'portgroups'>
export type VolumeConnector = Owned<'volume_connectors'>
export type VolumeTarget = Owned<'volume_targets'>
export type NewOwned<Table extends OwnedTable> = Insertable<Database[Table]>
export type OwnedChanges<Table extends OwnedTable> = Updateable<Database[Table]>

/** Filters of a list; each that is given must hold. */
export interface OwnedFilters<Table extends OwnedTable> {
  /** Columns that have these values. */
  having?: Partial<Owned<Table>>
  /** Columns in whose text these words are. */
  containing?: Partial<Record<keyof Owned<Table> & string, string>>
  /** The node's shard or conductor group is one of these. */
  shards?: readonly string[]
  conductorGroups?: readonly string[]
}

// The statements below use only what the four tables have in common, so one stands for all in the types.
const common = (table: OwnedTable) => table as 'ports'

/** One page of the rows whose nodes a caller may see. */
export async function listOwned<Table extends OwnedTable, Column extends keyof Owned<Table> & string>(
  db: Db,
  table: Table,
  visible: Visible,
  filters: OwnedFilters<Table>,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<Owned<Table>, Column>[]> {
  const ofVisibleNode = ofNode(table, isVisible(visible))
  let query = db.selectFrom(common(table)).select(columns.map((column) => `${table}.${column}`) as never)
  if (visible.kind !== 'all') query = query.where(ofVisibleNode)
  for (const condition of conditionsOf(table, filters)) query = query.where(condition)
  const paged = await keysetPage(query, common(table), page, (marker) =>
    db
      .selectFrom(common(table))
      .select('id')
      .where('uuid', '=', marker)
      .where(ofVisibleNode)
      .executeTakeFirst(),
  )
  return (await paged.execute()) as unknown as Pick<Owned<Table>, Column>[]
}

const ofNode = (table: OwnedTable, condition: RawBuilder<SqlBool>): RawBuilder<SqlBool> =>
  sql<SqlBool>`EXISTS (SELECT 1 FROM nodes WHERE nodes.uuid = ${sql.ref(`${table}.node_uuid`)} AND ${condition})`

function conditionsOf<Table extends OwnedTable>(
  table: Table,
  filters: OwnedFilters<Table>,
): RawBuilder<SqlBool>[] {
  const { having = {}, containing = {}, shards, conductorGroups } = filters
  const column = (name: string) => sql.ref(`${table}.${name}`)
  return [
    ...Object.entries(having).map(([name, value]) => sql<SqlBool>`${column(name)} = ${value}`),
    ...Object.entries(containing).map(([name, text]) => sql<SqlBool>`strpos(${column(name)}, ${text}) > 0`),
    ...(shards ? [ofNode(table, sql<SqlBool>`nodes.shard = ANY(${shards}::text[])`)] : []),
    ...(conductorGroups
      ? [ofNode(table, sql<SqlBool>`nodes.conductor_group = ANY(${conductorGroups}::text[])`)]
      : []),
  ]
}

/** A row by UUID, or by name where the table has names; undefined when there is none. */
export async function findOwned<Table extends OwnedTable>(
  db: Db,
  table: Table,
  by: { uuid: string } | { name: string },
): Promise<Owned<Table> | undefined> {
  const query = db.selectFrom(common(table)).selectAll()
  const found =
    'uuid' in by
      ? await query.where('uuid', '=', by.uuid).executeTakeFirst()
      : await query.where('name', '=', by.name).executeTakeFirst()
  return found as Owned<Table> | undefined
}

/** @throws LeaseholdError 'conflict' for what another row has and must be unique; 'invalid' for a node that is gone. */
export const insertOwned = <Table extends OwnedTable>(
  db: Db,
  table: Table,
  row: NewOwned<Table>,
): Promise<Owned<Table>> =>
  worded(
    constraints[table],
    row as never,
    async () =>
      (await db
        .insertInto(common(table))
        .values(row as never)
        .returningAll()
        .executeTakeFirstOrThrow()) as unknown as Owned<Table>,
  )

/**
 * Writes changes of a row and returns it; undefined when it has been deleted meanwhile. Without any it stays as it is.
 * @throws LeaseholdError as `insertOwned`.
 */
export async function updateOwned<Table extends OwnedTable>(
  db: Db,
  table: Table,
  row: Owned<Table>,
  changes: OwnedChanges<Table>,
): Promise<Owned<Table> | undefined> {
  if (Object.keys(changes).length === 0) return row
  return worded(
    constraints[table],
    { ...row, ...changes } as never,
    async () =>
      (await db
        .updateTable(common(table))
        .set({ ...changes, updated_at: new Date() } as never)
        .where('uuid', '=', row.uuid)
        .returningAll()
        .executeTakeFirst()) as Owned<Table> | undefined,
  )
}

/** @throws LeaseholdError 'invalid' for a port group that has ports. */
export const deleteOwned = <Table extends OwnedTable>(
  db: Db,
  table: Table,
  row: Owned<Table>,
): Promise<unknown> =>
  worded(constraints[table], row as never, () =>
    db.deleteFrom(common(table)).where('uuid', '=', row.uuid).execute(),
  )

type Values = Record<'uuid' | 'name' | 'address' | 'node_uuid' | 'portgroup_uuid' | string, unknown>

/** The constraints that all four tables have, in the words for one of them. */
const usual = (table: OwnedTable, noun: string): Constraints<Values> => ({
  [`${table}_uuid_key`]: ['conflict', ({ uuid }) => `A ${noun} with UUID ${uuid} already exists.`],
  [`${table}_node_uuid_fkey`]: ['invalid', ({ node_uuid }) => `Node ${node_uuid} could not be found.`],
})
const named = (table: OwnedTable, noun: string): Constraints<Values> => ({
  [`${table}_name_key`]: ['conflict', ({ name }) => `A ${noun} with name ${name} already exists.`],
  [`${table}_address_key`]: [
    'conflict',
    ({ address }) => `A ${noun} with MAC address ${address} already exists.`,
  ],
})

const constraints: Record<OwnedTable, Constraints<Values>> = {
  ports: {
    ...usual('ports', 'port'),
    ...named('ports', 'port'),
    ports_portgroup_fkey: [
      'invalid',
      ({ portgroup_uuid, node_uuid }) =>
        `Portgroup ${portgroup_uuid} could not be found on node ${node_uuid}.`,
    ],
  },
  portgroups: {
    ...usual('portgroups', 'portgroup'),
    ...named('portgroups', 'portgroup'),
    ports_portgroup_fkey: [
      'invalid',
      ({ uuid }) =>
        `Portgroup ${uuid} has ports, so it can be neither deleted nor moved; take them out of it first.`,
    ],
  },
  volume_connectors: {
    ...usual('volume_connectors', 'volume connector'),
    volume_connectors_address_key: [
      'conflict',
      ({ type, connector_id }) =>
        `A volume connector with type ${type} and connector ID ${connector_id} already exists.`,
    ],
  },
  volume_targets: {
    ...usual('volume_targets', 'volume target'),
    volume_targets_boot_index_key: [
      'conflict',
      ({ boot_index }) => `A volume target with boot index ${boot_index} for the same node already exists.`,
    ],
  },
}
