/**
 * For every route the requests that ask its policy rules, and what answers mean that the rules let them pass. The order
 * of checks is Ironic's.
 */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One check on a request's way. */
export interface Gate {
  /** Any of these rules lets it through; a refusal names the first. */
  rules: readonly string[]
  /** What a caller gets whom it does not let through. */
  no: 400 | 403 | 404 | 409
  /** What the rules are asked about, when it is not all that the path names: nothing, or the node if it is seen. */
  about?: 'nothing' | 'the node if seen'
  /** It is in the way of callers of a project alone. */
  only?: 'projects'
}

interface Common {
  route: `${Method} /${string}`
  /** Tells requests of one route apart. */
  variant?: string
  query?: string
  /** Of the object that the path names, and those that belong to it. */
  body?: unknown | ((ids: Readonly<Record<string, string>>) => unknown)
  gates: readonly Gate[]
  /** Options of the service during this request. */
  config?: Readonly<Record<string, unknown>>
}

/** A request that the rules let pass or do not. */
export interface PlainRequest extends Common {
  kind: 'plain'
  /** Statuses that say that it got past every rule. */
  passes: readonly number[]
  /** What the path names is made anew for each request. */
  fresh?: 'template' | 'rule' | 'runbook'
  /** What the path names in place of the node: one of its children. */
  on?: 'active child'
}

/** A list: the rules say how much of it a caller sees. */
export interface ListRequest extends Common {
  kind: 'list'
  resource: 'node' | 'child' | 'port' | 'portgroup' | 'connector' | 'target' | 'allocation' | 'runbook'
  /** Its rules: the right to all, and to what is of the caller's project. */
  all: string
  own: string
  /** What each row shown needs besides. */
  each?: string
  /** The list is of what belongs to the one that the path names. */
  below?: true
}

/** A field of an answer: the rules say whether it is shown. */
export interface FieldRequest extends Common {
  kind: 'field'
  /** Where in the answer, and what stands there when it is shown. */
  field: readonly string[]
  value: unknown
  /** Any of them shows it. */
  shows: readonly string[]
}

export type PolicyRequest = PlainRequest | ListRequest | FieldRequest

const rule = (name: string): string => `baremetal:${name}`
const seen: Gate = { rules: [rule('node:get')], no: 404 }
const needs = (...names: string[]): Gate => ({ rules: names.map(rule), no: 403 })
const plain = (
  route: Common['route'],
  gates: readonly Gate[],
  passes: readonly number[],
  more: Partial<PlainRequest> = {},
): PlainRequest => ({ kind: 'plain', route, gates, passes, ...more })

/** What reaches the node's lock, which another holds, has passed every rule. */
const locked = [409]

/** Reads something of a node. */
const reads = (path: string, name: string, passes = [200], more: Partial<PlainRequest> = {}) =>
  plain(`GET /nodes/:node${path}`, [seen, needs(`node:${name}`)], passes, more)
/** Does something to a node. */
const does = (method: Method, path: string, name: string, body?: unknown, more: Partial<PlainRequest> = {}) =>
  plain(`${method} /nodes/:node${path}`, [seen, needs(`node:${name}`)], locked, {
    ...(body === undefined ? {} : { body }),
    ...more,
  })
const systemOnly = (route: Common['route'], name: string, passes: readonly number[], more = {}) =>
  plain(route, [needs(name)], passes, more)

const set = (path: string, value: unknown) => [{ op: 'add', path, value }]
const extra = set('/extra/a', 1)

/** Each field of a node that a PATCH may change, with a value and the rule that it needs. */
const patches: readonly (readonly [path: string, value: unknown, rule: string])[] = [
  ['/instance_info/a', 1, 'update_instance_info'],
  ['/instance_info', {}, 'update_instance_info'],
  ['/instance_name', 'x', 'update_instance_info'],
  ['/extra/a', 1, 'update_extra'],
  ['/driver_info/a', 1, 'update:driver_info'],
  ['/properties/a', 1, 'update:properties'],
  ['/chassis_uuid', null, 'update:chassis_uuid'],
  ['/instance_uuid', null, 'update:instance_uuid'],
  ['/lessee', 'x', 'update:lessee'],
  ['/owner', 'x', 'update:owner'],
  ['/driver', 'fake-hardware', 'update:driver_interfaces'],
  ['/power_interface', 'fake', 'update:driver_interfaces'],
  ['/console_interface', 'fake', 'update:driver_interfaces'],
  ['/network_data', {}, 'update:network_data'],
  ['/conductor_group', 'x', 'update:conductor_group'],
  ['/name', 'x', 'update:name'],
  ['/retired', true, 'update:retired'],
  ['/retired_reason', 'x', 'update:retired'],
  ['/shard', 'x', 'update:shard'],
  ['/parent_node', null, 'update:parent_node'],
  ['/disable_power_off', true, 'update:disable_power_off'],
  ['/automated_clean', false, 'disable_cleaning'],
  ['/automated_clean', 'off', 'disable_cleaning'],
  ['/automated_clean', true, 'update'],
  ['/description', 'x', 'update'],
  ['/protected', true, 'update'],
  ['/maintenance', true, 'update'],
  ['/resource_class', 'x', 'update'],
]

const nodeRequests: PolicyRequest[] = [
  plain('POST /nodes', [needs('node:create', 'node:create:self_owned_node')], [400], {
    body: { driver: 'nonesuch' },
  }),
  plain('POST /nodes', [needs('node:create')], [400], {
    variant: 'where projects enrol none',
    body: { driver: 'nonesuch' },
    config: { 'api.project_admin_can_manage_own_nodes': false },
  }),
  plain('GET /nodes/:node', [seen], [200]),
  plain('DELETE /nodes/:node', [seen, needs('node:delete', 'node:delete:self_owned_node')], locked),
  plain('DELETE /nodes/:node', [seen, needs('node:delete')], locked, {
    variant: 'where projects delete none',
    config: { 'api.project_admin_can_manage_own_nodes': false },
  }),
  ...patches.map(([path, value, name]) =>
    does('PATCH', '', name, set(path, value), { variant: `${path} = ${JSON.stringify(value)}` }),
  ),
  does('PATCH', '', 'update', [], { variant: 'nothing' }),
  does('PATCH', '', 'update:name', [{ op: 'remove', path: '/name' }], { variant: 'no name' }),
  plain(
    'PATCH /nodes/:node',
    [seen, needs('node:update_extra'), needs('node:update:retired'), needs('node:update:driver_info')],
    locked,
    {
      variant: 'several fields',
      body: [...extra, ...set('/retired', true), ...set('/driver_info/a', 1)],
    },
  ),
  plain(
    'PATCH /nodes/:node',
    [seen, needs('node:update:owner'), { rules: [rule('node:update_owner_provisioned')], no: 409 }],
    // Past the rules: its parent's owner is another then.
    [400],
    { variant: 'owner of an active node', body: set('/owner', 'x'), on: 'active child' },
  ),
  reads('/validate', 'validate'),
  plain('GET /nodes/validate', [seen, needs('node:validate')], [200], { query: 'node=:node' }),
  does('PUT', '/maintenance', 'set_maintenance', { reason: 'x' }),
  does('DELETE', '/maintenance', 'clear_maintenance'),
  reads('/states', 'get_states'),
  does('PUT', '/states/power', 'set_power_state', { target: 'power on' }),
  does('PUT', '/states/boot_mode', 'set_boot_mode', { target: 'uefi' }),
  does('PUT', '/states/secure_boot', 'set_secure_boot', { target: true }),
  does('PUT', '/states/raid', 'set_raid_state', { logical_disks: [{ size_gb: 1, raid_level: '1' }] }),
  does('PUT', '/states/console', 'set_console_state', { enabled: true }),
  reads('/states/console', 'get_console'),
  does('PUT', '/states/provision', 'set_provision_state', { target: 'provide' }),
  ...(['clean', 'service'] as const).map((target) =>
    plain(
      'PUT /nodes/:node/states/provision',
      [seen, needs('node:set_provision_state'), needs(`node:set_provision_state:${target}_steps`)],
      // Past the rules: there is no such step, or the node is locked.
      [400, 409],
      {
        variant: `${target} steps`,
        body: { target, [`${target}_steps`]: [{ interface: 'deploy', step: 'x', args: {} }] },
      },
    ),
  ),
  plain(
    'PUT /nodes/:node/states/provision',
    [seen, needs('node:set_provision_state'), needs('runbook:use')],
    // Past the rules: the runbook has no trait of the node.
    [400],
    { variant: 'a runbook', body: ({ runbook }: Record<string, string>) => ({ target: 'clean', runbook }) },
  ),
  reads('/management/boot_device', 'get_boot_device'),
  reads('/management/boot_device/supported', 'get_boot_device'),
  does('PUT', '/management/boot_device', 'set_boot_device', { boot_device: 'pxe' }),
  does('PUT', '/management/inject_nmi', 'inject_nmi', {}),
  reads('/management/indicators', 'get_indicator_state'),
  ...['/management/indicators/:indicator', '/management/indicators/:component/:light'].flatMap((path) => [
    reads(path, 'get_indicator_state'),
    does('PUT', path, 'set_indicator_state', { state: 'on' }),
  ]),
  reads('/vmedia', 'vmedia:get'),
  does('POST', '/vmedia', 'vmedia:attach', { device_type: 'cdrom', image_url: 'http://127.0.0.1/x.iso' }),
  does('DELETE', '/vmedia', 'vmedia:detach'),
  reads('/vifs', 'vif:list'),
  does('POST', '/vifs', 'vif:attach', { id: '6ccd1e7a-0000-4000-8000-0000000000ff' }),
  does('DELETE', '/vifs/:vif', 'vif:detach'),
  reads('/traits', 'traits:list'),
  does('PUT', '/traits', 'traits:set', { traits: ['CUSTOM_X'] }),
  does('PUT', '/traits/:trait', 'traits:set'),
  does('DELETE', '/traits', 'traits:delete'),
  does('DELETE', '/traits/:trait', 'traits:delete'),
  reads('/history', 'history:get'),
  reads('/history/:entry', 'history:get'),
  reads('/bios', 'bios:get'),
  reads('/bios/:setting', 'bios:get'),
  reads('/firmware', 'firmware:get'),
  reads('/inventory', 'inventory:get'),
  reads('/vendor_passthru/methods', 'vendor_passthru'),
  ...(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).flatMap((method) => [
    // Past the rules: there is no such method.
    does(method, '/vendor_passthru', 'vendor_passthru', undefined, { query: 'method=x', passes: [400] }),
    does(method, '/vendor_passthru/:method', 'vendor_passthru', undefined, { passes: [400] }),
  ]),
]

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
  route: Common['route'],
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

const volumeDocument: Gate = { rules: [rule('volume:get')], no: 403, about: 'nothing' }
const volumeRequests: PolicyRequest[] = [
  plain('GET /volume', [volumeDocument], [200]),
  plain('GET /nodes/:node/volume', [volumeDocument, seen], [200]),
]

const allocationSeen: Gate = { rules: [rule('allocation:get')], no: 404 }
const allocationRequests: PolicyRequest[] = [
  // Past the rules: it says no resource class.
  plain('POST /allocations', [needs('allocation:create', 'allocation:create_restricted')], [400], {
    body: { name: 'x' },
  }),
  plain(
    'POST /allocations',
    [needs('allocation:create'), { ...needs('allocation:create_restricted'), only: 'projects' }],
    [400],
    { variant: 'for another project', body: { name: 'x', owner: 'another' } },
  ),
  plain(
    'POST /allocations',
    [needs('allocation:create', 'allocation:create_restricted'), { ...seen, no: 400 }],
    locked,
    {
      variant: 'of a node',
      body: ({ node }: Record<string, string>) => ({ node }),
    },
  ),
  plain('GET /allocations/:allocation', [allocationSeen], [200]),
  plain('PATCH /allocations/:allocation', [allocationSeen, needs('allocation:update')], [200], {
    body: extra,
  }),
  plain('DELETE /allocations/:allocation', [allocationSeen, needs('allocation:delete')], locked),
  plain('GET /nodes/:node/allocation', [seen, needs('allocation:get')], [200]),
  plain('DELETE /nodes/:node/allocation', [seen, needs('allocation:delete')], locked),
]

const runbook = '/runbooks/:runbook' as const
const runbookRequests: PolicyRequest[] = [
  plain('POST /runbooks', [needs('runbook:create')], [409], {
    body: { name: 'CUSTOM_TAKEN', steps: [{ interface: 'bios', step: 'x', args: {}, order: 1 }] },
  }),
  plain(`GET ${runbook}`, [needs('runbook:get')], [200]),
  plain(`PATCH ${runbook}`, [needs('runbook:update')], [200], { body: extra }),
  plain(`PATCH ${runbook}`, [needs('runbook:update')], [200], { variant: 'nothing', body: [] }),
  // Past the rules: the values are none for these fields.
  plain(`PATCH ${runbook}`, [needs('runbook:update:owner')], [400], {
    variant: 'owner',
    body: set('/owner', 1),
  }),
  plain(`PATCH ${runbook}`, [needs('runbook:update:public')], [400], {
    variant: 'public',
    body: set('/public', 'x'),
  }),
  plain(`DELETE ${runbook}`, [needs('runbook:delete')], [204], { fresh: 'runbook' }),
  plain(`GET ${runbook}/traits`, [needs('runbook:get')], [200]),
  plain(`PUT ${runbook}/traits`, [needs('runbook:update')], [204], { body: { traits: ['CUSTOM_X'] } }),
  plain(`DELETE ${runbook}/traits`, [needs('runbook:update')], [204]),
  plain(`PUT ${runbook}/traits/:trait`, [needs('runbook:update')], [204]),
  plain(`DELETE ${runbook}/traits/:trait`, [needs('runbook:update')], [204], { fresh: 'runbook' }),
]

const template = '/deploy_templates/:template' as const
const inspection = '/inspection_rules/:rule' as const
const systemRequests: PolicyRequest[] = [
  systemOnly('GET /chassis', 'chassis:get', [200]),
  systemOnly('GET /chassis/detail', 'chassis:get', [200]),
  systemOnly('GET /chassis/:chassis', 'chassis:get', [200]),
  // Past the rules: there is one with this UUID; it holds nodes.
  systemOnly('POST /chassis', 'chassis:create', [409], {
    body: ({ chassis }: Record<string, string>) => ({ uuid: chassis }),
  }),
  systemOnly('PATCH /chassis/:chassis', 'chassis:update', [200], { body: extra }),
  systemOnly('DELETE /chassis/:chassis', 'chassis:delete', [400]),
  systemOnly('GET /shards', 'shards:get', [200]),
  systemOnly('GET /drivers', 'driver:get', [200]),
  systemOnly('GET /drivers/:driver', 'driver:get', [200]),
  systemOnly('GET /drivers/:driver/properties', 'driver:get_properties', [200]),
  systemOnly(
    'GET /drivers/:driver/raid/logical_disk_properties',
    'driver:get_raid_logical_disk_properties',
    [200],
  ),
  systemOnly('GET /drivers/:driver/vendor_passthru/methods', 'driver:vendor_passthru', [200]),
  ...(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).flatMap((method) => [
    systemOnly(`${method} /drivers/:driver/vendor_passthru`, 'driver:vendor_passthru', [400], {
      query: 'method=x',
    }),
    systemOnly(`${method} /drivers/:driver/vendor_passthru/:driverMethod`, 'driver:vendor_passthru', [400]),
  ]),
  systemOnly('GET /conductors', 'conductor:get', [200]),
  systemOnly('GET /conductors/:host', 'conductor:get', [200]),
  systemOnly('POST /events', 'events:post', [400], {
    body: {
      events: [{ event: 'network.bind_port', port_id: 'x', mac_address: 'x', status: 'x' }],
    },
  }),
  systemOnly('GET /deploy_templates', 'deploy_template:get', [200]),
  systemOnly('POST /deploy_templates', 'deploy_template:create', [409], {
    body: { name: 'CUSTOM_TAKEN', steps: [{ interface: 'bios', step: 'x', args: {}, priority: 1 }] },
  }),
  systemOnly(`GET ${template}`, 'deploy_template:get', [200]),
  systemOnly(`PATCH ${template}`, 'deploy_template:update', [200], { body: extra }),
  systemOnly(`DELETE ${template}`, 'deploy_template:delete', [204], { fresh: 'template' }),
  systemOnly('GET /inspection_rules', 'inspection_rule:get', [200]),
  systemOnly('POST /inspection_rules', 'inspection_rule:create', [409], {
    fresh: 'rule',
    body: ({ rule: uuid }: Record<string, string>) => ({ uuid, actions: [{ op: 'fail', args: ['x'] }] }),
  }),
  systemOnly(`GET ${inspection}`, 'inspection_rule:get', [200], { fresh: 'rule' }),
  systemOnly(`PATCH ${inspection}`, 'inspection_rule:update', [200], {
    fresh: 'rule',
    body: set('/description', 'x'),
  }),
  systemOnly(`DELETE ${inspection}`, 'inspection_rule:delete', [204], { fresh: 'rule' }),
  systemOnly('DELETE /inspection_rules', 'inspection_rule:delete', [204]),
  plain('GET /audit', [{ rules: ['leasehold:audit:list', 'leasehold:audit:list_all'], no: 403 }], [200]),
]

const publicRequests: PolicyRequest[] = [
  plain('GET /', [], [200]),
  // Past the rules: nobody waits for such a ramdisk.
  plain('GET /lookup', [needs('driver:ipa_lookup')], [404], { query: 'addresses=02:00:00:00:00:99' }),
  plain('POST /heartbeat/:node', [needs('node:ipa_heartbeat')], [404], {
    body: { callback_url: 'http://127.0.0.1:9999', agent_version: '1', agent_token: 'x' },
  }),
  plain('POST /continue_inspection', [needs('driver:ipa_continue_inspection')], [404], {
    body: { inventory: { interfaces: [{ mac_address: '02:00:00:00:00:99' }] } },
  }),
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
