/** One RMCP+ session on the shared socket: opening it, asking through it, closing it. */
import { randomBytes } from 'node:crypto'
import type { Command, Reply } from './command.ts'
import {
  closeSession,
  getChannelAuthentication,
  readChannelAuthentication,
  setSessionPrivilege,
} from './commands.ts'
import { converse, type Patience, pause, type Verdict } from './converse.ts'
import { completionError, IpmiError } from './errors.ts'
import {
  advanceHandshake,
  beginHandshake,
  type Established,
  type Handshake,
  type HandshakeStep,
} from './handshake.ts'
import { newSession, openDatagram, sealPayload } from './session.ts'
import { type Account, privilegeLevels } from './target.ts'
import type { Peer, Transport } from './transport.ts'
import { decodeResponse, encodePlain, encodeRequest, isMalformed, payloadTypes } from './wire/index.ts'

export type Link = {
  /** The session's ids: what the BMC calls it, and what we do. */
  readonly bmcId: number
  readonly consoleId: number
  /** Sends one command; undefined if no answer came. One at a time. */
  exchange(command: Command, patience: Patience, signal: AbortSignal): Promise<Reply | undefined>
  /**
   * Sends one command without waiting, and gives its number; answers come to whoever takes IPMI messages by
   * `onPayload`. With the number it gave it is a repetition.
   */
  ask(command: Command, again?: number): number
  /** Sends a payload of any type within the session. `clear`: signed, but not encrypted. */
  send(payloadType: number, payload: Buffer, clear?: boolean): void
  /** Takes payloads of one type, and the number of each one's datagram; the function it gives ends that. */
  onPayload(payloadType: number, take: (payload: Buffer, at: number) => void): () => void
  /** What the BMC itself last sent that could not be read, if anything. */
  readonly garbled: string | undefined
  /** Commands sent since the BMC was last heard. */
  readonly unanswered: number
  /** The newest number of a datagram of the BMC's. */
  readonly newestAt: number
  /** When the BMC was last heard, on performance.now()'s clock. */
  readonly heardAtMs: number
  /** Closes the session at the BMC, waiting up to about a second (or as given) for it to agree, and forgets it. */
  close(patience?: Patience): Promise<void>
  /** Tells the BMC the session is over, without waiting, and forgets it. */
  abandon(): void
}

export type LinkSettings = Patience & {
  /** How long a refusal that anyone could have forged is held back for a genuine answer. */
  graceMs: number
  /** How long a BMC that says it is busy is left alone; twice as long each time. */
  busyPauseMs: number
}

/**
 * Opens a session at the account's privilege level. Starts over when the BMC loses track or has no free session,
 * at most three times.
 *
 * @throws IpmiError saying why there is none; the signal's reason when it fires
 */
export async function openLink(
  account: Account,
  peer: Peer,
  transport: Transport,
  settings: LinkSettings,
  signal: AbortSignal,
): Promise<Link> {
  const heard: Heard = {}
  try {
    for (let round = 1; ; round += 1) {
      try {
        const link = await shakeHands(account, peer, transport, settings, signal, heard)
        try {
          await raisePrivilege(link, account, settings, signal)
          return link
        } catch (error) {
          link.abandon()
          throw error
        }
      } catch (error) {
        const again = error instanceof IpmiError && (error.code === 'busy' || error.code === 'session-lost')
        if (!again) throw error
        if (round > 3)
          throw error.code === 'session-lost' && heard.garbage !== undefined ? silence(heard) : error
        heard.refusal = error
        await pause(busyPause(settings, round), signal)
      }
    }
  } catch (error) {
    const outOfTime = error instanceof IpmiError && error.code === 'timeout'
    throw outOfTime ? (heard.refusal ?? silence(heard)) : error
  }
}

/** How long to leave a BMC alone after it said, for the nth time, that it is busy. */
export function busyPause(settings: LinkSettings, time: number): number {
  return settings.busyPauseMs * 2 ** (time - 1) * (0.75 + Math.random() / 2)
}

export function unreadable(command: Command, reason: string): IpmiError {
  const words = `the answer to ${command.name} cannot be read (${reason}); update or reset the BMC`
  return new IpmiError('malformed', words)
}

/** Some BMCs do not answer the login of a user they do not know. */
function fellSilent({ awaits, account }: Handshake): IpmiError {
  const user = JSON.stringify(account.username.toString())
  const advice = awaits === 'RAKP message 2' ? `check that user ${user} exists, or try again` : 'try again'
  return new IpmiError('session-lost', `the BMC answered, but not with ${awaits}; ${advice}`)
}

/** What is known of a BMC that has not opened a session yet. */
type Heard = { anything?: boolean; garbage?: string; plain?: Buffer; refusal?: IpmiError }

async function shakeHands(
  account: Account,
  peer: Peer,
  transport: Transport,
  settings: LinkSettings,
  signal: AbortSignal,
  heard: Heard,
): Promise<Link> {
  const consoleId = freeSessionId(transport)
  let handshake = beginHandshake(account, consoleId, randomBytes(16), randomBytes(1).readUInt8(0))
  let judging: ((type: number, payload: Buffer) => void) | undefined
  const detach = transport.attach(consoleId, {
    peer,
    onHandshake: (type, payload) => judging?.(type, payload),
    onSession: () => {},
  })
  const unwatch = transport.watch(peer, {
    onShortAnswer: (type, payload) => judging?.(type, payload),
    onGarbage: (reason) => {
      heard.garbage = reason
    },
    onPlain: (packet) => {
      heard.plain = Buffer.from(packet.payload)
    },
  })
  try {
    for (;;) {
      const step = await converse<DecisiveStep>({
        send: sender(handshake, peer, transport),
        listen: (judge) => {
          judging = judge
          return () => {
            judging = undefined
          }
        },
        judge: (type, payload) => judgeStep(advanceHandshake(handshake, type, payload), heard),
        patience:
          handshake.awaits === 'open session response'
            ? settings
            : { ...settings, tries: Math.min(3, settings.tries) },
        signal,
        graceMs: settings.graceMs,
      })
      if (step === undefined) {
        if (handshake.awaits === 'open session response') throw silence(heard)
        throw fellSilent(handshake)
      }
      if (step.kind === 'failed') {
        if (step.farewell !== undefined) transport.send(peer, step.farewell)
        throw step.error
      }
      if (step.kind === 'established') {
        detach()
        return createLink(step.session, peer, transport)
      }
      handshake = step.handshake
    }
  } finally {
    detach()
    unwatch()
  }
}

type DecisiveStep = Extract<HandshakeStep, { kind: 'next' | 'established' | 'failed' }>

function judgeStep(step: HandshakeStep, heard: Heard): Verdict<DecisiveStep> {
  if (step.kind === 'ignored') return undefined
  heard.anything = true
  if (step.kind === 'malformed') {
    heard.garbage = step.reason
    return undefined
  }
  return step.kind === 'failed' ? { refused: step } : { accepted: step }
}

/** Sends the handshake's datagram; after an Open Session without answer also asks, now and then, for IPMI 2.0 at all. */
function sender(handshake: Handshake, peer: Peer, transport: Transport): () => void {
  let sent = 0
  const { netFn, command, data = [] } = getChannelAuthentication
  return () => {
    transport.send(peer, handshake.datagram)
    sent += 1
    const isDue = sent === 2 || sent === 3 || sent % 8 === 0
    if (!isDue || handshake.awaits !== 'open session response') return
    const question = encodeRequest({ netFn, command, data, sequence: sent })
    transport.send(peer, encodePlain(question))
  }
}

/** The error for a BMC that opened no session and did not say why. */
function silence(heard: Heard): IpmiError {
  if (heard.plain !== undefined) {
    const answer = decodeResponse(heard.plain)
    const known = isMalformed(answer) ? undefined : readChannelAuthentication(answer.data)
    if (known?.ipmi20 === false) {
      return new IpmiError(
        'unsupported',
        'it speaks only IPMI 1.5; enable IPMI 2.0 (lanplus) or update its firmware',
      )
    }
    if (known) {
      const words = 'it answers discovery but opens no session; reset the BMC if this stays so'
      return new IpmiError('unreachable', words)
    }
  }
  if (heard.garbage !== undefined) {
    const words = `its answers cannot be read (${heard.garbage}); check that a BMC listens there, or reset it`
    return new IpmiError('malformed', words)
  }
  if (heard.anything) return new IpmiError('timeout', 'it answers, but too slowly to open a session in time')
  const words = 'no answer; check its address and port, the network, and that IPMI over LAN is enabled'
  return new IpmiError('unreachable', words)
}

/** A new session may do what USER may; anything above must be asked for (22.18). */
async function raisePrivilege(
  link: Link,
  account: Account,
  settings: LinkSettings,
  signal: AbortSignal,
): Promise<void> {
  const level = privilegeLevels[account.privilege]
  if (level <= privilegeLevels.USER) return
  const command = setSessionPrivilege(level)
  const reply = await link.exchange(command, settings, signal)
  if (reply === undefined && link.garbled !== undefined) throw unreadable(command, link.garbled)
  if (reply === undefined) throw new IpmiError('session-lost', 'the new session does not answer; try again')
  if (reply.completionCode === 0x80 || reply.completionCode === 0x81) {
    const words = `user ${JSON.stringify(account.username.toString())} may not have privilege level ${account.privilege}`
    throw new IpmiError(
      'insufficient-privilege',
      `${words}; ask for a lower one or raise the user’s limit in the BMC`,
    )
  }
  if (reply.completionCode !== 0) throw completionError(command.name, reply.completionCode)
}

function createLink(established: Established, peer: Peer, transport: Transport): Link {
  const takers = new Map<number, (payload: Buffer, at: number) => void>()
  let session = newSession(established)
  let lastRequest = 0
  let garbled: string | undefined
  let unanswered = 0
  let heardAtMs = performance.now()

  const detach = transport.attach(established.consoleId, {
    peer,
    onHandshake: () => {},
    onSession: (datagram) => {
      const opened = openDatagram(session, datagram)
      if ('refused' in opened) return
      session = opened.session
      unanswered = 0
      heardAtMs = performance.now()
      takers.get(opened.payloadType)?.(opened.payload, opened.sequence)
    },
  })

  const sealed = (payloadType: number, payload: Buffer, clear = false): Buffer => {
    const next = sealPayload(session, payloadType, payload, clear ? undefined : freshNonce())
    session = next.session
    return next.datagram
  }

  const nextRequest = (): number => {
    lastRequest = (lastRequest + 1) & 0x3f
    return lastRequest
  }
  const request = ({ netFn, command, data = [] }: Command, sequence = nextRequest()) => ({
    sequence,
    payload: encodeRequest({ netFn, command, data, sequence }),
  })

  const link: Link = {
    bmcId: established.bmcId,
    consoleId: established.consoleId,
    ask(command, again) {
      const { sequence, payload } = request(command, again)
      unanswered += 1
      transport.send(peer, sealed(payloadTypes.ipmi, payload))
      return sequence
    },
    exchange(command, patience, signal) {
      const { sequence, payload } = request(command)
      let datagram: Buffer | undefined
      garbled = undefined
      return converse<Reply>({
        send: () => {
          if (datagram === undefined || !command.once) datagram = sealed(payloadTypes.ipmi, payload)
          unanswered += 1
          transport.send(peer, datagram)
        },
        listen: (judge) => link.onPayload(payloadTypes.ipmi, (bytes) => judge(payloadTypes.ipmi, bytes)),
        judge: (_type, bytes) => {
          const response = decodeResponse(bytes)
          if (isMalformed(response)) {
            garbled = response.malformed
            return undefined
          }
          const ours =
            response.sequence === sequence &&
            response.command === command.command &&
            response.netFn === command.netFn
          if (!ours) return undefined
          return { accepted: { completionCode: response.completionCode, data: Buffer.from(response.data) } }
        },
        patience,
        signal,
      })
    },
    send(payloadType, payload, clear) {
      transport.send(peer, sealed(payloadType, payload, clear))
    },
    onPayload(payloadType, take) {
      takers.set(payloadType, take)
      return () => void (takers.get(payloadType) === take && takers.delete(payloadType))
    },
    get garbled() {
      return garbled
    },
    get unanswered() {
      return unanswered
    },
    get newestAt() {
      return session.window.highest
    },
    get heardAtMs() {
      return heardAtMs
    },
    async close(patience = { tries: 2, replyTimeoutMs: 400, exchangeTimeoutMs: 1_000 }) {
      try {
        await link.exchange(closeSession(established.bmcId), patience, new AbortController().signal)
      } finally {
        detach()
      }
    },
    abandon() {
      link.send(payloadTypes.ipmi, request(closeSession(established.bmcId)).payload)
      detach()
    },
  }
  return link
}

/** 16 unpredictable bytes. They are drawn many at a time: each draw costs more than what it is drawn for. */
function freshNonce(): Buffer {
  if (drawn.length < 16) drawn = randomBytes(4_096)
  const nonce = drawn.subarray(0, 16)
  drawn = drawn.subarray(16)
  return nonce
}
let drawn = Buffer.alloc(0)

function freeSessionId(transport: Transport): number {
  for (;;) {
    const id = randomBytes(4).readUInt32LE()
    if (!transport.isTaken(id)) return id
  }
}
