import { expect, test } from 'vitest'
import { defaultConfig } from '../config.ts'
import { createAuthenticator } from './authenticate.ts'

test('with strategy none everybody is an administrator of the system, whatever token they bring', async () => {
  const authenticator = createAuthenticator(defaultConfig({ 'auth.strategy': 'none' }), {
    db: undefined as never,
    log: undefined as never,
  })
  for (const token of [undefined, 'anything']) {
    const caller = await authenticator.authenticate({ token, method: 'GET', path: '/v1/nodes' })
    expect(caller).toMatchObject({ authMethod: 'none', systemScope: 'all', userId: null, projectId: null })
    expect(caller.roles).toEqual(['admin', 'manager', 'member', 'reader'])
  }
})
