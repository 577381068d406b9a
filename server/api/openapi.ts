/** The OpenAPI 3.1 document of the Bare Metal API, made from the very rows that routes are registered from. */
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import type { Route } from './baremetal/routes.ts'
import { maximumVersion, minimumVersion } from './baremetal/versions.ts'

type Json = Record<string, unknown>

/** Serves the document at `/openapi.json`; it is the same for everybody and tells nothing of anybody. */
export function registerOpenApi(
  app: FastifyInstance,
  routes: readonly Route[],
  schemas: Readonly<Record<string, TSchema>>,
): void {
  const text = JSON.stringify(openApiOf(routes, schemas))
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(text))
}

/** The document. `schemas` are the resources that answers refer to by name. */
export function openApiOf(routes: readonly Route[], schemas: Readonly<Record<string, TSchema>>): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = `/v1${route.path}`.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Leasehold: OpenStack Bare Metal API v1',
      version: `1.${maximumVersion}`,
      description: `Microversions 1.${minimumVersion} to 1.${maximumVersion}, asked for with X-OpenStack-Ironic-API-Version. x-min-version says since when an operation exists, x-policy-rules which rules it may check.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } },
      parameters: { version: versionParameter },
      schemas: { ...schemas, Error: errorSchema },
    },
  }
}

const versionParameter = {
  name: 'X-OpenStack-Ironic-API-Version',
  in: 'header',
  description: '1.N, or latest; the oldest when left out.',
  schema: { type: 'string', pattern: '^(1\\.[0-9]+|latest)$' },
}

/** One JSON document encoded as a string inside another, as Ironic has it. */
const errorSchema = {
  type: 'object',
  properties: {
    error_message: { type: 'string', description: 'JSON: {"faultcode", "faultstring", "debuginfo"}' },
  },
}

function answerOf({ resource, list }: NonNullable<Route['answer']>): Json {
  const one = { $ref: `#/components/schemas/${resource}` }
  if (!list) return one
  return {
    type: 'object',
    properties: { [list]: { type: 'array', items: one }, next: { type: 'string', format: 'uri' } },
    required: [list],
  }
}

function operationOf(route: Route): Json {
  const parameters = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const query = Object.entries(route.query ?? {}).map(([name, parameter]) => ({
    name,
    in: 'query',
    schema:
      parameter.type === 'array' ? { type: 'array', items: { type: 'string' } } : { type: parameter.type },
    ...(parameter.type === 'array' ? { style: 'form', explode: false } : {}),
    ...(parameter.since ? { 'x-min-version': `1.${parameter.since}` } : {}),
  }))
  const isPublic = route.rules === 'public'
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[/:]+(\w)/g, (_, first: string) => first.toUpperCase()).replace(/\W/g, '')}`,
    tags: [route.path.split('/')[1] || 'root'],
    parameters: [{ $ref: '#/components/parameters/version' }, ...parameters, ...query],
    ...(route.body
      ? { requestBody: { required: true, content: { 'application/json': { schema: route.body } } } }
      : {}),
    responses: {
      [route.ok]: {
        description: 'Done.',
        ...(route.answer ? { content: { 'application/json': { schema: answerOf(route.answer) } } } : {}),
      },
      default: {
        description: 'Refused or failed.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
    ...(isPublic ? { security: [] } : { 'x-policy-rules': route.rules }),
    ...(route.since ? { 'x-min-version': `1.${route.since}` } : {}),
  }
}
