/**
 * TCP doors: one port a console, for programs that can do no better (Nova's serial proxy, telnet). Nobody is asked who
 * he is, so it is opt-in and only listed sources get in. What is not read is not kept: it is in the journal.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'
import { callerOf } from '../../access/index.ts'
import { inNetworks, isOwnAddress } from '../../addresses.ts'
import { messageOf } from '../../errors.ts'
import type { Buffers } from '../buffers.ts'
import { insistent } from '../insistent.ts'
import type { Kept } from '../kept.ts'
import type { Attachment, Visitor } from '../types.ts'
import { type Typist, typist } from '../typist.ts'

export interface TcpDoorsDeps {
  host: string
  ports: { first: number; last: number }
  sources: readonly string[]
  log: Logger
  buffers: Buffers
}

export interface TcpDoors {
  open(kept: Kept): void
  close(kept: Kept): void
}

/** Connections to one door at once. */
const connectionsAtMost = 4
/** Doors that could not be opened are tried again so often, and whenever a port has become free. */
const tryAgainMs = 10_000

export function createTcpDoors(deps: TcpDoorsDeps): TcpDoors {
  const { host } = deps
  const isAllowed = inNetworks(deps.sources)
  const isNamed = inNetworks(deps.sources.filter((source) => !source.includes('/')))
  const doors = new Map<Kept, Server>()
  const taken = new Set<number>()
  /** Consoles without a door, and why. */
  const waiting = new Map<Kept, string>()
  let trying: NodeJS.Timeout | undefined

  const freePort = (from: number): number | undefined => {
    for (let port = from; port <= deps.ports.last; port += 1) if (!taken.has(port)) return port
    return undefined
  }

  const putOff = (kept: Kept, why: string) => {
    if (waiting.get(kept) !== why)
      deps.log.error({ node: kept.held.node.uuid }, `a console has no TCP door: ${why}`)
    waiting.set(kept, why)
    kept.setTcpDoor({ trouble: why })
    trying ??= setTimeout(tryAgain, tryAgainMs).unref()
  }
  const tryAgain = () => {
    clearTimeout(trying)
    trying = undefined
    for (const kept of waiting.keys()) listen(kept, deps.ports.first)
  }

  const listen = (kept: Kept, from: number) => {
    const port = freePort(from)
    if (port === undefined) {
      const { first, last } = deps.ports
      return putOff(kept, `no port of console.tcp_ports ${first}-${last} is free; allow more ports`)
    }
    taken.add(port)
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      welcome(kept, socket),
    )
    server.maxConnections = connectionsAtMost
    server.once('error', (error: NodeJS.ErrnoException) => {
      taken.delete(port)
      if (doors.get(kept) !== server) return
      doors.delete(kept)
      // Another program's port: the next one.
      if (error.code === 'EADDRINUSE') listen(kept, port + 1)
      else putOff(kept, `it cannot listen at ${host}: ${messageOf(error)}`)
    })
    server.once('close', () => {
      taken.delete(port)
      if (waiting.size > 0) tryAgain()
    })
    doors.set(kept, server)
    server.listen(port, host, () => {
      waiting.delete(kept)
      kept.setTcpDoor({ url: `tcp://${host.includes(':') ? `[${host}]` : host}:${port}` })
    })
  }

  const refusalOf = (address: string): string | undefined => {
    if (!isAllowed(address)) return 'not in console.tcp_sources'
    // A network of many does not mean this service too, whose own connections go where tenants aim them.
    if (isOwnAddress(address) && !isNamed(address))
      return 'this host’s own, and not singly in console.tcp_sources'
    return undefined
  }

  const welcome = (kept: Kept, socket: Socket) => {
    const address = plain(socket.remoteAddress ?? '')
    socket.on('error', () => {})
    const refusal = refusalOf(address)
    if (refusal) {
      deps.log.warn({ address, node: kept.held.node.uuid }, `refused at a TCP door: ${refusal}`)
      socket.destroy()
      return
    }
    let keys: Typist | undefined
    const share = deps.buffers.join(() => attachment.drained())
    const note = () => share.keeps(socket.writableLength)
    // Nobody can ask for the keyboard here: who types asks for it.
    const door = insistent('take', {
      bytes(_offset, bytes) {
        socket.write(bytes, note)
        return note()
      },
      control: () => {},
      writable: () => keys?.writable(),
      ended: () => {
        socket.end()
        setTimeout(() => socket.destroy(), 300).unref()
      },
    })
    let attachment: Attachment
    try {
      attachment = kept.hub.attach(visitorFrom(address), { mode: 'take', scrollbackBytes: 0 }, door.sink)
    } catch {
      socket.destroy()
      return
    }
    keys = typist(door.around(attachment), socket)
    socket.on('data', keys.type)
    socket.on('close', () => {
      share.leave()
      attachment.close()
    })
  }

  return {
    open: (kept) => listen(kept, deps.ports.first),
    close(kept) {
      waiting.delete(kept)
      const server = doors.get(kept)
      doors.delete(kept)
      server?.close()
    },
  }
}

/** An IPv4 address in IPv6's clothes as itself. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '')

/** Who comes through a door where nobody is asked. */
const visitorFrom = (address: string): Visitor => ({
  caller: callerOf({ authMethod: 'none', roles: [], userName: `tcp ${address}` }),
  proof: { kind: 'source' },
  door: 'tcp',
  address,
})
