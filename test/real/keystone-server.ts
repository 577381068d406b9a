/** A real Keystone for one test: in a temporary directory, on loopback, with SQLite. See install.d/keystone.sh. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const python = join(root, '.venv/keystone/bin/python')
const manage = join(root, '.venv/keystone/bin/keystone-manage')

export interface KeystoneServer {
  /** With the version: `http://127.0.0.1:PORT/v3`. */
  url: string
  adminPassword: string
  /** Ends the process; `start` brings it back at the same address with the same database. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Ends it and removes its directory. */
  remove(): Promise<void>
}

/** Makes and starts one. @throws Error with the command that installs Keystone when it is missing. */
export async function startKeystone(): Promise<KeystoneServer> {
  await access(manage).catch(() => {
    throw new Error('No Keystone to test with; install it with: test/real/install.d/keystone.sh')
  })
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-keystone-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/v3`
  const adminPassword = 'keystone-admin'
  const configuration = await configure(directory)
  const { username } = userInfo()
  for (const args of [
    ['db_sync'],
    ['fernet_setup', '--keystone-user', username, '--keystone-group', username],
    ['credential_setup', '--keystone-user', username, '--keystone-group', username],
    ['bootstrap', '--bootstrap-password', adminPassword, '--bootstrap-public-url', url],
  ])
    await run(manage, ['--config-file', configuration, ...args], { timeout: 60_000 })

  let child: ChildProcess | undefined
  const start = async () => {
    child = await serve(configuration, port, join(directory, 'keystone.log'))
  }
  const stop = async () => {
    if (!child || child.exitCode !== null) return
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    url,
    adminPassword,
    start,
    stop,
    async remove() {
      await stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** One Keystone 30 option each: where things are, cheap password hashes, and no cache that hides a revocation. */
async function configure(directory: string): Promise<string> {
  const file = join(directory, 'keystone.conf')
  for (const each of ['fernet', 'credential']) await mkdir(join(directory, each), { mode: 0o700 })
  await writeFile(
    file,
    `[DEFAULT]
log_file = ${join(directory, 'keystone.log')}
[database]
connection = sqlite:///${join(directory, 'keystone.db')}
[cache]
enabled = false
[fernet_tokens]
key_repository = ${join(directory, 'fernet')}
[credential]
key_repository = ${join(directory, 'credential')}
[identity]
password_hash_rounds = 4
`,
  )
  return file
}

async function serve(configuration: string, port: number, log: string): Promise<ChildProcess> {
  const child = spawn(python, [join(import.meta.dirname, 'keystone-wsgi.py'), String(port)], {
    env: { ...process.env, OS_KEYSTONE_CONFIG_FILES: configuration },
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
      reject(new Error(`Keystone did not start: ${said}\n${logged.slice(-4000)}`))
    })
  })
  return child
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
