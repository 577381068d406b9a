/** How a node's `driver_info` tells where its BMC is and as whom to log in. Names and defaults are Ironic's. */
import { BlockList, isIP } from 'node:net'
import type { Privilege, Target } from '@leasehold/ipmi'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../types.ts'

export type CipherSuiteId = NonNullable<Target['cipherSuite']>

/** A BMC as `driver_info` describes it. */
export interface BmcAccess {
  target: Omit<Target, 'cipherSuite'>
  /** To be tried in this order. */
  cipherSuites: readonly CipherSuiteId[]
  /** Set the recorded boot device again at every power on, for BMCs that forget it. */
  forceBootDevice: boolean
  /** Ask the BMC not to forget a boot device after 60 seconds. */
  disableBootTimeout: boolean
}

/** Tried in this order when `ipmi_cipher_suite` is absent: the strongest first. */
export const cipherSuiteVersions: readonly CipherSuiteId[] = [17, 3]

const privileges = ['ADMINISTRATOR', 'OPERATOR', 'USER', 'CALLBACK'] as const satisfies readonly Privilege[]

/** The `driver_info` keys of the `ipmi` hardware type. */
export const ipmiProperties = {
  ipmi_address: 'IP address or host name of the BMC. Required.',
  ipmi_port: 'UDP port of the BMC, 1 to 65535; default is 623. Optional.',
  ipmi_username: 'User on the BMC, at most 16 bytes; default is the anonymous user. Optional.',
  ipmi_password: "That user's password, at most 20 bytes; default is empty. Optional.",
  ipmi_cipher_suite: `Cipher suite, 3 or 17; default is to try ${cipherSuiteVersions.join(', then ')}. Optional.`,
  ipmi_priv_level: `Privilege level to ask for; default is ADMINISTRATOR. One of ${privileges.join(', ')}. Optional.`,
  ipmi_hex_kg_key: 'BMC key (Kg) in hexadecimal, at most 20 bytes, for BMCs that have one. Optional.',
  ipmi_force_boot_device:
    'Whether to set the persistent boot device again at each power on, for BMCs that forget it; default is false. Optional.',
  ipmi_disable_boot_timeout:
    'Whether to ask the BMC not to forget a boot device after 60 seconds; default is true. Optional.',
  ipmi_protocol_version: 'Version of IPMI; default is 2.0, the only one supported. Optional.',
  ipmi_bridging: 'Bridged requests; default is no, the only value supported. Optional.',
  ipmi_terminal_port: 'Accepted and not used: consoles here need no port of their own. Optional.',
} as const

/**
 * Reads `driver_info`. Text where a number or a boolean is meant is understood, as command lines send it.
 * @throws LeaseholdError 'invalid' naming the key and what it must be; secrets are never repeated.
 */
export function readBmcAccess(node: Pick<Node, 'driver_info'>): BmcAccess {
  const info = node.driver_info
  checkVersion(info.ipmi_protocol_version)
  checkBridging(info.ipmi_bridging)
  if (isSet(info.ipmi_terminal_port)) readPort('ipmi_terminal_port', info.ipmi_terminal_port)
  const kg = readKey(info.ipmi_hex_kg_key)
  return {
    target: {
      address: readAddress(info.ipmi_address),
      port: isSet(info.ipmi_port) ? readPort('ipmi_port', info.ipmi_port) : 623,
      username: readText('ipmi_username', info.ipmi_username, 16),
      password: readText('ipmi_password', info.ipmi_password, 20),
      privilege: readPrivilege(info.ipmi_priv_level),
      ...(kg === undefined ? {} : { kg }),
    },
    cipherSuites: readCipherSuite(info.ipmi_cipher_suite),
    forceBootDevice: readBoolean('ipmi_force_boot_device', info.ipmi_force_boot_device, false),
    disableBootTimeout: readBoolean('ipmi_disable_boot_timeout', info.ipmi_disable_boot_timeout, true),
  }
}

function readAddress(value: unknown): string {
  if (!isSet(value)) throw invalid('ipmi_address', 'is missing; give the IP address or host name of the BMC')
  if (typeof value !== 'string') throw invalid('ipmi_address', 'must be text')
  const family = isIP(value)
  if (family !== 0) {
    if (notOneMachine.check(value.replace(/%.*$/, ''), family === 4 ? 'ipv4' : 'ipv6'))
      throw invalid(
        'ipmi_address',
        'must be the address of one machine, not a multicast, broadcast or empty one',
      )
    return value
  }
  const labels = value.replace(/\.$/, '').split('.')
  const isHostName = value.length <= 253 && labels.every((label) => hostLabel.test(label))
  if (!isHostName || /^\d+$/.test(labels.at(-1) ?? ''))
    throw invalid('ipmi_address', 'must be an IP address or a host name, without scheme, brackets or port')
  return value
}

const hostLabel = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/

/** Addresses that stand for none or for many machines. */
const notOneMachine = new BlockList()
notOneMachine.addSubnet('0.0.0.0', 8, 'ipv4')
notOneMachine.addSubnet('224.0.0.0', 4, 'ipv4')
notOneMachine.addAddress('255.255.255.255', 'ipv4')
notOneMachine.addAddress('::', 'ipv6')
notOneMachine.addSubnet('ff00::', 8, 'ipv6')

function readPort(key: string, value: unknown): number {
  const number = numberOf(value)
  if (number === undefined || number < 1 || number > 65535)
    throw invalid(key, 'must be a whole number from 1 to 65535')
  return number
}

function readText(key: string, value: unknown, mostBytes: number): string {
  if (!isSet(value)) return ''
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') throw invalid(key, 'must be text')
  if (Buffer.byteLength(text) > mostBytes)
    throw invalid(key, `must be at most ${mostBytes} bytes, as IPMI 2.0 has it`)
  if (text.includes('\0')) throw invalid(key, 'must not hold a zero byte')
  return text
}

function readKey(value: unknown): Uint8Array | undefined {
  if (!isSet(value)) return undefined
  if (typeof value !== 'string' || !/^([0-9a-f]{2}){1,20}$/i.test(value))
    throw invalid('ipmi_hex_kg_key', 'must be an even number of hexadecimal digits, at most 40')
  return Buffer.from(value, 'hex')
}

function readPrivilege(value: unknown): Privilege {
  if (!isSet(value)) return 'ADMINISTRATOR'
  const found = privileges.find((each) => each === value)
  if (!found) throw invalid('ipmi_priv_level', `must be one of ${privileges.join(', ')}`)
  return found
}

function readCipherSuite(value: unknown): readonly CipherSuiteId[] {
  if (!isSet(value)) return cipherSuiteVersions
  const found = cipherSuiteVersions.find((each) => each === numberOf(value))
  if (!found)
    throw invalid(
      'ipmi_cipher_suite',
      'must be 3 or 17; the other suites do not both authenticate and encrypt',
    )
  return [found]
}

/** @throws LeaseholdError 'invalid' naming the key. */
export function readBoolean(key: string, value: unknown, byDefault: boolean): boolean {
  if (!isSet(value)) return byDefault
  const text = typeof value === 'object' ? '' : String(value).toLowerCase()
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(text)) return true
  if (['false', 'f', 'no', 'n', 'off', '0'].includes(text)) return false
  throw invalid(key, 'must be true or false')
}

function checkVersion(value: unknown): void {
  if (isSet(value) && numberOf(value) !== 2)
    throw invalid(
      'ipmi_protocol_version',
      'must be 2.0: IPMI 1.5 sends commands unencrypted and is not supported; enable IPMI 2.0 on the BMC',
    )
}

function checkBridging(value: unknown): void {
  if (isSet(value) && value !== 'no')
    throw invalid(
      'ipmi_bridging',
      'must be no: bridged requests are not supported; give the address of the BMC itself',
    )
}

const isSet = (value: unknown): boolean => value != null && value !== ''

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'string') return /^\d{1,9}(\.0+)?$/.test(value) ? Number(value) : undefined
  return Number.isInteger(value) ? (value as number) : undefined
}

const invalid = (key: string, words: string): LeaseholdError =>
  new LeaseholdError('invalid', `driver_info: ${key} ${words}.`)
