/** The ramdisk's routes through the API's door: who has no token, and no business, first. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, faultOf, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  // Tests that are not of the limit are not to meet it.
  api = await testApi({ 'api.ramdisk_requests_per_second': 1000, 'conductor.lock_attempts': 1 })
})
afterAll(() => api.close())

let serial = 0
const mac = () =>
  `52:54:00:00:${(serial >> 8).toString(16).padStart(2, '0')}:${(++serial & 255).toString(16).padStart(2, '0')}`

/** A node with a port that waits in a state of its work, as after a real wait. */
async function waiting(
  verb: 'active' | 'provide' | 'inspect' | 'rescue',
  fields: Record<string, unknown> = {},
) {
  const { from, wait, state } = waits[verb]
  const node = await api.node({ driver_info: { fake_wait: wait }, ...fields })
  const address = mac()
  await api.as('system-admin', 'POST', '/v1/ports', { node_uuid: node.uuid, address })
  await api.db
    .updateTable('nodes')
    .set({ provision_state: from, power_state: 'power on' })
    .where('uuid', '=', node.uuid)
    .execute()
  const { status, text } = await api.as('system-admin', 'PUT', `/v1/nodes/${node.uuid}/states/provision`, {
    target: verb,
    ...(verb === 'rescue' ? { rescue_password: 'sesame' } : {}),
  })
  expect(status, text).toBe(202)
  await api.settled(node.uuid, state)
  return { ...node, address }
}
const waits = {
  active: { from: 'available', wait: 'deploy.write_image', state: 'wait call-back' },
  provide: { from: 'manageable', wait: 'deploy.erase_devices', state: 'clean wait' },
  inspect: { from: 'manageable', wait: 'inspect.inspect', state: 'inspect wait' },
  rescue: { from: 'active', wait: 'rescue.rescue', state: 'rescue wait' },
} as const

const lookup = (query: string, version = 'latest') =>
  api.as(null, 'GET', `/v1/lookup?${query}`, undefined, version)
const tokenOf = async (uuid: string): Promise<string> =>
  (await lookup(`node_uuid=${uuid}`)).body.config.agent_token
const url = 'https://192.0.2.7:9999'
const beat = (ident: string, body: Record<string, unknown> = {}, version = 'latest') =>
  api.as(null, 'POST', `/v1/heartbeat/${ident}`, { callback_url: url, agent_version: '11', ...body }, version)
const report = (body: unknown, query = '', version = 'latest') =>
  api.as(null, 'POST', `/v1/continue_inspection${query}`, body, version)
const said = (answer: Answer) => [answer.status, faultOf(answer.body)]
const columns = (uuid: string) =>
  api.db.selectFrom('nodes').selectAll().where('uuid', '=', uuid).executeTakeFirstOrThrow()
const nobody = [404, 'Resource could not be found.']

describe('who is not the agent', () => {
  it('gets one and the same 404 from lookup: absent, hidden, in the wrong state, ambiguous', async () => {
    const idle = await api.node()
    const address = mac()
    await api.as('system-admin', 'POST', '/v1/ports', { node_uuid: idle.uuid, address })
    const [one, two] = [await waiting('active'), await waiting('active')]
    for (const query of [
      `node_uuid=${randomUUID()}`,
      `node_uuid=${idle.uuid}`,
      `addresses=${address}`,
      `addresses=${mac()}`,
      `addresses=${one.address},${two.address}`,
    ])
      expect(said(await lookup(query))).toEqual(nobody)
  })

  it('gets that 404 from heartbeat without the token, whether there is a node or not', async () => {
    const { uuid, name } = await waiting('active')
    await tokenOf(uuid)
    for (const ident of [uuid, name, randomUUID(), 'no-such-node'])
      for (const token of ['x'.repeat(43), '******'])
        expect(said(await beat(ident, { agent_token: token }))).toEqual(nobody)
    const texts = await Promise.all([uuid, randomUUID()].map(async (ident) => (await beat(ident)).text))
    expect(new Set(texts).size).toBe(1)
    expect((await columns(uuid)).provision_state).toBe('wait call-back')
  })

  it('gets that 404 from heartbeat when the agent has not looked itself up', async () => {
    const { uuid } = await waiting('active')
    for (const token of ['null', 'undefined', ' '])
      expect(said(await beat(uuid, { agent_token: token }))).toEqual(nobody)
  })

  it('gets that 404 from continue_inspection: absent, in another state, or with addresses of two', async () => {
    const [deploying, one, two] = [
      await waiting('active'),
      await waiting('inspect'),
      await waiting('inspect'),
    ]
    const interfaces = (...addresses: string[]) => ({
      inventory: { interfaces: addresses.map((mac_address) => ({ mac_address })) },
    })
    expect(said(await report(interfaces(mac())))).toEqual(nobody)
    expect(said(await report(interfaces(deploying.address)))).toEqual(nobody)
    expect(said(await report(interfaces(one.address, two.address)))).toEqual(nobody)
    expect(said(await report(interfaces(mac()), `?node_uuid=${randomUUID()}`))).toEqual(nobody)
    expect(said(await report(interfaces(one.address), `?node_uuid=${two.uuid}`))).toEqual(nobody)
    expect((await columns(one.uuid)).provision_state).toBe('inspect wait')
  })

  it('is told no more for being somebody: tokens are ignored here', async () => {
    const { uuid } = await api.node()
    for (const who of ['system-admin', 'stranger'] as const)
      expect((await api.as(who, 'GET', `/v1/lookup?node_uuid=${uuid}`)).status).toBe(404)
  })
})

describe('lookup', () => {
  it('finds by MAC or UUID and tells the agent how to behave, and of the node what a stranger may see', async () => {
    const { uuid, address } = await waiting('active', {
      driver_info: { fake_wait: 'deploy.write_image', ipmi_password: 'hunter2' },
      instance_info: { image_url: 'http://secret/', admin_pass: 'hunter2', display_name: 'db' },
    })
    const { status, body, text } = await lookup(`addresses=nonsense,${address.toUpperCase()},${mac()}`)
    expect(status, text).toBe(200)
    expect(body.node).toMatchObject({
      uuid,
      instance_info: { image_url: '******', admin_pass: '******', display_name: 'db' },
      driver_internal_info: { content: expect.stringContaining('Redacted') },
    })
    expect(Object.keys(body.node).sort()).toEqual(
      ['driver_internal_info', 'instance_info', 'links', 'properties', 'uuid'].sort(),
    )
    expect(body.config).toMatchObject({ heartbeat_timeout: 300, agent_token_required: true })
    expect(body.config.agent_token).toMatch(/^[\w-]{43}$/)
    expect(text).not.toContain('hunter2')
    expect((await lookup(`node_uuid=${uuid}`)).body.node.uuid).toBe(uuid)
  })

  it('gives the token once, also to two that ask together, and keeps only its hash', async () => {
    const { uuid } = await waiting('active')
    const tokens = await Promise.all([1, 2, 3].map(() => tokenOf(uuid)))
    expect(tokens.filter((token) => token === '******')).toHaveLength(2)
    const token = tokens.find((each) => each !== '******') as string
    expect(JSON.stringify(await columns(uuid))).not.toContain(token)
    for (const who of ['system-admin', 'owner-admin'] as const) {
      const { text } = await api.as(who, 'GET', `/v1/nodes/${uuid}`)
      expect(text).toContain('"agent_secret_token":"******"')
    }
  })

  it('answers 409 without a name while the node is locked and has no token yet', async () => {
    const { uuid } = await waiting('active')
    const lock = (reservation: string | null) =>
      api.db.updateTable('nodes').set({ reservation }).where('uuid', '=', uuid).execute()
    await lock('conductor-7')
    const { status, text } = await lookup(`node_uuid=${uuid}`)
    expect(status).toBe(409)
    expect(text).not.toMatch(new RegExp(`conductor-7|${uuid}`))
    await lock(null)
    expect((await lookup(`node_uuid=${uuid}`)).status).toBe(200)
    await lock('conductor-7')
    expect((await lookup(`node_uuid=${uuid}`)).body.config.agent_token).toBe('******')
  })

  it.each([
    ['', 'addresses'],
    ['addresses=', 'addresses'],
    ['addresses=zz', 'addresses'],
    ['node_uuid=x', 'node_uuid'],
    [
      `addresses=${Array.from({ length: 65 }, (_, index) => `52:54:00:ff:ff:${index.toString(16).padStart(2, '0')}`)}`,
      '64',
    ],
    ['foo=1', 'foo'],
  ])('answers 400 that names what is wrong: %s', async (query, named) => {
    const [status, text] = said(await lookup(query))
    expect([status, text]).toEqual([400, expect.stringContaining(named as string)])
  })

  it('is of 1.22, its tokens of 1.62', async () => {
    const { uuid } = await waiting('active')
    expect((await lookup(`node_uuid=${uuid}`, '1.21')).status).toBe(404)
    const old = await lookup(`node_uuid=${uuid}`, '1.61')
    expect([old.status, old.body.config.agent_token]).toEqual([200, null])
    expect((await lookup(`node_uuid=${uuid}`, '1.62')).body.config.agent_token).toHaveLength(43)
  })
})

describe('heartbeat', () => {
  it.each([
    ['active', 'active'],
    ['provide', 'available'],
    ['rescue', 'rescue'],
  ] as const)('ends the wait of %s, and the session with the work', async (verb, ends) => {
    const { uuid, name } = await waiting(verb)
    const token = await tokenOf(uuid)
    const answer = await beat(name, { agent_token: token })
    expect([answer.status, answer.text]).toEqual([202, ''])
    const node = await api.settled(uuid, ends)
    expect(node.driver_internal_info).not.toHaveProperty('agent_secret_token')
    expect(node.driver_internal_info).not.toHaveProperty('agent_url')
    expect(said(await beat(uuid, { agent_token: token }))).toEqual(nobody)
  })

  it('is only recorded when the agent says that it starts, and fails the work when it says error', async () => {
    const { uuid } = await waiting('active')
    const token = await tokenOf(uuid)
    expect((await beat(uuid, { agent_token: token, agent_status: 'start' })).status).toBe(202)
    const node = (await api.as('owner-admin', 'GET', `/v1/nodes/${uuid}`)).body
    expect(node).toMatchObject({
      provision_state: 'wait call-back',
      driver_internal_info: { agent_url: url, agent_version: '11' },
    })
    await beat(uuid, { agent_token: token, agent_status: 'error', agent_status_message: 'the disk is gone' })
    expect((await api.settled(uuid, 'deploy failed')).last_error).toContain('the disk is gone')
  })

  it('does not end an inspection, which reports by itself', async () => {
    const { uuid } = await waiting('inspect')
    const token = await tokenOf(uuid)
    expect((await beat(uuid, { agent_token: token })).status).toBe(202)
    expect((await columns(uuid)).provision_state).toBe('inspect wait')
  })

  it('comes from one place only', async () => {
    const { uuid } = await waiting('inspect')
    const token = await tokenOf(uuid)
    await beat(uuid, { agent_token: token })
    const moved = await beat(uuid, { agent_token: token, callback_url: 'https://192.0.2.8:9999' })
    expect(said(moved)).toEqual([400, expect.stringContaining('callback_url')])
  })

  it('answers 409 for the first one while the node is locked, later ones are recorded', async () => {
    const { uuid } = await waiting('inspect')
    const token = await tokenOf(uuid)
    const lock = (reservation: string | null) =>
      api.db.updateTable('nodes').set({ reservation }).where('uuid', '=', uuid).execute()
    await lock('conductor-7')
    const first = await beat(uuid, { agent_token: token })
    expect(first.status).toBe(409)
    expect(first.text).not.toMatch(new RegExp(`conductor-7|${uuid}`))
    await lock(null)
    expect((await beat(uuid, { agent_token: token })).status).toBe(202)
    await lock('conductor-7')
    expect((await beat(uuid, { agent_token: token })).status).toBe(202)
    await lock(null)
  })

  it('knows no token of the boot before once the machine has been switched', async () => {
    const { uuid } = await waiting('inspect')
    const token = await tokenOf(uuid)
    await api.as('owner-admin', 'PUT', `/v1/nodes/${uuid}/states/power`, { target: 'rebooting' })
    await api.settled(uuid, 'inspect wait')
    expect(said(await beat(uuid, { agent_token: token }))).toEqual(nobody)
    expect(await tokenOf(uuid)).toHaveLength(43)
  })

  it.each([
    [{ callback_url: undefined }, 'latest', 'callback_url'],
    [{ callback_url: '' }, 'latest', 'callback_url'],
    [{ callback_url: 'file:///etc/passwd' }, 'latest', 'callback_url'],
    [{ callback_url: 'javascript:alert(1)' }, 'latest', 'callback_url'],
    [{ agent_version: undefined }, 'latest', 'agent_version'],
    [{ agent_token: undefined }, 'latest', 'agent_token'],
    [{ agent_status: 'middling' }, 'latest', 'agent_status'],
    [{ nonsense: 1 }, 'latest', 'nonsense'],
    [{}, '1.35', 'agent_version'],
    [{}, '1.61', 'agent_token'],
    [{ agent_verify_ca: 'pem' }, '1.67', 'agent_verify_ca'],
    [{ agent_status: 'end' }, '1.71', 'agent_status'],
  ])('answers 400 that names what is wrong: %j at %s', async (body, version, named) => {
    const answer = await beat(randomUUID(), { agent_token: 'x', ...body }, version)
    expect(said(answer)).toEqual([400, expect.stringContaining(named)])
  })

  it('is of 1.22 and of POST', async () => {
    expect((await beat('x', {}, '1.21')).status).toBe(404)
    expect((await api.as(null, 'GET', '/v1/heartbeat/x')).status).toBe(405)
  })
})

describe('continue_inspection', () => {
  const found = (address: string, more: Record<string, unknown> = {}) => ({
    inventory: {
      interfaces: [{ name: 'eth0', mac_address: address }],
      cpu: { architecture: 'aarch64', count: 80 },
      memory: { physical_mb: 131_072 },
      ...more,
    },
    collected: { lldp: [1, 2] },
  })
  const inventoryOf = (uuid: string) =>
    api.db.selectFrom('node_inventory').selectAll().where('node_uuid', '=', uuid).executeTakeFirst()

  it('keeps the inventory, sets properties, ends the inspection and greets the agent', async () => {
    const { uuid, address } = await waiting('inspect')
    const { status, body } = await report(found(address))
    expect(status).toBe(202)
    expect(body).toMatchObject({
      node: { uuid },
      config: { agent_token: expect.stringMatching(/^[\w-]{43}$/) },
    })
    const node = await api.settled(uuid, 'manageable')
    expect(node.properties).toMatchObject({ cpu_arch: 'aarch64', cpus: 80, memory_mb: 131_072 })
    expect(node.inspection_finished_at).not.toBeNull()
    expect(await inventoryOf(uuid)).toMatchObject({
      inventory: { interfaces: [{ name: 'eth0', mac_address: address }] },
      plugin_data: { collected: { lldp: [1, 2] } },
    })
  })

  it('finds the node by its BMC when no MAC is known, or by its UUID', async () => {
    const byBmc = await waiting('inspect', {
      driver_info: { fake_wait: 'inspect.inspect', ipmi_address: '192.0.2.50' },
    })
    expect((await report(found(mac(), { bmc_address: '192.0.2.51' }))).status).toBe(404)
    expect((await report(found(mac(), { bmc_address: '192.0.2.50' }))).body.node.uuid).toBe(byBmc.uuid)
    const bySix = await waiting('inspect', {
      driver_info: { fake_wait: 'inspect.inspect', redfish_address: 'https://[2001:db8::5]:8443' },
    })
    const six = { bmc_address: '0.0.0.0', bmc_v6address: '2001:db8::5' }
    expect((await report(found(mac(), six))).body.node.uuid).toBe(bySix.uuid)
    const byUuid = await waiting('inspect')
    expect((await report(found(mac()), `?node_uuid=${byUuid.uuid}`)).body.node.uuid).toBe(byUuid.uuid)
  })

  it('fails the inspection when the ramdisk says that it has failed', async () => {
    const { uuid, address } = await waiting('inspect')
    expect((await report({ ...found(address), error: 'no disks' })).status).toBe(202)
    expect((await api.settled(uuid, 'inspect failed')).last_error).toContain('no disks')
  })

  it('answers 409 without a name while the node is locked', async () => {
    const { uuid, address } = await waiting('inspect')
    await api.db.updateTable('nodes').set({ reservation: 'conductor-7' }).where('uuid', '=', uuid).execute()
    const { status, text } = await report(found(address))
    expect(status).toBe(409)
    expect(text).not.toMatch(new RegExp(`conductor-7|${uuid}`))
    expect(await inventoryOf(uuid)).toBeUndefined()
  })

  it('is of 1.84, and of 1.1 for callers without versions, who get the UUID', async () => {
    const { uuid, address } = await waiting('inspect')
    expect((await report(found(address), '', '1.83')).status).toBe(404)
    expect((await report(found(address), `?node_uuid=${uuid}`, '1.1')).status).toBe(406)
    const old = await report(found(address), '', '1.1')
    expect([old.status, old.body]).toEqual([202, { uuid }])
  })

  it.each([
    [{}, 'inventory'],
    [{ inventory: {} }, 'interfaces'],
    [{ inventory: { interfaces: [] } }, 'interfaces'],
    [{ inventory: { interfaces: ['x'] } }, 'interfaces'],
  ])('answers 400 that names what is wrong: %j', async (body, named) => {
    expect(said(await report(body))).toEqual([400, expect.stringContaining(named)])
  })

  it('takes 16 MiB, and answers beyond that with a flat 413', async () => {
    const { uuid, address } = await waiting('inspect')
    const big = { ...found(address), logs: 'x'.repeat(15 * 2 ** 20) }
    expect((await report(big)).status).toBe(202)
    expect((await api.settled(uuid, 'manageable')).last_error).toBeNull()
    const { status, body } = await report({ ...big, more: 'x'.repeat(2 ** 20) })
    expect([status, body.faultcode]).toEqual([413, 'Client'])
    expect(body.faultstring).toContain('16 MiB')
  })
})

describe('bodies elsewhere', () => {
  it('have 1 MiB, states/provision 64 MiB; beyond it is a flat 413', async () => {
    const { uuid } = await api.node()
    const post = (path: string, method: 'POST' | 'PUT', mebibytes: number) =>
      api.as('system-admin', method, path, { extra: { a: 'x'.repeat(mebibytes * 2 ** 20) } })
    for (const [path, method, mebibytes, named] of [
      ['/v1/nodes', 'POST', 1, '1 MiB'],
      ['/v1/heartbeat/x', 'POST', 1, '1 MiB'],
      [`/v1/nodes/${uuid}/states/provision`, 'PUT', 64, '64 MiB'],
    ] as const) {
      const { status, body } = await post(path, method, mebibytes)
      expect([status, body.faultcode, body.faultstring]).toEqual([
        413,
        'Client',
        expect.stringContaining(named),
      ])
    }
    expect((await post(`/v1/nodes/${uuid}/states/provision`, 'PUT', 2)).status).toBe(400)
  })
})

describe('when limited', () => {
  let strict: TestApi
  beforeAll(async () => {
    await api.provisioner.stop()
    strict = await testApi({ 'api.ramdisk_requests_per_second': 1 })
  })
  afterAll(() => strict.close())
  const ask = () => strict.as(null, 'GET', `/v1/lookup?node_uuid=${randomUUID()}`)

  it('an address that guesses is told to wait, soon', async () => {
    const statuses = []
    for (let round = 0; round < 6; round++) statuses.push((await ask()).status)
    expect(statuses).toEqual([404, 404, 404, 429, 429, 429])
    expect(Number((await ask()).headers['retry-after'])).toBeGreaterThan(0)
    const headers = { 'user-agent': 'python-ironicclient', 'x-openstack-ironic-api-version': '1.90' }
    const { statusCode, headers: told } = await strict.app.inject({ url: '/v1/lookup?node_uuid=x', headers })
    // The client has no place for the header in its exceptions, and would show a TypeError.
    expect([statusCode, told['retry-after']]).toEqual([429, undefined])
    // Before its body is read.
    const big = { inventory: 'x'.repeat(17 * 2 ** 20) }
    expect((await strict.as(null, 'POST', '/v1/continue_inspection', big)).status).toBe(429)
  })
})

describe('when disabled', () => {
  let closed: TestApi
  beforeAll(async () => {
    closed = await testApi({ 'api.enable_ramdisk_endpoints': false })
  })
  afterAll(() => closed.close())

  it('all three answer 403', async () => {
    expect((await closed.as(null, 'GET', '/v1/lookup?node_uuid=x')).status).toBe(403)
    expect((await closed.as(null, 'POST', '/v1/heartbeat/x', {})).status).toBe(403)
    expect((await closed.as(null, 'POST', '/v1/continue_inspection', {})).status).toBe(403)
  })
})
