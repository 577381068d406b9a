/** A console without a machine, for tests of doors: what comes in is kept, and what goes out is the test's. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import pino from 'pino'
import { callerOf } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { createBuffers } from '../buffers.ts'
import type { Attach, AttachOptions, Control, Ending, Request, Sink, Visitor, WatcherView } from '../types.ts'
import { createWebsocketDoor } from './websocket.ts'

export interface StubWatcher {
  visitor: Visitor
  options: AttachOptions
  sink: Sink
  /** What it typed. */
  typed: Buffer[]
  requests: Request[]
  /** How often it said that it takes bytes again. */
  drained: number
  closed: boolean
}

export interface StubConsole {
  attach: Attach
  watchers: StubWatcher[]
  /** How many have neither left nor been cut. */
  open(): number
  /** Whether keys find room. */
  takesKeys: boolean
  cut(watcher: StubWatcher, ending: Ending): void
}

/** One node, `machine-1`; `hidden-1` is there for no one, `forbidden-1` may not be watched. */
export function stubConsole(hello: Partial<Control & { type: 'hello' }> = {}): StubConsole {
  const node = { uuid: '6ccd1e7a-0000-4000-8000-000000000001', name: 'machine-1' }
  const watchers: StubWatcher[] = []
  const console: StubConsole = {
    watchers,
    takesKeys: true,
    open: () => watchers.filter((each) => !each.closed).length,
    cut(watcher, ending) {
      watcher.closed = true
      watcher.sink.ended(ending)
    },
    attach: async (visitor, ident, options, sink) => {
      if (ident === 'forbidden-1')
        throw new LeaseholdError(
          'forbidden',
          'Access was denied to the following resource: leasehold:console:read',
        )
      if (ident !== node.name && ident !== node.uuid)
        throw new LeaseholdError('not-found', `Node ${ident} could not be found.`)
      const watcher: StubWatcher = {
        visitor,
        options,
        sink,
        typed: [],
        requests: [],
        drained: 0,
        closed: false,
      }
      watchers.push(watcher)
      sink.control({
        type: 'hello',
        node,
        watcher: String(watchers.length),
        mode: options.mode === 'read' ? 'read' : 'write',
        offset: options.offset ?? 0,
        start: 0,
        end: 0,
        state: 'up',
        reason: null,
        power_state: 'power on',
        watchers: [],
        ...hello,
      })
      return {
        node,
        write(bytes) {
          if (!console.takesKeys) return false
          watcher.typed.push(Buffer.from(bytes))
          return true
        },
        request: (request) => void watcher.requests.push(request),
        drained: () => void watcher.drained++,
        close() {
          watcher.closed = true
        },
      }
    },
  }
  return console
}

export const watcherView = (own: Partial<WatcherView>): WatcherView => ({
  id: 'x',
  user: 'alice',
  project: null,
  mode: 'read',
  door: 'websocket',
  since: '2026-01-01T00:00:00Z',
  ...own,
})

export interface StubService {
  /** `http://127.0.0.1:PORT` */
  url: string
  /** Tokens that are good; `POST /identity/v3/auth/tokens` makes one more. */
  tokens: Set<string>
  /** Bodies of those requests. */
  logins: unknown[]
  /** Breaks all connections. */
  breakOff(): void
  close(): Promise<void>
}

/** A service with nothing but a login and that console behind the WebSocket door. */
export async function stubService(console: StubConsole): Promise<StubService> {
  const tokens = new Set<string>()
  const logins: unknown[] = []
  const sockets = new Set<Duplex>()
  const caller = callerOf({ authMethod: 'standalone', roles: ['member'], userName: 'alice' })
  const door = createWebsocketDoor({
    attach: (...all) => console.attach(...all),
    authenticator: {
      async authenticate({ token }) {
        if (token === undefined || !tokens.has(token)) throw new LeaseholdError('unauthenticated', 'no')
        return caller
      },
      current: async () => new Map(),
      forget: () => {},
      close: () => {},
    },
    redeem: async () => undefined,
    recheck: async () => new Map(),
    log: pino({ level: 'silent' }),
    buffers: createBuffers({ eachBytes: 1024 * 1024, allBytes: 256 * 1024 * 1024 }),
    bufferBytes: 1024 * 1024,
  })
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { auth } = JSON.parse(Buffer.concat(chunks).toString())
      logins.push(auth)
      if (auth.identity.password?.user.password === 'wrong') {
        response.writeHead(401).end('{"error": {"message": "The request requires authentication."}}')
        return
      }
      const token = `token-${tokens.size + 1}`
      tokens.add(token)
      const endpoints = [{ interface: 'public', region_id: 'RegionOne', url: `${url}/v1` }]
      response.writeHead(201, { 'x-subject-token': token })
      response.end(JSON.stringify({ token: { catalog: [{ type: 'baremetal', endpoints }] } }))
    })
  })
  server.on('upgrade', (request, socket, head) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    door.upgrade(request, socket, head)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const breakOff = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url,
    tokens,
    logins,
    breakOff,
    async close() {
      await door.close()
      breakOff()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
