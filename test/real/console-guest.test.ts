/** A Linux that boots: QEMU behind ipmi_sim, its BMC, and our console; what comes out is compared with QEMU's own record. */
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestWatcher } from '../../server/console/testing.ts'
import { type Clients, startClients } from './clients.ts'
import { type ConsoleService, startConsoles, until } from './console-service.ts'
import { type Simulator, startSimulator } from './ipmi-sim.ts'
import { freeTcpPort, needPrograms } from './programs.ts'

const guest = resolve(import.meta.dirname, '../../.venv/guest')

let directory: string
let service: ConsoleService
let clients: Clients
let sim: Simulator
let node: string
let watcher: TestWatcher

beforeAll(async () => {
  await needPrograms('ipmi_sim', 'qemu-system-x86_64')
  await access(join(guest, 'initrd')).catch(() => {
    throw new Error('No Linux to boot; make it with: test/real/install.sh')
  })
  directory = await mkdtemp(join(tmpdir(), 'leasehold-guest-'))
  const [serial, systemInterface] = [await freeTcpPort(), await freeTcpPort()]
  const script = join(directory, 'qemu.sh')
  await writeFile(script, qemuScript(serial, systemInterface))
  await chmod(script, 0o755)
  ;[service, clients, sim] = await Promise.all([
    startConsoles(['--conductor-power-sync-seconds', '2']),
    startClients(),
    startSimulator({
      serialPort: serial,
      machine: [
        `  serial 15 127.0.0.1 ${systemInterface} codec VM`,
        `  startcmd "${script}"`,
        '  startnow false',
        '  poweroff_wait 3',
        '  kill_wait 3',
      ],
    }),
  ])
  node = await service.node(sim, { ipmi_cipher_suite: 3 })
  // Power states are read of nodes that are managed.
  await service.ask('owner', 'PUT', `/v1/nodes/${node}/states/provision`, { target: 'manage' })
  await until(
    async () => (await service.ask('owner', 'GET', `/v1/nodes/${node}`)).provision_state === 'manageable',
    'the node managed',
  )
  await service.up(node)
  watcher = await service.watch('lessee', node)
})
afterAll(async () => {
  if (await isRunning()) process.kill(await qemuPid(), 'SIGKILL')
  await watcher?.close()
  await clients?.close()
  await service?.end()
  await sim?.remove()
  if (directory) await rm(directory, { recursive: true, force: true })
})

/** What a user types, with the unmodified client. */
const openstack = async (line: string): Promise<void> => {
  const environment = { OS_CLIENT_CONFIG_FILE: service.clouds, OS_CLOUD: 'lessee' }
  const { code, stderr } = await clients.run('openstack', `baremetal ${line}`, environment)
  if (code !== 0) throw new Error(`openstack baremetal ${line}: ${stderr}`)
}
const qemuPid = async (): Promise<number> =>
  Number(await readFile(join(directory, 'qemu.pid'), 'utf8').catch(() => '0'))
/** Whether the machine is there. */
const isRunning = async (): Promise<boolean> => {
  const pid = await qemuPid()
  const words = pid ? await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '') : ''
  return words.startsWith('qemu-system')
}
const events = (): string[] =>
  watcher.controls.flatMap((control) =>
    control.type === 'event' && control.event.startsWith('power') ? [control.event] : [],
  )
/** What the service has recorded since the node is the lessee's: the raw journal. */
const journal = async (): Promise<Buffer> => {
  const reader = await service.watch('lessee', node, { offset: '0', mode: 'read' })
  await until(() => reader.last('hello'))
  const { end = 0, offset = 0 } = reader.last('hello') ?? {}
  await until(() => reader.bytes.length >= end - offset, 'the journal')
  await reader.close()
  return reader.bytes
}

describe('a machine with a Linux', () => {
  test('starts with openstack baremetal node power on, and its boot log through the console is what QEMU wrote itself', async () => {
    await openstack(`node power on ${node}`)
    await until(isRunning, 'QEMU')
    await until(() => watcher.text.includes('BOOTED'), 'the boot', 110_000)
    expect(watcher.text).toMatch(/Linux version \d/)
    // It sees the same BMC that we see it through.
    expect(watcher.text).toContain('BMC: product 0x0f02')
    watcher.type('echo typed-$((6 * 7))\r')
    await until(() => watcher.text.includes('typed-42'), 'the answer of its shell')
    const written = () => readFile(join(directory, 'serial.log'))
    await until(async () => (await journal()).length === (await written()).length, 'all of it')
    const log = await written()
    expect(log.length).toBeGreaterThan(10_000)
    expect((await journal()).equals(log)).toBe(true)
    expect(watcher.bytes.equals(log)).toBe(true)
    expect(events()).toContain('power on')
  }, 150_000)

  test('that shuts itself down is seen to be off', async () => {
    watcher.type('poweroff -f\r')
    await until(async () => !(await isRunning()), 'the end of QEMU', 30_000)
    await until(() => events().at(-1) === 'power off', 'the event', 30_000)
    expect((await service.ask('lessee', 'GET', `/v1/nodes/${node}`)).power_state).toBe('power off')
  })

  test('is started and stopped by openstack baremetal node power, which the watcher is told of', async () => {
    await openstack(`node power on ${node}`)
    await until(isRunning, 'QEMU')
    await until(() => events().at(-1) === 'power on', 'the event', 30_000)
    await openstack(`node power off ${node}`)
    await until(async () => !(await isRunning()), 'the end of QEMU', 30_000)
    await until(() => events().at(-1) === 'power off', 'the event', 30_000)
    expect(watcher.last('state')?.state ?? 'up').toBe('up')
  })
})

/** What ipmi_sim starts the machine with. It waits for ipmi_sim on its serial line, which looks every 10 s. */
const qemuScript = (serial: number, systemInterface: number): string => `#!/bin/sh
echo $$ > ${directory}/qemu.pid
exec qemu-system-x86_64 -accel tcg -m 256 -nodefaults -display none -no-reboot \\
  -kernel ${guest}/vmlinuz -initrd ${guest}/initrd -append "console=ttyS0,115200 panic=1" \\
  -chardev socket,id=ipmi0,host=127.0.0.1,port=${systemInterface},reconnect=5 \\
  -device ipmi-bmc-extern,id=bmc0,chardev=ipmi0 -device isa-ipmi-kcs,bmc=bmc0 \\
  -chardev socket,id=ser0,host=127.0.0.1,port=${serial},server=on,wait=on,logfile=${directory}/serial.log,logappend=on \\
  -serial chardev:ser0 > ${directory}/qemu.out 2>&1
`
