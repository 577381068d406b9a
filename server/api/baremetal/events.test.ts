/** Events through the API's door. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const event = {
  event: 'network.bind_port',
  port_id: '6ccd1e7a-0000-4000-8000-000000000000',
  mac_address: '52:54:00:12:34:56',
  status: 'ACTIVE',
  'binding:vnic_type': 'baremetal',
}
const post = (who: Persona | null, body: unknown, version?: string) =>
  api.as(who, 'POST', '/v1/events', body, version)

it.each([
  ['system-admin', 204],
  ['system-member', 403],
  ['system-reader', 403],
  ['owner-admin', 403],
  ['lessee-admin', 403],
  ['stranger', 403],
  ['service', 403],
  [null, 401],
] as const)('%s is answered %i', async (who, status) => {
  expect((await post(who, { events: [event] })).status).toBe(status)
})

it.each([
  [{}, 'events'],
  [{ events: [] }, 'events'],
  [{ events: [{ ...event, event: 'network.burn_port' }] }, 'event'],
  [{ events: [{ ...event, port_id: 'x' }] }, 'port_id'],
  [{ events: [{ ...event, mac_address: 'x' }] }, 'mac_address'],
  [{ events: [{ ...event, status: undefined }] }, 'status'],
  [{ events: [{ ...event, nonsense: 1 }] }, 'nonsense'],
])('answers 400 that names what is wrong: %j', async (body, named) => {
  const { status, body: answer } = await post('system-admin', body)
  expect([status, faultOf(answer)]).toEqual([400, expect.stringContaining(named)])
})

it('is of 1.54', async () => {
  expect((await post('system-admin', { events: [event] }, '1.53')).status).toBe(404)
  expect((await api.as('system-admin', 'GET', '/v1/events')).status).toBe(405)
})
