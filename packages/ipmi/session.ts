/** An open session as a value: its keys, what it sends next, what it has seen (IPMI 2.0, 13.28 and 6.12.13). */
import type { Established } from './handshake.ts'
import { accept, emptyWindow, isMalformed, nextSequence, seal, unseal, type Window } from './wire/index.ts'

export type Session = Established & { lastSent: number; window: Window }

export function newSession(established: Established): Session {
  return { ...established, lastSent: 0, window: emptyWindow }
}

/** The session after sending, and the datagram to send. `nonce` is 16 unpredictable bytes; without it nothing is encrypted. */
export function sealPayload(
  session: Session,
  payloadType: number,
  payload: Buffer,
  nonce: Buffer | undefined,
): { session: Session; datagram: Buffer } {
  const sequence = nextSequence(session.lastSent)
  const datagram = seal(session.keys, { payloadType, sessionId: session.bmcId, sequence, payload }, nonce)
  return { session: { ...session, lastSent: sequence }, datagram }
}

/**
 * What a datagram addressed to this session holds. `refused` (not signed by the BMC, or seen before) leaves the
 * session as it was, whoever sent it.
 */
export function openDatagram(
  session: Session,
  datagram: Buffer,
): { session: Session; payloadType: number; payload: Buffer; sequence: number } | { refused: string } {
  const packet = unseal(session.keys, datagram)
  if (isMalformed(packet)) return { refused: packet.malformed }
  if (packet.sessionId !== session.consoleId) return { refused: 'of another session' }
  const window = accept(session.window, packet.sequence)
  if (window === undefined) return { refused: 'seen before' }
  const { payloadType, payload, sequence } = packet
  return { session: { ...session, window }, payloadType, payload, sequence }
}
