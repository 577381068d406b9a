/**
 * Who may do what, as a table to read: a row a request, a column a caller, on nodes that nothing hinders, so that what
 * is allowed is done. `+` it is done, `-` it is forbidden, `.` there is no such thing. Written from what Ironic's
 * documentation says of its roles; the policy matrix holds the same routes against Ironic's rules.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallerName, issueTokens } from './policy-matrix/world.ts'
import { type Answer, type TestApi, testApi } from './testing.ts'

let api: TestApi
let tokens: Partial<Record<CallerName, string>>
beforeAll(async () => {
  api = await testApi()
  tokens = await issueTokens(api)
})
afterAll(() => api.close())

// biome-ignore format: one line a group of columns
const columns: readonly CallerName[] = [
  'system-admin', 'system-member', 'system-reader', 'system-service',
  'owner-admin', 'owner-manager', 'owner-member', 'owner-reader', 'owner-service',
  'lessee-admin', 'lessee-manager', 'lessee-member', 'lessee-reader', 'lessee-service',
  'stranger', 'service',
]

// What several rows have in common. Columns: system a m r s, owner a m m r s, lessee a m m r s, others' admin and service.
const readers = '++++ +++++ ++++. ..'
const ownReaders = '++++ +++++ ----. ..'
const members = '++-+ +++-- +++-. ..'
const ownMembers = '++-+ +++-+ ----. ..'
const ownMembersOrManagers = '++-+ +++-+ ++--. ..'
const ownManagers = '++-+ ++--+ ----. ..'
const systemAdmin = '+--- ----- ----. ..'
const systemMembers = '++-- ----- ----. ..'

type Ids = Readonly<Record<'node' | 'port' | 'portgroup' | 'connector' | 'target' | 'runbook', string>>
type Row = readonly [request: string, ok: number, marks: string, body?: unknown | ((ids: Ids) => unknown)]

const change = (path: string, value: unknown) => [{ op: 'add', path, value }]
const extra = change('/extra', { a: 1 })
let serial = 0
const unique = (): string => String(++serial).padStart(4, '0')
const mac = (): string => `02:00:00:01:${unique().replace(/(..)(..)/, '$1:$2')}`

// biome-ignore format: one row a request
const nodeRows: readonly Row[] = [
  ['GET /nodes/:node', 200, readers],
  ['GET /nodes/:node/states', 200, readers],
  ['GET /nodes/:node/ports', 200, readers],
  ['GET /nodes/:node/portgroups', 200, readers],
  ['GET /nodes/:node/volume/connectors', 200, readers],
  ['GET /nodes/:node/volume/targets', 200, readers],
  ['GET /nodes/:node/traits', 200, readers],
  ['GET /nodes/:node/vifs', 200, readers],
  ['GET /nodes/:node/bios', 200, readers],
  ['GET /nodes/:node/firmware', 200, readers],
  ['GET /nodes/:node/vmedia', 200, readers],
  ['GET /nodes/:node/management/indicators', 200, readers],
  ['GET /nodes/:node/management/indicators/identify@chassis', 200, readers],
  ['GET /nodes/:node/children', 200, readers],
  ['GET /nodes/:node/history', 200, ownReaders],
  ['GET /nodes/:node/inventory', 200, ownReaders],
  ['GET /nodes/:node/validate', 200, ownMembersOrManagers],
  ['GET /nodes/:node/states/console', 200, ownMembers],
  ['GET /nodes/:node/management/boot_device', 200, ownManagers],
  ['GET /nodes/:node/management/boot_device/supported', 200, ownManagers],
  ['GET /nodes/:node/vendor_passthru/methods', 200, systemAdmin],

  ['PATCH /nodes/:node', 200, members, extra],
  ['PATCH /nodes/:node', 200, members, change('/description', 'x')],
  ['PATCH /nodes/:node', 200, members, change('/maintenance', true)],
  ['PATCH /nodes/:node', 200, members, change('/automated_clean', true)],
  ['PATCH /nodes/:node', 200, ownMembersOrManagers, change('/instance_info', { a: 1 })],
  ['PATCH /nodes/:node', 200, ownMembersOrManagers, change('/instance_name', 'x')],
  ['PATCH /nodes/:node', 200, ownMembers, change('/driver_info/a', 1)],
  ['PATCH /nodes/:node', 200, ownMembers, change('/properties/a', 1)],
  ['PATCH /nodes/:node', 200, ownMembers, change('/lessee', 'another')],
  ['PATCH /nodes/:node', 200, ownMembers, () => change('/name', `renamed-${unique()}`)],
  ['PATCH /nodes/:node', 200, ownMembers, change('/retired', true)],
  ['PATCH /nodes/:node', 200, ownManagers, change('/power_interface', 'fake')],
  ['PATCH /nodes/:node', 200, systemMembers, change('/owner', 'another')],
  ['PATCH /nodes/:node', 200, systemAdmin, change('/shard', 'a')],
  ['PATCH /nodes/:node', 200, systemAdmin, change('/automated_clean', false)],
  ['PATCH /nodes/:node', 200, systemAdmin, change('/disable_power_off', true)],
  // Every field's rule holds: a service changes its project's driver_info, but not extra.
  ['PATCH /nodes/:node', 200, '++-+ +++-- ----. ..', [...extra, ...change('/driver_info/a', 1)]],
  ['DELETE /nodes/:node', 204, '+--- +---- ----. ..'],

  ['PUT /nodes/:node/states/power', 202, members, { target: 'power on' }],
  ['PUT /nodes/:node/states/boot_mode', 202, members, { target: 'uefi' }],
  ['PUT /nodes/:node/states/secure_boot', 202, members, { target: true }],
  ['POST /nodes/:node/vmedia', 204, members, { device_type: 'cdrom', image_url: 'https://images.example/a.iso' }],
  ['DELETE /nodes/:node/vmedia', 204, members],
  ['PUT /nodes/:node/states/provision', 202, ownMembersOrManagers, { target: 'provide' }],
  ['PUT /nodes/:node/states/provision', 202, ownMembersOrManagers, { target: 'clean', clean_steps: [{ interface: 'deploy', step: 'erase_devices_metadata', args: {} }] }],
  ['PUT /nodes/:node/maintenance', 202, ownMembersOrManagers, { reason: 'x' }],
  ['DELETE /nodes/:node/maintenance', 202, ownMembersOrManagers],
  ['POST /nodes/:node/vifs', 204, ownMembersOrManagers, () => ({ id: crypto.randomUUID() })],
  ['PUT /nodes/:node/states/raid', 204, ownMembers, {}],
  ['PUT /nodes/:node/states/console', 202, ownMembers, { enabled: true }],
  ['PUT /nodes/:node/management/indicators/identify@chassis', 204, ownMembers, { state: 'on' }],
  ['PUT /nodes/:node/management/indicators/chassis/identify', 204, ownMembers, { state: 'on' }],
  ['PUT /nodes/:node/management/boot_device', 204, ownManagers, { boot_device: 'pxe' }],
  ['PUT /nodes/:node/management/inject_nmi', 204, ownManagers],
  ['PUT /nodes/:node/traits', 204, ownManagers, { traits: ['CUSTOM_A'] }],
  ['PUT /nodes/:node/traits/CUSTOM_A', 204, ownManagers],
  ['DELETE /nodes/:node/traits', 204, ownManagers],
]

const ownManagersStrictly = '+--+ ++--+ ----. ..'
const managers = '++-+ ++--+ ++--. ..'
// biome-ignore format: one row a request
const partRows: readonly Row[] = [
  ['GET /ports/:port', 200, readers],
  ['PATCH /ports/:port', 200, ownManagers, extra],
  ['DELETE /ports/:port', 204, ownManagersStrictly],
  // Nobody learns here whether there is such a node.
  ['POST /ports', 201, '+--+ ++--+ ----- --', ({ node }: Ids) => ({ node_uuid: node, address: mac() })],
  ['GET /portgroups/:portgroup', 200, readers],
  ['GET /portgroups/:portgroup/ports', 200, readers],
  ['PATCH /portgroups/:portgroup', 200, ownManagers, extra],
  ['DELETE /portgroups/:portgroup', 204, ownManagersStrictly],
  ['POST /portgroups', 201, '+--+ ++--+ ----- --', ({ node }: Ids) => ({ node_uuid: node })],
  ['GET /volume/connectors/:connector', 200, readers],
  ['PATCH /volume/connectors/:connector', 200, ownMembersOrManagers, extra],
  ['DELETE /volume/connectors/:connector', 204, managers],
  ['POST /volume/connectors', 201, '++-+ ++--+ ++--- --', ({ node }: Ids) => ({ node_uuid: node, type: 'mac', connector_id: mac() })],
  ['GET /volume/targets/:target', 200, readers],
  ['PATCH /volume/targets/:target', 200, ownMembersOrManagers, extra],
  ['DELETE /volume/targets/:target', 204, managers],
  ['POST /volume/targets', 201, '++-+ ++--+ ++--- --', ({ node }: Ids) => ({ node_uuid: node, volume_type: 'iscsi', boot_index: 1, volume_id: 'x' })],
]

const systemReaders = '++++ ----- ----- --'
const adminOfSystem = '+--- ----- ----- --'
const everybody = '++++ +++++ +++++ ++'
const step = { interface: 'bios', step: 'factory_reset', args: {} }
// biome-ignore format: one row a request
const otherRows: readonly Row[] = [
  // Enrolled for itself by a project's administrators and services.
  ['POST /nodes', 201, '+--+ +---+ +---+ ++', { driver: 'fake-hardware' }],
  ['POST /allocations', 201, '++-- +++-- +++-- +-', { resource_class: 'nonesuch' }],
  ['POST /allocations', 201, '++-- ----- ----- --', { resource_class: 'nonesuch', owner: 'another' }],
  // A service's hand reaches the runbooks of all projects; a project's members run none.
  ['POST /runbooks', 201, '++-+ ++--+ ++--+ ++', () => ({ name: `CUSTOM_${unique()}`, steps: [{ ...step, order: 1 }] })],
  ['GET /runbooks/:runbook', 200, '++++ +++++ ----+ -+'],
  ['PATCH /runbooks/:runbook', 200, '++-+ ++--+ ----+ -+', extra],
  ['PATCH /runbooks/:runbook', 200, '++-- ----- ----- --', change('/owner', 'another')],
  ['PATCH /runbooks/:runbook', 200, '++-- ----- ----- --', change('/public', true)],
  ['PUT /runbooks/:runbook/traits/CUSTOM_A', 204, '++-+ ++--+ ----+ -+'],
  ['DELETE /runbooks/:runbook', 204, '++-+ ++--+ ----+ -+'],
  ['GET /volume', 200, systemReaders],
  ['GET /nodes/:node/volume', 200, systemReaders],
  ['GET /chassis', 200, systemReaders],
  ['POST /chassis', 201, adminOfSystem, {}],
  ['GET /shards', 200, systemReaders],
  ['GET /drivers', 200, systemReaders],
  ['GET /drivers/fake-hardware', 200, systemReaders],
  ['GET /drivers/fake-hardware/properties', 200, systemReaders],
  ['GET /drivers/fake-hardware/vendor_passthru/methods', 200, adminOfSystem],
  ['GET /conductors', 200, systemReaders],
  ['GET /deploy_templates', 200, systemReaders],
  ['POST /deploy_templates', 201, adminOfSystem, () => ({ name: `CUSTOM_${unique()}`, steps: [{ ...step, priority: 1 }] })],
  ['GET /inspection_rules', 200, systemReaders],
  ['POST /inspection_rules', 201, adminOfSystem, { actions: [{ op: 'fail', args: ['x'] }] }],
  ['POST /events', 204, adminOfSystem, { events: [{ event: 'network.bind_port', port_id: '6ccd1e7a-0000-4000-8000-000000000001', mac_address: '02:00:00:00:00:01', status: 'ACTIVE' }] }],
  ['GET /audit', 200, everybody],
]

const meanings: Record<string, number> = { '-': 403, '.': 404 }

async function as(caller: CallerName, method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await api.app.inject({
    method: method as 'GET',
    url: `/v1${path}`,
    headers: { 'x-auth-token': tokens[caller] ?? '', 'x-openstack-ironic-api-version': 'latest' },
    ...(body === undefined ? {} : { payload: body as object }),
  })
  const json = answer.body.startsWith('{')
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: json ? answer.json() : undefined,
    text: answer.body,
  }
}

/** A leased node that is manageable and off, with what can belong to one, and a runbook of its owner. */
async function make(words: readonly string[]): Promise<Ids> {
  const { uuid: node } = await api.node()
  await api.db
    .updateTable('nodes')
    .set({ provision_state: 'manageable', power_state: 'power off' })
    .where('uuid', '=', node)
    .execute()
  await api.db.insertInto('node_inventory').values({ node_uuid: node, inventory: '{}' }).execute()
  const part = async (word: string, path: string, body: object): Promise<string> => {
    if (!words.includes(word)) return ''
    const answer = await as('owner-admin', 'POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.body.uuid
  }
  const of = { node_uuid: node }
  const runbook = { name: `CUSTOM_${unique()}`, steps: [{ ...step, order: 1 }] }
  return {
    node,
    port: await part('port', '/ports', { ...of, address: mac() }),
    portgroup: await part('portgroup', '/portgroups', of),
    connector: await part('connector', '/volume/connectors', { ...of, type: 'mac', connector_id: mac() }),
    target: await part('target', '/volume/targets', {
      ...of,
      volume_type: 'iscsi',
      boot_index: 0,
      volume_id: 'x',
    }),
    runbook: await part('runbook', '/runbooks', runbook),
  }
}

describe.each([
  ['nodes', nodeRows],
  ['what belongs to nodes', partRows],
  ['and all else', otherRows],
] as const)('%s', (_, rows) => {
  const titled = rows.map((row) => [
    `${row[0]} ${typeof row[3] === 'object' ? JSON.stringify(row[3]) : ''}`,
    row,
  ])
  it.each(titled as [string, Row][])('%s', async (_title, [request, ok, marks, body]) => {
    const [method = '', path = ''] = request.split(' ')
    const words = [...path.matchAll(/:(\w+)/g)].map((match) => match[1] as string)
    const cells = [...marks.replaceAll(' ', '')]
    expect(cells.length).toBe(columns.length)
    let ids = await make(words)
    const got: string[] = []
    for (const [index, caller] of columns.entries()) {
      const done = cells[index] === '+'
      const answer = await as(
        caller,
        method,
        path.replace(/:(\w+)/g, (_match, word: keyof Ids) => ids[word]),
        typeof body === 'function' ? body(ids) : body,
      )
      got.push(`${caller} ${answer.status === ok ? ok : `${answer.status} ${answer.text}`.slice(0, 200)}`)
      // What was done once may not be done to the same again.
      if (done && method !== 'GET') ids = await make(words)
    }
    const wanted = columns.map((caller, index) => `${caller} ${meanings[cells[index] ?? ''] ?? ok}`)
    // What was refused is told in full only where it should not have been.
    const brief = got.map((line, index) => (line.startsWith(`${wanted[index]} `) ? wanted[index] : line))
    expect(brief).toEqual(wanted)
  })
})

describe('lists', () => {
  it.each([
    ['/nodes', 'nodes'],
    ['/nodes/detail', 'nodes'],
    ['/ports', 'ports'],
    ['/portgroups', 'portgroups'],
    ['/volume/connectors', 'connectors'],
    ['/volume/targets', 'targets'],
  ])('of %s show all to the system, to a project what is of its nodes', async (path, name) => {
    const leased = await make(['port', 'portgroup', 'connector', 'target'])
    const { uuid: owned } = await api.node({ lessee: null })
    const { uuid: foreign } = await api.node({ owner: null, lessee: null })
    const word = name === 'nodes' ? 'node' : (name.slice(0, -1) as keyof Ids)
    for (const caller of columns) {
      const { status, body } = await as(caller, 'GET', `${path}?limit=1000`)
      expect([caller, status]).toEqual([caller, 200])
      const uuids = new Set((body[name] as { uuid: string }[]).map((row) => row.uuid))
      const seen = [
        uuids.has(leased[word]),
        ...(word === 'node' ? [uuids.has(owned), uuids.has(foreign)] : []),
      ]
      const [whose] = caller.split('-')
      const wanted = {
        system: [true, true, true],
        owner: [true, true, false],
        // A service account of the lessee lists what the lessee leases, though it may not open it.
        lessee: [true, false, false],
      }[whose as 'system'] ?? [false, false, false]
      expect([caller, ...seen]).toEqual([caller, ...wanted.slice(0, seen.length)])
    }
  })
})

describe('what a lessee is shown of a node', () => {
  it('has no error, reservation, BMC or inner state in it; an owner’s reader is shown them', async () => {
    const { node } = await make([])
    await api.db
      .updateTable('nodes')
      .set({
        last_error: 'an error',
        driver_info: JSON.stringify({ a: 'a value', fake_password: 'a secret' }),
      })
      .where('uuid', '=', node)
      .execute()
    for (const caller of ['lessee-admin', 'lessee-member', 'lessee-reader'] as const) {
      const { body, text } = await as(caller, 'GET', `/nodes/${node}`)
      expect(text).not.toMatch(/an error|a value|a secret/)
      for (const field of ['last_error', 'reservation', 'driver_info', 'driver_internal_info'])
        expect([field, JSON.stringify(body[field])]).toEqual([
          field,
          expect.stringMatching(new RegExp(`Redacted.*baremetal:node:get:${field} permission`, 'i')),
        ])
    }
    for (const caller of ['owner-reader', 'system-reader', 'owner-service'] as const)
      expect((await as(caller, 'GET', `/nodes/${node}`)).body).toMatchObject({
        last_error: 'an error',
        driver_info: { a: 'a value', fake_password: '******' },
      })
  })
})
