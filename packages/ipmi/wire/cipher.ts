/** Cipher suites 3 and 17: the authentication codes of the handshake and the keys that follow (IPMI 2.0, 13.28 to 13.32). */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Algorithms } from './rakp.ts'

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

/** The keyed hash of a suite over some parts in turn. */
export function hmac(suite: CipherSuite, key: Buffer, parts: readonly Buffer[]): Buffer {
  const hash = createHmac(suite.hash, key)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Whether two authentication codes are equal, in a time that does not tell where they differ. */
export function sameBytes(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}

function identity(exchange: Exchange): Buffer {
  return Buffer.concat([Buffer.from([exchange.role, exchange.username.length]), exchange.username])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
