/** The audit through the API's door: the other tenant first. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Persona, type TestApi, testApi } from './testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

interface Row {
  action: string
  outcome: string
  status: number
  project: string
  node: string
  path: string | null
  reason: string | null
  request_id: string
}
const rows = async (who: Persona, query = ''): Promise<Row[]> =>
  (await api.as(who, 'GET', `/v1/audit${query}`)).body.audit

it('shows a stranger only what the stranger did, and no word of others', async () => {
  const { uuid } = await api.node({ name: 'secret-name' })
  await api.as('lessee-member', 'PATCH', `/v1/nodes/${uuid}`, [
    { op: 'add', path: '/extra/a', value: 'secret-value' },
  ])
  await api.as('stranger', 'POST', '/v1/nodes', { driver: 'nonesuch' })
  // Whether there is something behind a 404 is not told here either.
  await api.as('stranger', 'GET', `/v1/nodes/${uuid}`)
  await api.as('stranger', 'DELETE', `/v1/nodes/${uuid}`)
  await api.as('stranger', 'DELETE', '/v1/nodes/absent')
  const seen = await rows('stranger')
  expect(seen.map((row) => [row.action, row.outcome])).toEqual([['POST /v1/nodes', 'failed']])
  const hidden = await rows('system-reader', `?node=${uuid}&outcome=hidden`)
  expect(hidden.map((row) => row.action)).toEqual(['DELETE /v1/nodes/:node', 'GET /v1/nodes/:node'])
  const { text } = await api.as('stranger', 'GET', `/v1/audit?node=${uuid}&project=${api.projects.lessee}`)
  expect(JSON.parse(text).audit).toEqual([])
})

it('records every changing call with who, what, on what and the outcome', async () => {
  const { uuid } = await api.node()
  const changed = await api.as('lessee-member', 'PATCH', `/v1/nodes/${uuid}`, [
    { op: 'add', path: '/extra/a', value: 1 },
  ])
  await api.as('lessee-member', 'PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'manage' })
  await api.as('lessee-member', 'PUT', `/v1/nodes/${uuid}/states/power`, { target: 'sideways' })
  const [failed, denied, allowed] = await rows('lessee-reader', `?node=${uuid}`)
  expect(allowed).toMatchObject({
    action: 'PATCH /v1/nodes/:node',
    outcome: 'allowed',
    status: 200,
    project: api.projects.lessee,
    node: uuid,
    path: `/v1/nodes/${uuid}`,
    request_id: changed.headers['openstack-request-id'],
  })
  expect(denied).toMatchObject({ outcome: 'denied', status: 403 })
  expect(denied?.reason).toContain('baremetal:node:set_provision_state')
  expect(failed).toMatchObject({ outcome: 'failed', status: 400 })
})

it('shows an owner what its lessee did to its node, but not what the lessee was told', async () => {
  const { uuid } = await api.node()
  await api.as('lessee-member', 'PUT', `/v1/nodes/${uuid}/states/power`, { target: 'sideways' })
  await api.as('stranger', 'DELETE', `/v1/nodes/${uuid}`)
  const seen = await rows('owner-reader', `?node=${uuid}`)
  expect(seen.map((row) => [row.action, row.project, row.reason, row.path])).toEqual([
    ['PUT /v1/nodes/:node/states/power', api.projects.lessee, null, null],
    ['POST /v1/nodes', null, null, null],
  ])
})

it('does not show an owner who watches the console of its leased node', async () => {
  const { uuid } = await api.node()
  const { createRecorder } = await import('../audit/index.ts')
  const recorder = createRecorder(api.db)
  const row = (lessee: string | null, action: string) => ({
    request_id: 'console-websocket',
    user_id: 'u',
    project_id: lessee ?? api.projects.stranger,
    system_scope: false,
    action,
    path: '/',
    target_type: 'node',
    target_uuid: uuid,
    node_uuid: uuid,
    owner: api.projects.owner,
    lessee,
    outcome: 'allowed',
    status: 200,
    reason: null,
  })
  await recorder.record(row(api.projects.lessee, 'CONSOLE watch'))
  await recorder.record(row(null, 'CONSOLE leave'))
  const actions = async (who: Persona) => (await rows(who, `?node=${uuid}`)).map((each) => each.action)
  expect(await actions('owner-reader')).toEqual(['CONSOLE leave', 'POST /v1/nodes'])
  expect(await actions('lessee-reader')).toEqual(['CONSOLE watch'])
  expect(await actions('system-reader')).toEqual(['CONSOLE leave', 'CONSOLE watch', 'POST /v1/nodes'])
})

it('keeps from a former lessee and a new owner what was not theirs', async () => {
  const { uuid } = await api.node()
  await api.as('owner-member', 'PATCH', `/v1/nodes/${uuid}`, [{ op: 'add', path: '/extra/b', value: 1 }])
  await api.as('system-admin', 'PATCH', `/v1/nodes/${uuid}`, [
    { op: 'add', path: '/owner', value: api.projects.stranger },
  ])
  await api.as('system-admin', 'PATCH', `/v1/nodes/${uuid}`, [{ op: 'add', path: '/extra/c', value: 1 }])
  expect(await rows('stranger', `?node=${uuid}`)).toHaveLength(1)
  expect(await rows('lessee-reader', `?node=${uuid}`)).toEqual([])
  expect(await rows('system-reader', `?node=${uuid}`)).toHaveLength(4)
})

it('records no reading that is allowed, and nothing secret', async () => {
  const { uuid } = await api.node({ driver_info: { ipmi_password: 'hunter2' } })
  await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}`)
  const { text } = await api.as('system-admin', 'GET', `/v1/audit?node=${uuid}`)
  expect(JSON.parse(text).audit).toHaveLength(1)
  expect(text).not.toContain('hunter2')
})

it('pages, newest first, and says which parameter is wrong', async () => {
  const { uuid } = await api.node()
  for (let index = 0; index < 4; index++)
    await api.as('owner-member', 'PATCH', `/v1/nodes/${uuid}`, [
      { op: 'add', path: '/extra/n', value: index },
    ])
  const seen: string[] = []
  let path = `/v1/audit?node=${uuid}&limit=2`
  for (let page = 0; path && page < 9; page++) {
    const { body } = await api.as('system-reader', 'GET', path)
    seen.push(...body.audit.map((row: { uuid: string }) => row.uuid))
    path = body.next?.replace('http://baremetal.test:6385', '') ?? ''
  }
  expect(new Set(seen).size).toBe(5)
  expect(seen).toHaveLength(5)
  expect((await api.as('owner-reader', 'GET', '/v1/audit?since=yesterday')).text).toContain('since')
  expect((await api.as('owner-reader', 'GET', '/v1/audit?outcome=good')).status).toBe(400)
  expect((await api.as(null, 'GET', '/v1/audit')).status).toBe(401)
})
