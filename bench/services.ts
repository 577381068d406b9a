/** Starts what is measured: this service, and Debian's Ironic. Each lives in a temporary directory and leaves nothing. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Endpoint } from './client.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const startMs = 60_000
const stopMs = 10_000

export interface Service {
  endpoint: Endpoint
  /** It was started for the measurement and is thrown away with all its nodes. */
  ownsNodes: boolean
  /** Adds seed nodes up to `count` as copies of the first `from`, quicker than its API could make them. */
  copySeeds?: (from: number, count: number) => Promise<void>
  stop(): Promise<void>
}

/** This service as it is when installed: its own PostgreSQL, its own users, a real token, its log to a file. */
export async function startOurs(options: readonly string[]): Promise<Service> {
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-bench-'))
  await chmod(dir, 0o755) // PostgreSQL may run as another user
  const password = randomBytes(18).toString('base64url')
  const logPath = join(dir, 'log')
  const log = await open(logPath, 'w')
  const args = ['server/main.ts', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0', ...options]
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, LEASEHOLD_IDENTITY_ADMIN_PASSWORD: password },
    stdio: ['ignore', log.fd, log.fd],
  })
  await log.close()
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await Promise.race([ended, sleep(stopMs)])
    child.kill('SIGKILL')
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const url = await addressIn(logPath, child)
    const endpoint = { label: 'Leasehold', url, token: await tokenFrom(url, password) }
    return { endpoint, ownsNodes: true, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The address that the service announces. */
async function addressIn(logPath: string, child: { exitCode: number | null }): Promise<string> {
  for (const deadline = Date.now() + startMs; ; await sleep(50)) {
    const log = await readFile(logPath, 'utf8')
    const url = /listens on (http:\S+)/.exec(log)?.[1]
    if (url) return url
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`Leasehold did not start: ${log.slice(-2000)}`)
  }
}

/** A token of the administrator of the system. */
async function tokenFrom(url: string, password: string): Promise<string> {
  const user = { name: 'admin', domain: { id: 'default' }, password }
  const auth = { identity: { methods: ['password'], password: { user } }, scope: { system: { all: true } } }
  const answer = await fetch(`${url}/identity/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth }),
    signal: AbortSignal.timeout(startMs),
  })
  const token = answer.headers.get('x-subject-token')
  if (!token) throw new Error(`no token: ${answer.status} ${await answer.text()}`)
  return token
}

/** Debian's Ironic, whose packages are installed if they are not there (which takes root). */
export async function startIronic(): Promise<Service> {
  const script = join(import.meta.dirname, 'ironic.sh')
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-bench-ironic-'))
  const stop = async () => {
    await run(script, ['stop', dir], { timeout: startMs })
    await rm(dir, { recursive: true, force: true })
  }
  try {
    if (!(await isInstalled())) {
      if (process.getuid?.() !== 0)
        throw new Error('Ironic is not installed: run `sudo bench/ironic.sh install` once')
      process.stderr.write('installing Ironic...\n')
      await run(script, ['install'], { timeout: 900_000, maxBuffer: 2 ** 26 })
    }
    const [api, rpc] = await freePorts()
    await run(script, ['start', dir, String(api), String(rpc)], { timeout: 4 * startMs })
    const copySeeds = async (from: number, count: number) => {
      await run(script, ['copy', dir, String(from), String(count)], { timeout: startMs })
    }
    return {
      endpoint: { label: 'Ironic', url: `http://127.0.0.1:${api}` },
      ownsNodes: true,
      copySeeds,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const isInstalled = () =>
  run('sh', [
    '-c',
    'PATH=/usr/sbin:/usr/bin:$PATH; command -v ironic-conductor uwsgi_python3 mariadbd curl',
  ]).then(
    () => true,
    () => false,
  )

/** Two ports of loopback that nobody listens at. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) server.close()
  return ports as [number, number]
}
