/** OpenIPMI's BMC simulator, with its power and boot device in files, and the machine's serial line in the test's hand. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIpmiClient } from '@leasehold/ipmi'
import { type BmcLogin, freePort } from './programs.ts'

export interface Simulator extends BmcLogin {
  /** Its files. */
  readonly directory: string
  start(): Promise<void>
  /** Kills it. */
  stop(): Promise<void>
  /** What the chassis was told, without times: "set power 1". */
  chassisLog(): Promise<string[]>
  remove(): Promise<void>
}

export interface SimulatorOptions {
  /** TCP port of the serial line. It is connected to at the start, and tried again every 10 s. */
  serialPort?: number
  /** Lines of configuration in place of the script that plays the chassis. */
  machine?: readonly string[]
}

export async function startSimulator({ serialPort, machine }: SimulatorOptions = {}): Promise<Simulator> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-ipmi-sim-'))
  const port = await freePort()
  const auths = ['callback', 'user', 'operator', 'admin'].map(
    (level) => `    allowed_auths_${level} none md2 md5 straight`,
  )
  const lan = [
    'name "bmc0"',
    'set_working_mc 0x20',
    '  startlan 1',
    `    addr 127.0.0.1 ${port}`,
    '    priv_limit admin',
    ...auths,
    '    guid a123456789abcdefa123456789abcdef',
    '  endlan',
    ...(machine ?? [`  chassis_control "${directory}/chassis 0x20"`]),
    ...(serialPort === undefined ? [] : [`  sol "tcp:127.0.0.1:${serialPort}" 115200`]),
    '  user 2 true "admin" "secret" admin 10 none md2 md5 straight',
    '  user 3 true "viewer" "see" user 10 none md2 md5 straight',
  ]
  const emulator = [
    'mc_setbmc 0x20',
    'mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02',
    'sel_enable 0x20 1000 0x0a',
    'mc_enable 0x20',
  ]
  await mkdir(join(directory, 'state'))
  await writeFile(join(directory, 'lan.conf'), `${lan.join('\n')}\n`)
  await writeFile(join(directory, 'sim.emu'), `${emulator.join('\n')}\n`)
  await writeFile(join(directory, 'chassis'), chassisScript)
  await chmod(join(directory, 'chassis'), 0o755)
  let child: ChildProcess | undefined

  const start = async () => {
    const file = (name: string) => join(directory, name)
    child = spawn('ipmi_sim', ['-c', file('lan.conf'), '-f', file('sim.emu'), '-s', file('state'), '-n'], {
      stdio: 'ignore',
    })
    const probe = createIpmiClient({ replyTimeoutMs: 100, tries: 50 })
    await probe.discover({ address: '127.0.0.1', port }, { deadlineMs: 10_000 }).finally(() => probe.close())
  }
  const stop = async () => {
    const stopping = child
    child = undefined
    if (stopping === undefined || stopping.exitCode !== null) return
    const ended = once(stopping, 'exit')
    stopping.kill('SIGKILL')
    await ended
  }

  await start()
  return {
    port,
    username: 'admin',
    password: 'secret',
    directory,
    start,
    stop,
    chassisLog: async () => {
      const log = await readFile(join(directory, 'state', 'chassis.log'), 'utf8').catch(() => '')
      return log.split('\n').filter((line) => line !== '')
    },
    remove: async () => {
      await stop()
      await rm(directory, { recursive: true })
    },
  }
}

/** Called as `chassis MC get NAME...` or `chassis MC set NAME VALUE...`; logs what it is told. */
const chassisScript = `#!/bin/sh
state=$(dirname "$0")/state
shift
echo "$*" >> "$state/chassis.log"
verb=$1
shift
case $verb in
get)
  for name in "$@"; do
    case $name in
    power) echo "power:$(cat "$state/power" 2>/dev/null || echo 0)" ;;
    boot) echo "boot:$(cat "$state/boot" 2>/dev/null || echo default)" ;;
    *) echo "$name:0" ;;
    esac
  done ;;
set)
  case $1 in power|boot) echo "$2" > "$state/$1" ;; esac ;;
esac
`
