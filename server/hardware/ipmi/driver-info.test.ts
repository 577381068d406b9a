/** Reading `driver_info` of ipmi nodes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LeaseholdError } from '../../errors.ts'
import { bootModeOf } from './boot-mode.ts'
import { ipmiProperties, readBmcAccess } from './driver-info.ts'

const read = (driver_info: Record<string, unknown>) =>
  readBmcAccess({ driver_info: { ipmi_address: '192.0.2.7', ...driver_info } })

describe('driver_info', () => {
  it("has Ironic's defaults", () => {
    expect(read({})).toEqual({
      target: { address: '192.0.2.7', port: 623, username: '', password: '', privilege: 'ADMINISTRATOR' },
      cipherSuites: [17, 3],
      forceBootDevice: false,
      disableBootTimeout: true,
    })
  })

  it('is understood as command lines send it: all text', () => {
    const access = read({
      ipmi_port: '6230',
      ipmi_username: 'admin',
      ipmi_password: 'secret',
      ipmi_cipher_suite: '3',
      ipmi_priv_level: 'OPERATOR',
      ipmi_hex_kg_key: 'ab'.repeat(20),
      ipmi_force_boot_device: 'True',
      ipmi_disable_boot_timeout: 'false',
      ipmi_protocol_version: '2.0',
      ipmi_bridging: 'no',
      ipmi_terminal_port: '8023',
    })
    expect(access).toEqual({
      target: {
        address: '192.0.2.7',
        port: 6230,
        username: 'admin',
        password: 'secret',
        privilege: 'OPERATOR',
        kg: Buffer.alloc(20, 0xab),
      },
      cipherSuites: [3],
      forceBootDevice: true,
      disableBootTimeout: false,
    })
  })

  it('takes a password of digits that was sent as a number', () => {
    expect(read({ ipmi_password: 12345 }).target.password).toBe('12345')
  })

  it.each(['192.0.2.7', '2001:db8::7', 'fe80::7%eth0', 'bmc7', 'bmc_7.rack-b.example.org', 'example.org.'])(
    'takes %s as an address',
    (address) => expect(read({ ipmi_address: address }).target.address).toBe(address),
  )

  it.each([
    'https://bmc',
    'bmc:623',
    '[2001:db8::7]',
    'a b',
    '-bmc',
    '192.0.2.300',
    '1234',
    'a..b',
    '..',
    'x'.repeat(254),
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    '::',
    7,
    {},
  ])('refuses %j as an address', (address) =>
    expect(() => read({ ipmi_address: address })).toThrow(/^driver_info: ipmi_address must be/),
  )

  it.each([
    [{ ipmi_address: undefined }, 'ipmi_address is missing'],
    [{ ipmi_address: '' }, 'ipmi_address is missing'],
    [{ ipmi_port: 0 }, 'ipmi_port must be a whole number from 1 to 65535'],
    [{ ipmi_port: 65_536 }, 'ipmi_port must be'],
    [{ ipmi_port: '623a' }, 'ipmi_port must be'],
    [{ ipmi_terminal_port: 'tty' }, 'ipmi_terminal_port must be'],
    [{ ipmi_username: 'a'.repeat(17) }, 'ipmi_username must be at most 16 bytes'],
    [{ ipmi_password: 'p'.repeat(21) }, 'ipmi_password must be at most 20 bytes'],
    [{ ipmi_password: ['p'] }, 'ipmi_password must be text'],
    [{ ipmi_cipher_suite: 0 }, 'ipmi_cipher_suite must be 3 or 17'],
    [{ ipmi_cipher_suite: '8' }, 'ipmi_cipher_suite must be 3 or 17'],
    [{ ipmi_priv_level: 'ROOT' }, 'ipmi_priv_level must be one of ADMINISTRATOR, OPERATOR, USER, CALLBACK'],
    [{ ipmi_hex_kg_key: 'abc' }, 'ipmi_hex_kg_key must be an even number of hexadecimal digits'],
    [{ ipmi_hex_kg_key: 'ab'.repeat(21) }, 'ipmi_hex_kg_key must be'],
    [{ ipmi_force_boot_device: 'maybe' }, 'ipmi_force_boot_device must be true or false'],
    [{ ipmi_disable_boot_timeout: {} }, 'ipmi_disable_boot_timeout must be true or false'],
    [{ ipmi_protocol_version: '1.5' }, 'ipmi_protocol_version must be 2.0: IPMI 1.5'],
    [{ ipmi_bridging: 'dual' }, 'ipmi_bridging must be no'],
  ])('%j is refused naming the key and the remedy', (driver_info, words) => {
    expect(() => read(driver_info)).toThrow(words)
  })

  it('never repeats a secret in an error', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]{21,40}$/), (secret) => {
        for (const key of ['ipmi_password', 'ipmi_hex_kg_key']) {
          let message = ''
          try {
            read({ [key]: `${secret}~` })
          } catch (error) {
            message = (error as Error).message
          }
          expect(message).toContain(key)
          expect(message).not.toContain(secret)
        }
      }),
    )
  })

  it('is read or refused naming one of its keys, whatever it holds', () => {
    const values = Object.fromEntries(Object.keys(ipmiProperties).map((key) => [key, fc.anything()]))
    fc.assert(
      fc.property(fc.record(values, { requiredKeys: [] }), (driver_info) => {
        try {
          const { target } = readBmcAccess({ driver_info })
          expect(target.port).toBeGreaterThanOrEqual(1)
          expect(Buffer.byteLength(target.password)).toBeLessThanOrEqual(20)
        } catch (error) {
          expect(error).toBeInstanceOf(LeaseholdError)
          expect((error as Error).message).toMatch(/^driver_info: ipmi_\w+ (is|must)/)
        }
      }),
    )
  })

  it('takes every port as a number and as text alike', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_535 }), (port) => {
        expect(read({ ipmi_port: port }).target.port).toBe(port)
        expect(read({ ipmi_port: String(port) }).target.port).toBe(port)
      }),
    )
  })
})

describe('boot mode', () => {
  const mode = (
    instance_info: Record<string, unknown>,
    capabilities?: string,
    boot_mode: string | null = null,
  ) =>
    bootModeOf({ instance_info, properties: capabilities === undefined ? {} : { capabilities }, boot_mode })

  it('is uefi when nobody says', () => expect(mode({})).toBe('uefi'))
  it("is the node's capability", () => expect(mode({}, 'cpus:4,boot_mode:bios')).toBe('bios'))
  it('is what was last seen when no capability says', () => expect(mode({}, 'cpus:4', 'bios')).toBe('bios'))
  it('is what the instance asks for before what the node says', () => {
    expect(mode({ capabilities: { boot_mode: 'uefi' } }, 'boot_mode:bios')).toBe('uefi')
    expect(mode({ capabilities: '{"boot_mode": "bios"}' }, 'boot_mode:uefi')).toBe('bios')
    expect(mode({ deploy_boot_mode: 'bios' }, 'boot_mode:uefi')).toBe('bios')
  })
  it('is uefi with secure boot', () =>
    expect(mode({ capabilities: { secure_boot: 'true', boot_mode: 'bios' } })).toBe('uefi'))
  it('is told from any capabilities without failing', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (instance, machine) => {
        const node = {
          instance_info: { capabilities: instance },
          properties: { capabilities: machine },
          boot_mode: null,
        }
        expect(['uefi', 'bios']).toContain(bootModeOf(node))
      }),
    )
  })
})
