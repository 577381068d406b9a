/** The API's description of itself, checked by a program that is not ours. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { baremetalRoutes } from './app.ts'
import { type TestApi, testApi } from './testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

it('serves a valid OpenAPI 3.1 document to anybody', async () => {
  const { status, body } = await api.as(null, 'GET', '/openapi.json')
  expect(status).toBe(200)
  const result = await new Validator().validate(body)
  expect(result.errors ?? []).toEqual([])
  expect(body.openapi).toBe('3.1.0')
})

it('describes every route, with its rules and its first microversion', async () => {
  const { paths } = (await api.as(null, 'GET', '/openapi.json')).body
  for (const route of baremetalRoutes(api.deps)) {
    const operation = paths[`/v1${route.path}`.replace(/:(\w+)/g, '{$1}')][route.method.toLowerCase()]
    expect(operation['x-policy-rules'] ?? 'public').toEqual(route.rules)
    expect(operation['x-min-version']).toBe(route.since ? `1.${route.since}` : undefined)
  }
  const ids = Object.values(paths).flatMap((methods) =>
    Object.values(methods as object).map(({ operationId }) => operationId),
  )
  expect(new Set(ids).size).toBe(ids.length)
})

it('describes what a real answer holds', async () => {
  const { uuid } = await api.node()
  const { components } = (await api.as(null, 'GET', '/openapi.json')).body
  const { body } = await api.as('system-admin', 'GET', `/v1/nodes/${uuid}`)
  const links = ['links', 'ports', 'states', 'portgroups', 'volume']
  expect(
    Object.keys(body)
      .filter((name) => !links.includes(name))
      .sort(),
  ).toEqual(Object.keys(components.schemas.Node.properties).sort())
})
