/** Allocations in PostgreSQL. A project sees those that it owns. */
import { type Insertable, type Selectable, type SqlBool, sql } from 'kysely'
import { type Constraints, type Keyset, keysetPage, type Visible, worded } from '../inventory/index.ts'
import type { AllocationsTable, Db } from '../store/index.ts'

export type Allocation = Selectable<AllocationsTable>
export type NewAllocation = Insertable<AllocationsTable>
export type AllocationColumn = keyof AllocationsTable & string
/** What may change of an allocation once it is there. */
export interface AllocationChanges {
  name?: string | null
  /** JSON. */
  extra?: string
}

export interface AllocationFilters {
  nodeUuid?: string
  resourceClass?: string
  state?: string
}

/** One page of the allocations that a caller may see. */
export async function listAllocations<Column extends AllocationColumn>(
  db: Db,
  visible: Visible,
  filters: AllocationFilters,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<Allocation, Column>[]> {
  const seen =
    visible.kind === 'all' ? sql<SqlBool>`true` : sql<SqlBool>`allocations.owner = ${visible.projectId}`
  let query = db
    .selectFrom('allocations')
    .select(columns as never)
    .where(seen)
  if (filters.nodeUuid !== undefined) query = query.where('node_uuid', '=', filters.nodeUuid)
  if (filters.resourceClass !== undefined) query = query.where('resource_class', '=', filters.resourceClass)
  if (filters.state !== undefined) query = query.where(sql<SqlBool>`state = ${filters.state}`)
  const paged = await keysetPage(query, 'allocations', page, (marker) =>
    db.selectFrom('allocations').select('id').where('uuid', '=', marker).where(seen).executeTakeFirst(),
  )
  return (await paged.execute()) as unknown as Pick<Allocation, Column>[]
}

/** An allocation by UUID, name or the node that it has, or undefined. */
export function findAllocation(
  db: Db,
  by: { uuid: string } | { name: string } | { nodeUuid: string },
): Promise<Allocation | undefined> {
  const query = db.selectFrom('allocations').selectAll()
  if ('uuid' in by) return query.where('uuid', '=', by.uuid).executeTakeFirst()
  return 'name' in by
    ? query.where('name', '=', by.name).executeTakeFirst()
    : query.where('node_uuid', '=', by.nodeUuid).executeTakeFirst()
}

/** @throws LeaseholdError 'conflict' when the UUID or name is another allocation's, or the node has one. */
export const insertAllocation = (db: Db, allocation: NewAllocation): Promise<Allocation> =>
  worded(constraints, allocation, () =>
    db.insertInto('allocations').values(allocation).returningAll().executeTakeFirstOrThrow(),
  )

/**
 * Writes what `change` makes of an allocation while nobody else changes it; undefined when there is none.
 * @throws LeaseholdError 'conflict' for a name that is taken; whatever `change` throws.
 */
export const changeAllocation = (
  db: Db,
  uuid: string,
  change: (allocation: Allocation) => AllocationChanges,
): Promise<Allocation | undefined> =>
  db.transaction().execute(async (transaction) => {
    const query = transaction.selectFrom('allocations').selectAll().where('uuid', '=', uuid)
    const allocation = await query.forUpdate().executeTakeFirst()
    const changes = allocation && change(allocation)
    if (!changes || Object.keys(changes).length === 0) return allocation
    return worded(constraints, changes, () =>
      transaction
        .updateTable('allocations')
        .set({ ...changes, updated_at: new Date() })
        .where('uuid', '=', uuid)
        .returningAll()
        .executeTakeFirst(),
    )
  })

/** Deletes an allocation that has no node; false when it has one by now, or is gone. */
export async function deleteWithoutNode(db: Db, uuid: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('allocations')
    .where('uuid', '=', uuid)
    .where('node_uuid', 'is', null)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

const constraints: Constraints<Partial<NewAllocation>> = {
  allocations_uuid_key: ['conflict', ({ uuid }) => `An allocation with UUID ${uuid} already exists.`],
  allocations_name_key: ['conflict', ({ name }) => `An allocation with name ${name} already exists.`],
  allocations_node_uuid_key: ['conflict', ({ node_uuid }) => `Node ${node_uuid} has an allocation already.`],
}
