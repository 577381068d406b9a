import { createDecipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cipherSuites,
  type Exchange,
  isMalformed,
  rakp2AuthCode,
  rakp3AuthCode,
  rakp4AuthCode,
  seal,
  sessionIntegrityKey,
  sessionKeys,
  unseal,
} from './index.ts'

/** Computed by Python's hmac and the openssl command from IPMI 2.0, 13.28 to 13.32, without this code. */
const knownAnswers = {
  3: {
    rakp2: '43e98fbfbefea669d804659af8b5321d1d678cea',
    rakp3: '7b8ca47e28b110a9237812501cb43a5aa4a3ab4f',
    integrityKey: '596669c752228fb5e1629bb0c48e0f295f4c16ac',
    rakp4: 'c5fcb2a8c049e018bddf9f9e',
    k1: '02d116fb50caf6dc2567cbfcaa1f7ff9fcaa64b8',
    k2: '323b039ef0c14a702063fcf5956a3f8f',
    packet:
      '0600ff0706c004030201010000002000202122232425262728292a2b2c2d2e2fc2543597ff1e4b3b85c82b2c26ba76c3' +
      'ffff02070f7be8e79b3f7503cd3dd404',
  },
  17: {
    rakp2: 'd41ef205f16330e4dc8b1f0b65873a8b51b54af05dcb37bf95af7f37bb6460e9',
    rakp3: 'f15eebed1dc73554282925897f591fede525a3f4126ccf6aeaab8c908e7a5553',
    integrityKey: '3525c8aa1c0644c31d525408256c970bbc4dc33ee849d5aef7a92f75939025ed',
    rakp4: '048526180266054c2846e62475981578',
    k1: '62ecaa009b20802f25311e8f844563b187e6a7362a15ceced0e99d679fb2ac9a',
    k2: '8b944260abd49eb806321549400a84bc',
    packet:
      '0600ff0706c004030201010000002000202122232425262728292a2b2c2d2e2f61ce5d4e7c398b6ae195577b382ef54f' +
      'ffff020796fd0814a8b78fc9e457170a8e360301',
  },
} as const

const count = (from: number) => Buffer.from(Array.from({ length: 16 }, (_, index) => from + index))

describe.each([3, 17] as const)('cipher suite %i', (id) => {
  const suite = cipherSuites[id]
  const known = knownAnswers[id]
  const exchange: Exchange = {
    suite,
    consoleId: 0xa1b2c3d4,
    bmcId: 0x01020304,
    consoleRandom: count(0),
    bmcRandom: count(0x80),
    guid: count(0x40),
    role: 0x14,
    username: Buffer.from('admin'),
  }
  const integrityKey = sessionIntegrityKey(exchange, Buffer.from('bmc-key'))
  const keys = sessionKeys(suite, integrityKey)

  test('derives the codes and keys that others derive', () => {
    const password = Buffer.from('secret')
    expect(rakp2AuthCode(exchange, password).toString('hex')).toBe(known.rakp2)
    expect(rakp3AuthCode(exchange, password).toString('hex')).toBe(known.rakp3)
    expect(integrityKey.toString('hex')).toBe(known.integrityKey)
    expect(rakp4AuthCode(exchange, integrityKey).toString('hex')).toBe(known.rakp4)
    expect(keys.integrity.toString('hex')).toBe(known.k1)
    expect(keys.confidentiality.toString('hex')).toBe(known.k2)
  })

  test('writes the packet that others write', () => {
    const getDeviceId = Buffer.from('2018c88104017a', 'hex')
    const packet = { payloadType: 0, sessionId: 0x01020304, sequence: 1, payload: getDeviceId }
    // The first nonce of a session is encrypted by itself.
    const decipher = createDecipheriv('aes-128-ecb', keys.confidentiality, null).setAutoPadding(false)
    const nonce = decipher.update(count(0x20))
    const fresh = sessionKeys(suite, integrityKey)
    expect(seal(fresh, packet, nonce).toString('hex')).toBe(known.packet)
  })

  test('reads packets in any order, and each as if it were the first', () => {
    const packet = (sequence: number) => ({
      payloadType: 1,
      sessionId: 7,
      sequence,
      payload: Buffer.alloc(sequence * 9, sequence),
    })
    const sealed = [1, 2, 3, 4].map((sequence) => seal(keys, packet(sequence), count(sequence)))
    const other = sessionKeys(suite, integrityKey)
    for (const sequence of [3, 1, 4, 4]) {
      expect(unseal(other, sealed[sequence - 1] as Buffer)).toMatchObject(packet(sequence))
    }
    expect(new Set(sealed.map((datagram) => datagram.subarray(16, 32).toString('hex'))).size).toBe(4)
  })

  test('gives back what was sealed', () => {
    const packets = fc.record({
      payloadType: fc.integer({ min: 0, max: 1 }),
      sessionId: fc.integer({ min: 1, max: 0xffffffff }),
      sequence: fc.integer({ min: 1, max: 0xffffffff }),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    })
    fc.assert(
      fc.property(packets, fc.uint8Array({ minLength: 16, maxLength: 16 }), (packet, iv) => {
        expect(unseal(keys, seal(keys, packet, Buffer.from(iv)))).toMatchObject(packet)
      }),
    )
  })

  test('opens nothing that was changed anywhere after the RMCP header', () => {
    const payload = Buffer.from('the machine is off')
    const datagram = seal(keys, { payloadType: 0, sessionId: 7, sequence: 9, payload }, count(1))
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: datagram.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, change) => {
          const changed = Buffer.from(datagram)
          changed[at] = changed.readUInt8(at) ^ change
          expect(isMalformed(unseal(keys, changed))).toBe(true)
        },
      ),
    )
  })
})
