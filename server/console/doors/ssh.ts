/**
 * The SSH door: `ssh -p 2222 NODE@HOST`. A connection is admitted, proves who it is, and opens one session, which is
 * a console. Nothing else that SSH can do is done here.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Logger } from 'pino'
import ssh2, { type Connection } from 'ssh2'
import { createThrottle, sourceOf } from '../../access/index.ts'
import type { Config } from '../../config.ts'
import { messageOf } from '../../errors.ts'
import type { Buffers } from '../buffers.ts'
import { createQuota } from '../quota.ts'
import type { Attach } from '../types.ts'
import type { Known, SshCallers } from './ssh-callers.ts'
import { authenticate, type Entrant } from './ssh-entry.ts'
import { hostKeyAt } from './ssh-host-key.ts'
import { onBreak } from './ssh-library.ts'
import { type Session, startSession, type Terminal } from './ssh-session.ts'

export interface SshDoorDeps {
  listen: { host: string; port: number }
  config: Pick<Config, 'console.watcher_buffer_kb' | 'console.max_ssh_per_project'>
  log: Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>
  attach: Attach
  buffers: Buffers
  callers: SshCallers
  /** Made when it is not there. */
  hostKeyPath: string
  limits?: Partial<SshLimits>
}

export interface SshLimits {
  connections: number
  /** Of those, how many that have not proven who they are; and from one address. */
  strangers: number
  strangersPerAddress: number
  /** From the first byte until a session begins. */
  graceMs: number
  /** A client that has not answered for two to three of these is gone. */
  keepAliveMs: number
}

export interface SshDoor {
  readonly port: number
  readonly fingerprint: string
  counts(): { connections: number; strangers: number; sessions: number }
  /** Cuts everybody, within a second. */
  close(): Promise<void>
}

const defaultLimits: SshLimits = {
  connections: 2000,
  strangers: 100,
  strangersPerAddress: 20,
  graceMs: 60_000,
  keepAliveMs: 9_000,
}
/** How long somebody whose session has ended may take to hear why; and at the end of the service. */
const lastWordsMs = 5_000
const lastWordsAtEndMs = 500
/** How long a connection may take to close that was told to. */
const farewellMs = 500
/** Replies that a client asks for and does not take. */
const mostUnsentBytes = 4 * 1024 * 1024

/** Of a terminal, in a row or a column. */
const mostCells = 65_535

/** Nothing that SHA-1, CBC or a 1024-bit group is part of. */
const algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
  ],
  cipher: [
    'chacha20-poly1305@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-gcm@openssh.com',
    'aes256-ctr',
    'aes192-ctr',
    'aes128-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} satisfies ssh2.Algorithms

interface Guest {
  readonly socket: Socket
  readonly address: string
  stranger: boolean
  grace: NodeJS.Timeout
  connection?: Connection
  session?: Session | undefined
}

/** @throws Error when the address is taken, or the host key cannot be read or made. */
export async function startSshDoor(deps: SshDoorDeps): Promise<SshDoor> {
  const { log, callers } = deps
  const limits = { ...defaultLimits, ...deps.limits }
  const hostKey = await hostKeyAt(deps.hostKeyPath)
  const throttle = createThrottle()
  const quota = createQuota(
    deps.config['console.max_ssh_per_project'],
    'connections to the SSH door',
    'console.max_ssh_per_project',
  )
  const guests = new Map<string, Guest>()
  let closing = false

  const strangers = (source?: string): number =>
    [...guests.values()].filter((each) => each.stranger && (!source || each.address === source)).length

  const isWelcome = (address: string): boolean => {
    if (closing || guests.size >= limits.connections) return false
    if (strangers() >= limits.strangers || strangers(address) >= limits.strangersPerAddress) return false
    try {
      throttle.check('ssh', address)
      return true
    } catch {
      return false
    }
  }

  /** Takes a connection in before a byte of it is read. */
  const admit = (socket: Socket) => {
    socket.on('error', () => socket.destroy())
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined || !isWelcome(sourceOf(remoteAddress))) return socket.destroy()
    const name = `${remoteAddress} ${remotePort}`
    const guest: Guest = {
      socket,
      address: sourceOf(remoteAddress),
      stranger: true,
      grace: setTimeout(() => socket.destroy(), limits.graceMs),
    }
    guests.set(name, guest)
    socket.on('close', () => {
      clearTimeout(guest.grace)
      guests.delete(name)
      guest.session?.close()
    })
    socket.on('data', () => {
      if (socket.writableLength > mostUnsentBytes + deps.config['console.watcher_buffer_kb'] * 1024)
        socket.destroy()
    })
    library.injectSocket(socket)
  }

  const serve = (connection: Connection, guest: Guest) => {
    guest.connection = connection
    connection.on('error', (error) => {
      log.debug({ err: error, address: guest.address }, 'ssh: a connection failed')
      // The library only says goodbye, which one that is gone never answers.
      setTimeout(() => guest.socket.destroy(), farewellMs).unref()
    })
    authenticate(connection, {
      callers,
      throttle,
      address: guest.socket.remoteAddress ?? '',
      onEntered: (entrant) => {
        guest.stranger = false
        welcome(connection, guest, entrant)
      },
      onError: (error) =>
        log.error({ err: error }, `ssh: who somebody is could not be found out: ${messageOf(error)}`),
      onTooMany: () => sendAway(guest),
    })
  }

  /** Counts a guest for each project it may speak for, unless that one has too many already. */
  const count = (guest: Guest, known: readonly Known[]) => {
    let refusal: unknown
    const welcomed = known.filter(({ caller }) => {
      try {
        guest.socket.on('close', quota(caller))
        return true
      } catch (error) {
        refusal = error
        return false
      }
    })
    return welcomed.length > 0 ? { welcomed } : { welcomed: known, refusal }
  }

  const welcome = (connection: Connection, guest: Guest, { ident, known }: Entrant) => {
    const { welcomed, refusal } = count(guest, known)
    // Who may not stay is told so by a session that ends at once.
    const attach: Attach = refusal ? () => Promise.reject(refusal) : deps.attach
    if (refusal) {
      clearTimeout(guest.grace)
      guest.grace = setTimeout(() => sendAway(guest), lastWordsMs)
    }
    const visitors = welcomed.map(({ caller, proof }) => ({
      caller,
      proof,
      door: 'ssh' as const,
      address: guest.socket.remoteAddress ?? '',
    }))
    guest.socket.on('close', () => {
      for (const { forget } of known)
        forget?.().catch((error: unknown) => log.warn({ err: error }, 'ssh: a token could not be revoked'))
    })
    onBreak(connection, () => guest.session?.sendBreak() ?? false)
    let opened = false
    connection.on('session', (accept, reject) => {
      if (opened) return reject()
      opened = true
      const session = accept()
      let terminal: Terminal | undefined
      session.on('pty', (allow, _refuse, info) => {
        terminal = terminalOf(info)
        allow?.()
      })
      session.on('window-change', (_allow, _refuse, info) => {
        terminal = terminalOf(info)
        guest.session?.resize(terminal)
      })
      const start = (allow: () => ssh2.ServerChannel, command: string | undefined) => {
        if (guest.session) return
        clearTimeout(guest.grace)
        const channel = allow()
        channel.on('error', (error: unknown) => log.debug({ err: error }, 'ssh: a channel failed'))
        const { socket } = guest
        guest.session = startSession(
          {
            attach,
            buffers: deps.buffers,
            visitors,
            ident,
            connection,
            socket,
            limitBytes: outputBytes(deps.config),
            onEnd: (status) => {
              log.info(
                { node: ident, user: visitors[0]?.caller.userId, address: guest.address, status },
                'ssh: a session ended',
              )
              if (status !== null) guest.grace = setTimeout(() => sendAway(guest), lastWordsMs)
            },
            onError: (error) =>
              log.error({ err: error }, `ssh: a console could not be reached: ${messageOf(error)}`),
          },
          channel,
          { command, terminal },
        )
      }
      session.on('shell', (allow) => start(allow, undefined))
      session.on('exec', (allow, _refuse, { command }) => start(allow, command))
      session.on('close', () => {
        guest.session?.close()
        sendAway(guest)
      })
    })
  }

  const library = new ssh2.Server(
    {
      hostKeys: [hostKey.privateKey],
      ident: 'Leasehold',
      algorithms,
      keepaliveInterval: limits.keepAliveMs,
      keepaliveCountMax: 2,
    } as ssh2.ServerConfig,
    (connection, { ip, port }) => {
      const guest = guests.get(`${ip} ${port}`)
      if (guest) return serve(connection, guest)
      connection.on('error', () => {})
      connection.end()
    },
  )
  const listener = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 }, admit)
  listener.listen(deps.listen)
  await once(listener, 'listening')
  listener.on('error', (error) => log.error({ err: error }, 'ssh: the listener failed'))
  const { port } = listener.address() as AddressInfo
  log.info({ host: deps.listen.host, port, fingerprint: hostKey.fingerprint }, 'ssh: consoles are open')

  return {
    port,
    fingerprint: hostKey.fingerprint,
    counts: () => ({
      connections: guests.size,
      strangers: strangers(),
      sessions: [...guests.values()].filter((each) => each.session).length,
    }),
    async close() {
      closing = true
      const closed = once(listener, 'close')
      listener.close()
      for (const guest of guests.values()) {
        guest.session?.stop()
        setTimeout(() => sendAway(guest), guest.session ? lastWordsAtEndMs : 0)
      }
      await closed
    },
  }
}

/** Says goodbye, and does not wait long for an answer. */
function sendAway({ connection, socket }: Guest): void {
  connection?.end()
  const late = setTimeout(() => socket.destroy(), farewellMs)
  socket.once('close', () => clearTimeout(late))
}

const terminalOf = ({ cols, rows }: { cols: number; rows: number }): Terminal => ({
  columns: Math.min(cols, mostCells),
  rows: Math.min(rows, mostCells),
})

/** What waits for one client here; the rest it gets from the journal. */
const outputBytes = (config: SshDoorDeps['config']): number =>
  Math.min(config['console.watcher_buffer_kb'] * 1024, 256 * 1024)
