import { beforeAll, expect, test } from 'vitest'
import { type Caller, callerOf, publicCaller } from './caller.ts'
import { loadPolicy, type Policy } from './policy.ts'
import { type Visibility, visibleNodes, visibleRows } from './visibility.ts'

let policy: Policy
beforeAll(async () => {
  policy = await loadPolicy()
})

const own: Visibility = { kind: 'project', projectId: 'p' }
const all: Visibility = { kind: 'all' }
const forbidden: Visibility = { kind: 'forbidden' }
const system = (role: string): Caller =>
  callerOf({ authMethod: 'keystone', roles: [role], systemScope: 'all' })
const project = (role: string): Caller => callerOf({ authMethod: 'keystone', roles: [role], projectId: 'p' })

test.each<[string, Caller, string | undefined, Visibility]>([
  ['a system reader lists all nodes', system('reader'), undefined, all],
  ["a system reader lists any project's", system('reader'), 'q', { kind: 'project', projectId: 'q' }],
  ['a project reader lists what it owns or leases', project('reader'), undefined, own],
  ['a project admin lists no more', project('admin'), undefined, own],
  ["a project's service account does too", project('service'), undefined, own],
  ['a project may ask for itself', project('reader'), 'p', own],
  ['a project may not ask for another', project('admin'), 'q', forbidden],
  ['a project token without the role may not list', project('lab'), undefined, forbidden],
  ['a system token without the role may not list', system('lab'), undefined, forbidden],
  [
    'a domain token may not list',
    callerOf({ authMethod: 'keystone', roles: ['reader'], domainId: 'd' }),
    undefined,
    forbidden,
  ],
  ['the public may not list', publicCaller, undefined, forbidden],
  ['everybody lists all without authentication', callerOf({ authMethod: 'none', roles: [] }), undefined, all],
])('%s', (_, caller, asked, visibility) => {
  expect(visibleNodes(policy, caller, asked)).toEqual(visibility)
})

test.each(['port', 'portgroup', 'volume', 'allocation', 'runbook'] as const)(
  'a list of %s rows is decided in the same way',
  (resource) => {
    expect(visibleRows(policy, system('reader'), resource)).toEqual(all)
    expect(visibleRows(policy, project('reader'), resource)).toEqual(own)
    expect(visibleRows(policy, project('reader'), resource, 'q')).toEqual(forbidden)
  },
)

test('a token without a project sees nothing by the rule for its own, whatever that rule says', () => {
  const lenient: Policy = { ...policy, allows: (rule) => rule === 'baremetal:node:list' }
  expect(visibleNodes(lenient, system('reader'))).toEqual(forbidden)
  expect(visibleNodes(lenient, project('lab'))).toEqual(own)
})
