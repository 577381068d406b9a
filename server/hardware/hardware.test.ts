/** The registry, validation and description of hardware types, through the room's door. */
import { pino } from 'pino'
import { afterAll, describe, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import { conductorDrivers, createHardware, driverProperties, interfaceTypes, validateNode } from './index.ts'
import { testNode } from './testing.ts'

const hardware = createHardware({ config: defaultConfig(), log: pino({ level: 'silent' }) })
afterAll(() => hardware.close())

describe('choosing interfaces', () => {
  it("gives a fresh fake-hardware node Ironic's defaults", () => {
    expect(hardware.chooseInterfaces('fake-hardware', {})).toEqual({
      bios: 'fake',
      boot: 'fake',
      console: 'fake',
      deploy: 'fake',
      firmware: 'fake',
      inspect: 'fake',
      management: 'fake',
      network: 'noop',
      power: 'fake',
      raid: 'fake',
      rescue: 'fake',
      storage: 'noop',
      vendor: 'fake',
    })
  })

  it("gives an ipmi node Ironic's names for power, management and console", () => {
    expect(hardware.chooseInterfaces('ipmi', { power: null })).toMatchObject({
      power: 'ipmitool',
      management: 'ipmitool',
      deploy: 'noop',
      console: 'ipmitool-socat',
    })
  })

  it('takes what was asked for and defaults for the rest', () => {
    const chosen = hardware.chooseInterfaces('fake-hardware', { console: 'no-console', storage: 'fake' })
    expect(chosen).toMatchObject({ console: 'no-console', storage: 'fake', power: 'fake' })
  })

  it('names the interface, the driver and the choices when a driver does not support what was asked for', () => {
    expect(() => hardware.chooseInterfaces('ipmi', { deploy: 'direct' })).toThrow(
      'deploy_interface: hardware type ipmi has no implementation direct here; choose one of noop.',
    )
  })

  it('names the drivers that there are when one is unknown', () => {
    expect(() => hardware.chooseInterfaces('redfish', {})).toThrow(
      'driver: no hardware type redfish is enabled here; choose one of fake-hardware, ipmi.',
    )
  })

  it('finds the implementation of every interface that it chose', () => {
    for (const driver of hardware.types.keys()) {
      const interfaces = hardware.chooseInterfaces(driver, {})
      for (const type of interfaceTypes)
        expect(hardware.implementation({ driver, interfaces }, type).name).toBe(interfaces[type])
    }
  })
})

describe('steps', () => {
  it('belong to the interface that has them and have one name each for a kind', () => {
    for (const type of hardware.types.values())
      for (const each of interfaceTypes)
        for (const { name, steps = [] } of type.interfaces[each]) {
          expect(steps.every((step) => step.interface === each)).toBe(true)
          const names = steps.map((step) => `${step.kind} ${step.step}`)
          expect(new Set(names).size, `${type.name} ${each} ${name}`).toBe(names.length)
        }
  })

  it('of fake-hardware deploy, clean and verify by themselves, highest priority first', () => {
    const steps = interfaceTypes.flatMap((each) => [
      ...(hardware.implementation(testNode(), each).steps ?? []),
    ])
    const automatic = (kind: string) =>
      steps
        .filter((step) => step.kind === kind && step.priority > 0)
        .sort((a, b) => b.priority - a.priority)
        .map((step) => `${step.interface}.${step.step}`)
    expect(automatic('deploy')).toEqual(['deploy.deploy', 'deploy.write_image', 'deploy.boot_instance'])
    expect(automatic('clean')).toEqual(['deploy.erase_devices_metadata', 'deploy.erase_devices'])
    expect(automatic('verify')).toEqual(['management.check_bmc'])
    expect(automatic('service')).toEqual([])
  })

  it('of an ipmi node clean nothing: none is declared', () => {
    const node = testNode({ driver: 'ipmi' })
    const steps = interfaceTypes.flatMap((each) => hardware.implementation(node, each).steps ?? [])
    expect(steps.filter((step) => step.kind === 'clean')).toEqual([])
  })
})

describe('validating a node', () => {
  it('says true of every interface of a fresh fake node, and leaves vendor out', () => {
    const result = validateNode(hardware, testNode())
    expect(Object.keys(result).sort()).toEqual(interfaceTypes.filter((each) => each !== 'vendor').sort())
    expect(Object.values(result)).toEqual(Array(12).fill({ result: true }))
  })

  it('says null, in words of Ironic, of what the node has no support for', () => {
    const node = testNode({ interfaces: { console: 'no-console', rescue: 'no-rescue' } })
    expect(validateNode(hardware, node)).toMatchObject({
      console: {
        result: null,
        reason: 'Driver fake-hardware does not support console (disabled or not implemented).',
      },
      rescue: { result: null },
      power: { result: true },
    })
  })

  it('says false of power and management of an ipmi node without an address, naming the field', () => {
    const result = validateNode(hardware, testNode({ driver: 'ipmi' }))
    for (const each of ['power', 'management'] as const)
      expect(result[each]).toEqual({
        result: false,
        reason: 'driver_info: ipmi_address is missing; give the IP address or host name of the BMC.',
      })
    expect(result.network).toEqual({ result: true })
  })

  it('says false of deploy when an image is asked of a machine that is handed over as it is', () => {
    const node = testNode({ driver: 'ipmi', instance_info: { image_source: 'http://example.org/a.img' } })
    expect(validateNode(hardware, node).deploy).toMatchObject({
      result: false,
      reason: expect.stringContaining('image_source'),
    })
  })

  it('is an answer, not a failure, for a driver that is not here', () => {
    expect(validateNode(hardware, testNode({ driver: 'redfish' })).power.result).toBe(false)
  })

  it('shows the failure that fake_fail asks for, in that interface only', () => {
    const result = validateNode(hardware, testNode({ driver_info: { fake_fail: 'boot.validate' } }))
    expect(result.boot.result).toBe(false)
    expect(result.deploy).toEqual({ result: true })
  })
})

describe('describing drivers', () => {
  it("gives a conductor's row every type with what it supports", () => {
    const drivers = conductorDrivers(hardware)
    expect(Object.keys(drivers)).toEqual(['fake-hardware', 'ipmi'])
    expect(Object.keys(drivers.ipmi ?? {}).sort()).toEqual([...interfaceTypes].sort())
    expect(drivers.ipmi?.management).toEqual({ default: 'ipmitool', enabled: ['ipmitool', 'noop'] })
  })

  it('tells every driver_info key that a driver reads', () => {
    const ipmi = driverProperties(hardware, 'ipmi')
    expect(Object.keys(ipmi)).toEqual(Object.keys(ipmi).sort())
    expect(Object.keys(ipmi)).toEqual(
      expect.arrayContaining([
        'ipmi_address',
        'ipmi_port',
        'ipmi_username',
        'ipmi_password',
        'ipmi_cipher_suite',
      ]),
    )
    expect(() => driverProperties(hardware, 'nothing')).toThrow('no hardware type nothing')
    const fake = driverProperties(hardware, 'fake-hardware')
    expect(Object.keys(fake).filter((key) => !key.startsWith('console_'))).toEqual([
      'fake_delay_ms',
      'fake_fail',
      'fake_fail_message',
      'fake_wait',
    ])
    expect(fake.console_host_key).toContain('Fingerprint')
    expect(fake.fake_fail).toContain('deploy.erase_devices')
  })
})
