/** Whom to talk to and as whom: the caller's description of a BMC account, checked and made ready for the wire. */
import { IpmiError } from './errors.ts'
import { type CipherSuite, type CipherSuiteId, cipherSuites } from './wire/index.ts'

export type Privilege = 'CALLBACK' | 'USER' | 'OPERATOR' | 'ADMINISTRATOR'

/**
 * One account on one BMC. `address` is an IP address or a host name; `port` is 623 unless given.
 * `kg` is the BMC key for BMCs that have one (two-key login), up to 20 bytes.
 * `userLookup` 'name' (the default) finds the account by its name; 'name-and-privilege' by both.
 */
export type Target = {
  address: string
  port?: number
  username: string
  password: string
  cipherSuite?: CipherSuiteId
  privilege?: Privilege
  kg?: string | Uint8Array
  userLookup?: 'name' | 'name-and-privilege'
}

/** Privilege levels as numbers (IPMI 2.0, 6.8). */
export const privilegeLevels: Readonly<Record<Privilege, number>> = {
  CALLBACK: 1,
  USER: 2,
  OPERATOR: 3,
  ADMINISTRATOR: 4,
}

/** A target whose every field is known to fit the protocol. */
export type Account = {
  address: string
  port: number
  suite: CipherSuite
  privilege: Privilege
  username: Buffer
  password: Buffer
  /** Kg, or the password where there is none. */
  bmcKey: Buffer
  /** The role byte of RAKP 1: privilege, and bit 4 for looking up by name only. */
  role: number
}

/**
 * Checks a target.
 *
 * @throws IpmiError 'invalid-argument', naming the field
 */
export function accountOf(target: Target): Account {
  const port = target.port ?? 623
  if (typeof target.address !== 'string' || target.address === '') refuse('address must not be empty')
  if (!Number.isInteger(port) || port < 1 || port > 65535) refuse('port must be 1 to 65535')
  const username = Buffer.from(target.username, 'utf8')
  if (username.length > 16) refuse('username is longer than the 16 bytes IPMI allows')
  const password = Buffer.from(target.password, 'utf8')
  if (password.length > 20) refuse('password is longer than the 20 bytes IPMI 2.0 allows')
  const kg = target.kg === undefined ? Buffer.alloc(0) : Buffer.from(target.kg)
  if (kg.length > 20) refuse('kg is longer than the 20 bytes IPMI 2.0 allows')
  const suite = cipherSuites[target.cipherSuite ?? 3]
  if (suite === undefined)
    refuse('cipherSuite must be 3 or 17; other suites do not both authenticate and encrypt')
  const privilege = target.privilege ?? 'ADMINISTRATOR'
  const level = privilegeLevels[privilege]
  if (level === undefined) refuse(`privilege must be one of ${Object.keys(privilegeLevels).join(', ')}`)
  return {
    address: target.address,
    port,
    suite,
    privilege,
    username,
    password,
    bmcKey: kg.some((byte) => byte !== 0) ? kg : password,
    role: level | (target.userLookup === 'name-and-privilege' ? 0 : 0x10),
  }
}

/** address:port as people write it. */
export function describeBmc(target: Pick<Target, 'address' | 'port'>): string {
  const host = target.address.includes(':') ? `[${target.address}]` : target.address
  return `${host}:${target.port ?? 623}`
}

function refuse(message: string): never {
  throw new IpmiError('invalid-argument', message)
}
