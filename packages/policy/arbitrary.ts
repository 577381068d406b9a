/** Random checks, credentials and targets for the property tests. */
import fc from 'fast-check'
import type { Check, Left, Template } from './check.ts'

export const roleNames = ['admin', 'manager', 'member', 'reader', 'service']
export const credentialKeys = ['project_id', 'user_id', 'system_scope', 'flag']
export const targetKeys = ['node.owner', 'node.lessee', 'colour']

/** A value that credentials and targets share often enough for comparisons to hold. */
const commonText = fc.constantFrom('p1', 'p2', 'all', 'None', 'True', '7')
const commonValue = fc.oneof(
  commonText,
  fc.constant(null),
  fc.constant(undefined),
  fc.boolean(),
  fc.constant(7),
)

export const credentials = fc.record({
  roles: fc.subarray(roleNames).map((roles) => roles.map((role) => role.toUpperCase())),
  ...Object.fromEntries(credentialKeys.map((key) => [key, commonValue])),
})

export const target = fc.record(Object.fromEntries(targetKeys.map((key) => [key, commonValue])))

/** Any tree the parser can give. Texts may hold what the language must escape. */
export const check: fc.Arbitrary<Check> = fc.letrec<{ check: Check }>((tie) => {
  const several = fc.array(tie('check'), { minLength: 2, maxLength: 3 })
  return {
    check: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf(),
      several.map((checks): Check => ({ kind: 'and', checks })),
      several.map((checks): Check => ({ kind: 'or', checks })),
      tie('check').map((inner): Check => ({ kind: 'not', check: inner })),
    ),
  }
}).check

function leaf(): fc.Arbitrary<Check> {
  const word = fc
    .oneof(commonText, fc.stringMatching(/^[^\s()"'][^\s()]{0,6}$/))
    .filter((text) => text !== 'None')
  const template: fc.Arbitrary<Template> = fc
    .tuple(fc.option(word), fc.constantFrom(...targetKeys, 'user_id'), fc.option(word))
    .map(([before, key, after]) => [before, { key }, after].filter((part) => part !== null))
  const left: fc.Arbitrary<Left> = fc.oneof(
    fc.constantFrom(...credentialKeys).map((credential) => ({ credential })),
    fc
      .oneof(
        commonText,
        fc.string().map((text) => text.replaceAll('"', '')),
      )
      .map((literal) => ({ literal })),
    fc.constant({ literal: null }),
  )
  return fc.oneof(
    fc.constant<Check>({ kind: 'always' }),
    fc.constant<Check>({ kind: 'never' }),
    fc.oneof(fc.constantFrom(...roleNames), word, template).map((role): Check => ({ kind: 'role', role })),
    fc
      .tuple(left, fc.oneof(word, template, fc.constant(null)))
      .map(([side, right]): Check => ({ kind: 'compare', left: side, right })),
  )
}
