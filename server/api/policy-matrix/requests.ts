/** For every route the requests that ask its policy rules. */
import { consoleRequests } from './console-requests.ts'
import { networkRequests } from './network-requests.ts'
import { nodeRequests } from './node-requests.ts'
import { networkRules } from './reference.ts'
import {
  extra,
  type FieldRequest,
  type ListRequest,
  locked,
  needs,
  type PolicyRequest,
  plain,
  rule,
  seen,
} from './request.ts'
import {
  allocationRequests,
  publicRequests,
  runbookRequests,
  systemRequests,
  volumeRequests,
} from './system-requests.ts'

/** What belongs to a node: all kinds are asked about alike. */
const partRequests = (
  resource: 'port' | 'portgroup' | 'volume',
  word: string,
  path: string,
  body: (ids: Readonly<Record<string, string>>) => unknown,
): PolicyRequest[] => {
  const one = `/${path}/:${word}` as const
  return [
    plain(
      `POST /${path}`,
      [{ rules: [rule(`${resource}:create`)], no: 403, about: 'the node if seen' }],
      // Past the rules: there is one already; or the node, which is not seen, is not found.
      [409, 400],
      { body },
    ),
    plain(`GET ${one}`, [seen, needs(`${resource}:get`)], [200]),
    plain(`PATCH ${one}`, [seen, needs(`${resource}:update`)], locked, { body: extra }),
    plain(`DELETE ${one}`, [seen, needs(`${resource}:delete`)], locked),
  ]
}

const list = (
  route: PolicyRequest['route'],
  resource: ListRequest['resource'],
  named: string,
  more: Partial<ListRequest> = {},
): ListRequest => ({
  kind: 'list',
  route,
  resource,
  all: rule(`${named}:list_all`),
  own: rule(`${named}:list`),
  gates: more.below ? [seen] : [],
  ...more,
})

const below = { below: true } as const
const listRequests: PolicyRequest[] = [
  list('GET /nodes', 'node', 'node'),
  list('GET /nodes/detail', 'node', 'node'),
  list('GET /chassis/:chassis/nodes', 'node', 'node'),
  list('GET /chassis/:chassis/nodes/detail', 'node', 'node'),
  list('GET /nodes/:node/children', 'child', 'node', below),
  ...['', '/detail'].flatMap((tail) => [
    list(`GET /ports${tail}`, 'port', 'port'),
    list(`GET /nodes/:node/ports${tail}`, 'port', 'port', below),
    list(`GET /portgroups/:portgroup/ports${tail}`, 'port', 'port', below),
    list(`GET /portgroups${tail}`, 'portgroup', 'portgroup'),
    list(`GET /nodes/:node/portgroups${tail}`, 'portgroup', 'portgroup', below),
  ]),
  ...(['connector', 'target'] as const).flatMap((kind) => [
    list(`GET /volume/${kind}s`, kind, 'volume'),
    list(`GET /nodes/:node/volume/${kind}s`, kind, 'volume', below),
  ]),
  ...(['', '/detail'] as const).flatMap((tail) => [
    ...(['nodes', 'chassis/:chassis/nodes'] as const).map((path) =>
      list(`GET /${path}${tail}`, 'child', 'node', { ...below, query: 'parent_node=:node' }),
    ),
    list(`GET /ports${tail}`, 'port', 'port', { ...below, query: 'node=:node' }),
    list(`GET /ports${tail}`, 'port', 'port', { ...below, query: 'portgroup=:portgroup' }),
    list(`GET /portgroups${tail}`, 'portgroup', 'portgroup', { ...below, query: 'node=:node' }),
  ]),
  list('GET /volume/connectors', 'connector', 'volume', { ...below, query: 'node=:node' }),
  list('GET /volume/targets', 'target', 'volume', { ...below, query: 'node=:node' }),
  list('GET /allocations', 'allocation', 'allocation', { each: rule('allocation:get') }),
  list('GET /allocations', 'allocation', 'allocation', {
    ...below,
    query: 'node=:node',
    gates: [{ ...seen, no: 400 }],
    each: rule('allocation:get'),
  }),
  list('GET /runbooks', 'runbook', 'runbook'),
]

/** Who has this right sees the four fields of a node that have a right of their own, too. */
const threshold = rule('node:get:filter_threshold')
const shown = (field: string, value: unknown): FieldRequest => ({
  kind: 'field',
  route: 'GET /nodes/:node',
  variant: field,
  gates: [seen],
  field: field === 'driver_info' || field === 'driver_internal_info' ? [field, 'a'] : [field],
  value,
  shows: [rule(`node:get:${field}`), threshold],
})
const fieldRequests: PolicyRequest[] = [
  shown('last_error', 'an error'),
  shown('reservation', 'elsewhere'),
  shown('driver_info', 'a value'),
  shown('driver_internal_info', 'a value'),
  {
    ...shown('driver_info', 'a secret'),
    variant: 'password',
    field: ['driver_info', 'fake_password'],
    shows: ['show_password'],
  },
  {
    ...shown('instance_info', 'a secret'),
    variant: 'instance secret',
    field: ['instance_info', 'fake_password'],
    shows: ['show_instance_secrets'],
  },
  {
    kind: 'field',
    route: 'GET /volume/targets/:target',
    variant: 'properties',
    gates: [seen],
    field: ['properties', 'a'],
    value: 'a value',
    shows: [rule('volume:view_target_properties')],
  },
]

/** Every request, lists and what changes nothing first. */
export const requests: readonly PolicyRequest[] = [
  ...listRequests,
  ...fieldRequests,
  ...nodeRequests,
  ...partRequests('port', 'port', 'ports', ({ node, address }) => ({ node_uuid: node, address })),
  ...partRequests('portgroup', 'portgroup', 'portgroups', ({ node, address }) => ({
    node_uuid: node,
    address,
  })),
  ...partRequests('volume', 'connector', 'volume/connectors', ({ node, address }) => ({
    node_uuid: node,
    type: 'mac',
    connector_id: address,
  })),
  ...partRequests('volume', 'target', 'volume/targets', ({ node }) => ({
    node_uuid: node,
    volume_type: 'iscsi',
    boot_index: 0,
    volume_id: 'x',
  })),
  ...volumeRequests,
  ...allocationRequests,
  ...runbookRequests,
  ...systemRequests,
  ...consoleRequests,
  ...networkRequests,
  ...publicRequests,
]

/** Rules that no request of the API asks by itself, with the reason. */
export const unasked: Readonly<Record<string, string>> = {
  admin_api: 'a part for operators’ own rules, as before 2021',
  public_api: 'a part for operators’ own rules, as before 2021',
  service_role: 'a part of other rules',
  is_member: 'a part for operators’ own rules, as before 2021',
  is_observer: 'a part for operators’ own rules, as before 2021',
  is_admin: 'a part for operators’ own rules, as before 2021',
  is_node_owner: 'a part for operators’ own rules',
  is_node_lessee: 'a part for operators’ own rules',
  is_allocation_owner: 'a part for operators’ own rules',
  'baremetal:allocation:create_pre_rbac': 'of a time before projects had rights; Ironic asks it no more',
  'baremetal:inspection_rule:list_all':
    'defined by Ironic and not used by it: a list needs inspection_rule:get',
  ...Object.fromEntries(
    networkRules.map((name) => [
      name,
      'asked by the networking API, whose matrix is api/networking/rules.test.ts',
    ]),
  ),
}

/** Rules that say what is shown of an answer, or noted of a request: any route may ask them. */
export const beside: ReadonlySet<string> = new Set([
  threshold,
  ...['last_error', 'reservation', 'driver_info', 'driver_internal_info'].map((field) =>
    rule(`node:get:${field}`),
  ),
  'show_password',
  'show_instance_secrets',
  rule('volume:view_target_properties'),
  rule('runbook:get'),
])
