/** NX-API's JSON-RPC over HTTPS: lines in, answers out; configuration lines in one array that is undone on error. */
import { SwitchError } from '../errors.ts'
import type { Session, SwitchTarget, Transport } from '../types.ts'
import type { CliReply, CliRequest } from './cli.ts'
import { type HttpsClient, httpsClient } from './https.ts'

export const nxapiTransport: Transport<CliRequest, CliReply> = {
  name: 'nx-api',
  connect: async (target, { timeoutMs }) => {
    const client = httpsClient(target)
    const session = sessionOf(client, target)
    try {
      // Logs in, so that a wrong password shows here; the cookie spares the next requests theirs.
      await session.send([{ mode: 'exec', line: 'show hostname' }], () => true, { timeoutMs })
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  },
}

/** The state that the switch keeps for us: one cookie, good for ten minutes, that spares it a login per request. */
type Login = { authorization: string; cookie: string | undefined }

function sessionOf(client: HttpsClient, target: SwitchTarget): Session<CliRequest, CliReply> {
  const basic = Buffer.from(`${target.username ?? ''}:${target.password ?? ''}`).toString('base64')
  const login: Login = { authorization: `Basic ${basic}`, cookie: undefined }
  let alive = true
  return {
    alive: () => alive,
    close: async () => {
      alive = false
      client.close()
    },
    send: async (requests, goOn, { timeoutMs }) => {
      const until = Date.now() + timeoutMs
      const replies: CliReply[] = []
      for (const group of groups(requests)) {
        try {
          for (const reply of await post(client, login, group, Math.max(1, until - Date.now()))) {
            replies.push(reply)
            if (!goOn(reply)) return replies
          }
        } catch (error) {
          alive = false
          throw error
        }
      }
      return replies
    },
  }
}

/** Configuration lines go into one request, which is undone as a whole; what else is said stands alone. */
function groups(requests: readonly CliRequest[]): CliRequest[][] {
  const found: CliRequest[][] = []
  for (const request of requests) {
    const last = found.at(-1)
    const like = last?.[0]
    if (last && like?.mode === 'configure' && request.mode === 'configure') last.push(request)
    else found.push([request])
  }
  return found
}

async function post(
  client: HttpsClient,
  login: Login,
  group: readonly CliRequest[],
  timeoutMs: number,
): Promise<CliReply[]> {
  const structured = group[0]?.mode === 'configure' || group[0]?.json === true
  const body = group.map(({ line }, index) => ({
    jsonrpc: '2.0',
    method: structured ? 'cli' : 'cli_ascii',
    params: { cmd: line, version: 1 },
    id: index + 1,
    ...(group[0]?.mode === 'configure' ? { rollback: 'rollback-on-error' } : {}),
  }))
  const response = await client.request({
    method: 'POST',
    path: '/ins',
    headers: {
      'content-type': 'application/json-rpc',
      authorization: login.authorization,
      ...(login.cookie === undefined ? {} : { cookie: login.cookie }),
    },
    body: JSON.stringify(body),
    timeoutMs,
  })
  if (response.status === 401 || response.status === 403)
    throw new SwitchError('auth', 'the switch does not accept the name and password (NX-API)')
  const cookie = response.headers['set-cookie']?.find((text) => text.startsWith('nxapi_auth='))
  if (cookie !== undefined) login.cookie = cookie.split(';')[0]
  return repliesOf(group, response.body, response.status)
}

/** Answers by id: an array, or for one line an object; errors come with HTTP status 400 or 500 and a body all the same. */
function repliesOf(group: readonly CliRequest[], body: string, status: number): CliReply[] {
  const answers = new Map<number, Record<string, unknown>>()
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    throw new SwitchError(
      'unreachable',
      `NX-API answered HTTP ${status} with what is no JSON: ${body.slice(0, 200)}`,
    )
  }
  for (const answer of Array.isArray(parsed) ? parsed : [parsed])
    if (isObject(answer) && typeof answer.id === 'number') answers.set(answer.id, answer)
    else if (isObject(answer) && group.length === 1) answers.set(1, answer)
  const replies = group.map((request, index) => replyOf(request, answers.get(index + 1)))
  // After an error that was undone, the lines before and after it may go unanswered: the error is what counts.
  const failed = replies.find((reply) => reply?.failed)
  if (failed) return [failed]
  const silent = replies.indexOf(undefined)
  if (silent >= 0)
    throw new SwitchError('unreachable', `NX-API (HTTP ${status}) did not answer "${group[silent]?.line}"`, {
      line: group[silent]?.line ?? '',
    })
  return replies as CliReply[]
}

function replyOf(request: CliRequest, answer: Record<string, unknown> | undefined): CliReply | undefined {
  if (answer === undefined) return undefined
  const { line, mode, port } = request
  const about = { line, mode, ...(port === undefined ? {} : { port }) }
  if (isObject(answer.error)) {
    const { message, data } = answer.error
    const words = isObject(data) && typeof data.msg === 'string' ? data.msg : String(message ?? 'error')
    return { ...about, text: words.trim(), failed: true }
  }
  const { result } = answer
  if (!isObject(result)) return { ...about, text: typeof result === 'string' ? result.trim() : '' }
  if (typeof result.msg === 'string') return { ...about, text: result.msg.trim() }
  if (request.json) return { ...about, text: JSON.stringify(result.body ?? {}) }
  return { ...about, text: isObject(result.body) || result.body == null ? '' : String(result.body).trim() }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
