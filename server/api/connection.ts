/** What is answered to what is no HTTP request: too large a header, a broken one, one that never ends. */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { routingBody } from './baremetal/errors.ts'
import { versionHeaders } from './baremetal/versions.ts'

const reasons: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The request header is too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not arrive in time.'],
}

/** Answers what Node's parser gave up, and closes the connection. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, title, description] = reasons[error.code ?? ''] ?? [
    400,
    'Bad Request',
    'This is not a valid HTTP/1.1 request.',
  ]
  const body = JSON.stringify(routingBody(status, description))
  if (socket.writable)
    socket.write(
      [
        `HTTP/1.1 ${status} ${title}`,
        'content-type: application/json; charset=utf-8',
        `content-length: ${Buffer.byteLength(body)}`,
        'connection: close',
        '',
        body,
      ].join('\r\n'),
    )
  socket.destroySoon()
}

/** Answers an HTTP upgrade where nothing can be upgraded. */
export function refuseUpgrade(socket: Duplex): void {
  const body = JSON.stringify(
    routingBody(404, 'There is no WebSocket here; a console is at /v1/nodes/NODE/console.'),
  )
  socket.on('error', () => {})
  socket.end(
    [
      'HTTP/1.1 404 Not Found',
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  )
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
