/** Ironic's error bodies: one JSON document encoded as a string inside another. */

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { LeaseholdError, statusOf } from '../../errors.ts'
import { fromDatabase } from '../database-errors.ts'
import { BodyLimitError } from '../json.ts'

const titles: Record<number, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
}

/** A failure found before any handler: no such route, wrong method, impossible version. Worded as `routingBody`. */
export class RoutingError extends LeaseholdError {}

/** A failure inside a handler. */
export const faultBody = (status: number, message: string) => ({
  error_message: JSON.stringify({
    faultcode: status < 500 ? 'Client' : 'Server',
    faultstring: message,
    debuginfo: null,
  }),
})

export const routingBody = (status: number, description: string) => ({
  error_message: JSON.stringify({ code: status, title: titles[status] ?? 'Error', description }),
})

/** What the body's bounds answer with: the only form without a wrapper. */
const flatBody = (message: string) => ({ faultcode: 'Client', faultstring: message })

/** What Keystone's middleware answers without a valid token. */
export const unauthorizedBody = {
  error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
}

/** Turns anything thrown into an answer. What nobody expected is logged whole and told to nobody. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof LeaseholdError) {
    request.auditReason = error.message
    if (error.code === 'unauthenticated')
      return reply
        .code(401)
        .header('www-authenticate', `Keystone uri="${request.server.authUri(request)}"`)
        .send(unauthorizedBody)
    const status = statusOf[error.code]
    // python-ironicclient falls over the header (a TypeError of its own, in place of our words and of its retries).
    if (error.retryAfterSeconds !== undefined && !/ironicclient/.test(request.headers['user-agent'] ?? ''))
      reply.header('retry-after', Math.ceil(error.retryAfterSeconds))
    if (error instanceof BodyLimitError) return reply.code(status).send(flatBody(error.message))
    const body = error instanceof RoutingError ? routingBody : faultBody
    if (status === 503) request.log.warn({ err: error }, 'unavailable')
    return reply.code(status).send(body(status, error.message))
  }
  const { statusCode, message, code } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return reply
      .code(413)
      .send(
        flatBody(
          `Request body too large: send at most ${request.routeOptions.bodyLimit / 2 ** 20} MiB here.`,
        ),
      )
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return reply.code(statusCode).send(faultBody(statusCode, message))
  const known = fromDatabase(error)
  if (known) return answerError(known, request, reply)
  request.log.error({ err: error }, 'unexpected error')
  return reply.code(500).send(faultBody(500, `Internal error; the service's log has it as ${request.id}.`))
}

/** What an error says to a caller, for APIs with bodies of their own; undefined for what nobody foresaw. */
export function knownError(error: unknown, request: FastifyRequest): LeaseholdError | undefined {
  if (error instanceof LeaseholdError) return error
  const { statusCode, message, code } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new LeaseholdError(
      'too-large',
      `Request body too large: send at most ${request.routeOptions.bodyLimit / 2 ** 20} MiB here.`,
    )
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new LeaseholdError('invalid', message)
  return fromDatabase(error)
}
