/** The UDP sockets everything shares, per address family one for sessions and one for other questions, and who gets which datagram. */
import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { isIP, SocketAddress } from 'node:net'
import { IpmiError } from './errors.ts'
import { decodePacket, isMalformed, type PlainPacket, payloadTypes } from './wire/index.ts'

/** Where a BMC is, as a numeric address. */
export type Peer = { address: string; port: number; family: 4 | 6 }

/** Who wants datagrams for one console session id: of the session itself, or of the handshake that makes it. */
export type Route = {
  peer: Peer
  onHandshake(payloadType: number, payload: Buffer): void
  onSession(datagram: Buffer): void
}

/** Who wants to know what else comes from a BMC's address. Anyone can forge it: good for hints only. */
export type Watcher = {
  onPlain?(packet: PlainPacket): void
  /** A session-opening answer too short to name its session. */
  onShortAnswer?(payloadType: number, payload: Buffer): void
  onGarbage?(reason: string): void
}

export type Transport = {
  /**
   * Finds the numeric address of a host name, preferring IPv4; numeric addresses are taken as they are.
   *
   * @throws IpmiError 'unreachable' when the name does not resolve, 'invalid-argument' for an address that is not allowed
   */
  resolve(address: string, port: number): Promise<Peer>
  send(peer: Peer, datagram: Buffer): void
  /**
   * Sends what belongs to no session, from a port that no session has: pyghmi's BMC takes it for the end of the session
   * of the port that it comes from, and ends itself if anything came from there meanwhile.
   */
  sendPlain(peer: Peer, datagram: Buffer): void
  /**
   * One with a port of its own, to be closed by who took it.
   *
   * @throws IpmiError 'overloaded' while 1,024 are taken
   */
  spare(): Transport
  /** Takes datagrams for a console session id; the function it gives ends that. */
  attach(consoleId: number, route: Route): () => void
  watch(peer: Peer, watcher: Watcher): () => void
  isTaken(consoleId: number): boolean
  /** Datagrams nobody waited for. */
  readonly strays: number
  close(): Promise<void>
}

/** `allows` says of a numeric address whether datagrams may go there. */
export function createTransport(allows: (address: string) => boolean = () => true): Transport {
  const routes = new Map<number, Route>()
  const watchers = new Map<string, Set<Watcher>>()
  const sockets = new Map<4 | 6, Socket>()
  const plainSockets = new Map<4 | 6, Socket>()
  const spares = new Set<Transport>()
  let strays = 0
  let closed = false

  const receive = (datagram: Buffer, from: { address: string; port: number }) => {
    const packet = decodePacket(datagram)
    const watching = watchers.get(peerKey(from))
    if (isMalformed(packet)) {
      strays += 1
      watching?.forEach((watcher) => void watcher.onGarbage?.(packet.malformed))
      return
    }
    if (packet.format === '1.5' && packet.sessionId === 0) {
      watching?.forEach((watcher) => void watcher.onPlain?.(packet))
      return
    }
    if (packet.format === '2.0') {
      const opening = packet.sessionId === 0 && handshakeAnswers.has(packet.payloadType)
      const consoleId = opening ? consoleIdOf(packet.payload) : packet.sessionId
      const route = routes.get(consoleId)
      if (route !== undefined && isFrom(route.peer, from)) {
        if (opening) route.onHandshake(packet.payloadType, packet.payload)
        else route.onSession(datagram)
        return
      }
      if (opening && packet.payload.length < 8) {
        watching?.forEach((watcher) => void watcher.onShortAnswer?.(packet.payloadType, packet.payload))
      }
    }
    strays += 1
  }

  const socketOf = (sockets: Map<4 | 6, Socket>, family: 4 | 6): Socket => {
    const existing = sockets.get(family)
    if (existing !== undefined) return existing
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      recvBufferSize: socketBufferBytes,
      // Addresses are numeric already; the default would ask the resolver for every datagram.
      lookup: (address, _options, callback) => callback(null, address, family),
    })
    socket.on('message', receive)
    // An unreachable network shows as silence, which every request handles anyway.
    socket.on('error', () => {})
    sockets.set(family, socket)
    return socket
  }

  return {
    async resolve(address, port) {
      const peer = await resolvePeer(address, port)
      if (allows(peer.address)) return peer
      throw new IpmiError('invalid-argument', 'its address is not among those that are allowed here')
    },
    send(peer, datagram) {
      if (closed) return
      // Without a callback: what the system refuses shows as silence too, and a thousand consoles say much.
      socketOf(sockets, peer.family).send(datagram, peer.port, peer.address)
    },
    sendPlain(peer, datagram) {
      if (!closed) socketOf(plainSockets, peer.family).send(datagram, peer.port, peer.address)
    },
    spare() {
      if (spares.size >= mostSpares) {
        const words = `more than ${mostSpares} BMCs open sessions only to ports they do not know; ask fewer of them at a time`
        throw new IpmiError('overloaded', words)
      }
      const inner = createTransport()
      const spare: Transport = {
        ...inner,
        close() {
          spares.delete(spare)
          return inner.close()
        },
      }
      spares.add(spare)
      return spare
    },
    attach(consoleId, route) {
      routes.set(consoleId, route)
      return () => void (routes.get(consoleId) === route && routes.delete(consoleId))
    },
    watch(peer, watcher) {
      const key = peerKey(peer)
      const watching = watchers.get(key) ?? new Set()
      watchers.set(key, watching.add(watcher))
      return () => {
        watching.delete(watcher)
        if (watching.size === 0 && watchers.get(key) === watching) watchers.delete(key)
      }
    },
    isTaken: (consoleId) => consoleId === 0 || routes.has(consoleId),
    get strays() {
      return strays
    },
    async close() {
      closed = true
      routes.clear()
      watchers.clear()
      const open = [...sockets.values(), ...plainSockets.values()]
      sockets.clear()
      plainSockets.clear()
      await Promise.all([
        ...open.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
        ...[...spares].map((spare) => spare.close()),
      ])
    },
  }
}

async function resolvePeer(address: string, port: number): Promise<Peer> {
  try {
    const found =
      isIP(address) === 0 ? await lookup(address, { order: 'ipv4first' }) : { address, family: isIP(address) }
    if (found.family === 4) return { address: found.address, port, family: 4 }
    // Written the one way the socket will write the sender of the answer.
    const canonical = new SocketAddress({ address: found.address, family: 'ipv6' }).address
    return { address: canonical, port, family: 6 }
  } catch {
    throw new IpmiError('unreachable', 'the host name does not resolve; check the address')
  }
}

const socketBufferBytes = 4 * 1024 * 1024
const mostSpares = 1_024

const handshakeAnswers: ReadonlySet<number> = new Set([
  payloadTypes.openSessionResponse,
  payloadTypes.rakp2,
  payloadTypes.rakp4,
])

/** All three answers name the console's session at the same place. */
const consoleIdOf = (payload: Buffer): number => (payload.length < 8 ? 0 : payload.readUInt32LE(4))

const peerKey = (peer: { address: string; port: number }): string => `${peer.address} ${peer.port}`

const isFrom = (peer: Peer, from: { address: string; port: number }): boolean =>
  peer.port === from.port && peer.address === from.address
