/**
 * Passwords and the secrets of application credentials, kept as Argon2id hashes (RFC 9106) in the PHC string format,
 * so that each hash carries the parameters it was made with.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { createGate } from './gate.ts'

/** Longest password that is accepted, in characters; Keystone's own limit. */
export const maxPasswordLength = 4096

/** 19 MiB and two passes: OWASP's recommendation, about 40 ms of one core. */
const parameters = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }

/** Each hashing holds a thread of Node's pool of four, which files and name look-ups share, and 19 MiB. */
const gate = createGate({ atOnce: 2, waiting: 128, waitMs: 10_000, what: 'logins' })

/**
 * Hashes a password with a fresh salt.
 * @throws LeaseholdError 'unavailable' when too many hashings wait already.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  return encode(salt, await gate.run(() => derive(password, salt, parameters)))
}

/**
 * Whether `password` is the one that `encoded` was made of. Without a hash (no such user) it takes as long and
 * answers false, so that the time tells nobody which users exist.
 *
 * @throws LeaseholdError 'unavailable' when too many hashings wait already.
 */
export async function verifyPassword(password: string, encoded: string | null): Promise<boolean> {
  const known = decode(encoded ?? nobodysHash)
  const key = await gate.run(() =>
    derive(password, known.salt, { ...known.cost, tagLength: known.key.length }),
  )
  return timingSafeEqual(key, known.key) && encoded !== null
}

/** A password of 128 random bits, for accounts that nobody named one for. */
export const randomPassword = (): string => `p${randomBytes(16).toString('base64url')}`

interface Cost {
  memory: number
  passes: number
  parallelism: number
}

const derive = (password: string, nonce: Buffer, cost: Cost & { tagLength: number }): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    argon2('argon2id', { message: Buffer.from(password), nonce, ...cost }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  )

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')

const encode = (salt: Buffer, key: Buffer): string =>
  `$argon2id$v=19$m=${parameters.memory},t=${parameters.passes},p=${parameters.parallelism}$${unpadded(salt)}$${unpadded(key)}`

function decode(encoded: string): { cost: Cost; salt: Buffer; key: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(encoded)
  if (!match) throw new Error('A password hash in the database is not an Argon2id PHC string')
  const [, memory, passes, parallelism, salt = '', key = ''] = match
  return {
    cost: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, 'base64'),
    key: Buffer.from(key, 'base64'),
  }
}

/** Hash of no password: what the passwords of unknown users are compared with. */
const nobodysHash = encode(randomBytes(16), randomBytes(32))
