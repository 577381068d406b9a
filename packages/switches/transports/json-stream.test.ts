import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonStream } from './json-stream.ts'

it('objects come out whole and in order, however the stream is cut', () => {
  const value = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()))
  fc.assert(
    fc.property(fc.array(value), fc.array(fc.nat(50)), fc.boolean(), (values, cuts, spaced) => {
      const text = values.map((one) => JSON.stringify(one)).join(spaced ? '\n ' : '')
      const feed = jsonStream()
      const found: unknown[] = []
      let rest = text
      for (const cut of cuts) {
        found.push(...feed(rest.slice(0, cut)))
        rest = rest.slice(cut)
      }
      found.push(...feed(rest))
      expect(found).toEqual(values.map((one) => JSON.parse(JSON.stringify(one))))
    }),
  )
})

it('a message without end is an error before it fills the memory', () => {
  const feed = jsonStream(100)
  expect(() => feed(`{"a":"${'x'.repeat(200)}`)).toThrow('more than 100 characters')
})
