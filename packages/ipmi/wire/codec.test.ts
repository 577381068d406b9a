import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  accept,
  cipherSuites,
  decodeOpenSessionRequest,
  decodeOpenSessionResponse,
  decodePacket,
  decodeRakp1,
  decodeRakp2,
  decodeRakp3,
  decodeRakp4,
  decodeRequest,
  decodeResponse,
  emptyWindow,
  encodeOpenSessionRequest,
  encodeOpenSessionResponse,
  encodePing,
  encodePlain,
  encodePong,
  encodeRakp1,
  encodeRakp2,
  encodeRakp3,
  encodeRakp4,
  encodeRequest,
  encodeResponse,
  encodeSession,
  isMalformed,
  nextSequence,
  sessionKeys,
  unseal,
} from './index.ts'

const byte = fc.integer({ min: 0, max: 255 })
const id = fc.integer({ min: 1, max: 0xffffffff })
const bytes = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array))
const level = fc.integer({ min: 0, max: 15 })
const algorithm = fc.integer({ min: 0, max: 63 })
const algorithms = fc.record({ authentication: algorithm, integrity: algorithm, confidentiality: algorithm })
const netFn = fc.integer({ min: 0, max: 31 }).map((half) => half * 2)
const sequence = fc.integer({ min: 0, max: 63 })
const request = fc.record({ netFn, command: byte, sequence, data: bytes(0, 200) })

describe('every message reads back as it was written', () => {
  const same = <T extends object>(
    values: fc.Arbitrary<T>,
    write: (value: T) => Buffer,
    read: (b: Buffer) => object,
  ) =>
    fc.assert(
      fc.property(values, (value) => {
        expect(read(write(value))).toEqual(value)
      }),
    )

  test('IPMI requests and responses', () => {
    same(request, encodeRequest, decodeRequest)
    same(
      fc.record({ netFn, command: byte, sequence, data: bytes(0, 200), completionCode: byte }),
      encodeResponse,
      decodeResponse,
    )
  })

  test('packets', () => {
    const packet = fc.record({
      format: fc.constant('2.0' as const),
      payloadType: fc.integer({ min: 0, max: 63 }).filter((type) => type !== 2),
      encrypted: fc.boolean(),
      authenticated: fc.boolean(),
      sessionId: id,
      sequence: id,
      payload: bytes(0, 300),
    })
    same(packet, encodeSession, decodePacket)
    fc.assert(
      fc.property(bytes(0, 255), (payload) => {
        const plain = { format: '1.5', authType: 0, sequence: 0, sessionId: 0, payload }
        expect(decodePacket(encodePlain(payload))).toEqual(plain)
      }),
    )
    expect(decodePacket(encodePing(9))).toEqual({ format: 'asf', kind: 'ping', tag: 9, ipmi: false })
    expect(decodePacket(encodePong(9))).toEqual({ format: 'asf', kind: 'pong', tag: 9, ipmi: true })
  })

  test('session-opening messages', () => {
    const head = { tag: byte, consoleId: id }
    const opening = fc.record({ ...head, privilege: level, algorithms })
    same(opening, encodeOpenSessionRequest, decodeOpenSessionRequest)
    const opened = fc.record({ ...head, privilege: level, algorithms, bmcId: id, status: fc.constant(0) })
    same(opened, encodeOpenSessionResponse, decodeOpenSessionResponse)
    const status = fc.constant(0)
    const rakp1 = { tag: byte, bmcId: id, consoleRandom: bytes(16), role: byte, username: bytes(0, 16) }
    same(fc.record(rakp1), encodeRakp1, decodeRakp1)
    const rakp2 = { ...head, status, bmcRandom: bytes(16), guid: bytes(16), authCode: bytes(0, 32) }
    same(fc.record(rakp2), encodeRakp2, decodeRakp2)
    same(fc.record({ tag: byte, status: byte, bmcId: id, authCode: bytes(0, 32) }), encodeRakp3, decodeRakp3)
    same(fc.record({ ...head, status: byte, authCode: bytes(0, 32) }), encodeRakp4, decodeRakp4)
  })
})

test('no bytes whatever make a decoder throw', () => {
  const keys = sessionKeys(cipherSuites[3], Buffer.alloc(20, 7))
  const decoders = [
    decodePacket,
    decodeRequest,
    decodeResponse,
    decodeOpenSessionRequest,
    decodeOpenSessionResponse,
    decodeRakp1,
    decodeRakp2,
    decodeRakp3,
    decodeRakp4,
    (datagram: Buffer) => unseal(keys, datagram),
  ]
  const rmcp = fc.constantFrom('0600ff07', '0600ff06', '0600ff0706', '0600ff070600', '0600ff0706c0', '')
  const datagrams = fc
    .tuple(rmcp, bytes(0, 120))
    .map(([head, rest]) => Buffer.concat([Buffer.from(head, 'hex'), rest]))
  fc.assert(
    fc.property(datagrams, (datagram) => {
      for (const decode of decoders) expect(typeof decode(datagram)).toBe('object')
    }),
    { numRuns: 2_000 },
  )
})

test('a message with one byte changed is never taken for the same message', () => {
  fc.assert(
    fc.property(request, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, where, change) => {
      const written = encodeRequest(value)
      const at = where % written.length
      written[at] = written.readUInt8(at) ^ change
      expect(isMalformed(decodeRequest(written))).toBe(true)
    }),
  )
})

describe('the sequence window', () => {
  test('accepts each number at most once, whatever the order', () => {
    const start = fc.integer({ min: 1, max: 0xffffffff })
    fc.assert(
      fc.property(start, fc.array(fc.integer({ min: -40, max: 40 }), { maxLength: 80 }), (from, steps) => {
        let window = emptyWindow
        const taken = new Set<number>()
        for (const step of steps) {
          const number = (from + step) >>> 0
          const next = accept(window, number)
          if (next === undefined) continue
          expect(taken.has(number)).toBe(false)
          taken.add(number)
          window = next
        }
      }),
      { numRuns: 500 },
    )
  })

  test('accepts what comes late by less than 32, and nothing older', () => {
    const at100 = accept(emptyWindow, 100) ?? emptyWindow
    expect(accept(at100, 69)).toBeDefined()
    expect(accept(at100, 68)).toBeUndefined()
    expect(accept(at100, 0)).toBeUndefined()
  })

  test('goes on past a long gap and past the largest number', () => {
    const at5 = accept(emptyWindow, 5) ?? emptyWindow
    expect(accept(at5, 5_000)).toEqual({ highest: 5_000, seen: 1 })
    const last = accept(emptyWindow, 0xffffffff) ?? emptyWindow
    expect(nextSequence(0xffffffff)).toBe(1)
    expect(accept(last, 1)).toMatchObject({ highest: 1 })
  })
})
