/** A NETCONF server on a real SSH socket: sessions, hello and framing. What operations do is told by a handler. */
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2, { type ServerChannel } from 'ssh2'
import { fingerprintOf } from '../../transports/host-key.ts'
import { createDeframer, frame } from '../../transports/netconf-framing.ts'
import { base10, base11 } from '../../transports/netconf-messages.ts'
import { element, netconfNamespace, parseXml, writeXml, type XmlElement } from '../../transports/xml.ts'
import type { Counts, Faults } from '../device.ts'

/** What is inside of `rpc-reply`; null breaks the connection, undefined never answers. */
export type Handler = (
  operation: XmlElement,
  session: number,
) => Promise<readonly XmlElement[] | null | undefined>

export type NetconfServer = { port: number; hostKey: string; hangUp: () => void; close: () => Promise<void> }

export type NetconfServerOptions = {
  username: string
  password: string
  faults: Faults
  counts: Counts
  capabilities: readonly string[]
  /** Whether it knows chunks; without, messages end with `]]>]]>`. */
  chunks: boolean
  handle: Handler
  onSessionEnd: (session: number) => void
}

export async function startNetconfServer(options: NetconfServerOptions): Promise<NetconfServer> {
  const { faults, counts } = options
  // Not ed25519: of those the library makes one in some 200 that it cannot read itself.
  const pair = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
  const parsed = ssh2.utils.parseKey(pair.public)
  if (parsed instanceof Error) throw parsed
  const clients = new Set<ssh2.Connection>()
  let lastSession = 0
  const server = new ssh2.Server({ hostKeys: [pair.private] }, (client) => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => undefined)
    client.on('authentication', (context) => {
      const good =
        context.method === 'password' &&
        context.username === options.username &&
        context.password === options.password
      if (good) sleep(faults.loginDelayMs ?? 0).then(() => context.accept())
      else context.reject(['password'])
    })
    client.on('session', (accept) => {
      accept().on('subsystem', (acceptSubsystem, reject, { name }) => {
        if (name !== 'netconf') return reject()
        counts.logins++
        serve(acceptSubsystem(), ++lastSession, options, () => client.end())
      })
    })
  })
  // Answers are small and many: each would wait 40 ms for the client's acknowledgement of the one before.
  const listener = createServer({ noDelay: true }, (socket) => server.injectSocket(socket))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const hangUp = () => {
    for (const client of clients) client.end()
  }
  return {
    port: (listener.address() as AddressInfo).port,
    hostKey: fingerprintOf(parsed.getPublicSSH()),
    hangUp,
    close: () =>
      new Promise((resolve) => {
        hangUp()
        listener.close(() => resolve())
      }),
  }
}

function serve(
  channel: ServerChannel,
  session: number,
  options: NetconfServerOptions,
  hangUp: () => void,
): void {
  const nc = (name: string, content: string | readonly XmlElement[] = [], attributes = {}) =>
    element(netconfNamespace, name, content, attributes)
  let chunked = false
  let work = Promise.resolve()
  const say = (message: XmlElement) => channel.write(frame(writeXml(message), chunked))
  const deframer = createDeframer({
    maxBytes: 4 * 1024 * 1024,
    onMessage: (text) => {
      const message = parseXml(text)
      if (message.name === 'hello') {
        if (!options.chunks) return
        deframer.useChunks()
        chunked = true
      } else work = work.then(() => answer(message))
    },
  })
  channel.on('error', () => undefined)
  channel.on('close', () => options.onSessionEnd(session))
  channel.on('data', (data: Buffer) => deframer.push(data))
  const known = [base10, ...(options.chunks ? [base11] : []), ...options.capabilities]
  say(
    nc('hello', [
      nc(
        'capabilities',
        known.map((uri) => nc('capability', uri)),
      ),
      nc('session-id', String(session)),
    ]),
  )

  async function answer(message: XmlElement): Promise<void> {
    const [operation] = message.children
    if (operation === undefined) return
    const content = await options.handle(operation, session)
    if (content === undefined) return
    if (content === null) {
      channel.close()
      return hangUp()
    }
    say(nc('rpc-reply', content, { 'message-id': message.attributes['message-id'] ?? '' }))
    if (operation.name === 'close-session') channel.close()
  }
}

/** The content of a reply that refuses. */
export function rpcError(tag: string, message: string, path = '', severity = 'error'): XmlElement {
  const nc = (name: string, content: string | readonly XmlElement[]) =>
    element(netconfNamespace, name, content)
  return nc('rpc-error', [
    nc('error-type', 'application'),
    nc('error-tag', tag),
    nc('error-severity', severity),
    ...(path === '' ? [] : [nc('error-path', path)]),
    nc('error-message', message),
  ])
}

export function ok(): XmlElement {
  return element(netconfNamespace, 'ok')
}
