/** The API's entrance: which versions there are, and which resources a version has. Public. */
import { RoutingError } from './errors.ts'
import { selfLinks } from './fields.ts'
import type { Call, Route } from './routes.ts'
import { maximumVersion, minimumVersion } from './versions.ts'

/** First microversion of each collection that is served. */
const collections: Readonly<Record<string, number>> = {
  chassis: 1,
  nodes: 1,
  ports: 1,
  portgroups: 23,
  volume: 32,
  drivers: 1,
  conductors: 49,
  allocations: 52,
  lookup: 22,
  heartbeat: 22,
  events: 54,
  continue_inspection: 84,
  deploy_templates: 55,
  shards: 82,
  runbooks: 92,
  inspection_rules: 96,
}

const versionDocument = (base: string) => ({
  id: 'v1',
  status: 'CURRENT',
  min_version: `1.${minimumVersion}`,
  version: `1.${maximumVersion}`,
  links: [{ href: `${base}/v1/`, rel: 'self' }],
})

/** `GET /`. */
export const rootDocument = (base: string) => ({
  name: 'OpenStack Ironic API',
  description: 'Leasehold: multi-tenant bare metal behind the OpenStack Bare Metal API.',
  default_version: versionDocument(base),
  versions: [versionDocument(base)],
})

export function rootRoutes(): Route[] {
  return [
    {
      method: 'GET',
      path: '/',
      summary: 'Show what version 1 of the API has',
      rules: 'public',
      ok: 200,
      handler: async (call: Call) => ({
        id: 'v1',
        links: [
          { href: `${call.base}/v1/`, rel: 'self' },
          { href: 'https://docs.openstack.org/api-ref/baremetal/', rel: 'describedby', type: 'text/html' },
        ],
        media_types: [{ base: 'application/json', type: 'application/vnd.openstack.ironic.v1+json' }],
        version: versionDocument(call.base),
        ...Object.fromEntries(
          Object.entries(collections)
            .filter(([, since]) => since <= call.version)
            .map(([name]) => [name, selfLinks(call.base, `${name}/`)]),
        ),
      }),
    },
  ]
}

/** Any other method at the entrance. */
export const onlyGet = (): never => {
  throw new RoutingError('method-not-allowed', 'Allowed here: GET, HEAD.')
}
