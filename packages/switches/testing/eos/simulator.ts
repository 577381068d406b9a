/** A simulated Arista switch: eAPI over HTTPS, with configuration sessions, trials that run out, and its error objects. */
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { selfSigned } from '../certificate.ts'
import { type Answer, type Box, createBox, faceOf, runLine, type User } from '../cli/box.ts'
import type { Config } from '../cli/engine.ts'
import type { SimulatedSwitch } from '../device.ts'
import { eosVendor } from './vendor.ts'

export type AristaOptions = {
  ports?: number
  username?: string
  password?: string
  /** How long an hour of a commit timer takes; 3,600,000. */
  hourMs?: number
}

export type Arista = SimulatedSwitch & {
  box: Box
  lines: string[]
  /** Names of configuration sessions that are open or on trial. */
  sessions: () => string[]
  /** Confirms what is on trial, as if the line had come. */
  confirm: () => void
}

type Trial = { session: string; before: Config; timer: NodeJS.Timeout }
type Sessions = { open: Map<string, Config>; trial: Trial | undefined; hourMs: number }

export async function startArista(options: AristaOptions = {}): Promise<Arista> {
  const { ports = 50, username = 'leasehold', password = 'correct horse', hourMs = 3_600_000 } = options
  const box = createBox(eosVendor, ports)
  const sessions: Sessions = { open: new Map(), trial: undefined, hourMs }
  const certificate = selfSigned()
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const known = new WeakSet<object>()
  const server = https.createServer(
    { cert: certificate.cert, key: certificate.key },
    async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      if (request.headers.authorization !== basic)
        return response.writeHead(401).end('Unable to authenticate user')
      if (!known.has(request.socket)) {
        known.add(request.socket)
        box.counts.logins++
        await sleep(box.faults.loginDelayMs ?? 0)
      }
      const call = JSON.parse(Buffer.concat(chunks).toString()) as Call
      const answer = await runCommands(box, sessions, call)
      if (answer === null) return request.socket.destroy()
      if (answer === undefined) return undefined
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    ...faceOf(box, ports),
    sessions: () => [...sessions.open.keys(), ...(sessions.trial ? [sessions.trial.session] : [])],
    confirm: () => {
      clearTimeout(sessions.trial?.timer)
      sessions.trial = undefined
    },
    target: (overrides = {}) => ({
      driver: 'arista-eos-eapi',
      address: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      username,
      password,
      trust: { certificates: [certificate.sha256] },
      ...overrides,
    }),
    close: () =>
      new Promise<void>((resolve) => {
        clearTimeout(sessions.trial?.timer)
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Call = { id: unknown; method: string; params: { cmds: string[]; format: string; version: number } }

async function runCommands(box: Box, sessions: Sessions, { id, params }: Call): Promise<unknown> {
  const user: EosUser = { place: null, session: undefined, enabled: false }
  const results: unknown[] = []
  for (const [index, line] of params.cmds.entries()) {
    const answer = await run(box, sessions, user, line)
    if (answer === null || answer === undefined) return answer
    if (answer.failed) {
      const code = /^Invalid input|does not exist/.test(answer.text) ? 1002 : 1000
      const what = code === 1002 ? 'invalid command' : 'could not run command'
      const message = `CLI command ${index + 1} of ${params.cmds.length} '${line}' failed: ${what}`
      const data = [...results, { errors: [answer.text] }]
      return { jsonrpc: '2.0', id, error: { code, message, data } }
    }
    if (params.format === 'text') results.push({ output: `${answer.text}\n` })
    else results.push(answer.json ?? (answer.text === '' ? {} : { messages: answer.text.split('\n') }))
  }
  return { jsonrpc: '2.0', id, result: results }
}

type EosUser = User & { session: string | undefined; enabled: boolean }

async function run(
  box: Box,
  sessions: Sessions,
  user: EosUser,
  line: string,
): Promise<Answer | null | undefined> {
  if (line === 'enable') {
    user.enabled = true
    return { text: '' }
  }
  if (!user.enabled) return { text: '% Invalid input (privileged mode required)', failed: true }
  const special = /^(?:configure session (\S+)(?: (commit|abort))?|commit(?: timer (\S+))?|abort)$/.exec(line)
  if (special === null) {
    const answer = await runLine(box, user, line)
    const asked = user.place === null && line === 'show configuration sessions detail'
    return answer && asked ? { text: '', json: sessionTable(sessions) } : answer
  }
  const place = user.place
  user.place = { kind: 'global' }
  // Through the same door as other lines, so that faults strike here too; what it does is done here.
  const { refuse, drop, hang } = box.faults
  box.lines.push(line)
  const said = { line, context: '' }
  if (drop?.(said)) return null
  if (hang?.(said)) return undefined
  const words = refuse?.(said)
  if (words !== undefined) return { text: words, failed: true }
  box.counts.writes++
  const [, name, verb, timer] = special
  if (name !== undefined && verb === undefined) return enter(box, sessions, user, name)
  user.place = name === undefined ? null : place
  const session = name ?? user.session
  if (session === undefined) return { text: '% Not currently in configuration session', failed: true }
  if (verb === 'abort' || line === 'abort') return abort(box, sessions, session)
  return commit(box, sessions, session, timer)
}

function sessionTable({ open, trial }: Sessions): unknown {
  const rows = [...open.keys()].map((name) => [name, { state: 'pending', instances: {} }])
  if (trial) rows.push([trial.session, { state: 'pendingCommitTimer', instances: {} }])
  return { maxSavedSessions: 1, maxOpenSessions: 5, sessions: Object.fromEntries(rows) }
}

function enter(box: Box, sessions: Sessions, user: EosUser, name: string): Answer {
  if (sessions.trial?.session === name)
    return { text: `% Session ${name} is pending commit timer`, failed: true }
  if (!sessions.open.has(name)) {
    if (sessions.open.size >= 5)
      return { text: '% Maximum number of pending sessions has been reached', failed: true }
    sessions.open.set(name, structuredClone(box.running))
  }
  user.session = name
  user.candidate = sessions.open.get(name) as Config
  return { text: '' }
}

function abort(box: Box, sessions: Sessions, name: string): Answer {
  if (sessions.trial?.session === name) {
    revert(box, sessions)
    return { text: '' }
  }
  return sessions.open.delete(name)
    ? { text: '' }
    : { text: `% Session ${name} does not exist`, failed: true }
}

function commit(box: Box, sessions: Sessions, name: string, timer: string | undefined): Answer {
  if (sessions.trial?.session === name && timer === undefined) {
    clearTimeout(sessions.trial.timer)
    sessions.trial = undefined
    return { text: '' }
  }
  if (sessions.trial !== undefined) return { text: '% Another session is pending commit timer', failed: true }
  const candidate = sessions.open.get(name)
  if (candidate === undefined) return { text: `% Session ${name} does not exist`, failed: true }
  sessions.open.delete(name)
  const before = box.running
  box.running = candidate
  box.observe()
  if (timer === undefined) return { text: '' }
  const [hours = 0, minutes = 0, seconds = 0] = timer.split(':').map(Number)
  const ms = (hours + minutes / 60 + seconds / 3600) * sessions.hourMs
  sessions.trial = { session: name, before, timer: setTimeout(() => revert(box, sessions), ms) }
  return { text: '' }
}

function revert(box: Box, sessions: Sessions): void {
  const { trial } = sessions
  if (trial === undefined) return
  clearTimeout(trial.timer)
  sessions.trial = undefined
  box.running = trial.before
  box.observe()
}
