/** The HTTP service: who calls, which version, what an error looks like; then the routes. */
import { randomUUID } from 'node:crypto'
import { METHODS } from 'node:http'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type HTTPMethods,
  LogController,
} from 'fastify'
import type { TSchema } from 'typebox'
import { type Caller, maskUrl } from '../access/index.ts'
import { auditRoutes, recordCalls } from './audit.ts'
import { allocationRoutes } from './baremetal/allocations.ts'
import { chassisRoutes } from './baremetal/chassis.ts'
import { conductorRoutes } from './baremetal/conductors.ts'
import { deployTemplateRoutes } from './baremetal/deploy-templates.ts'
import { driverRoutes } from './baremetal/drivers.ts'
import { entrance } from './baremetal/entrance.ts'
import { answerError, RoutingError } from './baremetal/errors.ts'
import { eventRoutes } from './baremetal/events.ts'
import { inspectionRuleRoutes } from './baremetal/inspection-rules.ts'
import { nodeActionRoutes } from './baremetal/node-actions.ts'
import { nodeRoutes } from './baremetal/nodes.ts'
import { portgroupRoutes } from './baremetal/portgroups.ts'
import { portRoutes } from './baremetal/ports.ts'
import { ramdiskRoutes } from './baremetal/ramdisk.ts'
import { onlyGet, rootDocument, rootRoutes } from './baremetal/root.ts'
import { type Route, registerRoutes } from './baremetal/routes.ts'
import { runbookTraitRoutes } from './baremetal/runbook-traits.ts'
import { runbookRoutes } from './baremetal/runbooks.ts'
import { shardRoutes } from './baremetal/shards.ts'
import { volumeRoutes } from './baremetal/volumes.ts'
import { answerBrokenRequest, answerUnreadableUrl, refuseUpgrade } from './connection.ts'
import { consoleKeyRoutes } from './console/keys.ts'
import { registerConsolePage } from './console/page.ts'
import { ownConsoleRoutes } from './console/routes.ts'
import type { ApiDeps } from './deps.ts'
import { registerIdentity } from './identity/index.ts'
import { parseJson } from './json.ts'
import { registerNetworking } from './networking/neutron/index.ts'
import { nodeNetworkingRoutes } from './networking/node-networking.ts'
import { switchRoutes } from './networking/switches.ts'
import { vlanPoolRoutes } from './networking/vlan-pools.ts'
import { registerOpenApi } from './openapi.ts'
import { registerOperations } from './operations.ts'
import { validatorOf } from './validate.ts'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
    /** Negotiated minor version of the Bare Metal API. */
    version: number
  }
  interface FastifyInstance {
    /** Base of links: `http://host:port`. */
    publicBase(request: FastifyRequest): string
    /** Where a caller without a token gets one. */
    authUri(request: FastifyRequest): string
  }
  interface FastifyContextConfig {
    isPublic?: boolean
  }
}

/** Every route of the Bare Metal API, as rows. */
export const baremetalRoutes = (deps: ApiDeps): Route[] => [
  ...rootRoutes(),
  ...nodeRoutes(deps),
  ...nodeActionRoutes(deps),
  ...portRoutes(deps),
  ...portgroupRoutes(deps),
  ...volumeRoutes(deps),
  ...chassisRoutes(deps),
  ...shardRoutes(deps),
  ...driverRoutes(deps),
  ...conductorRoutes(deps),
  ...deployTemplateRoutes(deps),
  ...inspectionRuleRoutes(deps),
  ...runbookRoutes(deps),
  ...runbookTraitRoutes(deps),
  ...allocationRoutes(deps),
  ...ramdiskRoutes(deps),
  ...eventRoutes(deps),
  ...auditRoutes(deps),
  ...ownConsoleRoutes(deps),
  ...consoleKeyRoutes(deps),
  ...nodeNetworkingRoutes(deps),
  ...switchRoutes(deps),
  ...vlanPoolRoutes(deps),
]

const bodyLimitBytes = 1024 * 1024
/** First path words of other APIs; everything else belongs to the Bare Metal API, with or without `/v1`. */
const otherRoots = /^\/(v1|identity|networking|consoles|healthz|readyz|metrics|openapi\.json)(\/|\?|$)/

/** Makes the service; it listens when told to. */
export async function createApp(deps: ApiDeps): Promise<FastifyInstance> {
  const requestMs = deps.config['api.request_timeout_seconds'] * 1000
  const app = Fastify({
    loggerInstance: deps.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'reqId' }),
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestMs,
    // Node heeds the limit of the whole request only if that of its header is no longer.
    http: {
      headersTimeout: Math.min(60_000, requestMs),
      connectionsCheckingInterval: Math.min(5_000, requestMs / 4),
      // Who offers another protocol (`curl --http2`) is answered in this one (RFC 9110, 7.8).
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    keepAliveTimeout: 65_000,
    genReqId: () => `req-${randomUUID()}`,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1024 },
    // Bookmark links leave the version out.
    rewriteUrl: (request) =>
      request.url && request.url !== '/' && !otherRoots.test(request.url) && !request.url.startsWith('/?')
        ? `/v1${request.url}`
        : (request.url ?? '/'),
    frameworkErrors: answerUnreadableUrl,
    clientErrorHandler: answerBrokenRequest,
  })
  const { config } = deps
  // Nothing here depends on `Expect`; Node would answer what it does not know with an empty 417.
  app.server.on('checkExpectation', (...call) => app.server.emit('request', ...call))
  app.server.on('upgrade', (request, socket, head) => {
    // Outside of every handler of errors: what is thrown here would end the process.
    try {
      if (deps.consoles.upgrade(request, socket, head)) return
    } catch (error) {
      deps.log.error({ err: error }, 'an upgrade failed')
    }
    refuseUpgrade(request, socket)
  })
  // Methods that nothing here has get 405 like any other.
  for (const method of METHODS)
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method))
      app.addHttpMethod(method, { hasBody: true })
  app.decorate(
    'publicBase',
    (request: FastifyRequest) => config['api.public_endpoint'] ?? `${request.protocol}://${request.host}`,
  )
  app.decorate(
    'authUri',
    (request: FastifyRequest) => config['keystone.url'] ?? `${app.publicBase(request)}/identity`,
  )
  app.decorateRequest('version', 1)
  app.decorateRequest('caller', null as never)
  app.decorateRequest('auditTarget', null)
  app.decorateRequest('auditReason', null)

  app.setValidatorCompiler(({ schema }) => {
    const check = validatorOf(schema as TSchema)
    return (value) => {
      try {
        check(value)
        return { value }
      } catch (error) {
        return { error: error as Error }
      }
    }
  })
  app.setSchemaErrorFormatter((errors) => errors as unknown as Error)
  // Fastify wraps what the validator returns; the error itself is what the caller is told.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply))
  const enter = entrance(deps)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('openstack-request-id', request.id).header('x-openstack-request-id', request.id)
    if (!request.is404 || /^\/(identity|networking)\//.test(request.url)) return
    // Who may not enter is not told what there is.
    await enter(request, reply)
    const path = request.url.split('?')[0]?.slice(0, 200)
    throw new RoutingError('not-found', `There is nothing at ${request.method} ${path}.`)
  })
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        url: maskUrl(request.url),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        user: request.caller?.userId,
        project: request.caller?.projectId,
      },
      'request',
    )
  })

  registerOperations(app, deps)
  registerConsolePage(app)
  await app.register(async (baremetal) => {
    baremetal.addHook('onRequest', enter)
    baremetal.get('/', { config: { isPublic: true } }, async (request) =>
      rootDocument(app.publicBase(request)),
    )
    baremetal.route({
      method: app.supportedMethods.filter((method) => method !== 'GET' && method !== 'HEAD') as HTTPMethods[],
      url: '/',
      config: { isPublic: true },
      onRequest: async () => onlyGet(),
      handler: onlyGet,
    })
    recordCalls(baremetal, deps)
    const routes = baremetalRoutes(deps)
    registerRoutes(baremetal, routes)
    registerOpenApi(app, routes)
  })
  await registerNetworking(app, deps, (scope) => recordCalls(scope, deps))
  if (config['auth.strategy'] === 'standalone') await registerIdentity(app, deps)
  return app
}
