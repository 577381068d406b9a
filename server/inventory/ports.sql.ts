/** Ports in PostgreSQL. A port is seen by whoever sees its node. */
import { type Insertable, type Selectable, type SqlBool, sql, type Updateable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Db, PortsTable } from '../store/index.ts'
import { type Keyset, keysetPage } from './keyset.ts'
import { isVisible, type Visible } from './visible.ts'

export type Port = Selectable<PortsTable>
export type NewPort = Insertable<PortsTable>
export type PortChanges = Updateable<PortsTable>
export type PortColumn = keyof PortsTable & string

export interface PortFilters {
  nodeUuid?: string
  address?: string
  portgroupUuid?: string
  shards?: readonly string[]
  conductorGroups?: readonly string[]
  descriptionContains?: string
}

/** One page of the ports of the nodes that a caller may see. */
export async function listPorts<Column extends PortColumn>(
  db: Db,
  visible: Visible,
  filters: PortFilters,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<Port, Column>[]> {
  const ofVisibleNode = sql<SqlBool>`EXISTS ${db
    .selectFrom('nodes')
    .select(sql`1`.as('one'))
    .whereRef('nodes.uuid', '=', sql.ref('ports.node_uuid'))
    .where(isVisible(visible))}`
  let query = db.selectFrom('ports').select(columns.map((column) => `ports.${column}`) as never)
  if (visible.kind !== 'all') query = query.where(ofVisibleNode)
  for (const condition of conditionsOf(filters)) query = query.where(condition)
  const paged = await keysetPage(query, 'ports', page, (marker) =>
    db.selectFrom('ports').select('id').where('uuid', '=', marker).where(ofVisibleNode).executeTakeFirst(),
  )
  return (await paged.execute()) as unknown as Pick<Port, Column>[]
}

function conditionsOf(filters: PortFilters) {
  const given = <T>(value: T | undefined, make: (value: T) => ReturnType<typeof sql<SqlBool>>) =>
    value === undefined ? [] : [make(value)]
  const nodeHas = (condition: ReturnType<typeof sql<SqlBool>>) =>
    sql<SqlBool>`ports.node_uuid IN (SELECT n.uuid FROM nodes n WHERE ${condition})`
  return [
    ...given(filters.nodeUuid, (value) => sql<SqlBool>`ports.node_uuid = ${value}`),
    ...given(filters.address, (value) => sql<SqlBool>`ports.address = ${value}`),
    ...given(filters.portgroupUuid, (value) => sql<SqlBool>`ports.portgroup_uuid = ${value}`),
    ...given(filters.shards, (value) => nodeHas(sql<SqlBool>`n.shard = ANY(${value}::text[])`)),
    ...given(filters.conductorGroups, (value) =>
      nodeHas(sql<SqlBool>`n.conductor_group = ANY(${value}::text[])`),
    ),
    ...given(filters.descriptionContains, (value) => sql<SqlBool>`strpos(ports.description, ${value}) > 0`),
  ]
}

/** A port by UUID or name, or undefined. */
export function findPort(db: Db, by: { uuid: string } | { name: string }): Promise<Port | undefined> {
  const query = db.selectFrom('ports').selectAll()
  return 'uuid' in by
    ? query.where('uuid', '=', by.uuid).executeTakeFirst()
    : query.where('name', '=', by.name).executeTakeFirst()
}

/** @throws LeaseholdError 'conflict' when the UUID, address or name is another port's. */
export const insertPort = (db: Db, port: NewPort): Promise<Port> =>
  uniquely(port, () => db.insertInto('ports').values(port).returningAll().executeTakeFirstOrThrow())

/** Writes changes of a port; undefined when it has been deleted meanwhile. */
export const updatePort = (db: Db, uuid: string, changes: PortChanges): Promise<Port | undefined> =>
  uniquely(changes, () =>
    db
      .updateTable('ports')
      .set({ ...changes, updated_at: new Date() })
      .where('uuid', '=', uuid)
      .returningAll()
      .executeTakeFirst(),
  )

export async function deletePort(db: Db, uuid: string): Promise<void> {
  await db.deleteFrom('ports').where('uuid', '=', uuid).execute()
}

const conflictTexts: Record<string, (port: PortChanges) => string> = {
  ports_uuid_key: (port) => `A port with UUID ${port.uuid} already exists.`,
  ports_address_key: (port) => `A port with MAC address ${port.address} already exists.`,
  ports_name_key: (port) => `A port with name ${port.name} already exists.`,
}

async function uniquely<T>(port: PortChanges, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const { code, constraint } = error as { code?: string; constraint?: string }
    const say = code === '23505' ? conflictTexts[constraint ?? ''] : undefined
    if (say) throw new LeaseholdError('conflict', say(port), { cause: error })
    if (code === '23503')
      throw new LeaseholdError('invalid', 'The node of the port could not be found.', { cause: error })
    throw error
  }
}
