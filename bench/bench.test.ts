import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientOf, loopbackUrl } from './client.ts'
import { runLoad } from './load.ts'
import { markdownTable } from './report.ts'
import { median, percentile } from './statistics.ts'

const seen: string[] = []
const server = createServer((request, response) => {
  seen.push(`${request.method} ${request.url} ${request.headers['x-auth-token']}`)
  response.writeHead(request.url === '/v1/absent' ? 404 : 200).end('{"name":"é"}')
})
let url = ''

beforeAll(async () => {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

test.each([
  'http://10.0.0.1:6385',
  'http://localhost.example.org/',
  'https://127.0.0.1/',
  'http://127.1.2.3.example.org',
  'no',
])('load is refused to %s', (text) => expect(() => loopbackUrl(text)).toThrow(text))

test.each(['http://127.0.0.1:6385', 'http://[::1]:6385', 'http://localhost:6385'])(
  '%s may be measured',
  (text) => expect(loopbackUrl(`${text}/`)).toBe(text),
)

test('a client sends its token, reads JSON and says which request failed', async () => {
  const client = clientOf({ label: 'here', url, token: 'secret' })
  expect(await client.json('GET', '/v1/nodes')).toEqual({ name: 'é' })
  expect(seen).toContain('GET /v1/nodes secret')
  await expect(client.json('GET', '/v1/absent')).rejects.toThrow('here: GET /v1/absent answered 404')
  client.close()
})

test('a load stops at its bound, counts failures and never has more requests at once than asked', async () => {
  let now = 0
  let most = 0
  const run = await runLoad({ atOnce: 4, ms: 10_000, atMost: 50 }, async (serial) => {
    most = Math.max(most, ++now)
    await new Promise((done) => setTimeout(done, 1))
    now--
    return serial % 10 !== 0
  })
  expect(most).toBe(4)
  expect(run.failed).toBe(5)
  expect(run.p50Ms).toBeLessThanOrEqual(run.p99Ms)
  expect(run.perSecond).toBeGreaterThan(0)
})

test('a percentile is one of the values, and as many are below it as it says', () => {
  const values = fc.array(fc.double({ noNaN: true }), { minLength: 1 })
  fc.assert(
    fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
      const value = percentile(all, share)
      expect(all).toContain(value)
      expect(all.filter((each) => each <= value).length).toBeGreaterThanOrEqual(all.length * share - 1e-9)
    }),
  )
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
})

test('the table has endpoints side by side, and last how many times faster the first is', () => {
  const result = (...rates: number[]) => ({
    name: 'show',
    unit: 'requests/s',
    runs: rates.map((perSecond) => ({ perSecond, p50Ms: 1, p99Ms: 2, failed: 0 })),
  })
  const table = markdownTable([
    { label: 'A', results: [result(900, 1000, 1200)] },
    { label: 'B', results: [result(50, 40, 60)] },
  ])
  expect(table.split('\n').at(-1)).toBe(
    '| show | 1000 (900–1200) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 50.0 (40.0–60.0) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | **20.0** |',
  )
})
