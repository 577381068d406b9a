/** The SSH door, by a client of SSH, in front of a console that is the test's. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import pino from 'pino'
import ssh2, { type Client, type ClientChannel, type ConnectConfig, type ExecOptions } from 'ssh2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callerOf } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { createBuffers } from '../buffers.ts'
import { newKeyPair } from '../key-pair.ts'
import { fingerprintOf } from '../public-key.ts'
import { type SshDoor, type SshDoorDeps, startSshDoor } from './ssh.ts'
import type { SshCallers } from './ssh-callers.ts'
import { type StubConsole, stubConsole, watcherView } from './testing.ts'

const caller = callerOf({ authMethod: 'standalone', roles: ['member'], userId: 'u1', userName: 'alice' })
const pairOf = () => {
  const { privateKey, publicKey } = newKeyPair()
  return { private: privateKey, public: publicKey }
}
const mine = pairOf()
const ecdsa = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 3072 })
const others = pairOf()
const fingerprint = (publicKey: string): string => {
  const key = ssh2.utils.parseKey(publicKey)
  if (key instanceof Error) throw key
  return fingerprintOf(key.getPublicSSH())
}
const known = new Set([mine, ecdsa, rsa].map((pair) => fingerprint(pair.public)))

let asked: string[]
const callers: SshCallers = {
  open: false,
  takesKeys: true,
  byKey: async (print) => (known.has(print) ? [{ caller, proof: { kind: 'key', keyId: 'k1' } }] : []),
  bySecret: async (secret, { path }) => {
    asked.push(path)
    if (secret !== 'good') throw new LeaseholdError('unauthenticated', 'no')
    return { caller, proof: { kind: 'token', token: secret } }
  },
}

let directory: string
let console_: StubConsole
let door: SshDoor
let clients: Client[]
const open = async (more: Partial<SshDoorDeps> = {}) => {
  door = await startSshDoor({
    listen: { host: '127.0.0.1', port: 0 },
    config: { 'console.watcher_buffer_kb': 64, 'console.max_ssh_per_project': 3 },
    buffers: createBuffers({ eachBytes: 64 * 1024, allBytes: 1024 * 1024 }),
    log: pino({ level: 'silent' }),
    attach: console_.attach,
    callers,
    hostKeyPath: join(directory, 'ssh_host_key'),
    ...more,
  })
}
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-ssh-'))
  console_ = stubConsole()
  clients = []
  asked = []
  await open()
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  await until(() => door.counts().connections === 0)
  expect(door.counts()).toEqual({ connections: 0, strangers: 0, sessions: 0 })
  expect(console_.open()).toBe(0)
  await door.close()
  await rm(directory, { recursive: true, force: true })
})

async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`does not come true: ${holds}`)
    await wait(5)
  }
}

type Login = { [K in keyof ConnectConfig]?: ConnectConfig[K] | undefined }

async function login(own: Login = {}): Promise<Client> {
  const client = new ssh2.Client()
  clients.push(client)
  await new Promise<void>((resolve, reject) => {
    client.on('ready', resolve).on('error', reject)
    client.on('close', () => reject(new Error('closed')))
    client.connect({
      host: '127.0.0.1',
      port: door.port,
      username: 'machine-1',
      password: 'good',
      ...own,
    } as ConnectConfig)
  })
  return client
}

interface Terminal {
  channel: ClientChannel
  out(): Buffer
  err(): string
  /** Bytes of both so far; to gather them costs more with each. */
  size(): number
  status: Promise<number | null>
}

async function exec(client: Client, command: string, options: ExecOptions = {}): Promise<Terminal> {
  return await new Promise((resolve, reject) =>
    client.exec(command, options, (error, channel) => (error ? reject(error) : resolve(listen(channel)))),
  )
}

function listen(channel: ClientChannel): Terminal {
  const out: Buffer[] = []
  const err: Buffer[] = []
  channel.on('data', (bytes: Buffer) => out.push(bytes))
  channel.stderr.on('data', (bytes: Buffer) => err.push(bytes))
  const status = new Promise<number | null>((resolve) => {
    let code: number | null = null
    channel.on('exit', (value: number | null) => {
      code = value
    })
    channel.on('close', () => resolve(code))
  })
  let size = 0
  for (const stream of [channel, channel.stderr])
    stream.on('data', (bytes: Buffer) => {
      size += bytes.length
    })
  return {
    channel,
    out: () => Buffer.concat(out),
    err: () => Buffer.concat(err).toString(),
    size: () => size,
    status,
  }
}
const watcher = (index = 0) => {
  const found = console_.watchers[index]
  if (!found) throw new Error('nobody came in')
  return found
}
const allBytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value))

describe('who comes in', () => {
  const refused = async (own: Login) =>
    expect(
      await login(own).then(
        () => 'in',
        (error: Error) => error.message,
      ),
    ).toMatch(/authentication methods failed|closed|lost/)

  it('with a token as password; the request is named as over HTTP', async () => {
    const terminal = await exec(await login(), '')
    await until(() => console_.watchers.length === 1)
    expect(watcher().visitor).toEqual({
      caller,
      proof: { kind: 'token', token: 'good' },
      door: 'ssh',
      address: '127.0.0.1',
    })
    expect(asked).toEqual(['/v1/nodes/machine-1/console'])
    terminal.channel.close()
    await terminal.status
  })

  it('with a token typed at a prompt', async () => {
    const client = new ssh2.Client()
    clients.push(client)
    const prompts: unknown[] = []
    client.on('keyboard-interactive', (_name, _text, _language, asks, answer) => {
      prompts.push(...asks)
      answer(['good'])
    })
    await new Promise((resolve, reject) => {
      client.on('ready', () => resolve(null)).on('error', reject)
      client.connect({ host: '127.0.0.1', port: door.port, username: 'machine-1', tryKeyboard: true })
    })
    expect(prompts).toEqual([{ prompt: 'Token: ', echo: false }])
  })

  it.each([
    ['ed25519', mine.private],
    ['ECDSA', ecdsa.private],
    ['RSA', rsa.private],
  ])('with a key: %s', async (_, privateKey) => {
    const terminal = await exec(await login({ privateKey, password: undefined }), '')
    await until(() => console_.watchers.length === 1)
    expect(watcher().visitor.proof).toEqual({ kind: 'key', keyId: 'k1' })
    terminal.channel.close()
    await terminal.status
  })

  it('not with another token, another key, nothing at all', async () => {
    await refused({ password: 'bad' })
    await refused({ password: '' })
    await refused({ privateKey: others.private, password: undefined })
    await refused({ password: undefined })
    expect(door.counts().sessions).toBe(0)
  })

  it('not with a known key and another’s signature', async () => {
    const key = ssh2.utils.parseKey(others.private)
    const pub = ssh2.utils.parseKey(mine.public)
    if (key instanceof Error || pub instanceof Error) throw new Error('keys')
    const agent = new ssh2.OpenSSHAgent('/nonexistent')
    let signed = 0
    agent.getIdentities = (answer: (error: undefined, keys: never[]) => void) =>
      answer(undefined, [pub as never])
    agent.sign = ((_pub: unknown, data: Buffer, options: unknown, done: unknown) => {
      signed++
      const answer = (typeof options === 'function' ? options : done) as (e: undefined, s: Buffer) => void
      answer(undefined, key.sign(data) as Buffer)
    }) as never
    await refused({ agent, password: undefined })
    expect(signed).toBe(1)
  })

  it('the address waits after some wrong tokens, and others at other addresses do not', async () => {
    for (let failures = 0; failures < 8; failures++) await refused({ password: 'bad' })
    await refused({ password: 'good' })
    const client = await login({ localAddress: '127.0.0.2' })
    client.end()
  })

  it('learns nothing of a node that is hidden or absent before or after', async () => {
    const ends = []
    for (const username of ['hidden-1', 'absent-1']) {
      await refused({ username, password: 'bad' })
      const terminal = await exec(await login({ username }), '')
      ends.push([await terminal.status, terminal.err().replaceAll(username, 'NODE'), terminal.out().length])
    }
    expect(ends[0]).toEqual([3, 'leasehold: Node NODE could not be found.\n', 0])
    expect(ends[1]).toEqual(ends[0])
  })

  it('a forbidden console names the rule', async () => {
    const terminal = await exec(await login({ username: 'forbidden-1' }), '')
    expect([await terminal.status, terminal.err()]).toEqual([
      3,
      'leasehold: Access was denied to the following resource: leasehold:console:read\n',
    ])
  })

  it('a key of several is tried for each until one sees the node', async () => {
    await door.close()
    const tried: string[] = []
    await open({
      callers: {
        ...callers,
        byKey: async () =>
          ['a', 'b', 'c'].map((keyId) => ({ caller, proof: { kind: 'key' as const, keyId } })),
      },
      attach: (visitor, ident, options, sink) => {
        const keyId = (visitor.proof as { keyId: string }).keyId
        tried.push(keyId)
        return console_.attach(visitor, keyId === 'b' ? ident : 'hidden-1', options, sink)
      },
    })
    const terminal = await exec(await login({ privateKey: mine.private, password: undefined }), '')
    await until(() => console_.watchers.length === 1)
    expect([tried, watcher().visitor.proof]).toEqual([['a', 'b'], { kind: 'key', keyId: 'b' }])
    terminal.channel.close()
    await terminal.status
  })
})

describe('a session', () => {
  it('passes every byte both ways, without a terminal and with one', async () => {
    for (const pty of [undefined, { rows: 50, cols: 132, term: 'xterm' }]) {
      const terminal = await exec(await login(), '', pty ? { pty } : {})
      await until(() => console_.watchers.some((each) => !each.closed))
      const here = console_.watchers.at(-1) as ReturnType<typeof watcher>
      terminal.channel.write(allBytes)
      await until(() => Buffer.concat(here.typed).length >= 256)
      expect(Buffer.concat(here.typed)).toEqual(allBytes)
      here.sink.bytes(0, allBytes)
      await until(() => terminal.out().length >= 256)
      expect(terminal.out()).toEqual(allBytes)
      terminal.channel.close()
      await until(() => here.closed)
    }
  })

  it('says on stderr who and what is here, and what changes', async () => {
    console_ = stubConsole({ watchers: [watcherView({ mode: 'write', user: 'bob\x1b[2J' })], mode: 'read' })
    await door.close()
    await open()
    const terminal = await exec(await login(), '')
    await until(() => console_.watchers.length === 1)
    const { sink } = watcher()
    sink.control({ type: 'state', state: 'opening', reason: 'the BMC does not answer', at: '' })
    sink.control({ type: 'gap', from: 5, to: 17, reason: 'line lost' })
    sink.control({ type: 'watchers', watchers: [watcherView({ id: 'y', user: 'carol' })] })
    sink.control({ type: 'event', event: 'power off', at: '' })
    sink.control({ type: 'wall', offset: 17, at: '' })
    sink.control({ type: 'mode', mode: 'write', reason: 'bob has left' })
    sink.control({ type: 'reconnecting' })
    console_.cut(watcher(), 'lease-ended')
    expect(await terminal.status).toBe(1)
    expect(terminal.err().split('\n')).toEqual([
      '[machine-1: line up; power on; you only read for now; also here: bob [2J (typing); interrupt ssh to leave]',
      '[machine-1: line opening, the BMC does not answer]',
      '[machine-1: 12 bytes are missing here: line lost]',
      '[machine-1: carol came, bob [2J left]',
      '[machine-1: power off]',
      '[machine-1: the node has changed hands]',
      '[machine-1: you type now: bob has left]',
      '[machine-1: the console is being reached again; nothing is lost]',
      '[machine-1: the node has changed hands]',
      '',
    ])
    expect(terminal.out()).toHaveLength(0)
  })

  it('takes the options of a command', async () => {
    const client = await login()
    const terminal = await exec(client, '--read-only --offset 17 --scrollback=5')
    await until(() => console_.watchers.length === 1)
    expect(watcher().options).toEqual({ mode: 'read', offset: 17, scrollbackBytes: 5 })
    terminal.channel.close()
    await terminal.status
  })

  it.each([
    ['reboot', /reboot is not an option/],
    ['--offset x', /--offset takes a number/],
    ['--take --force', /exclude each other/],
  ])('refuses the command %s with status 2', async (command, words) => {
    const terminal = await exec(await login(), command)
    expect(await terminal.status).toBe(2)
    expect(terminal.err()).toMatch(words)
    expect(console_.watchers).toHaveLength(0)
  })

  it('hands the size of the terminal on, and its changes', async () => {
    const terminal = await exec(await login(), '', { pty: { rows: 50, cols: 132 } })
    await until(() => console_.watchers.length === 1)
    terminal.channel.setWindow(24, 80, 0, 0)
    await until(() => watcher().requests.length === 2)
    expect(watcher().requests).toEqual([
      { type: 'resize', columns: 132, rows: 50 },
      { type: 'resize', columns: 80, rows: 24 },
    ])
    terminal.channel.close()
    await terminal.status
  })

  it('without a terminal ends when its input has and the machine was silent', async () => {
    const terminal = await exec(await login(), '--linger 1')
    terminal.channel.end('reboot\n')
    await until(() => console_.watchers.length === 1 && watcher().typed.length === 1)
    const started = performance.now()
    await wait(600)
    watcher().sink.bytes(0, Buffer.from('rebooting'))
    expect(await terminal.status).toBe(0)
    expect(performance.now() - started).toBeGreaterThan(1_500)
    expect([Buffer.concat(watcher().typed).toString(), terminal.out().toString()]).toEqual([
      'reboot\n',
      'rebooting',
    ])
  })

  it('that only looks on outlives its input', async () => {
    const terminal = await exec(await login(), '--read-only --linger 0')
    terminal.channel.end()
    await until(() => console_.watchers.length === 1)
    await wait(300)
    watcher().sink.bytes(0, Buffer.from('still here'))
    await until(() => terminal.out().toString() === 'still here')
    terminal.channel.close()
    await terminal.status
  })

  it('whose input was not typed says so', async () => {
    console_ = stubConsole({ mode: 'read' })
    await door.close()
    await open()
    const terminal = await exec(await login(), '')
    terminal.channel.end('reboot\n')
    expect(await terminal.status).toBe(1)
    expect(terminal.err()).toContain('was not typed')
  })

  it('holds the client’s input back while the machine takes none, and loses nothing of it', async () => {
    console_.takesKeys = false
    const terminal = await exec(await login(), '')
    const sent = randomBytes(300_000)
    terminal.channel.write(sent)
    await until(() => console_.watchers.length === 1)
    await wait(100)
    expect(watcher().typed).toHaveLength(0)
    console_.takesKeys = true
    watcher().sink.writable()
    await until(() => Buffer.concat(watcher().typed).length === sent.length)
    expect(Buffer.concat(watcher().typed).equals(sent)).toBe(true)
    terminal.channel.close()
    await terminal.status
  })

  it('of a client that takes nothing costs little, and nothing is lost or doubled when it goes on', async () => {
    const client = await login()
    const socket = (client as unknown as { _sock: Socket })._sock
    const terminal = await exec(client, '')
    await until(() => console_.watchers.length === 1)
    const { sink } = watcher()
    const sent: Buffer[] = []
    let drained = watcher().drained
    terminal.channel.pause()
    for (let round = 0; round < 3; round++) {
      socket.pause()
      // As the room does: no more after false, until it is told to go on.
      for (let taken = true, total = 0; taken && total < 64 * 2 ** 20; total += 32_768) {
        const bytes = randomBytes(32_768)
        sent.push(bytes)
        taken = sink.bytes(0, bytes)
      }
      for (let line = 0; line < 300; line++) sink.control({ type: 'event', event: `event ${line}`, at: '' })
      socket.resume()
      terminal.channel.resume()
      await until(() => watcher().drained > drained)
      drained = watcher().drained
    }
    const all = Buffer.concat(sent)
    // The client's window, the kernel's buffers and ours: much less than the machine had to say.
    expect(all.length).toBeLessThan(40 * 2 ** 20)
    await until(() => terminal.out().length >= all.length)
    expect(terminal.out().equals(all)).toBe(true)
    expect(terminal.err()).toMatch(/more messages were left out/)
    terminal.channel.close()
    await terminal.status
  }, 30_000)

  it('of a client whose window is used up gets bytes and words as they were, once', async () => {
    const terminal = await exec(await login(), '')
    await until(() => console_.watchers.length === 1)
    const { sink } = watcher()
    const bytes: Buffer[] = []
    const words: string[] = []
    for (let round = 0; round < 3; round++) {
      terminal.channel.pause()
      terminal.channel.stderr.pause()
      // Whatever is on its way when the window is used up: a piece of these or a line of those.
      for (let taken = true; taken; await setImmediate()) {
        bytes.push(randomBytes(1000))
        taken = sink.bytes(0, bytes.at(-1) as Buffer)
        words.push(`event ${words.length} ${'x'.repeat(1000)}`)
        sink.control({ type: 'event', event: words.at(-1) as string, at: '' })
      }
      const drained = watcher().drained
      terminal.channel.resume()
      terminal.channel.stderr.resume()
      await until(() => watcher().drained > drained)
    }
    const least = bytes.length * 1000 + words.join().length
    await until(() => terminal.size() >= least && terminal.err().endsWith(`${words.at(-1)}]\n`))
    await until(() => terminal.out().length >= bytes.length * 1000)
    expect(terminal.out().equals(Buffer.concat(bytes))).toBe(true)
    expect(terminal.err().split('\n').slice(1, -1)).toEqual(words.map((event) => `[machine-1: ${event}]`))
    terminal.channel.close()
    await terminal.status
  }, 30_000)

  it('is over when the client’s machine is', async () => {
    const client = await login()
    await exec(client, '')
    await until(() => console_.open() === 1)
    client.destroy()
    await until(() => console_.open() === 0)
  })

  it('is one a connection; nothing else is opened', async () => {
    const client = await login()
    const terminal = await exec(client, '')
    const failure = (work: (done: (error: unknown) => void) => void) =>
      new Promise((resolve) => work((error) => resolve(error ? 'refused' : 'opened')))
    expect(await failure((done) => client.exec('', done))).toBe('refused')
    expect(await failure((done) => client.sftp(done))).toBe('refused')
    expect(await failure((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, done))).toBe('refused')
    expect(await failure((done) => client.forwardIn('127.0.0.1', 0, done))).toBe('refused')
    await until(() => console_.watchers.length === 1)
    terminal.channel.close()
    await terminal.status
  })

  it('that asks for a subsystem, X11 or an agent gets none', async () => {
    const client = await login()
    const subsystem = await new Promise((resolve) =>
      client.subsys('sftp', (error) => resolve(error ? 'refused' : 'opened')),
    )
    expect(subsystem).toBe('refused')
    expect(console_.watchers).toHaveLength(0)
  })

  it('can be cut by the service’s end, which says why', async () => {
    const terminal = await exec(await login(), '')
    await until(() => console_.open() === 1)
    await door.close()
    expect([await terminal.status, terminal.err().split('\n').at(-2)]).toEqual([
      1,
      '[machine-1: the service is stopping; try again]',
    ])
  })
})

describe('limits', () => {
  const strangers = async (count: number) => {
    const sockets = Array.from({ length: count }, () => connect(door.port, '127.0.0.1'))
    let closed = 0
    for (const socket of sockets)
      socket
        .resume()
        .on('error', () => {})
        .on('close', () => closed++)
    return { sockets, closed: () => closed }
  }

  it('one address has some connections that say nothing, and for some time only', async () => {
    await door.close()
    await open({ limits: { strangersPerAddress: 3, graceMs: 1_000 } })
    const { closed, sockets } = await strangers(6)
    await until(() => closed() === 3 && door.counts().strangers === 3)
    await until(() => closed() === 6)
    for (const socket of sockets) socket.destroy()
  })

  it('who has come in but opens nothing is sent away', async () => {
    await door.close()
    await open({ limits: { graceMs: 1_000 } })
    await login()
    await until(() => door.counts().connections === 0)
  })

  it('a client that is gone without a word is noticed', async () => {
    await door.close()
    await open({ limits: { keepAliveMs: 200 } })
    const client = await login()
    await exec(client, '')
    await until(() => console_.open() === 1)
    // Its machine takes what is sent, and nothing ever answers.
    ;(client as unknown as { _protocol: { parse: unknown } })._protocol.parse = () => {}
    await until(() => console_.open() === 0)
  })

  it('one project has so many connections, and leaves room for others', async () => {
    await door.close()
    const bySecret: SshCallers['bySecret'] = async (token) => ({
      caller: { ...caller, projectId: token },
      proof: { kind: 'token', token },
    })
    await open({ callers: { ...callers, bySecret } })
    const greedy = await Promise.all([1, 2, 3].map(() => login({ password: 'greedy' })))
    const more = await exec(await login({ password: 'greedy' }), '')
    expect([await more.status, more.err()]).toEqual([
      1,
      'leasehold: Project greedy has 3 connections to the SSH door here, as many as it may (console.max_ssh_per_project); close one first.\n',
    ])
    await exec(await login({ password: 'modest' }), '')
    await until(() => console_.open() === 1)
    greedy[0]?.end()
    await until(() => door.counts().connections === 3)
    await exec(await login({ password: 'greedy' }), '')
    await until(() => console_.open() === 2)
  })

  it('a secret is guessed a few times a connection', async () => {
    const client = new ssh2.Client()
    clients.push(client)
    let guesses = 0
    await new Promise((resolve) => {
      client.on('error', () => {}).on('close', () => resolve(null))
      client.connect({
        host: '127.0.0.1',
        port: door.port,
        username: 'machine-1',
        authHandler: (_left, _partial, next) => {
          guesses++
          next({ type: 'password', username: 'machine-1', password: `guess ${guesses}` })
        },
      })
    })
    expect(guesses).toBeLessThanOrEqual(7)
  })

  it('what is not SSH is thrown out', async () => {
    const socket = connect(door.port, '127.0.0.1')
    const closed = new Promise((resolve) =>
      socket
        .resume()
        .on('close', resolve)
        .on('error', () => {}),
    )
    socket.write(`SSH-2.0-x\r\n${'\xff'.repeat(100_000)}`, 'latin1')
    await closed
  })
})

describe('the host key', () => {
  it('is made once, for its owner only, and named', async () => {
    const path = join(directory, 'ssh_host_key')
    const text = await readFile(path, 'utf8')
    expect(text).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(door.fingerprint).toMatch(/^SHA256:[\w+/]{43}$/)
    const first = door.fingerprint
    await door.close()
    await open()
    expect(door.fingerprint).toBe(first)
    expect(await readFile(path, 'utf8')).toBe(text)
  })
})
