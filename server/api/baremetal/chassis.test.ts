/** Chassis and shards, the operator's ways to group nodes, through the API's door. */
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
const create = (fields: Record<string, unknown> = {}) => api.as(admin, 'POST', '/v1/chassis', fields)
const set = (path: string, value: unknown) => ({ op: 'add', path, value })
const remove = (path: string) => ({ op: 'remove', path })
const chassis = async (): Promise<string> => (await create()).body.uuid
const linksTo = (path: string) => [
  { href: `${base}/v1/${path}`, rel: 'self' },
  { href: `${base}/${path}`, rel: 'bookmark' },
]

describe('a chassis', () => {
  it('is created with 201, whole, with its links and its address', async () => {
    const { status, headers, body } = await create({ description: 'rack 7', extra: { row: 1 } })
    expect([status, headers.location]).toEqual([201, `${base}/v1/chassis/${body.uuid}`])
    expect(body).toEqual({
      uuid: body.uuid,
      description: 'rack 7',
      extra: { row: 1 },
      created_at: body.created_at,
      updated_at: null,
      links: linksTo(`chassis/${body.uuid}`),
      nodes: [linksTo(`chassis/${body.uuid}/nodes`)],
    })
    expect((await api.as('system-reader', 'GET', `/v1/chassis/${body.uuid}`, undefined, '1.1')).body).toEqual(
      body,
    )
    expect((await create({ uuid: body.uuid })).status).toBe(409)
  })

  it.each([
    [{ description: 'x'.repeat(256) }, 'description'],
    [{ description: 7 }, 'description'],
    [{ extra: 'x' }, 'extra'],
    [{ uuid: 'x' }, 'uuid'],
    [{ nonesuch: 1 }, 'nonesuch'],
  ])('with %j is 400 that names it', async (fields, named) => {
    const answer = await create(fields)
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining(named)])
  })

  it('is listed short, by fields and in detail, page by page', async () => {
    const made = [await chassis(), await chassis(), await chassis()]
    const at = async (path: string) => (await api.as('system-reader', 'GET', path)).body
    const [short] = (await at('/v1/chassis?sort_dir=desc&limit=1')).chassis
    expect(short).toEqual({ uuid: made[2], description: null, links: linksTo(`chassis/${made[2]}`) })
    const one = await at(`/v1/chassis/${made[2]}`)
    expect((await at('/v1/chassis?sort_dir=desc&limit=1&detail=true')).chassis).toEqual([one])
    const seen = []
    let path = '/v1/chassis/detail?sort_dir=desc&limit=2'
    for (let pages = 0; seen.length < 3 && pages < 3; pages++) {
      const body = await at(path)
      seen.push(...body.chassis.map((each: { uuid: string }) => each.uuid))
      path = body.next.replace(base, '')
      expect(path).toMatch(/^\/v1\/chassis\/detail\?/)
    }
    expect(seen.slice(0, 3)).toEqual(made.toReversed())
    expect(Object.keys(await at(`/v1/chassis/${made[0]}?fields=extra`))).toEqual(['extra', 'links'])
    for (const query of ['sort_key=extra', 'fields=nonesuch', 'detail=true&fields=uuid', 'node=x'])
      expect((await api.as(admin, 'GET', `/v1/chassis?${query}`)).status).toBe(400)
    expect((await api.as(admin, 'GET', `/v1/chassis?marker=${absent}`)).status).toBe(404)
    expect((await api.as(admin, 'GET', '/v1/chassis?detail=true', undefined, '1.42')).status).toBe(400)
    expect((await api.as(admin, 'GET', '/v1/chassis?fields=uuid', undefined, '1.7')).status).toBe(406)
  })

  it('is changed in description and extra; its UUID may be named and stays', async () => {
    const uuid = await chassis()
    const patch = (...operations: unknown[]) => api.as(admin, 'PATCH', `/v1/chassis/${uuid}`, operations)
    const { status, body } = await patch(
      set('/description', 'new'),
      set('/extra/a', 1),
      set('/uuid', uuid.toUpperCase()),
    )
    expect([status, body.uuid, body.description, body.extra]).toEqual([200, uuid, 'new', { a: 1 }])
    expect(body.updated_at).not.toBeNull()
    const cleared = await patch(remove('/description'), remove('/extra'))
    expect([cleared.body.description, cleared.body.extra]).toEqual([null, {}])
    for (const operation of [
      set('/uuid', absent),
      remove('/uuid'),
      set('/nodes', []),
      set('/description', 7),
      set('/created_at', 'x'),
    ])
      expect([operation, (await patch(operation)).status]).toEqual([operation, 400])
  })

  it('that is not there is 404; what is no UUID 400', async () => {
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', [set('/description', 'x')]],
      ['DELETE', undefined],
    ] as const) {
      const gone = await api.as(admin, method, `/v1/chassis/${absent}`, body)
      expect([gone.status, faultOf(gone.body)]).toEqual([404, `Chassis ${absent} could not be found.`])
      expect((await api.as(admin, method, '/v1/chassis/name', body)).status).toBe(400)
    }
  })

  it.each<[Persona, number, number, number, number]>([
    // create, show, change, delete
    ['system-reader', 403, 200, 403, 403],
    ['system-member', 403, 200, 200, 403],
    ['system-admin', 201, 200, 200, 204],
    ['owner-admin', 403, 403, 403, 403],
    ['lessee-admin', 403, 403, 403, 403],
    ['stranger', 403, 403, 403, 403],
    ['service', 403, 403, 403, 403],
  ])('is the system’s: %s', async (who, create, show, change, erase) => {
    const path = `/v1/chassis/${await chassis()}`
    expect([
      (await api.as(who, 'POST', '/v1/chassis', {})).status,
      (await api.as(who, 'GET', path)).status,
      (await api.as(who, 'PATCH', path, [set('/description', 'x')])).status,
      (await api.as(who, 'DELETE', path)).status,
    ]).toEqual([create, show, change, erase])
    expect((await api.as(who, 'GET', '/v1/chassis')).status).toBe(show)
  })
})

describe('nodes of a chassis', () => {
  it('must name one that is there (400), and keep it from being deleted (400)', async () => {
    const { uuid: node } = await api.node()
    const put = (value: string) => api.as(admin, 'PATCH', `/v1/nodes/${node}`, [set('/chassis_uuid', value)])
    const answers = [
      await put(absent),
      await api.as(admin, 'POST', '/v1/nodes', { driver: 'fake-hardware', chassis_uuid: absent }),
    ]
    for (const { status, body } of answers)
      expect([status, faultOf(body)]).toEqual([400, `Chassis ${absent} could not be found.`])
    const uuid = await chassis()
    expect((await put(uuid)).body.chassis_uuid).toBe(uuid)
    const kept = await api.as(admin, 'DELETE', `/v1/chassis/${uuid}`)
    expect([kept.status, faultOf(kept.body)]).toEqual([400, expect.stringContaining('holds nodes')])
    await api.as(admin, 'PATCH', `/v1/nodes/${node}`, [remove('/chassis_uuid')])
    expect((await api.as(admin, 'DELETE', `/v1/chassis/${uuid}`)).status).toBe(204)
  })

  it('are listed below it, to each caller its own, and by filter', async () => {
    const uuid = await chassis()
    const own = await api.node({ chassis_uuid: uuid })
    const foreign = await api.node({ chassis_uuid: uuid, owner: api.projects.stranger, lessee: null })
    await api.node()
    const listed = async (who: Persona, path: string) => {
      const { status, body } = await api.as(who, 'GET', path)
      expect([path, status]).toEqual([path, 200])
      return body.nodes.map((each: { uuid: string }) => each.uuid)
    }
    for (const path of [
      `/v1/chassis/${uuid}/nodes`,
      `/v1/chassis/${uuid}/nodes/detail`,
      `/v1/nodes?chassis_uuid=${uuid}`,
    ]) {
      expect(await listed('system-reader', path)).toEqual([own.uuid, foreign.uuid])
      expect(await listed('lessee-reader', path)).toEqual([own.uuid])
      expect(await listed('stranger', path)).toEqual([foreign.uuid])
    }
    const { body } = await api.as(admin, 'GET', `/v1/chassis/${uuid}/nodes?limit=1`)
    const next = await api.as(admin, 'GET', body.next.replace(base, ''))
    expect(next.body.nodes.map((each: { uuid: string }) => each.uuid)).toEqual([foreign.uuid])
    expect(await listed('owner-reader', `/v1/chassis/${absent}/nodes`)).toEqual([])
    expect((await api.as(admin, 'GET', `/v1/chassis/${absent}/nodes`)).status).toBe(404)
  })

  it('are neither reached singly nor written there (400)', async () => {
    const uuid = await chassis()
    for (const [method, tail] of [
      ['POST', ''],
      ['GET', '/x'],
      ['PATCH', '/x'],
      ['DELETE', '/x'],
    ] as const) {
      const path = `/v1/chassis/${uuid}/nodes${tail}`
      const answer = await api.as(admin, method, path, method === 'GET' ? undefined : {})
      expect([method, answer.status, faultOf(answer.body)]).toEqual([method, 400, 'Malformed request URI.'])
    }
  })
})

describe('shards', () => {
  it('are counted for who sees all nodes, the largest first, the nodes of none under null', async () => {
    const before = (await api.as(admin, 'GET', '/v1/shards')).body.shards
    expect(before.map((each: { name: unknown }) => each.name)).toEqual([null])
    for (let count = 0; count < before[0].count + 1; count++) await api.node({ shard: 'Big' })
    await api.node({ shard: 'small' })
    await api.node({ shard: 'a-small' })
    expect((await api.as('system-reader', 'GET', '/v1/shards')).body).toEqual({
      shards: [
        { name: 'Big', count: before[0].count + 1 },
        { name: null, count: before[0].count },
        { name: 'a-small', count: 1 },
        { name: 'small', count: 1 },
      ],
    })
    for (const who of ['owner-admin', 'lessee-admin', 'stranger'] as const)
      expect((await api.as(who, 'GET', '/v1/shards')).status).toBe(403)
  })

  it('are 404 below 1.82 and one by one, and found as they are written', async () => {
    expect((await api.as(admin, 'GET', '/v1/shards', undefined, '1.81')).status).toBe(404)
    expect((await api.as(admin, 'GET', '/v1/shards/Big')).status).toBe(404)
    expect((await api.as(admin, 'GET', '/v1/shards?limit=1')).status).toBe(400)
    const { uuid } = await api.node({ shard: 'CamelCase' })
    const port = await api.as(admin, 'POST', '/v1/ports', { node_uuid: uuid, address: '02:00:00:00:02:01' })
    for (const [path, key, found] of [
      ['/v1/nodes', 'nodes', uuid],
      ['/v1/ports', 'ports', port.body.uuid],
    ] as const) {
      const at = async (shard: string) =>
        (await api.as(admin, 'GET', `${path}?shard=${shard}`)).body[key].map(
          (each: { uuid: string }) => each.uuid,
        )
      expect(await at('CamelCase')).toEqual([found])
      expect(await at('camelcase')).toEqual([])
    }
  })
})
