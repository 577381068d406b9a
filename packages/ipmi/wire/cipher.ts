/** Cipher suites 3 and 17: authentication codes, key derivation, and the protection of packets (IPMI 2.0, 13.28 to 13.32). */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import type { Algorithms } from './rakp.ts'
import {
  decodePacket,
  encodeSession,
  isMalformed,
  type Malformed,
  malformed,
  type SessionPacket,
} from './rmcp.ts'

export type CipherSuiteId = 3 | 17

export type CipherSuite = {
  id: CipherSuiteId
  algorithms: Algorithms
  hash: 'sha1' | 'sha256'
  /** Bytes of a full authentication code (RAKP 2 and 3). */
  authCodeLength: number
  /** Bytes of a truncated one (RAKP 4 and every packet). */
  integrityLength: number
}

/** Suites with real authentication, integrity and encryption (table 22-20); the others are refused on purpose. */
export const cipherSuites: Readonly<Record<CipherSuiteId, CipherSuite>> = {
  3: {
    id: 3,
    algorithms: { authentication: 1, integrity: 1, confidentiality: 1 },
    hash: 'sha1',
    authCodeLength: 20,
    integrityLength: 12,
  },
  17: {
    id: 17,
    algorithms: { authentication: 3, integrity: 4, confidentiality: 1 },
    hash: 'sha256',
    authCodeLength: 32,
    integrityLength: 16,
  },
}

/** What both sides know once RAKP 2 has been read; everything the authentication codes are made of. */
export type Exchange = {
  suite: CipherSuite
  consoleId: number
  bmcId: number
  consoleRandom: Buffer
  bmcRandom: Buffer
  guid: Buffer
  role: number
  username: Buffer
}

/** Keys of one session. `integrity` is K1, `confidentiality` the first 16 bytes of K2 (13.32). */
export type SessionKeys = { suite: CipherSuite; integrity: Buffer; confidentiality: Buffer }

/** The BMC's proof in RAKP 2 that it knows the user's password (13.31). */
export function rakp2AuthCode(exchange: Exchange, password: Buffer): Buffer {
  return hmac(exchange.suite, password, [
    uint32(exchange.consoleId),
    uint32(exchange.bmcId),
    exchange.consoleRandom,
    exchange.bmcRandom,
    exchange.guid,
    identity(exchange),
  ])
}

/** The console's proof in RAKP 3 that it knows the user's password (13.31). */
export function rakp3AuthCode(exchange: Exchange, password: Buffer): Buffer {
  return hmac(exchange.suite, password, [exchange.bmcRandom, uint32(exchange.consoleId), identity(exchange)])
}

/** The session integrity key; keyed with Kg (the BMC key), or with the password where none is set (13.31). */
export function sessionIntegrityKey(exchange: Exchange, bmcKey: Buffer): Buffer {
  return hmac(exchange.suite, bmcKey, [exchange.consoleRandom, exchange.bmcRandom, identity(exchange)])
}

/** The BMC's proof in RAKP 4 that it derived the same session integrity key (13.31). */
export function rakp4AuthCode(exchange: Exchange, integrityKey: Buffer): Buffer {
  const code = hmac(exchange.suite, integrityKey, [
    exchange.consoleRandom,
    uint32(exchange.bmcId),
    exchange.guid,
  ])
  return code.subarray(0, exchange.suite.integrityLength)
}

/** K1 and K2 (13.32). */
export function sessionKeys(suite: CipherSuite, integrityKey: Buffer): SessionKeys {
  return {
    suite,
    integrity: hmac(suite, integrityKey, [Buffer.alloc(20, 1)]),
    confidentiality: hmac(suite, integrityKey, [Buffer.alloc(20, 2)]).subarray(0, 16),
  }
}

/** Encrypts and signs one payload into a whole datagram. `iv` is 16 unpredictable bytes; without it it is only signed. */
export function seal(
  keys: SessionKeys,
  packet: { payloadType: number; sessionId: number; sequence: number; payload: Buffer },
  iv: Buffer | undefined,
): Buffer {
  const head = encodeSession({
    ...packet,
    payload: iv === undefined ? packet.payload : encrypt(keys, packet.payload, iv),
    encrypted: iv !== undefined,
    authenticated: true,
  })
  // From the authentication type (byte 4) up to the next-header byte there must be a multiple of 4 bytes.
  const padLength = -(head.length - 4 + 2) & 3
  const trailer = Buffer.alloc(padLength + 2, 0xff)
  trailer[padLength] = padLength
  trailer[padLength + 1] = 0x07
  const signed = Buffer.concat([head, trailer])
  return Buffer.concat([signed, signature(keys, signed)])
}

/** Checks and decrypts a datagram of a session; what comes back was written by who holds the keys. */
export function unseal(keys: SessionKeys, datagram: Buffer): SessionPacket | Malformed {
  const packet = decodePacket(datagram)
  if (isMalformed(packet)) return packet
  if (packet.format !== '2.0' || !packet.authenticated) return malformed('not signed')
  const end = datagram.length - keys.suite.integrityLength
  if (end < 16 + packet.payload.length + 2) return malformed('signature cut short')
  if (!sameBytes(signature(keys, datagram.subarray(0, end)), datagram.subarray(end))) {
    return malformed('wrong signature')
  }
  if (!packet.encrypted) return packet
  const payload = decrypt(keys, packet.payload)
  return Buffer.isBuffer(payload) ? { ...packet, payload } : payload
}

/** Whether two authentication codes are equal, in a time that does not tell where they differ. */
export function sameBytes(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}

function identity(exchange: Exchange): Buffer {
  return Buffer.concat([Buffer.from([exchange.role, exchange.username.length]), exchange.username])
}

function signature(keys: SessionKeys, packet: Buffer): Buffer {
  return hmac(keys.suite, keys.integrity, [packet.subarray(4)]).subarray(0, keys.suite.integrityLength)
}

function hmac(suite: CipherSuite, key: Buffer, parts: readonly Buffer[]): Buffer {
  const hash = createHmac(suite.hash, key)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** AES-CBC-128 with the padding of 13.29: 1, 2, 3, ... and then how many. */
function encrypt(keys: SessionKeys, payload: Buffer, iv: Buffer): Buffer {
  const padLength = -(payload.length + 1) & 15
  const plain = Buffer.allocUnsafe(payload.length + padLength + 1)
  payload.copy(plain)
  for (let index = 0; index < padLength; index += 1) plain[payload.length + index] = index + 1
  plain[plain.length - 1] = padLength
  // Whole blocks without automatic padding: nothing is left for final().
  const cipher = createCipheriv('aes-128-cbc', keys.confidentiality, iv).setAutoPadding(false)
  return Buffer.concat([iv, cipher.update(plain)])
}

function decrypt(keys: SessionKeys, bytes: Buffer): Buffer | Malformed {
  if (bytes.length < 32 || bytes.length % 16 !== 0) return malformed('encrypted payload of impossible length')
  const decipher = createDecipheriv('aes-128-cbc', keys.confidentiality, bytes.subarray(0, 16))
  decipher.setAutoPadding(false)
  const plain = decipher.update(bytes.subarray(16))
  const padLength = plain.readUInt8(plain.length - 1)
  if (padLength > 15) return malformed('wrong encryption padding')
  return plain.subarray(0, plain.length - 1 - padLength)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
