/** What is answered to what is no HTTP request: too large a header, a broken one, one that never ends. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answerRaw } from '../raw-answer.ts'
import { routingBody } from './baremetal/errors.ts'
import { versionHeaders } from './baremetal/versions.ts'

const reasons: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The request header is too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
}

/**
 * Answers what Node's parser gave up, and closes the connection. What was asked well before it keeps its own answer,
 * which then is the last: nobody is told 400 of what was done.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const underWay = answerUnderWay(socket)
  if (underWay?.req.complete) {
    if (!underWay.headersSent) underWay.setHeader('connection', 'close')
    // Every further piece of what cannot be read is told again.
    if (!last.has(underWay)) underWay.once('close', () => socket.destroySoon())
    last.add(underWay)
    return
  }
  const [status, description] = reasons[error.code ?? ''] ?? [400, 'This is not a valid HTTP/1.1 request.']
  answerRaw(socket, status, routingBody(status, description))
}

const last = new WeakSet<ServerResponse>()

/** Node keeps it there, and looks at it for the same purpose where a server has no handler of its own. */
function answerUnderWay(socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

/** Answers an HTTP upgrade where nothing can be upgraded. */
export function refuseUpgrade({ method }: IncomingMessage, socket: Duplex): void {
  const description = 'There is no WebSocket here; a console is at /v1/nodes/NODE/console.'
  answerRaw(socket, 404, routingBody(404, description), method)
}

/** Answers a URL that cannot be read. No hook has run by then. */
export function answerUnreadableUrl(
  error: { statusCode?: number; message: string },
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const status = error.statusCode ?? 400
  const id = `req-${randomUUID()}`
  void reply
    .code(status)
    .headers({ ...versionHeaders(undefined), 'openstack-request-id': id, 'x-openstack-request-id': id })
    .send(routingBody(status, error.message))
}
