/** What the matrix is played with: callers of every kind, and nodes of every tenancy with all that can belong to one. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { ensureAssignment, type FixedRole, issueToken, loadPolicy, type Policy } from '../../access/index.ts'
import { createApp } from '../app.ts'
import { type Answer, type TestApi, testApi } from '../testing.ts'
import type { Credentials, Target } from './reference.ts'
import type { Method } from './request.ts'

type Project = 'owner' | 'lessee' | 'stranger' | 'service'

/** Who calls: a role on the system (null) or on a project; nobody has no token. */
export const callers = {
  'system-admin': [null, 'admin'],
  'system-manager': [null, 'manager'],
  'system-member': [null, 'member'],
  'system-reader': [null, 'reader'],
  'system-service': [null, 'service'],
  'owner-admin': ['owner', 'admin'],
  'owner-manager': ['owner', 'manager'],
  'owner-member': ['owner', 'member'],
  'owner-reader': ['owner', 'reader'],
  'owner-service': ['owner', 'service'],
  'lessee-admin': ['lessee', 'admin'],
  'lessee-manager': ['lessee', 'manager'],
  'lessee-member': ['lessee', 'member'],
  'lessee-reader': ['lessee', 'reader'],
  'lessee-service': ['lessee', 'service'],
  stranger: ['stranger', 'admin'],
  service: ['service', 'service'],
  nobody: [null, null],
} as const satisfies Record<string, readonly [Project | null, FixedRole | null]>
export type CallerName = keyof typeof callers
export const callerNames = Object.keys(callers) as CallerName[]

const implied: Record<FixedRole, readonly string[]> = {
  admin: ['admin', 'manager', 'member', 'reader'],
  manager: ['manager', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
  service: ['service'],
}

/** Objects of one tenancy, by the word that paths have for them. */
export interface Situation {
  name: 'leased' | 'owned' | 'nobody’s'
  owner: string | null
  lessee: string | null
  ids: Readonly<Record<string, string>>
  /** What rules are asked about. */
  target: Target
  allocationOwner: string | null
  runbookOwner: string | null
}

export interface World {
  situations: readonly Situation[]
  credentials(caller: CallerName): Credentials
  /** Sends a request, and tells which rules were asked on its way. */
  ask(
    caller: CallerName,
    method: Method,
    url: string,
    body?: unknown,
  ): Promise<Answer & { asked: ReadonlySet<string> }>
  /** Options of the service from now on. */
  configure(options: Readonly<Record<string, unknown>>): void
  /** Rules that have this answer from now on, whoever asks; none when left out. */
  decree(answers: Readonly<Record<string, boolean>>): void
  /** Lets services of project `service` count as members of the system, or no more. */
  elevate(elevated: boolean): void
  /** Makes one that may be deleted. */
  fresh(kind: 'template' | 'rule' | 'runbook', situation: Situation): Promise<string>
  /** The service, with its usual rules. */
  api: TestApi
  close(): Promise<void>
}

/** Starts the service and makes it all. */
export async function createWorld(): Promise<World> {
  const api = await testApi({ 'conductor.lock_attempts': 1, 'api.ramdisk_requests_per_second': 1_000_000 })
  const config = { ...api.deps.config }
  const policies = { plain: api.deps.policy, elevated: await loadPolicy({ serviceRoleElevated: true }) }
  let current = policies.plain
  let decreed: Readonly<Record<string, boolean>> = {}
  const asking = new AsyncLocalStorage<Set<string>>()
  const policy: Policy = {
    ...api.deps.policy,
    allows(rule, caller, target) {
      asking.getStore()?.add(rule)
      return decreed[rule] ?? current.allows(rule, caller, target)
    },
  }
  const app = await createApp({ ...api.deps, config, policy })
  await app.ready()
  const tokens = await issueTokens(api)
  const usual = { ...config }
  return {
    situations: await makeSituations(api),
    credentials: (caller) => credentialsOf(caller, api),
    async ask(caller, method, url, body) {
      const asked = new Set<string>()
      const send = async () =>
        // It is sent when it is waited for.
        await app.inject({
          method,
          url,
          headers: {
            'x-openstack-ironic-api-version': 'latest',
            ...(tokens[caller] === undefined ? {} : { 'x-auth-token': tokens[caller] }),
          },
          ...(body === undefined ? {} : { payload: body as object }),
        })
      const answer = await asking.run(asked, send)
      const json = answer.body.startsWith('{') || answer.body.startsWith('[')
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: json ? answer.json() : undefined,
        text: answer.body,
        asked,
      }
    },
    configure: (options) => void Object.assign(config, usual, options),
    decree(answers) {
      decreed = answers
    },
    elevate(elevated) {
      current = elevated ? policies.elevated : policies.plain
    },
    fresh: (kind, situation) => fresh(api, kind, situation),
    api,
    async close() {
      await app.close()
      await api.close()
    },
  }
}

function credentialsOf(caller: CallerName, api: TestApi): Credentials {
  const [project, role] = callers[caller]
  return {
    roles: role === null ? [] : implied[role],
    project_id: project === null ? null : api.projects[project],
    project_name: project,
    system_scope: project === null ? 'all' : null,
  }
}

/** A token for each of them. */
export async function issueTokens(api: TestApi): Promise<Partial<Record<CallerName, string>>> {
  const tokens: Partial<Record<CallerName, string>> = {}
  for (const name of callerNames) {
    const [project, role] = callers[name]
    if (role === null) continue
    const projectId = project === null ? null : api.projects[project]
    const { id } = await api.db
      .insertInto('users')
      .values({ id: crypto.randomUUID(), name: `matrix-${name}` })
      .returning('id')
      .executeTakeFirstOrThrow()
    await ensureAssignment(api.db, { userId: id, role, projectId })
    tokens[name] = (await issueToken(api.db, {
      userId: id,
      scope: projectId ? { projectId } : { system: true },
      methods: ['password'],
      applicationCredentialId: null,
      lifeSeconds: 3600,
      notAfter: null,
    })) as string
  }
  return tokens
}

async function makeSituations(api: TestApi): Promise<Situation[]> {
  const { owner, lessee } = api.projects
  const { uuid: chassis } = await create(api, '/chassis', {})
  await create(api, '/deploy_templates', {
    name: 'CUSTOM_TAKEN',
    steps: [{ interface: 'bios', step: 'x', args: {}, priority: 1 }],
  })
  await create(api, '/runbooks', {
    name: 'CUSTOM_TAKEN',
    public: true,
    steps: [{ interface: 'bios', step: 'x', args: {}, order: 1 }],
  })
  const template = await fresh(api, 'template')
  const ofSwitch = { driver: 'openvswitch', address: '127.0.0.1', quarantine_vlan: 999 }
  const { uuid: switchUuid } = await create(api, '/switches', { name: 'taken', ...ofSwitch })
  for (const name of ['kept', 'named'])
    await api.as('system-admin', 'PUT', `/v1/switches/taken/ports/${name}`, { kind: 'uplink' })
  const { uuid: pool } = await create(api, '/vlan_pools', { name: 'taken', ranges: '100' })
  await api.db.updateTable('vlans').set({ state: 'used' }).execute()
  const shared = {
    chassis,
    template,
    switch: switchUuid,
    switchPort: 'named',
    pool,
    driver: 'fake-hardware',
    host: api.deps.config['conductor.host'],
    indicator: 'identify@chassis',
    component: 'chassis',
    light: 'identify',
    setting: 'a_setting',
    trait: 'CUSTOM_A',
    vif: '6ccd1e7a-0000-4000-8000-0000000000ff',
    key: '6ccd1e7a-0000-4000-8000-0000000000fe',
    method: 'nonesuch',
    driverMethod: 'nonesuch',
  }
  const make = (
    name: Situation['name'],
    tenants: { owner: string | null; lessee: string | null },
    of: string | null,
  ) => makeSituation(api, name, tenants, of, shared)
  return [
    await make('leased', { owner, lessee }, lessee),
    await make('owned', { owner, lessee: null }, owner),
    await make('nobody’s', { owner: null, lessee: null }, null),
  ]
}

let serial = 0

async function makeSituation(
  api: TestApi,
  name: Situation['name'],
  tenants: { owner: string | null; lessee: string | null },
  allocationOwner: string | null,
  shared: Readonly<Record<string, string>> & { chassis: string },
): Promise<Situation> {
  const address = `02:00:00:00:00:0${++serial}`
  const { uuid: node } = await create(api, '/nodes', {
    driver: 'fake-hardware',
    ...tenants,
    chassis_uuid: shared.chassis,
  })
  const { uuid: child } = await create(api, '/nodes', {
    driver: 'fake-hardware',
    ...tenants,
    parent_node: node,
    chassis_uuid: shared.chassis,
  })
  const made = { node_uuid: node, address }
  const { uuid: portgroup } = await create(api, '/portgroups', made)
  const { uuid: port } = await create(api, '/ports', { ...made, portgroup_uuid: portgroup })
  const { uuid: connector } = await create(api, '/volume/connectors', {
    node_uuid: node,
    type: 'mac',
    connector_id: address,
  })
  const { uuid: target } = await create(api, '/volume/targets', {
    node_uuid: node,
    volume_type: 'iscsi',
    boot_index: 0,
    volume_id: 'x',
    properties: { a: 'a value' },
  })
  const [entry, allocation] = [crypto.randomUUID(), crypto.randomUUID()]
  await api.db
    .insertInto('node_history')
    .values({ uuid: entry, node_uuid: node, severity: 'ERROR', event: 'x', event_type: 'provisioning' })
    .execute()
  await api.db.insertInto('node_inventory').values({ node_uuid: node, inventory: '{}' }).execute()
  await api.db
    .insertInto('bios_settings')
    .values({ node_uuid: node, name: shared.setting ?? '' })
    .execute()
  await api.db
    .insertInto('allocations')
    .values({ uuid: allocation, state: 'active', owner: allocationOwner, node_uuid: node })
    .execute()
  const info = JSON.stringify({ a: 'a value', fake_password: 'a secret' })
  await api.db
    .updateTable('nodes')
    .set({
      provision_state: 'manageable',
      // Whoever gets past the rules is stopped by a lock that is never given back.
      reservation: 'elsewhere',
      allocation_uuid: allocation,
      instance_uuid: allocation,
      last_error: 'an error',
      driver_info: info,
      driver_internal_info: info,
      instance_info: info,
      traits: [shared.trait ?? ''],
      console_enabled: true,
    })
    .where('uuid', '=', node)
    .execute()
  const span = await api.db
    .selectFrom('consoles')
    .select('span_id')
    .where('node_uuid', '=', node)
    .executeTakeFirstOrThrow()
  await api.db.updateTable('nodes').set({ provision_state: 'active' }).where('uuid', '=', child).execute()
  const runbookOwner = tenants.owner
  const situation = { name, ...tenants, allocationOwner, runbookOwner }
  const runbook = await fresh(api, 'runbook', situation)
  return {
    ...situation,
    ids: {
      ...shared,
      span: span.span_id ?? '',
      watcher: 'nonesuch',
      node,
      child,
      port,
      portgroup,
      connector,
      target,
      entry,
      allocation,
      runbook,
      address,
    },
    target: {
      'node.owner': tenants.owner,
      ...(tenants.lessee === null ? {} : { 'node.lessee': tenants.lessee }),
      'allocation.owner': allocationOwner,
      'runbook.owner': runbookOwner,
      'console.tenant': tenants.lessee ?? tenants.owner,
    },
  }
}

async function fresh(
  { db }: TestApi,
  kind: 'template' | 'rule' | 'runbook',
  situation?: Pick<Situation, 'runbookOwner'>,
): Promise<string> {
  const uuid = crypto.randomUUID()
  const name = `CUSTOM_FRESH_${++serial}`
  const step = { interface: 'bios', step: 'x', args: {} }
  if (kind === 'rule')
    await db
      .insertInto('inspection_rules')
      .values({ uuid, actions: JSON.stringify([{ op: 'fail', args: ['x'] }]) })
      .execute()
  else if (kind === 'template')
    await db
      .insertInto('deploy_templates')
      .values({ uuid, name, steps: JSON.stringify([{ ...step, priority: 1 }]) })
      .execute()
  else
    await db
      .insertInto('runbooks')
      .values({
        uuid,
        name,
        steps: JSON.stringify([{ ...step, order: 1 }]),
        owner: situation?.runbookOwner ?? null,
        traits: ['CUSTOM_A'],
      })
      .execute()
  return uuid
}

async function create(api: TestApi, path: string, body: object): Promise<{ uuid: string }> {
  const answer = await api.as('system-admin', 'POST', `/v1${path}`, body)
  if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
  return answer.body
}
