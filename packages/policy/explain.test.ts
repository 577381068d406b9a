import { describe, expect, test } from 'vitest'
import { type Credentials, loadRules, renderExplanation, type Target } from './index.ts'

const rules = loadRules([
  { name: 'system_reader', check: 'role:reader and system_scope:all' },
  { name: 'owner', check: 'project_id:%(node.owner)s' },
  { name: 'get', check: 'rule:system_reader or (role:reader and rule:owner)' },
  { name: 'nobody', check: '!' },
  { name: 'spare', check: 'None:%(node.owner)s and not role:guest' },
])

const reader: Credentials = { roles: ['reader', 'lab'], project_id: 'p1', system_scope: null }

describe('an explanation', () => {
  test.each<[string, Credentials, Target, string]>([
    [
      'get',
      reader,
      { 'node.owner': 'p1' },
      'the caller has role reader and project_id is "p1", as node.owner',
    ],
    [
      'get',
      reader,
      { 'node.owner': 'p2' },
      'system_scope is null, not "all"; project_id is "p1", but node.owner is "p2"',
    ],
    ['owner', reader, {}, 'node.owner is not set'],
    ['owner', reader, { 'node.owner': null }, 'node.owner is null'],
    ['owner', { roles: [] }, { 'node.owner': 'p1' }, 'project_id is not set, but node.owner is "p1"'],
    ['nobody', reader, {}, 'nobody may'],
    ['system_reader', { roles: [], system_scope: 'all' }, {}, "role reader is not among the caller's: none"],
    [
      'spare',
      reader,
      { 'node.owner': null },
      "node.owner is null and role guest is not among the caller's: reader, lab",
    ],
  ])('of %s says what decided', (rule, credentials, target, because) => {
    expect(rules.explain(rule, credentials, target).because).toBe(because)
  })

  test('is a tree with every check and its outcome', () => {
    const { check } = rules.explain('get', reader, { 'node.owner': 'p2' })
    expect(renderExplanation(check)).toBe(
      [
        'fails  rule:system_reader or (role:reader and rule:owner)',
        '  fails  rule:system_reader',
        '    fails  role:reader and system_scope:all',
        '      holds  role:reader  (the caller has role reader)',
        '      fails  system_scope:all  (system_scope is null, not "all")',
        '  fails  role:reader and rule:owner',
        '    holds  role:reader  (the caller has role reader)',
        '    fails  rule:owner',
        '      fails  project_id:%(node.owner)s  (project_id is "p1", but node.owner is "p2")',
      ].join('\n'),
    )
  })
})
