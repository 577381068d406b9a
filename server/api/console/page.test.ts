import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const get = (url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' | 'POST' = 'GET') =>
  api.app.inject({ method, url, headers: { host: 'baremetal.test:6385', ...headers } })

/** Every address that a text of the page names by `from`, `src`, `href` or the import map. */
const named = (text: string): string[] =>
  [...text.matchAll(/(?:from |src=|href=|: )["']\.?\/?((?:assets\/)?[a-z-]+\.(?:js|mjs|css|svg))["']/g)].map(
    (match) => (match[1] as string).replace(/^assets\//, ''),
  )

describe('The page of a console', () => {
  test('is the same for a node that is there, for one that is not, and for anything else, without a token', async () => {
    const { uuid, name } = await api.node()
    const [first, ...others] = await Promise.all(
      [uuid, name, 'no-such-node', '%3Cscript%3E', '..%2f..%2fetc%2fpasswd'].map((each) =>
        get(`/consoles/${each}`),
      ),
    )
    expect(first?.statusCode).toBe(200)
    expect(first?.headers['content-type']).toBe('text/html; charset=utf-8')
    const essence = (answer: typeof first) => ({
      status: answer?.statusCode,
      body: answer?.body,
      headers: { ...answer?.headers, date: '', 'openstack-request-id': '', 'x-openstack-request-id': '' },
    })
    for (const other of others) expect(essence(other)).toEqual(essence(first))
  })

  test('lets scripts come from the service alone, its own import map, and nothing from elsewhere', async () => {
    const { headers, body } = await get('/consoles/machine-1')
    const policy = new Map(
      String(headers['content-security-policy'])
        .split('; ')
        .map((part) => [part.split(' ')[0], part.split(' ').slice(1)]),
    )
    const map = /<script type="importmap">([\s\S]*?)<\/script>/.exec(body)?.[1] as string
    const mapHash = `'sha256-${createHash('sha256').update(map).digest('base64')}'`
    expect(policy.get('default-src')).toEqual(["'none'"])
    expect(policy.get('script-src')).toEqual(["'self'", mapHash])
    expect(policy.get('style-src')).toEqual(["'self'", "'unsafe-inline'"])
    expect(policy.get('connect-src')).toEqual([
      "'self'",
      'ws://baremetal.test:6385',
      'wss://baremetal.test:6385',
    ])
    expect(policy.get('frame-ancestors')).toEqual(["'none'"])
    expect(policy.get('base-uri')).toEqual(["'none'"])
    expect(policy.get('form-action')).toEqual(["'none'"])
    // The one script in the page is the map; no handler stands in an attribute.
    expect(body.match(/<script(?![^>]* src=)/g)).toHaveLength(1)
    expect(body).not.toMatch(/\son[a-z]+=|javascript:|https?:\/\//)
  })

  test('does not put a strange Host into its policy', async () => {
    const { headers, statusCode } = await get('/consoles/machine-1', {
      host: "x; script-src 'unsafe-inline'",
    })
    expect(statusCode).toBe(200)
    expect(headers['content-security-policy']).toContain("connect-src 'self';")
    expect(headers['content-security-policy']).not.toContain("script-src 'unsafe-inline'")
  })

  test('forbids guessing of types, framing, and telling others where one came from', async () => {
    for (const path of ['machine-1', 'assets/page.js', 'assets/nothing.js'])
      expect((await get(`/consoles/${path}`)).headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
        'cross-origin-opener-policy': 'same-origin',
      })
  })

  test('is at the address without a slash, to which the one with leads, and nowhere else', async () => {
    for (const [path, place] of [
      ['/consoles/machine-1/', '../machine-1'],
      ['/consoles/machine-1/?mode=write', '../machine-1'],
      ['/consoles//evil.test/', undefined],
    ] as const) {
      const { statusCode, headers } = await get(path)
      if (place) expect([statusCode, headers.location]).toEqual([308, place])
      else expect(String(headers.location ?? '../')).toMatch(/^\.\.\//)
    }
  })

  test('and all that it names is served, with the types that a strict browser wants', async () => {
    const types = { js: 'text/javascript', mjs: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }
    const waiting = named((await get('/consoles/machine-1')).body)
    const seen = new Set<string>()
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (seen.has(name)) continue
      seen.add(name)
      const { statusCode, headers, body } = await get(`/consoles/assets/${name}`)
      expect([name, statusCode]).toEqual([name, 200])
      expect(String(headers['content-type'])).toContain(types[name.split('.').pop() as keyof typeof types])
      if (!/^(xterm|addon)/.test(name)) waiting.push(...named(body))
    }
    expect([...seen]).toEqual(expect.arrayContaining(['page.js', 'link.js', 'xterm.mjs', 'console.css']))
  })

  test('is not sent again to who has it', async () => {
    for (const path of ['/consoles/machine-1', '/consoles/assets/xterm.mjs']) {
      const { headers } = await get(path)
      expect(headers['cache-control']).toBe('no-cache')
      for (const known of [headers.etag, `"other", W/${headers.etag}`, '*']) {
        const again = await get(path, { 'if-none-match': known as string })
        expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, '', headers.etag])
      }
      expect((await get(path, { 'if-none-match': '"other"' })).statusCode).toBe(200)
    }
  })

  test('answers HEAD like GET without a body, and other methods with what is allowed', async () => {
    for (const path of ['/consoles/machine-1', '/consoles/assets/page.js']) {
      const [whole, head] = [await get(path), await get(path, {}, 'HEAD')]
      expect([head.statusCode, head.body]).toEqual([200, ''])
      expect(head.headers['content-length']).toBe(whole.headers['content-length'])
      const posted = await get(path, {}, 'POST')
      expect([posted.statusCode, posted.headers.allow]).toEqual([405, 'GET, HEAD'])
    }
  })

  test.each([
    'nothing.js',
    'tsconfig.json',
    'link.test.ts',
    'index.html',
    '..%2f..%2ftypes.ts',
    '..%2Fpage.js',
    '%2e%2e%2fpage.js',
    '....//page.js',
    'page.js/..%2f..%2findex.html',
    'page.js%00',
    '__proto__',
    'constructor',
  ])('serves no %s', async (name) => {
    const answer = await get(`/consoles/assets/${name}`)
    expect(answer.statusCode).toBe(404)
    expect(answer.body).toBe('There is nothing here.\n')
  })
})
