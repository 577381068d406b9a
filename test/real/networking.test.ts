/** `openstack network`, `port`, `subnet` and `network rbac`, unmodified, as operator, lessee, another tenant. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Caller, type Demo, type Printed, startDemo } from './demo.ts'

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
}, 120_000)
afterAll(() => demo.end())

const printed = async (caller: Caller, line: string): Promise<Printed> =>
  JSON.parse(await caller.run(`${line} -f json`))
const refused = (caller: Caller, line: string): Promise<string> =>
  caller.run(line).then(
    (text) => {
      throw new Error(`openstack ${line}: was to fail, and says ${text}`)
    },
    (error: Error) => error.message,
  )
const names = (rows: { Name: string }[]) => rows.map(({ Name }) => Name).sort()

describe('a lessee', () => {
  it('makes, lists, shows, changes and deletes a network', async () => {
    const made = await printed(demo.lessee, 'network create data --description mine --mtu 9000')
    expect(made).toMatchObject({
      name: 'data',
      mtu: 9000,
      project_id: demo.projects.lessee,
      status: 'ACTIVE',
    })
    expect(names(await printed(demo.lessee, 'network list'))).toEqual(['data'])
    expect(names(await printed(demo.lessee, 'network list --long --name data'))).toEqual(['data'])
    await demo.lessee.run('network set data --name renamed --tag blue --disable')
    const shown = await printed(demo.lessee, 'network show renamed')
    expect(shown).toMatchObject({ id: made.id, tags: ['blue'], admin_state_up: false })
    expect(names(await printed(demo.lessee, 'network list --tags blue'))).toEqual(['renamed'])
    await demo.lessee.run('network delete renamed')
    expect(await printed(demo.lessee, 'network list')).toEqual([])
  })

  it('makes subnets and ports in it', async () => {
    await demo.lessee.run('network create lan')
    const subnet = await printed(
      demo.lessee,
      'subnet create lan4 --network lan --subnet-range 10.1.0.0/24 --gateway 10.1.0.1 --no-dhcp --dns-nameserver 10.1.0.2',
    )
    expect(subnet).toMatchObject({
      cidr: '10.1.0.0/24',
      gateway_ip: '10.1.0.1',
      ip_version: 4,
      enable_dhcp: false,
    })
    expect(names(await printed(demo.lessee, 'subnet list --network lan'))).toEqual(['lan4'])
    expect(await refused(demo.lessee, 'network delete nonesuch')).toMatch(/nonesuch/)
    const port = await printed(
      demo.lessee,
      'port create nic --network lan --mac-address 02:00:00:00:10:01 --fixed-ip subnet=lan4,ip-address=10.1.0.7',
    )
    expect(port).toMatchObject({ name: 'nic', mac_address: '02:00:00:00:10:01', status: 'DOWN' })
    await demo.lessee.run('port set nic --name eth0 --device 6ccd1e7a-0000-4000-8000-000000000001')
    expect(names(await printed(demo.lessee, 'port list --network lan'))).toEqual(['eth0'])
    expect(names(await printed(demo.lessee, 'port list --fixed-ip ip-address=10.1.0.7'))).toEqual(['eth0'])
    expect((await printed(demo.lessee, 'port show eth0')).device_id).toBe(
      '6ccd1e7a-0000-4000-8000-000000000001',
    )
    expect(await refused(demo.lessee, 'network delete lan')).toMatch(/ports still in use/)
    await demo.lessee.run('port delete eth0')
    await demo.lessee.run('subnet set lan4 --name lan-four')
    expect((await printed(demo.lessee, 'subnet show lan-four')).id).toBe(subnet.id)
    await demo.lessee.run('subnet delete lan-four')
    await demo.lessee.run('network delete lan')
  })

  it('shares with another project and takes it back; nobody else sees it', async () => {
    await demo.lessee.run('network create ours')
    expect(await printed(demo.owner, 'network list')).toEqual([])
    const line = `network rbac create --type network --action access_as_shared --target-project ${demo.projects.owner} ours`
    // The clients look the project up; who may not list projects is taken at its word.
    const policy = await printed(demo.lessee, line)
    expect(policy).toMatchObject({ target_project_id: demo.projects.owner, action: 'access_as_shared' })
    expect(names(await printed(demo.owner, 'network list'))).toEqual(['ours'])
    expect(await printed(demo.stranger, 'network list')).toEqual([])
    expect(await refused(demo.stranger, 'network show ours')).toMatch(/No Network found for ours/i)
    expect(await refused(demo.owner, 'network delete ours')).toMatch(/disallowed by policy/)
    expect(await printed(demo.lessee, 'network rbac list')).toHaveLength(1)
    expect((await printed(demo.lessee, `network rbac show ${policy.id}`)).id).toBe(policy.id)
    await demo.lessee.run(`network rbac delete ${policy.id}`)
    expect(await printed(demo.owner, 'network list')).toEqual([])
    await demo.lessee.run('network delete ours')
  })
})

describe('trunks', () => {
  it('are made, shown, changed and deleted, and tag what they carry as its network is tagged', async () => {
    for (const each of ['red', 'green', 'blue']) {
      await demo.lessee.run(`network create ${each}`)
      await demo.lessee.run(`port create ${each}-port --network ${each}`)
    }
    const line = 'network trunk create cable --parent-port red-port'
    expect(
      await refused(
        demo.lessee,
        `${line} --subport port=green-port,segmentation-type=vlan,segmentation-id=7`,
      ),
    ).toMatch(/must be "inherit"/)
    const made = await printed(demo.lessee, `${line} --subport port=green-port,segmentation-type=inherit`)
    expect(made).toMatchObject({ name: 'cable', project_id: demo.projects.lessee })
    expect(made.sub_ports).toHaveLength(1)
    expect(names(await printed(demo.lessee, 'network trunk list'))).toEqual(['cable'])
    expect(await printed(demo.stranger, 'network trunk list')).toEqual([])
    expect(await refused(demo.stranger, 'network trunk show cable')).toMatch(/No Trunk found for cable/i)
    await demo.lessee.run(
      'network trunk set cable --subport port=blue-port,segmentation-type=inherit --description mine',
    )
    expect(await printed(demo.lessee, 'network subport list --trunk cable')).toHaveLength(2)
    const details = (await printed(demo.lessee, 'port show red-port')).trunk_details
    expect(details.sub_ports).toHaveLength(2)
    await demo.lessee.run('network trunk unset cable --subport blue-port')
    expect((await printed(demo.lessee, 'network trunk show cable')).sub_ports).toEqual(made.sub_ports)
    expect(await refused(demo.lessee, 'port delete green-port')).toMatch(/is on trunk/)
    await demo.lessee.run('network trunk delete cable')
    await demo.lessee.run('port delete red-port green-port blue-port')
    await demo.lessee.run('network delete red green blue')
  })
})

describe('the operator', () => {
  it('makes public networks with VLANs of its choice, and sees everybody’s', async () => {
    await demo.lessee.run('network create theirs')
    const made = await printed(
      demo.admin,
      'network create campus --share --provider-network-type vlan --provider-physical-network default --provider-segment 700',
    )
    expect(made).toMatchObject({ shared: true, 'provider:segmentation_id': 700 })
    expect(names(await printed(demo.admin, 'network list'))).toEqual(['campus', 'theirs'])
    expect(names(await printed(demo.stranger, 'network list --share'))).toEqual(['campus'])
    expect(
      (await printed(demo.stranger, 'network show campus'))['provider:segmentation_id'] ?? null,
    ).toBeNull()
    expect(
      await refused(demo.stranger, 'network create mine --provider-network-type vlan --provider-segment 101'),
    ).toMatch(/disallowed by policy/)
    await demo.admin.run('network set campus --no-share')
    expect(await printed(demo.stranger, 'network list')).toEqual([])
    await demo.admin.run('network delete campus theirs')
  })
})
