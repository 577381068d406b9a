/** HTTPS requests to one switch over kept, checked connections. */
import http from 'node:http'
import { asSwitchError, SwitchError } from '../errors.ts'
import type { SwitchTarget } from '../types.ts'
import { connectTls } from './tls.ts'

export type HttpRequest = {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  path: string
  headers?: Record<string, string>
  body?: string
  timeoutMs: number
}
export type HttpResponse = { status: number; headers: http.IncomingHttpHeaders; body: string }

export type HttpsClient = {
  /** Any status is an answer. @throws SwitchError 'unreachable' | 'timeout' | 'host-key' */
  request: (request: HttpRequest) => Promise<HttpResponse>
  close: () => void
}

export function httpsClient(target: SwitchTarget, defaultPort = 443): HttpsClient {
  const { address, port = defaultPort } = target
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  let connectTimeoutMs = 15_000
  agent.createConnection = (_options, done) => {
    connectTls(target, defaultPort, connectTimeoutMs).then(
      (socket) => done?.(null, socket),
      (error) => done?.(error, undefined as never),
    )
    return undefined
  }

  function request({ method, path, headers = {}, body, timeoutMs }: HttpRequest): Promise<HttpResponse> {
    connectTimeoutMs = timeoutMs
    const where = `${method} ${path} of ${address}:${port}`
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const fail = (error: unknown) =>
        reject(
          signal.aborted
            ? new SwitchError('timeout', `${where}: no answer within ${timeoutMs} ms`)
            : asSwitchError(error, where),
        )
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
      const call = http.request(
        { agent, method, path, host: address, port, signal, headers: { ...headers, ...length } },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', fail)
          response.on('close', () => {
            if (!response.complete) fail(new Error('the answer broke off'))
          })
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString('utf8'),
            }),
          )
        },
      )
      call.on('error', fail)
      call.end(body)
    })
  }

  return { request, close: () => agent.destroy() }
}
