import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Sought, seek, soughtOf } from './seek.ts'

/** Where matches end, in bytes that come in these pieces. */
function endsIn(sought: Sought, pieces: readonly Buffer[]): number[] {
  const ends: number[] = []
  let [before, matched] = [0, 0]
  for (const piece of pieces) {
    let position = 0
    for (let found = true; found; ) {
      ;({ position, matched, found } = seek(sought, piece, { position, matched }))
      if (found) ends.push(before + position)
    }
    before += piece.length
  }
  return ends
}

test('what repeats itself is found just where it is, however it is cut', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'a', 'b'), maxLength: 40 })
  fc.assert(
    fc.property(
      fc.array(letters),
      fc.string({ unit: fc.constantFrom('a', 'a', 'b'), minLength: 1, maxLength: 8 }),
      (pieces, needle) => {
        const whole = pieces.join('')
        const expected: number[] = []
        for (let at = whole.indexOf(needle); at >= 0; at = whole.indexOf(needle, at + needle.length))
          expected.push(at + needle.length)
        const cut = pieces.map((piece) => Buffer.from(piece))
        expect(endsIn(soughtOf(Buffer.from(needle), false), cut)).toEqual(expected)
      },
    ),
  )
})

test('a needle that almost fits everywhere costs less than two looks a byte', () => {
  const sought = soughtOf(Buffer.from(`${'a'.repeat(500)}b${'a'.repeat(499)}`), false)
  let looks = 0
  const fallbacks = new Proxy(sought.fallbacks, {
    get(target, index) {
      looks += 1
      return target[Number(index)]
    },
  })
  const bytes = Buffer.from(`${'a'.repeat(499)}b`.repeat(200))
  expect(endsIn({ ...sought, fallbacks }, [bytes])).toHaveLength(0)
  expect(looks).toBeLessThan(bytes.length)
})
