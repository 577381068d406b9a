import { describe, expect, test } from 'vitest'
import { allows } from './access-rules.ts'

const permits = (pattern: string, path: string): boolean =>
  allows([{ service: 'baremetal', method: 'GET', path: pattern }], {
    service: 'baremetal',
    method: 'GET',
    path,
  })

describe('an access rule', () => {
  test.each([
    ['/v1/nodes', '/v1/nodes', true],
    ['/v1/nodes', '/v1/nodes/1', false],
    ['/v1/nodes/*', '/v1/nodes/1', true],
    ['/v1/nodes/*', '/v1/nodes/', false],
    ['/v1/nodes/*', '/v1/nodes/1/ports', false],
    ['/v1/nodes/{node}/states', '/v1/nodes/1/states', true],
    ['/v1/nodes/{node}/states', '/v1/nodes/1/2/states', false],
    ['/v1/*-x/*', '/v1/a-x/b', true],
    ['/v1/**', '/v1/nodes/1/states', true],
    ['/v1/**', '/v1/', true],
    ['/v1/**', '/v2/nodes', false],
    ['/**/power', '/v1/nodes/1/states/power', true],
    ['/v1/n.des', '/v1/nodes', false],
    ['', '/v1', false],
  ])('%s for %s: %s', (pattern, path, allowed) => {
    expect(permits(pattern, path)).toBe(allowed)
  })

  test('is about one service and one method', () => {
    const rules = [{ service: 'compute', method: 'GET', path: '/**' }]
    expect(allows(rules, { service: 'baremetal', method: 'GET', path: '/v1' })).toBe(false)
    expect(allows(rules, { service: 'compute', method: 'POST', path: '/v1' })).toBe(false)
    expect(allows(rules, { service: 'compute', method: 'get', path: '/v1' })).toBe(true)
    expect(allows([], { service: 'compute', method: 'GET', path: '/v1' })).toBe(false)
  })

  test('with many stars is decided at once', () => {
    const before = performance.now()
    expect(permits(`/${'**a'.repeat(80)}`, `/${'a'.repeat(2000)}`)).toBe(true)
    expect(permits(`/${'**a'.repeat(80)}b`, `/${'a'.repeat(2000)}`)).toBe(false)
    expect(performance.now() - before).toBeLessThan(1000)
  })
})
