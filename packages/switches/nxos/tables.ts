/** NX-OS's JSON: `TABLE_x.ROW_x` is an object where there is one row, an array where there are more; numbers may be text. */

export type Row = Readonly<Record<string, unknown>>

/** All rows of a table, wherever a release puts it; none if there is no such table. */
export function rows(json: string, table: string, row: string): Row[] {
  if (json.trim() === '') return []
  const body: unknown = JSON.parse(json)
  const tables = asArray(isRow(body) ? body[table] : undefined)
  return tables.flatMap((one) => asArray(isRow(one) ? one[row] : undefined)).filter(isRow)
}

/** A cell as text, however it was typed. */
export function text(cell: unknown): string {
  return typeof cell === 'string' ? cell.trim() : typeof cell === 'number' ? String(cell) : ''
}

function asArray(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
