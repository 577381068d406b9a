/** TLS to a switch whose certificate is checked, by authority or by fingerprint, before a byte of ours is sent. */
import { createHash } from 'node:crypto'
import tls, { type TLSSocket } from 'node:tls'
import { SwitchError } from '../errors.ts'
import type { SwitchTarget } from '../types.ts'
import { isInsecure } from './host-key.ts'

/** @throws SwitchError 'unreachable' | 'timeout' | 'host-key', or 'invalid' if nothing says whom to trust */
export function connectTls(target: SwitchTarget, defaultPort: number, timeoutMs: number): Promise<TLSSocket> {
  const { address, port = defaultPort, trust, clientCertificate } = target
  const { ca, certificates = [] } = trust
  const where = `${address}:${port}`
  if (ca === undefined && certificates.length === 0 && !isInsecure(trust))
    throw new SwitchError('invalid', 'trust.ca or trust.certificates must say which TLS certificate is right')
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: address,
      port,
      ...(ca === undefined ? {} : { ca }),
      ...(clientCertificate === undefined
        ? {}
        : { cert: clientCertificate.certificate, key: clientCertificate.key }),
      // We look ourselves, below: a pinned certificate need not be signed by anybody.
      rejectUnauthorized: false,
    })
    const fail = (code: 'unreachable' | 'timeout' | 'host-key', why: string, cause?: unknown) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new SwitchError(code, `${where}: ${why}`, { cause }))
    }
    const timer = setTimeout(() => fail('timeout', `no TLS connection within ${timeoutMs} ms`), timeoutMs)
    socket.once('error', (error) => fail('unreachable', error.message, error))
    socket.once('close', () => fail('unreachable', 'the switch closed the connection'))
    socket.once('secureConnect', () => {
      const why = objection(socket, target)
      if (why !== null) return fail('host-key', why)
      clearTimeout(timer)
      socket.removeAllListeners('error').removeAllListeners('close')
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}

/** Why the certificate is not the right one, or null. */
function objection(socket: TLSSocket, { trust }: SwitchTarget): string | null {
  if (isInsecure(trust)) return null
  const { raw } = socket.getPeerCertificate()
  const fingerprint = createHash('sha256').update(raw).digest('hex')
  const pins = trust.certificates ?? []
  if (pins.some((pin) => pin.replaceAll(':', '').toLowerCase() === fingerprint)) return null
  if (pins.length === 0 && socket.authorized) return null
  return `its TLS certificate (SHA-256 ${fingerprint}) is not trusted${pins.length > 0 ? '' : `: ${socket.authorizationError}`}`
}
