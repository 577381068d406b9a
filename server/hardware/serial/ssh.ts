/** Console over SSH: OpenBMC's port 2200, console servers. */
import { createHash, timingSafeEqual } from 'node:crypto'
// The package is CommonJS: of its names Node.js finds just some.
import ssh2, { type Client, type ClientChannel, type ConnectConfig } from 'ssh2'
import { LeaseholdError } from '../../errors.ts'
import type { ConsoleInterface, Line, LineEvents, LineOptions, Node } from '../types.ts'
import {
  type Address,
  addressProperties,
  connectTo,
  invalid,
  readAddress,
  readText,
  type SerialDeps,
  unavailable,
} from './access.ts'
import { lineOver, plainly } from './stream.ts'

const properties = {
  ...addressProperties,
  console_port: 'TCP port of the console, 1 to 65535. Required; of interface ssh the default is 22.',
  console_username: 'User that logs in over SSH. Required by interface ssh.',
  console_password: "That user's password. Either this or console_private_key.",
  console_private_key: "That user's private key, in OpenSSH's or PEM format, without a passphrase.",
  console_host_key:
    'Fingerprint of the host key, as ssh-keygen -l shows it (SHA256:...), or the word any, which trusts whoever answers. Required by interface ssh.',
} as const

/** The console interface `ssh`. */
export function createSshConsole(deps: SerialDeps): ConsoleInterface {
  return {
    name: 'ssh',
    properties,
    validate: (node) => void readSsh(node),
    start: async () => ({ console_enabled: true }),
    stop: async () => ({ console_enabled: false }),
    open: (node, events, options) => openLine(readSsh(node), events, options, deps),
  }
}

async function openLine(
  access: SshAccess,
  events: LineEvents,
  options: LineOptions,
  deps: SerialDeps,
): Promise<Line> {
  const { address, login, hostKey } = access
  const name = `${address.host}:${address.port}`
  const socket = await connectTo(address, options, deps)
  const client = new ssh2.Client()
  // A client that nobody listens to any more must not end the process by an error.
  client.on('error', () => {})
  const end = () => {
    client.end()
    client.destroy()
    socket.destroy()
  }
  try {
    let shown: string | undefined
    const connection: ConnectConfig = {
      ...login,
      sock: socket,
      readyTimeout: loginMs,
      keepaliveInterval: options.keepAliveMs,
      keepaliveCountMax: 2,
      hostVerifier: (key: Buffer) => {
        shown = fingerprintOf(key)
        return hostKey === 'any' || isSame(hostKey, shown)
      },
    }
    await ready(client, connection, options.signal).catch((error: unknown) => {
      throw explained(error, name, shown, hostKey, options.signal)
    })
    events.activating()
    const channel = await shell(client, options.signal).catch((error: unknown) => {
      throw explained(error, name, undefined, hostKey, options.signal)
    })
    channel.stderr.resume()
    const { line, lose } = lineOver(channel, events, plainly, name, end)
    client.on('error', (error) => lose(`Console ${name}: the connection broke (${error.message}).`))
    client.on('close', () => lose(`Console ${name}: the other side closed the connection.`))
    return line
  } catch (error) {
    end()
    throw error
  }
}

function ready(client: Client, login: ConnectConfig, signal: AbortSignal): Promise<void> {
  return unlessAborted(signal, (resolve, reject) => {
    client.once('ready', () => resolve())
    client.once('error', reject)
    client.once('close', () => reject(new Error('the connection was closed')))
    client.connect(login)
  })
}

function shell(client: Client, signal: AbortSignal): Promise<ClientChannel> {
  return unlessAborted(signal, (resolve, reject) => {
    client.once('close', () => reject(new Error('the connection was closed')))
    client.shell({ term: 'vt100' }, (error, channel) => (error ? reject(error) : resolve(channel)))
  })
}

function unlessAborted<T>(
  signal: AbortSignal,
  run: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  signal.throwIfAborted()
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const done = () => signal.removeEventListener('abort', abort)
    run(
      (value) => {
        done()
        resolve(value)
      },
      (error) => {
        done()
        reject(error)
      },
    )
  })
}

function explained(
  error: unknown,
  name: string,
  shown: string | undefined,
  hostKey: string,
  signal: AbortSignal,
): unknown {
  if (signal.aborted && error === signal.reason) return error
  if (shown !== undefined && hostKey !== 'any' && !isSame(hostKey, shown))
    return new LeaseholdError(
      'invalid',
      `Console ${name}: its host key is ${shown}, not the one in driver_info; if it was replaced, set console_host_key.`,
    )
  const level = error instanceof Error && 'level' in error ? error.level : undefined
  if (level === 'client-authentication')
    return new LeaseholdError(
      'invalid',
      `Console ${name}: it refuses the login; correct console_username and console_password or console_private_key in driver_info.`,
    )
  const words = error instanceof Error ? error.message : String(error)
  return unavailable(
    `Console ${name}: no SSH session (${words}); check console_address and console_port.`,
    error,
  )
}

interface SshAccess {
  address: Address
  login: { username: string; password?: string; privateKey?: string }
  hostKey: string
}

/** @throws LeaseholdError 'invalid' naming the key and what it must be; secrets are never repeated. */
function readSsh({ driver_info: info }: Pick<Node, 'driver_info'>): SshAccess {
  const address = readAddress(info, 22)
  const username = readText(info, 'console_username')
  if (username === undefined) throw invalid('console_username', 'is missing; give the user that logs in')
  const password = readText(info, 'console_password')
  const privateKey = readText(info, 'console_private_key')
  if (password === undefined && privateKey === undefined)
    throw invalid('console_password', 'is missing; give it, or console_private_key')
  if (privateKey !== undefined && ssh2.utils.parseKey(privateKey) instanceof Error)
    throw invalid(
      'console_private_key',
      "must be a private key in OpenSSH's or PEM format, without a passphrase",
    )
  const hostKey = readText(info, 'console_host_key')
  if (hostKey === undefined)
    throw invalid(
      'console_host_key',
      'is missing; give the fingerprint as ssh-keygen -l shows it (SHA256:...), or the word any to trust whoever answers',
    )
  if (hostKey !== 'any' && !/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(hostKey))
    throw invalid(
      'console_host_key',
      'must be a fingerprint such as SHA256:... of 43 characters, or the word any',
    )
  return {
    address,
    login: {
      username,
      ...(password === undefined ? {} : { password }),
      ...(privateKey === undefined ? {} : { privateKey }),
    },
    hostKey: hostKey.replace(/=$/, ''),
  }
}

const fingerprintOf = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))

const loginMs = 15_000
