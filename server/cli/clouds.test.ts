/** Which cloud is meant, and what Keystone is asked. */
import { describe, expect, it } from 'vitest'
import { type Cloud, findCloud } from './clouds.ts'
import { authBody, endpointIn, tokensUrl } from './keystone.ts'

const clouds = `
clouds:
  one:
    auth_type: password
    auth: {auth_url: "http://one/identity", username: u, password: p, user_domain_name: D, project_name: j, project_domain_name: D}
    region_name: R
    interface: internal
  two:
    auth_type: v3applicationcredential
    auth: {auth_url: "http://two/v3", application_credential_id: i, application_credential_secret: s}
    baremetal_endpoint_override: http://two:6385
    cacert: ca.pem
    verify: false
`
const files =
  (tree: Record<string, string>) =>
  (path: string): string | undefined =>
    tree[path]
const find = (name: string | undefined, environment: Record<string, string> = {}, more = {}) =>
  findCloud(name, environment, files({ 'clouds.yaml': clouds, ...more }))

describe('the cloud', () => {
  it('is the named one, by option before environment', () => {
    expect(find('one', { OS_CLOUD: 'two' })).toEqual({
      authType: 'password',
      auth: {
        auth_url: 'http://one/identity',
        username: 'u',
        password: 'p',
        user_domain_name: 'D',
        project_name: 'j',
        project_domain_name: 'D',
      },
      region: 'R',
      interface: 'internal',
      endpoint: undefined,
      caFile: undefined,
      verify: true,
    })
    expect(find(undefined, { OS_CLOUD: 'two' })).toMatchObject({
      authType: 'application_credential',
      endpoint: 'http://two:6385',
      caFile: 'ca.pem',
      verify: false,
    })
  })

  it('is what the environment says when none is named', () => {
    const environment = { OS_AUTH_URL: 'http://x/v3', OS_TOKEN: 't', OS_PROJECT_ID: 'p', OS_INSECURE: '1' }
    expect(find(undefined, environment)).toMatchObject({
      authType: 'token',
      auth: { auth_url: 'http://x/v3', token: 't', project_id: 'p' },
      verify: false,
    })
    expect(find(undefined, { OS_ENDPOINT: 'http://x:6385' })).toMatchObject({ authType: 'none' })
  })

  it('is looked for in the first file there is', () => {
    const other = { '/etc/mine.yaml': clouds.replace('http://one', 'http://mine') }
    const found = find('one', { OS_CLIENT_CONFIG_FILE: '/etc/mine.yaml' }, other)
    expect(found.auth.auth_url).toBe('http://mine/identity')
    const only = findCloud('one', {}, files({ 'data/clouds.yaml': clouds }))
    expect(only.auth.auth_url).toBe('http://one/identity')
  })

  it('has its secrets in secure.yaml for those who keep them there', () => {
    const found = find('one', {}, { 'secure.yaml': 'clouds: {one: {auth: {password: other}}}' })
    expect(found.auth).toMatchObject({ username: 'u', password: 'other' })
  })

  it.each<[string | undefined, Record<string, string>, string, RegExp]>([
    [undefined, {}, clouds, /Say which cloud.*one, two/],
    ['three', {}, clouds, /no cloud three.*one, two/],
    ['one', {}, 'clouds: {one: {auth: {}}}', /lacks auth.auth_url/],
    ['one', {}, 'clouds: {one: {auth_type: v2, auth: {}}}', /auth_type v2 is not known/],
    ['one', {}, 'clouds: [', /not YAML/],
    ['one', {}, '- x', /no cloud one/],
  ])('%s is refused in words', (name, environment, text, words) => {
    expect(() => findCloud(name, environment, files({ 'clouds.yaml': text }))).toThrow(words)
    expect(() => findCloud(name, environment, files({}))).toThrow(/There is no clouds.yaml/)
  })
})

describe('a token', () => {
  const cloud = (authType: Cloud['authType'], auth: Record<string, string>): Cloud => ({
    ...find('one'),
    authType,
    auth,
  })

  it('is asked for by password, for a project or the system', () => {
    expect(authBody(find('one'))).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'u', domain: { name: 'D' }, password: 'p' } },
        },
        scope: { project: { name: 'j', domain: { name: 'D' } } },
      },
    })
    expect(authBody(cloud('password', { user_id: 'i', password: 'p', system_scope: 'all' }))).toEqual({
      auth: {
        identity: { methods: ['password'], password: { user: { id: 'i', password: 'p' } } },
        scope: { system: { all: true } },
      },
    })
  })

  it('is asked for by application credential and by token', () => {
    expect(authBody(find('two'))).toEqual({
      auth: {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: 'i', secret: 's' },
        },
      },
    })
    expect(authBody(cloud('token', { token: 't', project_id: 'p' }))).toEqual({
      auth: { identity: { methods: ['token'], token: { id: 't' } }, scope: { project: { id: 'p' } } },
    })
  })

  it('is asked for at one address, however auth_url is written', () => {
    for (const url of [
      'http://x/identity',
      'http://x/identity/',
      'http://x/identity/v3',
      'http://x/identity/v3/',
    ])
      expect(tokensUrl(url)).toBe('http://x/identity/v3/auth/tokens')
  })

  it('tells where the Bare Metal API is', () => {
    const endpoint = (own: object) => ({ interface: 'public', region_id: 'R', url: 'http://b/v1', ...own })
    const body = (...endpoints: object[]) => ({
      token: {
        catalog: [
          { type: 'image', endpoints: [endpoint({})] },
          { type: 'baremetal', endpoints },
        ],
      },
    })
    const both = body(endpoint({ interface: 'internal', url: 'http://c' }), endpoint({}))
    expect(endpointIn(both, { interface: 'public', region: 'R' })).toBe('http://b/v1')
    expect(endpointIn(both, { interface: 'internal', region: undefined })).toBe('http://c')
    for (const wrong of [both, body(), {}, undefined, { token: { catalog: 'x' } }])
      expect(() => endpointIn(wrong, { interface: 'public', region: 'S' })).toThrow(
        /no public endpoint.*region S/,
      )
  })
})
