/** openstacksdk's `conn.baremetal` in a process of its own, called through sdk.py. */
import { spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { python } from './clients.ts'

// biome-ignore lint/suspicious/noExplicitAny: what another program returns, read by the tests only
export type Returned = any

/** Calls a method: positional arguments, then keywords as an object. @throws SdkError */
export type Sdk = (method: string, ...call: unknown[]) => Promise<Returned>

export interface SdkProcess {
  as(cloud: string): Sdk
  /** All public methods of the proxy. */
  methods(): Promise<string[]>
  /** Those that were called, with success or without. */
  readonly called: ReadonlySet<string>
  close(): Promise<void>
}

export class SdkError extends Error {
  readonly type: string
  readonly status: number | null
  constructor(method: string, { type, status, message }: { type: string; status: number; message: string }) {
    super(`${method}: ${type}: ${message}`)
    this.type = type
    this.status = status
  }
}

/** An argument: a resource of which only the id is known. `kind` is the SDK's: `allocation.Allocation`. */
export const resource = (kind: string, id: string) => ({ resource: kind, id })

const answerTimeoutMs = 60_000

/** @throws Error that says how to install the SDK when it is missing. */
export async function startSdk(clouds: string): Promise<SdkProcess> {
  await access(python).catch(() => {
    throw new Error('No OpenStack SDK to test with; install it with: test/real/install.d/openstack.sh')
  })
  const child = spawn(python, [join(import.meta.dirname, 'sdk.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { HOME: tmpdir(), OS_CLIENT_CONFIG_FILE: clouds },
  })
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const called = new Set<string>()
  let last: Promise<unknown> = Promise.resolve()
  const ask = (request: object): Promise<Returned> => {
    const answer = last.then(async () => {
      child.stdin.write(`${JSON.stringify(request)}\n`)
      const late = setTimeout(() => child.kill(), answerTimeoutMs)
      const { value, done } = await answers.next()
      clearTimeout(late)
      if (done) throw new Error(`sdk.py ended, or gave no answer in time: ${JSON.stringify(request)}`)
      return JSON.parse(value)
    })
    last = answer.catch(() => {})
    return answer
  }
  return {
    called,
    methods: async () => (await ask({})).value,
    as:
      (cloud) =>
      async (method, ...call) => {
        called.add(method)
        const { error, value } = await ask({ cloud, method, ...split(call) })
        if (error) throw new SdkError(method, error)
        return value
      },
    async close() {
      child.stdin.end()
      await gone
    },
  }
}

function split(call: readonly unknown[]): { arguments: unknown[]; keywords: object } {
  const last = call.at(-1)
  const named = typeof last === 'object' && last !== null && !Array.isArray(last) && !('resource' in last)
  return named ? { arguments: call.slice(0, -1), keywords: last } : { arguments: [...call], keywords: {} }
}
