/** Journals over HTTP while a node changes hands: the wall holds for who has already begun to read. */
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, watch } from '../../console/testing.ts'
import { type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
let url: string
beforeAll(async () => {
  api = await testApi()
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`
  await api.deps.consoles.start(url)
})
afterAll(() => api.close())

const path = (uuid: string) => `/v1/nodes/${uuid}/console`
const show = async (who: Persona, uuid: string) => (await api.as(who, 'GET', path(uuid))).body

/** A fake machine, leased, whose console is up. */
async function machine(): Promise<string> {
  const { uuid } = await api.node()
  await api.as('lessee-member', 'PUT', path(uuid), { enabled: true })
  await until(async () => (await show('lessee-member', uuid)).state === 'up', 'the console')
  return uuid
}

/** Types at a console and waits until its journal is so much longer. */
async function type(who: Persona, uuid: string, line: string, bytes: number): Promise<void> {
  const end = async () => (await show(who, uuid)).journal.end as number
  const before = await end()
  const watcher = await watch(url, uuid, { token: api.tokens[who] })
  watcher.type(`${line}\r`)
  await until(async () => (await end()) >= before + bytes, 'the journal', 30_000)
  await watcher.close()
}

/** The node is the stranger's, whose machine has printed a secret. */
async function handOver(uuid: string): Promise<void> {
  const lessee = api.projects.stranger
  await api.db.updateTable('nodes').set({ lessee }).where('uuid', '=', uuid).execute()
  await until(async () => (await show('stranger', uuid)).journal?.start != null, 'the wall')
  await type('stranger', uuid, 'echo next-tenants-secret', 'next-tenants-secret'.length)
}

function download(who: Persona, where: string): Promise<IncomingMessage> {
  const headers = { 'x-auth-token': api.tokens[who], 'x-openstack-ironic-api-version': '1.82' }
  return new Promise((resolve, reject) => {
    request(`${url}${where}`, { headers }, resolve).once('error', reject).end()
  })
}

describe('a journal that is being read when the node changes hands', () => {
  it('gives none of the next tenant’s bytes, in any format, however long the client stalls', {
    timeout: 120_000,
  }, async () => {
    const uuid = await machine()
    // More than sockets hold, so that a client that does not read stops the service.
    const [part, parts] = [8 * 1024 * 1024, 4]
    for (let count = 0; count < parts; count += 1) await type('lessee-member', uuid, `flood ${part}`, part)
    const [{ id }] = (await api.as('lessee-member', 'GET', `/v1/console_spans?node=${uuid}`)).body
      .console_spans
    const places = [`${path(uuid)}/journal`, `/v1/console_spans/${id}/journal`]
    const stalled = await Promise.all(
      places.flatMap((place) =>
        ['raw', 'text', 'asciicast'].map((format) => download('lessee-member', `${place}?format=${format}`)),
      ),
    )
    await handOver(uuid)
    for (const response of stalled) {
      expect(response.statusCode).toBe(200)
      const told = await textOf(response)
      expect(told.length).toBeGreaterThan(part)
      expect(told.includes('next-tenants-secret')).toBe(false)
    }
  })

  it('is refused when that came between the question and its answer', async () => {
    for (const tail of ['/journal', '/journal?to=99999999', '/search?text=secret', 'span']) {
      const uuid = await machine()
      await type('lessee-member', uuid, 'echo mine', 4)
      const [{ id }] = (await api.as('lessee-member', 'GET', `/v1/console_spans?node=${uuid}`)).body
        .console_spans
      // Asked between the reading of the row and that of the journal.
      const { keptAt } = api.deps.consoles
      api.deps.consoles.keptAt = async (node) => {
        api.deps.consoles.keptAt = keptAt
        await handOver(uuid)
        return keptAt(node)
      }
      const where = tail === 'span' ? `/v1/console_spans/${id}/journal` : `${path(uuid)}${tail}`
      const { status, text } = await api.as('lessee-member', 'GET', where)
      expect([tail, status]).toEqual([tail, 409])
      expect(text).toContain('has changed hands')
      expect((await api.as('lessee-member', 'GET', where)).status).toBe(404)
    }
  })
})

it('a project reads eight journals at once and no more, whatever others do; one that ends makes room', {
  timeout: 60_000,
}, async () => {
  const uuid = await machine()
  const bytes = 12 * 1024 * 1024
  await type('lessee-member', uuid, `flood ${bytes}`, bytes)
  const journal = `${path(uuid)}/journal`
  const stalled = await Promise.all(Array.from({ length: 8 }, () => download('lessee-member', journal)))
  for (const tail of ['journal', 'search?text=x']) {
    const refused = await api.as('lessee-member', 'GET', `${path(uuid)}/${tail}`)
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '5'])
    expect(refused.text).toContain('8 downloads and searches')
    expect((await api.as('system-admin', 'GET', `${path(uuid)}/${tail}`)).status).toBe(200)
  }
  stalled[0]?.destroy()
  await until(
    async () => (await api.as('lessee-member', 'GET', `${path(uuid)}/search?text=x`)).status === 200,
  )
  for (const each of stalled) each.destroy()
  await until(async () => (await api.as('lessee-member', 'GET', journal)).status === 200)
})
