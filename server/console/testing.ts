/** The room of consoles over a real database, with lines that a test holds in its hand; and a watcher to send in. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { type RawData, WebSocket } from 'ws'
import {
  bootstrap,
  createAuthenticator,
  ensureAssignment,
  ensureProject,
  type FixedRole,
  issueToken,
  loadPolicy,
  type Policy,
} from '../access/index.ts'
import { type Config, defaultConfig } from '../config.ts'
import { LeaseholdError } from '../errors.ts'
import { createHardware, type Line, type LineEvents, type LineOptions } from '../hardware/index.ts'
import type { Db, Store } from '../store/index.ts'
import { type Consoles, createConsoles } from './index.ts'
import type { Control } from './types.ts'

/** The machine's end of a line. */
export interface TestLine {
  /** Lines that were opened to this machine, the last one live unless it was lost. */
  opened: number
  live: boolean
  /** What was typed. */
  typed: string
  breaks: number
  options: LineOptions | undefined
  say(text: string | Buffer): void
  lose(words?: string): void
  /** Says no to every opening until told otherwise. */
  refuse: string | undefined
  /** Has no room for keys. */
  full: boolean
  drain(): void
}

export interface Room {
  db: Db
  store: Store
  consoles: Consoles
  policy: Policy
  url: string
  projects: Record<'owner' | 'lessee' | 'stranger', string>
  tokens: Record<string, string>
  dataDir: string
  line(nodeUuid: string): TestLine
  /** A node of owner, leased to lessee, its console on. */
  node(fields?: Record<string, unknown>): Promise<string>
  /** Another process of the same service. */
  another(
    config?: Partial<Config>,
  ): Promise<{ consoles: Consoles; policy: Policy; url: string; dataDir: string; close(): Promise<void> }>
  close(): Promise<void>
}

const people: Record<string, readonly [project: 'owner' | 'lessee' | 'stranger' | null, role: FixedRole]> = {
  admin: [null, 'admin'],
  owner: ['owner', 'manager'],
  lessee: ['lessee', 'manager'],
  member: ['lessee', 'member'],
  reader: ['lessee', 'reader'],
  stranger: ['stranger', 'admin'],
}

export async function testRoom(store: Store, own: Partial<Config> = {}): Promise<Room> {
  const { db } = store
  await bootstrap(db, { adminPassword: 'correct horse' })
  const lines = new Map<string, TestLine>()
  const projects: Record<string, string> = {}
  const tokens: Record<string, string> = {}
  for (const [name, [project, role]] of Object.entries(people)) {
    if (project) projects[project] ??= (await ensureProject(db, { name: project })).id
    const projectId = project ? (projects[project] as string) : null
    const { id } = await db
      .insertInto('users')
      .values({ id: randomUUID().replaceAll('-', ''), name: `${name}-${randomUUID()}` })
      .returning('id')
      .executeTakeFirstOrThrow()
    await ensureAssignment(db, { userId: id, role, projectId })
    const scope = projectId ? { projectId } : ({ system: true } as const)
    const wanted = { userId: id, scope, methods: ['password'], applicationCredentialId: null }
    tokens[name] = (await issueToken(db, { ...wanted, lifeSeconds: 3600, notAfter: null })) as string
  }
  const line = (nodeUuid: string): TestLine => {
    const known = lines.get(nodeUuid) ?? createLine()
    lines.set(nodeUuid, known)
    return known
  }
  const closers: (() => Promise<void>)[] = []
  const open = async (config: Partial<Config>) => {
    const process = await openRoom(store, { ...own, ...config }, (uuid) => line(uuid) as MachineLine)
    closers.push(process.close)
    return process
  }
  const first = await open({})
  return {
    db,
    store,
    ...first,
    projects: projects as Room['projects'],
    tokens,
    line,
    async node(fields = {}) {
      const uuid = randomUUID()
      await db
        .insertInto('nodes')
        .values({
          uuid,
          name: `node-${uuid.slice(0, 8)}`,
          driver: 'fake-hardware',
          interfaces: JSON.stringify({ console: 'fake' }),
          provision_state: 'active',
          power_state: 'power on',
          owner: projects.owner ?? null,
          lessee: projects.lessee ?? null,
          console_enabled: true,
          ...fields,
        })
        .execute()
      return uuid
    },
    another: open,
    async close() {
      for (const close of closers.reverse()) await close()
    },
  }
}

async function openRoom(store: Store, own: Partial<Config>, lineOf: (uuid: string) => MachineLine) {
  const dataDir = own.data ?? (await mkdtemp(join(tmpdir(), 'leasehold-room-')))
  const config = defaultConfig({ 'console.settle_ms': 0, ...own, data: dataDir })
  const log = pino({ level: 'silent' })
  const hardware = createHardware({ config, log })
  const authenticator = createAuthenticator(config, { db: store.db, log })
  const policy = await loadPolicy({ overridesFile: config['policy.file'] })
  const consoles = createConsoles({
    db: store.db,
    databaseUrl: store.url,
    config,
    log,
    policy,
    authenticator,
    hardware: {
      ...hardware,
      implementation: (node, type) =>
        type === 'console'
          ? ({
              name: 'fake',
              properties: {},
              validate: () => {},
              open: async (_node: unknown, events: LineEvents, options: LineOptions) =>
                lineOf((node as { uuid?: string }).uuid ?? '').connect(events, options),
            } as never)
          : hardware.implementation(node, type),
    },
  })
  const server = createServer((_request, response) => response.end())
  server.on('upgrade', (request, socket, head) => {
    if (!consoles.upgrade(request, socket, head)) socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await consoles.start(url)
  return {
    consoles,
    policy,
    url,
    dataDir,
    async close() {
      await consoles.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await hardware.close()
      authenticator.close()
      if (own.data === undefined) await rm(dataDir, { recursive: true, force: true })
    },
  }
}

interface MachineLine extends TestLine {
  connect(events: LineEvents, options: LineOptions): Line
}

function createLine(): MachineLine {
  let events: LineEvents | undefined
  const line: MachineLine = {
    opened: 0,
    live: false,
    typed: '',
    breaks: 0,
    options: undefined,
    refuse: undefined,
    full: false,
    say: (text) => events?.data(Buffer.from(text)),
    lose(words = 'the machine fell silent') {
      const told = events
      events = undefined
      line.live = false
      told?.lost({ taken: false, error: new LeaseholdError('unavailable', words) })
    },
    drain() {
      line.full = false
      events?.drained()
    },
    connect(told, options) {
      if (line.refuse !== undefined) throw new LeaseholdError('invalid', line.refuse)
      events = told
      line.opened += 1
      line.live = true
      line.options = options
      told.activating()
      told.remember({ session: line.opened })
      return {
        write(bytes) {
          if (line.full) return false
          line.typed += bytes.toString('latin1')
          return true
        },
        queued: 0,
        sendBreak() {
          line.breaks += 1
        },
        async close() {
          if (events === told) {
            events = undefined
            line.live = false
          }
        },
      }
    },
  }
  return line
}

/** Someone at a WebSocket door. */
export interface TestWatcher {
  readonly bytes: Buffer
  readonly text: string
  readonly controls: Control[]
  /** Close code and reason, once closed. */
  readonly closed: { code: number; reason: string } | undefined
  /** Offset of the next byte, from what it was told. */
  readonly offset: number
  type(text: string | Buffer): void
  ask(request: object): void
  /** The last control of a kind. */
  last<T extends Control['type']>(type: T): Extract<Control, { type: T }> | undefined
  /** Reads no more, or again. */
  pause(): void
  resume(): void
  close(): Promise<void>
}

/** Comes in with a token (header) or a ticket (query); rejects with the status when it is not let in. */
export function watch(
  url: string,
  nodeUuid: string,
  options: {
    token?: string | undefined
    query?: Record<string, string>
    protocols?: string[]
    origin?: string
    path?: string
  } = {},
): Promise<TestWatcher> {
  const query = new URLSearchParams(options.query)
  const path = options.path ?? `/v1/nodes/${nodeUuid}/console`
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}${path}?${query}`,
    options.protocols ?? ['leasehold.console'],
    {
      headers: options.token === undefined ? {} : { 'x-auth-token': options.token },
      ...(options.origin === undefined ? {} : { origin: options.origin }),
    },
  )
  // Looked at every few milliseconds while megabytes come: grown, not put together anew each time.
  let store = Buffer.alloc(64 * 1024)
  let length = 0
  const bytes = () => store.subarray(0, length)
  const controls: Control[] = []
  let closed: { code: number; reason: string } | undefined
  let offset = 0
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) {
      const piece = data as Buffer
      if (length + piece.length > store.length) store = Buffer.concat([bytes()], 2 * (length + piece.length))
      piece.copy(store, length)
      length += piece.length
      offset += piece.length
      return
    }
    const control = JSON.parse(data.toString()) as Control
    if (control.type === 'hello') offset = control.offset
    if (control.type === 'gap') offset = control.to
    controls.push(control)
  })
  socket.on('close', (code, reason) => {
    closed = { code, reason: reason.toString() }
  })
  const watcher: TestWatcher = {
    get bytes() {
      return bytes()
    },
    get text() {
      return bytes().toString('latin1')
    },
    controls,
    get closed() {
      return closed
    },
    get offset() {
      return offset
    },
    type: (text) => socket.send(Buffer.from(text), { binary: true }),
    ask: (request) => socket.send(JSON.stringify(request)),
    last: (type) => controls.findLast((control) => control.type === type) as never,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () =>
      new Promise((resolve) => {
        if (socket.readyState === WebSocket.CLOSED) return resolve()
        socket.once('close', () => resolve())
        socket.close()
      }),
  }
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(watcher))
    socket.once('unexpected-response', (_request, response) => {
      reject(new Error(`HTTP ${response.statusCode}`))
      socket.terminate()
    })
    socket.once('error', reject)
  })
}

/** Waits until something holds. */
export async function until(holds: () => unknown, what = 'it', ms = 10_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come about in ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
