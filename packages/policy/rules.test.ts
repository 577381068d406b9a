import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as arbitrary from './arbitrary.ts'
import {
  type Check,
  type CheckSource,
  type Credentials,
  loadRules,
  maxChecks,
  maxReferenceDepth,
  PolicyError,
  printCheck,
  type RuleOptions,
  type Target,
  type Template,
} from './index.ts'

describe('a rule', () => {
  test.each<[string, string, Partial<Credentials>, Target, boolean]>([
    ['everybody satisfies the empty check', '', {}, {}, true],
    ['roles are compared without regard to case', 'role:Admin', { roles: ['aDMIN'] }, {}, true],
    ['a role that is missing fails', 'role:admin', { roles: ['administrator'] }, {}, false],
    ['a role may come from the target', 'role:%(kind)s_user', { roles: ['lab_user'] }, { kind: 'Lab' }, true],
    ['a role from a missing key fails', 'role:%(kind)s', { roles: ['undefined', 'none'] }, {}, false],
    ['a credential equals a literal', 'system_scope:all', { system_scope: 'all' }, {}, true],
    ['a credential equals a target value', 'project_id:%(owner)s', { project_id: 'p' }, { owner: 'p' }, true],
    ['case matters in values', 'project_id:%(owner)s', { project_id: 'p' }, { owner: 'P' }, false],
    ['a missing key fails', 'project_id:%(owner)s', { project_id: 'p' }, {}, false],
    ['null never equals null', 'project_id:%(owner)s', { project_id: null }, { owner: null }, false],
    [
      'null never equals the text None',
      'project_id:%(owner)s',
      { project_id: 'None' },
      { owner: null },
      false,
    ],
    ['nor the other way about', 'project_id:%(owner)s', { project_id: null }, { owner: 'None' }, false],
    ['two missing sides are not equal', 'nobody:%(owner)s', {}, {}, false],
    ['None asks for a null credential', 'project_id:None', { project_id: null }, {}, true],
    ['None does not hold for the text None', 'project_id:None', { project_id: 'None' }, {}, false],
    ['None does not hold for a missing credential', 'project_id:None', {}, {}, false],
    ['None asks for a null target value', 'None:%(owner)s', {}, { owner: null }, true],
    ['None does not hold for a missing key', 'None:%(owner)s', {}, {}, false],
    ['booleans are the words True and False', 'is_admin_project:True', { is_admin_project: true }, {}, true],
    ['a literal equals a boolean of the target', 'False:%(public)s', {}, { public: false }, true],
    ['a quoted literal equals a target value', "'two words':%(name)s", {}, { name: 'two words' }, true],
    ['numbers are compared as text', '7:%(count)s', {}, { count: 7 }, true],
    ['a list holds by any element', 'service_roles:b', { service_roles: ['a', 'b'] }, {}, true],
    ['dots reach into objects and lists', 'a.b.c:x', { a: { b: [{ c: 'w' }, { c: 'x' }] } }, {}, true],
    ['a path that ends early fails', 'a.b.c:x', { a: null }, {}, false],
    ['the target has a copy of the credentials', 'user_id:%(user_id)s', { user_id: 'u' }, {}, true],
    ['inherited names are no attributes', 'constructor:%(toString)s', {}, {}, false],
  ])('%s: %s', (_, check, credentials, target, expected) => {
    expect(holds(check, { roles: [], ...credentials }, target)).toBe(expected)
    expect(explained(check, { roles: [], ...credentials }, target)).toBe(expected)
  })

  test('is judged as a plain reading of the language says, and explained so', () => {
    fc.assert(
      fc.property(arbitrary.check, arbitrary.credentials, arbitrary.target, (check, credentials, target) => {
        const expected = readPlainly(check, credentials as Credentials, target as Target)
        expect(holds(printCheck(check), credentials as Credentials, target as Target)).toBe(expected)
        expect(explained(printCheck(check), credentials as Credentials, target as Target)).toBe(expected)
      }),
      { numRuns: 2_000 },
    )
  })

  test("obeys De Morgan's laws", () => {
    fc.assert(
      fc.property(
        arbitrary.check,
        arbitrary.check,
        arbitrary.credentials,
        arbitrary.target,
        (a, b, ...facts) => {
          const [credentials, target] = facts as [Credentials, Target]
          const [left, right] = [`(${printCheck(a)})`, `(${printCheck(b)})`]
          const is = (check: string) => holds(check, credentials, target)
          expect(is(`not (${left} and ${right})`)).toBe(is(`not ${left} or not ${right}`))
          expect(is(`not (${left} or ${right})`)).toBe(is(`not ${left} and not ${right}`))
          expect(is(`not not ${left}`)).toBe(is(left))
        },
      ),
    )
  })

  test('means the same in a rule of its own as where it is used', () => {
    fc.assert(
      fc.property(arbitrary.check, arbitrary.credentials, arbitrary.target, (check, ...facts) => {
        const [credentials, target] = facts as [Credentials, Target]
        const rules = loadRules([
          { name: 'whole', check: `not (${printCheck(check)})` },
          { name: 'used', check: 'not rule:part' },
          { name: 'part', check: printCheck(check) },
        ])
        const judge = rules.judge(credentials)
        expect(judge('used', target)).toBe(judge('whole', target))
      }),
    )
  })

  test('takes constants in place of target keys', () => {
    const rule = { name: 'r', check: 'project_name:%(config.project)s' }
    const on = loadRules([rule], { constants: { 'config.project': 'service' } })
    expect(on.judge({ roles: [], project_name: 'service' })('r', {})).toBe('allowed')
    expect(on.judge({ roles: [], project_name: 'service' })('r', { 'config.project': 'other' })).toBe(
      'allowed',
    )
    expect(on.judge({ roles: [], project_name: 'other' })('r', {})).toBe('denied')
    expect(on.explain('r', { roles: [], project_name: 'service' }, {}).verdict).toBe('allowed')
    expect(loadRules([rule]).judge({ roles: [], project_name: 'service' })('r', {})).toBe('denied')
  })
})

describe('scopes', () => {
  const rules = loadRules([
    { name: 'system only', check: '@', scopes: ['system'] },
    { name: 'both', check: '@', scopes: ['system', 'project'] },
    { name: 'any', check: '@' },
    { name: 'refers', check: 'rule:system_only' },
    { name: 'system_only', check: '@', scopes: ['system'] },
  ])
  const tokens = {
    system: { roles: [], system_scope: 'all' },
    domain: { roles: [], domain_id: 'd', system_scope: null },
    project: { roles: [], project_id: 'p' },
  }

  test.each<[keyof typeof tokens, string, string]>([
    ['system', 'system only', 'allowed'],
    ['project', 'system only', 'wrong-scope'],
    ['domain', 'system only', 'wrong-scope'],
    ['domain', 'both', 'wrong-scope'],
    ['project', 'both', 'allowed'],
    ['domain', 'any', 'allowed'],
    ['project', 'refers', 'allowed'],
  ])('a %s token and rule "%s": %s', (token, rule, verdict) => {
    expect(rules.judge(tokens[token])(rule, {})).toBe(verdict)
    expect(rules.explain(rule, tokens[token], {}).verdict).toBe(verdict)
  })

  test('are the reason that is given', () => {
    expect(rules.explain('system only', tokens.project, {}).because).toBe(
      'the token is for a project, the rule wants one for a system',
    )
  })
})

describe('loadRules refuses', () => {
  const load = (checks: Record<string, CheckSource>, options?: RuleOptions) => () =>
    loadRules(
      Object.entries(checks).map(([name, check]) => ({ name, check })),
      options,
    )

  test('a reference to a rule that does not exist, naming one like it', () => {
    expect(load({ is_owner: '@', a: 'role:x or rule:is_ower' })).toThrow(
      'rule "a": "rule:is_ower" refers to a rule that does not exist: is "rule:is_owner" meant?',
    )
  })

  test('rules in a circle, naming it', () => {
    expect(load({ a: 'rule:b', b: 'role:x or rule:c', c: 'not rule:b' })).toThrow(
      'rule "b": the rules refer to each other in a circle: b -> c -> b',
    )
    expect(load({ a: 'rule:a' })).toThrow('a -> a')
  })

  test('a chain of references that is too long, in whatever order it is written', () => {
    const chain = (length: number): [string, string][] =>
      Array.from({ length }, (_, index) => [`r${index}`, index === 0 ? '@' : `rule:r${index - 1}`])
    expect(load(Object.fromEntries(chain(maxReferenceDepth)))).not.toThrow()
    for (const rules of [chain(maxReferenceDepth + 1), chain(5_000).reverse()]) {
      expect(load(Object.fromEntries(rules))).toThrow(/references is longer than 32/)
    }
  })

  test('rules that double each other until judging would never end', () => {
    const doubling = Array.from({ length: 30 }, (_, index) => {
      const half = `rule:r${index - 1}`
      return [`r${index}`, index === 0 ? 'role:nobody' : `${half} or ${half}`]
    })
    expect(load(Object.fromEntries(doubling))).toThrow(`more than ${maxChecks}`)
  })

  test('an attribute that nothing has, in every place one can stand', () => {
    const attributes = { credentials: ['project_id', 'roles'], target: ['node.owner', 'node.lessee'] }
    expect(load({ a: 'project_id:%(node.ownr)s' }, { attributes })).toThrow(
      'rule "a": there is no target key "node.ownr": is "node.owner" meant?',
    )
    expect(load({ a: 'not (role:x and proyect_id:%(node.owner)s)' }, { attributes })).toThrow(
      'rule "a": there is no credential "proyect_id": is "project_id" meant?',
    )
    expect(load({ a: 'role:%(zzz)s' }, { attributes })).toThrow('known are node.owner, node.lessee')
    expect(load({ a: 'project_id:%(project_id)s or None:%(node.lessee)s' }, { attributes })).not.toThrow()
  })

  test('to judge by a name that is no rule', () => {
    const rules = loadRules([{ name: 'a', check: '@' }])
    expect(() => rules.judge({ roles: [] })('b', {})).toThrow(PolicyError)
    expect(() => rules.explain('b', { roles: [] }, {})).toThrow('there is no rule of this name')
  })
})

test('a later rule replaces an earlier one of its name, with its scopes', () => {
  const rules = loadRules([
    { name: 'a', check: '!', scopes: ['system'] },
    { name: 'a', check: '@' },
  ])
  expect(rules.names).toEqual(['a'])
  expect(rules.judge({ roles: [] })('a', {})).toBe('allowed')
})

const holds = (check: string, credentials: Credentials, target: Target): boolean =>
  loadRules([{ name: 'r', check }]).judge(credentials)('r', target) === 'allowed'

const explained = (check: string, credentials: Credentials, target: Target): boolean =>
  loadRules([{ name: 'r', check }]).explain('r', credentials, target).verdict === 'allowed'

/** The language again, with no thought of speed: what the compiled rules are compared with. */
function readPlainly(check: Check, credentials: Credentials, target: Target): boolean {
  const all: Record<string, unknown> = { ...credentials, ...dropUndefined(target) }
  const python = (value: unknown) => (value === true ? 'True' : value === false ? 'False' : `${value}`)
  const isNone = (value: unknown) => value === null || value === undefined
  const filled = (value: string | Template): string | undefined => {
    if (typeof value === 'string') return value
    if (value.some((part) => typeof part !== 'string' && isNone(all[part.key]))) return undefined
    return value.map((part) => (typeof part === 'string' ? part : python(all[part.key]))).join('')
  }
  switch (check.kind) {
    case 'always':
      return true
    case 'never':
      return false
    case 'rule':
      throw new Error('no rules here')
    case 'not':
      return !readPlainly(check.check, credentials, target)
    case 'and':
      return check.checks.every((inner) => readPlainly(inner, credentials, target))
    case 'or':
      return check.checks.some((inner) => readPlainly(inner, credentials, target))
    case 'role': {
      const wanted = filled(check.role)?.toLowerCase()
      return credentials.roles.some((role) => role.toLowerCase() === wanted)
    }
    case 'compare': {
      const { left, right } = check
      const value = 'literal' in left ? left.literal : credentials[left.credential]
      if (right === null) return value === null
      if ('literal' in left && value === null) {
        const [only] = right
        return right.length === 1 && typeof only === 'object' && all[only.key] === null
      }
      return !isNone(value) && python(value) === filled(right)
    }
  }
}

const dropUndefined = (target: Target): Target =>
  Object.fromEntries(Object.entries(target).filter(([, value]) => value !== undefined))
