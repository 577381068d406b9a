/** Which rows a caller may see, as SQL: nothing else ever leaves the database. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'

/** Whose nodes: everybody's, or those that a project owns or leases. */
export type Visible = { kind: 'all' } | { kind: 'project'; projectId: string }

/** True for the rows of `nodes` that `visible` allows. */
export const isVisible = (visible: Visible): RawBuilder<SqlBool> =>
  visible.kind === 'all'
    ? sql<SqlBool>`true`
    : sql<SqlBool>`(nodes.owner = ${visible.projectId} OR nodes.lessee = ${visible.projectId})`
