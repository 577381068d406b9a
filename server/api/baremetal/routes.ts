/** How a route of the Bare Metal API is declared: one row, from which it is registered, gated and documented. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import type { TSchema } from 'typebox'
import type { Caller, RuleName } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { RoutingError } from './errors.ts'
import { type QuerySchema, readQuery } from './query.ts'
import { notAcceptable } from './versions.ts'

/** What a handler gets to know of its request. */
export interface Call {
  caller: Caller
  /** Negotiated minor version. */
  version: number
  params: Record<string, string>
  query: Record<string, unknown>
  body: unknown
  /** Base of links: `http://host:port`. */
  base: string
  request: FastifyRequest
  reply: FastifyReply
  /** Set by a handler whose success has another status than the route's `ok`. */
  status?: number
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/v1`. */
  path: string
  summary: string
  /** Every policy rule that the handler may check, or `public`. */
  rules: readonly RuleName[] | 'public'
  /** First microversion, and the status below it. */
  since?: number
  below?: 404 | 405 | 406
  query?: QuerySchema
  body?: TSchema
  /** A list below a parent, such as a node's ports: what is in it is reached and written at its own place only. */
  within?: boolean
  /** Largest body, when it is not the usual 1 MiB. */
  bodyLimitBytes?: number
  /** Done before the body is read, right after the version's gate; throws to refuse the request. */
  before?: (request: FastifyRequest, reply: FastifyReply) => void
  /** Status of success. */
  ok: number
  handler: (call: Call) => Promise<unknown>
}

/** Registers routes and, for each path, 405 for the methods it lacks. */
export function registerRoutes(app: FastifyInstance, routes: readonly Route[]): void {
  for (const route of routes)
    app.route({
      method: route.method,
      url: `/v1${route.path}`,
      ...(route.body ? { schema: { body: route.body } } : {}),
      ...(route.bodyLimitBytes ? { bodyLimit: route.bodyLimitBytes } : {}),
      config: { isPublic: route.rules === 'public' },
      // As in Ironic, HEAD is for the API's entrance only.
      exposeHeadRoute: route.path === '/',
      // Gates come before the body is read, as the body's schema is newer than they are.
      onRequest: async (request, reply) => {
        gate(route, request.version)
        route.before?.(request, reply)
      },
      handler: async (request, reply) => {
        const call: Call = {
          caller: request.caller,
          version: request.version,
          params: request.params as Record<string, string>,
          query: readQuery(route.query ?? {}, request.query as Record<string, unknown>, request.version),
          body: request.body,
          base: app.publicBase(request),
          request,
          reply,
        }
        const result = await route.handler(call)
        reply.code(call.status ?? route.ok)
        return result === undefined ? reply.send() : result
      },
    })
  for (const [path, present] of Map.groupBy(routes, (route) => route.path)) refuseOthers(app, path, present)
}

/**
 * Any other method on a path: 405, or 404 while the whole path is newer than the version asked for; below a parent 400,
 * as for single items there.
 */
function refuseOthers(app: FastifyInstance, path: string, present: readonly Route[]): void {
  const allowed: string[] = [...present.map((route) => route.method), ...(path === '/' ? ['HEAD'] : [])]
  const hiddenBelow = present.every((route) => (route.below ?? 404) === 404)
    ? Math.min(...present.map((route) => route.since ?? 0))
    : 0
  const within = present.some((route) => route.within)
  const refuse = (url: string, methods: readonly string[], misplaced: readonly string[]) =>
    app.route({
      method: methods as HTTPMethods[],
      url: `/v1${url}`,
      config: { isPublic: present.every((route) => route.rules === 'public') },
      onRequest: async (request) => {
        if (request.version < hiddenBelow) throw belowErrors[404]()
        if (misplaced.includes(request.method)) throw new LeaseholdError('invalid', 'Malformed request URI.')
        throw new RoutingError('method-not-allowed', `Allowed here: ${allowed.join(', ')}.`)
      },
      handler: async () => undefined,
    })
  const others = app.supportedMethods.filter((method) => !allowed.includes(method))
  refuse(path, others, within ? ['POST', 'PATCH', 'DELETE'] : [])
  if (within && !path.endsWith('/detail'))
    refuse(`${path}/:item`, app.supportedMethods, ['GET', 'PATCH', 'DELETE'])
}

const belowErrors = {
  404: () => new RoutingError('not-found', 'The resource could not be found.'),
  405: () => new RoutingError('method-not-allowed', 'The method is not allowed at this API version.'),
  406: () => notAcceptable(),
} as const

function gate(route: Route, version: number): void {
  if (route.since !== undefined && version < route.since) throw belowErrors[route.below ?? 404]()
}
