/** What a node's machine has, is told and does, through the API's door: who may, since when, what is refused, what is seen. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
/** Managed: its machine has been read. Nothing here changes it. */
let managed: string
/** As it was created. */
let fresh: string
/** Of a driver that has next to nothing. */
let bare: string

beforeAll(async () => {
  api = await testApi()
  managed = (await api.node()).uuid
  fresh = (await api.node()).uuid
  bare = (
    await api.node({
      bios_interface: 'no-bios',
      console_interface: 'no-console',
      management_interface: 'noop',
      raid_interface: 'no-raid',
      vendor_interface: 'no-vendor',
    })
  ).uuid
  await provision(managed, { target: 'manage' }, 'manageable')
})
afterAll(() => api.close())

async function provision(uuid: string, body: Record<string, unknown>, ...states: string[]): Promise<void> {
  const { status, text } = await api.as('system-admin', 'PUT', `/v1/nodes/${uuid}/states/provision`, body)
  expect([status, text]).toEqual([202, ''])
  await api.settled(uuid, ...states)
}
const clean = (uuid: string, step: Record<string, unknown>) =>
  provision(uuid, { target: 'clean', clean_steps: [step] }, 'manageable')
const get = async (path: string, who: Persona = 'owner-admin') =>
  (await api.as(who, 'GET', `/v1/nodes/${path}`)).body
/** The node once nobody works on it. */
async function free(uuid: string): Promise<Record<string, unknown>> {
  return api.settled(uuid, 'enroll', 'manageable', 'clean wait')
}

/** Rules by who holds them: readers of both sides, members of both, and so on. */
const holders = {
  R: ['system-reader', 'owner-reader', 'lessee-reader'],
  OR: ['system-reader', 'owner-reader'],
  M: ['system-member', 'owner-member', 'lessee-member'],
  OM: ['system-member', 'owner-member'],
  'OM or lessee manager': ['system-member', 'owner-member', 'lessee-manager'],
  OA: ['system-member', 'owner-manager'],
  SA: ['system-admin'],
} as const satisfies Record<string, readonly Persona[]>
/** Those who see the node and come nearest to each without holding it. */
const short = {
  R: [],
  OR: ['lessee-admin'],
  M: ['system-reader', 'owner-reader', 'lessee-reader'],
  OM: ['owner-reader', 'lessee-admin'],
  'OM or lessee manager': ['owner-reader', 'lessee-member'],
  OA: ['owner-member', 'lessee-admin'],
  SA: ['owner-admin', 'lessee-admin', 'system-member'],
} as const satisfies Record<keyof typeof holders, readonly Persona[]>

const disc = { device_type: 'cdrom', image_url: 'https://images.example/a.iso' }
const light = '/management/indicators/identify@chassis'
/** Every route: what it answers, whose it is, its first version, and the status below that. */
const routes: readonly [string, string, unknown, number, keyof typeof holders, number, number][] = [
  ['GET', '/bios', undefined, 200, 'R', 40, 404],
  ['GET', '/bios/ProcTurboMode', undefined, 200, 'R', 40, 404],
  ['GET', '/firmware', undefined, 200, 'R', 86, 404],
  ['PUT', '/states/raid', {}, 204, 'OM', 12, 406],
  ['PUT', '/states/boot_mode', { target: 'uefi' }, 202, 'M', 76, 404],
  ['PUT', '/states/secure_boot', { target: false }, 202, 'M', 76, 404],
  ['PUT', '/management/inject_nmi', {}, 204, 'OA', 29, 404],
  ['GET', '/management/indicators', undefined, 200, 'R', 63, 404],
  ['GET', light, undefined, 200, 'R', 63, 404],
  ['PUT', light, { state: 'off' }, 204, 'OM', 63, 404],
  ['GET', '/vmedia', undefined, 200, 'R', 93, 404],
  ['POST', '/vmedia', disc, 204, 'M', 89, 404],
  ['DELETE', '/vmedia', undefined, 204, 'M', 89, 404],
  ['GET', '/vifs', undefined, 200, 'R', 28, 404],
  ['POST', '/vifs', { id: 'vif-1' }, 204, 'OM or lessee manager', 28, 404],
  ['DELETE', '/vifs/vif-1', undefined, 204, 'OM or lessee manager', 28, 404],
  ['GET', '/states/console', undefined, 200, 'OM', 1, 404],
  ['PUT', '/states/console', { enabled: false }, 202, 'OM', 1, 404],
  ['GET', '/vendor_passthru/methods', undefined, 200, 'SA', 1, 404],
  ['GET', '/vendor_passthru?method=read_note', undefined, 200, 'SA', 1, 404],
  ['POST', '/vendor_passthru?method=note', { text: 'x' }, 202, 'SA', 1, 404],
]

describe.each(routes)('%s %s', (method, path, body, ok, rule) => {
  const ask = (who: Persona): Promise<Answer> =>
    api.as(who, method as 'GET', `/v1/nodes/${managed}${path}`, body)

  it('is 404 to a stranger, 403 to who sees the node but lacks the right, and done for who has it', async () => {
    const hidden = await ask('stranger')
    expect([hidden.status, faultOf(hidden.body)]).toEqual([404, `Node ${managed} could not be found.`])
    for (const who of short[rule]) expect([who, (await ask(who)).status]).toEqual([who, 403])
    for (const who of holders[rule]) {
      await free(managed)
      expect([who, (await ask(who)).status]).toEqual([who, ok])
    }
  })
})

it.each(routes.filter(([, , , , , since]) => since > 1))(
  '%s %s is there since its version',
  async (...row) => {
    const [method, path, body, ok, , since, below] = row
    const ask = (version: number) =>
      api.as('system-admin', method as 'GET', `/v1/nodes/${managed}${path}`, body, `1.${version}`)
    expect((await ask(since - 1)).status).toBe(below)
    await free(managed)
    expect((await ask(since)).status).toBe(ok)
  },
)

describe('BIOS settings', () => {
  it('are read when a node is managed, with what the machine says of them since 1.74 when asked in detail', async () => {
    expect(await get(`${fresh}/bios`)).toEqual({ bios: [] })
    const { bios } = await get(`${managed}/bios`, 'lessee-reader')
    const turbo = bios.find((each: { name: string }) => each.name === 'ProcTurboMode')
    expect(turbo).toEqual({
      name: 'ProcTurboMode',
      value: 'Enabled',
      created_at: expect.any(String),
      updated_at: null,
      links: [
        { href: `http://baremetal.test:6385/v1/nodes/${managed}/bios/ProcTurboMode`, rel: 'self' },
        { href: `http://baremetal.test:6385/nodes/${managed}/bios/ProcTurboMode`, rel: 'bookmark' },
      ],
    })
    const one = await get(`${managed}/bios/ProcTurboMode`)
    expect(one.ProcTurboMode).toMatchObject({
      ...turbo,
      attribute_type: 'Enumeration',
      allowable_values: ['Enabled', 'Disabled'],
      lower_bound: null,
      read_only: false,
    })
    expect((await get(`${managed}/bios?detail=true`)).bios).toContainEqual(one.ProcTurboMode)
    expect((await get(`${managed}/bios?fields=name,read_only`)).bios[0]).toEqual({
      name: 'BootRetryCount',
      read_only: false,
      links: expect.any(Array),
    })
    const older = await api.as(
      'owner-admin',
      'GET',
      `/v1/nodes/${managed}/bios/ProcTurboMode`,
      undefined,
      '1.73',
    )
    expect(older.body.ProcTurboMode).toEqual(turbo)
  })

  it.each([
    ['?detail=true', '1.73', 400],
    ['?fields=name', '1.73', 400],
    ['?fields=nonesuch', '1.74', 400],
    ['?fields=name&detail=true', '1.74', 400],
    ['/Nonesuch', '1.74', 404],
  ])('%s at %s is %i', async (query, version, status) => {
    const answer = await api.as('owner-admin', 'GET', `/v1/nodes/${managed}/bios${query}`, undefined, version)
    expect(answer.status).toBe(status)
  })

  it('change with the clean steps of the BIOS interface, and go with the node', async () => {
    const { uuid } = await api.node()
    await provision(uuid, { target: 'manage' }, 'manageable')
    const settings = [{ name: 'ProcTurboMode', value: 'Disabled' }]
    await clean(uuid, { interface: 'bios', step: 'apply_configuration', args: { settings } })
    const turbo = async () => (await get(`${uuid}/bios/ProcTurboMode`)).ProcTurboMode
    const numLock = async () => (await get(`${uuid}/bios/NumLock`)).NumLock
    expect(await turbo()).toMatchObject({ value: 'Disabled', updated_at: expect.any(String) })
    expect(await numLock()).toMatchObject({ value: 'On', updated_at: null })
    await clean(uuid, { interface: 'bios', step: 'factory_reset' })
    expect((await turbo()).value).toBe('Enabled')
    expect((await api.as('system-admin', 'DELETE', `/v1/nodes/${uuid}`)).status).toBe(204)
    const left = await api.db
      .selectFrom('bios_settings')
      .select('name')
      .where('node_uuid', '=', uuid)
      .execute()
    expect(left).toEqual([])
  })

  it('stay as they were when a step fails', async () => {
    const { uuid } = await api.node({ driver_info: { fake_fail: 'bios.apply_configuration' } })
    await provision(uuid, { target: 'manage' }, 'manageable')
    const settings = [{ name: 'ProcTurboMode', value: 'Disabled' }]
    const step = { interface: 'bios', step: 'apply_configuration', args: { settings } }
    await provision(uuid, { target: 'clean', clean_steps: [step] }, 'clean failed')
    expect((await get(`${uuid}/bios/ProcTurboMode`)).ProcTurboMode.value).toBe('Enabled')
  })
})

describe('firmware', () => {
  it('is read when a node is managed, and changed by the step that flashes it', async () => {
    const { uuid } = await api.node()
    await provision(uuid, { target: 'manage' }, 'manageable')
    const bmc = async () =>
      (await get(`${uuid}/firmware`)).firmware.find((each: { component: string }) => each.component === 'bmc')
    expect(await bmc()).toMatchObject({
      component: 'bmc',
      initial_version: '1.0.0',
      current_version: '1.0.0',
      last_version_flashed: null,
      vendor: 'Leasehold',
      serial_number: expect.any(String),
      updated_at: null,
    })
    const settings = [{ component: 'bmc', url: 'https://images.example/bmc-2.0.7.bin' }]
    await clean(uuid, { interface: 'firmware', step: 'update', args: { settings } })
    expect(await bmc()).toMatchObject({
      initial_version: '1.0.0',
      current_version: '2.0.7',
      last_version_flashed: '2.0.7',
      updated_at: expect.any(String),
    })
  })

  it('names its maker since 1.114, and can be asked for in part', async () => {
    const ask = (query: string, version: string) =>
      api.as('owner-reader', 'GET', `/v1/nodes/${managed}/firmware${query}`, undefined, version)
    expect((await ask('', '1.113')).body.firmware[0]).not.toHaveProperty('vendor')
    expect((await ask('?fields=vendor', '1.113')).status).toBe(400)
    expect((await ask('?fields=component,vendor', '1.114')).body.firmware[0]).toEqual({
      component: 'bios',
      vendor: 'Leasehold',
    })
    expect((await ask('?fields=nonesuch', '1.114')).status).toBe(400)
  })
})

describe('inventory', () => {
  it('is what the newest inspection found, for the owner alone', async () => {
    const { uuid } = await api.node()
    const ask = (who: Persona, version?: string) =>
      api.as(who, 'GET', `/v1/nodes/${uuid}/inventory`, undefined, version)
    const none = await ask('owner-reader')
    expect([none.status, faultOf(none.body)]).toEqual([404, expect.stringContaining(uuid)])
    await provision(uuid, { target: 'manage' }, 'manageable')
    await provision(uuid, { target: 'inspect' }, 'manageable')
    expect((await get(uuid)).properties).toMatchObject({ cpus: 4, memory_mb: 8192 })
    const { status, body } = await ask('owner-reader', '1.81')
    expect(status).toBe(200)
    expect(Object.keys(body).sort()).toEqual(['inventory', 'plugin_data'])
    expect(body.inventory).toMatchObject({
      cpu: { architecture: 'x86_64', count: 4 },
      memory: { physical_mb: 8192 },
      interfaces: [{ name: 'eno1' }],
      boot: { current_boot_mode: 'uefi' },
    })
    expect((await ask('lessee-admin')).status).toBe(403)
    expect((await ask('stranger')).status).toBe(404)
    expect((await ask('owner-reader', '1.80')).status).toBe(404)
  })
})

describe('RAID', () => {
  const disks = [{ size_gb: 100, raid_level: '1', is_root_volume: true }]
  const put = (uuid: string, body: unknown) =>
    api.as('owner-member', 'PUT', `/v1/nodes/${uuid}/states/raid`, body)

  it('that is wanted is stored, made by the clean step, and shown', async () => {
    const { uuid } = await api.node()
    await provision(uuid, { target: 'manage' }, 'manageable')
    expect((await put(uuid, { logical_disks: disks })).status).toBe(204)
    expect(await get(`${uuid}/states`)).toMatchObject({
      target_raid_config: { logical_disks: disks },
      raid_config: {},
    })
    await clean(uuid, { interface: 'raid', step: 'create_configuration' })
    expect((await get(uuid)).raid_config).toMatchObject({
      logical_disks: [{ ...disks[0], volume_name: 'volume-0' }],
    })
    await clean(uuid, { interface: 'raid', step: 'delete_configuration' })
    expect((await get(uuid)).raid_config).toEqual({})
    expect((await put(uuid, {})).status).toBe(204)
    expect((await get(uuid)).target_raid_config).toEqual({})
  })

  it.each([
    [{ logical_disks: [{ size_gb: 1 }] }, 400],
    [{ disks: [] }, 400],
    [[], 400],
    ['raid', 400],
  ])('%j is %i', async (body, status) => {
    expect((await put(fresh, body)).status).toBe(status)
  })

  it('is 404 where the driver has none', async () => {
    const { status, body } = await put(bare, { logical_disks: disks })
    expect([status, faultOf(body)]).toEqual([
      404,
      'Driver fake-hardware does not support raid (disabled or not implemented).',
    ])
  })

  it('properties are told of a driver that has RAID, to readers of the system', async () => {
    const ask = (driver: string, who: Persona = 'system-reader', version?: string) =>
      api.as(who, 'GET', `/v1/drivers/${driver}/raid/logical_disk_properties`, undefined, version)
    const { status, body } = await ask('fake-hardware')
    expect([status, Object.keys(body)]).toEqual([200, expect.arrayContaining(['size_gb', 'raid_level'])])
    expect((await ask('ipmi')).status).toBe(404)
    expect((await ask('nonesuch')).status).toBe(404)
    expect((await ask('fake-hardware', 'owner-admin')).status).toBe(403)
    expect((await ask('fake-hardware', 'system-reader', '1.11')).status).toBe(406)
  })
})
