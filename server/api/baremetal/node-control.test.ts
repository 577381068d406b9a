/** What is done to a node's machine: each effect seen, each refusal, the lock, and the work of a node that waits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
const admin = (method: Method, path: string, body?: unknown, version?: string) =>
  api.as('system-admin', method, `/v1/nodes/${path}`, body, version)
const shown = async (uuid: string) => (await admin('GET', uuid)).body
const free = (uuid: string) => api.settled(uuid, 'enroll', 'manageable', 'clean wait', 'active', 'available')
const machine = async (fields: Record<string, unknown> = {}) => (await api.node(fields)).uuid
/** As the row is, past all verbs. */
const inState = async (uuid: string, provision_state: string) =>
  void (await api.db.updateTable('nodes').set({ provision_state }).where('uuid', '=', uuid).execute())
async function provision(uuid: string, body: Record<string, unknown>, ...states: string[]) {
  const { status, text } = await admin('PUT', `${uuid}/states/provision`, body)
  expect([status, text]).toEqual([202, ''])
  return api.settled(uuid, ...states)
}

const bare = {
  console_interface: 'no-console',
  management_interface: 'noop',
  vendor_interface: 'no-vendor',
}
const disc = { device_type: 'cdrom', image_url: 'https://images.example/a.iso' }

describe('boot mode and secure boot', () => {
  it('are changed after the answer, which says where to look', async () => {
    const uuid = await machine()
    const answer = await admin('PUT', `${uuid}/states/boot_mode`, { target: 'bios' })
    expect([answer.status, answer.headers.location, answer.text]).toEqual([
      202,
      `http://baremetal.test:6385/v1/nodes/${uuid}/states`,
      '',
    ])
    await free(uuid)
    expect((await admin('GET', `${uuid}/states`)).body).toMatchObject({
      boot_mode: 'bios',
      secure_boot: false,
    })
    await admin('PUT', `${uuid}/states/boot_mode`, { target: 'uefi' })
    await free(uuid)
    await admin('PUT', `${uuid}/states/secure_boot`, { target: 'on' })
    expect(await free(uuid)).toMatchObject({
      boot_mode: 'uefi',
      secure_boot: true,
      provision_state: 'enroll',
    })
  })

  it('say in last_error why not, and leave the node as it was', async () => {
    const uuid = await machine({ driver_info: { fake_fail: 'management.set_boot_mode' } })
    expect((await admin('PUT', `${uuid}/states/boot_mode`, { target: 'bios' })).status).toBe(202)
    const node = await free(uuid)
    expect(node).toMatchObject({ boot_mode: null, target_power_state: null, provision_state: 'enroll' })
    expect(node.last_error).toMatch(
      /^Changing boot mode to bios failed: Fake machine: .* ask for it again\.$/,
    )
    // The next one clears it.
    await admin('PATCH', uuid, [{ op: 'remove', path: '/driver_info/fake_fail' }])
    await admin('PUT', `${uuid}/states/boot_mode`, { target: 'bios' })
    expect(await free(uuid)).toMatchObject({ boot_mode: 'bios', last_error: null })
  })

  it.each([
    ['boot_mode', { target: 'efi' }, 400],
    ['boot_mode', { target: null }, 400],
    ['boot_mode', { target: true }, 400],
    ['boot_mode', {}, 400],
    ['secure_boot', { target: null }, 400],
    ['secure_boot', { target: 'maybe' }, 400],
  ])('%s %j is %i', async (what, body, status) => {
    expect((await admin('PUT', `${await machine()}/states/${what}`, body)).status).toBe(status)
  })

  it('are refused with 409 while the node is on its way, and with 400 by a driver that cannot', async () => {
    const uuid = await machine()
    for (const state of ['deploying', 'wait call-back', 'clean wait', 'adopting', 'service wait']) {
      await inState(uuid, state)
      for (const [what, target] of [
        ['boot_mode', 'uefi'],
        ['secure_boot', true],
      ] as const)
        expect([state, (await admin('PUT', `${uuid}/states/${what}`, { target })).status]).toEqual([
          state,
          409,
        ])
    }
    const { status, body } = await admin('PUT', `${await machine(bare)}/states/secure_boot`, { target: true })
    expect([status, faultOf(body)]).toEqual([
      400,
      expect.stringContaining('does not support set_secure_boot_state'),
    ])
  })
})

describe('the lock of a node', () => {
  it('keeps out whatever changes the machine, with 409, and nothing that only looks', async () => {
    const uuid = await machine()
    await api.db.updateTable('nodes').set({ reservation: 'elsewhere' }).where('uuid', '=', uuid).execute()
    for (const [method, path, body] of [
      ['PUT', 'states/raid', {}],
      ['PUT', 'states/boot_mode', { target: 'uefi' }],
      ['PUT', 'states/secure_boot', { target: true }],
      ['PUT', 'states/console', { enabled: true }],
      ['PUT', 'management/boot_device', { boot_device: 'disk' }],
      ['PUT', 'management/inject_nmi', {}],
      ['PUT', 'management/indicators/identify@chassis', { state: 'on' }],
      ['POST', 'vmedia', disc],
      ['DELETE', 'vmedia', undefined],
      ['POST', 'vifs', { id: 'v' }],
      ['DELETE', 'vifs/v', undefined],
      ['DELETE', 'vendor_passthru/erase_note', undefined],
      ['POST', 'vendor_passthru/note', { text: 'x' }],
    ] as const) {
      const answer = await admin(method, `${uuid}/${path}`, body)
      expect([path, answer.status]).toEqual([path, 409])
      expect(faultOf(answer.body)).toContain('is locked by host elsewhere, please retry')
    }
    for (const path of [
      'states/console',
      'management/indicators',
      'vmedia',
      'vifs',
      'bios',
      'vendor_passthru/read_note',
    ])
      expect([path, (await admin('GET', `${uuid}/${path}`)).status]).toEqual([path, 200])
  })
})

describe('a machine that is slow', () => {
  it('keeps its node locked until the change is done', async () => {
    const uuid = await machine({ driver_info: { fake_delay_ms: 300 } })
    expect((await admin('PUT', `${uuid}/states/console`, { enabled: true })).status).toBe(202)
    expect((await admin('PUT', `${uuid}/states/boot_mode`, { target: 'bios' })).status).toBe(409)
    expect(await free(uuid)).toMatchObject({ console_enabled: true, boot_mode: null })
  })
})

describe('the console', () => {
  it('is turned on and off, and told of while it is on', async () => {
    const uuid = await machine()
    const console = async () => (await admin('GET', `${uuid}/states/console`)).body
    expect(await console()).toEqual({ console_enabled: false, console_info: null })
    const answer = await admin('PUT', `${uuid}/states/console`, { enabled: true })
    expect(answer.headers.location).toBe(`http://baremetal.test:6385/v1/nodes/${uuid}/states/console`)
    await free(uuid)
    expect(await console()).toEqual({
      console_enabled: true,
      console_info: { type: 'leasehold', url: `http://baremetal.test:6385/consoles/${uuid}` },
    })
    expect((await admin('GET', `${uuid}/states`)).body.console_enabled).toBe(true)
    // The same again: nothing is done, so nothing is told.
    const generation = async () =>
      (await api.db.selectFrom('nodes').select('generation').where('uuid', '=', uuid).executeTakeFirst())
        ?.generation
    const before = await generation()
    expect((await admin('PUT', `${uuid}/states/console`, { enabled: 'yes' })).status).toBe(202)
    expect(await generation()).toBe(before)
    await admin('PUT', `${uuid}/states/console`, { enabled: false })
    await free(uuid)
    expect(await console()).toEqual({ console_enabled: false, console_info: null })
  })

  it('is 400 of a driver without one, and for what is no boolean', async () => {
    const uuid = await machine(bare)
    expect((await admin('GET', `${uuid}/states/console`)).status).toBe(400)
    expect((await admin('PUT', `${uuid}/states/console`, { enabled: false })).status).toBe(400)
    expect((await admin('PUT', `${await machine()}/states/console`, { enabled: 'perhaps' })).status).toBe(400)
  })

  it('can be turned on while a node waits, which goes on afterwards as if nothing had been', async () => {
    const uuid = await machine({ driver_info: { fake_wait: 'deploy.burnin_cpu' } })
    await provision(uuid, { target: 'manage' }, 'manageable')
    const steps = [
      { interface: 'deploy', step: 'burnin_cpu' },
      {
        interface: 'bios',
        step: 'apply_configuration',
        args: { settings: [{ name: 'NumLock', value: 'Off' }] },
      },
    ]
    await provision(uuid, { target: 'clean', clean_steps: steps }, 'clean wait')
    await admin('PUT', `${uuid}/states/console`, { enabled: true })
    expect(await free(uuid)).toMatchObject({ console_enabled: true, provision_state: 'clean wait' })
    await api.provisioner.resume(uuid)
    await api.settled(uuid, 'manageable')
    expect((await admin('GET', `${uuid}/bios/NumLock`)).body.NumLock.value).toBe('Off')
  })
})

describe('steps that change the machine', () => {
  it('each see what those before have done, and what is done is on record when a later one fails', async () => {
    const uuid = await machine({ driver_info: { fake_fail: 'deploy.burnin_cpu' } })
    await provision(uuid, { target: 'manage' }, 'manageable')
    const apply = (name: string, value: string) => ({
      interface: 'bios',
      step: 'apply_configuration',
      args: { settings: [{ name, value }] },
    })
    const steps = [
      apply('NumLock', 'Off'),
      apply('LogicalProc', 'Disabled'),
      { interface: 'deploy', step: 'burnin_cpu' },
    ]
    await provision(uuid, { target: 'clean', clean_steps: steps }, 'clean failed')
    const { bios } = (await admin('GET', `${uuid}/bios`)).body
    const value = (name: string) => bios.find((each: { name: string }) => each.name === name).value
    expect([value('NumLock'), value('LogicalProc')]).toEqual(['Off', 'Disabled'])
  })
})

describe('lights', () => {
  it('are listed with what they take, switched and read', async () => {
    const uuid = await machine()
    const { indicators } = (await admin('GET', `${uuid}/management/indicators`)).body
    expect(indicators[0]).toEqual({
      name: 'identify@chassis',
      component: 'chassis',
      readonly: false,
      states: ['on', 'off', 'blinking'],
      links: expect.arrayContaining([
        {
          href: `http://baremetal.test:6385/v1/nodes/${uuid}/management/indicators/identify@chassis`,
          rel: 'self',
        },
      ]),
    })
    const at = `${uuid}/management/indicators/identify@chassis`
    expect((await admin('GET', at)).body).toEqual({ state: 'off' })
    expect((await admin('PUT', at, { state: 'blinking' })).status).toBe(204)
    expect((await admin('GET', at)).body).toEqual({ state: 'blinking' })
  })

  it.each([
    ['identify@chassis', { state: 'unknown' }, 400],
    ['identify@chassis', {}, 400],
    ['power@system', { state: 'on' }, 400],
    ['identify', { state: 'on' }, 400],
    ['a@b@c', { state: 'on' }, 400],
    ['nonesuch@chassis', { state: 'on' }, 404],
  ])('%s %j is %i', async (name, body, status) => {
    const path = `${await machine()}/management/indicators/${name}`
    expect((await admin('PUT', path, body)).status).toBe(status)
  })
})

describe('a non-maskable interrupt', () => {
  it('reaches the machine', async () => {
    const uuid = await machine()
    expect((await admin('PUT', `${uuid}/management/inject_nmi`, {})).status).toBe(204)
    expect((await admin('PUT', `${uuid}/management/inject_nmi`)).status).toBe(204)
    expect((await shown(uuid)).driver_internal_info.fake).toEqual({ nmis: 2 })
    expect((await admin('PUT', `${uuid}/management/inject_nmi`, { now: true })).status).toBe(400)
    expect((await admin('PUT', `${await machine(bare)}/management/inject_nmi`, {})).status).toBe(400)
  })
})

describe('virtual media', () => {
  it('are inserted, listed without the rights that their URLs carry, and ejected', async () => {
    const uuid = await machine()
    const media = async () => (await api.as('lessee-reader', 'GET', `/v1/nodes/${uuid}/vmedia`)).body
    const image_url = 'https://me:pw@images.example/a.iso?sig=1'
    expect((await admin('POST', `${uuid}/vmedia`, { ...disc, image_url })).status).toBe(204)
    await admin('POST', `${uuid}/vmedia`, { device_type: 'floppy', image_url: 'smb://files.example/b.img' })
    expect(await media()).toEqual([
      { media_types: ['cdrom'], inserted: true, image: 'https://images.example/a.iso' },
      { media_types: ['disk'], inserted: false, image: null },
      { media_types: ['floppy'], inserted: true, image: 'smb://files.example/b.img' },
    ])
    expect((await admin('DELETE', `${uuid}/vmedia?device_types=cdrom,disk`)).status).toBe(204)
    expect((await media()).map((each: { inserted: boolean }) => each.inserted)).toEqual([false, false, true])
    expect((await admin('DELETE', `${uuid}/vmedia`)).status).toBe(204)
    expect((await media()).some((each: { inserted: boolean }) => each.inserted)).toBe(false)
  })

  it.each([
    [{ ...disc, device_type: 'tape' }, 400],
    [{ ...disc, image_url: 'ftp://images.example/a.iso' }, 400],
    [{ ...disc, image_url: 'a.iso' }, 400],
    [{ ...disc, image_download_source: 'torrent' }, 400],
    [{ ...disc, more: 1 }, 400],
    [{ device_type: 'cdrom' }, 400],
  ])('%j is %i', async (body, status) => {
    expect((await admin('POST', `${await machine()}/vmedia`, body)).status).toBe(status)
  })

  it('are refused where the type is unknown, the driver cannot, or the BMC is known not to answer', async () => {
    const uuid = await machine()
    expect((await admin('DELETE', `${uuid}/vmedia?device_types=tape`)).status).toBe(400)
    for (const method of ['GET', 'POST', 'DELETE'] as const) {
      const answer = await admin(
        method,
        `${await machine(bare)}/vmedia`,
        method === 'POST' ? disc : undefined,
      )
      expect([method, answer.status]).toEqual([method, 400])
    }
    const fault = { maintenance: true, fault: 'power failure' }
    await api.db.updateTable('nodes').set(fault).where('uuid', '=', uuid).execute()
    expect((await admin('POST', `${uuid}/vmedia`, disc)).status).toBe(503)
  })

  it('do not stay for whoever uses the machine next', async () => {
    const uuid = await machine()
    await provision(uuid, { target: 'manage' }, 'manageable')
    await provision(uuid, { target: 'provide' }, 'available')
    await provision(uuid, { target: 'active' }, 'active')
    await admin('POST', `${uuid}/vmedia`, disc)
    await provision(uuid, { target: 'deleted' }, 'available')
    expect((await admin('GET', `${uuid}/vmedia`)).text).not.toContain('images.example')
    expect(JSON.stringify((await shown(uuid)).driver_internal_info)).not.toContain('images.example')
  })
})

describe('VIFs', () => {
  it('are all taken by noop, which lists none', async () => {
    const uuid = await machine()
    const id = '6ccd1e7a-0000-4000-8000-000000000000'
    expect((await admin('POST', `${uuid}/vifs`, { id, anything: 1 })).status).toBe(204)
    expect((await admin('GET', `${uuid}/vifs`)).body).toEqual({ vifs: [] })
    expect((await admin('DELETE', `${uuid}/vifs/${id}`)).status).toBe(204)
  })

  it('are kept by a fake network, once each, until they are detached', async () => {
    const uuid = await machine({ network_interface: 'fake' })
    const vifs = async () => (await admin('GET', `${uuid}/vifs`)).body.vifs
    for (const id of ['blue', 'green']) expect((await admin('POST', `${uuid}/vifs`, { id })).status).toBe(204)
    expect(await vifs()).toEqual([{ id: 'blue' }, { id: 'green' }])
    expect((await admin('POST', `${uuid}/vifs`, { id: 'blue' })).status).toBe(409)
    expect((await admin('DELETE', `${uuid}/vifs/blue`)).status).toBe(204)
    expect(await vifs()).toEqual([{ id: 'green' }])
    expect((await admin('DELETE', `${uuid}/vifs/blue`)).status).toBe(400)
  })

  it.each([
    [{}, '1.115', 400],
    [{ id: 7 }, '1.115', 400],
    [{ id: 'no name' }, '1.115', 400],
    [{ id: 'v', port_uuid: 'x' }, '1.67', 400],
    [{ id: 'v', port_uuid: crypto.randomUUID(), portgroup_uuid: crypto.randomUUID() }, '1.67', 400],
    [{ id: 'v', port_uuid: crypto.randomUUID(), portgroup_uuid: crypto.randomUUID() }, '1.66', 204],
  ])('%j at %s is %i', async (body, version, status) => {
    expect((await admin('POST', `${await machine()}/vifs`, body, version)).status).toBe(status)
  })
})

describe('vendor methods', () => {
  it('are listed with how each is called', async () => {
    const { body } = await admin('GET', `${await machine()}/vendor_passthru/methods`)
    expect(body.note).toEqual({
      http_methods: ['POST', 'PUT'],
      async: true,
      description: expect.any(String),
      attach: false,
      require_exclusive_lock: true,
    })
    expect(Object.keys(body)).toEqual(['echo', 'read_note', 'erase_note', 'note'])
  })

  it('answer at once or later, by path or by query', async () => {
    const uuid = await machine()
    const at = `${uuid}/vendor_passthru`
    expect((await admin('POST', `${at}?method=echo`, { a: [1] })).body).toEqual({ a: [1] })
    expect((await admin('GET', `${at}/read_note`)).body).toEqual({ text: null })
    const told = await admin('POST', `${at}/note`, { text: 'rack 7' })
    expect([told.status, told.text]).toEqual([202, ''])
    await free(uuid)
    expect((await admin('GET', `${at}/read_note`)).body).toEqual({ text: 'rack 7' })
    const erased = await admin('DELETE', `${at}/erase_note`)
    expect([erased.status, erased.body]).toEqual([200, { text: 'rack 7' }])
    expect((await admin('GET', `${at}/read_note`)).body).toEqual({ text: null })
  })

  it.each([
    ['GET', '', undefined, 'Method not specified'],
    ['GET', '?method=nonesuch', undefined, 'No handler for method nonesuch; there are: echo'],
    ['GET', '/constructor', undefined, 'No handler for method constructor'],
    ['GET', '/note', undefined, 'does not support HTTP GET; use POST or PUT'],
    ['POST', '/note', { text: 7 }, 'text must be'],
    ['POST', '/echo', [1], 'JSON object'],
  ] as const)('%s %s with %j is 400: %s', async (method, path, body, words) => {
    const answer = await admin(method, `${await machine()}/vendor_passthru${path}`, body)
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining(words)])
  })

  it('are 400 of a driver without any', async () => {
    expect((await admin('GET', `${await machine(bare)}/vendor_passthru/methods`)).status).toBe(400)
  })

  it('of a driver are the system administrator’s', async () => {
    const ask = (method: Method, path: string, body?: unknown, who = 'system-admin' as const) =>
      api.as(who, method, `/v1/drivers/${path}`, body)
    const at = 'fake-hardware/vendor_passthru'
    expect(Object.keys((await ask('GET', `${at}/methods`)).body)).toEqual(['echo', 'idle'])
    expect((await ask('POST', `${at}?method=echo`, { a: 1 })).body).toEqual({ a: 1 })
    expect((await ask('POST', `${at}/idle`)).status).toBe(202)
    expect((await ask('GET', `${at}/idle`)).status).toBe(400)
    expect((await ask('GET', at)).status).toBe(400)
    expect((await ask('GET', 'ipmi/vendor_passthru/methods')).status).toBe(400)
    expect((await ask('GET', 'nonesuch/vendor_passthru/methods')).status).toBe(404)
    for (const who of ['system-member', 'owner-admin', 'stranger', 'service'] as const)
      for (const path of [`${at}/methods`, `${at}/echo`, 'nonesuch/vendor_passthru/echo'])
        expect([who, path, (await api.as(who, 'GET', `/v1/drivers/${path}`)).status]).toEqual([
          who,
          path,
          403,
        ])
  })
})

describe('without a conductor', () => {
  it('nothing that needs the machine is done, and what is known is still told', async () => {
    const uuid = await machine()
    await api.db.updateTable('nodes').set({ driver: 'gone' }).where('uuid', '=', uuid).execute()
    expect((await admin('PUT', `${uuid}/states/boot_mode`, { target: 'uefi' })).status).toBe(404)
    expect((await admin('GET', `${uuid}/management/indicators`)).status).toBe(404)
    expect((await admin('GET', `${uuid}/vifs`)).status).toBe(400)
    expect((await admin('POST', `${uuid}/vmedia`, disc)).status).toBe(400)
    expect((await admin('GET', `${uuid}/bios`)).status).toBe(200)
  })
})
