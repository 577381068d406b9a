/** The OpenAPI 3.1 document of the Bare Metal API, made from the very rows that routes are registered from. */
import type { FastifyInstance } from 'fastify'
import { allocationFields } from './baremetal/allocation-fields.ts'
import type { Field } from './baremetal/fields.ts'
import { inspectionRuleFields } from './baremetal/inspection-rule-fields.ts'
import { nodeFields } from './baremetal/node-fields.ts'
import { portFields } from './baremetal/port-fields.ts'
import { portgroupFields } from './baremetal/portgroup-fields.ts'
import type { Route } from './baremetal/routes.ts'
import { runbookFields } from './baremetal/runbook-fields.ts'
import { maximumVersion, minimumVersion } from './baremetal/versions.ts'
import { connectorFields, targetFields } from './baremetal/volume-fields.ts'

type Json = Record<string, unknown>

/** The resources whose answers are described field by field: collection, name of one, table of its fields. */
const resources = [
  ['nodes', 'Node', nodeFields],
  ['ports', 'Port', portFields],
  ['portgroups', 'Portgroup', portgroupFields],
  ['volume/connectors', 'VolumeConnector', connectorFields],
  ['volume/targets', 'VolumeTarget', targetFields],
  ['allocations', 'Allocation', allocationFields],
  ['runbooks', 'Runbook', runbookFields],
  ['inspection_rules', 'InspectionRule', inspectionRuleFields],
] as const

/** Serves the document at `/openapi.json`; it is the same for everybody and tells nothing of anybody. */
export function registerOpenApi(app: FastifyInstance, routes: readonly Route[]): void {
  const text = JSON.stringify(openApiOf(routes))
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(text))
}

/** The document. */
export function openApiOf(routes: readonly Route[]): Json {
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
      description: `Microversions 1.${minimumVersion} to 1.${maximumVersion}, asked for with X-OpenStack-Ironic-API-Version. x-min-version says since when an operation, parameter or field exists, x-policy-rules which rules an operation may check.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } },
      parameters: { version: versionParameter },
      schemas: {
        ...Object.fromEntries(resources.map(([, name, fields]) => [name, schemaOf(fields)])),
        Error: errorSchema,
      },
    },
  }
}

/** A resource as it is answered: every field, with its first microversion. */
const schemaOf = (
  fields: readonly Pick<Field<never>, 'name' | 'since' | 'schema' | 'create' | 'patch'>[],
): Json => ({
  type: 'object',
  properties: Object.fromEntries(
    fields.map((field) => [
      field.name,
      {
        ...(field.schema as Json | undefined),
        ...(field.create || field.patch ? {} : { readOnly: true }),
        'x-min-version': `1.${field.since}`,
      },
    ]),
  ),
})

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

/** What an operation on a resource answers with; undefined where the document does not describe it. */
function answerOf(route: Route): Json | undefined {
  for (const [collection, name] of resources) {
    const one = { $ref: `#/components/schemas/${name}` }
    const list = collection.split('/').at(-1) as string
    if (route.method === 'GET' && new RegExp(`/${collection}(/detail)?$`).test(route.path))
      return {
        type: 'object',
        properties: { [list]: { type: 'array', items: one }, next: { type: 'string', format: 'uri' } },
        required: [list],
      }
    const onItem =
      new RegExp(`^/${collection}/:\\w+$`).test(route.path) && ['GET', 'PATCH'].includes(route.method)
    if (onItem || (route.method === 'POST' && route.path === `/${collection}`)) return one
  }
  return undefined
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
  const answer = answerOf(route)
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
        ...(answer ? { content: { 'application/json': { schema: answer } } } : {}),
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
