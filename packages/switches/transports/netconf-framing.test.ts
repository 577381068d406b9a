import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SwitchError } from '../errors.ts'
import { createDeframer, frame } from './netconf-framing.ts'

/** What comes out of bytes that arrive in these pieces. */
function read(pieces: readonly Buffer[], chunked: boolean, maxBytes = 1_000_000): string[] {
  const messages: string[] = []
  const deframer = createDeframer({ maxBytes, onMessage: (text) => messages.push(text) })
  if (chunked) deframer.useChunks()
  for (const piece of pieces) deframer.push(piece)
  return messages
}

/** Cuts bytes into pieces at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })

describe('framing of NETCONF messages', () => {
  it.each([
    ['in chunks', true],
    ['up to a mark', false],
  ])('%s, messages come out as they went in, wherever the stream is cut', (_how, chunked) => {
    const message = chunked ? words : words.filter((text) => !`${text}]]>]]`.includes(']]>]]>'))
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (texts, places) => {
          const bytes = Buffer.concat(texts.map((text) => frame(text, chunked)))
          expect(read(cut(bytes, places), chunked)).toEqual(texts)
        },
      ),
    )
  })

  it('a message may come in many chunks, cut within a character', () => {
    const bytes = Buffer.from('grün')
    const chunk = (part: Buffer) => Buffer.concat([Buffer.from(`\n#${part.length}\n`), part])
    const pieces = [chunk(bytes.subarray(0, 3)), chunk(bytes.subarray(3)), Buffer.from('\n##\n')]
    expect(read(pieces, true)).toEqual(['grün'])
  })

  it('chunks begin right after the hello, within the same piece of the stream', () => {
    const messages: string[] = []
    const deframer = createDeframer({
      maxBytes: 1_000,
      onMessage: (text) => {
        messages.push(text)
        deframer.useChunks()
      },
    })
    deframer.push(Buffer.concat([frame('<hello/>', false), frame('<a/>', true), frame('<b/>', true)]))
    expect(messages).toEqual(['<hello/>', '<a/>', '<b/>'])
  })

  it.each([
    ['no chunk', '\n##\n'],
    ['a length of nothing', '\n#0\n'],
    ['a length with a leading zero', '\n#04\nabcd\n##\n'],
    ['a length that is no number', '\n#four\nabcd'],
    ['a length over 32 bits', '\n#4294967296\n'],
    ['no line feed first', '#4\nabcd\n##\n'],
    ['bytes between chunks', '\n#4\nabcdx\n##\n'],
    ['carriage returns', '\r\n#4\r\nabcd'],
  ])('chunks are refused with %s', (_what, text) => {
    expect(() => read([Buffer.from(text)], true, 5_000_000_000)).toThrow(SwitchError)
  })

  it('what is no chunk is refused, never taken for one, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        try {
          // Well-formed frames are possible, and then there is a message; nothing else may happen.
          for (const message of read([Buffer.from(bytes)], true)) expect(message.length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toMatchObject({ code: 'unreachable' })
        }
      }),
    )
  })

  it('a message without end does not fill the memory', () => {
    const piece = Buffer.alloc(1_000, 'x')
    expect(() => read(Array(20).fill(piece), false, 10_000)).toThrow('more than 10000 bytes')
    expect(() => read([Buffer.from('\n#10001\n')], true, 10_000)).toThrow('more than 10000 bytes')
  })

  it('what is not UTF-8 is refused', () => {
    expect(() => read([Buffer.from([0x0a, 0x23, 0x31, 0x0a, 0xff, ...Buffer.from('\n##\n')])], true)).toThrow(
      'not UTF-8',
    )
  })
})
