/**
 * New ed25519 keys in OpenSSH's form. The library `ssh2` makes them, too, but of those whose public half begins with a
 * zero byte, one in 256, it loses that byte.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'

export interface KeyPair {
  /** As in a file `id_ed25519`, without a passphrase. */
  privateKey: string
  /** `ssh-ed25519 AAAA...`. */
  publicKey: string
}

const type = 'ssh-ed25519'
/** With no cipher, of the private part. */
const blockBytes = 8
const lineLetters = 70

/** Makes one; `keys` is for tests. */
export function newKeyPair(keys = generateKeyPairSync('ed25519')): KeyPair {
  const { x = '', d = '' } = keys.privateKey.export({ format: 'jwk' })
  const [half, seed] = [x, d].map((text) => Buffer.from(text, 'base64url')) as [Buffer, Buffer]
  const blob = Buffer.concat([string(type), string(half)])
  const check = randomBytes(4)
  // The file PROTOCOL.key of OpenSSH.
  const secret = Buffer.concat([
    ...[check, check, string(type), string(half)],
    ...[string(Buffer.concat([seed, half])), string('leasehold')],
  ])
  const padding = Buffer.from(
    Array.from({ length: (blockBytes - (secret.length % blockBytes)) % blockBytes }, (_, index) => index + 1),
  )
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[string('none'), string('none'), string(''), number(1)],
    ...[string(blob), string(Buffer.concat([secret, padding]))],
  ])
  const lines = file.toString('base64').match(new RegExp(`.{1,${lineLetters}}`, 'g')) as string[]
  return {
    privateKey: [
      '-----BEGIN OPENSSH PRIVATE KEY-----',
      ...lines,
      '-----END OPENSSH PRIVATE KEY-----',
      '',
    ].join('\n'),
    publicKey: `${type} ${blob.toString('base64')}`,
  }
}

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A `string` of SSH's wire: its length before it (RFC 4251, 5). */
const string = (content: string | Buffer): Buffer =>
  Buffer.concat([number(Buffer.byteLength(content)), Buffer.from(content as string)])
