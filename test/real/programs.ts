/** Other people's programs: run to their end, or for as long as a test wants them. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

export interface Finished {
  code: number
  /** Both streams. */
  output: string
}

/** Runs it to its end, for half a minute at most. */
export function run(
  program: string,
  words: readonly string[],
  environment: Record<string, string> = {},
): Promise<Finished> {
  return new Promise((resolve) => {
    const options = { timeout: 30_000, env: { ...process.env, ...environment } }
    execFile(program, words, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, output: stdout + stderr })
    })
  })
}

/** @throws Error that says how to install what is missing. */
export async function needPrograms(...programs: readonly string[]): Promise<void> {
  for (const program of programs)
    if ((await run('which', [program])).code !== 0)
      throw new Error(`${program} is missing; install it with: test/real/install.sh`)
}

/** Where a BMC is, and who comes. */
export interface BmcLogin {
  address?: string
  port: number
  username: string
  password: string
}

/** The words with which ipmitool is told that; the password is not among them. */
export const ipmitoolWords = (bmc: BmcLogin, options: readonly string[]): string[] => [
  ...['-I', 'lanplus', '-H', bmc.address ?? '127.0.0.1', '-p', String(bmc.port), '-U', bmc.username, '-E'],
  ...options,
]

export const ipmitool = (
  bmc: BmcLogin,
  password: string,
  options: readonly string[],
  words: readonly string[],
): Promise<Finished> =>
  run('ipmitool', [...ipmitoolWords(bmc, options), ...words], { IPMI_PASSWORD: password })

/** A program that goes on until it is told to end, talked to through its standard streams. */
export interface Running {
  readonly child: ChildProcess
  /** What it has printed, both streams, as Latin-1. */
  readonly said: string
  /** What it printed on standard output, as bytes. */
  readonly bytes: Buffer
  type(text: string | Buffer): void
  /** Closes its standard input. */
  hangUp(): void
  /** Sends the signal unless it has ended, and gives its exit code or the signal's name. */
  end(signal?: NodeJS.Signals): Promise<number | string>
  /** The same, without any signal. */
  readonly ended: Promise<number | string>
}

export function start(program: string, words: readonly string[], options: SpawnOptions = {}): Running {
  const child = spawn(program, words, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  const parts: Buffer[] = []
  let said = ''
  child.stdout?.on('data', (part: Buffer) => {
    parts.push(part)
    said += part.toString('latin1')
  })
  child.stderr?.on('data', (part: Buffer) => {
    said += part.toString('latin1')
  })
  child.stdin?.on('error', () => {})
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  ended.catch(() => {})
  return {
    child,
    get said() {
      return said
    },
    get bytes() {
      return Buffer.concat(parts)
    },
    type: (text) => void child.stdin?.write(text),
    hangUp: () => void child.stdin?.end(),
    end(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
    ended,
  }
}

export async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}

export async function freeTcpPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
