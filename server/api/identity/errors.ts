/** Errors as Keystone words them: `{"error": {"code", "title", "message"}}`. */

import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { LeaseholdError, statusOf } from '../../errors.ts'
import { fromDatabase } from '../database-errors.ts'

/** Turns anything thrown into an answer. What nobody expected is logged whole and told to nobody. */
export function answerError(authUri: string, error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const known = error instanceof LeaseholdError ? error : (fromFastify(error) ?? fromDatabase(error))
  if (!known) {
    request.log.error({ err: error }, 'unexpected error')
    return reply.code(500).send(bodyOf(500, `Internal error; the service's log has it as ${request.id}.`))
  }
  const status = statusOf[known.code]
  if (status === 401) reply.header('www-authenticate', `Keystone uri="${authUri}"`)
  if (status === 503) request.log.warn({ err: known }, 'unavailable')
  if (known.retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(known.retryAfterSeconds))
  return reply.code(status).send(bodyOf(status, known.message))
}

const bodyOf = (code: number, message: string) => ({
  error: { code, title: STATUS_CODES[code] ?? '', message },
})

/** What Fastify refuses before a handler runs: JSON that is none, a body too large, another media type. */
function fromFastify(error: unknown): LeaseholdError | undefined {
  const { statusCode, message } = error as FastifyError
  if (statusCode === 413)
    return new LeaseholdError('too-large', 'The body is too large: send at most 64 KiB.')
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return undefined
  return new LeaseholdError('invalid', message)
}
