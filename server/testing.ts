/** The whole service as a process, started and ended as a user does it, for tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const repository = resolve(import.meta.dirname, '..')

export interface LaunchOptions {
  /** Command and first arguments; this Node.js on server/main.ts unless given. */
  command?: readonly string[]
  /** Added to an environment that has nothing of Leasehold's. */
  env?: Record<string, string>
  /** User and group that it runs as. */
  uid?: number
  cwd?: string
}

export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Service {
  readonly pid: number
  /** The address, once it is there; rejects with what the service said when it ends before. */
  listening(): Promise<string>
  /** Sends a signal to the process that was started, and waits for its end. */
  end(signal: NodeJS.Signals): Promise<Ending & { tookMs: number }>
  readonly ended: Promise<Ending>
}

const startTimeoutMs = 60_000
const endTimeoutMs = 15_000
const launched = new Set<ChildProcess>()

/** Starts the service with these arguments. `endLaunched` ends what a failed test left running. */
export function launch(args: readonly string[], options: LaunchOptions = {}): Service {
  const [program, ...first] = options.command ?? [process.execPath, join(repository, 'server/main.ts')]
  const child = spawn(program as string, [...first, ...args], {
    cwd: options.cwd ?? repository,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that its helpers can be ended with it.
    detached: true,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
  launched.add(child)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part: Buffer) => {
    stdout += part
  })
  child.stderr.on('data', (part: Buffer) => {
    stderr += part
  })
  const ended = new Promise<Ending>((done) => {
    child.once('close', (code, signal) => {
      launched.delete(child)
      done({ code, signal, stdout, stderr })
    })
  })
  return {
    pid: child.pid as number,
    ended,
    async listening() {
      const deadline = Date.now() + startTimeoutMs
      for (;;) {
        const address = /^Leasehold listens on (\S+)$/m.exec(stdout)?.[1]
        if (address) return address
        if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline)
          throw new Error(`The service does not listen (exit code ${child.exitCode}): ${stdout}${stderr}`)
        await sleep(20)
      }
    },
    async end(signal) {
      const begun = Date.now()
      child.kill(signal)
      const late = setTimeout(() => killGroup(child), endTimeoutMs)
      const ending = await ended
      clearTimeout(late)
      return { ...ending, tookMs: Date.now() - begun }
    },
  }
}

/** For `afterEach` or `afterAll`: nothing that `launch` started goes on. */
export async function endLaunched(): Promise<void> {
  for (const child of launched) {
    const gone = new Promise((done) => child.once('close', done))
    killGroup(child)
    await gone
  }
}

/** Process ids of PostgreSQL servers of a data directory. */
export async function postgresOf(dataDir: string): Promise<number[]> {
  const cluster = `-D\0${resolve(dataDir)}/postgres/cluster\0`
  const pids: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const line = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '')
    if (line.includes(cluster)) pids.push(Number(entry))
  }
  return pids
}

/** The same after some seconds at most, in which they may end. */
export async function postgresLeft(dataDir: string, waitMs = 8_000): Promise<number[]> {
  const deadline = Date.now() + waitMs
  for (;;) {
    const pids = await postgresOf(dataDir)
    if (pids.length === 0 || Date.now() > deadline) return pids
    await sleep(50)
  }
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL')
  } catch {} // gone already
}
