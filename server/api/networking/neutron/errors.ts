/** Errors as Neutron words them: `{"NeutronError": {"type", "message", "detail"}}`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, type LeaseholdError, statusOf } from '../../../errors.ts'
import { NeutronError } from '../../../networking/index.ts'
import { answerError as answerAsBaremetal, knownError } from '../../baremetal/errors.ts'

/** Neutron's name of each kind of error that has none of its own. */
const types: Record<ErrorCode, string> = {
  invalid: 'HTTPBadRequest',
  unauthenticated: 'HTTPUnauthorized',
  forbidden: 'HTTPForbidden',
  'not-found': 'HTTPNotFound',
  'method-not-allowed': 'HTTPMethodNotAllowed',
  'not-acceptable': 'HTTPNotAcceptable',
  conflict: 'HTTPConflict',
  'too-large': 'HTTPRequestEntityTooLarge',
  'too-many': 'HTTPTooManyRequests',
  unavailable: 'ServiceUnavailable',
}

const bodyOf = (type: string, message: string) => ({ NeutronError: { type, message, detail: '' } })

/** Turns anything thrown into an answer. Without a token it is Keystone's middleware that speaks. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = knownError(error, request)
  if (!known) {
    request.log.error({ err: error }, 'unexpected error')
    return reply
      .code(500)
      .send(bodyOf('HTTPInternalServerError', `Internal error; the service's log has it as ${request.id}.`))
  }
  if (known.code === 'unauthenticated') return answerAsBaremetal(known, request, reply)
  request.auditReason = known.message
  if (known.code === 'unavailable') request.log.warn({ err: known }, 'unavailable')
  if (known.retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(known.retryAfterSeconds))
  const type = known instanceof NeutronError ? known.type : types[known.code]
  return reply.code(statusOf[known.code]).send(bodyOf(type, known.message))
}

/** Neutron's words for a rule that does not hold. */
export const denied = (action: string): LeaseholdError =>
  new NeutronError('forbidden', 'PolicyNotAuthorized', `${action} is disallowed by policy`)
