/** gophercloud, unmodified: the calls that Metal3's baremetal-operator makes, by the owner of a node. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DemoService, startService } from './service.ts'

const execute = promisify(execFile)
const source = join(import.meta.dirname, 'gophercloud')
const go = join(import.meta.dirname, '../../.venv/bin/go')

// biome-ignore lint/suspicious/noExplicitAny: what another program prints, read by this test only
type Printed = any
interface Outcome {
  call: string
  value?: Printed
  status?: number
  error?: string
}

let directory: string
let service: DemoService
const outcomes = new Map<string, Outcome>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-go-'))
  const program = join(directory, 'metal3')
  await execute(go, ['build', '-o', program, '.'], { cwd: source }).catch((error) => {
    if (error.code !== 'ENOENT') throw error
    throw new Error('No Go to test with; install it with: test/real/install.sh')
  })
  service = await startService()
  const { stdout } = await execute(program, [service.clouds], { timeout: 85_000 })
  for (const line of stdout.trim().split('\n')) {
    const outcome: Outcome = JSON.parse(line)
    outcomes.set(outcome.call, outcome)
  }
})
afterAll(async () => {
  await service?.end()
  await rm(directory, { recursive: true, force: true })
})

const of = (call: string): Outcome => {
  const outcome = outcomes.get(call)
  if (!outcome) throw new Error(`main.go makes no call "${call}"`)
  return outcome
}

/** Calls whose value is asserted on. */
const values: Readonly<Record<string, Printed>> = {
  'drivers list': [{ name: 'fake-hardware', default_raid_interface: 'fake' }, { name: 'ipmi' }],
  'driver details': { name: 'fake-hardware', default_bios_interface: 'fake' },
  'driver properties': { ipmi_address: expect.any(String) },
  'driver disk properties': { size_gb: expect.any(String), raid_level: expect.any(String) },
  'conductors list': [{ alive: true, drivers: ['fake-hardware', 'ipmi'] }],
  'port absent': null,
  'node create': { name: 'metal3~host-0', provision_state: 'enroll', automated_clean: true },
  'port create': { address: '52:54:00:00:0a:01', pxe_enabled: true },
  'port by address': [{ address: '52:54:00:00:0a:01', local_link_connection: { port_id: 'Ethernet1' } }],
  'ports of node': [{ address: '52:54:00:00:0a:01' }],
  'node update': {
    driver_info: { deploy_ramdisk: 'http://127.0.0.1/ramdisk' },
    properties: { capabilities: 'boot_mode:uefi', root_device: { name: 's== /dev/sda' } },
  },
  manage: { provision_state: 'manageable', last_error: '' },
  'node list': expect.arrayContaining([
    expect.objectContaining({ name: 'metal3~host-0', provision_state: 'manageable' }),
  ]),
  'cleaning off': { automated_clean: false },
  validate: { power: { result: true }, deploy: { result: true }, firmware: { result: true } },
  'power on reached': { power_state: 'power on' },
  'soft power off reached': { power_state: 'power off' },
  'supported boot devices': expect.arrayContaining(['pxe', 'disk']),
  'boot device': { boot_device: 'disk', persistent: true },
  'in maintenance': { maintenance: true, maintenance_reason: 'host is detached' },
  inspect: { provision_state: 'manageable', last_error: '' },
  inventory: {
    inventory: { interfaces: [{ name: 'eno1', mac_address: expect.any(String) }], cpu: { count: 4 } },
  },
  'inventory, plugin data': expect.any(Object),
  clean: { provision_state: 'manageable', last_error: '' },
  'RAID is there': {
    raid_config: { logical_disks: [{ size_gb: 50, raid_level: '1' }, { raid_level: '0' }] },
  },
  'BIOS settings': expect.arrayContaining([
    expect.objectContaining({ name: 'ProcTurboMode', value: 'Disabled', attribute_type: 'Enumeration' }),
  ]),
  'BIOS setting': { name: 'ProcTurboMode', value: 'Disabled' },
  firmware: expect.arrayContaining([
    expect.objectContaining({ component: 'bmc', initial_version: '1.0.0', current_version: '2.1.0' }),
  ]),
  provide: { provision_state: 'available' },
  instance: {
    instance_uuid: '3f1bd3bb-3a24-4a6a-a7f3-0d1a65a5ab2b',
    instance_info: { capabilities: { boot_option: 'local' } },
  },
  'validate to deploy': { boot: { result: true }, deploy: { result: true } },
  active: { provision_state: 'active', last_error: '' },
  service: { provision_state: 'active', last_error: '' },
  rescue: { provision_state: 'rescue' },
  unrescue: { provision_state: 'active' },
  rebuild: { provision_state: 'active' },
  deleted: { provision_state: 'available', instance_uuid: '' },
  'manage again': { provision_state: 'manageable' },
  'virtual media': expect.anything(),
  VIFs: [],
  'disable power off': { name: 'metal3~host-0' },
  'enable power off': { name: 'metal3~host-0' },
  adopt: { provision_state: 'active' },
  'vendor methods': { echo: { async: false } },
  'vendor call': { word: 'hello' },
  'driver vendor methods': { echo: { async: false } },
  'allocation create': { name: 'for-metal3', state: 'allocating' },
  'allocation active': { name: 'for-metal3', state: 'active' },
  'allocations list': [{ name: 'for-metal3' }],
  'ports to delete': 1,
}

/** Calls that say nothing but that they succeeded. */
const silent = [
  'power on',
  'soft power off',
  'set boot device',
  'NMI',
  'set maintenance',
  'unset maintenance',
  'RAID config',
  'attach virtual media',
  'detach virtual media',
  'attach VIF',
  'detach VIF',
  'allocation delete',
  'maintenance before delete',
  'delete',
]

/** Calls that are to fail, with what status and words. */
const refusals: Readonly<Record<string, [number, RegExp]>> = {
  'node absent': [404, /could not be found/],
  'node of another tenant': [404, /could not be found/],
  'power off refused': [409, /disable_power_off/],
  "cleaning is not the owner's to turn off": [403, /disable_cleaning/],
  'node is gone': [404, /could not be found/],
  'no subscriptions here': [400, /get_all_subscriptions/],
  'delete refused': [409, /active/],
}

describe('Metal3', () => {
  test.each(Object.entries(values))('%s', (call, value) => {
    const outcome = of(call)
    expect(outcome.error).toBeUndefined()
    if (typeof value === 'object' && value !== null && !('asymmetricMatch' in value))
      expect(outcome.value).toMatchObject(value)
    else expect(outcome.value).toEqual(value)
  })

  test.each(silent)('%s succeeds', (call) => {
    expect(of(call).error).toBeUndefined()
  })

  test.each(Object.entries(refusals))('%s', (call, [status, words]) => {
    expect(of(call)).toMatchObject({ status, error: expect.stringMatching(words) })
  })

  test('every call is asserted on', () => {
    const asserted = new Set([...Object.keys(values), ...silent, ...Object.keys(refusals)])
    expect([...outcomes.keys()].filter((call) => !asserted.has(call))).toEqual([])
  })
})
