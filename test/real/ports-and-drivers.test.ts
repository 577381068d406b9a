/** Ports, drivers and conductors at the real client, and python-ironicclient's own command `baremetal`. */
import { hostname } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Demo, type Printed, startDemo } from './demo.ts'

let demo: Demo
let node: string
beforeAll(async () => {
  demo = await startDemo()
  node = (await demo.admin.json('node show machine-1 --fields uuid')).uuid
})
afterAll(() => demo?.end())

const addresses = (rows: Printed[]): string[] => rows.map((row) => row.address)

describe('ports', () => {
  const uuid = '33333333-2222-4333-8444-555555555555'
  const shown = (fields: string) => demo.owner.json(`port show ${uuid} --fields ${fields}`)

  test('create', async () => {
    const made = await demo.owner.json(
      `port create 52:54:00:AA:bb:01 --node ${node} --uuid ${uuid} --name uplink --extra slot=3
       --local-link-connection switch_id=0a:1b:2c:3d:4e:5f --local-link-connection port_id=Eth7 --pxe-enabled false
       --physical-network blue`,
    )
    expect(made).toMatchObject({
      uuid,
      address: '52:54:00:aa:bb:01',
      node_uuid: node,
      name: 'uplink',
      local_link_connection: { switch_id: '0a:1b:2c:3d:4e:5f', port_id: 'Eth7' },
      pxe_enabled: false,
      physical_network: 'blue',
    })
    expect(await demo.owner.json(`port show ${uuid}`)).toMatchObject(made)
    expect(await demo.owner.json('port show --address 52:54:00:aa:bb:01')).toMatchObject({ uuid })
  })

  test('list: of a node, by address, in pages, sorted, long and by field', async () => {
    expect(await demo.owner.json('port list --node machine-1')).toHaveLength(3)
    expect(await demo.owner.json('port list --address 52:54:00:aa:bb:01')).toHaveLength(1)
    const sorted = addresses(await demo.owner.json('port list --sort address:desc'))
    expect(sorted).toEqual([...sorted].sort().reverse())
    expect(sorted).toHaveLength(13)
    const page: Printed[] = await demo.owner.json('port list --limit 4')
    const rest = await demo.owner.json(`port list --marker ${page.at(-1).uuid} --limit 0`)
    expect(page).toHaveLength(4)
    expect(addresses([...page, ...rest]).sort()).toEqual([...sorted].sort())
    const [long] = await demo.owner.json('port list --long --address 52:54:00:aa:bb:01')
    expect(long).toMatchObject({ node_uuid: node, physical_network: 'blue' })
    expect(await demo.owner.json('port list --fields name --address 52:54:00:aa:bb:01')).toEqual([
      { name: 'uplink' },
    ])
    expect(addresses(await demo.lessee.json('port list'))).toHaveLength(5)
  })

  test.each([
    ['--name other', '--name', 'name', 'other', null],
    ['--extra a=b', '--extra a --extra slot', 'extra', { a: 'b', slot: 3 }, {}],
    ['--physical-network green', '--physical-network', 'physical_network', 'green', null],
    ['--address 52:54:00:aa:bb:02', '', 'address', '52:54:00:aa:bb:02', null],
    [
      '--local-link-connection port_id=Eth8',
      '--local-link-connection switch_id --local-link-connection port_id',
      'local_link_connection',
      { switch_id: '0a:1b:2c:3d:4e:5f', port_id: 'Eth8' },
      {},
    ],
  ])('set %s, unset %s', async (set, unset, field, value, gone) => {
    await demo.owner(`node maintenance set machine-1`)
    await demo.owner(`port set ${uuid} ${set}`)
    expect((await shown(field))[field]).toEqual(value)
    if (unset) {
      await demo.owner(`port unset ${uuid} ${unset}`)
      expect((await shown(field))[field]).toEqual(gone)
    }
    await demo.owner(`node maintenance unset machine-1`)
  })

  test('an address that is none is refused by name', async () => {
    expect(await demo.owner.refused(`port create no-mac --node ${node}`)).toMatch(/no-mac.*HTTP 400/s)
  })

  test('delete', async () => {
    await demo.owner(`port delete ${uuid}`)
    expect(await demo.owner.refused(`port show ${uuid}`)).toMatch(/could not be found/)
    expect(await demo.owner.json('port list --node machine-1')).toHaveLength(2)
  })
})

describe('drivers', () => {
  test('list, show, properties', async () => {
    const rows = await demo.admin.json('driver list')
    expect(rows.map((row: Printed) => row.name)).toEqual(['fake-hardware', 'ipmi'])
    expect(rows[0].hosts).toBe(hostname())
    expect(await demo.admin.json('driver list --type classic')).toEqual([])
    const [long] = await demo.admin.json('driver list --long')
    expect(long).toMatchObject({ default_power_interface: 'fake' })
    const shown = await demo.admin.json('driver show ipmi')
    expect(shown).toMatchObject({ name: 'ipmi', default_power_interface: 'ipmitool' })
    const properties = await demo.admin.json('driver property list ipmi')
    expect(properties.map((row: Printed) => row.property)).toEqual(
      expect.arrayContaining(['ipmi_address', 'ipmi_password', 'ipmi_cipher_suite']),
    )
    expect(await demo.admin.refused('driver show floppy')).toMatch(/floppy.*HTTP 404/s)
  })

  test('are no business of a tenant', async () => {
    expect(await demo.stranger.refused('driver list')).toContain('HTTP 403')
  })
})

describe('conductors', () => {
  test('list and show', async () => {
    const [row] = await demo.admin.json('conductor list')
    expect(row).toMatchObject({ hostname: hostname(), alive: true })
    expect(await demo.admin.json(`conductor show ${hostname()}`)).toMatchObject({
      hostname: hostname(),
      alive: true,
      drivers: ['fake-hardware', 'ipmi'],
    })
    expect(await demo.admin.refused('conductor show nowhere')).toMatch(/nowhere.*HTTP 404/s)
    expect(await demo.stranger.refused('conductor list')).toContain('HTTP 403')
  })
})

describe('baremetal, the command of python-ironicclient', () => {
  const baremetal = (line: string) => demo.lessee.run(line, 'baremetal')

  test('lists, shows and powers a leased node', async () => {
    const rows = JSON.parse(await baremetal('node list -f json'))
    expect(rows.map((row: Printed) => row.name)).toEqual(['machine-1', 'machine-2'])
    await baremetal('node power on machine-2')
    await expect
      .poll(() => demo.ipmitool('machine-2', 'chassis power status'), { timeout: 10_000 })
      .toBe('Chassis Power is on\n')
    expect(JSON.parse(await baremetal('node show machine-2 -f json'))).toMatchObject({
      name: 'machine-2',
      lessee: demo.projects.lessee,
    })
  })

  test('is told of a conflict and of a node that is not its own', async () => {
    await expect(
      demo.owner.run('--max-retries 0 node create --driver ipmi --name machine-1', 'baremetal'),
    ).rejects.toThrow(/machine-1.*HTTP 409/s)
    await expect(baremetal('node show machine-3')).rejects.toThrow(/could not be found/)
  })
})
