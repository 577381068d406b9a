/** JSON-RPC 1.0 as OVSDB speaks it: calls by number, notifications by monitor, and echoes that must be answered. */
import type { Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import { SwitchError } from '../errors.ts'
import { jsonStream } from './json-stream.ts'

export type Rpc = {
  /** @throws SwitchError 'unreachable' | 'timeout' | 'rejected' */
  call: (method: string, params: readonly unknown[], timeoutMs: number) => Promise<unknown>
  /** Updates of the monitor with this id. Returns what stops it. */
  onUpdate: (monitor: string, take: (update: unknown) => void) => () => void
  onClose: (then: () => void) => void
  alive: () => boolean
  close: (why: string) => void
}

type Call = { method: string; settle: (error: Error | null, result?: unknown) => void }

export function createRpc(socket: Socket): Rpc {
  const calls = new Map<number, Call>()
  const monitors = new Map<string, (update: unknown) => void>()
  const closers: (() => void)[] = []
  const feed = jsonStream()
  const decoder = new StringDecoder('utf8')
  let broken: string | undefined
  let last = 0

  socket.on('data', (chunk: Buffer) => {
    try {
      for (const message of feed(decoder.write(chunk))) take(message)
    } catch (error) {
      close(`the other side does not speak OVSDB: ${(error as Error).message}`)
    }
  })
  socket.on('error', (error) => close(error.message))
  socket.on('close', () => close('the other side closed the connection'))

  function take(message: unknown): void {
    if (typeof message !== 'object' || message === null) return
    const { id, method, params, result, error } = message as Record<string, unknown>
    if (method === 'echo') socket.write(JSON.stringify({ id, result: params, error: null }))
    else if (method === 'update' && Array.isArray(params)) monitors.get(String(params[0]))?.(params[1])
    else if (method === undefined && typeof id === 'number') {
      const call = calls.get(id)
      if (error === null || error === undefined) call?.settle(null, result)
      else call?.settle(new SwitchError('rejected', `OVSDB refused ${call.method}: ${JSON.stringify(error)}`))
    }
  }

  function call(method: string, params: readonly unknown[], timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (broken !== undefined) return reject(new SwitchError('unreachable', broken))
      const id = ++last
      const late = () => {
        settle(new SwitchError('timeout', `OVSDB did not answer ${method} within ${timeoutMs} ms`))
        // Nobody knows whether a transaction without an answer was done: a new connection has to look.
        close('an answer did not come in time')
      }
      const timer = setTimeout(late, timeoutMs)
      const settle = (error: Error | null, result?: unknown) => {
        clearTimeout(timer)
        calls.delete(id)
        if (error) reject(error)
        else resolve(result)
      }
      calls.set(id, { method, settle })
      socket.write(JSON.stringify({ method, params, id }))
    })
  }

  function close(why: string): void {
    if (broken !== undefined) return
    broken = `the connection to OVSDB broke: ${why}`
    socket.destroy()
    for (const { settle } of [...calls.values()]) settle(new SwitchError('unreachable', broken))
    for (const then of closers) then()
  }

  return {
    call,
    close,
    alive: () => broken === undefined,
    onClose: (then) => {
      closers.push(then)
    },
    onUpdate: (monitor, take) => {
      monitors.set(monitor, take)
      return () => monitors.delete(monitor)
    },
  }
}
