/** A WSGI application of another program, served on loopback by `wsgi.py` for as long as a test wants it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface WsgiOptions {
  /** The Python it runs under. */
  python: string
  /** Whose `application` it is. */
  module: string
  port: number
  environment: Record<string, string>
  /** Where it writes its log, for when it does not start. */
  log: string
}

/** Starts it. @throws Error with what it said when it does not answer within a minute. */
export async function serveWsgi(options: WsgiOptions): Promise<ChildProcess> {
  const { python, module, port, environment, log } = options
  const child = spawn(python, [join(import.meta.dirname, 'wsgi.py'), module, String(port)], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (part: Buffer) => {
    said = (said + part).slice(-4000)
  })
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL')
    }, 60_000)
    child.stdout?.once('data', () => {
      clearTimeout(late)
      resolve()
    })
    child.once('exit', async () => {
      clearTimeout(late)
      const logged = await readFile(log, 'utf8').catch(() => '')
      reject(new Error(`${module} did not start: ${said}\n${logged.slice(-4000)}`))
    })
  })
  return child
}

/** Ends it at once. */
export async function endWsgi(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}
