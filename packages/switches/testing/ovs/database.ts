/** As much of an OVSDB server's mind as Open vSwitch's VLANs need: tables, transactions, references, collection. */
import { randomUUID } from 'node:crypto'

type Kind = 'value' | 'set' | 'uuids' | 'map'
type Table = Map<string, Row>
export type Row = Record<string, unknown>
export type Op = Record<string, unknown> & { op: string; table: string }
type Result = Record<string, unknown>

const schema: Record<string, Record<string, Kind>> = {
  Open_vSwitch: { bridges: 'uuids', next_cfg: 'value', cur_cfg: 'value' },
  Bridge: { name: 'value', ports: 'uuids', fail_mode: 'set', datapath_type: 'value' },
  Port: {
    name: 'value',
    interfaces: 'uuids',
    tag: 'set',
    trunks: 'set',
    vlan_mode: 'set',
    lacp: 'set',
    bond_mode: 'set',
    other_config: 'map',
    external_ids: 'map',
  },
  Interface: { name: 'value', type: 'value', external_ids: 'map' },
}

export type Database = {
  tables: Record<string, Table>
  /** Results, one for each operation up to the first that fails; nothing is done if one does. */
  transact: (operations: readonly Op[], tamper: (op: Op) => Result | 'skip' | undefined) => Result[]
  /** A row in the form of the wire. */
  wire: (table: string, uuid: string, columns: readonly string[]) => Row
  insert: (table: string, row: Row) => string
}

export function createDatabase(): Database {
  const database: Database = {
    tables: Object.fromEntries(Object.keys(schema).map((name) => [name, new Map() as Table])),
    transact,
    wire,
    insert: (table, row) => {
      const uuid = randomUUID()
      database.tables[table]?.set(uuid, { ...empty(table), ...row })
      return uuid
    },
  }

  function transact(operations: readonly Op[], tamper: (op: Op) => Result | 'skip' | undefined): Result[] {
    const before = structuredClone(database.tables)
    const named = new Map<string, string>()
    const results: Result[] = []
    for (const op of operations) {
      const twist = tamper(op)
      const result = twist === 'skip' ? { count: 1 } : (twist ?? run(op, named))
      results.push(result)
      if ('error' in result) {
        database.tables = before
        return results
      }
    }
    collect()
    const clash = clashOf()
    if (clash === undefined) return results
    database.tables = before
    return [...results, { error: 'constraint violation', details: clash }]
  }

  function run(op: Op, named: Map<string, string>): Result {
    const table = database.tables[op.table]
    if (table === undefined) return { error: 'syntax error', details: `no table ${op.table}` }
    const found = [...table].filter(([uuid, row]) => matches(row, uuid, op.where ?? []))
    const columns = op.columns as string[] | undefined
    if (op.op === 'select') return { rows: found.map(([uuid]) => wire(op.table, uuid, columns ?? [])) }
    if (op.op === 'wait') {
      const is = found.map(([uuid]) => wire(op.table, uuid, columns ?? []))
      const wanted = (op.rows as Row[]).map((row) => normal(op.table, row))
      return same(is, wanted) ? {} : { error: 'timed out', details: '"where" clause test failed' }
    }
    if (op.op === 'insert') {
      const uuid = randomUUID()
      if (typeof op['uuid-name'] === 'string') named.set(op['uuid-name'], uuid)
      table.set(uuid, { ...empty(op.table), ...inside(op.table, op.row as Row, named) })
      return { uuid: ['uuid', uuid] }
    }
    for (const [, row] of found) {
      if (op.op === 'update') Object.assign(row, inside(op.table, op.row as Row, named))
      else
        for (const mutation of op.mutations as [string, string, unknown][])
          mutate(op.table, row, mutation, named)
      const tag = (row.tag as number[] | undefined)?.[0]
      if (tag !== undefined && (tag < 0 || tag > 4095))
        return { error: 'constraint violation', details: `tag ${tag}` }
    }
    return { count: found.length }
  }

  function wire(table: string, uuid: string, columns: readonly string[]): Row {
    const row = database.tables[table]?.get(uuid) ?? {}
    return Object.fromEntries(
      columns.map((column) => [
        column,
        column === '_uuid' ? ['uuid', uuid] : outside(table, column, row[column]),
      ]),
    )
  }

  /** Rows that nothing refers to are gone: ports without a bridge, interfaces without a port. */
  function collect(): void {
    const referred = (table: string, column: string) =>
      new Set([...(database.tables[table]?.values() ?? [])].flatMap((row) => row[column] as string[]))
    for (const [table, owner, column] of [
      ['Port', 'Bridge', 'ports'],
      ['Interface', 'Port', 'interfaces'],
    ] as const) {
      const alive = referred(owner, column)
      for (const uuid of database.tables[table]?.keys() ?? [])
        if (!alive.has(uuid)) database.tables[table]?.delete(uuid)
    }
  }

  function clashOf(): string | undefined {
    for (const table of ['Bridge', 'Port', 'Interface']) {
      const names = [...(database.tables[table]?.values() ?? [])].map((row) => row.name)
      const twin = names.find((name, index) => names.indexOf(name) !== index)
      if (twin !== undefined) return `two rows of ${table} named ${twin}`
    }
    const bare = [...(database.tables.Port?.values() ?? [])].find(
      (row) => (row.interfaces as string[]).length === 0,
    )
    return bare && `port ${bare.name} without interfaces`
  }

  return database
}

function empty(table: string): Row {
  const blank = { value: '', set: [], uuids: [], map: {} }
  return Object.fromEntries(
    Object.entries(schema[table] ?? {}).map(([column, kind]) => [column, structuredClone(blank[kind])]),
  )
}

function matches(row: Row, uuid: string, where: unknown): boolean {
  return (where as [string, string, unknown][]).every(([column, , value]) =>
    column === '_uuid' ? uuid === (value as string[])[1] : row[column] === value,
  )
}

function inside(table: string, row: Row, named: Map<string, string>): Row {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const kind = schema[table]?.[column] ?? 'value'
      if (kind === 'value') return [column, value]
      if (kind === 'map') return [column, Object.fromEntries((value as [string, [string, string][]])[1])]
      return [column, kind === 'uuids' ? items(value).map((one) => resolve(one, named)) : items(value)]
    }),
  )
}

function outside(table: string, column: string, value: unknown): unknown {
  const kind = schema[table]?.[column] ?? 'value'
  if (kind === 'value') return value
  if (kind === 'map') return ['map', Object.entries(value as object)]
  const list = kind === 'uuids' ? (value as string[]).map((uuid) => ['uuid', uuid]) : (value as unknown[])
  return list.length === 1 ? list[0] : ['set', list]
}

function mutate(
  table: string,
  row: Row,
  [column, how, value]: [string, string, unknown],
  named: Map<string, string>,
) {
  if (how === '+=') {
    row[column] = (row[column] as number) + (value as number)
    return
  }
  if (schema[table]?.[column] === 'map') {
    const old = { ...(row[column] as Record<string, string>) }
    if (how === 'insert') Object.assign(old, Object.fromEntries((value as [string, [string, string][]])[1]))
    else for (const key of items(value)) delete old[String(key)]
    row[column] = old
    return
  }
  const own = items(value).map((one) => resolve(one, named))
  const rest = (row[column] as string[]).filter((one) => !own.includes(one))
  row[column] = how === 'insert' ? [...rest, ...own] : rest
}

/** Rows of a `wait` in the form in which `wire` writes them. */
function normal(table: string, row: Row): Row {
  const kept = inside(table, row, new Map())
  return Object.fromEntries(
    Object.entries(kept).map(([column, value]) => [column, outside(table, column, value)]),
  )
}

function same(a: Row[], b: Row[]): boolean {
  const text = (rows: Row[]) =>
    JSON.stringify(
      rows.map((row) =>
        Object.entries(row)
          .map(([column, value]) => [
            column,
            items(value)
              .map((one) => JSON.stringify(one))
              .sort(),
          ])
          .sort(),
      ),
    )
  return text(a) === text(b)
}

function items(value: unknown): unknown[] {
  if (Array.isArray(value) && value[0] === 'set') return value[1] as unknown[]
  return [value]
}

function resolve(reference: unknown, named: Map<string, string>): string {
  const [kind, name] = reference as [string, string]
  return kind === 'named-uuid' ? (named.get(name) ?? '') : name
}
