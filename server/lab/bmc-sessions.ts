/** The BMC's side of RMCP+ sessions: who may open one, who has one, and when it ends (IPMI 2.0, 13.15 to 13.32). */
import { randomBytes } from 'node:crypto'
import {
  type Algorithms,
  accept,
  cipherSuites,
  decodeOpenSessionRequest,
  decodeRakp1,
  decodeRakp3,
  type Exchange,
  emptyWindow,
  encodeOpening,
  encodeOpenSessionResponse,
  encodeRakp2,
  encodeRakp4,
  isMalformed,
  nextSequence,
  payloadTypes,
  rakp2AuthCode,
  rakp3AuthCode,
  rakp4AuthCode,
  type SessionKeys,
  sameBytes,
  seal,
  sessionIntegrityKey,
  sessionKeys,
  unseal,
  type Window,
} from '@leasehold/ipmi/wire'

export type LabUser = { name: string; password: string; maxPrivilege: number }

export type ActiveSession = {
  bmcId: number
  consoleId: number
  handle: number
  userId: number
  user: LabUser
  keys: SessionKeys
  privilege: number
  maxPrivilege: number
  address: string
  port: number
  lastSent: number
  window: Window
  heardAtMs: number
}

export type SessionLimits = { maxSessions: number; sessionTimeoutMs: number }

export type SessionTable = {
  /** The answer to a session-opening message, as a datagram; undefined where a BMC keeps silent. */
  answer(
    payloadType: number,
    payload: Buffer,
    from: { address: string; port: number },
    spoil: Spoil,
  ): Buffer | undefined
  /** The session and payload of a datagram that its holder really sent; undefined for anything else. */
  open(
    datagram: Buffer,
    bmcId: number,
  ): { session: ActiveSession; payloadType: number; payload: Buffer; sequence: number } | undefined
  /** `clear`: signed, but not encrypted. */
  seal(session: ActiveSession, payloadType: number, payload: Buffer, clear?: boolean): Buffer
  close(bmcId: number): boolean
  active(): ActiveSession[]
  clear(): void
}

/** Which answers to falsify, for tests. */
export type Spoil = { full: boolean; rakp2: boolean; rakp4: boolean; perPort: boolean }

type HalfOpen = {
  bmcId: number
  consoleId: number
  suite: (typeof cipherSuites)[3 | 17]
  startedAtMs: number
  /** After RAKP 1. A repeated message gets the answer it got before. */
  exchange?: Exchange
  user?: LabUser
  rakp1?: Buffer
  rakp2?: Buffer
}

export function createSessionTable(
  users: readonly LabUser[],
  guid: Buffer,
  bmcKey: Buffer | undefined,
  limits: SessionLimits,
  ended: (session: ActiveSession, why: 'closed' | 'expired') => void = () => {},
): SessionTable {
  const halfOpen = new Map<number, HalfOpen>()
  const sessions = new Map<number, ActiveSession>()
  /** RAKP 4 as sent, for a console that did not get it and repeats RAKP 3. */
  const finished = new Map<number, { rakp3: Buffer; answer: Buffer }>()

  const forget = (bmcId: number, why: 'closed' | 'expired'): boolean => {
    finished.delete(bmcId)
    const session = sessions.get(bmcId)
    sessions.delete(bmcId)
    if (session !== undefined) ended(session, why)
    return session !== undefined
  }

  const expire = () => {
    const now = performance.now()
    for (const [id, session] of sessions)
      if (now - session.heardAtMs > limits.sessionTimeoutMs) forget(id, 'expired')
    for (const [id, half] of halfOpen) if (now - half.startedAtMs > halfOpenMs) halfOpen.delete(id)
  }

  const openSession = (payload: Buffer, spoil: Spoil): Buffer | undefined => {
    const request = decodeOpenSessionRequest(payload)
    if (isMalformed(request)) return undefined
    expire()
    const { tag, consoleId, privilege } = request
    const refuse = (status: number) =>
      encodeOpening(
        payloadTypes.openSessionResponse,
        encodeOpenSessionResponse({
          tag,
          status,
          privilege,
          consoleId,
          bmcId: 0,
          algorithms: request.algorithms,
        }),
      )
    const suite = Object.values(cipherSuites).find((known) =>
      sameAlgorithms(known.algorithms, request.algorithms),
    )
    if (suite === undefined) return refuse(0x11)
    if (spoil.full || sessions.size >= limits.maxSessions) return refuse(0x01)
    // Anyone can ask for a session; when too many do, the oldest asker makes room.
    if (halfOpen.size >= halfOpenLimit) halfOpen.delete(halfOpen.keys().next().value ?? 0)
    const bmcId = freshId()
    halfOpen.set(bmcId, { bmcId, consoleId, suite, startedAtMs: performance.now() })
    return encodeOpening(
      payloadTypes.openSessionResponse,
      encodeOpenSessionResponse({
        tag,
        status: 0,
        privilege: privilege || 4,
        consoleId,
        bmcId,
        algorithms: suite.algorithms,
      }),
    )
  }

  const rakp1 = (payload: Buffer, spoil: Spoil): Buffer | undefined => {
    const request = decodeRakp1(payload)
    if (isMalformed(request)) return undefined
    const half = halfOpen.get(request.bmcId)
    if (half === undefined) return undefined
    if (half.rakp1?.equals(payload)) return half.rakp2
    const { tag, role } = request
    const answer = (status: number, exchange?: Exchange, authCode: Buffer = Buffer.alloc(0)) =>
      encodeOpening(
        payloadTypes.rakp2,
        encodeRakp2({
          tag,
          status,
          consoleId: half.consoleId,
          bmcRandom: exchange?.bmcRandom ?? Buffer.alloc(16),
          guid,
          authCode,
        }),
      )
    const user = users.find((known) => Buffer.from(known.name).equals(request.username))
    if (user === undefined) return answer(0x0d)
    if ((role & 0x0f) > user.maxPrivilege) return answer(0x0a)
    const exchange: Exchange = {
      suite: half.suite,
      consoleId: half.consoleId,
      bmcId: half.bmcId,
      consoleRandom: Buffer.from(request.consoleRandom),
      bmcRandom: randomBytes(16),
      guid,
      role,
      username: Buffer.from(request.username),
    }
    const authCode = rakp2AuthCode(exchange, Buffer.from(user.password))
    if (spoil.rakp2) authCode[0] = authCode.readUInt8(0) ^ 1
    const rakp2 = answer(0, exchange, authCode)
    halfOpen.set(half.bmcId, { ...half, exchange, user, rakp1: Buffer.from(payload), rakp2 })
    return rakp2
  }

  const rakp3 = (
    payload: Buffer,
    from: { address: string; port: number },
    spoil: Spoil,
  ): Buffer | undefined => {
    const request = decodeRakp3(payload)
    if (isMalformed(request)) return undefined
    const before = finished.get(request.bmcId)
    if (before?.rakp3.equals(payload)) return before.answer
    const half = halfOpen.get(request.bmcId)
    if (half?.exchange === undefined || half.user === undefined) return undefined
    const { exchange, user } = half
    if (request.status !== 0) {
      halfOpen.delete(half.bmcId)
      return undefined
    }
    const { tag } = request
    const { consoleId, bmcId } = half
    const answer = (status: number, authCode: Buffer = Buffer.alloc(0)) =>
      encodeOpening(payloadTypes.rakp4, encodeRakp4({ tag, status, consoleId, authCode }))
    const password = Buffer.from(user.password)
    if (!sameBytes(rakp3AuthCode(exchange, password), request.authCode)) return answer(0x0f)
    halfOpen.delete(bmcId)
    if (sessions.size >= limits.maxSessions) return answer(0x01)
    if (spoil.perPort)
      for (const old of [...sessions.values()])
        if (old.address === from.address && old.port === from.port) forget(old.bmcId, 'closed')
    const integrityKey = sessionIntegrityKey(exchange, bmcKey ?? password)
    const maxPrivilege = exchange.role & 0x0f || user.maxPrivilege
    sessions.set(bmcId, {
      bmcId,
      consoleId,
      handle: freeHandle(),
      userId: users.indexOf(user) + 2,
      user,
      keys: sessionKeys(half.suite, integrityKey),
      privilege: Math.min(2, maxPrivilege),
      maxPrivilege,
      ...from,
      lastSent: 0,
      window: emptyWindow,
      heardAtMs: performance.now(),
    })
    const authCode = Buffer.from(rakp4AuthCode(exchange, integrityKey))
    if (spoil.rakp4) authCode[0] = authCode.readUInt8(0) ^ 1
    finished.set(bmcId, { rakp3: Buffer.from(payload), answer: answer(0, authCode) })
    return answer(0, authCode)
  }

  const freshId = (): number => {
    for (;;) {
      const id = randomBytes(4).readUInt32LE()
      if (id !== 0 && !halfOpen.has(id) && !sessions.has(id)) return id
    }
  }

  const freeHandle = (): number => {
    const taken = new Set([...sessions.values()].map((session) => session.handle))
    let handle = 1
    while (taken.has(handle)) handle += 1
    return handle
  }

  return {
    answer(payloadType, payload, from, spoil) {
      if (payloadType === payloadTypes.openSessionRequest) return openSession(payload, spoil)
      if (payloadType === payloadTypes.rakp1) return rakp1(payload, spoil)
      if (payloadType === payloadTypes.rakp3) return rakp3(payload, from, spoil)
      return undefined
    },
    open(datagram, bmcId) {
      expire()
      const session = sessions.get(bmcId)
      if (session === undefined) return undefined
      const packet = unseal(session.keys, datagram)
      if (isMalformed(packet)) return undefined
      const window = accept(session.window, packet.sequence)
      if (window === undefined) return undefined
      session.window = window
      // As on OpenIPMI's BMC only commands keep a session alive: characters of a console do not.
      if (packet.payloadType === payloadTypes.ipmi) session.heardAtMs = performance.now()
      finished.delete(bmcId)
      const { payloadType, payload, sequence } = packet
      return { session, payloadType, payload, sequence }
    },
    seal(session, payloadType, payload, clear = false) {
      session.lastSent = nextSequence(session.lastSent)
      const packet = { payloadType, sessionId: session.consoleId, sequence: session.lastSent, payload }
      return seal(session.keys, packet, clear ? undefined : randomBytes(16))
    },
    close: (bmcId) => forget(bmcId, 'closed'),
    active() {
      expire()
      return [...sessions.values()]
    },
    clear() {
      halfOpen.clear()
      sessions.clear()
      finished.clear()
    },
  }
}

const halfOpenMs = 10_000
const halfOpenLimit = 64

function sameAlgorithms(left: Algorithms, right: Algorithms): boolean {
  return (
    left.authentication === right.authentication &&
    left.integrity === right.integrity &&
    left.confidentiality === right.confidentiality
  )
}
