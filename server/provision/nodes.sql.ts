/** The statements that change a node here: a change and what history tells of it are one statement, done or not done. */
import { type RawBuilder, sql, type UpdateObject } from 'kysely'
import type { MachineChanges, Node } from '../hardware/index.ts'
import { machineColumns, withMachineParts } from '../inventory/index.ts'
import type { Database, Db } from '../store/index.ts'
import type { HistoryRow } from './history.ts'
import { workOf } from './work.ts'

export type NodeChanges = UpdateObject<Database, 'nodes', 'nodes'>

/** Whoever works on a node, as every write of a workflow proves it: a lock taken over or taken anew is lost. */
export interface Hold {
  uuid: string
  generation: number
  workflowId: string
  host: string
  takeUps: number
}

/** The hold of the workflow that has a node locked. */
export const holdOf = (node: Node, host: string): Hold => ({
  uuid: node.uuid,
  generation: node.generation,
  workflowId: node.workflow_id ?? '',
  host,
  takeUps: workOf(node)?.takeUps ?? 0,
})

/** Holds the lock still. */
export const held = (hold: Hold): RawBuilder<boolean> =>
  sql`uuid = ${hold.uuid} AND generation = ${hold.generation} AND workflow_id = ${hold.workflowId} AND reservation = ${hold.host}
    AND coalesce((work ->> 'takeUps')::int, 0) = ${hold.takeUps}`

/** The columns that taking the lock sets: the workflow's id is made of the node and the new generation. */
export const takingLock = (host: string): NodeChanges => ({
  reservation: host,
  generation: sql`generation + 1`,
  version: sql`version + 1`,
  workflow_id: sql`uuid::text || ':' || (generation + 1)`,
})

/** The columns that giving the lock back sets. */
export const givingLockBack: NodeChanges = {
  reservation: null,
  workflow_id: null,
  version: sql`version + 1`,
}

/** Changes the one node that `condition` names and tells it; undefined when there is none. */
export function changeNode(
  db: Db,
  condition: RawBuilder<boolean>,
  changes: NodeChanges,
  history: readonly HistoryRow[] = [],
): Promise<Node | undefined> {
  return changing(db, condition, changes, history).selectFrom('changed').selectAll().executeTakeFirst()
}

/**
 * As `changeNode`, for those who need not see the node: whether it was there. `machine` is what the node is told of its
 * machine; a column that `changes` has, too, is as they say.
 */
export async function changeNodeUnseen(
  db: Db,
  condition: RawBuilder<boolean>,
  changes: NodeChanges,
  history: readonly HistoryRow[] = [],
  machine: MachineChanges = {},
): Promise<boolean> {
  const all = { ...machineColumns(machine), ...changes }
  const statement = withMachineParts(changing(db, condition, all, history), machine)
  return (await statement.selectFrom('changed').select('uuid').executeTakeFirst()) !== undefined
}

const changing = (
  db: Db,
  condition: RawBuilder<boolean>,
  changes: NodeChanges,
  history: readonly HistoryRow[],
) =>
  db
    .with('changed', (query) =>
      query
        .updateTable('nodes')
        .set({ ...changes, updated_at: sql`now()` })
        .where(condition)
        .returningAll(),
    )
    .with('told', (query) =>
      query
        .insertInto('node_history')
        .columns(['node_uuid', ...historyColumns])
        .expression(
          sql`SELECT changed.uuid, told.* FROM changed, jsonb_to_recordset(${JSON.stringify(history)}::jsonb) AS told
            (uuid uuid, created_at timestamptz, severity text, event text, event_type text, conductor text,
             user_id text, project_id text, state text, target_provision_state text, duration_seconds float8)`,
        )
        .onConflict((conflict) => conflict.column('uuid').doNothing()),
    )

/** The node that a workflow holds; undefined when it holds it no longer. */
export function holdNode(
  db: Db,
  uuid: string,
  generation: number,
  workflowId: string,
  host: string,
): Promise<Node | undefined> {
  return db
    .updateTable('nodes')
    .set({ reservation: host })
    .where('uuid', '=', uuid)
    .where('generation', '=', generation)
    .where('workflow_id', '=', workflowId)
    .returningAll()
    .executeTakeFirst()
}

export const findNode = (db: Db, uuid: string): Promise<Node | undefined> =>
  db.selectFrom('nodes').selectAll().where('uuid', '=', uuid).executeTakeFirst()

const historyColumns = [
  'uuid',
  'created_at',
  'severity',
  'event',
  'event_type',
  'conductor',
  'user_id',
  'project_id',
  'state',
  'target_provision_state',
  'duration_seconds',
] as const
