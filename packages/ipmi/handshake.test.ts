import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advanceHandshake, beginHandshake, type Handshake, type HandshakeStep } from './handshake.ts'
import { newSession, openDatagram, sealPayload } from './session.ts'
import { accountOf, type Target } from './target.ts'
import {
  decodeOpenSessionRequest,
  decodePacket,
  decodeRakp1,
  decodeRakp3,
  type Exchange,
  encodeOpenSessionResponse,
  encodeRakp2,
  encodeRakp4,
  isMalformed,
  type Malformed,
  payloadTypes,
  rakp2AuthCode,
  rakp3AuthCode,
  rakp4AuthCode,
  seal,
  sessionIntegrityKey,
} from './wire/index.ts'

const target: Target = { address: '192.0.2.1', username: 'admin', password: 'secret', cipherSuite: 17 }
const begin = (wish: Target = target) => beginHandshake(accountOf(wish), 0x1234, Buffer.alloc(16, 1), 254)
const nonce = Buffer.alloc(16, 3)

describe('the handshake', () => {
  test('ends in a session both sides hold the keys of', () => {
    const bmc = honestBmc('secret')
    const { step } = converse(begin(), bmc.answer)
    expect(step.kind).toBe('established')
    expect(bmc.consoleProved()).toBe(true)
  })

  test('tells a wrong password from a wrong BMC key', () => {
    const wrongPassword = converse(begin(), honestBmc('other').answer)
    expect(wrongPassword.step).toMatchObject({ kind: 'failed', error: { code: 'wrong-password' } })
    const wrongKey = converse(begin(), honestBmc('secret', 'a BMC key').answer)
    expect(wrongKey.step).toMatchObject({ kind: 'failed', error: { code: 'wrong-bmc-key' } })
    const rightKey = converse(begin({ ...target, kg: 'a BMC key' }), honestBmc('secret', 'a BMC key').answer)
    expect(rightKey.step.kind).toBe('established')
  })

  test('tells the BMC to drop a session it cannot trust', () => {
    const { step } = converse(begin(), honestBmc('other').answer)
    const farewell = step.kind === 'failed' ? payloadOf(step.farewell ?? Buffer.alloc(0)) : Buffer.alloc(0)
    expect(decodeRakp3(farewell)).toMatchObject({ status: 0x0f, bmcId: 0x9999 })
  })

  test('takes no weaker algorithms than asked for', () => {
    const handshake = begin()
    const weak = encodeOpenSessionResponse({
      tag: handshake.tag,
      status: 0,
      privilege: 4,
      consoleId: 0x1234,
      bmcId: 1,
      algorithms: { authentication: 0, integrity: 0, confidentiality: 0 },
    })
    const step = advanceHandshake(handshake, payloadTypes.openSessionResponse, weak)
    expect(step).toMatchObject({ kind: 'failed', error: { code: 'unsupported' } })
  })

  test.each([
    [0x01, 'busy'],
    [0x0a, 'insufficient-privilege'],
    [0x0d, 'unknown-user'],
    [0x11, 'unsupported'],
    [0x7f, 'unsupported'],
  ])('status %i means %s', (status, code) => {
    const { step } = converse(begin(), honestBmc('secret', undefined, status).answer)
    expect(step).toMatchObject({ kind: 'failed', error: { code } })
  })

  test('says nothing secret in its errors', () => {
    const words = { ...target, password: 'hunter2-secret', kg: 'key-secret' }
    for (const bmc of [honestBmc('other'), honestBmc('hunter2-secret'), honestBmc('x', undefined, 0x0d)]) {
      const { step } = converse(begin(words), bmc.answer)
      expect(step.kind).toBe('failed')
      const error = step.kind === 'failed' ? step.error : undefined
      expect(`${error?.message}${error?.stack}${JSON.stringify(error)}`).not.toMatch(/hunter2|key-secret/)
    }
  })

  test('is not moved by messages that are not an answer to it', () => {
    const messages = fc.tuple(fc.integer({ min: 0, max: 63 }), fc.uint8Array({ maxLength: 80 }))
    const stages = stagesOf(begin(), honestBmc('secret').answer)
    expect(stages.map((stage) => stage.awaits)).toEqual([
      'open session response',
      'RAKP message 2',
      'RAKP message 4',
    ])
    fc.assert(
      fc.property(fc.constantFrom(...stages), messages, (stage, [type, payload]) => {
        const step = advanceHandshake(stage, type, Buffer.from(payload))
        expect(['ignored', 'malformed', 'failed']).toContain(step.kind)
        // Only a refusal with our tag can look like one; a random answer never makes a session.
        if (step.kind === 'failed') expect(payload[0]).toBe(stage.tag)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('an open session', () => {
  const { step } = converse(begin(), honestBmc('secret').answer)
  if (step.kind !== 'established') throw new Error('no session')
  const established = step.session
  const fromBmc = (sequence: number, payload = Buffer.from('hello')) =>
    seal(established.keys, { payloadType: 0, sessionId: established.consoleId, sequence, payload }, nonce)

  test('counts what it sends', () => {
    const first = sealPayload(newSession(established), 0, Buffer.from('a'), nonce)
    const second = sealPayload(first.session, 0, Buffer.from('a'), nonce)
    expect(decodePacket(first.datagram)).toMatchObject({ sequence: 1, sessionId: established.bmcId })
    expect(decodePacket(second.datagram)).toMatchObject({ sequence: 2 })
  })

  test('takes a datagram once', () => {
    const datagram = fromBmc(1)
    const opened = openDatagram(newSession(established), datagram)
    if ('refused' in opened) throw new Error(opened.refused)
    expect(opened.payload.toString()).toBe('hello')
    expect(openDatagram(opened.session, datagram)).toEqual({ refused: 'seen before' })
  })

  test('is unmoved by forgeries, whatever number they carry', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffffffff }),
        fc.uint8Array({ maxLength: 64 }),
        (sequence, noise) => {
          const forged = Buffer.from(fromBmc(sequence))
          Buffer.from(noise).copy(forged, Math.max(0, forged.length - 1 - noise.length))
          forged[forged.length - 1] = forged.readUInt8(forged.length - 1) ^ 0xff
          expect(openDatagram(newSession(established), forged)).toEqual({ refused: 'wrong signature' })
        },
      ),
    )
  })
})

test.each([
  [{ username: 'a'.repeat(17) }, /username/],
  [{ password: 'a'.repeat(21) }, /password/],
  [{ port: 0 }, /port/],
  [{ address: '' }, /address/],
  [{ kg: 'a'.repeat(21) }, /kg/],
  [{ cipherSuite: 0 }, /cipherSuite/],
  [{ privilege: 'ROOT' }, /privilege/],
])('a target that does not fit the protocol is refused, naming the field: %o', (change, words) => {
  expect(() => accountOf({ ...target, ...change } as Target)).toThrow(words)
})

type Answer = (payloadType: number, payload: Buffer) => { type: number; payload: Buffer } | undefined

/** Runs the handshake against a BMC until it is decided. */
function converse(start: Handshake, answer: Answer): { step: HandshakeStep } {
  let handshake = start
  for (;;) {
    const reply = answer(typeOf(handshake.datagram), payloadOf(handshake.datagram))
    if (reply === undefined) throw new Error('the BMC keeps silent')
    const step = advanceHandshake(handshake, reply.type, reply.payload)
    if (step.kind !== 'next') return { step }
    handshake = step.handshake
  }
}

function stagesOf(start: Handshake, answer: Answer): Handshake[] {
  const stages = [start]
  for (let handshake = start; ; ) {
    const reply = answer(typeOf(handshake.datagram), payloadOf(handshake.datagram))
    const step = reply && advanceHandshake(handshake, reply.type, reply.payload)
    if (step?.kind !== 'next') return stages
    handshake = step.handshake
    stages.push(handshake)
  }
}

/** A BMC made of the codecs alone, with one user. */
function honestBmc(password: string, kg?: string, status = 0): { answer: Answer; consoleProved(): boolean } {
  let exchange: Exchange | undefined
  let proved = false
  const answer: Answer = (type, payload) => {
    if (type === payloadTypes.openSessionRequest) {
      const request = sure(decodeOpenSessionRequest(payload))
      const response = encodeOpenSessionResponse({ ...request, status: 0, bmcId: 0x9999 })
      return { type: payloadTypes.openSessionResponse, payload: response }
    }
    if (type === payloadTypes.rakp1) {
      const rakp1 = sure(decodeRakp1(payload))
      exchange = {
        suite: accountOf(target).suite,
        consoleId: 0x1234,
        bmcId: rakp1.bmcId,
        consoleRandom: rakp1.consoleRandom,
        bmcRandom: Buffer.alloc(16, 7),
        guid: Buffer.alloc(16, 8),
        role: rakp1.role,
        username: rakp1.username,
      }
      const authCode = rakp2AuthCode(exchange, Buffer.from(password))
      const rakp2 = encodeRakp2({ ...exchange, tag: rakp1.tag, status, authCode })
      return { type: payloadTypes.rakp2, payload: rakp2 }
    }
    const rakp3 = sure(decodeRakp3(payload))
    if (exchange === undefined) return undefined
    proved = rakp3.authCode.equals(rakp3AuthCode(exchange, Buffer.from(password)))
    const integrityKey = sessionIntegrityKey(exchange, Buffer.from(kg ?? password))
    const authCode = rakp4AuthCode(exchange, integrityKey)
    const rakp4 = encodeRakp4({ tag: rakp3.tag, status: 0, consoleId: 0x1234, authCode })
    return { type: payloadTypes.rakp4, payload: rakp4 }
  }
  return { answer, consoleProved: () => proved }
}

function sure<T extends object>(value: T | Malformed): T {
  if (isMalformed(value)) throw new Error(value.malformed)
  return value
}

function payloadOf(datagram: Buffer): Buffer {
  const packet = sure(decodePacket(datagram))
  return packet.format === '2.0' ? packet.payload : Buffer.alloc(0)
}

function typeOf(datagram: Buffer): number {
  const packet = sure(decodePacket(datagram))
  return packet.format === '2.0' ? packet.payloadType : -1
}
