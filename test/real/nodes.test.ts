/** Nodes at the real client: made, listed, shown, changed, deleted, and everything that hangs on one. */
import { hostname } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Demo, type Printed, startDemo } from './demo.ts'

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.end())

const names = (rows: Printed[]): string[] => rows.map((row) => row.name)
const machines = (...numbers: number[]) => numbers.map((number) => `machine-${number}`)
const shown = (node: string, fields: string) => demo.admin.json(`node show ${node} --fields ${fields}`)

describe('node create', () => {
  test('makes a node with what it is given, and show says the same', async () => {
    const uuid = '11111111-2222-4333-8444-555555555555'
    const made = await demo.admin.json(
      `node create --driver fake-hardware --name made --uuid ${uuid} --resource-class big --description 'of two words'
       --property cpus=8 --property cpu_arch=x86_64 --extra rack=r7 --driver-info a=b --conductor-group '' --no-automated-clean
       --deploy-interface fake --power-interface fake --network-interface noop --owner ${demo.projects.owner}`,
    )
    expect(made).toMatchObject({
      uuid,
      name: 'made',
      driver: 'fake-hardware',
      resource_class: 'big',
      description: 'of two words',
      properties: { cpus: 8, cpu_arch: 'x86_64' },
      extra: { rack: 'r7' },
      driver_info: { a: 'b' },
      automated_clean: false,
      deploy_interface: 'fake',
      network_interface: 'noop',
      owner: demo.projects.owner,
      provision_state: 'enroll',
      power_state: null,
      maintenance: false,
    })
    expect(await demo.admin.json('node show made')).toEqual(made)
    await demo.admin('node delete made')
    expect(await demo.admin.refused('node show made')).toContain('could not be found')
  })

  test('refuses a driver, a name, an interface and a group that cannot be, each by name', async () => {
    const refused = (line: string) => demo.admin.refused(`node create ${line}`)
    expect(await refused('--driver no-such')).toMatch(/no-such.*HTTP 400/)
    expect(await refused('--driver fake-hardware --name not_a_host!')).toMatch(/not_a_host!.*HTTP 400/)
    expect(await refused('--driver fake-hardware --power-interface warp')).toMatch(/warp.*HTTP 400/)
    expect(await refused('--driver fake-hardware --conductor-group none')).toMatch(/group none.*HTTP 400/)
  })

  test('by a project’s admin gives the node to that project', async () => {
    const made = await demo.owner.json('node create --driver fake-hardware --name enrolled')
    expect(made.owner).toBe(demo.projects.owner)
    expect(await demo.lessee.refused('node show enrolled')).toContain('could not be found')
    await demo.owner('node delete enrolled')
    expect(names(await demo.admin.json('node list'))).not.toContain('enrolled')
  })

  test('and delete take many nodes at once', async () => {
    for (const name of ['many-1', 'many-2'])
      await demo.admin(`node create --driver fake-hardware --name ${name}`)
    expect(await demo.admin('node delete many-1 many-2')).toContain('Deleted node many-2')
    expect(await demo.admin.refused('node show many-1')).toContain('could not be found')
  })
})

describe('node list', () => {
  beforeAll(async () => {
    await demo.admin('node create --driver fake-hardware --name zz-parent --resource-class odd')
    const { uuid } = await shown('zz-parent', 'uuid')
    await demo.admin(
      `node create --driver fake-hardware --name zz-child --parent-node ${uuid} --description 'needle in hay' --shard s1`,
    )
    await demo.admin('node maintenance set machine-5 --reason broken')
    await demo.admin('node set machine-6 --instance-uuid 99999999-2222-4333-8444-555555555555')
    await demo.admin('node set zz-parent --retired')
  })

  test.each([
    ['--driver fake-hardware', ['zz-parent']],
    ['--driver fake-hardware --include-children', ['zz-child', 'zz-parent']],
    ['--parent-node zz-parent', ['zz-child']],
    ['--resource-class odd', ['zz-parent']],
    [`--conductor-group '' --driver fake-hardware`, ['zz-parent']],
    ['--conductor-group gr', []],
    [`--conductor HOST --driver fake-hardware`, ['zz-parent']],
    ['--conductor elsewhere', []],
    ['--provision-state enroll', ['zz-parent']],
    ['--description-contains needle --include-children', ['zz-child']],
    ['--shards s1 s2 --include-children', ['zz-child']],
    ['--sharded --include-children', ['zz-child']],
    ['--maintenance', ['machine-5']],
    ['--retired', ['zz-parent']],
    ['--associated', ['machine-6']],
    ['--fault none', []],
    ['--lessee LESSEE', machines(1, 2)],
    ['--owner OWNER --no-maintenance --no-retired', machines(1, 2, 3, 4, 6)],
    ['--owner OWNER --unassociated', machines(1, 2, 3, 4, 5)],
    ['--unsharded --driver ipmi --limit 2', machines(1, 2)],
  ])('%s', async (filter, expected) => {
    const line = filter
      .replace('LESSEE', demo.projects.lessee)
      .replace('OWNER', demo.projects.owner)
      .replace('HOST', hostname())
    expect(names(await demo.admin.json(`node list ${line}`)).sort()).toEqual(expected)
  })

  test('in pages, one after the other, is the whole list', async () => {
    const { uuid } = await shown('machine-4', 'uuid')
    const first = await demo.admin.json('node list --limit 4')
    const rest = await demo.admin.json(`node list --marker ${uuid} --limit 0`)
    expect(names(first)).toEqual(machines(1, 2, 3, 4))
    expect(names(rest)).toEqual([...machines(5, 6, 7, 8, 9, 10, 11, 12), 'zz-parent'])
  })

  test('sorted by any column, up and down', async () => {
    const sorted = async (by: string) =>
      names(await demo.admin.json(`node list --sort ${by} --owner ${demo.projects.owner}`))
    expect(await sorted('name:desc')).toEqual(machines(6, 5, 4, 3, 2, 1))
    expect(await sorted('name:asc')).toEqual(machines(1, 2, 3, 4, 5, 6))
    expect(await demo.admin.refused('node list --sort driver_info')).toContain('driver_info')
  })

  test('with --long has every column, and with --fields those that are asked for', async () => {
    const [long] = await demo.admin.json('node list --long --resource-class odd')
    expect(Object.keys(long).length).toBeGreaterThan(50)
    expect(long).toMatchObject({ name: 'zz-parent', driver: 'fake-hardware', resource_class: 'odd' })
    expect(await demo.admin.json('node list --fields name driver --resource-class odd')).toEqual([
      { name: 'zz-parent', driver: 'fake-hardware' },
    ])
    expect(await demo.admin.refused('node list --fields name no_such')).toContain('no_such')
  })

  test('node children list', async () => {
    const { uuid } = await shown('zz-child', 'uuid')
    expect(JSON.stringify(await demo.admin.json('node children list zz-parent'))).toContain(uuid)
    expect(JSON.stringify(await demo.admin.json('node children list zz-child'))).not.toContain(uuid)
  })
})

describe('node set and unset', () => {
  const uuid = '22222222-2222-4333-8444-555555555555'
  beforeAll(() => demo.admin(`node create --driver fake-hardware --name changing --uuid ${uuid}`))

  test.each([
    ['--name changed', '', 'name', 'changed'],
    ['--name changing', '', 'name', 'changing'],
    ['--description words', '--description', 'description', 'words'],
    ['--resource-class big', '--resource-class', 'resource_class', 'big'],
    ['--property cpus=4', '--property cpus', 'properties', { cpus: 4 }],
    ['--extra a=b', '--extra a', 'extra', { a: 'b' }],
    ['--driver-info k=v', '--driver-info k', 'driver_info', { k: 'v' }],
    ['--instance-info i=j', '--instance-info i', 'instance_info', { i: 'j' }],
    [
      '--instance-uuid 99999999-0000-4333-8444-555555555555',
      '--instance-uuid',
      'instance_uuid',
      '99999999-0000-4333-8444-555555555555',
    ],
    ['--owner OWNER', '--owner', 'owner', 'OWNER'],
    ['--lessee LESSEE', '--lessee', 'lessee', 'LESSEE'],
    ['--retired --retired-reason old', '--retired --retired-reason', 'retired_reason', 'old'],
    ['--automated-clean', '--automated-clean', 'automated_clean', true],
    ['--boot-interface fake', '--boot-interface', 'boot_interface', 'fake'],
    ['--shard s9', '--shard', 'shard', 's9'],
    ['--disable-power-off', '', 'disable_power_off', true],
    ['--enable-power-off', '', 'disable_power_off', false],
    [
      `--network-data '{"links":[],"networks":[],"services":[]}'`,
      '--network-data',
      'network_data',
      { links: [], networks: [], services: [] },
    ],
  ] as const)('%s, and back with "%s"', async (set, unset, field, value) => {
    const ids = { OWNER: demo.projects.owner, LESSEE: demo.projects.lessee }
    const filled = (text: string) => text.replace(/OWNER|LESSEE/g, (word) => ids[word as keyof typeof ids])
    // The whole node: some fields are unknown to the client's --fields.
    const now = async () => (await demo.admin.json(`node show ${uuid}`))[field]
    const before = await now()
    await demo.admin(`node set ${uuid} ${filled(set)}`)
    expect(await now()).toEqual(typeof value === 'string' ? filled(value) : value)
    if (unset === '') return
    await demo.admin(`node unset ${uuid} ${unset}`)
    expect(await now()).toEqual(before)
  })

  test('--reset-interfaces with --driver chooses them anew', async () => {
    await demo.admin('node set changing --driver ipmi --reset-interfaces')
    expect(await shown('changing', 'driver power_interface')).toEqual({
      driver: 'ipmi',
      power_interface: 'ipmitool',
    })
    await demo.admin('node set changing --driver fake-hardware --reset-interfaces')
    expect((await shown('changing', 'power_interface')).power_interface).toBe('fake')
  })

  test('a field that nobody may set, and a value that is wrong, are refused and change nothing', async () => {
    expect(await demo.admin.refused('node set changing --instance-uuid no-uuid')).toMatch(
      /instance_uuid.*HTTP 400/s,
    )
    expect(await shown('changing', 'name instance_uuid')).toEqual({ name: 'changing', instance_uuid: null })
  })
})

describe('what hangs on a node', () => {
  test('maintenance set with a reason, and unset', async () => {
    await demo.owner('node maintenance set machine-4 --reason mending')
    expect(await shown('machine-4', 'maintenance maintenance_reason')).toEqual({
      maintenance: true,
      maintenance_reason: 'mending',
    })
    await demo.owner('node maintenance unset machine-4')
    expect(await shown('machine-4', 'maintenance maintenance_reason')).toEqual({
      maintenance: false,
      maintenance_reason: null,
    })
  })

  test('validate says interface by interface what is there and what is missing', async () => {
    const rows = await demo.owner.json('node validate machine-1')
    const result = Object.fromEntries(rows.map((row: Printed) => [row.Interface, row.Result]))
    expect(result).toMatchObject({ power: true, management: true })
    await demo.admin('node create --driver ipmi --name bare')
    const missing = (await demo.admin.json('node validate bare')).find(
      (row: Printed) => row.Interface === 'power',
    )
    expect(missing).toMatchObject({ Result: false, Reason: expect.stringContaining('ipmi_address') })
    await demo.admin('node delete bare')
  })

  test('boot device set, show and those that are supported', async () => {
    const supported = await demo.owner.json('node boot device show --supported machine-1')
    expect(JSON.stringify(supported)).toMatch(/pxe.*disk|disk.*pxe/)
    await demo.owner('node boot device set machine-1 pxe --persistent')
    expect(await demo.owner.json('node boot device show machine-1')).toMatchObject({
      boot_device: 'pxe',
      persistent: true,
    })
    expect(await demo.ipmitool('machine-1', 'chassis bootparam get 5')).toContain('Force PXE')
    await demo.owner('node boot device set machine-1 disk')
    expect(await demo.owner.json('node boot device show machine-1')).toMatchObject({
      boot_device: 'disk',
      persistent: false,
    })
    expect(await demo.owner.refused('node boot device set machine-1 tape')).toMatch(/tape/)
  })

  test('traits added, listed, found again, removed one by one and all', async () => {
    const traits = async () =>
      (await demo.admin.json('node trait list machine-3'))
        .map((row: Printed) => row.Traits ?? row.traits)
        .sort()
    await demo.admin('node trait add machine-3 CUSTOM_GPU HW_CPU_X86_VMX CUSTOM_OLD')
    expect(await traits()).toEqual(['CUSTOM_GPU', 'CUSTOM_OLD', 'HW_CPU_X86_VMX'])
    await demo.admin('node add trait machine-3 CUSTOM_MORE')
    expect((await shown('machine-3', 'traits')).traits.sort()).toEqual([
      'CUSTOM_GPU',
      'CUSTOM_MORE',
      'CUSTOM_OLD',
      'HW_CPU_X86_VMX',
    ])
    await demo.admin('node trait remove machine-3 CUSTOM_OLD')
    expect(await traits()).toEqual(['CUSTOM_GPU', 'CUSTOM_MORE', 'HW_CPU_X86_VMX'])
    await demo.admin('node trait remove machine-3 --all')
    expect(await traits()).toEqual([])
    expect(await demo.admin.refused('node trait add machine-3 lower')).toContain('lower')
    expect(await demo.admin.refused('node trait remove machine-3 CUSTOM_NONE')).toContain('CUSTOM_NONE')
  })

  test('its history, event by event', async () => {
    await demo.admin('node create --driver fake-hardware --name past')
    await demo.admin('node manage past --wait 60')
    const events = await demo.admin.json('node history list past --long')
    expect(events.length).toBeGreaterThan(1)
    const { uuid } = (await demo.admin.json('node history list past'))[0]
    expect(await demo.admin.json(`node history get past ${uuid}`)).toMatchObject({
      uuid,
      event: 'Moved from enroll to verifying.',
    })
    expect(await demo.admin.refused(`node history get machine-1 ${uuid}`)).toContain('HTTP 404')
  })
})
