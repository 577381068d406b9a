/** Consoles with OpenSSH's own client, and with `leasehold console` on a real terminal; the machines are the lab's. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { parse } from 'yaml'
import { type Lab, startLab } from '../../server/lab/index.ts'
import { repository } from '../../server/testing.ts'
import { type DemoService, startService } from './service.ts'

const execute = promisify(execFile)
const allBytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
const [mine, theirs] = ['serial-1', 'serial-2']

let service: DemoService
let ended = false
let lab: Lab
let directory: string
let sshPort: number
let token: string
let keyFile: string
/** What was typed at our machine, and how often a break came. */
let typed: Buffer[]
let breaks = 0
const children: ChildProcess[] = []
const sockets: WebSocket[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-ssh-'))
  sshPort = await freePort()
  service = await startService(['--console-ssh-listen', `127.0.0.1:${sshPort}`])
  lab = await startLab({ count: 2, namePrefix: 'serial', serial: 'quiet' })
  const admin = await login('leasehold', { system: { all: true } })
  token = await login('lessee', projectScope('lessee'))
  const projects = (await call(admin, 'GET', '/identity/v3/projects')).projects as {
    id: string
    name: string
  }[]
  const project = (name: string) => projects.find((each) => each.name === name)?.id
  for (const [index, name] of [mine, theirs].entries()) {
    const machine = lab.machines[index] as Lab['machines'][number]
    machine.pressPower('on')
    await call(admin, 'POST', '/v1/nodes', {
      name,
      driver: 'ipmi',
      owner: project('owner'),
      lessee: index === 0 ? project('lessee') : null,
      driver_info: {
        ipmi_address: machine.address,
        ipmi_port: machine.port,
        ipmi_username: machine.username,
        ipmi_password: machine.password,
      },
    })
    await call(admin, 'PUT', `/v1/nodes/${name}/console`, { enabled: true })
  }
  serial().onInput((bytes) => typed.push(Buffer.from(bytes)))
  serial().onBreak(() => breaks++)
  keyFile = join(directory, 'id')
  await addKey()
  await until(async () => (await call(token, 'GET', `/v1/nodes/${mine}/console`)).state === 'up')
})
afterAll(async () => {
  if (!ended) await service?.end()
  await lab?.close()
  await rm(directory, { recursive: true, force: true })
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const socket of sockets.splice(0)) socket.terminate()
  if (!ended) await until(async () => (await watchers()).length === 0)
})

const serial = () => (lab.machines[0] as Lab['machines'][number]).serial
const projectScope = (name: string) => ({ project: { name, domain: { name: 'Default' } } })

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  await new Promise((done) => server.close(done))
  return port
}

async function until(holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`does not come true: ${holds}`)
    await wait(20)
  }
}

async function login(cloud: string, scope: object): Promise<string> {
  const { auth } = parse(await readFile(service.clouds, 'utf8')).clouds[cloud]
  const user = { name: auth.username, domain: { name: 'Default' }, password: auth.password }
  const answer = await fetch(`${service.url}/identity/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user } }, scope } }),
  })
  return answer.headers.get('x-subject-token') as string
}

// biome-ignore lint/suspicious/noExplicitAny: an answer, looked into field by field
async function call(as: string, method: string, path: string, body?: object): Promise<any> {
  const answer = await fetch(service.url + path, {
    method,
    headers: {
      'x-auth-token': as,
      'x-openstack-ironic-api-version': 'latest',
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
const watchers = async (): Promise<{ mode: string; door: string }[]> =>
  (await call(token, 'GET', `/v1/nodes/${mine}/console`)).watchers

/** A new key, in place of the one there was. */
async function addKey(): Promise<string> {
  await rm(keyFile, { force: true })
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile])
  const publicKey = await readFile(`${keyFile}.pub`, 'utf8')
  const { id } = await call(token, 'POST', '/v1/console_keys', { name: 'test', public_key: publicKey })
  return id
}

interface Run {
  child: ChildProcess
  out(): Buffer
  err(): string
  status: Promise<number | string | null>
  type(bytes: string | Buffer): void
}

function start(command: string, words: readonly string[], env: Record<string, string> = {}): Run {
  typed = []
  breaks = 0
  const child = spawn(command, words, {
    env: { PATH: process.env.PATH, HOME: directory, ...env },
    stdio: 'pipe',
  })
  children.push(child)
  const out: Buffer[] = []
  let err = ''
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes
  })
  return {
    child,
    out: () => Buffer.concat(out),
    err: () => err,
    status: new Promise((done) => child.on('close', (code, signal) => done(code ?? signal))),
    type: (bytes) => void child.stdin.write(bytes),
  }
}

const sshWords = (node: string, flags: readonly string[], options: readonly string[]): string[] => [
  ...['-p', String(sshPort), '-o', 'StrictHostKeyChecking=accept-new', '-o', 'LogLevel=ERROR'],
  ...['-o', `UserKnownHostsFile=${join(directory, 'known_hosts')}`],
  ...flags,
  `${node}@127.0.0.1`,
  ...(options.length > 0 ? ['--', ...options] : []),
]
const withKey = () => ['-i', keyFile, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes']
const ssh = (options: readonly string[] = [], flags: readonly string[] = [], node = mine): Run =>
  start('ssh', sshWords(node, [...withKey(), ...flags], options))

/** A program on a terminal of its own. */
function onTerminal(command: readonly string[], env: Record<string, string> = {}) {
  const run = start('python3', [join(import.meta.dirname, 'on-terminal.py'), ...command], env)
  const order = (what: object) => void run.child.stdin?.write(`${JSON.stringify(what)}\n`)
  return {
    ...run,
    type: (bytes: string | Buffer) => order({ type: Buffer.from(bytes).toString('base64') }),
    resize: (rows: number, columns: number) => order({ size: [rows, columns] }),
    signal: (number: number) => order({ signal: number }),
  }
}

/** Rows and columns of whatever terminals are told of, as another watcher hears it. */
async function watchSizes(): Promise<unknown[]> {
  const sizes: unknown[] = []
  const url = `${service.url.replace('http', 'ws')}/v1/nodes/${mine}/console?mode=read`
  const socket = new WebSocket(url, 'leasehold.console', { headers: { 'x-auth-token': token } })
  socket.on('message', (data, isBinary) => {
    const message = isBinary ? {} : JSON.parse(String(data))
    if (message.type === 'resize') sizes.push([message.rows, message.columns])
  })
  sockets.push(socket)
  await once(socket, 'open')
  return sizes
}

const isIn = (run: Run) => until(() => /line up/.test(run.err() + run.out().toString('latin1')))
const typedText = () => Buffer.concat(typed)

describe('ssh', () => {
  it.each([
    ['without a terminal', ['-T'], []],
    ['with one', ['-tt', '-e', 'none'], ['--take']],
  ])('passes all 256 bytes both ways, %s', async (_, flags, options) => {
    const run = ssh(['--no-scrollback', ...options], flags)
    await isIn(run)
    run.type(allBytes)
    await until(() => typedText().length >= 256)
    expect(typedText()).toEqual(allBytes)
    serial().write(allBytes)
    await until(() => run.out().length >= 256)
    expect(run.out()).toEqual(allBytes)
  })

  it('pipes a file in, shows what comes of it, and leaves', async () => {
    const run = ssh(['--no-scrollback', '--linger', '1'])
    await isIn(run)
    run.child.stdin?.end('reboot\r')
    await until(() => typedText().toString() === 'reboot\r')
    serial().write('going down')
    expect(await run.status).toBe(0)
    expect(run.out().toString()).toBe('going down')
  })

  it('shows the past first, or from an offset on', async () => {
    serial().write('a mark in the past.')
    await until(async () => (await call(token, 'GET', `/v1/nodes/${mine}/console`)).journal !== null)
    const whole = ssh(['--read-only'], ['-n'])
    await until(() => whole.out().includes('a mark in the past.'))
    const some = ssh(['--read-only', '--scrollback', '5'], ['-n'])
    await until(() => some.out().length > 0)
    expect(some.out().toString()).toBe('past.')
    const from = ssh(['--read-only', '--offset', String(whole.out().length - 4)], ['-n'])
    await isIn(from)
  })

  it('sends a break for ~B, and leaves for ~.', async () => {
    const run = onTerminal(['ssh', ...sshWords(mine, [...withKey(), '-t'], [])])
    await isIn(run)
    run.type('\r')
    await until(() => typedText().toString() === '\r')
    run.type('~B')
    await until(() => breaks === 1)
    run.type('~.')
    expect(await run.status).toBe(255)
    expect(run.err()).toContain('terminal as before')
  })

  it('tells the size of its window, and each change', async () => {
    const sizes = await watchSizes()
    const run = onTerminal(['ssh', ...sshWords(mine, [...withKey(), '-t'], [])])
    await until(() => sizes.length === 1)
    run.resize(33, 77)
    await until(() => sizes.length === 2)
    expect(sizes).toEqual([
      [40, 100],
      [33, 77],
    ])
  })

  it('only looks on when told so', async () => {
    const run = ssh(['--read-only', '--no-scrollback'])
    await isIn(run)
    run.type('rm -rf /\r')
    serial().write('seen')
    await until(() => run.out().toString() === 'seen')
    expect(run.err()).toContain('read only')
    expect(typedText()).toHaveLength(0)
  })

  it('comes in with a token as password, and not with another', async () => {
    const ask = join(directory, 'ask')
    const withSecret = async (secret: string) => {
      await writeFile(ask, `#!/bin/sh\necho '${secret}'\n`)
      await chmod(ask, 0o700)
      const flags = ['-o', 'PubkeyAuthentication=no', '-o', 'NumberOfPasswordPrompts=1', '-n']
      const env = { SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'x' }
      return start('ssh', sshWords(mine, flags, ['--read-only']), env)
    }
    const good = await withSecret(token)
    await isIn(good)
    const bad = await withSecret(`${token}x`)
    expect(await bad.status).toBe(255)
    expect(bad.err()).toMatch(/Permission denied/)
  })

  it('comes in with an application credential as password', async () => {
    const { user } = await sessionOf(token)
    const { application_credential: made } = await call(
      token,
      'POST',
      `/identity/v3/users/${user.id}/application_credentials`,
      { application_credential: { name: `ssh-${Date.now()}` } },
    )
    const ask = join(directory, 'ask-credential')
    await writeFile(ask, `#!/bin/sh\necho '${made.id}:${made.secret}'\n`)
    await chmod(ask, 0o700)
    const flags = ['-o', 'PubkeyAuthentication=no', '-n']
    const env = { SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'x' }
    await isIn(start('ssh', sshWords(mine, flags, ['--read-only']), env))
  })

  it('is told the same of another tenant’s node as of none', async () => {
    const ends = []
    for (const node of [theirs, 'absent-1']) {
      const run = ssh([], ['-n'], node)
      ends.push([await run.status, run.err().replaceAll(node, 'NODE'), run.out().length])
    }
    expect(ends[0]).toEqual([3, 'leasehold: Node NODE could not be found.\n', 0])
    expect(ends[1]).toEqual(ends[0])
  })

  it('knows the host by the key that the service keeps', async () => {
    const path = join(service.data, 'ssh_host_key')
    const [kept, met] = await Promise.all([
      execute('ssh-keygen', ['-l', '-f', path]),
      execute('ssh-keygen', ['-l', '-F', `[127.0.0.1]:${sshPort}`, '-f', join(directory, 'known_hosts')]),
    ])
    const fingerprint = /SHA256:\S+/.exec(kept.stdout)?.[0] as string
    expect(kept.stdout).toMatch(/leasehold \(ED25519\)/)
    expect(met.stdout).toContain(fingerprint)
  })

  it('refuses commands, files and tunnels', async () => {
    const command = ssh(['uname', '-a'], ['-n'])
    expect(await command.status).toBe(2)
    const subsystem = start('ssh', sshWords(mine, [...withKey(), '-s'], []).concat('sftp'))
    expect(await subsystem.status).not.toBe(0)
    const tunnel = ssh([], ['-n', '-N', '-R', '0:127.0.0.1:22', '-o', 'ExitOnForwardFailure=yes'])
    expect(await tunnel.status).toBe(255)
  })

  it('of two both see all, one types, and the keyboard changes hands', async () => {
    const first = ssh(['--no-scrollback'])
    await isIn(first)
    const second = ssh(['--no-scrollback'])
    await isIn(second)
    expect(second.err()).toContain('you only read for now')
    await until(() => /lessee came/.test(first.err()))
    serial().write('for both')
    await until(() => first.out().toString() === 'for both' && second.out().toString() === 'for both')
    const third = ssh(['--no-scrollback', '--take'])
    await isIn(third)
    await until(() => /you only read now: lessee has taken the keyboard/.test(first.err()))
    third.type('mine')
    await until(() => typedText().toString() === 'mine')
    expect((await watchers()).map(({ mode, door }) => `${mode} ${door}`).sort()).toEqual([
      'read ssh',
      'read ssh',
      'write ssh',
    ])
  })

  it('killed without a word leaves nothing behind', async () => {
    const runs = [ssh(), ssh(['--read-only']), ssh(['--read-only'])]
    await until(async () => (await watchers()).length === 3)
    for (const { child } of runs) child.kill('SIGKILL')
    await until(async () => (await watchers()).length === 0, 5_000)
  })

  it('is cut within two seconds when its key is deleted, and told why', async () => {
    const spare = keyFile
    keyFile = join(directory, 'id2')
    const id = await addKey()
    const run = ssh(['--read-only'], ['-n'])
    await isIn(run)
    const began = performance.now()
    await call(token, 'DELETE', `/v1/console_keys/${id}`)
    expect(await run.status).toBe(1)
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(run.err()).toMatch(/\[serial-1: the token has expired or was revoked\]/)
    const again = ssh([], ['-n'])
    expect(await again.status).toBe(255)
    keyFile = spare
  })
})

/** What a token says of its user. */
async function sessionOf(of: string): Promise<{ user: { id: string } }> {
  const answer = await fetch(`${service.url}/identity/v3/auth/tokens`, {
    headers: { 'x-auth-token': of, 'x-subject-token': of },
  })
  return ((await answer.json()) as { token: { user: { id: string } } }).token
}

describe('leasehold console', () => {
  const program = join(repository, 'bin/leasehold')
  const environment = () => ({ OS_CLIENT_CONFIG_FILE: service.clouds, OS_CLOUD: 'lessee' })
  const open = (...words: string[]) => onTerminal([program, 'console', mine, ...words], environment())

  it('on a terminal: types, breaks, helps, leaves, and puts the terminal back', async () => {
    const run = open('--no-scrollback')
    await isIn(run)
    run.type('ls\x03\x1a\x00')
    await until(() => typedText().length === 5)
    expect(typedText().toString('latin1')).toBe('ls\x03\x1a\x00')
    run.type('\r~B')
    await until(() => breaks === 1)
    run.type('~?')
    await until(() => run.out().includes('take the keyboard from who is idle'))
    run.type('\r~~x')
    await until(() => typedText().toString('latin1').endsWith('\r~x'))
    serial().write('a line\r\n')
    await until(() => run.out().includes('a line\r\n'))
    run.type('\r~.')
    expect([await run.status, run.err()]).toEqual([0, expect.stringContaining('terminal as before')])
  })

  it('gives the keyboard up and takes it', async () => {
    const run = open()
    await isIn(run)
    run.type('\r~r')
    await until(async () => (await watchers())[0]?.mode === 'read')
    run.type('~t')
    await until(async () => (await watchers())[0]?.mode === 'write')
  })

  it.each([
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ])('puts the terminal back when it is ended by %s', async (_, number) => {
    const run = open()
    await isIn(run)
    run.signal(number)
    expect([await run.status, run.err()]).toEqual([
      128 + number,
      expect.stringContaining('terminal as before'),
    ])
  })

  it('tells the size of its terminal', async () => {
    const sizes = await watchSizes()
    const run = open()
    await until(() => sizes.length === 1)
    run.resize(20, 60)
    await until(() => sizes.length === 2)
    expect(sizes[1]).toEqual([20, 60])
  })

  it('records what it shows', async () => {
    const file = join(directory, 'log')
    const run = start(
      program,
      ['console', mine, '--no-scrollback', '--read-only', '--record', file],
      environment(),
    )
    await isIn(run)
    serial().write(allBytes)
    await until(() => run.out().length >= 256)
    expect(run.out()).toEqual(allBytes)
    expect(await readFile(file)).toEqual(allBytes)
  })

  it('of another tenant’s node says what it says of none', async () => {
    const ends = []
    for (const node of [theirs, 'absent-1']) {
      const run = start(program, ['console', node], environment())
      ends.push([await run.status, run.err().replaceAll(node, 'NODE')])
    }
    expect(ends[0]).toEqual([3, '[NODE: Node NODE could not be found.]\n'])
    expect(ends[1]).toEqual(ends[0])
  })
})

it('the end of the service ends ssh with a reason', async () => {
  const run = ssh(['--read-only'], ['-n'])
  await isIn(run)
  ended = true
  await service.end()
  expect(await run.status).toBe(1)
  expect(run.err()).toMatch(/the service is stopping/)
})
