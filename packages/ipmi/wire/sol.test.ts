/** SOL packets and payload commands: what is written reads back, and nothing that comes makes a reader throw. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeActivateRequest,
  decodeActivateResponse,
  decodeActivationStatus,
  decodeInstanceInfo,
  decodeInstanceRequest,
  decodeSolFromBmc,
  decodeSolToBmc,
  encodeActivateRequest,
  encodeActivateResponse,
  encodeActivationStatus,
  encodeDeactivateRequest,
  encodeInstanceInfo,
  encodeInstanceRequest,
  encodeSolFromBmc,
  encodeSolToBmc,
  nextSolSequence,
} from './index.ts'

const four = fc.integer({ min: 0, max: 15 })
const byte = fc.integer({ min: 0, max: 255 })
const word = fc.integer({ min: 0, max: 0xffff })
const bool = fc.boolean()
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const packet = { sequence: four, acknowledges: four, accepted: byte, refused: bool, data: bytes(255) }
const instance = { type: fc.integer({ min: 0, max: 63 }), instance: four }

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

describe('every message reads back as it was written', () => {
  test('SOL packets to and from the BMC', () => {
    same(
      fc.record({
        ...packet,
        ring: bool,
        generateBreak: bool,
        holdCts: bool,
        dropDcd: bool,
        flushInbound: bool,
        flushOutbound: bool,
      }),
      encodeSolToBmc,
      decodeSolToBmc,
    )
    same(
      fc.record({ ...packet, unavailable: bool, deactivating: bool, overrun: bool, breakDetected: bool }),
      encodeSolFromBmc,
      decodeSolFromBmc,
    )
  })

  test('payload commands and their answers', () => {
    const options = {
      encrypted: bool,
      authenticated: bool,
      serialAlerts: fc.integer({ min: 0, max: 3 }),
      holdLines: bool,
    }
    same(fc.record({ ...instance, ...options }), encodeActivateRequest, decodeActivateRequest)
    same(
      fc.record({ inboundSize: word, outboundSize: word, port: word, vlan: word }),
      encodeActivateResponse,
      decodeActivateResponse,
    )
    same(fc.record(instance), encodeInstanceRequest, decodeInstanceRequest)
    same(fc.record(instance), encodeDeactivateRequest, decodeInstanceRequest)
    same(fc.record({ capacity: four, active: word }), encodeActivationStatus, decodeActivationStatus)
    const id = fc.integer({ min: 0, max: 0xffffffff })
    same(fc.record({ sessionId: id, channel: byte }), encodeInstanceInfo, decodeInstanceInfo)
  })
})

test('bits are where table 15-2 has them', () => {
  const fromBmc = decodeSolFromBmc(Buffer.from([0xf3, 0xf2, 7, 0x54, 0x61]))
  expect(fromBmc).toMatchObject({
    sequence: 3,
    acknowledges: 2,
    accepted: 7,
    refused: true,
    deactivating: true,
  })
  expect(fromBmc).toMatchObject({
    breakDetected: true,
    unavailable: false,
    overrun: false,
    data: Buffer.from('a'),
  })
  expect(decodeSolToBmc(Buffer.from([1, 0, 0, 0x10]))).toMatchObject({ generateBreak: true, refused: false })
})

test('no bytes make a reader throw', () => {
  const readers = [
    decodeSolToBmc,
    decodeSolFromBmc,
    decodeActivateRequest,
    decodeActivateResponse,
    decodeInstanceRequest,
    decodeInstanceInfo,
    decodeActivationStatus,
  ]
  fc.assert(
    fc.property(bytes(40), (data) => {
      for (const read of readers) expect(read(data)).toBeTypeOf('object')
    }),
  )
})

test('sequence numbers go from 1 to 15 and begin again; 0 is none', () => {
  const numbers = [0]
  for (let turn = 0; turn < 16; turn += 1) numbers.push(nextSolSequence(numbers.at(-1) ?? 0))
  expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1])
})
