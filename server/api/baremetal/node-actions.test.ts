/** What is done with a node, through the API's door: how it goes, and how it is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const admin = 'system-admin'
const put = (uuid: string, path: string, body?: unknown, who: Persona = admin, version = 'latest') =>
  api.as(who, 'PUT', `/v1/nodes/${uuid}${path}`, body, version)
const show = async (uuid: string) => (await api.as(admin, 'GET', `/v1/nodes/${uuid}`)).body
/** A node as the database is told. */
async function nodeIn(
  columns: Record<string, unknown>,
  fields: Record<string, unknown> = {},
): Promise<string> {
  const { uuid } = await api.node(fields)
  await api.db
    .updateTable('nodes')
    .set({ ...columns, health: 'OK' })
    .where('uuid', '=', uuid)
    .execute()
  return uuid
}
const refused = (answer: { status: number; body: unknown }): [number, string] => [
  answer.status,
  faultOf(answer.body),
]

describe('maintenance', () => {
  it('is set with a reason or without, and cleared with the fault', async () => {
    const { uuid } = await api.node()
    const set = await put(uuid, '/maintenance', { reason: 'disk' }, 'owner-member')
    expect([set.status, set.text]).toEqual([202, ''])
    expect(await show(uuid)).toMatchObject({ maintenance: true, maintenance_reason: 'disk' })
    await api.db.updateTable('nodes').set({ fault: 'power failure' }).where('uuid', '=', uuid).execute()
    expect((await api.as('lessee-manager', 'DELETE', `/v1/nodes/${uuid}/maintenance`)).status).toBe(202)
    expect(await show(uuid)).toMatchObject({ maintenance: false, maintenance_reason: null, fault: null })
    for (const body of [undefined, {}, { reason: null }])
      expect((await put(uuid, '/maintenance', body)).status).toBe(202)
    expect(await show(uuid)).toMatchObject({ maintenance: true, maintenance_reason: null })
  })

  it('by PATCH clears the reason, too, and its body is checked', async () => {
    const { uuid } = await api.node()
    await put(uuid, '/maintenance', { reason: 'disk' })
    const off = [{ op: 'replace', path: '/maintenance', value: 'off' }]
    const { body } = await api.as('lessee-member', 'PATCH', `/v1/nodes/${uuid}`, off)
    expect(body).toMatchObject({ maintenance: false, maintenance_reason: null })
    for (const wrong of [{ reason: 7 }, { cause: 'x' }, []])
      expect((await put(uuid, '/maintenance', wrong)).status).toBe(400)
  })

  it('waits for a locked node in vain', async () => {
    const uuid = await nodeIn({ reservation: 'elsewhere' })
    expect(refused(await put(uuid, '/maintenance'))).toEqual([
      409,
      `Node ${uuid} is locked by host elsewhere, please retry after the current operation is completed.`,
    ])
  })
})

describe('power', () => {
  it.each([
    ['power on', 'power on'],
    ['power off', 'power off'],
    ['rebooting', 'power on'],
    ['soft rebooting', 'power on'],
    ['soft power off', 'power off'],
  ])('%s is answered at once and done in the background', async (target, then) => {
    const { uuid } = await api.node()
    const answer = await put(uuid, '/states/power', { target, timeout: 30 }, 'lessee-member')
    expect([answer.status, answer.text]).toEqual([202, ''])
    expect(answer.headers.location).toBe(`http://baremetal.test:6385/v1/nodes/${uuid}/states`)
    expect(await api.settled(uuid, 'enroll')).toMatchObject({
      power_state: then,
      target_power_state: null,
      last_error: null,
    })
  })

  it('fails visibly in last_error, to those who may see it', async () => {
    const { uuid } = await api.node({
      driver_info: { fake_fail: 'power.set_state', fake_fail_message: 'fuse' },
    })
    expect((await put(uuid, '/states/power', { target: 'power on' })).status).toBe(202)
    const node = await api.settled(uuid, 'enroll')
    expect(node.last_error).toContain('fuse')
    expect(node.target_power_state).toBeNull()
    const lessee = await api.as('lessee-admin', 'GET', `/v1/nodes/${uuid}/states`)
    expect(lessee.text).not.toContain('fuse')
    expect((await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}/states`)).body.last_error).toContain(
      'fuse',
    )
  })

  it.each<[Record<string, unknown>, Record<string, unknown>, number, string]>([
    [{}, { target: 'power up' }, 400, 'power on, power off'],
    [{}, { target: null }, 400, 'power on'],
    [{}, {}, 400, 'target'],
    [{}, { target: 'power on', timeout: 0 }, 400, 'timeout'],
    [{}, { target: 'power on', timeout: 1.5 }, 400, 'timeout'],
    [{}, { target: 'power on', force: true }, 400, 'force'],
    [{ provision_state: 'cleaning' }, { target: 'power on' }, 400, 'while it is in state "cleaning"'],
    [{ provision_state: 'clean wait' }, { target: 'power off' }, 400, 'clean wait'],
    [{ disable_power_off: true }, { target: 'power off' }, 409, 'disable_power_off'],
    [{ disable_power_off: true }, { target: 'soft power off' }, 409, 'disable_power_off'],
    [{ reservation: 'elsewhere' }, { target: 'power on' }, 409, 'locked by host elsewhere'],
  ])('in %j refuses %j with %i', async (columns, body, status, words) => {
    const uuid = await nodeIn(columns)
    const answer = await put(uuid, '/states/power', body)
    expect(refused(answer)).toEqual([status, expect.stringContaining(words)])
  })
})

describe('provisioning', () => {
  const order = (uuid: string, body: Record<string, unknown>, who: Persona = admin, version = 'latest') =>
    put(uuid, '/states/provision', body, who, version)

  it('takes a machine from enrolment to its tenant and back', async () => {
    const { uuid } = await api.node({
      instance_info: { image_source: 'http://127.0.0.1/image', display_name: 'web-1' },
    })
    expect((await show(uuid)).instance_name).toBe('web-1')
    const go = async (body: Record<string, unknown>, state: string, who: Persona = 'owner-member') => {
      const answer = await order(uuid, body, who)
      expect([body.target, answer.status, answer.text, answer.headers.location]).toEqual([
        body.target,
        202,
        '',
        `http://baremetal.test:6385/v1/nodes/${uuid}/states`,
      ])
      expect((await api.settled(uuid, state)).last_error).toBeNull()
    }
    await go({ target: 'manage' }, 'manageable')
    await go({ target: 'inspect' }, 'manageable')
    await go({ target: 'clean', clean_steps: [{ interface: 'deploy', step: 'erase_devices' }] }, 'manageable')
    await go({ target: 'provide' }, 'available')
    await go(
      { target: 'active', configdrive: { meta_data: { a: 1 }, user_data: 'x' } },
      'active',
      'lessee-manager',
    )
    await go({ target: 'rescue', rescue_password: 'x' }, 'rescue', 'lessee-manager')
    await go({ target: 'unrescue' }, 'active', 'lessee-manager')
    await go(
      { target: 'service', service_steps: [{ interface: 'deploy', step: 'burnin_cpu' }] },
      'active',
      'lessee-manager',
    )
    await go({ target: 'rebuild', configdrive: 'aGVsbG8=' }, 'active', 'lessee-manager')
    const seen = await api.as('lessee-manager', 'GET', `/v1/nodes/${uuid}`)
    expect(seen.body.instance_info.configdrive).toBe('******')
    await go({ target: 'undeploy' }, 'available', 'lessee-manager')
    expect(await show(uuid)).toMatchObject({ instance_info: {}, instance_uuid: null, instance_name: null })
  })

  const step = { interface: 'deploy', step: 'x' }
  it.each<[string, Record<string, unknown>, number, string]>([
    ['enroll', { target: 'provide' }, 400, 'The requested action "provide" can not be performed on node'],
    ['enroll', { target: 'nonesuch' }, 400, 'nonesuch'],
    ['enroll', { target: null }, 400, 'null'],
    ['enroll', { target: '__proto__' }, 400, '__proto__'],
    ['enroll', {}, 400, 'target'],
    ['enroll', { target: 'manage', surplus: 1 }, 400, 'surplus'],
    ['enroll', { target: 'manage', configdrive: 'aGVsbG8=' }, 400, 'configdrive'],
    ['enroll', { target: 'manage', clean_steps: [step] }, 400, 'clean_steps'],
    ['enroll', { target: 'manage', rescue_password: 'x' }, 400, 'rescue_password'],
    ['enroll', { target: 'manage', disable_ramdisk: true }, 400, 'disable_ramdisk'],
    ['enroll', { target: 'manage', deploy_steps: [{ ...step, args: {}, priority: 1 }] }, 400, 'deploy_steps'],
    ['cleaning', { target: 'manage' }, 400, 'manage'],
    ['deleting', { target: 'clean', clean_steps: [step] }, 400, 'clean'],
    ['manageable', { target: 'clean' }, 400, 'clean_steps'],
    ['manageable', { target: 'clean', clean_steps: [] }, 400, 'clean_steps'],
    ['manageable', { target: 'clean', clean_steps: [{ interface: 'deploy' }] }, 400, 'step'],
    ['manageable', { target: 'clean', clean_steps: [{ step: 'x' }] }, 400, 'interface'],
    [
      'manageable',
      { target: 'clean', clean_steps: [{ interface: { toString: 1 }, step: 'x' }] },
      400,
      'interface',
    ],
    ['manageable', { target: 'clean', clean_steps: [{ interface: 'network', step: 'x' }] }, 400, 'interface'],
    [
      'manageable',
      { target: 'clean', clean_steps: [{ interface: 'vendor', step: 'send_raw' }] },
      400,
      'send_raw',
    ],
    ['manageable', { target: 'clean', clean_steps: ['x'] }, 400, 'clean_steps'],
    ['available', { target: 'active', configdrive: 'not base64!' }, 400, 'configdrive'],
    ['available', { target: 'active', configdrive: 'aGVsbG8' }, 400, 'configdrive'],
    ['available', { target: 'active', configdrive: { nonesuch: 1 } }, 400, 'nonesuch'],
    ['available', { target: 'active', configdrive: { meta_data: [] } }, 400, 'meta_data'],
    ['available', { target: 'active', configdrive: { __proto__x: 1 } }, 400, 'configdrive'],
    ['available', { target: 'active', configdrive: 7 }, 400, 'configdrive'],
    ['active', { target: 'rescue' }, 400, 'rescue_password'],
    ['active', { target: 'rescue', rescue_password: '  ' }, 400, 'rescue_password'],
    ['active', { target: 'active' }, 400, 'while it is in state "active"'],
  ])('from %s refuses %j with %i', async (state, body, status, words) => {
    const uuid = await nodeIn({ provision_state: state })
    expect(refused(await order(uuid, body))).toEqual([status, expect.stringContaining(words)])
    expect((await show(uuid)).provision_state).toBe(state)
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>, number, string]>([
    [
      'maintenance',
      { provision_state: 'available', maintenance: true },
      { target: 'active' },
      400,
      'maintenance',
    ],
    [
      'maintenance',
      { provision_state: 'available', maintenance: true },
      { target: 'deploy' },
      400,
      'maintenance',
    ],
    [
      'maintenance',
      { provision_state: 'active', maintenance: true },
      { target: 'rebuild' },
      400,
      'maintenance',
    ],
    [
      'maintenance',
      { provision_state: 'active', maintenance: true },
      { target: 'rescue', rescue_password: 'x' },
      400,
      'maintenance',
    ],
    ['retirement', { provision_state: 'manageable', retired: true }, { target: 'provide' }, 400, 'retired'],
    ['protection', { provision_state: 'active', protected: true }, { target: 'deleted' }, 403, 'protected'],
    ['protection', { provision_state: 'active', protected: true }, { target: 'rebuild' }, 403, 'protected'],
    [
      'a lock',
      { provision_state: 'manageable', reservation: 'x' },
      { target: 'provide' },
      409,
      'locked by host x',
    ],
    [
      'a lock in another state',
      { provision_state: 'cleaning', reservation: 'x' },
      { target: 'provide' },
      409,
      'locked by host x',
    ],
  ])('is stopped by %s', async (_, columns, body, status, words) => {
    const uuid = await nodeIn(columns)
    expect(refused(await order(uuid, body))).toEqual([status, expect.stringContaining(words)])
  })

  it('takes a configdrive in the forms of its version', async () => {
    const outcome = async (version: string, target: string, configdrive: unknown) => {
      const uuid = await nodeIn({ provision_state: target === 'rebuild' ? 'active' : 'available' })
      return (await order(uuid, { target, configdrive }, admin, version)).status
    }
    expect(await outcome('1.1', 'active', 'aGVsbG8=')).toBe(202)
    expect(await outcome('1.1', 'active', 'https://images.example/drive.iso')).toBe(202)
    expect(await outcome('1.34', 'rebuild', 'aGVsbG8=')).toBe(400)
    expect(await outcome('1.35', 'rebuild', 'aGVs\nbG8=\n')).toBe(202)
    expect(await outcome('1.55', 'active', { user_data: 'x' })).toBe(400)
    expect(await outcome('1.56', 'active', { user_data: 'x' })).toBe(202)
    expect(await outcome('1.58', 'active', { vendor_data: {} })).toBe(400)
    expect(await outcome('1.59', 'active', { vendor_data: {}, user_data: ['x'], network_data: {} })).toBe(202)
    expect(await outcome('1.1', 'active', '')).toBe(202)
    expect(await outcome('1.115', 'deploy', 'aGVsbG8=')).toBe(202)
  })
})

describe('states', () => {
  it('show what a node is and where it goes', async () => {
    const { uuid } = await api.node()
    const { body } = await api.as('lessee-reader', 'GET', `/v1/nodes/${uuid}/states`)
    expect(body).toEqual({
      console_enabled: false,
      last_error: expect.stringContaining('Redacted'),
      power_state: null,
      provision_state: 'enroll',
      target_power_state: null,
      target_provision_state: null,
      provision_updated_at: null,
      raid_config: {},
      target_raid_config: {},
      boot_mode: null,
      secure_boot: null,
    })
  })
})

describe('validate', () => {
  it('says of each interface whether it could work, by path and by query', async () => {
    const { uuid, name } = await api.node({ driver: 'ipmi' })
    const { body } = await api.as('owner-member', 'GET', `/v1/nodes/${uuid}/validate`)
    expect(Object.keys(body).sort()).toEqual([
      'bios',
      'boot',
      'console',
      'deploy',
      'firmware',
      'inspect',
      'management',
      'network',
      'power',
      'raid',
      'rescue',
      'storage',
    ])
    expect(body.power).toEqual({ result: false, reason: expect.stringContaining('ipmi_address') })
    for (const query of [`node=${name}`, `node_uuid=${uuid}`])
      expect((await api.as('lessee-admin', 'GET', `/v1/nodes/validate?${query}`)).body).toEqual(body)
    expect((await api.as(admin, 'GET', '/v1/nodes/validate')).status).toBe(400)
    expect((await api.as('lessee-member', 'GET', `/v1/nodes/${uuid}/validate`)).status).toBe(403)
  })
})

describe('the boot device', () => {
  it('is set, shown, and one of those that there are', async () => {
    const { uuid } = await api.node()
    const path = `/v1/nodes/${uuid}/management/boot_device`
    const { supported_boot_devices: supported } = (await api.as('owner-manager', 'GET', `${path}/supported`))
      .body
    expect(supported).toContain('pxe')
    expect(
      (
        await put(
          uuid,
          '/management/boot_device',
          { boot_device: 'disk', persistent: 'yes' },
          'owner-manager',
        )
      ).status,
    ).toBe(204)
    expect((await api.as('owner-manager', 'GET', path)).body).toEqual({
      boot_device: 'disk',
      persistent: true,
    })
    await put(uuid, '/management/boot_device', { boot_device: 'pxe' })
    expect((await api.as(admin, 'GET', path)).body).toEqual({ boot_device: 'pxe', persistent: false })
    expect((await show(uuid)).reservation).toBeNull()
    expect(refused(await put(uuid, '/management/boot_device', { boot_device: 'floppy disc' }))).toEqual([
      400,
      expect.stringContaining('Supported: '),
    ])
    for (const body of [
      {},
      { boot_device: 7 },
      { boot_device: 'pxe', persistent: 'perhaps' },
      { boot_device: 'pxe', x: 1 },
    ])
      expect((await put(uuid, '/management/boot_device', body)).status).toBe(400)
  })

  it('of a machine that does not answer is an error with a remedy, and the lock is given back', async () => {
    const { uuid } = await api.node({ driver_info: { fake_fail: 'management.set_boot_device' } })
    expect((await put(uuid, '/management/boot_device', { boot_device: 'pxe' })).status).toBe(503)
    expect((await show(uuid)).reservation).toBeNull()
    const bare = await api.node({ driver: 'ipmi' })
    const answer = await api.as(admin, 'GET', `/v1/nodes/${bare.uuid}/management/boot_device`)
    expect(refused(answer)).toEqual([400, expect.stringContaining('ipmi_address')])
    const locked = await nodeIn({ reservation: 'x' })
    expect((await put(locked, '/management/boot_device', { boot_device: 'pxe' })).status).toBe(409)
  })
})

describe('traits', () => {
  it('are put one by one and all at once, sorted, each once', async () => {
    const { uuid } = await api.node()
    const list = async () => (await api.as('lessee-reader', 'GET', `/v1/nodes/${uuid}/traits`)).body.traits
    expect(
      (await put(uuid, '/traits', { traits: ['CUSTOM_B', 'HW_CPU_X86_VMX', 'CUSTOM_B'] }, 'owner-manager'))
        .status,
    ).toBe(204)
    expect(await list()).toEqual(['CUSTOM_B', 'HW_CPU_X86_VMX'])
    const one = await put(uuid, '/traits/CUSTOM_A')
    expect([one.status, one.headers.location]).toEqual([
      204,
      `http://baremetal.test:6385/v1/nodes/${uuid}/traits/CUSTOM_A`,
    ])
    expect((await show(uuid)).traits).toEqual(['CUSTOM_A', 'CUSTOM_B', 'HW_CPU_X86_VMX'])
    expect((await api.as(admin, 'DELETE', `/v1/nodes/${uuid}/traits/CUSTOM_B`)).status).toBe(204)
    expect((await api.as(admin, 'DELETE', `/v1/nodes/${uuid}/traits/CUSTOM_B`)).status).toBe(404)
    expect((await api.as(admin, 'DELETE', `/v1/nodes/${uuid}/traits`)).status).toBe(204)
    expect(await list()).toEqual([])
  })

  it.each<[string, unknown]>([
    ['', { traits: ['lower'] }],
    ['', { traits: ['CUSTOM_'] }],
    ['', { traits: [`CUSTOM_${'A'.repeat(249)}`] }],
    ['', { traits: 'CUSTOM_A' }],
    ['', {}],
    ['', { traits: Array.from({ length: 51 }, (_, index) => `CUSTOM_${index}`) }],
    ['/lower', undefined],
    ['/CUSTOM_A', { traits: [] }],
    ['/CUSTOM_A%00', undefined],
  ])('PUT traits%s %j is 400', async (path, body) => {
    const { uuid } = await api.node()
    expect((await put(uuid, `/traits${path}`, body)).status).toBe(400)
    expect((await show(uuid)).traits).toEqual([])
  })

  it('at most 50, also one by one and by two at once', async () => {
    const { uuid } = await api.node()
    await put(uuid, '/traits', { traits: Array.from({ length: 49 }, (_, index) => `CUSTOM_${index}`) })
    const answers = await Promise.all(
      ['CUSTOM_A', 'CUSTOM_B', 'CUSTOM_C'].map((trait) => put(uuid, `/traits/${trait}`)),
    )
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, 400, 400])
    expect((await show(uuid)).traits).toHaveLength(50)
  })
})

describe('history', () => {
  const entry = (uuid: string, serial: number, event: string) => ({
    uuid: crypto.randomUUID(),
    node_uuid: uuid,
    severity: serial % 2 ? 'ERROR' : 'INFO',
    event,
    event_type: 'provisioning',
    conductor: 'c',
    user_id: 'u',
    project_id: 'p',
    state: 'active',
    duration_seconds: 1.5,
  })

  it('is listed in pages, in order, by its node only', async () => {
    const { uuid } = await api.node()
    const other = await api.node()
    const rows = Array.from({ length: 7 }, (_, index) => entry(uuid, index, `event ${index}`))
    await api.db.insertInto('node_history').values(rows).execute()
    const foreign = entry(other.uuid, 0, 'other')
    await api.db.insertInto('node_history').values(foreign).execute()
    for (const query of [
      '',
      'sort_dir=desc',
      'sort_key=severity',
      'sort_key=event&sort_dir=desc',
      'detail=true',
    ]) {
      const seen: string[] = []
      let path: string | undefined = `/v1/nodes/${uuid}/history?limit=3&${query}`
      while (path) {
        const { body }: { body: { history: { uuid: string; event: string }[]; next?: string } } =
          await api.as('owner-reader', 'GET', path)
        seen.push(...body.history.map((each) => each.event))
        path = body.next?.replace('http://baremetal.test:6385', '')
      }
      expect([query, seen.toSorted()]).toEqual([query, rows.map((row) => row.event)])
      if (query === '') expect(seen).toEqual(rows.map((row) => row.event))
      if (query === 'sort_dir=desc') expect(seen).toEqual(rows.map((row) => row.event).toReversed())
    }
    expect((await api.as(admin, 'GET', `/v1/nodes/${uuid}/history/${foreign.uuid}`)).status).toBe(404)
    expect((await api.as(admin, 'GET', `/v1/nodes/${uuid}/history?marker=${foreign.uuid}`)).status).toBe(404)
    for (const wrong of ['x', '-'.repeat(36)])
      expect((await api.as(admin, 'GET', `/v1/nodes/${uuid}/history/${wrong}`)).status).toBe(404)
    expect((await api.as(admin, 'GET', `/v1/nodes/${uuid}/history?sort_key=user`)).status).toBe(400)
    expect((await api.as('lessee-admin', 'GET', `/v1/nodes/${uuid}/history`)).status).toBe(403)
  })

  it('cuts long events in lists, and keeps them whole in detail', async () => {
    const { uuid } = await api.node()
    const row = entry(uuid, 1, 'x'.repeat(300))
    await api.db.insertInto('node_history').values(row).execute()
    const [short] = (await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}/history`)).body.history
    expect(short.event).toBe(`${'x'.repeat(251)}...`)
    expect(Object.keys(short).sort()).toEqual(['created_at', 'event', 'links', 'severity', 'uuid'])
    const whole = (await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}/history/${row.uuid}`)).body
    expect(whole).toMatchObject({
      event: row.event,
      conductor: 'c',
      user: 'u',
      project: 'p',
      state: 'active',
      duration_seconds: 1.5,
      event_type: 'provisioning',
    })
    expect(
      (await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}/history?detail=true`)).body.history[0],
    ).toEqual(whole)
  })
})

describe('drivers and conductors', () => {
  it('are what the living conductors have', async () => {
    const { body } = await api.as('system-reader', 'GET', '/v1/drivers')
    expect(body.drivers.map((driver: { name: string }) => driver.name).sort()).toEqual(
      expect.arrayContaining(['fake-hardware', 'ipmi']),
    )
    const host = api.deps.config['conductor.host']
    expect(body.drivers[0].hosts).toEqual([host])
    expect(body.drivers[0].default_power_interface).toBeUndefined()
    const whole = (await api.as('system-reader', 'GET', '/v1/drivers?detail=true')).body.drivers[0]
    expect(whole.enabled_power_interfaces).toContain(whole.default_power_interface)
    expect((await api.as(admin, 'GET', '/v1/drivers?type=classic')).body).toEqual({ drivers: [] })
    expect((await api.as(admin, 'GET', '/v1/drivers?type=other')).status).toBe(400)
    expect((await api.as(admin, 'GET', '/v1/drivers/nonesuch')).status).toBe(404)
    expect((await api.as(admin, 'GET', '/v1/drivers/ipmi?fields=name,hosts')).body).toEqual({
      name: 'ipmi',
      hosts: [host],
      links: expect.any(Array),
    })
    expect((await api.as(admin, 'GET', '/v1/drivers/ipmi/properties')).body.ipmi_address).toContain('BMC')
    const list = (await api.as('system-reader', 'GET', '/v1/conductors')).body
    expect(list.conductors).toEqual([
      { hostname: host, conductor_group: '', alive: true, links: expect.any(Array) },
    ])
    expect((await api.as(admin, 'GET', '/v1/conductors?marker=nonesuch')).status).toBe(404)
    expect((await api.as(admin, 'GET', `/v1/conductors?marker=${host}`)).body).toEqual({ conductors: [] })
    expect((await api.as(admin, 'GET', '/v1/conductors?sort_key=alive')).status).toBe(400)
    expect((await api.as(admin, 'GET', '/v1/conductors/nonesuch')).status).toBe(404)
  })
})
