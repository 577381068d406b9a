/** Escapes at the start of a line, and nothing else changed. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEscapes, type Typed } from './escape.ts'

const type = (text: string | Buffer, letter: string | null = '~') => createEscapes(letter)(Buffer.from(text))
const shown = (typed: Typed[]) =>
  typed.map((each) => ('action' in each ? `<${each.action}>` : each.bytes.toString('latin1'))).join('')

describe('what is typed', () => {
  it.each([
    ['~.', '<leave>'],
    ['ls\r~.', 'ls\r<leave>'],
    ['ls\n~B~rx', 'ls\n<break><read>x'],
    ['~t~f~?', '<take><force><help>'],
    ['~~.', '~.'],
    ['\r~~~.', '\r~~.'],
    ['a~.', 'a~.'],
    ['~x', '~x'],
    ['~\r~.', '~\r<leave>'],
    ['ls \x7f~.', 'ls \x7f~.'],
  ])('%j is %j', (text, wanted) => {
    expect(shown(type(text))).toBe(wanted)
  })

  it('is passed on as it is with no escape letter, all 256 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        expect(type(Buffer.from(bytes), null)).toEqual([{ bytes: Buffer.from(bytes) }])
      }),
    )
  })

  it('is the same however it is cut into pieces', () => {
    const text = fc.array(fc.constantFrom('~', '\r', '\n', '.', 'B', 'x', '\xff'), { maxLength: 30 })
    fc.assert(
      fc.property(text, fc.infiniteStream(fc.integer({ min: 1, max: 4 })), (letters, sizes) => {
        const whole = letters.join('')
        const feed = createEscapes('~')
        let pieces = ''
        for (let rest = Buffer.from(whole, 'latin1'); rest.length > 0; ) {
          const size = sizes.next().value
          pieces += shown(feed(rest.subarray(0, size)))
          rest = rest.subarray(size)
        }
        expect(pieces).toBe(shown(type(Buffer.from(whole, 'latin1'))))
      }),
    )
  })

  it('loses nothing that does not begin a line with the letter', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Buffer.from(
          `x${Buffer.from(bytes)
            .toString('latin1')
            .replaceAll(/[\r\n]/g, '-')}`,
          'latin1',
        )
        expect(shown(type(text))).toBe(text.toString('latin1'))
      }),
    )
  })
})
