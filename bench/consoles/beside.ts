/** The same load as scale.ts on Debian's conserver (with ipmitool) and ConMan: memory, processes, processor, echo. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { percentile, short } from '../statistics.ts'
import { forkLab } from './lab.ts'
import { nowMs } from './messages.ts'
import { bmcPassword, childrenOf, cpuSeconds, loadOfMachine, pssMb } from './service.ts'

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    /** How long they may take to have all consoles, seconds. */
    patience: { type: 'string', default: '120' },
    clients: { type: 'string', default: '10' },
    only: { type: 'string' },
  },
})
const count = Number(options.count)
const clients = Number(options.clients)
/** FreeIPMI, which ConMan has it from, takes no port above 32767. */
const basePort = 20_000
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Rival {
  name: string
  /** Writes its settings; gives the command that serves in the foreground, and the one of a client. */
  prepare(
    directory: string,
    port: number,
    ports: readonly number[],
  ): Promise<{ serve: string[]; client(index: number): string }>
}

const rivals: Rival[] = [
  {
    name: 'conserver',
    async prepare(directory, port, ports) {
      const secret = join(directory, 'secret')
      await writeFile(secret, `${bmcPassword}\n`, { mode: 0o600 })
      const consoles = ports.map(
        (bmc, index) =>
          `console m${index} { exec ipmitool -I lanplus -H 127.0.0.1 -p ${bmc} -U admin -f ${secret} sol activate; }`,
      )
      const settings = [
        `config * { daemonmode no; defaultaccess trusted; logfile ${directory}/log; unifiedlog ${directory}/all; sslrequired no; }`,
        `default * { master 127.0.0.1; type exec; logfile ${directory}/&.log; rw *; }`,
        ...consoles,
        'access * { trusted 127.0.0.1; }',
      ]
      await writeFile(join(directory, 'cf'), `${settings.join('\n')}\n`)
      await writeFile(join(directory, 'passwd'), '*any*:\n')
      return {
        serve: [
          'conserver',
          ...['-C', join(directory, 'cf'), '-P', join(directory, 'passwd'), '-U', join(directory, 'log')],
          ...['-p', String(port), '-b', String(port + 1), '-M', '127.0.0.1', '-u', '-E'],
        ],
        client: (index) => `console -E -M 127.0.0.1 -p ${port} -f m${index}`,
      }
    },
  },
  {
    name: 'ConMan',
    async prepare(directory, port, ports) {
      const settings = [
        `server port=${port}`,
        ...['server loopback=on', 'server tcpwrappers=off', `server pidfile="${directory}/pid"`],
        `server logdir="${directory}"`,
        'global log="%N.log"',
        `global ipmiopts="U:admin,P:${bmcPassword},C:3"`,
        ...ports.map((bmc, index) => `console name="m${index}" dev="ipmi:127.0.0.1:${bmc}"`),
      ]
      await writeFile(join(directory, 'conf'), `${settings.join('\n')}\n`, { mode: 0o600 })
      return {
        serve: ['conmand', '-F', '-c', join(directory, 'conf')],
        client: (index) => `conman -d 127.0.0.1:${port} m${index}`,
      }
    },
  },
]

execFileSync(join(import.meta.dirname, 'beside.sh'), { stdio: ['ignore', 'ignore', 'inherit'] })
const rows: string[][] = []
try {
  for (const rival of rivals) if (!options.only || options.only === rival.name) await measure(rival)
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 1
} finally {
  console.log(
    `| ${count} consoles, load of the machine ${await loadOfMachine()} | up | processes | memory (PSS) | idle: processor | 100 KB/s: processor | echo |\n| --- | --- | --- | --- | --- | --- | --- |`,
  )
  for (const cells of rows) console.log(`| ${cells.join(' | ')} |`)
  process.exit()
}

async function measure({ name, prepare }: Rival): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-beside-'))
  const { lab } = forkLab()
  const { ports } = await lab.start({ count, password: bmcPassword, basePort })
  const { serve, client } = await prepare(directory, await freePort(), ports)
  const [program, ...args] = serve as [string, ...string[]]
  const begun = nowMs()
  const server = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `/usr/sbin:${process.env.PATH}` },
    detached: true,
  })
  let said = ''
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (part: Buffer) => {
      said = (said + part).slice(-2_000)
    })
  const terminals: Terminal[] = []
  try {
    let active = 0
    for (
      const end = nowMs() + Number(options.patience) * 1_000;
      active < count && nowMs() < end;
      await sleep(200)
    ) {
      active = (await lab.count()).active
      if (server.exitCode !== null) throw new Error(`${name} has ended: ${said}`)
    }
    const upMs = nowMs() - begun
    process.stderr.write(`${name}: ${active} of ${count} consoles up after ${(upMs / 1_000).toFixed(1)} s\n`)
    await sleep(5_000)
    const all = () => family(server.pid as number)
    const processes = (await all()).length
    const memory = (await Promise.all((await all()).map((pid) => pssMb(pid).catch(() => 0)))).reduce(
      (a, b) => a + b,
    )
    const idle = await processorOf(all)
    await lab.talk({ bytesPerSecond: 100_000, lineBytes: 100 })
    await sleep(2_000)
    const busy = await processorOf(all)
    for (let index = 0; index < clients; index += 1)
      terminals.push(openTerminal(client(Math.floor((index * count) / clients))))
    await sleep(3_000)
    for (const terminal of terminals) await terminal.echo()
    const times: number[] = []
    for (let round = 0; round < 300; round += 1) {
      times.push(await (terminals[round % clients] as Terminal).echo())
      await sleep(5)
    }
    const lost = times.filter((time) => time === Number.POSITIVE_INFINITY).length
    const echo = `p50 ${short(percentile(times, 0.5))} ms, p99 ${short(percentile(times, 0.99))} ms${lost ? `, ${lost} of 300 none` : ''}`
    rows.push([
      name,
      `${active} in ${(upMs / 1_000).toFixed(1)} s`,
      String(processes),
      `${memory.toFixed(0)} MB`,
      `${idle.toFixed(0)} %`,
      `${busy.toFixed(0)} %`,
      echo,
    ])
  } finally {
    for (const terminal of terminals) terminal.close()
    for (const pid of (await family(server.pid as number)).reverse()) kill(pid)
    await sleep(500)
    await lab.stop().catch(() => {})
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface Terminal {
  /** Types a character; gives after how many milliseconds it came back. */
  echo(): Promise<number>
  close(): void
}

function openTerminal(command: string): Terminal {
  const child: ChildProcess = spawn('script', ['-qfec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let hear: ((part: Buffer) => void) | undefined
  child.stdout?.on('data', (part: Buffer) => hear?.(part))
  return {
    echo: () =>
      new Promise((resolve) => {
        const begun = nowMs()
        const late = setTimeout(() => resolve(Number.POSITIVE_INFINITY), 3_000)
        hear = (part) => {
          if (!part.includes('~')) return
          hear = undefined
          clearTimeout(late)
          resolve(nowMs() - begun)
        }
        child.stdin?.write('~')
      }),
    close: () => void child.kill('SIGKILL'),
  }
}

/** A process and all that came of it. */
async function family(pid: number): Promise<number[]> {
  const children = await childrenOf(pid).catch(() => [])
  return [pid, ...(await Promise.all(children.map(family))).flat()]
}

async function processorOf(all: () => Promise<number[]>): Promise<number> {
  const total = async () =>
    (await Promise.all((await all()).map((pid) => cpuSeconds(pid).catch(() => 0)))).reduce((a, b) => a + b)
  const [before, from] = [await total(), performance.now()]
  await sleep(15_000)
  return ((await total()) - before) / ((performance.now() - from) / 100_000)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {} // gone already
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
