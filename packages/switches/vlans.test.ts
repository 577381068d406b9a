import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatVlans, parseVlans } from './index.ts'

it('a list of VLANs is written and read back the same, sorted and without doubles', () => {
  const vlan = fc.integer({ min: 1, max: 4094 })
  fc.assert(
    fc.property(fc.array(vlan), (ids) => {
      const sorted = [...new Set(ids)].sort((a, b) => a - b)
      expect(parseVlans(formatVlans(ids))).toEqual(sorted)
    }),
  )
  expect(formatVlans([300, 100, 101, 102])).toBe('100-102,300')
  expect(parseVlans('none')).toEqual([])
})

it('what is no list of VLANs is refused', () => {
  for (const text of ['0', '4095', '1-5000', '200-100', '1,,2', 'all', '1;2', '1\n2', '-1', '1.5'])
    expect(() => parseVlans(text)).toThrow(expect.objectContaining({ code: 'invalid' }))
})
