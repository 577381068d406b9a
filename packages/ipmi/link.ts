/** One RMCP+ session on its socket: asking through it, and closing it. */
import { randomBytes } from 'node:crypto'
import type { Command, Reply } from './command.ts'
import { closeSession } from './commands.ts'
import { converse, type Patience } from './converse.ts'
import { IpmiError } from './errors.ts'
import type { Established } from './handshake.ts'
import { newSession, openDatagram, sealPayload } from './session.ts'
import type { Peer, Transport } from './transport.ts'
import { decodeResponse, encodeRequest, isMalformed, payloadTypes } from './wire/index.ts'

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

/** How long to leave a BMC alone after it said, for the nth time, that it is busy. */
export function busyPause(settings: LinkSettings, time: number): number {
  return settings.busyPauseMs * 2 ** (time - 1) * (0.75 + Math.random() / 2)
}

export function unreadable(command: Command, reason: string): IpmiError {
  const words = `the answer to ${command.name} cannot be read (${reason}); update or reset the BMC`
  return new IpmiError('malformed', words)
}

/** Runs a session that stands. `release`: called when it is over. */
export function createLink(
  established: Established,
  peer: Peer,
  transport: Transport,
  release: () => void = () => {},
): Link {
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
        release()
      }
    },
    abandon() {
      link.send(payloadTypes.ipmi, request(closeSession(established.bmcId)).payload)
      detach()
      release()
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
