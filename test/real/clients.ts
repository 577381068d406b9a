/** The unmodified command lines of OpenStack, run through cli.py, some at a time. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

export const python = join(import.meta.dirname, '../../.venv/openstack/bin/python')

export type Program = 'openstack' | 'baremetal'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

export interface Clients {
  /** Runs a command; `line` is split at spaces that are not between single quotes. */
  run(program: Program, line: string, environment: Record<string, string>): Promise<Outcome>
  close(): Promise<void>
}

/** As many commands at once as there are workers; more wait. */
const workerCount = 4
const answerTimeoutMs = 150_000

/** @throws Error that says how to install the clients when they are missing. */
export async function startClients(): Promise<Clients> {
  await access(python).catch(() => {
    throw new Error('No OpenStack clients to test with; install them with: test/real/install.sh')
  })
  const workers = Array.from({ length: workerCount }, createSlot)
  return {
    run(program, line, environment) {
      // The first that is idle, so that no more are started than are needed at once.
      const slot = workers.reduce((best, each) => (each.waiting < best.waiting ? each : best))
      return slot.ask({ program, arguments: words(line), environment: { HOME: tmpdir(), ...environment } })
    },
    close: async () => {
      await Promise.all(workers.map((slot) => slot.close()))
    },
  }
}

/** `a b='c d'` is a and b=c d. */
const words = (line: string): string[] =>
  (line.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ''))

/** A worker, started when there is first something to do, and how many commands it has to run. */
function createSlot() {
  let worker: Worker | undefined
  let tail: Promise<unknown> = Promise.resolve()
  const slot = {
    waiting: 0,
    ask(request: object): Promise<Outcome> {
      slot.waiting += 1
      worker ??= startWorker()
      const { ask } = worker
      const result = tail
        .then(() => ask(request))
        .finally(() => {
          slot.waiting -= 1
        })
      tail = result.catch(() => {})
      return result
    },
    close: async () => worker?.close(),
  }
  return slot
}

interface Worker {
  ask(request: object): Promise<Outcome>
  close(): Promise<void>
}

function startWorker(): Worker {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    python,
    [join(import.meta.dirname, 'cli.py')],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  const answers = createInterface({ input: child.stdout })
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          clearTimeout(late)
          answers.off('line', heard)
          child.off('exit', lost)
          act()
        }
        const heard = (line: string) => settle(() => resolve(JSON.parse(line)))
        const lost = () => settle(() => reject(new Error('cli.py ended')))
        const late = setTimeout(
          () => settle(() => reject(new Error(`no answer in time: ${JSON.stringify(request)}`))),
          answerTimeoutMs,
        )
        answers.once('line', heard)
        child.once('exit', lost)
        child.stdin.write(`${JSON.stringify(request)}\n`)
      }),
    async close() {
      child.stdin.end()
      await gone
    },
  }
}
