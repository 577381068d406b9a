/** How a route of the Bare Metal API is declared: one row, from which it is registered, gated and documented. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import type { Caller, RuleName } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
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
  /** Status of success. */
  ok: number
  /** What it answers with, for the OpenAPI document: a resource, or a list of it under a name. */
  answer?: { resource: string; list?: string }
  handler: (call: Call) => Promise<unknown>
}

/** Registers routes and, for each path, 405 for the methods it lacks. */
export function registerRoutes(app: FastifyInstance, routes: readonly Route[]): void {
  for (const route of routes)
    app.route({
      method: route.method,
      url: `/v1${route.path}`,
      ...(route.body ? { schema: { body: route.body } } : {}),
      config: { isPublic: route.rules === 'public' },
      // As in Ironic, HEAD is for the API's entrance only.
      exposeHeadRoute: route.path === '/',
      // Gates come before the body's validation, as the body's schema is newer than they are.
      preValidation: async (request) => gate(route, request.version),
      handler: async (request, reply) => {
        const result = await route.handler({
          caller: request.caller,
          version: request.version,
          params: request.params as Record<string, string>,
          query: readQuery(route.query ?? {}, request.query as Record<string, unknown>, request.version),
          body: request.body,
          base: app.publicBase(request),
          request,
          reply,
        })
        reply.code(route.ok)
        return result === undefined ? reply.send() : result
      },
    })
  const methodsOf = Map.groupBy(routes, (route) => route.path)
  for (const [path, present] of methodsOf) {
    const missing = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const).filter(
      (method) => !present.some((route) => route.method === method) && !(method === 'HEAD' && path === '/'),
    )
    app.route({
      method: missing,
      url: `/v1${path}`,
      handler: async () => {
        throw new LeaseholdError(
          'method-not-allowed',
          `Allowed here: ${present.map((route) => route.method).join(', ')}.`,
        )
      },
    })
  }
}

const belowErrors = {
  404: () => new LeaseholdError('not-found', 'The resource could not be found.'),
  405: () => new LeaseholdError('method-not-allowed', 'The method is not allowed at this API version.'),
  406: () => notAcceptable(),
} as const

function gate(route: Route, version: number): void {
  if (route.since !== undefined && version < route.since) throw belowErrors[route.below ?? 404]()
}
