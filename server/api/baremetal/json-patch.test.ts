/** JSON PATCH against the algebra it must keep, and the examples that are easily got wrong. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { validatorOf } from '../validate.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'a/b', '~', '~1', '__proto__', 'constructor', '0', '-', ' '),
  fc.string({ minLength: 1, maxLength: 5 }),
)
const value = fc.jsonValue({ maxDepth: 2 })
const tree = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true })
const escaped = (segment: string) => segment.replaceAll('~', '~0').replaceAll('/', '~1')
/** Members in an order of their own; members may hide the usual ways of comparing. */
const members = (given: unknown): unknown[] =>
  Object.entries(json(given) as object).sort(([a], [b]) => (a < b ? -1 : 1))
const at = (...segments: string[]) => `/${segments.map(escaped).join('/')}`
const apply = (resource: Record<string, unknown>, ...operations: PatchOperation[]) =>
  applyPatch(resource, operations, {})
/** As PostgreSQL and JSON see it: -0 is 0, and prototypes are nothing. */
const json = (given: unknown): unknown => JSON.parse(JSON.stringify(given))

describe('any patch', () => {
  it('leaves what it was given as it was', () => {
    fc.assert(
      fc.property(tree, key, value, (extra, name, added) => {
        const before = JSON.stringify({ extra })
        const resource = { extra }
        apply(resource, { op: 'add', path: at('extra', name), value: added })
        expect(JSON.stringify(resource)).toBe(before)
      }),
    )
  })

  it('add makes a member what was given, whatever its key, and leaves the others', () => {
    fc.assert(
      fc.property(tree, key, value, (extra, name, added) => {
        const { result } = apply({ extra }, { op: 'add', path: at('extra', name), value: added })
        const wanted = Object.fromEntries([
          ...Object.entries(extra).filter(([each]) => each !== name),
          [name, added],
        ])
        expect(members(result.extra)).toEqual(members(wanted))
        expect(Object.getPrototypeOf(result.extra)).toBe(Object.prototype)
      }),
    )
  })

  it('add then remove of a new member is nothing, and is told as nothing', () => {
    fc.assert(
      fc.property(tree, key, value, (extra, name, added) => {
        fc.pre(!Object.hasOwn(extra, name))
        const path = at('extra', name)
        const { result, changed } = apply(
          { extra },
          { op: 'add', path, value: added },
          { op: 'remove', path },
        )
        expect(json(result)).toEqual(json({ extra }))
        expect(changed).toEqual([])
      }),
    )
  })

  it('replace is remove then add; both want the member to be there', () => {
    fc.assert(
      fc.property(tree, key, value, (extra, name, other) => {
        const path = at('extra', name)
        const replaced = () => apply({ extra }, { op: 'replace', path, value: other }).result
        const inTwo = () => apply({ extra }, { op: 'remove', path }, { op: 'add', path, value: other }).result
        if (Object.hasOwn(extra, name)) expect(members(replaced().extra)).toEqual(members(inTwo().extra))
        else {
          expect(replaced).toThrow("Couldn't apply patch")
          expect(inTwo).toThrow("Couldn't apply patch")
        }
      }),
    )
  })

  it('of several operations is the same as of each after the other', () => {
    const operation = fc.record({
      op: fc.constantFrom<'add' | 'replace' | 'remove'>('add', 'replace', 'remove'),
      path: key.map((name) => at('extra', name)),
      value,
    })
    fc.assert(
      fc.property(tree, fc.array(operation, { maxLength: 6 }), (extra, operations) => {
        const outcome = (run: () => unknown) => {
          try {
            return json(run())
          } catch (error) {
            return (error as Error).message
          }
        }
        const together = outcome(() => apply({ extra }, ...operations).result)
        const oneByOne = outcome(() =>
          operations.reduce((now, each) => apply(now, each).result, { extra } as Record<string, unknown>),
        )
        expect(together).toEqual(oneByOne)
      }),
    )
  })

  it('works in lists as splice does', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), fc.nat(6), value, (list, index, item) => {
        const path = `/extra/l/${index}`
        const run = (op: 'add' | 'replace' | 'remove') => () =>
          (apply({ extra: { l: list } }, { op, path, value: item }).result.extra as { l: unknown[] }).l
        if (index <= list.length) expect(run('add')()).toEqual(list.toSpliced(index, 0, item))
        else expect(run('add')).toThrow('no item')
        if (index < list.length) {
          expect(run('remove')()).toEqual(list.toSpliced(index, 1))
          expect(run('replace')()).toEqual(list.toSpliced(index, 1, item))
        } else {
          expect(run('remove')).toThrow('no item')
          expect(run('replace')).toThrow('no item')
        }
        expect(
          (
            apply({ extra: { l: list } }, { op: 'add', path: '/extra/l/-', value: item }).result.extra as {
              l: unknown[]
            }
          ).l,
        ).toEqual([...list, item])
      }),
    )
  })
})

describe('the body of a patch', () => {
  const check = validatorOf(patchBody)
  it.each([
    [[{ op: 'add', path: '/a', value: 1 }], true],
    [[{ op: 'add', path: '/a~0b~1c/d e.f', value: null }], true],
    [[], true],
    [[{ op: 'test', path: '/a', value: 1 }], false],
    [[{ op: 'copy', path: '/a', from: '/b' }], false],
    [[{ op: 'add', path: '', value: 1 }], false],
    [[{ op: 'add', path: '/', value: 1 }], false],
    [[{ op: 'add', path: '//a', value: 1 }], false],
    [[{ op: 'add', path: 'a', value: 1 }], false],
    [[{ op: 'add', path: '/a~2', value: 1 }], false],
    [[{ op: 'add', path: `/${'a'.repeat(2000)}`, value: 1 }], false],
    [[{ op: 'add', path: 7, value: 1 }], false],
    [[{ op: 'add' }], false],
    [[null], false],
    [Array(1001).fill({ op: 'remove', path: '/a' }), false],
    [{ op: 'add', path: '/a', value: 1 }, false],
  ])('%j is taken: %s', (body, taken) => {
    if (taken) expect(() => check(body)).not.toThrow()
    else expect(() => check(body)).toThrow('Schema error')
  })

  it('is judged in a moment, whatever the path', () => {
    const started = performance.now()
    for (const path of [`${'/a'.repeat(500)}~`, `/${'~0'.repeat(500)}~`, `${'/'.repeat(1000)}~`])
      expect(() => check([{ op: 'add', path, value: 1 }])).toThrow()
    expect(performance.now() - started).toBeLessThan(200)
  })

  it('without a value is refused for add and replace', () => {
    for (const op of ['add', 'replace'] as const)
      expect(() => apply({ extra: {} }, { op, path: '/extra/a' })).toThrow('a value is missing')
  })
})

it('removing a root gives it its default, and null when it has none', () => {
  const { result, changed } = applyPatch(
    { a: 1, b: 2, c: null },
    [
      { op: 'remove', path: '/a' },
      { op: 'remove', path: '/b' },
      { op: 'remove', path: '/c' },
    ],
    { a: {} },
  )
  expect([result, changed]).toEqual([{ a: {}, b: null, c: null }, ['a', 'b']])
})
