/** Debian's netconfd with OpenConfig's models in it, behind an SSH server as OpenSSH is configured to be. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2 from 'ssh2'
import { fingerprintOf } from '../../packages/switches/transports/host-key.ts'
import type { SwitchTarget } from '../../packages/switches/types.ts'

export type Netconfd = {
  target: SwitchTarget
  /** What would be there after a restart. */
  startup: () => Promise<string>
  /** The power fails and comes back: what was not saved is gone. */
  restart: () => Promise<void>
  /** The next client's hello and first question reach netconfd in one piece, as they do on a busy machine. */
  hurryNext: () => void
  remove: () => Promise<void>
}

/** Where install.d/netconf.sh puts OpenConfig's published models. */
export const models = resolve(import.meta.dirname, '../../.venv/yang')
const ours = resolve(import.meta.dirname, 'yang')
const modules = [
  'openconfig-interfaces',
  'openconfig-if-ethernet',
  'openconfig-if-aggregate',
  'openconfig-vlan',
  'leasehold-network-instance',
  'leasehold-lacp',
]
/** It is only compared with what the subsystem says; nothing listens there. */
const claimedPort = 1830

export async function startNetconfd(ports: readonly string[]): Promise<Netconfd> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-netconfd-'))
  const file = (name: string) => join(directory, name)
  await writeFile(file('startup-cfg.xml'), startupConfig(ports))
  let daemon = await launch(directory)
  const door = await openDoor(file('ncx.sock'))
  const stop = async () => {
    if (daemon.exitCode !== null || daemon.signalCode !== null) return
    const ended = once(daemon, 'exit')
    daemon.kill('SIGKILL')
    await ended
  }
  return {
    target: {
      driver: 'openconfig-netconf',
      address: '127.0.0.1',
      port: door.port,
      username: 'leasehold',
      password: 'secret',
      trust: { hostKeys: [door.hostKey] },
      settings: { lagName: 'bond%', untagged: 'dropped' },
    },
    startup: () => readFile(file('startup-cfg.xml'), 'utf8'),
    restart: async () => {
      door.hangUp()
      await stop()
      await rm(file('ncx.sock'), { force: true })
      daemon = await launch(directory)
    },
    hurryNext: door.hurryNext,
    remove: async () => {
      await door.close()
      await stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function launch(directory: string): Promise<ChildProcess> {
  const daemon = spawn(
    '/usr/sbin/netconfd',
    [
      `--modpath=${ours}:${models}:/usr/share/yuma/modules`,
      ...modules.map((name) => `--module=${name}`),
      `--startup=${join(directory, 'startup-cfg.xml')}`,
      '--target=candidate',
      '--with-startup=true',
      '--access-control=off',
      `--ncxserver-sockname=${join(directory, 'ncx.sock')}`,
      `--port=${claimedPort}`,
      '--log-level=info',
    ],
    { cwd: directory, env: { ...process.env, HOME: directory }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let printed = ''
  for (const stream of [daemon.stdout, daemon.stderr])
    stream.on('data', (data: Buffer) => {
      printed = (printed + data.toString()).slice(-2_000)
    })
  daemon.on('error', (error) => {
    printed = error.message
  })
  for (const until = Date.now() + 60_000; !(await listens(join(directory, 'ncx.sock'))); await sleep(20)) {
    if (daemon.exitCode === null && daemon.signalCode === null && Date.now() < until) continue
    daemon.kill('SIGKILL')
    throw new Error(`netconfd does not listen, which a minute is enough for; it said: ${printed}`)
  }
  return daemon
}

async function listens(socketName: string): Promise<boolean> {
  const socket = createConnection(socketName)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function startupConfig(ports: readonly string[]): string {
  const all = ports.map(
    (name) => `<interface><name>${name}</name><config><name>${name}</name>
      <type xmlns:ianaift="urn:ietf:params:xml:ns:yang:iana-if-type">ianaift:ethernetCsmacd</type>
      <enabled>false</enabled></config></interface>`,
  )
  return `<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
    <interfaces xmlns="http://openconfig.net/yang/interfaces">${all.join('')}</interfaces></config>`
}

/** An SSH server that knows one user, one password and one subsystem: netconfd's own. */
async function openDoor(socketName: string) {
  // Not ed25519: of those the library makes one in some 200 that it cannot read itself.
  const pair = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
  const parsed = ssh2.utils.parseKey(pair.public)
  if (parsed instanceof Error) throw parsed
  const clients = new Set<ssh2.Connection>()
  let hurry = false
  const server = new ssh2.Server({ hostKeys: [pair.private] }, (client) => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => undefined)
    client.on('authentication', (context) => {
      if (context.method === 'password' && context.password === 'secret') context.accept()
      else context.reject(['password'])
    })
    client.on('session', (accept) => {
      accept().on('subsystem', (acceptSubsystem, reject, { name }) => {
        if (name !== 'netconf') return reject()
        const channel = acceptSubsystem()
        const child = spawn(
          '/usr/sbin/netconf-subsystem',
          [`--ncxserver-sockname=${claimedPort}@${socketName}`],
          {
            env: {
              ...process.env,
              SSH_CONNECTION: `127.0.0.1 40000 127.0.0.1 ${claimedPort}`,
              USER: 'leasehold',
            },
            stdio: ['pipe', 'pipe', 'ignore'],
          },
        )
        child.stdin.on('error', () => undefined)
        channel.on('error', () => undefined)
        channel.on('close', () => child.kill('SIGKILL'))
        let held = hurry ? '' : undefined
        hurry = false
        channel.on('data', (data: Buffer) => {
          if (held === undefined) return child.stdin.write(data)
          held += data.toString('latin1')
          if (!held.endsWith('\n##\n')) return
          child.stdin.write(held, 'latin1')
          held = undefined
        })
        child.stdout.on('data', (data: Buffer) => channel.write(data))
        child.on('exit', () => channel.close())
      })
    })
  })
  const listener = createServer({ noDelay: true }, (socket) => server.injectSocket(socket))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const hangUp = () => {
    for (const client of clients) client.end()
  }
  return {
    port: (listener.address() as AddressInfo).port,
    hostKey: fingerprintOf(parsed.getPublicSSH()),
    hangUp,
    hurryNext: () => {
      hurry = true
    },
    close: async () => {
      hangUp()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
