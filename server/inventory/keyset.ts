/** Keyset pages: each goes on from the last row seen, whatever happens to the rows before it. */
import { type SelectQueryBuilder, sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Database } from '../store/index.ts'

export interface Keyset {
  limit: number
  /** UUID of the last row seen. */
  marker?: string | undefined
  /** A column, then always `id`, so that the order is total. Nulls are last when ascending. */
  sortColumn: string
  sortDirection: 'asc' | 'desc'
}

/**
 * Restricts a query to one page of `table`. `markerRow` finds the marker among the rows the caller may see.
 * @throws LeaseholdError 'not-found' for a marker that the caller does not see.
 */
export async function keysetPage<Table extends keyof Database & string, Row>(
  query: SelectQueryBuilder<Database, Table, Row>,
  table: Table,
  page: Keyset,
  markerRow: (marker: string) => Promise<{ id: string } | undefined>,
): Promise<SelectQueryBuilder<Database, Table, Row>> {
  const ascending = page.sortDirection === 'asc'
  const column = sql.ref(`${table}.${page.sortColumn}`)
  const id = sql.ref(`${table}.id`)
  let paged = query
  if (page.marker !== undefined) {
    const marker = await markerRow(page.marker)
    if (!marker) throw new LeaseholdError('not-found', `Marker ${page.marker} could not be found.`)
    const beyond = ascending ? sql`>` : sql`<`
    if (page.sortColumn === 'id') paged = paged.where(sql<boolean>`${id} ${beyond} ${marker.id}`)
    else {
      // The marker's own value is taken from its row: a value that went through a client may have lost precision.
      const at = sql`(SELECT m.${sql.id(page.sortColumn)} FROM ${sql.table(table)} AS m WHERE m.id = ${marker.id})`
      const sameThenId = sql`${column} IS NOT DISTINCT FROM ${at} AND ${id} ${beyond} ${marker.id}`
      const pastNulls = ascending
        ? sql`${column} IS NULL AND ${at} IS NOT NULL`
        : sql`${column} IS NOT NULL AND ${at} IS NULL`
      paged = paged.where(sql<boolean>`(${column} ${beyond} ${at} OR (${sameThenId}) OR (${pastNulls}))`)
    }
  }
  return inOrder(paged, table, page)
}

/** The order and the length of a page, wherever it begins. */
export function inOrder<Table extends keyof Database & string, Row>(
  query: SelectQueryBuilder<Database, Table, Row>,
  table: Table,
  { sortColumn, sortDirection, limit }: Keyset,
): SelectQueryBuilder<Database, Table, Row> {
  const ascending = sortDirection === 'asc'
  const direction = ascending ? sql`ASC NULLS LAST` : sql`DESC NULLS FIRST`
  const byColumn =
    sortColumn === 'id' ? query : query.orderBy(sql`${sql.ref(`${table}.${sortColumn}`)} ${direction}`)
  return byColumn.orderBy(sql`${sql.ref(`${table}.id`)} ${ascending ? sql`ASC` : sql`DESC`}`).limit(limit)
}
