/** Lists of VLANs. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseRanges, writeRanges } from './ranges.ts'

it('what is written is read again, in the shortest form', () => {
  const some = fc.array(fc.integer({ min: 1, max: 4094 }), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(some, (vlans) => {
      const sorted = [...new Set(vlans)].sort((a, b) => a - b)
      const text = writeRanges(vlans)
      expect(parseRanges(text)).toEqual(sorted)
      expect(writeRanges(parseRanges(text))).toBe(text)
    }),
  )
})

it.each(['', '0', '4095', '5-4', '1-', 'x', '1,,2', '-1', '1-2-3', '1.5', '１'])('refuses "%s"', (text) => {
  expect(() => parseRanges(text)).toThrow(/no VLAN/)
})
