import { readFileSync } from 'node:fs'
import { type Check, parseCheck, printCheck } from '@leasehold/policy'
import { describe, expect, test } from 'vitest'
import { rules } from './rules.ts'

/** Ironic's own rules: facts, read from its source. */
const ironic: Record<string, { check_str: string; scope_types: string[] | null }> = JSON.parse(
  readFileSync(new URL('fixtures/ironic-policy.json', import.meta.url), 'utf8'),
)

const shared = rules.filter(({ name }) => !name.startsWith('leasehold:'))

test("every rule of Ironic is there, once, and no other but Leasehold's own", () => {
  expect(shared.map(({ name }) => name)).toEqual(Object.keys(ironic))
})

describe("a rule means what Ironic's of that name means:", () => {
  test.each(shared.map((rule) => [rule.name, rule] as const))('%s', (name, rule) => {
    const theirs = ironic[name]
    expect(rule.scopes).toEqual(theirs?.scope_types ?? null)
    expect(differences(parseCheck(rule.check), parseCheck(theirs?.check_str ?? '!'))).toEqual([])
  })
})

test('the comparison tells rules apart that differ in one case only', () => {
  const [a, b] = ['role:a and (role:b or x:%(y)s)', 'role:a and (role:b or x:%(z)s)'].map((text) =>
    parseCheck(text),
  )
  expect(differences(a as Check, b as Check)).not.toEqual([])
})

test('every rule says what it guards', () => {
  for (const { name, description } of rules) expect(description, name).toMatch(/^[A-Z].{8,}[^.]$/)
})

/** The combinations of single checks, each taken as holding or not, for which two checks differ. */
function differences(ours: Check, theirs: Check): string[][] {
  const single = [...new Set([...singleChecks(ours), ...singleChecks(theirs)])]
  return Array.from({ length: 2 ** single.length }, (_, bits) =>
    single.filter((_, index) => (bits >> index) & 1),
  ).filter((holding) => isTrue(ours, new Set(holding)) !== isTrue(theirs, new Set(holding)))
}

function singleChecks(check: Check): string[] {
  if (check.kind === 'and' || check.kind === 'or') return check.checks.flatMap(singleChecks)
  if (check.kind === 'not') return singleChecks(check.check)
  return check.kind === 'always' || check.kind === 'never' ? [] : [printCheck(check)]
}

function isTrue(check: Check, holding: ReadonlySet<string>): boolean {
  if (check.kind === 'and') return check.checks.every((inner) => isTrue(inner, holding))
  if (check.kind === 'or') return check.checks.some((inner) => isTrue(inner, holding))
  if (check.kind === 'not') return !isTrue(check.check, holding)
  return check.kind === 'always' || holding.has(printCheck(check))
}
