/** A real Keystone for one test: in a temporary directory, on loopback, with SQLite. See install.d/keystone.sh. */
import { type ChildProcess, execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freeTcpPort } from './programs.ts'
import { endWsgi, serveWsgi } from './wsgi.ts'

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
  const port = await freeTcpPort()
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
    child = await serveWsgi({
      python,
      module: 'keystone.wsgi.api',
      port,
      environment: { OS_KEYSTONE_CONFIG_FILES: configuration },
      log: join(directory, 'keystone.log'),
    })
  }
  const stop = () => endWsgi(child)
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
