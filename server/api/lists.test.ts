/** Lists: pages that miss and double nothing, and what they cost the database. */
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Persona, type TestApi, testApi } from './testing.ts'

let api: TestApi
const tenants = 10
const perTenant = 2_000

beforeAll(async () => {
  api = await testApi()
  // One of ten tenants is the owner; some two hundred nodes, of all of them, are leased.
  await sql`
    INSERT INTO nodes (uuid, name, driver, provision_state, owner, lessee, resource_class, shard, description, interfaces)
    SELECT gen_random_uuid(), 'n' || i, 'fake-hardware', 'available',
      CASE i % ${sql.lit(tenants)} WHEN 0 THEN ${api.projects.owner} ELSE 'tenant-' || i % ${sql.lit(tenants)} END,
      CASE WHEN i / 7 % 97 = 0 THEN ${api.projects.lessee} END,
      (ARRAY['a', 'b', NULL])[1 + i % 3], (ARRAY['s1', 's2', NULL, 's1'])[1 + i % 4], CASE WHEN i % 5 = 0 THEN 'x' END, '{}'
    FROM generate_series(1, ${sql.lit(tenants * perTenant)}) AS i`.execute(api.db)
  await sql`INSERT INTO ports (uuid, node_uuid, address)
    SELECT gen_random_uuid(), uuid, '02:' || lpad(id::text, 8, '0') FROM nodes WHERE id % 10 = 0`.execute(
    api.db,
  )
  await sql`ANALYZE nodes`.execute(api.db)
  await sql`ANALYZE ports`.execute(api.db)
})
afterAll(() => api.close())

const get = (who: Persona, path: string) => api.as(who, 'GET', path)

/** Every page of a list, following `next`. */
async function allPages(
  who: Persona,
  path: string,
  between: (last: string | undefined) => Promise<void> = async () => {},
): Promise<string[]> {
  const seen: string[] = []
  const [, kind = ''] = /^\/v1\/(\w+)/.exec(path) ?? []
  for (let next: string | undefined = path, pages = 0; next && pages < 500; pages++) {
    const { status, body, text } = await get(who, next)
    if (status !== 200) throw new Error(text)
    seen.push(...body[kind].map((item: { uuid: string }) => item.uuid))
    next = body.next?.replace('http://baremetal.test:6385', '')
    await between(seen.at(-1))
  }
  return seen
}

describe('pages', () => {
  it('put together are the whole list in its order, for any sort key, direction, limit and filter', async () => {
    const ask = fc.record({
      sort_key: fc.constantFrom(
        'id',
        'uuid',
        'name',
        'resource_class',
        'shard',
        'description',
        'created_at',
        'updated_at',
        'provision_state',
        'maintenance',
        'owner',
      ),
      sort_dir: fc.constantFrom('asc', 'desc'),
      limit: fc.integer({ min: 17, max: 90 }),
      filter: fc.constantFrom(
        '',
        '&resource_class=a',
        '&shard=s1',
        '&sharded=false',
        '&description_contains=x&sharded=true',
        '&fields=uuid,shard',
      ),
    })
    await fc.assert(
      fc.asyncProperty(ask, async ({ sort_key, sort_dir, limit, filter }) => {
        const query = `sort_key=${sort_key}&sort_dir=${sort_dir}${filter}`
        const whole = (await get('lessee-reader', `/v1/nodes?${query}&limit=1000`)).body.nodes.map(
          (node: { uuid: string }) => node.uuid,
        )
        expect(whole.length).toBeGreaterThan(10)
        expect(await allPages('lessee-reader', `/v1/nodes?${query}&limit=${limit}`)).toEqual(whole)
      }),
      { numRuns: 40 },
    )
  })

  it('miss and double nothing while rows come and go around them', async () => {
    const whole = new Set(await allPages('lessee-reader', '/v1/nodes?limit=1000'))
    const added: string[] = []
    // A marker that is deleted is gone (404), as in Ironic; all else may go.
    const disturb = async (last: string | undefined) => {
      const name = `a${added.length}`
      added.push((await api.node({ name })).uuid)
      const first = added[added.length - 3]
      if (first && first !== last) await api.db.deleteFrom('nodes').where('uuid', '=', first).execute()
    }
    for (const key of ['id', 'name', 'shard']) {
      const seen = await allPages('lessee-reader', `/v1/nodes?limit=30&sort_key=${key}`, disturb)
      expect(new Set(seen).size).toBe(seen.length)
      expect([...whole].filter((uuid) => !seen.includes(uuid))).toEqual([])
    }
    await api.db.deleteFrom('nodes').where('uuid', 'in', added).execute()
  })

  it('end with an empty one after a last that was full, and the filters go with them', async () => {
    const { body } = await get(
      'lessee-reader',
      '/v1/nodes?limit=100&resource_class=a&sharded=true&fields=uuid',
    )
    const link = new URL(body.next ?? 'http://none')
    if (body.nodes.length === 100)
      expect(Object.fromEntries(link.searchParams)).toEqual({
        sort_key: 'id',
        sort_dir: 'asc',
        resource_class: 'a',
        sharded: 'true',
        fields: 'uuid',
        limit: '100',
        marker: body.nodes.at(-1).uuid,
      })
    const exact = (await get('lessee-reader', '/v1/nodes?limit=1000')).body.nodes.length
    const full = (await get('lessee-reader', `/v1/nodes?limit=${exact}`)).body
    expect((await get('lessee-reader', full.next.replace('http://baremetal.test:6385', ''))).body).toEqual({
      nodes: [],
    })
    expect((await get('lessee-reader', `/v1/nodes?limit=${exact + 1}`)).body.next).toBeUndefined()
  })

  it('are cut to the longest allowed', async () => {
    expect((await get('owner-reader', '/v1/nodes?limit=100000')).body.nodes).toHaveLength(1000)
  })

  it('of ports, too', async () => {
    const whole = await allPages('owner-reader', '/v1/ports?limit=1000')
    expect(whole).toHaveLength(perTenant)
    expect(await allPages('owner-reader', '/v1/ports?limit=700&sort_key=address&sort_dir=desc')).toEqual(
      whole.toReversed(),
    )
  })
})

describe('a list in a database of 20,000 nodes', () => {
  interface Query {
    text: string
    values: unknown[]
  }

  /** The queries that a request sends. */
  async function queriesOf(who: Persona, path: string): Promise<Query[]> {
    const sent: Query[] = []
    const pool = api.pool as unknown as { connect: () => Promise<object> }
    const connect = pool.connect
    pool.connect = async () => {
      const client = await connect.call(pool)
      return new Proxy(client, {
        get(target, name) {
          const value = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          return (...call: unknown[]) => {
            if (name === 'query') sent.push(queryOf(call))
            return value.apply(target, call)
          }
        },
      })
    }
    try {
      const { status, text } = await get(who, path)
      if (status !== 200) throw new Error(text)
    } finally {
      pool.connect = connect
    }
    // Provisioning works on the same pool; its queries are of other tables, or by lock.
    return sent.filter(({ text }) => /from "(nodes|ports)"/.test(text))
  }

  function queryOf([first, second]: unknown[]): Query {
    const query = typeof first === 'string' ? { text: first } : (first as Partial<Query>)
    return { text: query.text ?? '', values: query.values ?? (Array.isArray(second) ? second : []) }
  }

  it.each<[Persona, string]>([
    ['owner-reader', '/v1/nodes'],
    ['owner-reader', '/v1/nodes/detail?limit=100'],
    ['owner-reader', '/v1/nodes?resource_class=a&sharded=true&limit=50'],
    ['lessee-reader', '/v1/nodes?limit=1000'],
    ['lessee-reader', '/v1/nodes?sort_key=name&limit=10'],
    ['stranger', '/v1/nodes'],
    ['stranger', '/v1/nodes/detail'],
    ['system-reader', '/v1/nodes?limit=1000'],
    ['owner-reader', '/v1/ports?limit=100'],
    ['lessee-reader', '/v1/ports?limit=100'],
  ])('as %s GET %s is one query, and none reads the whole table', async (who, path) => {
    await get(who, path)
    const queries = await queriesOf(who, path)
    expect(queries.map((query) => query.text)).toHaveLength(1)
    const [query] = queries
    const { rows } = await api.pool.query(`EXPLAIN ${query?.text}`, query?.values ?? [])
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).not.toMatch(/Seq Scan on nodes/)
  })

  it('a later page is two: the marker must be seen, then the page is', async () => {
    const { body } = await get('owner-reader', '/v1/nodes?limit=5')
    const queries = await queriesOf('owner-reader', body.next.replace('http://baremetal.test:6385', ''))
    expect(queries).toHaveLength(2)
    for (const query of queries) {
      const { rows } = await api.pool.query(`EXPLAIN ${query.text}`, query.values)
      expect(rows.map((row) => row['QUERY PLAN']).join('\n')).not.toMatch(/Seq Scan on nodes/)
    }
  })
})
