import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { callerOf, credentialNames, credentials, expandRoles, publicCaller } from './caller.ts'

describe('expandRoles', () => {
  test.each([
    [['admin'], ['admin', 'manager', 'member', 'reader']],
    [['manager'], ['manager', 'member', 'reader']],
    [['member'], ['member', 'reader']],
    [['reader'], ['reader']],
    [['service'], ['service']],
    [['Admin'], ['Admin', 'manager', 'member', 'reader']],
    [
      ['reader', 'lab', 'member'],
      ['reader', 'lab', 'member'],
    ],
    [[], []],
    [['constructor'], ['constructor']],
  ])('%j becomes %j', (roles, expanded) => {
    expect(expandRoles(roles)).toEqual(expanded)
  })

  test('keeps what was given, adds nothing twice, and is done after one time', () => {
    const roles = fc.uniqueArray(fc.constantFrom('admin', 'manager', 'member', 'reader', 'service', 'lab'))
    fc.assert(
      fc.property(roles, (given) => {
        const expanded = expandRoles(given)
        expect(expanded.slice(0, given.length)).toEqual(given)
        expect(new Set(expanded).size).toBe(expanded.length)
        expect(expandRoles(expanded)).toEqual(expanded)
      }),
    )
  })
})

test('a caller has the implied roles and cannot be changed', () => {
  const caller = callerOf({ authMethod: 'keystone', roles: ['member'], projectId: 'p' })
  expect(caller).toMatchObject({
    roles: ['member', 'reader'],
    projectId: 'p',
    systemScope: null,
    service: null,
  })
  expect(() => Object.assign(caller, { projectId: 'q' })).toThrow(TypeError)
  expect(() => (caller.roles as string[]).push('admin')).toThrow(TypeError)
})

test('the credentials have exactly the names that rules may use', () => {
  expect(Object.keys(credentials(publicCaller))).toEqual([...credentialNames])
})

test('a service token is told apart from the caller it speaks for', () => {
  const service = {
    userId: 'nova',
    userDomainId: 'default',
    projectId: 'services',
    projectDomainId: 'default',
    roles: ['service'],
  }
  const caller = callerOf({ authMethod: 'keystone', roles: ['reader'], userId: 'alice', service })
  expect(credentials(caller)).toMatchObject({
    user_id: 'alice',
    roles: ['reader'],
    service_user_id: 'nova',
    service_project_id: 'services',
    service_roles: ['service'],
  })
})
