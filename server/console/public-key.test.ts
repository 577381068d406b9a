/** Which public keys are taken. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import ssh2 from 'ssh2'
import { describe, expect, it } from 'vitest'
import { LeaseholdError } from '../errors.ts'
import { newKeyPair } from './key-pair.ts'
import { readPublicKey } from './public-key.ts'

const generate = ssh2.utils.generateKeyPairSync
const ed25519 = newKeyPair().publicKey
const refusal = (line: string): string => {
  try {
    return `taken as ${readPublicKey(line).text}`
  } catch (error) {
    if (!(error instanceof LeaseholdError)) throw error
    return `${error.code} ${error.message}`
  }
}

describe('a public key', () => {
  it.each([
    ['ed25519', ed25519],
    ['ECDSA of 256 bits', generate('ecdsa', { bits: 256 }).public],
    ['ECDSA of 384 bits', generate('ecdsa', { bits: 384 }).public],
    ['ECDSA of 521 bits', generate('ecdsa', { bits: 521 }).public],
    ['RSA of 3072 bits', generate('rsa', { bits: 3072 }).public],
  ])('is taken: %s, with whatever comment', (_, line) => {
    const [type, data] = line.trim().split(' ') as [string, string]
    const fingerprint = createHash('sha256').update(Buffer.from(data, 'base64')).digest('base64')
    for (const text of [line, `  ${type}\t${data} alice@example.org my laptop \n`])
      expect(readPublicKey(text)).toEqual({
        text: `${type} ${data}`,
        fingerprint: `SHA256:${fingerprint.replace(/=+$/, '')}`,
      })
  })

  it('has the fingerprint that is known of it', () => {
    const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsXxQmv1aXKYcKFoALOoCaF3UmuR05XNXzPpkUxvq1M'
    expect(readPublicKey(line).fingerprint).toBe('SHA256:Fi1NAwRZTWVAcod4zU41eQoIWQX2RhCBm21KoElPJLg')
  })

  it.each([
    ['RSA of 2048 bits', generate('rsa', { bits: 2048 }).public, /3072 to 16384 bits and this has 2048/],
    ['DSA', 'ssh-dss AAAAB3NzaC1kc3MAAACBAP1', /DSA keys are too weak/],
    ['a security token’s', 'sk-ssh-ed25519@openssh.com AAAA', /security tokens/],
    ['a certificate', 'ssh-ed25519-cert-v01@openssh.com AAAA', /certificates/],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', /not a public key/],
    [
      'PEM',
      generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      /one line/,
    ],
    ['two lines', `${ed25519}\n${ed25519}`, /one line/],
    ['options before it', `command="x" ${ed25519}`, /must begin with its type/],
    ['cut short', ed25519.slice(0, -20), /damaged|does not fit/],
    ['another type in front', ed25519.replace('ssh-ed25519', 'ssh-rsa'), /damaged|does not fit/],
    ['more data than a key', `${ed25519.replace(/=+$/, '')}AAAA`, /damaged|does not fit/],
    ['nothing', '', /must begin with its type/],
  ])('is refused in words: %s', (_, line, words) => {
    expect(refusal(line)).toMatch(words)
    expect(refusal(line)).toMatch(/^invalid public_key: /)
  })

  it('is refused, never a failure, whatever it is', () => {
    const data = Buffer.from(ed25519.split(' ')[1] as string, 'base64')
    const spoilt = fc
      .tuple(
        fc.constantFrom('ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp521'),
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
          fc.tuple(fc.nat(data.length - 1), fc.nat(255)).map(([at, byte]) => {
            const changed = Buffer.from(data)
            changed[at] = byte
            return changed
          }),
          fc.nat(data.length).map((length) => data.subarray(0, length)),
        ),
      )
      .map(([type, bytes]) => `${type} ${bytes.toString('base64')}`)
    fc.assert(
      fc.property(fc.oneof(spoilt, fc.string({ unit: 'binary' })), (line) => {
        expect(refusal(line)).toMatch(/^(invalid public_key: |taken as ssh-ed25519 )/)
      }),
    )
  })
})
