/** The service with nodes whose BMCs are a test's own, and watchers of their consoles. */
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestWatcher, until, watch } from '../../server/console/testing.ts'
import { type Ending, launch, postgresLeft, type Service } from '../../server/testing.ts'
import type { BmcLogin } from './programs.ts'

export { until } from '../../server/console/testing.ts'

export interface ConsoleService {
  readonly url: string
  readonly pid: number
  readonly data: string
  /** Its clouds.yaml. */
  readonly clouds: string
  /** A node of `owner`, leased to `lessee`, whose BMC this is, its console on. */
  node(bmc: BmcLogin, driverInfo?: Record<string, unknown>): Promise<string>
  /** A request to the API as one of the demonstration's callers; its answer's body. @throws Error unless it is well. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked into by tests, field by field
  ask(who: Who, method: string, path: string, body?: unknown): Promise<any>
  /** How the console of a node is. */
  show(node: string): Promise<{ state: string; since: string; health: string; reason: string | null }>
  /** Waits until the console is up, since this process of the service is. */
  up(node: string, withinMs?: number): Promise<void>
  watch(who: Who, node: string, query?: Record<string, string>): Promise<TestWatcher>
  /** Ends the service by a signal and starts it again on the same data and address. */
  restart(signal: NodeJS.Signals): Promise<void>
  end(): Promise<Ending>
}

export type Who = 'leasehold' | 'owner' | 'lessee' | 'stranger'

export async function startConsoles(
  settings: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<ConsoleService> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-real-console-'))
  const data = join(directory, 'data')
  const clouds = join(data, 'clouds.yaml')
  const tokens = new Map<Who, string>()
  let serial = 0
  let url = ''
  let service: Service
  let begun = 0

  const begin = async (listen: string) => {
    begun = Date.now()
    service = launch(['--demo', '--data', data, '--listen', listen, ...settings], { env })
    url = await service.listening()
  }
  const end = async () => {
    const ending = await service.end('SIGTERM')
    const left = await postgresLeft(data)
    await rm(directory, { recursive: true, force: true })
    if (ending.code !== 0 || left.length > 0)
      throw new Error(
        `The service ended with ${ending.code}, PostgreSQL left: ${left.join()}. ${ending.stderr}`,
      )
    return ending
  }
  const token = async (who: Who): Promise<string> => {
    const known = tokens.get(who)
    if (known !== undefined) return known
    const scope =
      who === 'leasehold' ? { system: { all: true } } : { project: { name: who, domain: { id: 'default' } } }
    const user = who === 'leasehold' ? 'admin' : who
    const password = passwordOf(await readFile(clouds, 'utf8'), who)
    const identity = {
      methods: ['password'],
      password: { user: { name: user, domain: { id: 'default' }, password } },
    }
    const answer = await fetch(`${url}/identity/v3/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth: { identity, scope } }),
    })
    const issued = answer.headers.get('x-subject-token')
    if (!issued) throw new Error(`no token for ${who}: ${answer.status} ${await answer.text()}`)
    tokens.set(who, issued)
    return issued
  }
  const ask: ConsoleService['ask'] = async (who, method, path, body) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        'x-auth-token': await token(who),
        'x-openstack-ironic-api-version': 'latest',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${who} ${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const show = (node: string) => ask('leasehold', 'GET', `/v1/nodes/${node}/console`)

  await begin('127.0.0.1:0')
  return {
    get url() {
      return url
    },
    get pid() {
      return service.pid
    },
    data,
    clouds,
    ask,
    show,
    async node(bmc, driverInfo = {}) {
      serial += 1
      const projects = (await ask('leasehold', 'GET', '/identity/v3/projects')).projects
      const project = (name: string) => projects.find((each: { name: string }) => each.name === name).id
      const { uuid } = await ask('leasehold', 'POST', '/v1/nodes', {
        name: `peer-${serial}`,
        driver: 'ipmi',
        owner: project('owner'),
        lessee: project('lessee'),
        driver_info: {
          ipmi_address: bmc.address ?? '127.0.0.1',
          ipmi_port: bmc.port,
          ipmi_username: bmc.username,
          ipmi_password: bmc.password,
          ...driverInfo,
        },
      })
      await ask('leasehold', 'PUT', `/v1/nodes/${uuid}/states/console`, { enabled: true })
      return uuid
    },
    async up(node, withinMs = 20_000) {
      const isUp = async () => {
        const { state, since } = await show(node)
        // For some seconds, what a killed process had said of its consoles is believed.
        return state === 'up' && Date.parse(since) >= begun
      }
      await until(isUp, 'the console', withinMs).catch(async (error) => {
        throw new Error(`${error.message}: ${JSON.stringify(await show(node))}`)
      })
    },
    watch: async (who, node, query = {}) => watch(url, node, { token: await token(who), query }),
    async restart(signal) {
      await service.end(signal)
      await postgresLeft(data)
      await begin(new URL(url).host)
    },
    end,
  }
}

/** What clouds.yaml has for a cloud. */
export function passwordOf(clouds: string, who: Who): string {
  const part = clouds.slice(clouds.indexOf(`\n  ${who}:`))
  return /^\s+password: "?([^"\n]+)"?$/m.exec(part)?.[1] ?? ''
}

/** A machine's end of a serial line over TCP, as ipmi_sim has it. */
export interface SerialMachine {
  readonly port: number
  /** What was typed. */
  readonly typed: Buffer
  readonly connected: boolean
  say(text: string | Buffer): void
  /** Says back what is typed, from now on. */
  echo(): void
  close(): Promise<void>
}

export async function serialMachine(): Promise<SerialMachine> {
  const parts: Buffer[] = []
  let line: Socket | undefined
  let echoes = false
  const server = createServer({ noDelay: true }, (socket) => {
    line = socket
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      parts.push(bytes)
      if (echoes) socket.write(bytes)
    })
    socket.on('close', () => {
      if (line === socket) line = undefined
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    get typed() {
      return Buffer.concat(parts)
    },
    get connected() {
      return line !== undefined
    },
    say: (text) => void line?.write(text),
    echo() {
      echoes = true
    },
    async close() {
      line?.destroy()
      server.close()
    },
  }
}
