import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as arbitrary from './arbitrary.ts'
import { type Check, maxNesting, PolicySyntaxError, parseCheck, printCheck } from './index.ts'

const role = (name: string): Check => ({ kind: 'role', role: name })

describe('parseCheck', () => {
  test.each<[string, Check]>([
    ['', { kind: 'always' }],
    ['@', { kind: 'always' }],
    ['!', { kind: 'never' }],
    ['role:admin', role('admin')],
    ['rule:baremetal:node:get', { kind: 'rule', name: 'baremetal:node:get' }],
    [
      'project_id:%(node.owner)s',
      { kind: 'compare', left: { credential: 'project_id' }, right: [{ key: 'node.owner' }] },
    ],
    ['system_scope:all', { kind: 'compare', left: { credential: 'system_scope' }, right: 'all' }],
    [
      "'two words':%(node.name)s",
      { kind: 'compare', left: { literal: 'two words' }, right: [{ key: 'node.name' }] },
    ],
    ['True:%(flag)s', { kind: 'compare', left: { literal: 'True' }, right: [{ key: 'flag' }] }],
    ['None:%(node.owner)s', { kind: 'compare', left: { literal: null }, right: [{ key: 'node.owner' }] }],
    ['project_id:None', { kind: 'compare', left: { credential: 'project_id' }, right: null }],
    [
      'group:lab-%(node.owner)s-100%%',
      { kind: 'compare', left: { credential: 'group' }, right: ['lab-', { key: 'node.owner' }, '-100%'] },
    ],
    ['not role:a', { kind: 'not', check: role('a') }],
    [
      'role:a or role:b and not role:c',
      {
        kind: 'or',
        checks: [role('a'), { kind: 'and', checks: [role('b'), { kind: 'not', check: role('c') }] }],
      },
    ],
    [
      '((role:a) OR role:b)AND role:c',
      { kind: 'and', checks: [{ kind: 'or', checks: [role('a'), role('b')] }, role('c')] },
    ],
  ])('reads %j', (text, tree) => {
    expect(parseCheck(text)).toEqual(tree)
  })

  test('reads the list of lists of old policy.json files: any of, all of', () => {
    expect(parseCheck([['role:a', 'role:b'], 'role:c'])).toEqual(parseCheck('(role:a and role:b) or role:c'))
    expect(parseCheck([['role:a']])).toEqual(role('a'))
    expect(parseCheck([])).toEqual({ kind: 'always' })
    expect(parseCheck([[]])).toEqual({ kind: 'never' })
  })

  test.each<[string, number, RegExp]>([
    ['role:a role:b', 8, /expected "and", "or" or the end, found another check/],
    ['role:a and', 11, /expected a check such as role:reader, found the end/],
    ['(role:a or role:b', 18, /expected "\)" for the "\(" at column 1/],
    ['role:a)', 7, /found "\)"/],
    ['  admin', 3, /"admin" is not a check: write KIND:VALUE/],
    ['role:', 6, /nothing stands after "role:"/],
    ['project_id:%(node.owner)', 12, /write a target key as %\(KEY\)s/],
    ['project_id:%(node.owner', 12, /not closed/],
    ["'open:%(x)s", 1, /quote ' is not closed/],
    ['project_name:"demo"', 14, /without quotes/],
    ['http://host/check', 1, /remote server/],
    ['a+b:c', 1, /cannot stand before ":"/],
    ['   ', 4, /expected a check/],
  ])('refuses %j, naming the rule and column %i', (text, column, message) => {
    const parse = () => parseCheck(text, 'my:rule')
    expect(parse).toThrow(PolicySyntaxError)
    expect(parse).toThrow(message)
    expect(parse).toThrow(`rule "my:rule": column ${column}:`)
  })

  test('refuses anything but single checks inside lists', () => {
    expect(() => parseCheck([['role:a or role:b']])).toThrow(/a list holds single checks/)
    expect(() => parseCheck([['']])).toThrow(PolicySyntaxError)
  })

  test.each([
    ['brackets', (depth: number) => `${'('.repeat(depth)}role:a${')'.repeat(depth)}`],
    ['not', (depth: number) => `${'not '.repeat(depth)}role:a`],
  ])('bounds the nesting of %s', (_, nested) => {
    expect(() => parseCheck(nested(maxNesting))).not.toThrow()
    expect(() => parseCheck(nested(maxNesting + 1))).toThrow(/nested deeper than 64 levels/)
    expect(() => parseCheck(nested(100_000))).toThrow(PolicySyntaxError)
  })

  test('gives back any tree that was printed', () => {
    fc.assert(
      fc.property(arbitrary.check, (tree) => {
        expect(parseCheck(printCheck(tree))).toEqual(tree)
      }),
      { numRuns: 1_000 },
    )
  })

  test('throws nothing but PolicySyntaxError, whatever the text', () => {
    const pieces = fc.constantFrom(
      '(',
      ')',
      ' ',
      'and',
      'or',
      'not',
      'role:a',
      ':',
      '%',
      '%(',
      ')s',
      "'",
      '"',
      '!',
    )
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(text, (source) => {
        try {
          const tree = parseCheck(source)
          expect(parseCheck(printCheck(tree))).toEqual(tree)
        } catch (error) {
          expect(error).toBeInstanceOf(PolicySyntaxError)
        }
      }),
      { numRuns: 3_000 },
    )
  })
})
