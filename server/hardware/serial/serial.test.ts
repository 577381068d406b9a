/** Consoles over TCP, telnet and SSH, against servers on real sockets. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, isIPv4, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type ServerChannel, Server as SshServer, utils } from 'ssh2'
import { afterEach, describe, expect, test } from 'vitest'
import { LeaseholdError } from '../../errors.ts'
import { testNode } from '../testing.ts'
import type { ConsoleInterface, Line } from '../types.ts'
import { createSshConsole } from './ssh.ts'
import { createTcpConsole } from './tcp.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const tcp = createTcpConsole({ allowLocal: true })
const ssh = createSshConsole({ allowLocal: true })
const all256 = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
const until = async (what: () => unknown) => {
  await expect.poll(what, { timeout: 8_000, interval: 10 }).toBeTruthy()
}

/** A server on loopback; gives its port and the connections made to it. */
async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

interface Opened {
  line: Line
  got: () => Buffer
  told: string[]
  lost: { taken: boolean; error: Error }[]
}

async function open(
  console: ConsoleInterface,
  info: Record<string, unknown>,
  { signal = new AbortController().signal, onData = (_bytes: Buffer): void => {} } = {},
): Promise<Opened> {
  const chunks: Buffer[] = []
  const told: string[] = []
  const lost: Opened['lost'] = []
  const node = testNode({ driver_info: { console_address: '127.0.0.1', ...info } })
  const line = await console.open?.(
    node,
    {
      data: (bytes) => {
        onData(bytes)
        chunks.push(Buffer.from(bytes as Buffer))
      },
      activating: () => void told.push('activating'),
      remember: () => void told.push('remember'),
      drained: () => void told.push('drained'),
      noted: (event) => void told.push(event),
      lost: (reason) => void lost.push(reason),
    },
    { signal, whenTaken: 'retake', keepAliveMs: 100, remembered: null },
  )
  if (line === undefined) throw new Error('this console cannot be opened')
  closing.push(() => line.close())
  return { line, got: () => Buffer.concat(chunks), told, lost }
}

const refused = async (console: ConsoleInterface, info: Record<string, unknown>): Promise<LeaseholdError> => {
  const outcome = await open(console, info).catch((error: unknown) => error)
  if (!(outcome instanceof LeaseholdError)) throw new Error('that was to be refused')
  return outcome
}

describe('tcp', () => {
  test('passes all 256 byte values both ways, and says when they are out', async () => {
    const port = await serve((socket) => socket.pipe(socket))
    const { line, got, told } = await open(tcp, { console_port: port })
    expect(line.write(all256)).toBe(true)
    await until(() => got().equals(all256) && told.includes('drained'))
    expect([told[0], line.queued, line.sendBreak]).toEqual(['activating', 0, undefined])
  })

  test('takes no more than it can queue, whole or not at all', async () => {
    const port = await serve((socket) => socket.pause())
    const { line } = await open(tcp, { console_port: port })
    while (line.write(Buffer.alloc(30_000))) await new Promise((resolve) => setImmediate(resolve))
    expect(line.queued).toBeLessThanOrEqual(65_536)
    expect(line.write(Buffer.alloc(65_537))).toBe(false)
  })

  test('is lost when the other side closes, and silent after it was closed here', async () => {
    const sockets: Socket[] = []
    const port = await serve((socket) => void sockets.push(socket))
    const [one, other] = [await open(tcp, { console_port: port }), await open(tcp, { console_port: port })]
    await other.line.close()
    for (const socket of sockets) socket.end()
    await until(() => one.lost.length === 1)
    expect(one.lost[0]).toMatchObject({ taken: false, error: { code: 'unavailable' } })
    expect([other.lost, one.line.write(Buffer.from('x'))]).toEqual([[], false])
  })

  test('is lost when its output cannot be recorded', async () => {
    const port = await serve((socket) => socket.write('x'))
    const { lost } = await open(
      tcp,
      { console_port: port },
      {
        onData: () => {
          throw new Error('no space left on device')
        },
      },
    )
    await until(() => lost.length === 1)
  })

  test('where nobody listens says what to check', async () => {
    const error = await refused(tcp, { console_port: 1 })
    expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('console_port')])
  })

  test('does not lead to this host unless that is allowed', async () => {
    const port = await serve(() => {})
    const strict = createTcpConsole({ allowLocal: false })
    for (const console_address of [
      '127.0.0.1',
      'localhost',
      '::1',
      '::ffff:127.0.0.1',
      '169.254.169.254',
      '0.0.0.0',
    ]) {
      const error = await refused(strict, { console_address, console_port: port })
      expect([console_address, error.code, error.message]).toEqual([
        console_address,
        expect.stringMatching(/invalid|unavailable/),
        expect.stringMatching(/serial-allow-local|does not resolve/),
      ])
    }
  })

  test('does not lead to any address of this host, however it is written', async () => {
    const connections: Socket[] = []
    const server = createServer((socket) => void connections.push(socket)).listen(0, '::')
    await once(server, 'listening')
    closing.push(() => new Promise((resolve) => server.close(resolve)))
    const console_port = (server.address() as AddressInfo).port
    const strict = createTcpConsole({ allowLocal: false })
    const own = Object.values(networkInterfaces()).flatMap((each) =>
      (each ?? []).map(({ address }) => address),
    )
    const mapped = own.filter(isIPv4).map((address) => `::ffff:${address}`)
    for (const console_address of [...own, ...mapped]) {
      const error = await refused(strict, { console_address, console_port })
      expect([console_address, error.message]).toEqual([
        console_address,
        expect.stringContaining('serial-allow-local'),
      ])
    }
    expect(connections).toEqual([])
  })

  test('does not lead to TCP doors, nor to the host where they are', async () => {
    const port = await serve(() => {})
    const doors = { host: '127.0.0.1', ports: { first: port, last: port } }
    const lenient = createTcpConsole({ allowLocal: true, doors })
    const door = await refused(lenient, { console_port: port })
    expect([door.code, door.message]).toEqual(['invalid', expect.stringContaining('TCP door')])
    const other = await serve(() => {})
    if (other !== port) await open(lenient, { console_port: other })
    const elsewhere = createTcpConsole({ allowLocal: false, doors: { ...doors, host: '198.51.100.7' } })
    const host = await refused(elsewhere, { console_address: '198.51.100.7', console_port: 22 })
    expect([host.code, host.message]).toEqual(['invalid', expect.stringContaining('serial-allow-local')])
  })

  test('leads to the networks that are allowed, and to no other', async () => {
    const port = await serve(() => {})
    const elsewhere = { allowLocal: true, allowedNetworks: ['10.0.0.0/8', 'fd00::/8'] }
    for (const console_address of ['127.0.0.1', 'localhost', '::ffff:127.0.0.1']) {
      const error = await refused(createTcpConsole(elsewhere), { console_address, console_port: port })
      expect([error.code, error.message]).toEqual([
        'invalid',
        expect.stringContaining('hardware.allowed_networks'),
      ])
    }
    const here = createTcpConsole({ allowLocal: true, allowedNetworks: ['10.0.0.0/8', '127.0.0.1'] })
    await open(here, { console_port: port })
    // Being allowed as a network does not make this host a console.
    const strict = createTcpConsole({ allowLocal: false, allowedNetworks: ['127.0.0.0/8'] })
    const error = await refused(strict, { console_port: port })
    expect(error.message).toContain('serial-allow-local')
  })

  test.each([
    [{ console_address: '' }, 'console_address'],
    [{ console_address: 'http://x' }, 'console_address'],
    [{}, 'console_port'],
    [{ console_port: 70_000 }, 'console_port'],
    [{ console_port: 'x' }, 'console_port'],
    [{ console_port: 7, console_protocol: 'gopher' }, 'console_protocol'],
  ])('refuses driver_info %o, naming the key', async (info, key) => {
    const error = await refused(tcp, info)
    expect([error.code, error.message]).toEqual(['invalid', expect.stringContaining(key)])
  })
})

describe('telnet', () => {
  const [iac, doIt, will, brk, timingMark] = [255, 253, 251, 243, 6] as const

  test('agrees on binary transmission and passes all 256 byte values both ways', async () => {
    const heard: Buffer[] = []
    const port = await serve((socket) => {
      socket.write(Buffer.from([iac, doIt, 0, iac, will, 0]))
      socket.on('data', (bytes) => void heard.push(Buffer.from(bytes as Buffer)))
      setTimeout(() => socket.write(Buffer.concat([all256, Buffer.from([255])])), 50)
    })
    const { line, got } = await open(tcp, { console_port: port, console_protocol: 'telnet' })
    await until(() => got().equals(all256))
    line.write(all256)
    const doubled = Buffer.concat([all256, Buffer.from([255])])
    await until(() => Buffer.concat(heard).includes(doubled))
  })

  test('sends a break as telnet’s own, and notes one', async () => {
    const heard: Buffer[] = []
    const port = await serve((socket) => {
      socket.write(Buffer.from([iac, brk]))
      socket.on('data', (bytes) => void heard.push(Buffer.from(bytes as Buffer)))
    })
    const { line, told } = await open(tcp, { console_port: port, console_protocol: 'telnet' })
    line.sendBreak?.()
    await until(() => told.includes('break') && Buffer.concat(heard).includes(Buffer.from([iac, brk])))
  })

  test('notices a server that stops answering, if it ever did', async () => {
    const answering = await serve((socket) => {
      let answers = 3
      socket.on('data', (bytes) => {
        const asked = Buffer.from(bytes as Buffer).includes(Buffer.from([iac, doIt, timingMark]))
        if (asked && answers-- > 0) socket.write(Buffer.from([iac, will, timingMark]))
      })
    })
    const mute = await serve(() => {})
    const first = await open(tcp, { console_port: answering, console_protocol: 'telnet' })
    const second = await open(tcp, { console_port: mute, console_protocol: 'telnet' })
    await until(() => first.lost.length === 1)
    expect(second.lost).toEqual([])
  })
})

describe('ssh', () => {
  // Not ed25519: of those the library makes one in some 200 that it cannot read itself.
  const hostKeys = utils.generateKeyPairSync('ecdsa', { bits: 256 })
  const userKeys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const userPrivate = userKeys.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const parsed = utils.parseKey(hostKeys.public)
  if (parsed instanceof Error) throw parsed
  const blob = parsed.getPublicSSH()
  const fingerprint = async () => {
    const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(blob))
    return `SHA256:${Buffer.from(digest).toString('base64').replace(/=+$/, '')}`
  }

  /** A console server that echoes; gives its port and the open channels. */
  const serveSsh = async () => {
    const channels: ServerChannel[] = []
    const server = new SshServer({ hostKeys: [hostKeys.private] }, (client) => {
      client.on('error', () => {})
      client.on('authentication', (context) => {
        const allowed =
          (context.method === 'password' && context.username === 'root' && context.password === 'pass') ||
          context.method === 'publickey'
        if (allowed) context.accept()
        else context.reject(['password', 'publickey'])
      })
      client.on('session', (accept) => {
        const session = accept()
        session.on('pty', (ok) => ok?.())
        session.on('shell', (ok) => {
          const channel = ok()
          channels.push(channel)
          channel.pipe(channel)
        })
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => new Promise((resolve) => server.close(resolve)))
    return { port: (server.address() as AddressInfo).port, channels }
  }

  test.each([
    ['a password', { console_password: 'pass' }],
    ['a key', { console_private_key: userPrivate }],
  ])(
    'logs in with %s, checks the host key, and passes all 256 byte values both ways',
    async (_name, login) => {
      const { port } = await serveSsh()
      const { line, got, told } = await open(ssh, {
        console_port: port,
        console_username: 'root',
        console_host_key: await fingerprint(),
        ...login,
      })
      line.write(all256)
      await until(() => got().equals(all256) && told.includes('drained'))
      expect(told[0]).toBe('activating')
    },
  )

  test('does not talk to a host with another key, and says which key it has', async () => {
    const { port } = await serveSsh()
    const error = await refused(ssh, {
      console_port: port,
      console_username: 'root',
      console_password: 'pass',
      console_host_key: `SHA256:${'A'.repeat(43)}`,
    })
    expect([error.code, error.message]).toEqual(['invalid', expect.stringContaining(await fingerprint())])
  })

  test('says that a login was refused, without the password', async () => {
    const { port } = await serveSsh()
    const error = await refused(ssh, {
      console_port: port,
      console_username: 'root',
      console_password: 'wrong-secret',
      console_host_key: 'any',
    })
    expect([error.code, error.message]).toEqual(['invalid', expect.stringContaining('console_username')])
    expect(error.message).not.toContain('wrong-secret')
  })

  test('is lost when the server ends the session', async () => {
    const { port, channels } = await serveSsh()
    const { lost } = await open(ssh, {
      console_port: port,
      console_username: 'root',
      console_password: 'pass',
      console_host_key: 'any',
    })
    channels[0]?.close()
    await until(() => lost.length === 1)
    expect(lost[0]).toMatchObject({ taken: false })
  })

  test('gives up when its signal fires, with the reason of the signal', async () => {
    const port = await serve(() => {})
    const control = new AbortController()
    const info = {
      console_port: port,
      console_username: 'root',
      console_password: 'pass',
      console_host_key: 'any',
    }
    const opening = open(ssh, info, { signal: control.signal })
    setTimeout(() => control.abort(new Error('no longer wanted')), 50)
    await expect(opening).rejects.toThrow('no longer wanted')
  })

  test.each([
    [{}, 'console_username'],
    [{ console_username: 'root' }, 'console_password'],
    [{ console_username: 'root', console_password: 'x' }, 'console_host_key'],
    [{ console_username: 'root', console_password: 'x', console_host_key: 'MD5:aa' }, 'console_host_key'],
    [
      { console_username: 'root', console_private_key: 'very-secret', console_host_key: 'any' },
      'console_private_key',
    ],
  ])('refuses driver_info %o, naming the key and no secret', async (info, key) => {
    const error = await refused(ssh, info)
    expect([error.code, error.message]).toEqual(['invalid', expect.stringContaining(key)])
    expect(error.message).not.toContain('very-secret')
  })
})
