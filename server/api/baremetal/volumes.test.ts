/** Volume connectors and targets through the API's door. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const base = 'http://baremetal.test:6385'
const absent = '6ccd1e7a-0000-4000-8000-000000000000'
const admin = 'system-admin'
let serial = 0
/** What a new one is asked for, besides its node. */
const bodies = {
  connectors: () => ({ type: 'iqn', connector_id: `iqn.2026-11.test:${++serial}` }),
  targets: () => ({ volume_type: 'iscsi', boot_index: ++serial, volume_id: `volume-${serial}` }),
}
type Kind = keyof typeof bodies
const kinds = Object.keys(bodies) as Kind[]
const create = (kind: Kind, nodeUuid: string, fields: Record<string, unknown> = {}) =>
  api.as(admin, 'POST', `/v1/volume/${kind}`, { node_uuid: nodeUuid, ...bodies[kind](), ...fields })
const set = (path: string, value: unknown) => ({ op: 'add', path, value })
const remove = (path: string) => ({ op: 'remove', path })
const nodeIs = (uuid: string, columns: Record<string, unknown>) =>
  api.db.updateTable('nodes').set(columns).where('uuid', '=', uuid).execute()
/** One on a node whose power is off. */
async function volume(
  kind: Kind,
  fields: Record<string, unknown> = {},
): Promise<{ node: string; uuid: string; path: string }> {
  const { uuid: node } = await api.node()
  await nodeIs(node, { power_state: 'power off' })
  const { status, body } = await create(kind, node, fields)
  expect(status).toBe(201)
  return { node, uuid: body.uuid, path: `/v1/volume/${kind}/${body.uuid}` }
}
const linksTo = (path: string) => [
  { href: `${base}/v1/${path}`, rel: 'self' },
  { href: `${base}/${path}`, rel: 'bookmark' },
]

describe('where volumes are', () => {
  it('is told to who sees all nodes, of the whole and of a node', async () => {
    const { uuid } = await api.node()
    expect((await api.as('system-reader', 'GET', '/v1/volume')).body).toEqual({
      links: linksTo('volume/'),
      connectors: linksTo('volume/connectors'),
      targets: linksTo('volume/targets'),
    })
    expect((await api.as('system-reader', 'GET', `/v1/nodes/${uuid}/volume`)).body).toEqual({
      links: linksTo(`nodes/${uuid}/volume/`),
      connectors: linksTo(`nodes/${uuid}/volume/connectors`),
      targets: linksTo(`nodes/${uuid}/volume/targets`),
    })
    for (const path of ['/v1/volume', `/v1/nodes/${uuid}/volume`, `/v1/nodes/${absent}/volume`])
      expect((await api.as('owner-admin', 'GET', path)).status).toBe(403)
  })
})

describe('creating', () => {
  it('a connector answers 201 with the whole of it and where it is', async () => {
    const { uuid: node } = await api.node()
    const { status, headers, body } = await create('connectors', node, { connector_id: 'iqn.whole' })
    expect([status, headers.location]).toEqual([201, `${base}/v1/volume/connectors/${body.uuid}`])
    expect(body).toEqual({
      uuid: body.uuid,
      node_uuid: node,
      type: 'iqn',
      connector_id: 'iqn.whole',
      extra: {},
      created_at: body.created_at,
      updated_at: null,
      links: linksTo(`volume/connectors/${body.uuid}`),
    })
    expect((await api.as(admin, 'GET', `/v1/volume/connectors/${body.uuid}`)).body).toEqual(body)
  })

  it('a target answers with its properties as they were sent', async () => {
    const { uuid: node } = await api.node()
    const properties = { target_iqn: 'iqn.t', auth_password: 'secret' }
    const { status, headers, body } = await create('targets', node, { properties, boot_index: 0 })
    expect([status, headers.location]).toEqual([201, `${base}/v1/volume/targets/${body.uuid}`])
    expect(body).toEqual({
      uuid: body.uuid,
      node_uuid: node,
      volume_type: 'iscsi',
      properties,
      boot_index: 0,
      volume_id: body.volume_id,
      extra: {},
      created_at: body.created_at,
      updated_at: null,
      links: linksTo(`volume/targets/${body.uuid}`),
    })
  })

  it.each<[Kind, Record<string, unknown>, string]>([
    ['connectors', { type: undefined }, 'type'],
    ['connectors', { connector_id: '' }, 'connector_id'],
    ['connectors', { volume_id: 'x' }, 'volume_id'],
    ['connectors', { uuid: 'x' }, 'uuid'],
    ['connectors', { node_uuid: absent }, 'could not be found'],
    ['connectors', { node_uuid: undefined }, 'node_uuid'],
    ['targets', { boot_index: 'first' }, 'boot_index'],
    ['targets', { boot_index: 2 ** 31 }, 'boot_index'],
    ['targets', { boot_index: 1.5 }, 'boot_index'],
    ['targets', { volume_id: undefined }, 'volume_id'],
    ['targets', { properties: 'x' }, 'properties'],
    ['targets', { extra: [] }, 'extra'],
  ])('%s with %j is 400 that names it', async (kind, fields, named) => {
    const { uuid } = await api.node()
    const answer = await create(kind, uuid, fields)
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining(named)])
  })

  it('what is taken is 409: a connector by type and id anywhere, a boot index on its node', async () => {
    const [one, other] = [(await api.node()).uuid, (await api.node()).uuid]
    await create('connectors', one, { type: 'wwpn', connector_id: 'x' })
    const again = await create('connectors', other, { type: 'wwpn', connector_id: 'x' })
    expect([again.status, faultOf(again.body)]).toEqual([
      409,
      'A volume connector with type wwpn and connector ID x already exists.',
    ])
    expect((await create('connectors', other, { type: 'wwnn', connector_id: 'x' })).status).toBe(201)
    await create('targets', one, { boot_index: 0 })
    const second = await create('targets', one, { boot_index: 0 })
    expect([second.status, faultOf(second.body)]).toEqual([
      409,
      'A volume target with boot index 0 for the same node already exists.',
    ])
    expect((await create('targets', other, { boot_index: 0 })).status).toBe(201)
    const { uuid } = await volume('targets')
    expect((await create('targets', other, { uuid })).status).toBe(409)
  })
})

describe.each(kinds)('volume %s', (kind) => {
  it('are 404 for any method below 1.32', async () => {
    const { node, path } = await volume(kind)
    for (const each of [path, `/v1/volume/${kind}`, '/v1/volume', `/v1/nodes/${node}/volume/${kind}`])
      for (const method of ['GET', 'POST', 'DELETE'] as const)
        expect([each, (await api.as(admin, method, each, {}, '1.31')).status]).toEqual([each, 404])
    expect((await api.as(admin, 'GET', `/v1/volume/${kind}?detail=true`, undefined, '1.32')).status).toBe(200)
  })

  it('are listed short, by fields, in detail, of a node, and below it', async () => {
    const { node, uuid } = await volume(kind)
    const at = async (path: string) => (await api.as('lessee-reader', 'GET', path)).body[kind]
    const [short] = await at(`/v1/volume/${kind}?node=${node}`)
    expect(Object.keys(short).sort()).toEqual(
      (kind === 'connectors'
        ? ['connector_id', 'links', 'node_uuid', 'type', 'uuid']
        : ['boot_index', 'links', 'node_uuid', 'uuid', 'volume_id', 'volume_type']
      ).sort(),
    )
    expect(await at(`/v1/nodes/${node}/volume/${kind}`)).toEqual([short])
    expect(await at(`/v1/nodes/${node}/volume/${kind}?fields=uuid`)).toEqual([{ uuid, links: short.links }])
    const [full] = await at(`/v1/nodes/${node}/volume/${kind}?detail=true`)
    expect(full).toEqual((await api.as('lessee-reader', 'GET', `/v1/volume/${kind}/${uuid}`)).body)
    for (const query of ['detail=true&fields=uuid', 'sort_key=extra', 'fields=nonesuch', 'limit=0'])
      expect((await api.as(admin, 'GET', `/v1/volume/${kind}?${query}`)).status).toBe(400)
    expect((await api.as(admin, 'GET', `/v1/volume/${kind}?node=${absent}`)).status).toBe(404)
    expect((await api.as(admin, 'GET', `/v1/volume/${kind}/detail`)).status).toBe(400)
  })

  it('go on page by page with the node asked for', async () => {
    const { node, uuid } = await volume(kind)
    const second = (await create(kind, node)).body.uuid
    const seen = []
    let path = `/v1/volume/${kind}?node=${node}&limit=1&sort_dir=desc`
    for (let pages = 0; path && pages < 5; pages++) {
      const { body } = await api.as('owner-reader', 'GET', path)
      seen.push(...body[kind].map((each: { uuid: string }) => each.uuid))
      path = body.next?.replace(base, '')
    }
    expect(seen).toEqual([second, uuid])
  })

  it('change while the power is off, and not otherwise (400)', async () => {
    const { node, path } = await volume(kind)
    const change = () => api.as(admin, 'PATCH', path, [set('/extra/a', 1)])
    for (const state of ['power on', 'error', null]) {
      await nodeIs(node, { power_state: state })
      const { status, body } = await change()
      expect([status, faultOf(body)]).toEqual([400, expect.stringContaining('power')])
    }
    await nodeIs(node, { power_state: 'power off' })
    const { status, body } = await change()
    expect([status, body.extra, body.updated_at === null]).toEqual([200, { a: 1 }, false])
  })

  it('refuse a patch of what cannot be patched or removed', async () => {
    const { path } = await volume(kind)
    const needed =
      kind === 'connectors' ? ['type', 'connector_id'] : ['volume_type', 'boot_index', 'volume_id']
    for (const operation of [
      set('/uuid', absent),
      set('/created_at', 'x'),
      set('/nonesuch', 1),
      ...['node_uuid', ...needed].map((name) => remove(`/${name}`)),
    ])
      expect([operation, (await api.as(admin, 'PATCH', path, [operation])).status]).toEqual([operation, 400])
  })

  it('move to a node of the same owner only, in one text for every other', async () => {
    const { node, path } = await volume(kind)
    const { uuid: other } = await api.node()
    await nodeIs(other, { power_state: 'power off' })
    const foreign = await api.node({ owner: api.projects.stranger })
    for (const uuid of [foreign.uuid, absent]) {
      const { status, body } = await api.as('owner-manager', 'PATCH', path, [set('/node_uuid', uuid)])
      expect([status, faultOf(body).replace(uuid, 'it')]).toEqual([
        400,
        `Node it could not be found, or its owner is not the owner of node ${node}.`,
      ])
    }
    const moved = await api.as('owner-manager', 'PATCH', path, [set('/node_uuid', other)])
    expect([moved.status, moved.body.node_uuid]).toEqual([200, other])
  })

  it('are deleted with the power off or while the node is not in use, and with their node', async () => {
    const { node, path } = await volume(kind)
    await nodeIs(node, { power_state: 'power on', provision_state: 'available' })
    expect((await api.as(admin, 'DELETE', path)).status).toBe(400)
    await nodeIs(node, { provision_state: 'manageable' })
    expect((await api.as(admin, 'DELETE', path)).status).toBe(204)
    const gone = await api.as(admin, 'GET', path)
    expect([gone.status, faultOf(gone.body)]).toEqual([
      404,
      `Volume ${kind.slice(0, -1)} ${path.split('/').at(-1)} could not be found.`,
    ])
    const another = await create(kind, node)
    await nodeIs(node, { power_state: 'power off', provision_state: 'available' })
    expect((await api.as(admin, 'DELETE', `/v1/volume/${kind}/${another.body.uuid}`)).status).toBe(204)
    const last = (await create(kind, node)).body.uuid
    expect((await api.as(admin, 'DELETE', `/v1/nodes/${node}`)).status).toBe(204)
    expect((await api.as(admin, 'GET', `/v1/volume/${kind}/${last}`)).status).toBe(404)
  })

  it('are addressed by UUID alone, and below a node neither singly nor to be written', async () => {
    const { node, uuid } = await volume(kind)
    expect((await api.as(admin, 'GET', `/v1/volume/${kind}/name`)).status).toBe(400)
    const below = `/v1/nodes/${node}/volume/${kind}`
    for (const [method, path] of [
      ['POST', below],
      ['GET', `${below}/${uuid}`],
      ['PATCH', `${below}/${uuid}`],
      ['DELETE', `${below}/${uuid}`],
    ] as const) {
      const answer = await api.as(admin, method, path, method === 'GET' ? undefined : {})
      expect([method, answer.status, faultOf(answer.body)]).toEqual([method, 400, 'Malformed request URI.'])
    }
  })

  it.each<[Persona, number, number, number, number]>([
    // create, show, change, delete
    ['stranger', 403, 404, 404, 404],
    ['lessee-reader', 403, 200, 403, 403],
    ['lessee-member', 403, 200, 403, 403],
    ['lessee-manager', 201, 200, 200, 204],
    ['owner-reader', 403, 200, 403, 403],
    ['owner-member', 403, 200, 200, 403],
    ['owner-manager', 201, 200, 200, 204],
    ['system-reader', 403, 200, 403, 403],
    ['system-member', 201, 200, 200, 204],
    ['service', 403, 404, 404, 404],
  ])('answer %s as the rules have it', async (who, create, show, change, erase) => {
    const { node, path } = await volume(kind)
    expect([
      (await api.as(who, 'POST', `/v1/volume/${kind}`, { node_uuid: node, ...bodies[kind]() })).status,
      (await api.as(who, 'GET', path)).status,
      (await api.as(who, 'PATCH', path, [set('/extra/a', 1)])).status,
      (await api.as(who, 'DELETE', path)).status,
    ]).toEqual([create, show, change, erase])
  })

  it('are listed to the projects of their node only', async () => {
    const { uuid } = await volume(kind)
    const seen = []
    for (const who of ['owner-reader', 'lessee-reader', 'stranger', 'system-reader'] as const) {
      const { body } = await api.as(who, 'GET', `/v1/volume/${kind}`)
      seen.push(body[kind].some((each: { uuid: string }) => each.uuid === uuid))
    }
    expect(seen).toEqual([true, true, false, true])
    const marked = (who: Persona, marker: string) =>
      api.as(who, 'GET', `/v1/volume/${kind}?marker=${marker}`).then(({ status }) => status)
    expect([await marked('stranger', uuid), await marked('lessee-reader', uuid)]).toEqual([404, 200])
  })
})

describe("a target's properties", () => {
  const properties = { target_iqn: 'iqn.t', auth_password: 'secret' }
  const masked = { target_iqn: 'iqn.t', auth_password: '******' }
  const redacted = { redacted_contents: expect.stringContaining('view_target_properties') }
  it.each<[Persona, unknown]>([
    ['owner-admin', masked],
    ['lessee-admin', masked],
    ['system-reader', masked],
    ['owner-manager', redacted],
    ['owner-reader', redacted],
    ['lessee-manager', redacted],
    ['lessee-reader', redacted],
  ])('are shown to %s as the rule has it, one by one and in every list', async (who, shown) => {
    const { node, uuid, path } = await volume('targets', { properties })
    expect((await api.as(who, 'GET', path)).body.properties).toEqual(shown)
    expect((await api.as(who, 'GET', `${path}?fields=properties`)).body.properties).toEqual(shown)
    for (const list of [
      `/v1/volume/targets?node=${node}&detail=true`,
      `/v1/volume/targets?node=${node}&fields=properties`,
      `/v1/nodes/${node}/volume/targets?detail=true`,
    ]) {
      const answer = await api.as(who, 'GET', list)
      expect(answer.body.targets.map((each: { properties: unknown }) => each.properties)).toEqual([shown])
      expect(answer.text).not.toContain('secret')
    }
    expect(uuid).toBeTruthy()
  })

  it('are not shown by the answer to a change, which keeps what it does not name', async () => {
    const { uuid, path } = await volume('targets', { properties })
    const changed = await api.as('owner-member', 'PATCH', path, [set('/properties/target_lun', 1)])
    expect([changed.status, changed.body.properties]).toEqual([200, redacted])
    const { properties: kept } = await api.db
      .selectFrom('volume_targets')
      .select('properties')
      .where('uuid', '=', uuid)
      .executeTakeFirstOrThrow()
    expect(kept).toEqual({ ...properties, target_lun: 1 })
  })
})
