/** Opening a session, as the remote console sees it: a state machine with no clock and no socket (IPMI 2.0, 13.15). */
import { IpmiError, statusError } from './errors.ts'
import type { Account } from './target.ts'
import {
  decodeOpenSessionResponse,
  decodeRakp2,
  decodeRakp4,
  type Exchange,
  encodeOpening,
  encodeOpenSessionRequest,
  encodeRakp1,
  encodeRakp3,
  isMalformed,
  payloadTypes,
  rakp2AuthCode,
  rakp3AuthCode,
  rakp4AuthCode,
  type SessionKeys,
  sameBytes,
  sessionIntegrityKey,
  sessionKeys,
} from './wire/index.ts'

/** Waiting for the answer to `datagram`, which may be sent again as it is. */
export type Handshake = {
  account: Account
  consoleId: number
  consoleRandom: Buffer
  tag: number
  datagram: Buffer
} & (
  | { awaits: 'open session response' }
  | { awaits: 'RAKP message 2'; bmcId: number }
  | { awaits: 'RAKP message 4'; exchange: Exchange; integrityKey: Buffer }
)

/** What a session is made of once it stands. */
export type Established = { consoleId: number; bmcId: number; keys: SessionKeys }

/**
 * What an incoming message means. Nothing before the end of the handshake is authenticated, so `failed` is what
 * the BMC seems to say: a genuine answer that comes after it outweighs it. `farewell` tells the BMC we gave up.
 */
export type HandshakeStep =
  | { kind: 'next'; handshake: Handshake }
  | { kind: 'established'; session: Established }
  | { kind: 'failed'; error: IpmiError; farewell?: Buffer }
  | { kind: 'malformed'; reason: string }
  | { kind: 'ignored' }

/** Starts a handshake. `consoleId` (not 0) and `consoleRandom` (16 bytes) must be unpredictable. */
export function beginHandshake(
  account: Account,
  consoleId: number,
  consoleRandom: Buffer,
  tag: number,
): Handshake {
  const request = encodeOpenSessionRequest({
    tag,
    privilege: account.role & 0x0f,
    consoleId,
    algorithms: account.suite.algorithms,
  })
  return {
    awaits: 'open session response',
    account,
    consoleId,
    consoleRandom,
    tag,
    datagram: encodeOpening(payloadTypes.openSessionRequest, request),
  }
}

/** Reads one incoming message. */
export function advanceHandshake(handshake: Handshake, payloadType: number, payload: Buffer): HandshakeStep {
  switch (handshake.awaits) {
    case 'open session response':
      return payloadType === payloadTypes.openSessionResponse ? readOpenSession(handshake, payload) : ignored
    case 'RAKP message 2':
      return payloadType === payloadTypes.rakp2 ? readRakp2(handshake, payload) : ignored
    case 'RAKP message 4':
      return payloadType === payloadTypes.rakp4 ? readRakp4(handshake, payload) : ignored
  }
}

const ignored: HandshakeStep = { kind: 'ignored' }

function readOpenSession(handshake: Handshake, payload: Buffer): HandshakeStep {
  const response = decodeOpenSessionResponse(payload)
  if (isMalformed(response)) return { kind: 'malformed', reason: response.malformed }
  if (isForAnother(handshake, response)) return ignored
  const { account, consoleRandom } = handshake
  if (response.status !== 0) {
    return { kind: 'failed', error: statusError('Open Session', response.status, named(account)) }
  }
  const asked = account.suite.algorithms
  const given = response.algorithms
  if (
    given.authentication !== asked.authentication ||
    given.integrity !== asked.integrity ||
    given.confidentiality !== asked.confidentiality
  ) {
    const words = `it offers other algorithms than cipher suite ${account.suite.id}, which was asked for`
    return {
      kind: 'failed',
      error: new IpmiError('unsupported', `${words}; choose a suite it allows (3 or 17)`),
    }
  }
  if (response.bmcId === 0) return { kind: 'malformed', reason: 'session id 0 in Open Session Response' }
  const tag = nextTag(handshake.tag)
  const rakp1 = encodeRakp1({
    tag,
    bmcId: response.bmcId,
    consoleRandom,
    role: account.role,
    username: account.username,
  })
  return {
    kind: 'next',
    handshake: {
      ...common(handshake),
      awaits: 'RAKP message 2',
      bmcId: response.bmcId,
      tag,
      datagram: encodeOpening(payloadTypes.rakp1, rakp1),
    },
  }
}

function readRakp2(handshake: Handshake & { awaits: 'RAKP message 2' }, payload: Buffer): HandshakeStep {
  const response = decodeRakp2(payload)
  if (isMalformed(response)) return { kind: 'malformed', reason: response.malformed }
  if (isForAnother(handshake, response)) return ignored
  const { account, consoleId, consoleRandom, bmcId } = handshake
  if (response.status !== 0) {
    return { kind: 'failed', error: statusError('RAKP message 1', response.status, named(account)) }
  }
  const exchange: Exchange = {
    suite: account.suite,
    consoleId,
    bmcId,
    consoleRandom,
    bmcRandom: Buffer.from(response.bmcRandom),
    guid: Buffer.from(response.guid),
    role: account.role,
    username: account.username,
  }
  const tag = nextTag(handshake.tag)
  if (!sameBytes(rakp2AuthCode(exchange, account.password), response.authCode)) {
    const error = new IpmiError(
      'wrong-password',
      `the password of user ${JSON.stringify(named(account))} is not the BMC’s; check it`,
    )
    // Status 0Fh in RAKP 3 lets the BMC drop the half-open session at once.
    const refusal = encodeRakp3({ tag, status: 0x0f, bmcId, authCode: Buffer.alloc(0) })
    return { kind: 'failed', error, farewell: encodeOpening(payloadTypes.rakp3, refusal) }
  }
  const rakp3 = encodeRakp3({ tag, status: 0, bmcId, authCode: rakp3AuthCode(exchange, account.password) })
  return {
    kind: 'next',
    handshake: {
      ...common(handshake),
      awaits: 'RAKP message 4',
      exchange,
      integrityKey: sessionIntegrityKey(exchange, account.bmcKey),
      tag,
      datagram: encodeOpening(payloadTypes.rakp3, rakp3),
    },
  }
}

function readRakp4(handshake: Handshake & { awaits: 'RAKP message 4' }, payload: Buffer): HandshakeStep {
  const response = decodeRakp4(payload)
  if (isMalformed(response)) return { kind: 'malformed', reason: response.malformed }
  if (isForAnother(handshake, response)) return ignored
  const { account, consoleId, exchange, integrityKey } = handshake
  if (response.status === 0x0f || response.status === 0x02 || response.status === 0x08) {
    // The password was right (RAKP 2 proved it): the BMC answered a repeated RAKP 1 with a new random number,
    // or has already finished. A fresh handshake settles it.
    return { kind: 'failed', error: new IpmiError('session-lost', 'the BMC lost track of the handshake') }
  }
  if (response.status !== 0) {
    return { kind: 'failed', error: statusError('RAKP message 3', response.status, named(account)) }
  }
  if (!sameBytes(rakp4AuthCode(exchange, integrityKey), response.authCode)) {
    const words =
      'the password is right but the session key is not: the BMC has another Kg (BMC key); check kg'
    return { kind: 'failed', error: new IpmiError('wrong-bmc-key', words) }
  }
  return {
    kind: 'established',
    session: { consoleId, bmcId: exchange.bmcId, keys: sessionKeys(account.suite, integrityKey) },
  }
}

function isForAnother(
  handshake: Handshake,
  response: { tag: number; status: number; consoleId: number },
): boolean {
  const unnamed = response.status !== 0 && response.consoleId === 0
  return response.tag !== handshake.tag || !(unnamed || response.consoleId === handshake.consoleId)
}

function common(handshake: Handshake): Pick<Handshake, 'account' | 'consoleId' | 'consoleRandom'> {
  const { account, consoleId, consoleRandom } = handshake
  return { account, consoleId, consoleRandom }
}

const nextTag = (tag: number): number => (tag + 1) & 0xff

const named = (account: Account): string => account.username.toString('utf8')
