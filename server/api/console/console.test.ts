/** Consoles over HTTP, through the whole service: the other tenant first. */
import { type AddressInfo, connect } from 'node:net'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, watch } from '../../console/testing.ts'
import { createApp } from '../app.ts'
import { type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
let url: string
beforeAll(async () => {
  api = await testApi({ 'console.off_linger_seconds': 5 })
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`
  await api.deps.consoles.start(url)
})
afterAll(() => api.close())

/** A fake machine, leased, whose console is up. */
async function machine(): Promise<string> {
  const { uuid } = await api.node()
  expect((await api.as('lessee-member', 'PUT', `/v1/nodes/${uuid}/console`, { enabled: true })).status).toBe(
    202,
  )
  await until(async () => (await show('lessee-member', uuid)).state === 'up', 'the console')
  return uuid
}
const show = async (who: Persona, uuid: string) =>
  (await api.as(who, 'GET', `/v1/nodes/${uuid}/console`)).body
const come = (who: Persona, uuid: string, query: Record<string, string> = {}) =>
  watch(url, uuid, { token: api.tokens[who], query })
const set = (uuid: string, fields: Record<string, unknown>) =>
  api.db.updateTable('nodes').set(fields).where('uuid', '=', uuid).execute()
const journal = (who: Persona, uuid: string, query = '') =>
  api.as(who, 'GET', `/v1/nodes/${uuid}/console/journal${query}`)

describe('another tenant', () => {
  it('gets of 10,000 attempts nothing: not by names, offsets, tickets, replays, spans or guessed ids', async () => {
    const uuid = await machine()
    const secret = 'TENANTS-OWN-SECRET'
    const typed = await come('lessee-member', uuid)
    typed.type(`echo ${secret}\r`)
    await until(() => typed.text.includes(`${secret}\r\n`))
    const used = (await api.as('lessee-member', 'POST', `/v1/nodes/${uuid}/console/tickets`, {})).body.ticket
    await (await watch(url, uuid, { query: { ticket: used } })).close()
    const span = (await api.as('lessee-member', 'GET', '/v1/console_spans')).body.console_spans[0].id
    const name = (await api.as('lessee-member', 'GET', `/v1/nodes/${uuid}`)).body.name
    const random = (count: number) => Array.from({ length: count }, () => crypto.randomUUID())
    const stolen = (ticket: string) => `lct_${ticket.slice(4, -2)}${ticket.slice(-2) === 'AA' ? 'BB' : 'AA'}`
    const paths = [
      ...[uuid, name, uuid.toUpperCase(), `${uuid}/`, `%2e%2e/${uuid}`].flatMap((ident) =>
        ['', '/journal', '/journal?from=0', `/journal?from=1&to=9`, '/search?text=SECRET'].map(
          (tail) => `/v1/nodes/${ident}/console${tail}`,
        ),
      ),
      ...['', '/..', '/../..'].map((up) => `/v1/console_spans/${span}${up}/journal`),
      ...Array.from({ length: 100 }, (_, index) => `/v1/console_spans/${index}/journal`),
    ]
    const sneaks = ['stranger', 'owner-admin', 'lessee-reader', 'service'] as const
    let attempts = 0
    let leaks = 0
    const note = (text: string) => {
      attempts += 1
      if (text.includes(secret)) leaks += 1
    }
    for (const who of sneaks) for (const path of paths) note((await api.as(who, 'GET', path)).text)
    // At the WebSocket's door: used, altered and guessed tickets, wrong ends, other people's tokens.
    const door = async (options: Parameters<typeof watch>[2], ident = uuid) => {
      const watcher = await watch(url, ident, { protocols: [], ...options }).catch((error: Error) => error)
      if (watcher instanceof Error) return note(watcher.message)
      await new Promise((resolve) => setTimeout(resolve, 20))
      note(watcher.text)
      await watcher.close()
    }
    for (let round = 0; round < 20; round += 1) {
      const guesses = [used, stolen(used), `lct_${'A'.repeat(43)}`, '', 'lct_', ...random(5)]
      await Promise.all([
        ...guesses.map((ticket) => door({ query: { ticket } })),
        ...guesses.map((ticket) => door({ query: { token: ticket }, path: '/' })),
        ...sneaks.map((who) => door({ token: api.tokens[who], query: { offset: String(round) } })),
        ...random(5).map((ident) => door({ token: api.tokens.stranger }, ident)),
      ])
    }
    // The rest as plain requests that cost little: every kind of id, guessed.
    const guess = (index: number): Promise<{ text: string }> => {
      const id = crypto.randomUUID()
      const who = sneaks[index % sneaks.length] as Persona
      const kinds = [
        () => api.as(who, 'GET', `/v1/nodes/${id}/console/journal?from=${index}`),
        () => api.as(who, 'GET', `/v1/console_spans/${index}/journal`),
        () => api.as(who, 'POST', '/v1/console_auth_tokens', { node_uuid_or_name: index % 3 ? uuid : id }),
        () => api.as(who, 'DELETE', `/v1/nodes/${uuid}/console/watchers/${id}`),
        () => api.as(who, 'POST', `/v1/nodes/${uuid}/console/tickets`, { mode: 'read' }),
      ]
      return (kinds[index % kinds.length] as () => Promise<{ text: string }>)()
    }
    for (let index = 0; attempts < 10_000; index += 50)
      for (const { text } of await Promise.all(Array.from({ length: 50 }, (_, step) => guess(index + step))))
        note(text)
    expect(attempts).toBeGreaterThanOrEqual(10_000)
    expect(leaks).toBe(0)
    // Nobody was sent away, nothing was typed, no ticket was made.
    expect(typed.closed).toBeUndefined()
    const { watchers } = await show('lessee-member', uuid)
    expect(watchers).toHaveLength(1)
    expect(await api.db.selectFrom('console_tickets').selectAll().execute()).toEqual([])
  }, 180_000)
})

describe('the journal', () => {
  it('is the present tenant’s from its own first byte on, in any format, and searched', async () => {
    const uuid = await machine()
    const first = await come('lessee-member', uuid)
    first.type('echo former-words\r')
    await until(() => first.text.includes('former-words\r\n'))
    await set(uuid, { lessee: api.projects.stranger })
    await until(() => first.closed)
    const next = await come('stranger', uuid)
    next.type('echo present-words\r')
    await until(() => next.text.includes('present-words\r\n'))
    for (const query of ['', '?from=0', '?format=text', '?format=asciicast', '?from=0&to=99999999']) {
      const { status, text } = await journal('stranger', uuid, query)
      expect([query, status]).toEqual([query, 200])
      expect(text).toContain('present-words')
      expect(text).not.toContain('former-words')
    }
    const search = (who: Persona, words: string) =>
      api.as(who, 'GET', `/v1/nodes/${uuid}/console/search?text=${words}`)
    expect((await search('stranger', 'PRESENT-words')).body.hits[0].line).toContain('present-words')
    expect((await search('stranger', 'former-words')).body.hits).toEqual([])
    expect((await search('system-admin', 'present-words')).body.hits.length).toBeGreaterThan(0)
    expect((await journal('lessee-member', uuid)).status).toBe(404)
    // The former tenant's span is the operator's to read; its own only where that is configured.
    const { console_spans: spans } = (await api.as('system-admin', 'GET', `/v1/console_spans?node=${uuid}`))
      .body
    expect(spans).toHaveLength(2)
    const former = spans[1].id
    expect(spans[1].to).toBe(spans[0].from)
    expect((await api.as('system-admin', 'GET', `/v1/console_spans/${former}/journal`)).text).toContain(
      'former-words',
    )
    const mine = () => api.as('lessee-member', 'GET', `/v1/console_spans/${former}/journal`)
    expect((await mine()).status).toBe(404)
    ;(api.deps.config as Record<string, unknown>)['console.former_tenants_read'] = true
    try {
      const { status, text } = await mine()
      expect([status, text.includes('former-words'), text.includes('present-words')]).toEqual([
        200,
        true,
        false,
      ])
      expect((await api.as('stranger', 'GET', `/v1/console_spans/${former}/journal`)).status).toBe(404)
    } finally {
      ;(api.deps.config as Record<string, unknown>)['console.former_tenants_read'] = false
    }
  })

  it('says what is wrong with a question', async () => {
    const uuid = await machine()
    for (const query of ['?from=-1', '?from=x', '?format=pdf', '?nonesuch=1'])
      expect([query, (await journal('lessee-member', uuid, query)).status]).toEqual([query, 400])
    expect((await api.as('lessee-member', 'GET', `/v1/nodes/${uuid}/console/search`)).status).toBe(400)
    const never = await api.node()
    expect((await journal('lessee-member', never.uuid)).status).toBe(409)
  })
})

describe('off and on as Nova does it', () => {
  it('loses no byte and no session in 100 resets and 1,000 looks', async () => {
    const uuid = await machine()
    const watcher = await come('lessee-member', uuid)
    await until(() => watcher.last('hello'))
    const states = `/v1/nodes/${uuid}/states/console`
    const enabled = async () => (await api.as('owner-member', 'GET', states)).body.console_enabled
    let looks = 0
    for (let reset = 0; reset < 100; reset += 1) {
      for (const wanted of [false, true]) {
        expect((await api.as('owner-member', 'PUT', states, { enabled: wanted })).status).toBe(202)
        watcher.type(wanted ? 'y' : 'x')
        await until(async () => {
          looks += 1
          return (await enabled()) === wanted
        })
      }
      for (let look = 0; look < 8; look += 1, looks += 1) await enabled()
    }
    watcher.type('\r')
    await until(() => watcher.text.includes('xy'.repeat(100)), 'all keys', 20_000)
    expect(looks).toBeGreaterThanOrEqual(1_000)
    expect(watcher.controls.filter((control) => control.type === 'state')).toEqual([])
  }, 120_000)
})

describe('a ticket', () => {
  it('is for who may do what it says, and opens the page’s WebSocket', async () => {
    const uuid = await machine()
    const ask = (who: Persona, body: object) => api.as(who, 'POST', `/v1/nodes/${uuid}/console/tickets`, body)
    expect((await ask('owner-admin', { mode: 'read' })).status).toBe(403)
    expect((await ask('lessee-member', { mode: 'force' })).text).toContain('leasehold:console:force')
    expect((await ask('lessee-member', { mode: 'nonesuch' })).status).toBe(400)
    const { status, body } = await ask('lessee-member', { mode: 'read' })
    expect(status).toBe(201)
    expect(body.url).toContain(`/v1/nodes/${uuid}/console?ticket=${body.ticket}`)
    expect(new Date(body.expires_at).getTime()).toBeGreaterThan(Date.now())
    const watcher = await watch(url, uuid, { query: { ticket: body.ticket, mode: 'force' } })
    await until(() => watcher.last('hello'))
    // Its mode is the ticket's, whatever the address says.
    expect(watcher.last('hello')?.mode).toBe('read')
  })
})

describe('esi-leap’s console token', () => {
  it('opens the console at its address as often as one likes, until it is dropped or the lease is over', async () => {
    const uuid = await machine()
    const make = (who: Persona, body: object) =>
      api.as(who, 'POST', '/v1/console_auth_tokens', { node_uuid_or_name: uuid, ...body })
    expect((await make('stranger', {})).status).toBe(404)
    expect((await make('owner-admin', {})).status).toBe(403)
    for (const wrong of ['0', '-5', 'soon', 10 ** 9])
      expect((await make('lessee-member', { token_ttl: wrong })).status).toBe(400)
    const { status, body } = await make('lessee-member', { token_ttl: '300' })
    expect([status, body.node_uuid]).toEqual([201, uuid])
    expect(body.access_url).toBe(`ws://baremetal.test:6385/?token=${body.token}`)
    for (const _ of [1, 2]) {
      const watcher = await watch(url, uuid, { path: '/', query: { token: body.token }, protocols: [] })
      watcher.type('\r')
      await until(() => watcher.text.length > 0)
      await watcher.close()
    }
    expect((await api.as('stranger', 'DELETE', `/v1/console_auth_tokens/${uuid}`)).status).toBe(404)
    const [staying, other] = await Promise.all([
      watch(url, uuid, { path: '/', query: { token: body.token }, protocols: [] }),
      come('lessee-member', uuid),
    ])
    expect((await api.as('lessee-member', 'DELETE', `/v1/console_auth_tokens/${uuid}`)).status).toBe(200)
    await until(() => staying.closed, 'the end of who came by it')
    expect(staying.closed?.code).toBe(4401)
    expect(other.closed).toBeUndefined()
    const again = watch(url, uuid, { path: '/', query: { token: body.token }, protocols: [] })
    await expect(again).rejects.toThrow('HTTP 401')
  })
})

it('consoles and console tokens are had by name without a microversion, as esi-leap’s client and curl ask', async () => {
  const uuid = await machine()
  const { name } = (await api.as('lessee-member', 'GET', `/v1/nodes/${uuid}`)).body
  const asked = { node_uuid_or_name: name }
  const made = await api.as('lessee-member', 'POST', '/v1/console_auth_tokens', asked, null)
  expect([made.status, made.body.node_uuid]).toEqual([201, uuid])
  expect((await api.as('stranger', 'POST', '/v1/console_auth_tokens', asked, null)).status).toBe(404)
  const dropped = await api.as('lessee-member', 'DELETE', `/v1/console_auth_tokens/${name}`, undefined, null)
  expect(dropped.status).toBe(200)
  const shown = await api.as('lessee-member', 'GET', `/v1/nodes/${name}/console`, undefined, null)
  expect(shown.body).toMatchObject({ node: uuid, state: 'up' })
})

describe('how a console is', () => {
  it('is told with what to do when it is not well', async () => {
    const { uuid } = await api.node()
    expect(await show('lessee-member', uuid)).toMatchObject({
      enabled: false,
      health: 'OFF',
      reason: expect.stringContaining('"enabled": true'),
    })
    const broken = await api.node({
      driver: 'ipmi',
      driver_info: { ipmi_address: '127.0.0.1', ipmi_cipher_suite: 99 },
    })
    await set(broken.uuid, { console_enabled: true })
    await until(async () => (await show('owner-member', broken.uuid)).health === 'CRITICAL')
    expect((await show('owner-member', broken.uuid)).reason).toContain('ipmi_cipher_suite')
    // How the machine is reached is not a lessee's to know.
    const { health, reason } = await show('lessee-member', broken.uuid)
    expect([health, reason]).toEqual(['CRITICAL', expect.stringContaining('whoever owns the machine')])
  })

  it('tells an owner whether its leased machine’s console is up, but not who watches', async () => {
    const uuid = await machine()
    const watcher = await come('lessee-member', uuid)
    await until(() => watcher.last('hello'))
    expect(await show('owner-member', uuid)).toMatchObject({ state: 'up', watchers: null, journal: null })
    expect((await show('lessee-member', uuid)).watchers).toHaveLength(1)
    const [{ id }] = (await show('lessee-member', uuid)).watchers
    const expel = (who: Persona) => api.as(who, 'DELETE', `/v1/nodes/${uuid}/console/watchers/${id}`)
    expect((await expel('owner-admin')).status).toBe(403)
    expect((await expel('lessee-manager')).status).toBe(204)
    await until(() => watcher.closed)
    expect((await expel('lessee-manager')).status).toBe(404)
  })

  it('is counted in the metrics by state', async () => {
    await machine()
    const { text } = await api.as(null, 'GET', '/metrics')
    expect(text).toMatch(/leasehold_consoles\{state="up"\} [1-9]/)
  })
})

it('a journal is read by whose span it is, though the node was read before it changed hands', async () => {
  const uuid = await machine()
  const read = () => api.as('lessee-member', 'GET', `/v1/nodes/${uuid}/console/journal`)
  expect((await read()).status).toBe(200)
  // As it is for who has read the node a moment too early.
  await api.db
    .updateTable('console_spans')
    .set({ lessee: api.projects.stranger })
    .where('node_uuid', '=', uuid)
    .execute()
  expect((await read()).status).toBe(403)
})

it('a call that says it was forwarded is answered only where the console is kept', async () => {
  const uuid = await machine()
  const paths = ['', '/journal', '/search?text=x'].map((part) => `/v1/nodes/${uuid}/console${part}`)
  const ask = async (path: string) => {
    const headers = { 'x-auth-token': api.tokens['lessee-member'], 'x-leasehold-forwarded': '1' }
    return (await fetch(url + path, { headers })).status
  }
  for (const path of paths) expect(await ask(path)).toBe(200)
  await api.as('lessee-member', 'PUT', `/v1/nodes/${uuid}/console`, { enabled: false })
  await until(() => api.deps.consoles.watchers(uuid) === undefined, 'giving it up', 20_000)
  for (const path of paths) expect(await ask(path)).toBe(503)
  // Taken by this process and not opened yet: not a call to send to another, which would be itself.
  const self = await api.db.selectFrom('console_holders').select('id').executeTakeFirstOrThrow()
  await api.db.updateTable('consoles').set({ holder: self.id }).where('node_uuid', '=', uuid).execute()
  expect((await api.as('lessee-member', 'GET', `/v1/nodes/${uuid}/console`)).status).toBe(200)
})

it('neither tokens nor tickets are in the log of requests', async () => {
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push(line) })
  const app = await createApp({ ...api.deps, log })
  await app.inject('/v1/nodes?token=lct_one&limit=5&ticket=lct_two&t%6Fken=lct_three&x')
  await app.close()
  const logged = lines.map((line) => JSON.parse(line)).filter((line) => line.msg === 'request')
  expect(logged.map((line) => line.url)).toEqual([
    '/v1/nodes?token=******&limit=5&ticket=******&t%6Fken=******&x',
  ])
  expect(lines.join()).not.toContain('lct_')
})

describe('an upgrade', () => {
  const answerTo = (method: string, target: string, protocol = 'websocket') =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
      socket.write(
        `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`,
      )
    })

  it('to another protocol than WebSocket is not taken up: the call is answered as it stands', async () => {
    expect(await answerTo('GET', '/healthz', 'h2c')).toMatch(/^HTTP\/1.1 200 /)
  })

  it.each(['//', '///', '//?token=x', 'http://[', '/\\', '*', '/%'])(
    'to %s does not end the service',
    async (target) => {
      expect(await answerTo('GET', target)).toMatch(/^HTTP\/1.1 40[0-9] /)
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
    },
  )

  it('by HEAD is refused without a body', async () => {
    expect(await answerTo('HEAD', '/v1/nodes')).toMatch(/^HTTP\/1.1 404 (.+\r\n)+\r\n$/)
    expect(await answerTo('HEAD', '/v1/nodes/x/console')).toMatch(/^HTTP\/1.1 401 (.+\r\n)+\r\n$/)
    expect(await answerTo('GET', '/v1/nodes')).toContain('There is no WebSocket here')
  })
})

it('an upgrade of what is no console is refused, and the API goes on', async () => {
  await expect(watch(url, 'x', { path: '/v1/nodes', token: api.tokens['system-admin'] })).rejects.toThrow(
    'HTTP 404',
  )
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})
