/** Open vSwitch from Debian, in a directory of its own: database, daemon, and other people's tools to look at both. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Running, start } from '../programs.ts'
import { openJsonRpc } from './json-rpc.ts'

const execute = promisify(execFile)

export type OpenVSwitch = {
  directory: string
  /** The database's socket, as `unix:/path`. */
  database: string
  /** The control socket of ovs-vswitchd. */
  control: string
  vsctl: (...words: string[]) => Promise<string>
  appctl: (...words: string[]) => Promise<string>
  startDatabase: () => Promise<void>
  startDaemon: () => Promise<void>
  /** Sends the signal and waits until it is gone. */
  endDatabase: (signal?: NodeJS.Signals) => Promise<void>
  endDaemon: (signal?: NodeJS.Signals) => Promise<void>
  close: () => Promise<void>
}

/** In a network namespace, or with `dummy` without any network: then its ports are files and commands. */
export async function startOpenVSwitch(
  options: { namespace?: string; dummy?: true } = {},
): Promise<OpenVSwitch> {
  const directory = await mkdtemp('/tmp/leasehold-ovs-')
  const at = (name: string) => join(directory, name)
  const environment = { ...process.env, OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory }
  const running: { database?: Running; daemon?: Running } = {}
  const launch = (program: string, words: string[]): Running => {
    const inside = options.namespace ? ['netns', 'exec', options.namespace, program] : []
    const quiet = ['-vconsole:off', `--log-file=${at(`${program}.log`)}`, '-vfile:info']
    const all = [...inside, ...quiet, ...words]
    return start(options.namespace ? 'ip' : program, all, { env: environment })
  }
  const tool = async (program: string, words: string[]) =>
    (await execute(program, words, { env: environment, timeout: 20_000 })).stdout
  await tool('ovsdb-tool', ['create', at('conf.db'), '/usr/share/openvswitch/vswitch.ovsschema'])

  const database = `unix:${at('db.sock')}`
  const self: OpenVSwitch = {
    directory,
    database,
    control: at('vswitchd.ctl'),
    vsctl: (...words) => tool('ovs-vsctl', [`--db=${database}`, '--timeout=10', ...words]),
    appctl: (...words) => tool('ovs-appctl', ['--timeout=10', '-t', at('vswitchd.ctl'), ...words]),
    startDatabase: async () => {
      await rm(at('db.sock'), { force: true })
      running.database = launch('ovsdb-server', [
        at('conf.db'),
        `--remote=p${database}`,
        `--unixctl=${at('ovsdb.ctl')}`,
      ])
      await answering(at('db.sock'), running.database, at('ovsdb-server.log'))
    },
    startDaemon: async () => {
      await rm(at('vswitchd.ctl'), { force: true })
      const words = [database, `--unixctl=${at('vswitchd.ctl')}`, '--disable-system']
      running.daemon = launch('ovs-vswitchd', options.dummy ? [...words, '--enable-dummy=override'] : words)
      await answering(at('vswitchd.ctl'), running.daemon, at('ovs-vswitchd.log'))
    },
    endDatabase: async (signal = 'SIGTERM') => void (await running.database?.end(signal)),
    endDaemon: async (signal = 'SIGTERM') => void (await running.daemon?.end(signal)),
    close: async () => {
      await self.endDaemon()
      await self.endDatabase()
      await rm(directory, { recursive: true, force: true })
    },
  }
  try {
    await self.startDatabase()
    await self.vsctl('--no-wait', 'init')
    await self.startDaemon()
  } catch (error) {
    await self.close()
    throw error
  }
  return self
}

async function answering(socket: string, program: Running, log: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const rpc = await openJsonRpc(socket).catch(() => undefined)
    if (rpc) return rpc.close()
    if (program.child.exitCode !== null) break
    await sleep(25)
  }
  const said = await readFile(log, 'utf8').catch(() => '')
  throw new Error(`${socket} does not answer: ${program.said}\n${said.slice(-2_000)}`)
}
