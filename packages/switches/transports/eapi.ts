/** eAPI's JSON-RPC over HTTPS: a list of lines in, an answer a line out; it stops at the first line that fails. */
import { SwitchError } from '../errors.ts'
import type { Session, SwitchTarget, Transport } from '../types.ts'
import type { CliReply, CliRequest } from './cli.ts'
import { type HttpsClient, httpsClient } from './https.ts'

/** Lines of mode `configure` go as they are: it is the dialect that enters a configuration session. */
export const eapiTransport: Transport<CliRequest, CliReply> = {
  name: 'eapi',
  connect: async (target, { timeoutMs }) => {
    const client = httpsClient(target)
    const session = sessionOf(client, target)
    try {
      // So that a wrong password shows here.
      await session.send([{ mode: 'exec', line: 'show hostname', json: true }], () => true, { timeoutMs })
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  },
}

function sessionOf(client: HttpsClient, target: SwitchTarget): Session<CliRequest, CliReply> {
  const basic = Buffer.from(`${target.username ?? ''}:${target.password ?? ''}`).toString('base64')
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
          for (const reply of await runCommands(client, basic, group, Math.max(1, until - Date.now()))) {
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

/** One request has one format for all its answers, and one place in the command line. */
function groups(requests: readonly CliRequest[]): CliRequest[][] {
  const found: CliRequest[][] = []
  for (const request of requests) {
    const like = found.at(-1)?.[0]
    if (like?.mode === request.mode && formatOf(like) === formatOf(request)) found.at(-1)?.push(request)
    else found.push([request])
  }
  return found
}

function formatOf({ mode, json }: CliRequest): 'json' | 'text' {
  return mode === 'configure' || json ? 'json' : 'text'
}

/** Said before the lines of each request, as each begins at the bottom of the command line. */
const prefix = ['enable']

async function runCommands(
  client: HttpsClient,
  basic: string,
  group: readonly CliRequest[],
  timeoutMs: number,
): Promise<CliReply[]> {
  const cmds = [...prefix, ...group.map(({ line }) => line)]
  const response = await client.request({
    method: 'POST',
    path: '/command-api',
    headers: { 'content-type': 'application/json', authorization: `Basic ${basic}` },
    body: JSON.stringify({
      jsonrpc: '2.0',
      method: 'runCmds',
      params: { version: 1, cmds, format: formatOf(group[0] as CliRequest) },
      id: 1,
    }),
    timeoutMs,
  })
  if (response.status === 401 || response.status === 403)
    throw new SwitchError('auth', 'the switch does not accept the name and password (eAPI)')
  return repliesOf(group, response.body, response.status)
}

function repliesOf(group: readonly CliRequest[], body: string, status: number): CliReply[] {
  const answer = parsed(body)
  if (answer !== undefined && Array.isArray(answer.result)) {
    const results = answer.result.slice(prefix.length)
    if (results.length !== group.length)
      throw new SwitchError('unreachable', `eAPI answered ${results.length} of ${group.length} lines`, {
        line: group[results.length]?.line ?? '',
      })
    return group.map((request, index) => replyOf(request, textOf(request, results[index])))
  }
  if (!isObject(answer?.error))
    throw new SwitchError(
      'unreachable',
      `eAPI answered HTTP ${status} without a result: ${body.slice(0, 200)}`,
    )
  // `data` has an entry for every line that was run, and the last one is that of the line that failed.
  const data = Array.isArray(answer.error.data) ? answer.error.data : []
  const failed = Math.max(0, Math.min(group.length - 1, data.length - 1 - prefix.length))
  return group
    .slice(0, failed + 1)
    .map((request, index) =>
      index < failed
        ? replyOf(request, textOf(request, data[index + prefix.length]))
        : { ...replyOf(request, wordsOf(answer.error as Row, data.at(-1))), failed: true },
    )
}

type Row = Record<string, unknown>

function wordsOf(error: Row, last: unknown): string {
  const errors = isObject(last) && Array.isArray(last.errors) ? last.errors.map(String) : []
  return [String(error.message ?? 'error'), ...errors].join('\n')
}

function textOf(request: CliRequest, result: unknown): string {
  if (!isObject(result)) return ''
  if (request.json) return JSON.stringify(result)
  if (typeof result.output === 'string') return result.output.trim()
  return Array.isArray(result.messages) ? result.messages.map(String).join('\n').trim() : ''
}

function replyOf({ line, mode, port }: CliRequest, text: string): CliReply {
  return { line, mode, text, ...(port === undefined ? {} : { port }) }
}

function parsed(body: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
function isObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
