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
const workerCount = 2
const answerTimeoutMs = 150_000

/** @throws Error that says how to install the clients when they are missing. */
export async function startClients(): Promise<Clients> {
  await access(python).catch(() => {
    throw new Error('No OpenStack clients to test with; install them with: test/real/install.sh')
  })
  const workers = Array.from({ length: workerCount }, startWorker)
  const tails = workers.map(() => Promise.resolve() as Promise<unknown>)
  const waiting = workers.map(() => 0)
  return {
    run(program, line, environment) {
      const least = waiting.indexOf(Math.min(...waiting))
      waiting[least] = (waiting[least] ?? 0) + 1
      const request = { program, arguments: words(line), environment: { HOME: tmpdir(), ...environment } }
      const result = (tails[least] as Promise<unknown>)
        .then(() => (workers[least] as Worker).ask(request))
        .finally(() => {
          waiting[least] = (waiting[least] ?? 1) - 1
        })
      tails[least] = result.catch(() => {})
      return result
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()))
    },
  }
}

/** `a b='c d'` is a and b=c d. */
const words = (line: string): string[] =>
  (line.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ''))

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
