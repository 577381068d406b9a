/** OVSDB (RFC 7047): JSON-RPC over a Unix socket, TLS or TCP. What is sent together is a transaction. */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SwitchError } from '../errors.ts'
import type { Reply, Request, Session, SwitchTarget, Transport } from '../types.ts'
import { isInsecure } from './host-key.ts'
import { createRpc, type Rpc } from './ovsdb-rpc.ts'
import { connectTls } from './tls.ts'

export type Operation = Readonly<Record<string, unknown>> & { op: string }
export type OvsdbRequest = Request & {
  operations: readonly Operation[]
  /** What came up to here is a transaction of its own; what follows comes so much later. */
  settleMs?: number
  /** Takes this back if a later transaction of the same sending is refused. */
  undo?: readonly Operation[]
}
/** One result for each operation; `failed` if one of them is an error or found no row. */
export type OvsdbReply = Reply & { results: readonly Readonly<Record<string, unknown>>[]; failed?: true }

const database = 'Open_vSwitch'

export const ovsdbTransport: Transport<OvsdbRequest, OvsdbReply> = {
  name: 'ovsdb',
  watches: true,
  connect: async (target, { timeoutMs }) => {
    const rpc = createRpc(await openSocket(target, timeoutMs))
    try {
      const databases = await rpc.call('list_dbs', [], timeoutMs)
      if (!Array.isArray(databases) || !databases.includes(database))
        throw new SwitchError('unreachable', `${target.address} serves no database ${database}`)
      return await sessionOf(rpc, timeoutMs)
    } catch (error) {
      rpc.close('closed')
      throw error
    }
  },
}

/** @throws SwitchError 'invalid' for TCP without encryption, unless the insecure word was said */
async function openSocket(target: SwitchTarget, timeoutMs: number): Promise<Socket> {
  const { address, port = 6640, trust } = target
  const plain = /^(unix|tcp):(.+)$/.exec(address)
  if (!plain) return connectTls(target, 6640, timeoutMs)
  if (plain[1] === 'tcp' && !isInsecure(trust))
    throw new SwitchError(
      'invalid',
      'OVSDB over plain TCP is open to everybody; say so in trust.insecure or use TLS',
    )
  const socket = new Socket()
  return new Promise((resolve, reject) => {
    const fail = (code: 'timeout' | 'unreachable', why: string) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new SwitchError(code, `${address}: ${why}`))
    }
    const timer = setTimeout(() => fail('timeout', `no connection within ${timeoutMs} ms`), timeoutMs)
    socket.once('error', (error) => fail('unreachable', error.message))
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      socket.setNoDelay(true)
      resolve(socket)
    })
    if (plain[1] === 'unix') socket.connect(plain[2] as string)
    else socket.connect(port, plain[2] as string)
  })
}

async function sessionOf(rpc: Rpc, timeoutMs: number): Promise<Session<OvsdbRequest, OvsdbReply>> {
  const progress = await followProgress(rpc, timeoutMs)
  const takeBack = async (operations: readonly Operation[]) => {
    const { replies, generation } = await transact(rpc, [{ line: 'undo', operations }], timeoutMs)
    if (replies.some(({ failed }) => failed))
      throw new SwitchError('unreachable', 'the first half of a refused change could not be taken back')
    if (generation !== null) await progress.reached(generation, timeoutMs)
  }
  return {
    alive: rpc.alive,
    close: async () => rpc.close('closed'),
    send: async (requests, _goOn, { timeoutMs: limit }) => {
      const until = Date.now() + limit
      const replies: OvsdbReply[] = []
      let undo: Operation[] = []
      for (const part of partsOf(requests)) {
        const { replies: some, generation } = await transact(rpc, part, Math.max(1, until - Date.now()))
        replies.push(...some)
        if (some.some((reply) => reply.failed)) {
          if (undo.length > 0) await takeBack(undo)
          break
        }
        // The database has it; only when the daemon says so do frames go the new way.
        if (generation !== null) await progress.reached(generation, Math.max(1, until - Date.now()))
        await pause(part.at(-1)?.settleMs ?? 0)
        undo = [...undo, ...part.flatMap((request) => request.undo ?? [])]
      }
      return replies
    },
    watch: async (onChange) => {
      const id = `drift-${Date.now()}`
      const stop = rpc.onUpdate(id, () => onChange())
      const columns = (...names: string[]) => ({ columns: names, select: { initial: false } })
      await rpc.call(
        'monitor',
        [
          database,
          id,
          {
            Port: columns('name', 'tag', 'trunks', 'vlan_mode', 'interfaces', 'lacp'),
            Bridge: columns('name', 'ports', 'fail_mode'),
          },
        ],
        timeoutMs,
      )
      return async () => {
        stop()
        if (rpc.alive()) await rpc.call('monitor_cancel', [id], timeoutMs).catch(() => undefined)
      }
    },
  }
}

/** Never less than that: a timer counts from when the event loop woke up, and may so be some milliseconds early. */
async function pause(ms: number): Promise<void> {
  const end = performance.now() + ms
  for (let left = ms; left > 0; left = end - performance.now()) await sleep(left)
}

/** Requests that are a transaction together: each part but the last ends where something has to settle. */
function partsOf(requests: readonly OvsdbRequest[]): OvsdbRequest[][] {
  const parts: OvsdbRequest[][] = [[]]
  for (const request of requests) {
    parts.at(-1)?.push(request)
    if (request.settleMs !== undefined) parts.push([])
  }
  return parts.filter((part) => part.length > 0)
}

/** Requests as one transaction; their operations' results handed back to each. */
async function transact(rpc: Rpc, requests: readonly OvsdbRequest[], timeoutMs: number) {
  const operations = requests.flatMap((request) => request.operations)
  const writes = operations.some(({ op }) => op !== 'select' && op !== 'wait')
  const extra: Operation[] = writes
    ? [
        { op: 'mutate', table: database, where: [], mutations: [['next_cfg', '+=', 1]] },
        { op: 'select', table: database, where: [], columns: ['next_cfg'] },
      ]
    : []
  const answer = await rpc.call('transact', [database, ...operations, ...extra], timeoutMs)
  const results = Array.isArray(answer) ? answer.map((one) => (isRow(one) ? one : {})) : []
  // An error found only at commit (a reference to nothing) stands behind the results of all operations.
  const late = results.slice(operations.length + extra.length).find((result) => 'error' in result)
  const replies: OvsdbReply[] = []
  let at = 0
  for (const [index, request] of requests.entries()) {
    const own = results.slice(at, at + request.operations.length)
    at += request.operations.length
    const atCommit = index === requests.length - 1 ? late : undefined
    replies.push(replyOf(request, atCommit ? [...own, atCommit] : own))
  }
  const failed = replies.find((reply) => reply.failed)
  const generation = writes ? nextConfiguration(results[operations.length + 1]) : null
  return { replies: failed ? [failed] : replies, generation }
}

function replyOf(request: OvsdbRequest, results: readonly Readonly<Record<string, unknown>>[]): OvsdbReply {
  const { line, port } = request
  const bad = results.find((result, index) => {
    const { op } = request.operations[index] ?? {}
    return 'error' in result || ((op === 'update' || op === 'mutate') && result.count === 0)
  })
  const text =
    bad === undefined
      ? ''
      : 'error' in bad
        ? [bad.error, bad.details].filter(Boolean).join(': ')
        : 'no such row: nothing was changed'
  return { line, text, results, ...(port === undefined ? {} : { port }), ...(bad ? { failed: true } : {}) }
}

function nextConfiguration(result: Readonly<Record<string, unknown>> | undefined): number | null {
  const rows = result?.rows
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined
  return isRow(row) && typeof row.next_cfg === 'number' ? row.next_cfg : null
}

/** Follows `cur_cfg`, the number of the last configuration that ovs-vswitchd has taken over. */
async function followProgress(rpc: Rpc, timeoutMs: number) {
  const id = 'progress'
  let current = -1
  const waiting = new Set<() => void>()
  const take = (update: unknown) => {
    const table = isRow(update) ? update[database] : undefined
    for (const row of isRow(table) ? Object.values(table) : []) {
      const fresh = isRow(row) ? row.new : undefined
      if (isRow(fresh) && typeof fresh.cur_cfg === 'number') current = fresh.cur_cfg
    }
    for (const look of waiting) look()
  }
  rpc.onUpdate(id, take)
  take(await rpc.call('monitor', [database, id, { [database]: { columns: ['cur_cfg'] } }], timeoutMs))
  rpc.onClose(() => {
    for (const look of waiting) look()
  })
  return {
    reached: (generation: number, limit: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (current >= generation) end(resolve)
          else if (!rpc.alive())
            end(() => reject(new SwitchError('unreachable', 'the connection to OVSDB broke')))
        }
        const end = (finish: () => void) => {
          clearTimeout(timer)
          waiting.delete(look)
          finish()
        }
        const late = new SwitchError(
          'timeout',
          `ovs-vswitchd did not take the change over within ${limit} ms`,
        )
        const timer = setTimeout(() => end(() => reject(late)), limit)
        waiting.add(look)
        look()
      }),
  }
}

function isRow(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
