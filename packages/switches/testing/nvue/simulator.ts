/** A simulated Cumulus switch: NVUE's REST API over HTTPS, with revisions that take a moment to be applied. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { selfSigned } from '../certificate.ts'
import type { Counts, Faults, Seen, SimulatedSwitch } from '../device.ts'
import { canonical, dirtyInterface, lay, type Node, objection, seenIn, type Tree } from './tree.ts'

export type CumulusOptions = {
  ports?: number
  username?: string
  password?: string
  /** How long a revision takes to be applied; 3. */
  applyMs?: number
}

export type Cumulus = SimulatedSwitch & {
  tree: () => Tree
  requests: string[]
  /** What the next revision ends as instead of `applied`: its state and its issue. */
  failApply: (state: string, message: string) => void
}

type Revision = {
  state: string
  transition: { issue: Record<string, unknown>; progress: string }
  tree: Tree
}
type Answer = { status: number; body: unknown }
type Box = {
  applied: Tree
  startup: Tree
  savedState: string
  revisions: Map<string, Revision>
  ports: readonly string[]
  faults: Faults
  counts: Counts
  applyMs: number
  failing: { state: string; message: string } | undefined
  observe: () => void
}

export async function startCumulus(options: CumulusOptions = {}): Promise<Cumulus> {
  const { ports: count = 24, username = 'leasehold', password = 'correct horse', applyMs = 3 } = options
  const ports = Array.from({ length: count }, (_, index) => `swp${index + 1}`)
  const uplink = ports.at(-1) as string
  const applied: Tree = {
    interface: {
      eth0: { type: 'eth' },
      peerlink: { type: 'bond', bond: { member: { [uplink]: {} } } },
    },
    bridge: { domain: { br_default: { vlan: { 1: {} } } } },
  }
  const observers: ((seen: Seen) => void)[] = []
  const last = new Map<string, string>()
  const box: Box = {
    applied,
    startup: structuredClone(applied),
    savedState: 'applied',
    revisions: new Map(),
    ports,
    faults: {},
    counts: { logins: 0, writes: 0, saves: 0 },
    applyMs,
    failing: undefined,
    observe: () => {
      for (const name of ports) {
        const seen = seenIn(box.applied, name)
        const text = JSON.stringify(seen)
        if (last.get(name) !== text) for (const observer of observers) observer(seen)
        last.set(name, text)
      }
    },
  }
  const requests: string[] = []
  const { faults, counts } = box
  const certificate = selfSigned()
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const known = new WeakSet<object>()
  const server = https.createServer(
    { cert: certificate.cert, key: certificate.key },
    async (request, response) => {
      const body = await bodyOf(request)
      if (request.headers.authorization !== basic)
        return response.writeHead(401).end('{"title":"Unauthorized"}')
      if (!known.has(request.socket)) {
        known.add(request.socket)
        counts.logins++
        await sleep(faults.loginDelayMs ?? 0)
      }
      const line = `${request.method} ${request.url} ${body}`
      requests.push(line)
      const said = { line, context: '' }
      if (faults.drop?.(said)) return request.socket.destroy()
      if (faults.hang?.(said)) return undefined
      const words = faults.refuse?.(said)
      const answer =
        words === undefined
          ? await answerTo(box, request.method ?? '', request.url ?? '', body, faults.ignore?.(said) ?? false)
          : { status: 400, body: { title: 'Bad Request', detail: words } }
      return response
        .writeHead(answer.status, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer.body))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  box.observe()
  return {
    tree: () => box.applied,
    requests,
    failApply: (state, message) => {
      box.failing = { state, message }
    },
    faults,
    counts,
    ports: ports.slice(0, -2),
    protectedPort: uplink,
    target: (overrides = {}) => ({
      driver: 'cumulus-nvue',
      address: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      username,
      password,
      trust: { certificates: [certificate.sha256] },
      ...overrides,
    }),
    config: () => canonical(box.applied),
    saved: () => canonical(box.startup),
    makeDirty: (port, dirt) => {
      for (const { bond } of Object.values(box.applied.interface)) delete bond?.member?.[port]
      const own = dirtyInterface(dirt)
      if (own === undefined) delete box.applied.interface[port]
      else box.applied.interface[port] = own
      box.observe()
    },
    isAbout: ({ line }, port) =>
      line.startsWith('PATCH /nvue_v1/interface') && line.includes(`{"${port}":{"bridge"`),
    onPortState: (observer) => {
      observers.push(observer)
    },
    seen: (port) => seenIn(box.applied, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function answerTo(
  box: Box,
  method: string,
  url: string,
  body: string,
  ignored: boolean,
): Promise<Answer> {
  const at = new URL(url, 'https://switch')
  const [, , resource, ...rest] = at.pathname.split('/').map(decodeURIComponent)
  if (resource === 'revision') return revisions(box, method, rest[0], body)
  const rev = at.searchParams.get('rev') ?? 'applied'
  const tree = rev === 'applied' || rev === 'operational' ? box.applied : box.revisions.get(rev)?.tree
  if (tree === undefined) return notFound(`There is no revision ${rev}`)
  const branch =
    resource === 'interface'
      ? tree.interface
      : resource === 'bridge' && rest[0] === 'domain'
        ? tree.bridge.domain
        : undefined
  if (branch === undefined) return notFound(`There is no ${at.pathname}`)
  if (method === 'PATCH') {
    if (tree === box.applied) return { status: 405, body: { title: 'Method Not Allowed' } }
    box.counts.writes++
    if (!ignored) lay(branch as unknown as Node, JSON.parse(body) as Node)
    return { status: 200, body: JSON.parse(body) }
  }
  if (rev !== 'operational' || resource !== 'interface') return { status: 200, body: branch }
  const all = Object.fromEntries(box.ports.map((name) => [name, { type: 'swp' }]))
  return { status: 200, body: { ...all, ...branch } }
}

async function revisions(box: Box, method: string, id: string | undefined, body: string): Promise<Answer> {
  if (id === undefined && method === 'GET')
    return {
      status: 200,
      body: Object.fromEntries([...box.revisions].map(([key, one]) => [key, shown(one)])),
    }
  if (id === undefined) {
    box.counts.writes++
    const fresh: Revision = {
      state: 'pending',
      transition: { issue: {}, progress: '' },
      tree: structuredClone(box.applied),
    }
    const key = `changeset/leasehold/${randomUUID()}`
    box.revisions.set(key, fresh)
    return { status: 201, body: { [key]: shown(fresh) } }
  }
  if (id === 'applied') return applied(box, method, body)
  const revision = box.revisions.get(id)
  if (revision === undefined) return notFound(`There is no revision ${id}`)
  if (method !== 'PATCH') return { status: 200, body: shown(revision) }
  if ((JSON.parse(body) as { state?: string }).state !== 'apply')
    return { status: 400, body: { title: 'Bad Request' } }
  if ([...box.revisions.values()].some(({ state }) => state === 'apply'))
    return { status: 409, body: { title: 'Conflict', detail: 'Another revision is being applied' } }
  box.counts.writes++
  revision.state = 'apply'
  setTimeout(() => finish(box, revision), box.applyMs)
  return { status: 200, body: shown(revision) }
}

function finish(box: Box, revision: Revision): void {
  const { failing } = box
  box.failing = undefined
  const why = failing?.message ?? objection(revision.tree, box.ports)
  if (why !== null) {
    revision.state = failing?.state ?? 'invalid'
    revision.transition = {
      issue: { 0: { code: 'config_invalid', data: {}, message: `${why}\n`, severity: 'error' } },
      progress: 'Invalid config',
    }
    return
  }
  revision.state = 'applied'
  box.applied = structuredClone(revision.tree)
  box.savedState = 'applied'
  box.observe()
}

async function applied(box: Box, method: string, body: string): Promise<Answer> {
  if (method === 'PATCH' && (JSON.parse(body) as { state?: string }).state === 'save') {
    await sleep(box.faults.saveDelayMs ?? 0)
    box.savedState = box.faults.failSave ? 'save_fail' : 'saved'
    if (!box.faults.failSave) {
      box.startup = structuredClone(box.applied)
      box.counts.saves++
    }
  }
  return { status: 200, body: { state: box.savedState, transition: { issue: {}, progress: '' } } }
}

function shown({ state, transition }: Revision): unknown {
  return { state, transition }
}
function notFound(detail: string): Answer {
  return { status: 404, body: { title: 'Not Found', detail } }
}
