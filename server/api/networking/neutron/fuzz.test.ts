/** What nobody should send to the networking API: each is answered in its error format, and none is a fault of ours. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestApi, testApi } from '../../testing.ts'
import { neutronRoutes } from './index.ts'
import { neutronOf } from './testing.ts'

let api: TestApi
let ids: Record<string, string>
beforeAll(async () => {
  api = await testApi({ 'networking.quota_networks': 1000, 'networking.quota_ports': 1000 })
  await api.as('system-admin', 'POST', '/v1/vlan_pools', { name: 'tenants', ranges: '100-999' })
  const neutron = neutronOf(api)
  const network = await neutron.network('system-admin')
  const port = await neutron.port('system-admin', network.id)
  const trunk = await neutron.as('system-admin', 'POST', '/trunks', { trunk: { port_id: port.id } })
  ids = { networks: network.id, ports: port.id, trunks: trunk.body.trunk.id }
})
afterAll(() => api.close())

const nasty = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    '\0',
    'a\0b',
    '\ud800',
    '__proto__',
    null,
    -1,
    1e308,
    [],
    {},
    'x'.repeat(70_000),
    '%00',
    "'; --",
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.jsonValue({ maxDepth: 3 }),
)
/** An object may say of itself what no string can be made of. */
const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
const words = [
  'name',
  'id',
  'network_id',
  'project_id',
  'tenant_id',
  'shared',
  'cidr',
  'fixed_ips',
  'mac_address',
  'tags',
  'provider:segmentation_id',
  'binding:profile',
  'limit',
  'marker',
  'sort_key',
  'sort_dir',
  'fields',
  'page_reverse',
  'router:external',
  'mtu',
  'gateway_ip',
  'target_tenant',
  'object_id',
  'port_id',
  'sub_ports',
  'action',
  'nonesuch',
  '__proto__',
]

it('800 requests of all routes: an answer to each, and the service goes on', {
  timeout: 60_000,
}, async () => {
  const request = fc.constantFrom(...neutronRoutes).chain((route) => {
    const pairs = fc.array(fc.tuple(fc.constantFrom(...words), nasty), { maxLength: 4 })
    return fc.record({
      route: fc.constant(route),
      query: pairs,
      body: pairs,
      wrapped: fc.boolean(),
      real: fc.boolean(),
      raw: nasty,
    })
  })
  await fc.assert(
    fc.asyncProperty(request, async ({ route, query, body, wrapped, real, raw }) => {
      const [, collection = ''] = route.path.split('/')
      const id = real ? (ids[collection] ?? 'x') : textOf(raw).slice(0, 60).toWellFormed()
      const parameters = query.map(
        ([key, value]) =>
          `${encodeURIComponent(key)}=${encodeURIComponent(textOf(value).toWellFormed()).slice(0, 500)}`,
      )
      const fields = Object.fromEntries(body)
      const name =
        { networks: 'network', ports: 'port', subnets: 'subnet', 'rbac-policies': 'rbac_policy' }[
          collection
        ] ?? 'x'
      const answer = await api.app.inject({
        method: route.method,
        url: `/networking/v2.0${route.path.replace(/:\w+/, encodeURIComponent(id))}?${parameters.join('&')}`,
        headers: { 'x-auth-token': api.tokens['system-admin'] },
        ...(route.body ? { payload: JSON.stringify(wrapped ? { [name]: fields } : raw) ?? '' } : {}),
      })
      expect([route.method, route.path, answer.statusCode, answer.body.slice(0, 300)]).toEqual([
        route.method,
        route.path,
        expect.toSatisfy((status: number) => status < 500),
        expect.any(String),
      ])
      if (answer.statusCode >= 400 && answer.statusCode !== 414)
        expect(answer.json().NeutronError).toMatchObject({
          type: expect.any(String),
          message: expect.any(String),
        })
      expect(answer.body).not.toMatch(/ at .*\.ts:\d+|SELECT |INSERT /)
    }),
    { numRuns: 800 },
  )
  expect((await api.as('system-admin', 'GET', '/networking/v2.0/networks', undefined, null)).status).toBe(200)
})
