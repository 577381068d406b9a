/**
 * The networking API: the part of Neutron v2.0 that OpenStack's clients use for layer-2 networks, at `/networking`.
 * HTTP only; what networks are is in networking/.
 */
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { LeaseholdError } from '../../../errors.ts'
import { authenticated } from '../../baremetal/entrance.ts'
import type { ApiDeps } from '../../deps.ts'
import { parseJson } from '../../json.ts'
import { validatorOf } from '../../validate.ts'
import { answerError } from './errors.ts'
import { networkRoutes } from './networks.ts'
import { portRoutes } from './ports.ts'
import { rbacRoutes } from './rbac.ts'
import { network, port, type Resource, rbacPolicy, subnet, trunk } from './resources.ts'
import { answer, answerList, type Route, registerRoutes } from './routes.ts'
import { subnetRoutes } from './subnets.ts'
import { tagRoutes } from './tags.ts'
import { trunkRoutes } from './trunks.ts'

const resources: readonly Resource[] = [network, port, subnet, rbacPolicy, trunk]

const readRoutes: readonly Route[] = resources.flatMap((resource): Route[] => [
  {
    method: 'GET',
    path: `/${resource.collection}`,
    ok: 200,
    handler: (call) => answerList(call, resource),
  },
  {
    method: 'GET',
    path: `/${resource.collection}/:id`,
    ok: 200,
    handler: (call) => answer(call, resource, call.params.id as string),
  },
])

/** Every route below `/networking/v2.0` that needs a token. */
export const neutronRoutes: readonly Route[] = [
  ...readRoutes,
  ...networkRoutes,
  ...portRoutes,
  ...subnetRoutes,
  ...rbacRoutes,
  ...trunkRoutes,
  ...tagRoutes,
  {
    method: 'GET',
    path: '/',
    ok: 200,
    handler: async (call) => ({
      resources: resources.map(({ name, collection }) => ({
        name,
        collection,
        links: [{ rel: 'self', href: `${call.base}/v2.0/${collection}` }],
      })),
    }),
  },
  { method: 'GET', path: '/extensions', ok: 200, handler: async () => ({ extensions }) },
  {
    method: 'GET',
    path: '/extensions/:alias',
    ok: 200,
    handler: async (call) => {
      const alias = call.params.alias as string
      const extension = extensions.find((each) => each.alias === alias)
      if (!extension)
        throw new LeaseholdError('not-found', `Extension with alias ${alias.slice(0, 100)} does not exist`)
      return { extension }
    },
  },
]

const extensions = [
  ['provider', 'Provider Network'],
  ['external-net', 'Neutron external network'],
  ['rbac-policies', 'RBAC Policies'],
  ['binding', 'Port Binding'],
  ['net-mtu', 'Network MTU'],
  ['project-id', 'project_id field enabled'],
  ['pagination', 'Pagination support'],
  ['sorting', 'Sorting support'],
  ['standard-attr-description', 'standard-attr-description'],
  ['standard-attr-revisions', 'Resource revision numbers'],
  ['standard-attr-tag', 'Tag support for resources with standard attribute'],
  ['standard-attr-timestamp', 'Resource timestamps'],
  ['trunk', 'Trunk Extension'],
  ['trunk-details', 'Trunk port details'],
].map(([alias, name]) => ({
  alias,
  name,
  description: name,
  updated: '2026-01-01T00:00:00-00:00',
  links: [],
}))

const elsewhere =
  'Networks and ports are in the Neutron of this cloud: ask there, at the endpoint of type network in the catalog.'

/** Mounts the API at `/networking`, with error bodies and parsing of its own. */
export async function registerNetworking(
  app: FastifyInstance,
  deps: ApiDeps,
  recordCalls: (scope: FastifyInstance) => void,
): Promise<void> {
  await app.register(
    async (scope) => {
      scope.setErrorHandler((error, request, reply) => answerError(error, request, reply))
      scope.setValidatorCompiler(({ schema }) => {
        const check = validatorOf(schema as TSchema)
        return (value) => {
          check(value)
          return { value }
        }
      })
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
        try {
          done(null, parseJson(body as Buffer))
        } catch (error) {
          done(error as Error)
        }
      })
      scope.addHook('onRequest', async (request) => {
        if (!request.routeOptions.config?.isPublic) request.caller = await authenticated(deps, request)
      })
      scope.setNotFoundHandler(() => {
        throw new LeaseholdError('not-found', 'The resource could not be found.')
      })
      recordCalls(scope)
      // Where the API is, which clients ask for without a token.
      scope.get('/', { config: { isPublic: true } }, async (request) => ({
        versions: [
          {
            id: 'v2.0',
            status: 'CURRENT',
            links: [{ rel: 'self', href: `${app.publicBase(request)}/networking/v2.0/` }],
          },
        ],
      }))
      if (deps.networking.upstream)
        scope.all('/*', async () => {
          throw new LeaseholdError('not-found', elsewhere)
        })
      else registerRoutes(scope, deps, neutronRoutes)
    },
    { prefix: '/networking' },
  )
}
