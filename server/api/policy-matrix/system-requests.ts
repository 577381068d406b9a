/** Requests about what is of the system, and about allocations, runbooks and volumes; and the rules they ask. */
import {
  extra,
  type Gate,
  locked,
  needs,
  type PolicyRequest,
  plain,
  rule,
  seen,
  set,
  systemOnly,
} from './request.ts'

const volumeDocument: Gate = { rules: [rule('volume:get')], no: 403, about: 'nothing' }
export const volumeRequests: PolicyRequest[] = [
  plain('GET /volume', [volumeDocument], [200]),
  plain('GET /nodes/:node/volume', [volumeDocument, seen], [200]),
]

const allocationSeen: Gate = { rules: [rule('allocation:get')], no: 404 }
export const allocationRequests: PolicyRequest[] = [
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
export const runbookRequests: PolicyRequest[] = [
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
const consoleKeys: Gate = { rules: ['leasehold:console:keys'], no: 403 }
export const systemRequests: PolicyRequest[] = [
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
  plain('GET /console_keys', [consoleKeys], [200]),
  // Past the rule: this is no key; there is none of that id.
  plain('POST /console_keys', [consoleKeys], [400], { body: { name: 'x', public_key: 'x' } }),
  plain('DELETE /console_keys/:key', [consoleKeys], [404]),
]

export const publicRequests: PolicyRequest[] = [
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
