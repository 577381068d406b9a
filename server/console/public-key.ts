/** Public keys as OpenSSH writes them: which are good enough, and what they are called. */
import { createHash, createPublicKey } from 'node:crypto'
import ssh2 from 'ssh2'
import { LeaseholdError } from '../errors.ts'

export interface PublicKey {
  /** `ssh-ed25519 AAAA...`, without a comment. */
  text: string
  /** `SHA256:...`, as `ssh-keygen -l` shows it. */
  fingerprint: string
}

const leastRsaBits = 3072
/** Verifying takes longer with each bit, and whoever has no right to anything can ask for it. */
const mostRsaBits = 16_384
const types = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
] as const
/** A key of 16,384 bits has 2,800 letters. */
const mostLetters = 4096

/**
 * Reads one line of an `id_*.pub` file.
 * @throws LeaseholdError 'invalid' that says what to send instead.
 */
export function readPublicKey(line: string): PublicKey {
  const [type = '', data = '', ...rest] = line.trim().split(/[ \t]+/)
  if (line.length > mostLetters || /[\r\n]/.test(line.trim()))
    throw refusal('it must be one line, as in a file id_ed25519.pub')
  if (/^-----BEGIN|PRIVATE KEY/.test(line))
    throw refusal('this is not a public key in OpenSSH’s form; send the one line of the .pub file')
  if (!(types as readonly string[]).includes(type)) throw refusal(reasonAgainst(type))
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(data) || rest.some((word) => word.includes('\0')))
    throw refusal('what follows the type is not base64')
  const text = `${type} ${data}`
  const key = ssh2.utils.parseKey(text)
  if (key instanceof Error) throw refusal('its data is damaged; copy the line again')
  const blob = key.getPublicSSH()
  if (key.type !== type || blob.toString('base64').replace(/=+$/, '') !== data.replace(/=+$/, ''))
    throw refusal('its data does not fit its type; copy the line again')
  if (type === 'ssh-rsa') requireRsaBits(key.getPublicPEM())
  return { text, fingerprint: fingerprintOf(blob) }
}

/** SHA-256 of a key in the form that it has on the wire. */
export const fingerprintOf = (blob: Buffer): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`

function requireRsaBits(pem: string): void {
  let bits = 0
  try {
    bits = createPublicKey(pem).asymmetricKeyDetails?.modulusLength ?? 0
  } catch {
    throw refusal('its data is damaged; copy the line again')
  }
  if (bits < leastRsaBits || bits > mostRsaBits)
    throw refusal(
      `RSA keys must have ${leastRsaBits} to ${mostRsaBits} bits and this has ${bits}; make one with ssh-keygen -t ed25519`,
    )
}

const refusal = (why: string): LeaseholdError => new LeaseholdError('invalid', `public_key: ${why}.`)

function reasonAgainst(type: string): string {
  if (type === 'ssh-dss') return 'DSA keys are too weak; make one with ssh-keygen -t ed25519'
  if (type.startsWith('sk-'))
    return 'keys of security tokens (sk-...) are not supported yet; make one with ssh-keygen -t ed25519'
  if (type.includes('-cert-')) return 'certificates are not supported; send the key itself'
  return `it must begin with its type, one of ${types.join(', ')}`
}
