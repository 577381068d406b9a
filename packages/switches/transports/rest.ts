/** JSON over HTTPS with resources to read and to patch; what takes its time is asked again until it is done. */
import { setTimeout as sleep } from 'node:timers/promises'
import { SwitchError } from '../errors.ts'
import type { Reply, Request, Session, SwitchTarget, Transport } from '../types.ts'
import { type HttpResponse, type HttpsClient, httpsClient } from './https.ts'

export type RestRequest = Request & {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below the API's root. `{name}` stands for what an earlier answer of this conversation was kept as. */
  path: string
  body?: unknown
  /** The name under which the first key of the answer is kept: the id of what was made. */
  keep?: string
  /** The request is repeated while this says so. */
  again?: (reply: RestReply) => boolean
}
export type RestReply = Reply & { status: number }

export type RestApi = {
  root: string
  port: number
  /** Something that only those who may log in can read. */
  hello: string
}

export function restTransport(api: RestApi): Transport<RestRequest, RestReply> {
  return {
    name: 'rest',
    connect: async (target, { timeoutMs }) => {
      const client = httpsClient(target, api.port)
      const session = sessionOf(client, api, target)
      try {
        const hello: RestRequest = { line: `GET ${api.hello}`, method: 'GET', path: api.hello }
        await session.send([hello], () => true, { timeoutMs })
        return session
      } catch (error) {
        await session.close()
        throw error
      }
    },
  }
}

function sessionOf(client: HttpsClient, api: RestApi, target: SwitchTarget): Session<RestRequest, RestReply> {
  const basic = Buffer.from(`${target.username ?? ''}:${target.password ?? ''}`).toString('base64')
  const kept = new Map<string, string>()
  let alive = true

  async function ask(request: RestRequest, until: number): Promise<RestReply> {
    const { line, port, method, body } = request
    const path = request.path.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(kept.get(name) ?? ''),
    )
    const response = await client.request({
      method,
      path: `${api.root}${path}`,
      headers: { authorization: `Basic ${basic}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      timeoutMs: Math.max(1, until - Date.now()),
    })
    if (response.status === 401 || response.status === 403)
      throw new SwitchError('auth', 'the switch does not accept the name and password')
    if (request.keep !== undefined && response.status < 300) kept.set(request.keep, firstKey(response, line))
    return {
      line,
      text: response.body,
      status: response.status,
      ...(port === undefined ? {} : { port }),
    }
  }

  async function askUntilDone(request: RestRequest, until: number): Promise<RestReply> {
    for (let pauseMs = 8; ; pauseMs = Math.min(500, pauseMs * 2)) {
      const reply = await ask(request, until)
      if (!request.again?.(reply)) return reply
      if (Date.now() + pauseMs >= until)
        throw new SwitchError('timeout', `"${request.line}" still goes on: ${reply.text.slice(0, 200)}`, {
          line: request.line,
        })
      await sleep(pauseMs)
    }
  }

  return {
    alive: () => alive,
    close: async () => {
      alive = false
      client.close()
    },
    send: async (requests, goOn, { timeoutMs }) => {
      const until = Date.now() + timeoutMs
      const replies: RestReply[] = []
      for (const request of requests) {
        const reply = await askUntilDone(request, until).catch((error: unknown) => {
          alive = false
          throw error
        })
        replies.push(reply)
        if (!goOn(reply)) break
      }
      return replies
    },
  }
}

function firstKey({ body }: HttpResponse, line: string): string {
  try {
    const [key] = Object.keys(JSON.parse(body) as object)
    if (key !== undefined) return key
  } catch {
    // Said below.
  }
  throw new SwitchError('unreachable', `"${line}" was answered without an id: ${body.slice(0, 200)}`, {
    line,
  })
}
