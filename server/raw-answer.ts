/** An HTTP answer on a bare socket: to an upgrade, or to what is no request, where Node gives no response to write to. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** How long the other side may take to hang up before it is cut. */
const farewellMs = 1_000

/** Answers with JSON and hangs up. An answer to HEAD has a header only (RFC 9110, 9.3.2). */
export function answerRaw(socket: Duplex, status: number, answer: object, method?: string): void {
  const body = JSON.stringify(answer)
  socket.on('error', () => {})
  if (!socket.writable) return
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      method === 'HEAD' ? '' : body,
    ].join('\r\n'),
  )
  // What still comes is thrown away: the end behind it is seen, and the answer is not lost to a reset.
  socket.resume()
  setTimeout(() => socket.destroy(), farewellMs).unref()
}
