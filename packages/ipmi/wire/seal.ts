/**
 * The protection of a session's packets: encrypted with AES, signed with HMAC (IPMI 2.0, 13.28.4, 13.29, 13.32).
 *
 * Thousands of sessions are kept alive with this, so what costs most is done once a session: its ciphers stay, and of
 * HMAC the blocks that the key is mixed into.
 */
import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv, hash } from 'node:crypto'
import { type CipherSuite, hmac, sameBytes } from './cipher.ts'
import {
  decodePacket,
  isMalformed,
  type Malformed,
  malformed,
  type SessionPacket,
  writeSessionHeader,
} from './rmcp.ts'

/** Keys of one session. `integrity` is K1, `confidentiality` the first 16 bytes of K2 (13.32). */
export type SessionKeys = {
  readonly suite: CipherSuite
  readonly integrity: Buffer
  readonly confidentiality: Buffer
  /** HMAC's inner and outer first blocks (RFC 2104). */
  readonly inner: Buffer
  readonly outer: Buffer
  /** Goes on from packet to packet: see `encrypt`. */
  readonly cipher: Cipheriv
  readonly decipher: Decipheriv
}

/** K1 and K2 (13.32). */
export function sessionKeys(suite: CipherSuite, integrityKey: Buffer): SessionKeys {
  const integrity = hmac(suite, integrityKey, [Buffer.alloc(20, 1)])
  const confidentiality = hmac(suite, integrityKey, [Buffer.alloc(20, 2)]).subarray(0, 16)
  return {
    suite,
    integrity,
    confidentiality,
    inner: hmacBlock(integrity, 0x36),
    outer: hmacBlock(integrity, 0x5c),
    cipher: createCipheriv('aes-128-cbc', confidentiality, zeros).setAutoPadding(false),
    decipher: createDecipheriv('aes-128-cbc', confidentiality, zeros).setAutoPadding(false),
  }
}

/**
 * Encrypts and signs one payload into a whole datagram. `nonce` is 16 unpredictable bytes, never given before; without
 * it the payload is only signed.
 */
export function seal(
  keys: SessionKeys,
  packet: { payloadType: number; sessionId: number; sequence: number; payload: Buffer },
  nonce: Buffer | undefined,
): Buffer {
  const { suite } = keys
  const body = nonce === undefined ? packet.payload : encrypt(keys, packet.payload, nonce)
  const bodyEnd = headerBytes + body.length
  // From the authentication type (byte 4) up to the next-header byte there must be a multiple of 4 bytes.
  const padLength = -(bodyEnd - 4 + 2) & 3
  const signedEnd = bodyEnd + padLength + 2
  const datagram = Buffer.allocUnsafe(signedEnd + suite.integrityLength)
  writeSessionHeader(
    datagram,
    { ...packet, encrypted: nonce !== undefined, authenticated: true },
    body.length,
  )
  body.copy(datagram, headerBytes)
  datagram.fill(0xff, bodyEnd, signedEnd)
  datagram[signedEnd - 2] = padLength
  datagram[signedEnd - 1] = 0x07
  signature(keys, datagram, signedEnd).copy(datagram, signedEnd)
  return datagram
}

/** Checks and decrypts a datagram of a session; what comes back was written by who holds the keys. */
export function unseal(keys: SessionKeys, datagram: Buffer): SessionPacket | Malformed {
  const packet = decodePacket(datagram)
  if (isMalformed(packet)) return packet
  if (packet.format !== '2.0' || !packet.authenticated) return malformed('not signed')
  const end = datagram.length - keys.suite.integrityLength
  if (end < headerBytes + packet.payload.length + 2) return malformed('signature cut short')
  if (!sameBytes(signature(keys, datagram, end), datagram.subarray(end))) return malformed('wrong signature')
  if (!packet.encrypted) return packet
  const payload = decrypt(keys, packet.payload)
  return Buffer.isBuffer(payload) ? { ...packet, payload } : payload
}

/** The HMAC of a packet from its authentication type up to `end`; good until the next call. */
function signature({ suite, inner, outer }: SessionKeys, packet: Buffer, end: number): Buffer {
  const length = end - 4
  const message = length <= longestPacket ? scratch : Buffer.allocUnsafe(blockBytes + length)
  inner.copy(message)
  packet.copy(message, blockBytes, 4, end)
  // As text: of what hash() gives as a Buffer each has memory of its own, which costs more than the hashing.
  const digest = hash(suite.hash, message.subarray(0, blockBytes + length), 'latin1')
  outer.copy(scratch)
  const outerEnd = blockBytes + scratch.write(digest, blockBytes, 'latin1')
  const code = hash(suite.hash, scratch.subarray(0, outerEnd), 'latin1')
  scratch.write(code, 0, 'latin1')
  return scratch.subarray(0, suite.integrityLength)
}

/**
 * AES-CBC-128 with the padding of 13.29: 1, 2, 3, ... and then how many. CBC mixes each block with the one before
 * it, and here it just goes on: the nonce is encrypted as the block before the payload, and what becomes of it is the
 * packet's initialization vector, which nobody can foresee.
 */
function encrypt({ cipher }: SessionKeys, payload: Buffer, nonce: Buffer): Buffer {
  const padLength = -(payload.length + 1) & 15
  const plain = Buffer.allocUnsafe(16 + payload.length + padLength + 1)
  nonce.copy(plain)
  payload.copy(plain, 16)
  for (let index = 0; index < padLength; index += 1) plain[16 + payload.length + index] = index + 1
  plain[plain.length - 1] = padLength
  // Whole blocks without automatic padding: nothing is held back.
  return cipher.update(plain)
}

/** The vector goes through as if it were the first block; what comes of it means nothing. */
function decrypt({ decipher }: SessionKeys, bytes: Buffer): Buffer | Malformed {
  if (bytes.length < 32 || bytes.length % 16 !== 0) return malformed('encrypted payload of impossible length')
  const plain = decipher.update(bytes)
  const padLength = plain.readUInt8(plain.length - 1)
  if (padLength > 15) return malformed('wrong encryption padding')
  return plain.subarray(16, plain.length - 1 - padLength)
}

const headerBytes = 16
const longestPacket = 1_024
/** Of SHA-1 and SHA-256; longer keys than a block there are none. */
const blockBytes = 64
const zeros = Buffer.alloc(16)
const scratch = Buffer.alloc(blockBytes + longestPacket)

function hmacBlock(key: Buffer, mix: number): Buffer {
  const block = Buffer.alloc(blockBytes, mix)
  for (const [index, byte] of key.entries()) block[index] = byte ^ mix
  return block
}
