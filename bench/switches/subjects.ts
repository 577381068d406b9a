/** Who attaches ports: our drivers, and other people's programs as those who use them call them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSwitch, type SwitchTarget } from '@leasehold/switches'
import type { Doors, Wanted } from './target.ts'

export type Attached = {
  seconds: number
  /** What went wrong, a line each call that failed. */
  errors: readonly string[]
}

export type Subject = { label: string; attach: (doors: Doors, wanted: Wanted) => Promise<Attached> }

/** VLANs that are there before the attaches begin, as networks are before ports. */
export const vlans = [100, 101, 102, 103].map((id) => ({ id, name: `tenant-${id}` }))

/** No run takes longer, milliseconds. */
const patienceMs = 600_000

export const ours: readonly Subject[] = [
  { label: 'Leasehold, SSH', attach: (doors, wanted) => attachOurs(doors.ssh, doors.ports, wanted) },
  { label: 'Leasehold, NX-API', attach: (doors, wanted) => attachOurs(doors.nxapi, doors.ports, wanted) },
]

/** Each port is a call of its own, all at the same time, as the ports of a deployment's nodes come. */
async function attachOurs(target: SwitchTarget, ports: readonly string[], wanted: Wanted): Promise<Attached> {
  const leaf = openSwitch(target, { guard: { ports, vlans: '100-103' } })
  const begun = performance.now()
  const attached = await Promise.allSettled(
    Object.entries(wanted).map(([port, vlan]) =>
      leaf.apply({
        vlans: vlans.filter(({ id }) => id === vlan),
        ports: { [port]: { mode: 'access', vlan, adminUp: true, stpEdge: true } },
      }),
    ),
  )
  const seconds = (performance.now() - begun) / 1_000
  await leaf.close()
  return {
    seconds,
    errors: attached.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : [])),
  }
}

/**
 * Others, installed before by `peers.sh`. What is started for them ends with this process.
 * @param runnersAtOnce calls of network-runner at the same time: each is a process of Ansible, with others of its own
 */
export async function startOthers(runnersAtOnce: number): Promise<readonly Subject[]> {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-bench-'))
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  })
  const batching = await startEtcd(join(directory, 'etcd'))
  const genericSwitch = (how: string, options: Record<string, string>, backend: string | null): Subject => ({
    label: `networking-generic-switch, ${how}`,
    attach: ({ ssh }, wanted) =>
      runPython('generic-switch', 'generic_switch.py', directory, { target: ssh, wanted, options, backend }),
  })
  return [
    genericSwitch('as it comes', {}, null),
    genericSwitch('one connection at a time', {}, `file://${join(directory, 'locks')}`),
    genericSwitch('batched through etcd', { ngs_batch_requests: 'True' }, batching),
    {
      label: `network-runner, ${runnersAtOnce} at once`,
      attach: ({ ssh: target }, wanted) =>
        runPython('network-runner', 'ansible_runs.py', directory, { target, wanted, atOnce: runnersAtOnce }),
    },
  ]
}

const children = new Set<ChildProcess>()

const venvs = join(import.meta.dirname, '../../.venv/bench')

/** Loads the program, and lets it begin when it is loaded: what is counted is what a running service takes. */
async function runPython(
  name: string,
  script: string,
  home: string,
  order: Record<string, unknown>,
): Promise<Attached> {
  const venv = join(venvs, name)
  const child = spawn(join(venv, 'bin/python'), [join(import.meta.dirname, script)], {
    timeout: patienceMs,
    killSignal: 'SIGKILL',
    env: {
      PATH: `${join(venv, 'bin')}:${process.env.PATH}`,
      LANG: 'C.UTF-8',
      HOME: home,
      TMPDIR: home,
      PYTHONWARNINGS: 'ignore',
      ANSIBLE_HOST_KEY_CHECKING: 'False',
    },
  })
  children.add(child)
  let said = ''
  child.stderr.on('data', (part: Buffer) => {
    said = (said + part).slice(-2_000)
  })
  // Written to a program that has ended: its last words, below, say more.
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(order)}\n`)
  const ended = new Promise((resolve) => child.on('close', resolve))
  let result: Attached | undefined
  for await (const line of createInterface({ input: child.stdout }))
    if (line === 'ready') child.stdin.write('go\n')
    else result = JSON.parse(line) as Attached
  await ended
  children.delete(child)
  if (result === undefined) throw new Error(`${script} ended without a result: ${said}`)
  return result
}

/** @returns its address, as networking-generic-switch writes it */
async function startEtcd(directory: string): Promise<string> {
  const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`]
  const child = spawn(
    join(venvs, 'etcd/usr/bin/etcd'),
    [
      ...['--data-dir', directory, '--log-level', 'error'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `default=${peer}`],
    ],
    { stdio: 'ignore' },
  )
  children.add(child)
  child.unref()
  const isUp = () =>
    fetch(`${client}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
  for (let left = 100; !(await isUp()); left -= 1) {
    if (left === 0 || child.exitCode !== null) throw new Error('etcd does not come up')
    await sleep(100)
  }
  return `etcd3+${client}?api_version=v3`
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
