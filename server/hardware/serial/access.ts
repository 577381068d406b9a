/** How a node's `driver_info` tells where its serial console is, for drivers that reach it over TCP; and getting there. */
import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { inNetworks, isOwnAddress } from '../../addresses.ts'
import type { Config } from '../../config.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Bounds, Node } from '../types.ts'

export interface SerialDeps {
  /** Whether consoles may lead to this very host, and to addresses that only mean something on its own network. */
  allowLocal: boolean
  /** Where consoles may be; anywhere when empty. */
  allowedNetworks?: readonly string[]
  /** The TCP doors to consoles, where nobody is asked who he is: no console may lead there. */
  doors?: { host: string; ports: { first: number; last: number } } | undefined
}

export function serialDeps(config: Config): SerialDeps {
  const host = config['console.tcp_listen']
  return {
    allowLocal: config['serial.allow_local'],
    allowedNetworks: config['hardware.allowed_networks'],
    doors: host === undefined ? undefined : { host, ports: config['console.tcp_ports'] },
  }
}

/** Keys that all of these drivers read. */
export const addressProperties = {
  console_address: 'IP address or host name of what serves the serial console. Required.',
} as const

export interface Address {
  host: string
  port: number
}

/** @throws LeaseholdError 'invalid' naming the key and what it must be. */
export function readAddress(info: Node['driver_info'], defaultPort?: number): Address {
  const { console_address: host, console_port: port } = info
  if (host == null || host === '')
    throw invalid('console_address', 'is missing; give the IP address or host name of the console')
  if (typeof host !== 'string' || !(isIP(host) !== 0 || hostName.test(host)))
    throw invalid('console_address', 'must be an IP address or a host name, without scheme, brackets or port')
  if ((port == null || port === '') && defaultPort !== undefined) return { host, port: defaultPort }
  if (port == null || port === '')
    throw invalid('console_port', 'is missing; give the TCP port of the console')
  const number = typeof port === 'string' && /^\d{1,5}$/.test(port) ? Number(port) : port
  if (!Number.isInteger(number) || Number(number) < 1 || Number(number) > 65_535)
    throw invalid('console_port', 'must be a whole number from 1 to 65535')
  return { host, port: Number(number) }
}

/** @throws LeaseholdError 'invalid' when the key holds something else; the value is never repeated. */
export function readText(info: Node['driver_info'], key: string): string | undefined {
  const value = info[key]
  if (value == null || value === '') return undefined
  if (typeof value !== 'string') throw invalid(key, 'must be text')
  return value
}

export const invalid = (key: string, words: string): LeaseholdError =>
  new LeaseholdError('invalid', `driver_info: ${key} ${words}.`)

export const unavailable = (words: string, cause?: unknown): LeaseholdError =>
  new LeaseholdError('unavailable', words, { cause })

/**
 * Connects, within 10 s. A name is looked up first, and the address that is then connected to is checked: what a
 * name leads to is not its owner's to promise.
 * @throws LeaseholdError 'invalid' for an address that is not allowed, 'unavailable' when there is no connection.
 */
export async function connectTo(
  { host, port }: Address,
  { signal }: Bounds,
  deps: SerialDeps,
): Promise<Socket> {
  signal.throwIfAborted()
  const found = await lookup(host).catch(() => {
    throw unavailable(`Console ${host}: the name does not resolve; check console_address in driver_info.`)
  })
  const refusal = await refusalOf({ host: found.address, port }, deps)
  if (refusal) throw invalid('console_address', refusal)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: found.address, port, noDelay: true })
    const timer = setTimeout(() => fail(new Error('no answer within 10 s')), connectMs)
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.off('error', fail)
    }
    const fail = (error: Error) => {
      done()
      socket.destroy()
      const words = `Console ${host}:${port}: no connection (${error.message})`
      reject(unavailable(`${words}; check console_address and console_port in driver_info.`, error))
    }
    const abort = () => {
      done()
      socket.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.once('error', fail)
    socket.once('connect', () => {
      // A host that talks to itself has one address at both ends, also one that no interface shows.
      if (!deps.allowLocal && socket.localAddress === socket.remoteAddress) {
        done()
        socket.destroy()
        return reject(invalid('console_address', tooNear))
      }
      done()
      resolve(socket)
    })
  })
}

const connectMs = 10_000
const hostName = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/

/** Why a numeric address may not be connected to, if it may not. */
async function refusalOf(
  { host, port }: Address,
  { allowLocal, allowedNetworks = [], doors }: SerialDeps,
): Promise<string | undefined> {
  const door = doors && (await lookup(doors.host).catch(() => undefined))?.address
  const isNear = isLocal(host) || isOwnAddress(host) || (door !== undefined && inNetworks([door])(host))
  if (isNear && doors && port >= doors.ports.first && port <= doors.ports.last)
    return 'and console_port lead to a TCP door of this service; give those of the console itself'
  if (isNear && !allowLocal) return tooNear
  if (allowedNetworks.length > 0 && !inNetworks(allowedNetworks)(host))
    return 'leads to an address that is not in hardware.allowed_networks; ask the operator of this service'
  return undefined
}

const tooNear = 'leads to this service’s own host or network; that must be allowed with --serial-allow-local'

/** This host, its link, and addresses of none or of many. */
const isLocal = inNetworks([
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::',
  '::1',
  'fe80::/10',
  'ff00::/8',
])
