/** The life of the service as its user sees it: a process, its options, its signals, its data. Needs Linux's /proc. */
import { spawnSync } from 'node:child_process'
import { chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { defaultConfig } from './config.ts'
import { endLaunched, type LaunchOptions, launch, postgresLeft, repository, type Service } from './testing.ts'

const nobody = 65_534
const stopLimitMs = 3_000

let directory: string
let data: string
const sockets: Socket[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-main-'))
  data = join(directory, 'data')
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await endLaunched()
  const left = await postgresLeft(data)
  await rm(directory, { recursive: true, force: true })
  expect(left, 'PostgreSQL servers left behind').toEqual([])
})

const start = (args: readonly string[] = [], options: LaunchOptions = {}): Service =>
  launch(['--data', data, '--listen', '127.0.0.1:0', '--log-level', 'warn', ...args], options)

/** Starts it with arguments that it cannot start with. */
const failing = async (args: readonly string[], options: LaunchOptions = {}) => {
  const { code, stderr, stdout } = await launch(args, options).ended
  expect(stdout).not.toContain('listens on')
  return { code, stderr }
}

/** A token by what clouds.yaml says of a cloud, as a client takes it from there. */
async function login(cloud = 'leasehold'): Promise<{ url: string; token: string }> {
  const { auth } = parse(await readFile(join(data, 'clouds.yaml'), 'utf8')).clouds[cloud]
  const scope = auth.system_scope
    ? { system: { all: true } }
    : { project: { name: auth.project_name, domain: { name: auth.project_domain_name } } }
  const user = { name: auth.username, domain: { name: auth.user_domain_name }, password: auth.password }
  const response = await fetch(`${auth.auth_url}/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user } }, scope } }),
  })
  expect(response.status).toBe(201)
  return { url: auth.auth_url.replace('/identity', ''), token: response.headers.get('x-subject-token') ?? '' }
}

// biome-ignore lint/suspicious/noExplicitAny: answers, read by the tests only
async function ask(url: string, token: string, path: string, method = 'GET', body?: unknown): Promise<any> {
  const response = await fetch(url + path, {
    method,
    headers: {
      'X-Auth-Token': token,
      'X-OpenStack-Ironic-API-Version': '1.80',
      'Content-Type': 'application/json',
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const answer = await response.json()
  expect(response.status, JSON.stringify(answer)).toBeLessThan(300)
  return answer
}

const nodeNames = async (url: string, token: string): Promise<string[]> =>
  (await ask(url, token, '/v1/nodes')).nodes.map((node: { name: string }) => node.name)

describe('an end', () => {
  /** Clients in every state: one idle after an answer, one silent, one half-way through its request. */
  async function clients(url: string): Promise<void> {
    const { hostname, port } = new URL(url)
    for (const words of [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      '',
      'POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"auth":',
    ]) {
      const socket = connect(Number(port), hostname).on('error', () => {})
      sockets.push(socket)
      await new Promise((done) => socket.write(words || ' ', done))
    }
    await sleep(100)
  }

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s is clean and quick with clients connected',
    async (signal) => {
      const service = start(['--demo'])
      await clients(await service.listening())
      const { code, stderr, tookMs } = await service.end(signal)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(tookMs).toBeLessThan(stopLimitMs)
      expect(await postgresLeft(data, 500)).toEqual([])
    },
  )

  test.each(['SIGTERM', 'SIGINT'] as const)('by %s to npm reaches the service', async (signal) => {
    const service = start([], { command: ['npm', 'start', '--silent', '--'] })
    const url = await service.listening()
    const { code, tookMs } = await service.end(signal)
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(stopLimitMs + 500)
    await expect(fetch(url)).rejects.toThrow()
  })

  test('by Ctrl-C in a terminal, which npm and the service both get, is clean', async () => {
    const service = start([], { command: ['npm', 'start', '--silent', '--'] })
    await service.listening()
    process.kill(-service.pid, 'SIGINT')
    const { code, stderr } = await service.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('while it still starts is clean too, and the next start goes on from there', async () => {
    for (const momentMs of [500, 1_000, 1_500, 2_000]) {
      const service = start(['--demo'])
      await sleep(momentMs)
      const { code, signal, stderr, tookMs } = await service.end('SIGTERM')
      // Before its modules are loaded Node.js itself obeys the signal.
      expect([0, 'SIGTERM'], `${momentMs} ms`).toContain(code ?? signal)
      expect(stderr).toBe('')
      expect(tookMs).toBeLessThan(stopLimitMs)
      expect(await postgresLeft(data)).toEqual([])
    }
    await start(['--demo']).listening()
    const { url, token } = await login()
    expect(await nodeNames(url, token)).toHaveLength(12)
  })
})

describe('a kill', () => {
  test('loses nothing: nodes, tokens and passwords are there at the next start', async () => {
    const first = start()
    const { port } = new URL(await first.listening())
    const before = await login()
    await ask(before.url, before.token, '/v1/nodes', 'POST', { name: 'kept', driver: 'fake-hardware' })
    await first.end('SIGKILL')

    // At once: PostgreSQL of the killed process may still be ending.
    await start(['--listen', `127.0.0.1:${port}`]).listening()
    expect(await nodeNames(before.url, before.token)).toEqual(['kept'])
    expect(await nodeNames((await login()).url, (await login()).token)).toEqual(['kept'])
  })

  test('takes PostgreSQL along', async () => {
    const service = start()
    await service.listening()
    await service.end('SIGKILL')
    expect(await postgresLeft(data)).toEqual([])
  })

  test.each([1, 2, 3, 4])(
    'at any moment of the first start leaves what the next start makes whole (%i of 4)',
    async (round) => {
      const moments = [0, 1, 2].map((third) => ((third + Math.random()) * 2_000) / 3)
      const about = `killed after ${moments.map(Math.round).join(', ')} ms`
      // Shuffled by turns: what is killed late has mostly not been started before.
      for (const momentMs of [...moments.slice(round % 3), ...moments.slice(0, round % 3)]) {
        const killed = start(['--demo'])
        await sleep(momentMs)
        await killed.end('SIGKILL')
      }
      await start(['--demo']).listening()
      const admin = await login()
      expect(await nodeNames(admin.url, admin.token), about).toHaveLength(12)
      const lessee = await login('lessee')
      expect(await nodeNames(lessee.url, lessee.token), about).toHaveLength(2)
    },
    90_000,
  )
})

describe('a second start', () => {
  test('on the same data says so and goes, and the first one goes on', async () => {
    const first = start()
    await first.listening()
    const { url, token } = await login()
    const { code, stderr } = await start().ended
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `leasehold: Another Leasehold is running on ${data}/postgres\n`,
    })
    expect(await nodeNames(url, token)).toEqual([])
  })

  test('with --demo changes nothing', async () => {
    const everything = async () => {
      const { url, token } = await login()
      return {
        nodes: (await ask(url, token, '/v1/nodes/detail')).nodes.map((node: Record<string, unknown>) => ({
          ...node,
          links: null,
          ports: null,
          portgroups: null,
          states: null,
          volume: null,
          // Read from the machines at every start.
          updated_at: null,
          power_state: null,
        })),
        ports: (await ask(url, token, '/v1/ports')).ports.map(({ uuid }: { uuid: string }) => uuid),
        projects: (await ask(url, token, '/identity/v3/projects')).projects.map(
          ({ id }: { id: string }) => id,
        ),
        users: (await ask(url, token, '/identity/v3/users')).users.map(({ id }: { id: string }) => id),
        passwords: (await readFile(join(data, 'clouds.yaml'), 'utf8')).match(/password: .*/g),
      }
    }
    const first = start(['--demo'])
    await first.listening()
    const before = await everything()
    await first.end('SIGTERM')
    await start(['--demo']).listening()
    expect(await everything()).toEqual(before)
    expect(before.nodes).toHaveLength(12)
  })
})

describe('options', () => {
  test('are all in --help, which exits with 0 and starts nothing', async () => {
    const { code, stdout } = await launch(['--help', '--data', data]).ended
    expect(code).toBe(0)
    for (const name of Object.keys(defaultConfig()))
      expect(stdout).toMatch(new RegExp(`^  --${name.replace(/[._]/g, '-')}( |$)`, 'm'))
    await expect(stat(data)).rejects.toThrow('ENOENT')
  })

  test.each([
    [['--lissten', 'x'], {}, '--lissten: no such option (did you mean --listen?)'],
    [['--listen', 'everywhere'], {}, '--listen: must be HOST:PORT'],
    [[], { LEASEHOLD_LISTEN: 'x' }, 'LEASEHOLD_LISTEN: must be HOST:PORT'],
    [[], { LEASEHOLD_NO_SUCH: 'x' }, 'LEASEHOLD_NO_SUCH: no such option'],
    [['--config', '/no/such/file'], {}, '/no/such/file'],
    [['--auth-strategy', 'none', '--listen', '0.0.0.0:0'], {}, '--auth-strategy none'],
  ])('that are wrong are named, with exit code 2: %j %j', async (args, env, words) => {
    const { code, stderr } = await failing(args, { env })
    expect(stderr).toMatch(/^leasehold: [^\n]+\n$/)
    expect(stderr).toContain(words)
    expect(code).toBe(2)
  })

  test('come from flag, environment and file, in this order', async () => {
    const file = join(directory, 'leasehold.yaml')
    await writeFile(file, `data: ${join(directory, 'wrong')}\nlisten: 127.0.0.1:1\nlog:\n  level: warn\n`)
    const service = launch(['--listen', '127.0.0.1:0', '--config', file], {
      env: { LEASEHOLD_LISTEN: '127.0.0.1:2', LEASEHOLD_DATA: data },
    })
    expect(new URL(await service.listening()).port).not.toMatch(/^[12]?$/)
    expect((await stat(join(data, 'clouds.yaml'))).isFile()).toBe(true)
    await expect(stat(join(directory, 'wrong'))).rejects.toThrow('ENOENT')
    // At level warn an ordinary start and end say nothing more.
    expect((await service.end('SIGTERM')).stdout).not.toContain('{')
  })

  test('a bad policy file is named with the rule, and exit code 2', async () => {
    const file = join(directory, 'policy.yaml')
    await writeFile(file, '"baremetal:node:no_such_rule": "role:reader"\n')
    const { code, stderr } = await failing(['--data', data, '--listen', '127.0.0.1:0', '--policy-file', file])
    expect(stderr).toMatch(/^leasehold: [^\n]*policy\.yaml[^\n]*baremetal:node:no_such_rule/)
    expect(code).toBe(2)
  })
})

describe('what it cannot start with', () => {
  let other: Server | undefined
  afterEach(() => void other?.close())

  test('a port in use is named, with the remedy', async () => {
    other = createServer().listen(0, '127.0.0.1')
    await new Promise((done) => other?.once('listening', done))
    const { port } = other.address() as { port: number }
    const { code, stderr } = await failing(['--data', data, '--listen', `127.0.0.1:${port}`])
    expect(stderr).toMatch(
      new RegExp(`^leasehold: --listen 127\\.0\\.0\\.1:${port}: [^\\n]*in use[^\\n]*\\n$`),
    )
    expect(code).toBe(1)
  })

  test.each([
    [
      'an address of another machine',
      (): string[] => ['--data', data, '--listen', '192.0.2.1:6385'],
      '192.0.2.1:6385',
      '--listen',
    ],
    [
      'a data directory that is a file',
      (): string[] => ['--data', join(repository, 'package.json')],
      'package.json',
      '--data',
    ],
    [
      'a database that is not there',
      (): string[] => [
        '--data',
        data,
        '--database-url',
        'postgresql://127.0.0.1:1/none',
        '--listen',
        '127.0.0.1:0',
      ],
      '127.0.0.1:1',
      '--database-url',
    ],
  ])('%s is named in one line, with the option', async (_, args, what, option) => {
    const { code, stderr } = await failing(args())
    expect(stderr).toMatch(/^leasehold: [^\n]+\n$/)
    expect(stderr).toContain(what)
    expect(stderr).toContain(option)
    expect(code).toBe(1)
  })
})

describe('files', () => {
  test('with secrets are for their owner only', async () => {
    await start().listening()
    expect((await stat(join(data, 'clouds.yaml'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(data, 'postgres.password'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(data, 'postgres', 'cluster'))).mode & 0o777).toBe(0o700)
  })
})

describe('an ordinary user', () => {
  test('starts it, and everything it makes is theirs', async () => {
    const options: LaunchOptions = process.getuid?.() === 0 ? { uid: nobody, ...(await reachable()) } : {}
    await mkdir(data)
    if (options.uid) for (const dir of [directory, data]) await chown(dir, nobody, nobody)
    const service = start(['--demo'], { ...options, env: { HOME: directory } })
    await service.listening()
    const { url, token } = await login('lessee')
    expect(await nodeNames(url, token)).toHaveLength(2)
    const uid = options.uid ?? process.getuid?.()
    for (const made of ['clouds.yaml', 'lab.json', 'postgres/cluster'])
      expect((await stat(join(data, made))).uid, made).toBe(uid)
    const [postgres] = await postgresPids()
    expect((await stat(`/proc/${postgres}`)).uid).toBe(uid)
    expect((await service.end('SIGTERM')).code).toBe(0)
  })

  const postgresPids = () => postgresLeft(data, 0)

  /** The program where another user may read it: a copy, when the repository is below a closed directory. */
  async function reachable(): Promise<LaunchOptions> {
    const readable =
      spawnSync(process.execPath, ['--version'], { uid: nobody, gid: nobody, cwd: '/' }).status === 0
    const open = await isOpen(join(repository, 'server'))
    if (readable && open) return { cwd: '/' }
    const copy = join(directory, 'program')
    for (const part of ['server', 'packages', 'node_modules', 'package.json'])
      await cp(join(repository, part), join(copy, part), { recursive: true, verbatimSymlinks: true })
    return { cwd: copy, command: [join(copy, 'node_modules/.bin/node'), join(copy, 'server/main.ts')] }
  }

  async function isOpen(path: string): Promise<boolean> {
    for (let dir = path; dir !== dirname(dir); dir = dirname(dir))
      if (((await stat(dir)).mode & 0o005) !== 0o005) return false
    return true
  }
})
