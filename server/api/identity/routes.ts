/** How a route of the Identity API is declared, and what all of them have in common. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import type { LoginDeps } from '../../access/index.ts'
import {
  findSession,
  mayChange,
  type Session,
  unauthenticated,
  type Viewer,
  viewerOf,
} from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { ApiDeps } from '../deps.ts'

/** What the routes call. */
export interface IdentityDeps extends Pick<ApiDeps, 'config' | 'db' | 'log' | 'authenticator'>, LoginDeps {}

/** What a handler gets to know of its request. */
export interface Call {
  deps: IdentityDeps
  session: Session
  viewer: Viewer
  params: Record<string, string>
  query: Record<string, unknown>
  /** Checked by the route's schema. */
  body: unknown
  /** Base of links: `http://HOST:PORT`. */
  base: string
  request: FastifyRequest
  reply: FastifyReply
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/identity/v3`. */
  path: string
  body?: TSchema
  /** Status of success. */
  ok: number
  /** Answers the body; undefined for none. */
  handler: (call: Call) => Promise<unknown>
}

/** Registers routes that need a valid `X-Auth-Token`. */
export function registerRoutes(app: FastifyInstance, deps: IdentityDeps, routes: readonly Route[]): void {
  // Found before the body is looked at: who has no token is told nothing else.
  const sessions = new WeakMap<FastifyRequest, Session>()
  for (const route of routes)
    app.route({
      method: route.method,
      url: `/v3${route.path}`,
      ...(route.body ? { schema: { body: route.body } } : {}),
      onRequest: async (request) => {
        sessions.set(request, await sessionOf(deps, request))
      },
      handler: async (request, reply) => {
        const session = sessions.get(request) as Session
        try {
          const answer = await route.handler({
            deps,
            session,
            viewer: viewerOf(session.caller),
            params: request.params as Record<string, string>,
            query: request.query as Record<string, unknown>,
            body: request.body,
            base: baseOf(deps, request),
            request,
            reply,
          })
          if (route.method !== 'GET') logChange(deps, request, session)
          return reply.code(route.ok).send(answer)
        } finally {
          // Whatever became of it: what is remembered of tokens may not be so any more.
          if (route.method !== 'GET') deps.authenticator.forget()
        }
      },
    })
}

/** The token's session. @throws LeaseholdError 'unauthenticated' */
async function sessionOf(deps: IdentityDeps, request: FastifyRequest): Promise<Session> {
  const session = await findSession(deps.db, header(request, 'x-auth-token') ?? '')
  if (!session) throw unauthenticated()
  return session
}

/** The one value of a header. */
export function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Where this service says it is: as configured, or as the request called it. */
export const baseOf = ({ config }: Pick<IdentityDeps, 'config'>, request: FastifyRequest): string =>
  config['api.public_endpoint'] ?? `${request.protocol}://${request.host}`

const logChange = (deps: IdentityDeps, request: FastifyRequest, session: Session): void =>
  deps.log.info(
    { method: request.method, path: request.url, user_id: session.user.id, project_id: session.project?.id },
    'identities changed',
  )

/**
 * Lets administrators of the system pass.
 * @throws LeaseholdError 'forbidden'
 */
export function requireAdmin(call: Call, action: string): void {
  if (!mayChange(call.session.caller))
    throw new LeaseholdError(
      'forbidden',
      `You are not authorized to perform the requested action: identity:${action}. It needs role admin on the system.`,
    )
}

/** The last value of a query parameter. */
export function text(value: unknown): string | undefined {
  const last = Array.isArray(value) ? value.at(-1) : value
  return typeof last === 'string' ? last : undefined
}

/** Keystone's reading of a truth: present and not said to be false. */
export function truth(value: unknown): boolean | undefined {
  const given = text(value)
  return given === undefined ? undefined : !/^(0|f|false|no|n|off)$/i.test(given)
}

/** A list as Keystone answers it. */
export const listOf = (call: Call, key: string, items: readonly unknown[], cut: boolean) => ({
  [key]: items,
  links: { self: call.base + call.request.url, next: null, previous: null },
  ...(cut ? { truncated: true } : {}),
})
