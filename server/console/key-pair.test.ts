/** New keys are keys, for the library and for Node alike. */
import { generateKeyPairSync } from 'node:crypto'
import ssh2 from 'ssh2'
import { expect, it } from 'vitest'
import { newKeyPair } from './key-pair.ts'
import { fingerprintOf, readPublicKey } from './public-key.ts'

/** One whose public half begins, or ends, with a zero. */
function odd(at: 0 | -1) {
  for (;;) {
    const keys = generateKeyPairSync('ed25519')
    const half = Buffer.from(keys.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    if (half.at(at) === 0) return keys
  }
}

it.each([
  ['any', () => generateKeyPairSync('ed25519')],
  ['one that begins with a zero', () => odd(0)],
  ['one that ends with a zero', () => odd(-1)],
])('%s is read by the library, signs, and is known by its public half', (_, make) => {
  const { privateKey, publicKey } = newKeyPair(make())
  const [secret, open] = [ssh2.utils.parseKey(privateKey), ssh2.utils.parseKey(publicKey)]
  if (secret instanceof Error) throw secret
  if (open instanceof Error) throw open
  const message = Buffer.from('a message')
  expect(open.verify(message, secret.sign(message) as Buffer)).toBe(true)
  expect(open.verify(Buffer.from('another'), secret.sign(message) as Buffer)).toBe(false)
  expect(readPublicKey(publicKey)).toEqual({
    text: publicKey,
    fingerprint: fingerprintOf(secret.getPublicSSH()),
  })
})
