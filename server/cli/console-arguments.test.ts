/** The words of `leasehold console`. */
import { expect, it } from 'vitest'
import { parseConsoleArguments } from './console-arguments.ts'

it('takes its options in any place and either form', () => {
  const words = '--take machine-1 --offset=17 --record log.txt --escape none --linger 5 --os-cloud lessee'
  expect(parseConsoleArguments(words.split(' '))).toEqual({
    kind: 'run',
    arguments: {
      node: 'machine-1',
      mode: 'take',
      offset: 17,
      scrollbackBytes: undefined,
      record: 'log.txt',
      escape: null,
      lingerSeconds: 5,
      cloud: 'lessee',
    },
  })
  expect(parseConsoleArguments(['x', '--no-scrollback', '--escape', '^'])).toMatchObject({
    arguments: { mode: 'write', scrollbackBytes: 0, escape: '^' },
  })
})

it.each([
  [[], /name a node/],
  [['a', 'b'], /one node too many/],
  [['a', '--take', '--read-only'], /exclude each other/],
  [['a', '--offset'], /takes a number/],
  [['a', '--offset', '-1'], /takes a number/],
  [['a', '--record'], /takes a value/],
  [['a', '--escape', 'xy'], /one character/],
  [['a', '--force=no'], /--force takes no value/],
  [['a', '--no-scrollback=1'], /--no-scrollback takes no value/],
  [['a', '--constructor'], /is not an option/],
])('%j is wrong in words', (words, why) => {
  expect(parseConsoleArguments(words)).toEqual({ kind: 'wrong', why: expect.stringMatching(why) })
})

it('lingers a day at most: a timer of months would end at once', () => {
  expect(parseConsoleArguments(['a', '--linger', '99999999'])).toMatchObject({
    arguments: { lingerSeconds: 86_400 },
  })
})

it('tells how it is used', () => {
  expect(parseConsoleArguments(['--help'])).toEqual({ kind: 'help' })
})
