/** A fake machine: what each interface does, and what each knob changes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LeaseholdError } from '../../errors.ts'
import { testNode } from '../testing.ts'
import { type Bounds, type InterfaceType, interfaceTypes, type Node, powerTargets } from '../types.ts'
import { fakeHardware } from './type.ts'

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
    expect(found).toEqual({
      properties: { cpu_arch: 'x86_64', cpus: 64, memory_mb: 8192, local_gb: 100 },
    })
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

  it('that are right are taken', async () => {
    const args = { settings: [{ name: 'ProcTurboMode', value: 'Enabled' }] }
    await expect(
      step('bios', 'apply_configuration', 'clean').run(testNode(), args, unbounded()),
    ).resolves.toBeUndefined()
  })
})
