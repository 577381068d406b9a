/** Nodes in PostgreSQL. */
import {
  type Insertable,
  type Selectable,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
  type Updateable,
} from 'kysely'
import { LeaseholdError } from '../errors.ts'
import { type Database, type Db, type NodesTable, plannedForItsValues } from '../store/index.ts'
import { type Constraints, worded } from './constraints.ts'
import { inOrder, type Keyset, keysetPage } from './keyset.ts'
import { lockedError } from './lock.ts'
import { isVisible, type Visible } from './visible.ts'

export type Node = Selectable<NodesTable>
export type NewNode = Insertable<NodesTable>
export type NodeChanges = Updateable<NodesTable>
export type NodeColumn = keyof NodesTable & string

/** Filters of a list; each that is given must hold. */
export interface NodeFilters {
  uuids?: readonly string[]
  instanceUuid?: string
  instanceName?: string
  chassisUuid?: string
  associated?: boolean
  maintenance?: boolean
  retired?: boolean
  provisionState?: string | null
  driver?: string
  resourceClass?: string
  fault?: string
  conductorGroup?: string
  owner?: string
  lessee?: string
  /** Owner or lessee. */
  project?: string
  shards?: readonly string[]
  sharded?: boolean
  descriptionContains?: string
  /** A parent's UUID: its children; `any`: parents and children alike; `none`: no children. */
  parent: string | 'any' | 'none'
}

/** One page of the nodes that a caller may see. */
export async function listNodes<Column extends NodeColumn>(
  db: Db,
  visible: Visible,
  filters: NodeFilters,
  page: Keyset,
  columns: readonly Column[],
): Promise<Pick<Node, Column>[]> {
  let matching = db.selectFrom('nodes').select('nodes.id')
  for (const condition of conditionsOf(filters)) matching = matching.where(condition)
  const paged = await keysetPage(matching, 'nodes', page, (marker) =>
    db
      .selectFrom('nodes')
      .select('id')
      .where('uuid', '=', marker)
      .where(isVisible(visible))
      .executeTakeFirst(),
  )
  const rows =
    visible.kind === 'all'
      ? paged.clearSelect().select(columns as never)
      : ofProject(db, paged, page, columns, visible.projectId)
  return (await rows.execute()) as unknown as Pick<Node, Column>[]
}

/**
 * A project's page is among the page of what it owns and the page of what it leases, each found by an index. Asked as
 * one condition, or planned for any project, PostgreSQL walks the table in the list's order instead: 99 ms a page
 * against 11, with 100,000 nodes of which a thousand are leased.
 */
function ofProject<Column extends NodeColumn>(
  db: Db,
  paged: SelectQueryBuilder<Database, 'nodes', { id: string }>,
  page: Keyset,
  columns: readonly Column[],
  projectId: string,
) {
  const needed = [...new Set([...columns, 'id', page.sortColumn])]
  const rows = paged.clearSelect().select(needed as never)
  const owned = rows.where('nodes.owner', '=', projectId)
  const leased = rows
    .where('nodes.lessee', '=', projectId)
    .where('nodes.owner', 'is distinct from', projectId)
  const both = sql<Node>`((${owned}) UNION ALL (${leased}))`.as('nodes')
  const noted = sql`${sql.raw(plannedForItsValues)}`
  return inOrder(
    db.selectFrom(both) as unknown as SelectQueryBuilder<Database, 'nodes', object>,
    'nodes',
    page,
  )
    .select(columns as never)
    .modifyEnd(noted)
}

function conditionsOf(filters: NodeFilters) {
  const equal = (column: NodeColumn, value: unknown) =>
    value === undefined ? [] : [sql<SqlBool>`${sql.ref(`nodes.${column}`)} IS NOT DISTINCT FROM ${value}`]
  const is = (column: NodeColumn, value: unknown) =>
    value === undefined ? [] : [sql<SqlBool>`${sql.ref(`nodes.${column}`)} = ${value}`]
  const present = (column: NodeColumn, value: boolean | undefined) =>
    value === undefined ? [] : [sql<SqlBool>`(${sql.ref(`nodes.${column}`)} IS NOT NULL) = ${value}`]
  return [
    ...(filters.uuids ? [sql<SqlBool>`nodes.uuid = ANY(${filters.uuids}::uuid[])`] : []),
    ...is('instance_uuid', filters.instanceUuid),
    ...is('instance_name', filters.instanceName),
    ...is('chassis_uuid', filters.chassisUuid),
    ...present('instance_uuid', filters.associated),
    ...is('maintenance', filters.maintenance),
    ...is('retired', filters.retired),
    ...equal('provision_state', filters.provisionState),
    ...is('driver', filters.driver),
    ...is('resource_class', filters.resourceClass),
    ...is('fault', filters.fault),
    ...is('conductor_group', filters.conductorGroup?.toLowerCase()),
    ...is('owner', filters.owner),
    ...is('lessee', filters.lessee),
    ...(filters.project === undefined
      ? []
      : [sql<SqlBool>`(nodes.owner = ${filters.project} OR nodes.lessee = ${filters.project})`]),
    ...(filters.shards ? [sql<SqlBool>`nodes.shard = ANY(${filters.shards}::text[])`] : []),
    ...present('shard', filters.sharded),
    ...(filters.descriptionContains === undefined
      ? []
      : [sql<SqlBool>`strpos(nodes.description, ${filters.descriptionContains}) > 0`]),
    ...(filters.parent === 'any'
      ? []
      : filters.parent === 'none'
        ? [sql<SqlBool>`nodes.parent_node IS NULL`]
        : [sql<SqlBool>`nodes.parent_node = ${filters.parent}`]),
  ]
}

/** A node by UUID or name, or undefined. */
export async function findNode(db: Db, by: { uuid: string } | { name: string }): Promise<Node | undefined> {
  const query = db.selectFrom('nodes').selectAll()
  return 'uuid' in by
    ? query.where('uuid', '=', by.uuid).executeTakeFirst()
    : query.where('name', '=', by.name).executeTakeFirst()
}

/** Those of the named nodes that a caller may see. */
export const findNodes = (
  db: Db,
  visible: Visible,
  by: { uuids: readonly string[]; names: readonly string[] },
): Promise<Pick<Node, 'uuid' | 'name'>[]> =>
  db
    .selectFrom('nodes')
    .select(['uuid', 'name'])
    .where(sql<SqlBool>`(uuid = ANY(${by.uuids}::uuid[]) OR name = ANY(${by.names}::text[]))`)
    .where(isVisible(visible))
    .execute()

/** @throws LeaseholdError 'conflict' when the UUID, name or instance UUID is another node's, 'invalid' for no chassis. */
export async function insertNode(db: Db, node: NewNode): Promise<Node> {
  return worded(constraints, node, () =>
    db.insertInto('nodes').values(node).returningAll().executeTakeFirstOrThrow(),
  )
}

export interface ChangeOptions {
  attempts: number
  intervalMs: number
}

/**
 * Reads a node, asks `change` for its changes, and writes them if the row is still as it was read; otherwise again.
 * While another holds the lock it waits, a bounded number of times.
 * @throws LeaseholdError 'conflict' when the node stays locked; whatever `change` throws.
 */
export const changeNode = (
  db: Db,
  first: Node,
  options: ChangeOptions,
  change: (node: Node) => NodeChanges | Promise<NodeChanges>,
): Promise<Node> =>
  onUnlocked(db, first, options, async (node) => {
    const changes = await change(node)
    return Object.keys(changes).length === 0 ? node : writeIfUnchanged(db, node, changes)
  })

/**
 * Deletes a node, and with it what belongs to it, if it still is as `check` saw it; otherwise it is checked again.
 * @throws LeaseholdError 'conflict' when the node stays locked; whatever `check` throws.
 */
export async function deleteNode(
  db: Db,
  first: Node,
  options: ChangeOptions,
  check: (node: Node) => Promise<void>,
): Promise<void> {
  await onUnlocked(db, first, options, async (node) => {
    await check(node)
    const { numDeletedRows } = await db.deleteFrom('nodes').where(isAsRead(node)).executeTakeFirst()
    return numDeletedRows > 0n ? node : undefined
  })
}

/** Has `write` done on an unlocked node; it answers undefined when somebody was quicker, and is asked again. */
async function onUnlocked(
  db: Db,
  first: Node,
  options: ChangeOptions,
  write: (node: Node) => Promise<Node | undefined>,
): Promise<Node> {
  let node: Node | undefined = first
  for (let attempt = 1, races = 0; ; ) {
    if (!node) throw new LeaseholdError('not-found', `Node ${first.uuid} could not be found.`)
    if (node.reservation === null) {
      const written = await write(node)
      if (written) return written
      // Under any sane load a few rounds suffice.
      if (++races > 50)
        throw new LeaseholdError('unavailable', `Node ${node.uuid} changes too often, please retry.`)
    } else if (attempt++ >= options.attempts) throw lockedError(node.uuid, node.reservation)
    else await new Promise((done) => setTimeout(done, options.intervalMs))
    node = await findNode(db, { uuid: first.uuid })
  }
}

function writeIfUnchanged(db: Db, read: Node, changes: NodeChanges): Promise<Node | undefined> {
  return worded(constraints, changes, () =>
    db
      .updateTable('nodes')
      .set({ ...changes, updated_at: new Date(), version: read.version + 1 })
      .where(isAsRead(read))
      .returningAll()
      .executeTakeFirst(),
  )
}

/** True for the row of an unlocked node that nobody has written since it was read. */
const isAsRead = (read: Node) =>
  sql<SqlBool>`uuid = ${read.uuid} AND version = ${read.version} AND generation = ${read.generation}
    AND reservation IS NULL`

/** UUIDs of a node's children. */
export async function childrenOf(db: Db, uuid: string): Promise<string[]> {
  const rows = await db.selectFrom('nodes').select('uuid').where('parent_node', '=', uuid).execute()
  return rows.map((row) => row.uuid)
}

const constraints: Constraints<NodeChanges> = {
  nodes_uuid_key: ['conflict', (node) => `A node with UUID ${node.uuid} already exists.`],
  nodes_name_key: ['conflict', (node) => `A node with name ${node.name} already exists.`],
  nodes_instance_uuid_key: [
    'conflict',
    (node) =>
      `Instance ${node.instance_uuid} is already associated with a node; it cannot be associated with another.`,
  ],
  nodes_chassis_fkey: ['invalid', (node) => `Chassis ${node.chassis_uuid} could not be found.`],
}
