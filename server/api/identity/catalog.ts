/** Where things are: the versions of the Identity API, and the catalog of services. */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { notFound } from '../../access/index.ts'
import { baseOf, type IdentityDeps, listOf, type Route, text, truth } from './routes.ts'

const region = 'RegionOne'
const interfaces = ['public', 'internal', 'admin'] as const

const services = [
  { type: 'baremetal', name: 'leasehold', description: 'Bare Metal API', path: '' },
  { type: 'network', name: 'neutron', description: 'Networking API', path: '/networking' },
  { type: 'identity', name: 'keystone', description: 'Identity API', path: '/identity/v3' },
  // Where esi-leap's clients look. They add /v1 to it by themselves.
  { type: 'lease', name: 'esi-leap', description: 'Console tokens, as in esi-leap', path: '' },
] as const

/** Ids that are the same at every start and in every process. */
const idOf = (...parts: string[]): string =>
  createHash('sha256').update(parts.join(' ')).digest('hex').slice(0, 32)

/** The catalog of a token. */
export const catalogOf = (base: string) =>
  services.map((service) => ({
    id: idOf('service', service.type),
    type: service.type,
    name: service.name,
    endpoints: interfaces.map((each) => ({
      id: idOf('endpoint', service.type, each),
      interface: each,
      region,
      region_id: region,
      url: base + service.path,
    })),
  }))

/** Version discovery, which needs no token. Keystone v3, "Versions". */
export function registerVersions(app: FastifyInstance, deps: IdentityDeps): void {
  const version = (base: string) => ({
    id: 'v3.14',
    status: 'stable',
    updated: '2020-04-07T00:00:00Z',
    links: [{ rel: 'self', href: `${base}/identity/v3/` }],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
  })
  // With and without a slash at the end.
  app.get('/', async (request, reply) =>
    reply.code(300).send({ versions: { values: [version(baseOf(deps, request))] } }),
  )
  app.get('/v3', async (request) => ({ version: version(baseOf(deps, request)) }))
}

const serviceRows = (base: string) =>
  services.map((service) => ({
    id: idOf('service', service.type),
    type: service.type,
    name: service.name,
    description: service.description,
    enabled: true,
    links: { self: `${base}/identity/v3/services/${idOf('service', service.type)}` },
  }))

const endpointRows = (base: string) =>
  catalogOf(base).flatMap((service) =>
    service.endpoints.map((endpoint) => ({
      ...endpoint,
      service_id: service.id,
      enabled: true,
      links: { self: `${base}/identity/v3/endpoints/${endpoint.id}` },
    })),
  )

const regionRows = (base: string) => [
  {
    id: region,
    description: '',
    parent_region_id: null,
    links: { self: `${base}/identity/v3/regions/${region}` },
  },
]

const domainRows = (base: string) => [
  {
    id: 'default',
    name: 'Default',
    description: 'The default domain',
    enabled: true,
    tags: [],
    options: {},
    links: { self: `${base}/identity/v3/domains/default` },
  },
]

/** Lists that are what they are: to read, for whoever has a token. */
const fixed: {
  key: string
  one: string
  rows: (base: string) => Record<string, unknown>[]
  filters: string[]
}[] = [
  { key: 'services', one: 'service', rows: serviceRows, filters: ['name', 'type'] },
  {
    key: 'endpoints',
    one: 'endpoint',
    rows: endpointRows,
    filters: ['interface', 'service_id', 'region_id', 'region'],
  },
  { key: 'regions', one: 'region', rows: regionRows, filters: ['parent_region_id'] },
  { key: 'domains', one: 'domain', rows: domainRows, filters: ['name'] },
]

export const catalogRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/auth/catalog',
    ok: 200,
    handler: async (call) => listOf(call, 'catalog', catalogOf(call.base), false),
  },
  ...fixed.flatMap(({ key, one, rows, filters }): Route[] => [
    {
      method: 'GET',
      path: `/${key}`,
      ok: 200,
      handler: async (call) => {
        const wanted = filters.flatMap((name) => {
          const value = text(call.query[name])
          return value === undefined ? [] : [[name, value] as const]
        })
        const found = rows(call.base).filter(
          (row) =>
            truth(call.query.enabled) !== false && wanted.every(([name, value]) => row[name] === value),
        )
        return listOf(call, key, found, false)
      },
    },
    {
      method: 'GET',
      path: `/${key}/:id`,
      ok: 200,
      handler: async (call) => {
        const id = call.params.id as string
        const row = rows(call.base).find((each) => each.id === id)
        if (!row) throw notFound(one, id)
        return { [one]: row }
      },
    },
  ]),
]
