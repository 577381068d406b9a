/** A fake machine: what each interface does, and what each knob changes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LeaseholdError } from '../../errors.ts'
import { testNode } from '../testing.ts'
import {
  type BiosSetting,
  type Bounds,
  type InterfaceType,
  interfaceTypes,
  type MachineChanges,
  type Node,
  powerTargets,
} from '../types.ts'
import { createFakeHardware } from './type.ts'

const fakeHardware = createFakeHardware({ allowLocal: false })
const [power] = fakeHardware.interfaces.power
const [management] = fakeHardware.interfaces.management
const [inspect] = fakeHardware.interfaces.inspect
const [rescue] = fakeHardware.interfaces.rescue
if (!power || !management || !inspect || !rescue) throw new Error('fake-hardware lacks an interface')

const unbounded = (): Bounds => ({ signal: new AbortController().signal })
const withKnobs = (driver_info: Record<string, unknown>, own: Partial<Node> = {}) =>
  testNode({ driver_info, ...own })

function step(type: InterfaceType, name: string, kind: string) {
  const steps = fakeHardware.interfaces[type][0]?.steps ?? []
  const found = steps.find((each) => each.step === name && each.kind === kind)
  if (!found) throw new Error(`no ${kind} step ${type}.${name}`)
  return found
}

describe('power', () => {
  it('is what the row says, and off before anything was said', async () => {
    expect(await power.getState(testNode(), unbounded())).toBe('power off')
    expect(await power.getState(testNode({ power_state: 'power on' }), unbounded())).toBe('power on')
  })

  it('changes to every target', async () => {
    expect(power.supported).toEqual(powerTargets)
    for (const target of powerTargets)
      await expect(
        power.setState(testNode(), target, { ...unbounded(), timeoutMs: 1000 }),
      ).resolves.toBeUndefined()
  })

  it('fails after timeoutMs when the machine takes longer, and says what to do', async () => {
    const change = power.setState(withKnobs({ fake_delay_ms: 5000 }), 'power on', {
      ...unbounded(),
      timeoutMs: 20,
    })
    await expect(change).rejects.toThrow('power on took longer than 20 ms; lower driver_info')
  })

  it('ends with the reason of the signal that stops it', async () => {
    const control = new AbortController()
    const change = power.setState(withKnobs({ fake_delay_ms: 60_000 }), 'power on', {
      signal: control.signal,
      timeoutMs: 60_000,
    })
    control.abort(new LeaseholdError('unavailable', 'this conductor stops'))
    await expect(change).rejects.toThrow('this conductor stops')
  })
})

describe('boot device', () => {
  it('is what the row says', async () => {
    expect(await management.getBootDevice(testNode(), unbounded())).toEqual({
      boot_device: 'pxe',
      persistent: false,
    })
    const node = testNode({ boot_device: { boot_device: 'disk', persistent: true } })
    expect(await management.getBootDevice(node, unbounded())).toEqual({
      boot_device: 'disk',
      persistent: true,
    })
  })

  it('refuses one it does not support and names those it does', async () => {
    await expect(management.setBootDevice(testNode(), 'floppy', false, unbounded())).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('choose one of pxe, disk, cdrom, bios, safe'),
    })
  })
})

describe('inspection', () => {
  it('finds properties, and leaves those that the node has', async () => {
    const found = await inspect.inspect(testNode({ properties: { cpus: 64, rack: 'b7' } }), unbounded())
    expect(found).toMatchObject({
      properties: { cpu_arch: 'x86_64', cpus: 64, memory_mb: 8192, local_gb: 100 },
      inventory: {
        cpu: { architecture: 'x86_64', count: 64 },
        memory: { physical_mb: 8192 },
        interfaces: [{ name: 'eno1', mac_address: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/) }],
      },
      pluginData: { boot_interface: expect.any(String) },
    })
    expect((found as { properties: object }).properties).not.toHaveProperty('rack')
  })

  it('waits when fake_wait says so', async () => {
    expect(await inspect.inspect(withKnobs({ fake_wait: 'inspect.inspect' }), unbounded())).toBe('wait')
  })
})

describe('knobs', () => {
  it('fake_fail fails the operations it names, with fake_fail_message, and no other', async () => {
    const node = withKnobs({
      fake_fail: 'deploy.erase_devices, power.set_state',
      fake_fail_message: 'disk 3 is worn out',
    })
    await expect(step('deploy', 'erase_devices', 'clean').run(node, {}, unbounded())).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Fake machine: deploy.erase_devices: disk 3 is worn out.',
    })
    await expect(power.setState(node, 'power on', { ...unbounded(), timeoutMs: 100 })).rejects.toThrow(
      'worn out',
    )
    await expect(
      step('deploy', 'erase_devices_metadata', 'clean').run(node, {}, unbounded()),
    ).resolves.toBeUndefined()
  })

  it('fake_wait makes the steps it names wait, and no other', async () => {
    const node = withKnobs({ fake_wait: 'deploy.write_image,rescue.rescue' })
    expect(await step('deploy', 'write_image', 'deploy').run(node, {}, unbounded())).toBe('wait')
    expect(await rescue.rescue(node, unbounded())).toBe('wait')
    expect(await step('deploy', 'deploy', 'deploy').run(node, {}, unbounded())).toBeUndefined()
  })

  it('fake_delay_ms is how long an operation takes, given as text or as a number', async () => {
    for (const delay of [60, '60']) {
      const started = performance.now()
      await step('deploy', 'deploy', 'deploy').run(withKnobs({ fake_delay_ms: delay }), {}, unbounded())
      expect(performance.now() - started).toBeGreaterThanOrEqual(55)
    }
  })

  it('vendor.trigger_servicewait waits without being told to', async () => {
    expect(await step('vendor', 'trigger_servicewait', 'service').run(testNode(), {}, unbounded())).toBe(
      'wait',
    )
  })

  it.each([
    [{ fake_fail: 'deploy.erase_disks' }, 'fake_fail "deploy.erase_disks" is no operation; choose from'],
    [{ fake_wait: 'power.set_state' }, 'fake_wait "power.set_state" is no operation'],
    [{ fake_fail: ['deploy.deploy'] }, 'fake_fail must be text'],
    [{ fake_fail_message: 7 }, 'fake_fail_message must be text'],
    [{ fake_delay_ms: -1 }, 'fake_delay_ms must be a whole number of milliseconds from 0 to 600000'],
    [{ fake_delay_ms: 600_001 }, 'fake_delay_ms must be'],
    [{ fake_delay_ms: '1e3' }, 'fake_delay_ms must be'],
  ])('%j is refused by every interface, naming the key', (driver_info, words) => {
    for (const type of interfaceTypes) {
      const fake = fakeHardware.interfaces[type].find((each) => each.name === 'fake')
      if (fake) expect(() => fake.validate(withKnobs(driver_info))).toThrow(words)
    }
  })

  it('are read or refused with an error of ours, whatever driver_info holds', () => {
    fc.assert(
      fc.property(
        fc.record({ fake_fail: fc.anything(), fake_wait: fc.anything(), fake_delay_ms: fc.anything() }),
        (driver_info) => {
          try {
            power.validate(withKnobs(driver_info))
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining('fake_') })
          }
        },
      ),
    )
  })
})

describe('step arguments', () => {
  it.each([
    ['bios', 'apply_configuration', 'clean', { settings: 'all' }, 'args: settings must be a list'],
    ['firmware', 'update', 'service', {}, 'args: settings must be a list'],
    ['raid', 'apply_configuration', 'deploy', { raid_config: {} }, 'args: raid_config must be'],
  ] as const)('of %s.%s are checked', async (type, name, kind, args, words) => {
    await expect(step(type, name, kind).run(testNode(), args, unbounded())).rejects.toThrow(words)
  })

  it.each([
    [
      'bios',
      'apply_configuration',
      { settings: [{ name: 'Nonesuch', value: '1' }] },
      'no BIOS setting Nonesuch',
    ],
    ['bios', 'apply_configuration', { settings: [{ name: 'NumLock', value: 'Maybe' }] }, 'takes On or Off'],
    ['bios', 'apply_configuration', { settings: [{ name: 'BootRetryCount', value: 11 }] }, 'from 0 to 10'],
    ['bios', 'apply_configuration', { settings: [{ name: 'SystemModelName', value: 'x' }] }, 'only be read'],
    [
      'bios',
      'apply_configuration',
      { settings: [{ name: 'OwnerTag', value: 'x'.repeat(64) }] },
      'at most 63',
    ],
    [
      'firmware',
      'update',
      { settings: [{ component: 'psu', url: 'http://a/b' }] },
      'component must be one of',
    ],
  ] as const)('of %s.%s that the machine has no use for are refused: %j', async (type, name, args, words) => {
    await expect(step(type, name, 'clean').run(testNode(), args, unbounded())).rejects.toThrow(words)
  })
})

/** Does a step, and tells the node what it came to, as a workflow does. */
async function done(node: Node, type: InterfaceType, name: string, kind: string, args = {}): Promise<Node> {
  const result = await step(type, name, kind).run(node, args, unbounded())
  return told(node, typeof result === 'object' ? result.changes : {})
}
const told = (node: Node, { memory, ...changes }: MachineChanges): Node =>
  ({ ...node, ...changes, driver_internal_info: { ...node.driver_internal_info, ...memory } }) as Node
const settingOf = (node: Node, name: string) =>
  (node as unknown as { bios_settings: BiosSetting[] }).bios_settings.find((each) => each.name === name)
    ?.value

describe('what a machine remembers', () => {
  it('BIOS settings stay as they were applied, whatever else is done, until they are reset', async () => {
    const apply = (node: Node, name: string, value: string) =>
      done(node, 'bios', 'apply_configuration', 'clean', { settings: [{ name, value }] })
    let node = await apply(testNode(), 'ProcTurboMode', 'Disabled')
    node = await apply(node, 'NumLock', 'Off')
    node = await done(node, 'management', 'check_bmc', 'verify')
    expect([settingOf(node, 'ProcTurboMode'), settingOf(node, 'NumLock')]).toEqual(['Disabled', 'Off'])
    node = await done(node, 'bios', 'factory_reset', 'clean')
    expect([settingOf(node, 'ProcTurboMode'), settingOf(node, 'NumLock')]).toEqual(['Enabled', 'On'])
  })

  it('firmware has the version that its image names', async () => {
    const settings = [{ component: 'bmc', url: 'https://images.example/fw/bmc-2.4.1.bin?x=9.9' }]
    const node = await done(testNode(), 'firmware', 'update', 'service', { settings })
    expect(node).toMatchObject({
      firmware_components: [
        { component: 'bios', current_version: '1.0.0', last_version_flashed: null },
        { component: 'bmc', current_version: '2.4.1', last_version_flashed: '2.4.1' },
        { component: 'nic:eno1' },
      ],
    })
  })

  it('RAID is what the target asks for, or the part of it that the step is told to make', async () => {
    const target_raid_config = {
      logical_disks: [
        { size_gb: 100, raid_level: '1', is_root_volume: true },
        { size_gb: 'MAX', raid_level: '5' },
      ],
    }
    const levels = (node: Node) =>
      (node.raid_config.logical_disks as { raid_level: string }[]).map((d) => d.raid_level)
    const create = (node: Node, args = {}) => done(node, 'raid', 'create_configuration', 'clean', args)
    let node = await create(testNode({ target_raid_config }))
    expect(levels(node)).toEqual(['1', '5'])
    node = await create(node, { create_root_volume: false })
    expect(levels(node)).toEqual(['5'])
    node = await create(node, { create_nonroot_volumes: false, delete_existing: false })
    expect(levels(node)).toEqual(['5', '1'])
    expect((await done(node, 'raid', 'delete_configuration', 'clean')).raid_config).toEqual({})
    await expect(create(testNode())).rejects.toThrow('has no target_raid_config; set it')
  })

  it('lights, media, interruptions and notes are kept apart from one another', async () => {
    const identify = management.indicators?.(testNode()).find((light) => light.name === 'identify')
    if (!identify) throw new Error('no identify light')
    let node = testNode()
    const media = {
      image_url: 'https://user:pw@a.example/x.iso?key=1',
      image_download_source: 'local',
    } as const
    node = told(node, (await management.setIndicator?.(node, identify, 'blinking', unbounded())) ?? {})
    node = told(
      node,
      (await management.attachMedium?.(node, { device_type: 'cdrom', ...media }, unbounded())) ?? {},
    )
    node = told(node, (await management.injectNmi?.(node, unbounded())) ?? {})
    expect(await management.getIndicator?.(node, identify, unbounded())).toBe('blinking')
    expect(node.driver_internal_info.fake).toMatchObject({ nmis: 1 })
    // No right that a URL carries is kept.
    expect((await management.listMedia?.(node, unbounded()))?.[0]).toEqual({
      media_types: ['cdrom'],
      inserted: true,
      image: 'https://a.example/x.iso',
    })
    node = told(node, (await management.detachMedia?.(node, ['cdrom'], unbounded())) ?? {})
    expect((await management.listMedia?.(node, unbounded()))?.[0]?.inserted).toBe(false)
  })

  it('secure boot goes with UEFI only', async () => {
    const node = testNode({ boot_mode: 'bios' })
    await expect(management.setSecureBoot?.(node, true, unbounded())).rejects.toThrow('needs boot mode uefi')
    expect(await management.setBootMode?.(testNode({ secure_boot: true }), 'bios', unbounded())).toEqual({
      boot_mode: 'bios',
      secure_boot: false,
    })
  })
})
