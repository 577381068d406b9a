/**
 * `node bench/tenancy.ts`: what tenancy costs a list. 100,000 nodes of 10 tenants in the database; a page of 1,000 as an
 * owner, as a lessee and as the operator, over a real socket. Exits 1 when a list reads the whole table.
 */
import { testApi } from '../server/api/testing.ts'
import { runLoad } from './load.ts'
import { short } from './statistics.ts'

const nodes = 100_000
const tenants = 10
const seconds = 3

const api = await testApi()
try {
  // Every tenth node is the owner's, and every hundredth is leased to the lessee.
  await api.pool.query(
    `INSERT INTO nodes (uuid, name, driver, provision_state, owner, lessee, interfaces)
     SELECT gen_random_uuid(), 'bench-' || n, 'fake-hardware', 'available',
            CASE n % $2 WHEN 0 THEN $3 ELSE 'tenant-' || n % $2 END, CASE n % 100 WHEN 7 THEN $4 END, '{}'
     FROM generate_series(1, $1::int) n`,
    [nodes, tenants, api.projects.owner, api.projects.lessee],
  )
  await api.pool.query('ANALYZE nodes')
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
  process.stdout.write(
    `${nodes.toLocaleString('en')} nodes, ${tenants} tenants, pages of 1,000, one reader\n\n`,
  )
  process.stdout.write(
    '| list as | nodes on the page | requests/s | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- |\n',
  )
  for (const persona of ['owner-reader', 'lessee-reader', 'system-reader'] as const) {
    const get = () =>
      fetch(`${url}/v1/nodes?limit=1000`, {
        headers: { 'x-auth-token': api.tokens[persona], 'x-openstack-ironic-api-version': 'latest' },
      })
    const page = ((await (await get()).json()) as { nodes: unknown[] }).nodes.length
    const run = await runLoad(
      { atOnce: 1, ms: seconds * 1000, atMost: Number.POSITIVE_INFINITY },
      async () => {
        const answer = await get()
        await answer.arrayBuffer()
        return answer.ok
      },
    )
    if (run.failed > 0) throw new Error(`${run.failed} lists failed`)
    process.stdout.write(
      `| ${persona} | ${page} | ${short(run.perSecond)} | ${short(run.p50Ms)} | ${short(run.p99Ms)} |\n`,
    )
  }
  const { rows } = await api.pool.query(
    `EXPLAIN SELECT uuid FROM nodes WHERE (owner = $1 OR lessee = $1) AND parent_node IS NULL ORDER BY id LIMIT 1000`,
    [api.projects.lessee],
  )
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  process.stdout.write(`\n${plan}\n`)
  if (plan.includes('Seq Scan on nodes')) process.exitCode = 1
} finally {
  await api.close()
}
