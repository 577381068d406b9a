/** An OVSDB server on a real TLS socket, with a daemon behind it that takes every change over at once. */
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { jsonStream } from '../../transports/json-stream.ts'
import { selfSigned } from '../certificate.ts'
import type { Counts, Faults, Said } from '../device.ts'
import type { Database, Op, Row } from './database.ts'

export type OvsdbServerOptions = { database: Database; faults: Faults; counts: Counts; onCommit: () => void }

type Monitor = { socket: Socket; id: unknown; tables: Record<string, string[]>; last: Map<string, string> }

export async function startOvsdbServer({ database, faults, counts, onCommit }: OvsdbServerOptions) {
  const certificate = selfSigned()
  const sockets = new Set<Socket>()
  let monitors: Monitor[] = []
  const server = tls.createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
    counts.logins++
    sockets.add(socket)
    const feed = jsonStream()
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      monitors = monitors.filter((monitor) => monitor.socket !== socket)
    })
    socket.on('data', (chunk) => {
      for (const message of feed(chunk.toString('utf8'))) void take(socket, message as Call)
    })
  })
  server.on('tlsClientError', () => undefined)

  async function take(socket: Socket, { id, method, params }: Call): Promise<void> {
    const answer = (result: unknown) => socket.write(JSON.stringify({ id, result, error: null }))
    if (method === 'list_dbs') {
      await sleep(faults.loginDelayMs ?? 0)
      answer(['_Server', 'Open_vSwitch'])
    } else if (method === 'monitor') answer(watch(socket, params[1], params[2] as MonitorRequest))
    else if (method === 'monitor_cancel') {
      monitors = monitors.filter((monitor) => monitor.id !== params[0])
      answer({})
    } else if (method === 'transact') transact(socket, params.slice(1) as Op[], answer)
  }

  function transact(socket: Socket, operations: Op[], answer: (result: unknown) => void): void {
    const said = operations.map(saidOf)
    if (said.some((one) => faults.drop?.(one))) return void socket.destroy()
    if (said.some((one) => faults.hang?.(one))) return
    if (operations.some(({ op }) => op !== 'select' && op !== 'wait')) counts.writes++
    const results = database.transact(operations, (op) => {
      const words = faults.refuse?.(saidOf(op))
      if (words !== undefined) return { error: 'constraint violation', details: words }
      return faults.ignore?.(saidOf(op)) ? 'skip' : undefined
    })
    // After an error the answers of the operations that were not tried are null.
    answer([...results, ...operations.slice(results.length).map(() => null)])
    onCommit()
    tell()
    for (const root of database.tables.Open_vSwitch?.values() ?? []) root.cur_cfg = root.next_cfg
    tell()
  }

  function watch(socket: Socket, id: unknown, request: MonitorRequest): unknown {
    const tables = Object.fromEntries(Object.entries(request).map(([table, { columns }]) => [table, columns]))
    const monitor: Monitor = { socket, id, tables, last: new Map() }
    monitors.push(monitor)
    const initial = changesOf(monitor)
    const silent = Object.values(request).some((one) => one.select?.initial === false)
    return silent ? {} : initial
  }

  function tell(): void {
    for (const monitor of monitors) {
      const changes = changesOf(monitor)
      if (Object.keys(changes).length > 0)
        monitor.socket.write(JSON.stringify({ id: null, method: 'update', params: [monitor.id, changes] }))
    }
  }

  function changesOf({ tables, last }: Monitor): Record<string, Record<string, { new?: Row; old?: Row }>> {
    const changes: Record<string, Record<string, { new?: Row; old?: Row }>> = {}
    const present = new Set<string>()
    for (const [table, columns] of Object.entries(tables))
      for (const uuid of database.tables[table]?.keys() ?? []) {
        const row = database.wire(table, uuid, columns)
        const key = `${table} ${uuid}`
        present.add(key)
        if (last.get(key) === JSON.stringify(row)) continue
        last.set(key, JSON.stringify(row))
        changes[table] = { ...changes[table], [uuid]: { new: row } }
      }
    for (const [key, row] of last) {
      if (present.has(key)) continue
      last.delete(key)
      const [table = '', uuid = ''] = key.split(' ')
      changes[table] = { ...changes[table], [uuid]: { old: JSON.parse(row) as Row } }
    }
    return changes
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    certificate,
    /** Tells the monitors of what a test did to the database. */
    tell,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

type Call = { id: unknown; method: string; params: unknown[] }
type MonitorRequest = Record<string, { columns: string[]; select?: { initial?: boolean } }>

/** An operation as a line, under the name of the row it is about. */
export function saidOf(op: Op): Said {
  const where = op.where as [string, string, string][] | undefined
  const name = where?.find(([column]) => column === 'name')?.[2] ?? (op.row as Row | undefined)?.name
  return { line: JSON.stringify(op), context: String(name ?? '') }
}
