/** A simulated BMC: a loopback UDP port that really speaks RMCP, RMCP+ and ASF pings, for one simulated machine. */
import { createSocket, type Socket } from 'node:dgram'
import {
  decodePacket,
  decodeRequest,
  encodePlain,
  encodePong,
  encodeResponse,
  encodeSession,
  isMalformed,
  payloadTypes,
  type Request,
} from '@leasehold/ipmi/wire'
import type { Answer } from './bmc-answers.ts'
import { answerCommand } from './bmc-commands.ts'
import { type ActiveSession, createSessionTable, type LabUser, type SessionLimits } from './bmc-sessions.ts'
import { type BmcSol, createBmcSol } from './bmc-sol.ts'
import { createFaults, type Faults, gibberish, spoiled } from './faults.ts'
import type { Machine } from './machine.ts'
import type { BmcPort } from './serial.ts'

export type BmcOptions = SessionLimits & {
  address: string
  users: readonly LabUser[]
  /** The BMC key, where two-key login is wanted. */
  kg?: Buffer | undefined
}

export type Bmc = {
  readonly port: number
  readonly faults: Faults
  readonly sol: Pick<BmcSol, 'owner' | 'steal' | 'deactivate'>
  sessionCount(): number
  /** Takes its port again after stop(). */
  start(): Promise<void>
  /** Goes off the network and forgets its sessions, as a BMC without power does. */
  stop(): Promise<void>
  /** Forgets its sessions, as a BMC that was reset does. */
  restart(): void
}

/**
 * Starts a BMC on the first of the ports that is free; 0 means any.
 *
 * @throws Error if none of the ports is free
 */
export async function startBmc(
  machine: Machine,
  serial: BmcPort,
  ports: readonly number[],
  options: BmcOptions,
): Promise<Bmc> {
  const faults = createFaults()
  const sessions = createSessionTable(options.users, machine.guid, options.kg, options, (session, why) =>
    sol.sessionEnded(session, why),
  )
  const sol = createBmcSol(serial, faults, (session, payload, clear) =>
    send(sessions.seal(session, payloadTypes.sol, payload, clear), session),
  )
  const forgetSessions = () => {
    sol.clear()
    sessions.clear()
  }
  const knownPorts = new Set<number>()
  let socket: Socket | undefined
  let port = 0

  const send = (datagram: Buffer, to: { address: string; port: number }) => {
    const bytes = faults.find('malformed') ? gibberish(datagram) : datagram
    const slow = faults.find('slow')
    const now = () => socket?.send(bytes, to.port, to.address, () => {})
    faults.carry(() => {
      if (slow === undefined) now()
      else setTimeout(now, slow.delayMs).unref()
    })
  }

  const run = (request: Request, session: ActiveSession | undefined): Answer | undefined => {
    if (session !== undefined && faults.isBusy()) return { completionCode: 0xc0, data: Buffer.alloc(0) }
    return answerCommand(
      {
        machine,
        sessions,
        session,
        sol,
        faults,
        port,
        kgSet: options.kg !== undefined,
        maxSessions: options.maxSessions,
        stuckPower: faults.find('stuck-power') !== undefined,
        restart: () => setImmediate(forgetSessions),
      },
      request.netFn,
      request.command,
      request.data,
    )
  }

  const respond = (payload: Buffer, session: ActiveSession | undefined): Buffer | undefined => {
    const request = decodeRequest(payload)
    if (isMalformed(request)) return undefined
    const answer = run(request, session)
    if (answer === undefined) return undefined
    const data = faults.find('truncated') ? Buffer.alloc(0) : answer.data
    const response = encodeResponse({ ...request, ...answer, data })
    return faults.find('bad-checksum') ? spoiled(response) : response
  }

  const receive = (datagram: Buffer, from: { address: string; port: number }) => {
    const packet = decodePacket(datagram)
    if (isMalformed(packet)) return
    if (packet.format === 'asf') {
      if (packet.kind === 'ping') send(encodePong(packet.tag), from)
      return
    }
    if (packet.format === '1.5') {
      if (packet.authType !== 0 || packet.sessionId !== 0) return
      knownPorts.delete(from.port)
      const response = respond(packet.payload, undefined)
      if (response !== undefined) send(encodePlain(response), from)
      return
    }
    if (packet.sessionId !== 0) {
      const opened = sessions.open(datagram, packet.sessionId)
      if (opened?.payloadType === payloadTypes.sol)
        return sol.receive(opened.session, opened.payload, opened.sequence)
      if (opened?.payloadType !== payloadTypes.ipmi) return
      const response = respond(opened.payload, opened.session)
      if (response === undefined) return
      const sealed = sessions.seal(opened.session, payloadTypes.ipmi, response)
      send(faults.find('bad-signature') ? spoiled(sealed) : sealed, from)
      return
    }
    if (packet.payloadType === payloadTypes.ipmi) {
      const response = respond(packet.payload, undefined)
      if (response !== undefined) send(encodeSession({ ...packet, payload: response }), from)
      return
    }
    if (packet.payloadType === payloadTypes.openSessionRequest && faults.find('port-once') !== undefined) {
      if (knownPorts.has(from.port)) return
      knownPorts.add(from.port)
    }
    const rakp = faults.find('bad-rakp')?.message
    const spoil = {
      full: faults.find('no-sessions') !== undefined,
      rakp2: rakp === 2,
      rakp4: rakp === 4,
      perPort: faults.find('session-per-port') !== undefined,
    }
    const sender = { address: from.address, port: from.port }
    const answer = sessions.answer(packet.payloadType, packet.payload, sender, spoil)
    if (answer !== undefined) send(answer, from)
  }

  const listen = async (candidates: readonly number[]) => {
    let problem: unknown
    for (const candidate of candidates) {
      try {
        socket = await bind(options.address, candidate)
        port = socket.address().port
        socket.on('message', (datagram, from) => faults.carry(() => receive(datagram, from)))
        socket.on('error', () => {})
        return
      } catch (error) {
        problem = error
      }
    }
    throw new Error(`no port of ${candidates.join(', ')} on ${options.address} is free for ${machine.name}`, {
      cause: problem,
    })
  }

  const stop = async () => {
    const closing = socket
    socket = undefined
    forgetSessions()
    if (closing !== undefined) await new Promise<void>((resolve) => closing.close(() => resolve()))
  }

  await listen(ports)
  return {
    get port() {
      return port
    },
    faults,
    sol: {
      ...sol,
      owner: () => {
        // Those that timed out are gone.
        sessions.active()
        return sol.owner()
      },
    },
    sessionCount: () => sessions.active().length,
    start: async () => {
      if (socket === undefined) await listen([port])
    },
    stop,
    restart: forgetSessions,
  }
}

function bind(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', reject)
    socket.bind(port, address, () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
