/** Telnet, whatever the other side says and however its bytes are cut. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTelnet } from './telnet.ts'

const [iac, dont, will, wont, doIt, sub, brk, subEnd] = [255, 254, 251, 252, 253, 250, 243, 240] as const
const [binary, echo, terminalType, timingMark] = [0, 1, 24, 6] as const
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
const read = (...codes: readonly number[]) => createTelnet().decode(Buffer.from(codes))

/** A server that reads what we send it as RFC 854 has it, transmitting plainly or binary. */
function serverReads(sent: Buffer, isBinary: boolean): Buffer {
  const data: number[] = []
  for (let at = 0; at < sent.length; at += 1) {
    const byte = sent.readUInt8(at)
    if (byte === iac) at += 1
    data.push(byte)
    if (byte === 0x0d && !isBinary && sent[at + 1] === 0) at += 1
  }
  return Buffer.from(data)
}

describe('bytes', () => {
  test('that are sent arrive as they are, whether or not binary transmission was agreed on', () => {
    fc.assert(
      fc.property(bytes, fc.boolean(), (data, isBinary) => {
        const telnet = createTelnet()
        if (isBinary) telnet.decode(Buffer.from([iac, doIt, binary]))
        // A carriage return and a zero look like a lone carriage return where transmission is not binary.
        fc.pre(isBinary || !data.includes(Buffer.from([0x0d, 0x00])))
        expect(serverReads(telnet.encode(data), isBinary)).toEqual(data)
      }),
    )
  })

  test('that come are the same however they are cut', () => {
    fc.assert(
      fc.property(bytes, fc.nat(200), (data, at) => {
        const [whole, cut] = [createTelnet(), createTelnet()]
        const parts = [data.subarray(0, at), data.subarray(at)].map((part) => cut.decode(part))
        const once = whole.decode(data)
        expect(Buffer.concat(parts.map((part) => part.data))).toEqual(once.data)
        expect(Buffer.concat(parts.map((part) => part.reply))).toEqual(once.reply)
      }),
    )
  })

  test('of value 255 are doubled both ways', () => {
    expect(read(iac, iac).data).toEqual(Buffer.from([255]))
    expect(createTelnet().encode(Buffer.from([255]))).toEqual(Buffer.from([255, 255]))
  })

  test('of commands and sub-negotiations do not reach the console', () => {
    const { data, breaks } = read(
      0x61,
      iac,
      brk,
      0x62,
      iac,
      sub,
      terminalType,
      1,
      iac,
      iac,
      2,
      iac,
      subEnd,
      0x63,
    )
    expect([data.toString(), breaks]).toEqual(['abc', 1])
  })
})

describe('options', () => {
  test('that help are accepted, all others politely refused', () => {
    expect([...read(iac, will, echo).reply]).toEqual([iac, doIt, echo])
    expect([...read(iac, will, 44).reply]).toEqual([iac, dont, 44])
    expect([...read(iac, doIt, terminalType).reply]).toEqual([iac, wont, terminalType])
    expect([...read(iac, doIt, timingMark).reply]).toEqual([iac, will, timingMark])
  })

  test('that are agreed on are not talked about again', () => {
    const telnet = createTelnet()
    const say = (...codes: readonly number[]) => [...telnet.decode(Buffer.from(codes)).reply]
    expect([say(iac, doIt, binary), say(iac, will, binary), say(iac, doIt, binary)]).toEqual([[], [], []])
    expect(say(iac, wont, binary)).toEqual([iac, dont, binary])
    expect(say(iac, wont, binary)).toEqual([])
  })

  test('never make two ends talk for ever', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(will, wont, doIt, dont)), fc.nat(50), (verbs, about) => {
        const [one, other] = [createTelnet(), createTelnet()]
        let talk = one.decode(Buffer.from(verbs.flatMap((verb) => [iac, verb, about]))).reply
        for (let round = 0; round < 100 && talk.length > 0; round += 1) {
          talk = other.decode(talk).reply
          talk = one.decode(talk).reply
        }
        expect(talk.length).toBe(0)
      }),
    )
  })
})
