/** NX-API of a simulated Nexus: JSON-RPC over HTTPS, with its habits (objects for one, HTTP 500 with a body, cookies). */
import { randomUUID } from 'node:crypto'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { selfSigned } from '../certificate.ts'
import type { Counts, Faults } from '../device.ts'
import type { Box } from './exec.ts'
import type { NexusUser } from './user.ts'

export type NxapiOptions = {
  username: string
  password: string
  faults: Faults
  counts: Counts
  box: Box
  login: () => NexusUser
  /** Tells the observers of what no line did. */
  observe: () => Promise<void>
}

type Call = { method: string; params: { cmd: string }; id: number; rollback?: string }

export async function startNxapiServer(options: NxapiOptions) {
  const { faults, counts } = options
  const certificate = selfSigned()
  const cookies = new Set<string>()
  const basic = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`
  const server = https.createServer(
    { cert: certificate.cert, key: certificate.key },
    async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const cookie = /nxapi_auth=[^;]+/.exec(request.headers.cookie ?? '')?.[0]
      if (cookie === undefined || !cookies.has(cookie)) {
        if (request.headers.authorization !== basic) return response.writeHead(401).end('<html>401</html>')
        counts.logins++
        await sleep(faults.loginDelayMs ?? 0)
        const fresh = `nxapi_auth=${randomUUID()}`
        cookies.add(fresh)
        response.setHeader('set-cookie', `${fresh}; Secure; HttpOnly; Path=/; Max-Age=600`)
      }
      const parsed = JSON.parse(Buffer.concat(chunks).toString()) as Call | Call[]
      const answers = await runAll(options, Array.isArray(parsed) ? parsed : [parsed])
      if (answers === null) return request.socket.destroy()
      if (answers === undefined) return undefined
      const failed = answers.some((answer) => 'error' in answer)
      response.writeHead(failed ? 500 : 200, { 'content-type': 'application/json-rpc' })
      return response.end(JSON.stringify(answers.length === 1 ? answers[0] : answers))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    sha256: certificate.sha256,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function runAll(
  { login, box, observe }: NxapiOptions,
  calls: Call[],
): Promise<Record<string, unknown>[] | null | undefined> {
  const user = login()
  const before = structuredClone(box.config)
  const configuring = calls.some((call) => call.rollback !== undefined)
  if (configuring) {
    const entered = await user.run('configure terminal')
    if (entered === null || entered === undefined) return entered
  }
  const answers: Record<string, unknown>[] = []
  for (const call of calls) {
    const outcome = await user.run(call.params.cmd)
    if (outcome === null || outcome === undefined) return outcome
    const about = { jsonrpc: '2.0', id: call.id }
    if (outcome.failed) {
      const error = { code: -32602, message: 'Invalid params', data: { msg: `${outcome.text}\n` } }
      answers.push({ ...about, error })
      if (call.rollback === 'rollback-on-error') {
        box.config = before
        await observe()
      }
      break
    }
    if (call.method === 'cli_ascii') answers.push({ ...about, result: { msg: outcome.text } })
    else if (outcome.body !== undefined) answers.push({ ...about, result: { body: outcome.body } })
    else answers.push({ ...about, result: outcome.text === '' ? null : { msg: outcome.text } })
  }
  return answers
}
