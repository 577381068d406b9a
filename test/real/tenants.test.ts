/** The road that the service was made for: machines of one project, lent to another, hidden from a third. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Demo, type Printed, startDemo } from './demo.ts'

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.end())

const names = (rows: Printed[]): string[] => rows.map((row) => row.name)
const machines = (...numbers: number[]) => numbers.map((number) => `machine-${number}`)
const power = (name: string) =>
  expect.poll(() => demo.ipmitool(name, 'chassis power status'), { timeout: 10_000 })
/** What its BMC was told about power, and what came of it, without the boots in between. */
const powerEvents = (name: string) =>
  expect.poll(async () => (await demo.history(name)).filter((event) => event !== 'booted'), {
    timeout: 15_000,
  })
/** The node is done with what it was asked: until then another request for its power is a conflict (409). */
const idle = (name: string) =>
  expect
    .poll(() => demo.admin.json(`node show ${name} --fields target_power_state reservation`), {
      timeout: 30_000,
    })
    .toMatchObject({ target_power_state: null, reservation: null })

describe('nodes in the list', () => {
  test('are all for the administrator', async () => {
    expect(names(await demo.admin.json('node list'))).toEqual(
      machines(...Array.from({ length: 12 }, (_, index) => index + 1)),
    )
  })

  test('are its own for the owner, the leased ones for the lessee, none for the stranger', async () => {
    expect(names(await demo.owner.json('node list'))).toEqual(machines(1, 2, 3, 4, 5, 6))
    expect(names(await demo.lessee.json('node list'))).toEqual(machines(1, 2))
    expect(await demo.stranger.json('node list')).toEqual([])
  })
})

describe('a lessee without any right on the system', () => {
  test('has no role but the one in its own project', async () => {
    const assigned = JSON.parse(await demo.admin.run('role assignment list --user lessee --names -f json'))
    expect(assigned).toEqual([
      expect.objectContaining({ Role: 'manager', Project: 'lessee@Default', System: '' }),
    ])
  })

  test('turns a leased node on and off over IPMI', async () => {
    expect(await demo.ipmitool('machine-1', 'chassis power status')).toBe('Chassis Power is off\n')
    await demo.lessee('node power on machine-1')
    await power('machine-1').toBe('Chassis Power is on\n')
    await idle('machine-1')
    expect((await demo.lessee.json('node show machine-1 --fields power_state')).power_state).toBe('power on')
    await demo.lessee('node power off machine-1')
    await power('machine-1').toBe('Chassis Power is off\n')
    await idle('machine-1')
    expect((await demo.lessee.json('node show machine-1 --fields power_state')).power_state).toBe('power off')
    await powerEvents('machine-1').toEqual(expect.arrayContaining(['power on', 'power off']))
    expect(await demo.history('machine-2')).toEqual([])
  })

  test('reboots it, and shuts it down softly', async () => {
    await demo.lessee('node power on machine-2')
    await power('machine-2').toBe('Chassis Power is on\n')
    await idle('machine-2')
    await demo.lessee('node reboot machine-2 --power-timeout 30')
    await powerEvents('machine-2').toEqual(['power on', 'power off', 'power on'])
    await idle('machine-2')
    await demo.lessee('node reboot machine-2 --soft --power-timeout 30')
    await powerEvents('machine-2').toEqual([
      'power on',
      'power off',
      'power on',
      'power soft',
      'shut down',
      'power on',
    ])
    await idle('machine-2')
    await demo.lessee('node power off --soft machine-2 --power-timeout 30')
    await power('machine-2').toBe('Chassis Power is off\n')
    // The lab writes its history down a moment after the BMC has told.
    await expect
      .poll(async () => (await demo.history('machine-2')).filter((event) => event !== 'booted').slice(-2), {
        timeout: 15_000,
      })
      .toEqual(['power soft', 'shut down'])
  })

  test('sees nothing of the BMC, and cannot change it', async () => {
    const { driver_info } = await demo.lessee.json('node show machine-1 --fields driver_info')
    expect(JSON.stringify(driver_info)).not.toMatch(/ipmi_/)
    expect(await demo.lessee.refused('node set machine-1 --driver-info ipmi_password=mine')).toContain(
      'HTTP 403',
    )
    const info = (await demo.admin.json('node show machine-1 --fields driver_info')).driver_info
    expect(info).toMatchObject({ ipmi_address: '127.0.0.1', ipmi_username: 'admin', ipmi_password: '******' })
  })

  test('may not do what is the owner’s', async () => {
    for (const line of [
      'node set machine-1 --lessee none',
      'node set machine-1 --owner mine',
      'node set machine-1 --name mine',
      'node delete machine-1',
      'node boot device set machine-1 pxe',
      'node create --driver fake-hardware --owner someone',
    ])
      expect(await demo.lessee.refused(line), line).toContain('HTTP 403')
    expect(await demo.admin.json('node show machine-1 --fields name owner lessee')).toEqual({
      name: 'machine-1',
      owner: demo.projects.owner,
      lessee: demo.projects.lessee,
    })
  })
})

describe('a lease', () => {
  test('gives the node to the lessee at once, and its end takes it back at once', async () => {
    expect(await demo.lessee.refused('node show machine-3')).toContain('could not be found')
    await demo.owner(`node set machine-3 --lessee ${demo.projects.lessee}`)
    expect(names(await demo.lessee.json('node list'))).toEqual(machines(1, 2, 3))
    await demo.lessee('node power on machine-3')
    await power('machine-3').toBe('Chassis Power is on\n')

    await demo.owner('node unset machine-3 --lessee')
    expect(names(await demo.lessee.json('node list'))).toEqual(machines(1, 2))
    expect(await demo.lessee.refused('node show machine-3')).toContain('could not be found')
    expect(await demo.lessee.refused('node power off machine-3')).toContain('could not be found')
    expect(await demo.ipmitool('machine-3', 'chassis power status')).toBe('Chassis Power is on\n')
  })

  test('is not for the lessee to pass on, nor for an owner to make of another’s node', async () => {
    const to = `--lessee ${demo.projects.stranger}`
    expect(await demo.lessee.refused(`node set machine-2 ${to}`)).toContain('HTTP 403')
    expect(await demo.owner.refused(`node set machine-7 ${to}`)).toContain('could not be found')
    expect(await demo.stranger.json('node list')).toEqual([])
  })
})

describe('a stranger', () => {
  const everyOne = (lines: readonly string[], words: RegExp) =>
    Promise.all(lines.map(async (line) => expect(await demo.stranger.refused(line), line).toMatch(words)))

  test('finds no node, whatever it tries', async () => {
    const { uuid } = await demo.admin.json('node show machine-1 --fields uuid')
    await everyOne(
      [
        'node show machine-1',
        `node show ${uuid}`,
        'node validate machine-1',
        'node set machine-1 --description mine',
        'node unset machine-1 --lessee',
        'node delete machine-1',
        'node power on machine-1',
        'node power off machine-1',
        'node reboot machine-1',
        'node maintenance set machine-1',
        'node maintenance unset machine-1',
        'node boot device show machine-1',
        'node boot device set machine-1 pxe',
        'node manage machine-1',
        'node provide machine-1',
        'node deploy machine-1',
        'node undeploy machine-1',
        'node rebuild machine-1',
        'node abort machine-1',
        'node inspect machine-1',
        'node rescue machine-1 --rescue-password x',
        'node unrescue machine-1',
        'node trait list machine-1',
        'node trait add machine-1 CUSTOM_MINE',
        'node history list machine-1',
        'node children list machine-1',
      ],
      /could not be found.*HTTP 404/s,
    )
  })

  test('finds no port either', async () => {
    const [port] = await demo.admin.json('port list --node machine-1')
    await everyOne(
      [
        `port show ${port.uuid}`,
        `port show --address ${port.address}`,
        `port set ${port.uuid} --description mine`,
        `port unset ${port.uuid} --description`,
        `port delete ${port.uuid}`,
      ],
      /could not be found|not found/i,
    )
    expect(await demo.stranger.json('port list')).toEqual([])
    expect(await demo.owner.json('port list')).toHaveLength(12)
  })

  test('learns nothing from filters and markers', async () => {
    const { uuid } = await demo.admin.json('node show machine-1 --fields uuid')
    for (const filter of [
      '--driver ipmi',
      '--provision-state available',
      `--owner ${demo.projects.owner}`,
      `--lessee ${demo.projects.lessee}`,
      '--resource-class baremetal',
    ])
      expect(await demo.stranger.json(`node list ${filter}`), filter).toEqual([])
    expect(await demo.stranger.refused(`node list --marker ${uuid}`)).toContain('could not be found')
  })

  test('changed nothing by all that', async () => {
    expect((await demo.admin.json('node show machine-1 --fields description')).description).toBe(
      'A simulated machine of the demonstration lab',
    )
    expect(await demo.admin.json('node trait list machine-1')).toEqual([])
    expect(await demo.history('machine-4')).toEqual([])
  })
})
