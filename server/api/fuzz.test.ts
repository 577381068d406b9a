/** What nobody should send: the service answers each with its error format, at once, and goes on. */
import { Agent, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baremetalRoutes } from './app.ts'
import type { Route } from './baremetal/routes.ts'
import { type TestApi, testApi } from './testing.ts'

let api: TestApi
let port: number
let routes: Route[]
/** Named by requests, and may be changed by them. */
let target: { uuid: string; name: string }
let nic: { uuid: string }
/** Named by no request. */
let bystander: string
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

beforeAll(async () => {
  api = await testApi({ 'api.request_timeout_seconds': 1 })
  await api.app.listen({ port: 0, host: '127.0.0.1' })
  port = (api.app.server.address() as AddressInfo).port
  routes = baremetalRoutes(api.deps)
  bystander = (await api.node({ name: 'bystander', extra: { a: 1 } })).uuid
  await renew()
})
afterAll(async () => {
  agent.destroy()
  await api.close()
})

/** The target and its port anew, when a request has deleted them. */
async function renew(): Promise<void> {
  if (target && (await api.as('system-admin', 'GET', `/v1/nodes/${target.uuid}`)).status === 200) return
  target = await api.node()
  const address = `02:00:00:00:00:${(10 + Math.floor(Math.random() * 89)).toString()}`
  nic = (await api.as('system-admin', 'POST', '/v1/ports', { node_uuid: target.uuid, address })).body
}

interface Sent {
  method: string
  path: string
  headers: Record<string, string | string[]>
  body?: string | Buffer | undefined
}

function send(sent: Sent): Promise<{ status: number; text: string; ms: number }> {
  const started = performance.now()
  // Node's client tells no length with DELETE, OPTIONS and others: the body would be read as a request of its own, and
  // the refusal of that taken for the answer to whatever comes next on the connection.
  const length = sent.body === undefined ? {} : { 'content-length': Buffer.byteLength(sent.body) }
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        port,
        host: '127.0.0.1',
        agent,
        method: sent.method,
        path: sent.path,
        headers: { 'x-auth-token': api.tokens['system-admin'], ...length, ...sent.headers },
        timeout: 5_000,
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString(),
            ms: performance.now() - started,
          }),
        )
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer in 5 s')))
    request.on('error', reject)
    request.end(sent.body)
  })
}

/** Checks an answer of whatever request: no failure of the service, quick, and in the format of errors. */
async function judge(sent: Sent): Promise<void> {
  const { status, text, ms } = await send(sent)
  const told = () =>
    `${sent.method} ${sent.path.slice(0, 200)} ${String(sent.body).slice(0, 500)} => ${status} ${text.slice(0, 300)}`
  if (status >= 500) throw new Error(told())
  if (ms > 2_000) throw new Error(`${Math.round(ms)} ms: ${told()}`)
  if (status >= 400 && sent.method !== 'HEAD' && !isErrorBody(text))
    throw new Error(`not an error's body: ${told()}`)
}

function isErrorBody(text: string): boolean {
  const body = JSON.parse(text)
  if (body.error) return body.error.code === 401
  if (typeof body.error_message !== 'string')
    return body.faultcode === 'Client' && typeof body.faultstring === 'string'
  const inner = JSON.parse(body.error_message)
  return typeof (inner.faultstring ?? inner.description) === 'string'
}

/** Bodies that routes take, to be spoiled. */
const bodies: Record<string, unknown[]> = {
  'POST /nodes': [
    {
      driver: 'fake-hardware',
      name: 'x',
      extra: { a: { b: [1] } },
      driver_info: { ipmi_address: '127.0.0.1' },
      power_interface: 'fake',
      maintenance: 'true',
      instance_uuid: '6ccd1e7a-0000-4000-8000-000000000001',
      network_data: { links: [], networks: [], services: [] },
      conductor_group: '',
      description: 'x',
    },
  ],
  'PATCH /nodes/:node': [
    [
      { op: 'add', path: '/extra/a', value: 1 },
      { op: 'replace', path: '/name', value: 'y' },
      { op: 'remove', path: '/description' },
      { op: 'add', path: '/driver', value: 'ipmi' },
      { op: 'add', path: '/automated_clean', value: false },
      { op: 'add', path: '/driver_info/ipmi_force_boot_device', value: true },
      { op: 'add', path: '/properties/capabilities', value: { boot_mode: 'uefi' } },
      { op: 'add', path: '/driver_info/ipmi_address', value: '127.0.0.1' },
    ],
  ],
  'PUT /nodes/:node/maintenance': [{ reason: 'x' }],
  'PUT /nodes/:node/states/power': [{ target: 'power on', timeout: 5 }, { target: 'soft power off' }],
  'PUT /nodes/:node/states/provision': [
    { target: 'manage' },
    { target: 'provide' },
    { target: 'clean', clean_steps: [{ interface: 'deploy', step: 'x', args: {}, order: 1 }] },
    { target: 'active', configdrive: { meta_data: {}, user_data: 'x' }, deploy_steps: [] },
    { target: 'rebuild', configdrive: 'aGVsbG8=' },
    { target: 'rescue', rescue_password: 'x', disable_ramdisk: 'yes' },
  ],
  'PUT /nodes/:node/management/boot_device': [{ boot_device: 'pxe', persistent: true }],
  'POST /switches': [
    {
      name: 'fuzz',
      driver: 'openvswitch',
      address: '127.0.0.1:1',
      quarantine_vlan: 999,
      chassis_ids: ['02:00:00:00:00:01'],
      trust: { host_keys: ['SHA256:x'] },
      credentials: { username: 'a', password: 'b' },
      options: { lag_groups: '10-20', settings: { bridge: 'br0' } },
    },
  ],
  'PUT /switches/:switch/ports/:switchPort': [{ kind: 'node', owner: '*', mtu: 9000, aliases: ['Eth1/1'] }],
  'POST /vlan_pools': [{ name: 'fuzz', ranges: '100-199,300', physical_network: 'a' }],
  'PUT /nodes/:node/traits': [{ traits: ['CUSTOM_X', 'HW_CPU_X86_VMX'] }],
  'POST /ports': [
    {
      address: '02:00:00:00:00:05',
      node_uuid: '6ccd1e7a-0000-4000-8000-000000000001',
      local_link_connection: { switch_id: '02:00:00:00:00:06', port_id: 'x' },
      pxe_enabled: 'no',
      extra: {},
      is_smartnic: false,
    },
  ],
  'PATCH /ports/:port': [
    [
      { op: 'add', path: '/extra/a', value: 1 },
      { op: 'replace', path: '/address', value: '02:00:00:00:00:08' },
    ],
  ],
}

const nasty = [
  '',
  '\0',
  'a\0b',
  '\ud800',
  '\udc00x',
  '__proto__',
  'constructor',
  '%00',
  '%zz',
  "'; DROP TABLE nodes; --",
  '../../etc/passwd',
  'x'.repeat(70_000),
  ' '.repeat(50_000),
  `${'/a'.repeat(400)}~`,
  `${'a,'.repeat(3000)}`,
  '9'.repeat(400),
  '-1',
  '1e400',
  'NaN',
  '6ccd1e7a-0000-4000-8000-00000000000',
  '{6CCD1E7A-0000-4000-8000-000000000000}',
  '-'.repeat(36),
  '2026-02-30T00:00:00Z',
  '\u202e\u0000\uffff',
  'İ',
  'null',
  '[]',
]
const nastyText = fc.oneof(
  fc.constantFrom(...nasty),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 10 }),
)
const deep = (levels: number): unknown =>
  levels === 0 ? 1 : levels % 2 ? [deep(levels - 1)] : { a: deep(levels - 1) }
const nastyValue: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    -(2 ** 63),
    [],
    {},
    [[]],
    [null],
    [{}],
    deep(10),
    deep(24),
    deep(60),
    Array(2000).fill(0),
    { toString: 1, valueOf: {} },
    Object.fromEntries([
      ['__proto__', { admin: true }],
      ['constructor', { prototype: {} }],
    ]),
  ),
  fc.jsonValue({ maxDepth: 3 }),
)

/** A valid body with one thing wrong, somewhere in it. */
const spoilt = (valid: unknown): fc.Arbitrary<unknown> => {
  const here = fc.oneof(
    nastyValue,
    nastyValue.map((value) => [valid, value]),
    nastyText.map((key) => ({ [key]: valid })),
  )
  if (Array.isArray(valid)) {
    const inside = valid.map((item, index) => spoilt(item).map((bad) => valid.toSpliced(index, 1, bad)))
    return fc.oneof(here, ...inside, fc.constant([...valid, ...valid]))
  }
  if (valid === null || typeof valid !== 'object') return here
  const entries = Object.entries(valid)
  const inside = entries.flatMap(([key, value], index) => [
    spoilt(value).map((bad) => Object.fromEntries(entries.toSpliced(index, 1, [key, bad]))),
    nastyText.map((other) => Object.fromEntries(entries.toSpliced(index, 1, [other, value]))),
    fc.constant(Object.fromEntries(entries.toSpliced(index, 1))),
  ])
  return fc.oneof(
    here,
    ...inside,
    nastyValue.map((value) => Object.fromEntries([...entries, ['surplus', value]])),
  )
}

/** Bytes that are hardly JSON. */
const rawBody = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  nastyText,
  fc.constantFrom<string | Buffer>(
    '{',
    '[1,',
    '{"a":1,}',
    '"x',
    '{"a":1}{"b":2}',
    '\ufeff{}',
    'nul',
    '['.repeat(100_000),
    '{"a":'.repeat(50_000),
    Buffer.from('{"driver":"fake-hardware"}', 'utf16le'),
    Buffer.from([0x22, 0xff, 0xfe, 0x22]),
    Buffer.from([0x1f, 0x8b, 8, 0]),
    '{"driver":"fake-hardware","driver":"ipmi"}',
    '{"__proto__":{"driver":"fake-hardware"}}',
    '"\\ud800"',
    '1e999',
    '[1e999]',
    '"\\u0000"',
  ),
)

const versions = fc.constantFrom<string | string[] | undefined>(
  undefined,
  'latest',
  'LATEST',
  '1.1',
  '1.115',
  '1.40',
  '1.116',
  '1.0',
  '2.0',
  '1',
  '1.',
  '.1',
  '1.1.1',
  'x',
  '',
  ' ',
  '1.-1',
  '-1.1',
  '1.9999999999',
  '１.１',
  ['1.1', '1.2'],
  '1.1, 1.2',
  '1.0000000005',
)
const headers = fc
  .record({
    version: versions,
    generic: fc.option(
      fc.constantFrom(
        'baremetal 1.5',
        'compute 2.1',
        'baremetal',
        'baremetal latest, compute 2.1',
        ', ,baremetal   9',
      ),
      { nil: undefined },
    ),
    type: fc.constantFrom<string | undefined>(
      undefined,
      'application/json',
      'application/json; charset=utf-16',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      ';;;',
      'a',
      'application/json-patch+json',
    ),
    accept: fc.constantFrom<string | undefined>(undefined, 'text/html', '*/*', 'q=;;'),
    other: fc.constantFrom<[string, string | string[]] | undefined>(
      undefined,
      ['x-auth-token', ['a', 'b']],
      ['x-service-token', 'x'.repeat(5000)],
      ['x-forwarded-host', 'evil"><'],
      ['content-encoding', 'gzip'],
      ['expect', '200-maybe'],
      ['x-openstack-request-id', 'req-\u00e9'],
      ['x-auth-token', ''],
      ['if-none-match', '*'],
      ['accept-encoding', 'x'.repeat(3000)],
    ),
  })
  .map(({ version, generic, type, accept, other }) =>
    Object.fromEntries(
      [
        [
          'x-openstack-ironic-api-version',
          version === '１.１' ? Buffer.from(version).toString('latin1') : version,
        ],
        ['openstack-api-version', generic],
        ['content-type', type],
        ['accept', accept],
        ...(other ? [other] : []),
      ].filter((pair): pair is [string, string | string[]] => pair[1] !== undefined),
    ),
  )

/** Text as a path or query can carry it, encoded now rightly, now wrongly. */
const urlText = fc.tuple(nastyText, fc.constantFrom('right', 'raw', 'bytes')).map(([text, how]) => {
  const short = text.slice(0, 3000)
  if (how === 'raw') return short.replace(/[^!-~]|[?#]/g, '%').slice(0, 1500)
  if (how === 'bytes')
    return [...Buffer.from(short.slice(0, 400), 'utf16le')]
      .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
      .join('')
  return encodeURIComponent(short.toWellFormed()).slice(0, 3000)
})
const queryOf = (route: Route): fc.Arbitrary<string> =>
  fc
    .array(
      fc.tuple(
        fc.constantFrom(...Object.keys(route.query ?? {}), 'surplus', '__proto__', 'fields[]', ''),
        fc.oneof(
          urlText,
          fc.constantFrom('1', 'true', 'uuid', target.uuid, '-5', '1e3', 'asc', '99999999999999999999'),
        ),
      ),
      { maxLength: 4 },
    )
    .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'))

const pathOf = (route: Route, random: string): string =>
  `/v1${route.path.replaceAll(
    /:(\w+)/g,
    (_, word: string) =>
      random ||
      ({ node: target.uuid, port: nic.uuid, driver: 'fake-hardware', trait: 'CUSTOM_X' }[word] ?? 'x'),
  )}`

const keyOf = (route: Route): string => `${route.method} ${route.path}`
const anyRoute = () => fc.constantFrom(...routes)

describe('whatever is sent', () => {
  it('600 valid requests spoilt in their body', { timeout: 60_000 }, async () => {
    const spoiltRequest = fc.constantFrom(...Object.keys(bodies)).chain((key) => {
      const route = routes.find((each) => keyOf(each) === key)
      if (!route) throw new Error(`there is no route ${key} any more`)
      return fc
        .constantFrom(...(bodies[key] as unknown[]))
        .chain((valid) => fc.tuple(fc.constant(route), spoilt(valid), versions))
    })
    await fc.assert(
      fc.asyncProperty(spoiltRequest, async ([route, body, version]) => {
        await judge({
          method: route.method,
          path: pathOf(route, ''),
          headers: {
            'content-type': 'application/json',
            ...(typeof version === 'string' && /^[!-~]+$/.test(version)
              ? { 'x-openstack-ironic-api-version': version }
              : { 'x-openstack-ironic-api-version': '1.115' }),
          },
          body: JSON.stringify(body),
        })
      }),
      { numRuns: 600, endOnFailure: true },
    )
    await stillWell()
  })

  it('what a machine is told by driver_info, whatever it is', async () => {
    const { uuid } = await api.node({ driver: 'ipmi' })
    const headers = { 'x-openstack-ironic-api-version': '1.115' }
    const keys = Object.keys((await api.as('system-admin', 'GET', '/v1/drivers/ipmi/properties')).body)
    const info = fc.dictionary(fc.constantFrom(...keys, 'capabilities'), nastyValue, { maxKeys: 4 })
    await fc.assert(
      fc.asyncProperty(info, async (given) => {
        const value = { ...given, ipmi_address: given.ipmi_address ?? '127.0.0.1', ipmi_port: 9 }
        const body = JSON.stringify([
          { op: 'add', path: '/driver_info', value },
          { op: 'add', path: '/properties/capabilities', value: given.capabilities ?? 'x' },
        ])
        await judge({ method: 'PATCH', path: `/v1/nodes/${uuid}`, headers, body })
        await judge({ method: 'GET', path: `/v1/nodes/${uuid}/validate`, headers })
        await judge({ method: 'GET', path: `/v1/nodes/${uuid}/management/boot_device/supported`, headers })
      }),
      { numRuns: 60, endOnFailure: true },
    )
  })

  it('600 requests with anything in headers, path, query and body', { timeout: 60_000 }, async () => {
    const request = anyRoute().chain((route) =>
      fc.record({
        route: fc.constant(route),
        method: fc.oneof(
          { weight: 6, arbitrary: fc.constant(route.method as string) },
          fc.constantFrom('HEAD', 'OPTIONS', 'PUT', 'PATCH', 'PROPFIND', 'TRACE', 'QUERY', 'PURGE'),
        ),
        ident: fc.oneof(fc.constant(''), urlText),
        query: queryOf(route),
        headers,
        body: fc.option(rawBody, { nil: undefined }),
      }),
    )
    await fc.assert(
      fc.asyncProperty(request, async ({ route, method, ident, query, headers: sent, body }) => {
        await judge({
          method,
          path: `${pathOf(route, ident)}${query ? `?${query}` : ''}`,
          headers: sent,
          body,
        })
        await renew()
      }),
      { numRuns: 600, endOnFailure: true },
    )
    await stillWell()
  })

  it.each([
    '/v1/nodes/%',
    '/v1/nodes/%zz',
    '/v1/nodes/%c0%af',
    '/v1/nodes/%ff',
    '/v1/nodes/%00',
    '/%2e%2e/x',
    '//',
    '/v1//nodes',
    '/v1/nodes/a%2fb',
    '/v1/nodes?fields=%',
    '/v1/nodes?limit=%zz',
    '/v1/nodes?limit=1&limit=-1',
    '/v1/nodes?sort_key=id;drop',
    '/v1/nodes?marker=%00',
    '/v1/nodes/é'.replace('é', '%E9'),
    `/v1/nodes/${'x'.repeat(5000)}`,
    `/${'a/'.repeat(3000)}`,
    `/v1/nodes?${'a=1&'.repeat(3000)}`,
    '/v1/nodes/__proto__',
    '/v1/drivers/constructor',
    '/v1/conductors/__proto__',
    '/v1/nodes/x/history/------------------------------------',
    '/v1/nodes.json',
    '/v1/nodes/x.json',
  ])('GET %s', async (path) => {
    await judge({ method: 'GET', path, headers: { 'x-openstack-ironic-api-version': 'latest' } })
  })

  it('costs no more than its length: text made against regular expressions', async () => {
    const patch = (path: string) => ({
      method: 'PATCH',
      path: `/v1/nodes/${target.uuid}`,
      headers: { 'x-openstack-ironic-api-version': 'latest' },
      body: JSON.stringify([{ op: 'add', path, value: 1 }]),
    })
    await judge(patch(`${'/a'.repeat(400)}~`))
    await judge(patch(`/extra${'/'.repeat(900)}~2`))
    await judge({
      ...patch(''),
      method: 'PUT',
      path: `/v1/nodes/${(await active()).uuid}/states/provision`,
      body: JSON.stringify({ target: 'rebuild', configdrive: `${' '.repeat(1_000_000)}!` }),
    })
    await judge({
      ...patch(''),
      method: 'PUT',
      path: `/v1/nodes/${target.uuid}/traits`,
      body: JSON.stringify({ traits: [`CUSTOM_${'A_'.repeat(120)}a`] }),
    })
    await judge({
      method: 'GET',
      path: `/v1/nodes/${'a-'.repeat(500)}.`,
      headers: { 'x-openstack-ironic-api-version': '1.9' },
    })
  })
})

async function active(): Promise<{ uuid: string }> {
  const node = await api.node()
  await api.db.updateTable('nodes').set({ provision_state: 'active' }).where('uuid', '=', node.uuid).execute()
  return node
}

describe('what is no proper HTTP', () => {
  const line = (head: string, ...more: string[]) =>
    [
      `${head} HTTP/1.1`,
      'Host: x',
      `X-Auth-Token: ${api.tokens['system-admin']}`,
      'X-OpenStack-Ironic-API-Version: latest',
      ...more,
      '',
      '',
    ].join('\r\n')

  it.each<[string, () => string, number]>([
    ['no request line', () => 'HELLO\r\n\r\n', 400],
    ['a length that is no number', () => line('POST /v1/nodes', 'Content-Length: abc'), 400],
    ['a negative length', () => line('POST /v1/nodes', 'Content-Length: -5'), 400],
    ['two lengths', () => line('POST /v1/nodes', 'Content-Length: 1', 'Content-Length: 2'), 400],
    [
      'length and chunks',
      () => `${line('POST /v1/nodes', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
    ],
    ['a chunk of no size', () => `${line('POST /v1/nodes', 'Transfer-Encoding: chunked')}zz\r\n\r\n`, 400],
    ['a header of 20 KiB', () => line('GET /v1/nodes', `X-Long: ${'x'.repeat(20_000)}`), 431],
    ['no host', () => 'GET /v1/nodes HTTP/1.1\r\n\r\n', 400],
    ['another protocol', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['a URL with a space', () => line('GET /v1/no des'), 400],
  ])('%s is answered and the connection closed', async (_, text, status) => {
    const { head, body, closed } = await raw(text())
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(closed).toBe(true)
    // Node itself answers what has no host, with nothing.
    if (head.includes('application/json')) expect([body, isErrorBody(body)]).toEqual([body, true])
    await stillWell()
  })

  it.each(['HEAD', 'DELETE'])(
    'what follows a %s without being asked for is not answered in its place',
    async (method) => {
      const { got, closed } = await raw(`${line(`${method} /v1/nodes/nonesuch`)}{"a":1}`)
      expect(got.match(/^HTTP\/1.1 /gm)).toHaveLength(1)
      expect([got, closed]).toEqual([
        expect.stringMatching(/^HTTP\/1.1 40[45] [\s\S]*connection: close/i),
        true,
      ])
    },
  )

  it('a body over 1 MiB is 413 with the flat body, whether its length is told or not', async () => {
    const big = 'x'.repeat(1024 * 1024 + 1)
    const told = await raw(line('POST /v1/nodes', `Content-Length: ${big.length}`) + big)
    const chunked = await raw(
      `${line('POST /v1/nodes', 'Transfer-Encoding: chunked')}${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
    )
    for (const { head, body } of [told, chunked]) {
      expect(head).toMatch(/^HTTP\/1.1 413 /)
      expect(JSON.parse(body)).toEqual({
        faultcode: 'Client',
        faultstring: 'Request body too large: send at most 1 MiB here.',
      })
    }
  })

  it('a provision order may be larger, up to 64 MiB', async () => {
    const path = `PUT /v1/nodes/${target.uuid}/states/provision`
    const fits = JSON.stringify({ target: 'nonesuch', configdrive: 'A'.repeat(3 * 1024 * 1024) })
    expect((await raw(line(path, `Content-Length: ${fits.length}`) + fits)).head).toMatch(/^HTTP\/1.1 400 /)
    expect((await raw(line(path, `Content-Length: ${65 * 2 ** 20}`))).head).toMatch(/^HTTP\/1.1 413 /)
  })

  it('nesting beyond 25 is 400 with the flat body', async () => {
    const answer = await api.as('system-admin', 'POST', '/v1/nodes', {
      driver: 'fake-hardware',
      extra: deep(60),
    })
    expect([answer.status, answer.body.faultcode]).toEqual([400, 'Client'])
    expect(answer.body.faultstring).toContain('25')
  })

  it('a body that does not come is given up', async () => {
    const started = performance.now()
    const { head, closed } = await raw(`${line('POST /v1/nodes', 'Content-Length: 100')}{"dri`, 4_000)
    expect(head).toMatch(/^HTTP\/1.1 408 /)
    expect(closed).toBe(true)
    expect(performance.now() - started).toBeLessThan(3_000)
    await stillWell()
  })

  it('a caller who leaves in the middle harms nobody', async () => {
    await Promise.all(
      Array.from({ length: 20 }, () => raw(`${line('POST /v1/nodes', 'Content-Length: 100')}{"dri`, 30)),
    )
    await stillWell()
  })
})

/** Writes bytes and reads what comes, until the service closes or `patienceMs` is over. */
function raw(
  text: string,
  patienceMs = 2_000,
): Promise<{ got: string; head: string; body: string; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let got = ''
    const done = (closed: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      const [head = '', ...body] = got.split('\r\n\r\n')
      resolve({ got, head, body: body.join('\r\n\r\n'), closed })
    }
    const timer = setTimeout(() => done(false), patienceMs)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      got += chunk
      // An answer with its length told is whole then; whether the connection closes takes a moment longer.
      const length = /content-length: (\d+)/i.exec(got)?.[1]
      const body = got.split('\r\n\r\n').slice(1).join('\r\n\r\n')
      if (length && Buffer.byteLength(body) >= Number(length))
        setTimeout(() => done(socket.readableEnded || socket.destroyed), 100)
    })
    socket.on('close', () => done(true))
    socket.on('error', () => done(true))
    socket.write(text, 'latin1')
  })
}

/** The service answers, and the node that nobody named is as it was. */
async function stillWell(): Promise<void> {
  const { status, body } = await api.as('owner-reader', 'GET', `/v1/nodes/${bystander}`)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    name: 'bystander',
    extra: { a: 1 },
    updated_at: null,
    provision_state: 'enroll',
  })
  expect(({} as Record<string, unknown>).admin).toBeUndefined()
}
