/** The command line: starts the service and ends it cleanly. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pino from 'pino'
import {
  type Authenticator,
  bootstrap,
  createAuthenticator,
  loadPolicy,
  PolicyFileError,
  watchPolicy,
} from './access/index.ts'
import { createApp } from './api/app.ts'
import { applySwitchesFile, SwitchesFileError } from './api/networking/switches-file.ts'
import { type Config, ConfigError, helpText, loadConfig } from './config.ts'
import {
  createConsoles,
  createSshCallers,
  type SshDoor,
  type SshDoorDeps,
  startSshDoor,
} from './console/index.ts'
import { startDemo } from './demo.ts'
import { messageOf } from './errors.ts'
import { createCredentials } from './first-start.ts'
import { createHardware } from './hardware/index.ts'
import { createConductorDirectory } from './inventory/index.ts'
import { createNetworking, openVault } from './networking/index.ts'
import { createProvisioner } from './provision/index.ts'
import { createAllocator } from './scheduling/index.ts'
import { AlreadyRunningError, type Db, openStore } from './store/index.ts'
import { startUpkeep } from './upkeep.ts'

/** What a clean end may take, milliseconds; then the process goes as it is, which loses nothing either. */
const stopDeadlineMs = 2_800
/** What requests that are under way may still take of it. */
const requestsDeadlineMs = 500

interface SshDoorNeeds extends Pick<SshDoorDeps, 'log' | 'attach' | 'buffers'> {
  db: Db
  authenticator: Authenticator
}

/** What an option says cannot be had: a directory, a database, an address. */
class StartError extends Error {}

await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`Usage: npm start -- [options]\n       bin/leasehold console NODE\n\n${helpText()}`)
    return
  }
  let config: Config
  try {
    config = loadConfig(args, process.env)
  } catch (error) {
    fail(error, 2)
  }
  try {
    await run(config)
  } catch (error) {
    fail(error, error instanceof PolicyFileError || error instanceof SwitchesFileError ? 2 : 1)
  }
}

/** An expected failure is said in a sentence; anything else with its stack, for whoever mends it. */
function fail(error: unknown, code: number): never {
  const expected = [ConfigError, AlreadyRunningError, PolicyFileError, SwitchesFileError, StartError].some(
    (kind) => error instanceof kind,
  )
  const text = messageOf(error)
  process.stderr.write(`leasehold: ${expected ? text : ((error as Error).stack ?? text)}\n`)
  process.exit(code)
}

/**
 * Waits for `work`, which does what an option says.
 * @throws StartError with the option when the system or the database refuses; anything else as it is.
 */
async function asOption<T>(option: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    // Errors of the system (EACCES) and of PostgreSQL (3D000) have such codes; our own mistakes have none.
    const { code } = error as NodeJS.ErrnoException
    if (typeof code !== 'string' || !/^(E[A-Z]+|(08|28|3D|53|57)...)$/.test(code)) throw error
    throw new StartError(`${option}: ${messageOf(error) || code}`, { cause: error })
  }
}

/** Opens what the service is made of, from the database up, and closes it in the reverse order. */
async function run(config: Config): Promise<void> {
  const log = pino({ level: config['log.level'] })
  const opened: { name: string; close: () => unknown }[] = []
  let stopping = false
  const stop = async (why: string, code: number) => {
    if (stopping) return
    stopping = true
    log.info({ why }, 'stopping')
    let stoppingPart = ''
    const cutShort = () => {
      log.warn({ part: stoppingPart }, 'does not stop in time; ending as it is')
      process.exit(code)
    }
    setTimeout(cutShort, stopDeadlineMs).unref()
    for (const part of opened.reverse()) {
      stoppingPart = part.name
      await Promise.resolve(part.close()).catch((error: unknown) =>
        log.error({ err: error, part: part.name }, 'did not stop cleanly'),
      )
      log.debug({ part: part.name }, 'stopped')
    }
    process.exit(code)
  }
  // Again and again: npm passes on what the terminal has sent to us already, and the second must not cut the end short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(signal, 0))

  try {
    await asOption(`--data ${config.data}`, mkdir(config.data, { recursive: true }))
    const policy = await loadPolicy({
      overridesFile: config['policy.file'],
      serviceRoleElevated: config['policy.service_role_elevated_access'],
      serviceProjectName: config['policy.service_project_name'],
      log,
    })
    opened.push({ name: 'policy', close: watchPolicy(policy, 5_000) })
    const store = await asOption(
      config['database.url'] ? '--database-url' : `--data ${config.data}`,
      openStore({
        url: config['database.url'],
        dataDir: config.data,
        poolSize: config['database.pool_size'],
        onIdleError: (error) => log.warn({ err: error }, 'a database connection was lost'),
        onLost: () => void stop('the embedded PostgreSQL is gone', 1),
      }),
    )
    opened.push({ name: 'store', close: store.close })
    const { db } = store
    const keyFile = config['networking.key_file'] ?? join(config.data, 'networking.key')
    const vault = await asOption(`--networking-key-file ${keyFile}`, openVault(keyFile))
    const networking = createNetworking({ db, databaseUrl: store.url, config, log, vault })
    const hardware = createHardware({ config, log, wiring: networking })
    const credentials = createCredentials(config)
    if (config['auth.strategy'] === 'standalone')
      await bootstrap(db, { adminPassword: () => credentials.passwordOf('admin') })
    const authenticator = createAuthenticator(config, { db, log })
    opened.push({ name: 'authenticator', close: () => authenticator.close() })
    opened.push({ name: 'upkeep', close: startUpkeep(config, db, log) })
    const provisioner = createProvisioner({
      db,
      databaseUrl: store.url,
      hardware,
      config,
      log,
    })
    const conductors = createConductorDirectory(db, config['conductor.liveness_seconds'])
    const allocator = createAllocator({ db, config, log })
    const consoles = createConsoles({
      db,
      databaseUrl: store.url,
      config,
      log,
      hardware,
      policy,
      authenticator,
    })
    const app = await createApp({
      config,
      db,
      log,
      authenticator,
      policy,
      hardware,
      provisioner,
      conductors,
      allocator,
      consoles,
      vault,
      networking,
    })
    await app.ready()
    const demo = config.demo
      ? await startDemo({ config, db, hardware, log, vault, passwordOf: credentials.passwordOf })
      : undefined
    if (demo) opened.push({ name: 'lab', close: () => demo.close() })
    // Ends before the lab does: it takes leave of the BMCs.
    opened.push({ name: 'hardware', close: () => hardware.close() })
    await provisioner.start()
    opened.push({ name: 'provisioner', close: () => provisioner.stop() })
    const switchesFile = config['networking.switches_file']
    if (switchesFile !== undefined) await applySwitchesFile({ db, vault }, switchesFile)
    await networking.start()
    opened.push({ name: 'networking', close: () => networking.stop() })
    allocator.start()
    opened.push({ name: 'allocator', close: () => allocator.stop() })
    const { host, port } = config.listen
    const address = await asOption(`--listen ${host}:${port}`, app.listen({ host, port }))
    opened.push({ name: 'api', close: () => closeApi(app) })
    // Ends after the consoles, which tell everybody why.
    const ssh = await openSshDoor(config, {
      log,
      attach: consoles.attach,
      buffers: consoles.buffers,
      db,
      authenticator,
    })
    if (ssh) opened.push({ name: 'ssh', close: () => ssh.close() })
    await consoles.start(address)
    // First of all: its watchers are told, and its lines given back while everything they need still stands.
    opened.push({ name: 'consoles', close: () => consoles.stop() })
    announce(config, { address, clouds: await credentials.listening(address), sshPort: ssh?.port })
  } catch (error) {
    // What is stopped while it starts misses what was closed already.
    if (stopping) return
    for (const part of opened.reverse()) await Promise.resolve(part.close()).catch(() => {})
    throw error
  }
}

/** Lets requests that are under way end, for a moment; a client that has sent half of one does not keep us. */
async function closeApi(app: Awaited<ReturnType<typeof createApp>>): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), requestsDeadlineMs)
  await app.close()
  clearTimeout(late)
}

/** The SSH door where it is asked for, and in a demonstration, which takes another port when the usual one is taken. */
async function openSshDoor(
  config: Config,
  { db, authenticator, ...deps }: SshDoorNeeds,
): Promise<SshDoor | undefined> {
  const asked = config['console.ssh_listen']
  if (!asked && !config.demo) return undefined
  const callers = createSshCallers({ config, db, authenticator })
  const hostKeyPath = join(config.data, 'ssh_host_key')
  const open = (listen: SshDoorDeps['listen']) =>
    startSshDoor({ ...deps, config, callers, hostKeyPath, listen })
  if (asked) return asOption(`--console-ssh-listen ${asked.host}:${asked.port}`, open(asked))
  const host = '127.0.0.1'
  return open({ host, port: 2222 }).catch(() => open({ host, port: 0 }))
}

/** Where the service is, and the next thing to type. */
function announce(
  config: Config,
  at: { address: string; clouds: string | undefined; sshPort: number | undefined },
): void {
  const lines = [`Leasehold listens on ${at.address}`]
  if (at.clouds)
    lines.push(
      `Clouds are in ${at.clouds}. Try:`,
      `  OS_CLIENT_CONFIG_FILE=${at.clouds} openstack --os-cloud ${config.demo ? 'lessee' : 'leasehold'} baremetal node list`,
    )
  if (at.clouds && config.demo)
    lines.push(
      `  OS_CLIENT_CONFIG_FILE=${at.clouds} bin/leasehold console machine-1 --os-cloud lessee`,
      `  ssh -p ${at.sshPort} machine-1@127.0.0.1     (with a token as the password, or a key)`,
      `  a browser at ${at.address}/consoles/machine-1     (user lessee; passwords are in the file)`,
    )
  process.stdout.write(`${lines.join('\n')}\n`)
}
