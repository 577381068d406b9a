/** What every request of the Bare Metal API passes first: who calls, and which version is asked for. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Caller, publicCaller } from '../../access/index.ts'
import { LeaseholdError, messageOf } from '../../errors.ts'
import type { ApiDeps } from '../deps.ts'
import { negotiate, versionHeader, versionHeaders } from './versions.ts'

/**
 * Makes the entrance: it sets the caller and the version of a request, and the version headers of its answer.
 * It throws LeaseholdError 'unauthenticated' (before any version header, as Keystone's middleware), 'not-acceptable'.
 */
export const entrance =
  (deps: ApiDeps) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    request.caller = publicCaller
    if (!request.routeOptions.config?.isPublic) request.caller = await authenticated(deps, request)
    reply.headers(versionHeaders(undefined))
    request.version = negotiate(header(request, versionHeader), header(request, 'openstack-api-version'))
    reply.headers(versionHeaders(request.version))
  }

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Who sends a request. @throws LeaseholdError 'unauthenticated', 'unavailable'. */
export async function authenticated(deps: ApiDeps, request: FastifyRequest): Promise<Caller> {
  try {
    return await deps.authenticator.authenticate({
      token: header(request, 'x-auth-token'),
      serviceToken: header(request, 'x-service-token'),
      method: request.method,
      path: request.url.split('?')[0] ?? '/',
    })
  } catch (error) {
    if (!(error instanceof LeaseholdError))
      request.log.error({ err: error }, `authentication failed: ${messageOf(error)}`)
    throw error
  }
}
