/**
 * Who may do what to a node: every kind of caller and every action, held against Ironic's own policy, which is read
 * here by an evaluator of its own.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from './testing.ts'

const ironic: Record<string, { check_str: string; scope_types: string[] | null }> = JSON.parse(
  readFileSync(new URL('../access/fixtures/ironic-policy.json', import.meta.url), 'utf8'),
)

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const implied: Record<string, string[]> = {
  admin: ['admin', 'manager', 'member', 'reader'],
  manager: ['manager', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
  service: ['service'],
}
const callers: Record<Persona, readonly [project: string | null, role: string]> = {
  'system-admin': [null, 'admin'],
  'system-member': [null, 'member'],
  'system-reader': [null, 'reader'],
  'owner-admin': ['owner', 'admin'],
  'owner-manager': ['owner', 'manager'],
  'owner-member': ['owner', 'member'],
  'owner-reader': ['owner', 'reader'],
  'lessee-admin': ['lessee', 'admin'],
  'lessee-manager': ['lessee', 'manager'],
  'lessee-member': ['lessee', 'member'],
  'lessee-reader': ['lessee', 'reader'],
  stranger: ['stranger', 'admin'],
  service: ['service', 'service'],
}
const personas = Object.keys(callers) as Persona[]

/** Whether Ironic's rule holds for a caller and a node of `owner` that is leased to `lessee`. */
function holds(rule: string, persona: Persona): boolean {
  const definition = ironic[rule]
  if (!definition) throw new Error(`Ironic has no rule ${rule}`)
  const [project, role] = callers[persona]
  if (definition.scope_types && !definition.scope_types.includes(project ? 'project' : 'system')) return false
  const tokens = definition.check_str.match(/\(|\)|[^\s()]+(?:\([^\s()]*\)s)?/g) ?? []
  const single = (check: string): boolean => {
    const [kind, ...rest] = check.split(':')
    const value = rest.join(':')
    if (kind === 'role') return implied[role]?.includes(value) ?? false
    if (kind === 'system_scope') return project === null && value === 'all'
    if (kind === 'rule') return holds(value, persona)
    if (kind === 'project_id') return project !== null && value === `%(node.${project})s`
    // Nobody's token is that of an elevated service.
    if (kind === 'project_name') return false
    throw new Error(`what is ${check}?`)
  }
  const or = (): boolean => {
    let result = and()
    while (tokens[0] === 'or') {
      tokens.shift()
      result = and() || result
    }
    return result
  }
  const and = (): boolean => {
    let result = one()
    while (tokens[0] === 'and') {
      tokens.shift()
      result = one() && result
    }
    return result
  }
  const one = (): boolean => {
    const token = tokens.shift() ?? ''
    if (token !== '(') return single(token)
    const result = or()
    tokens.shift()
    return result
  }
  return or()
}

type Node = { uuid: string; name: string }
interface Action {
  name: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: (node: Node) => string
  rules: string[]
  body?: unknown
  ok: number
  /** The node's provision state before. */
  state?: string
}

const onNode = (
  method: Action['method'],
  path: string,
  rules: string | string[],
  ok: number,
  more: Partial<Action> = {},
): Action => ({
  name: `${method} ${path || '/'}`,
  method,
  path: (node) => `/v1/nodes/${node.uuid}${path}`,
  rules: [rules].flat().map((rule) => `baremetal:node:${rule}`),
  ok,
  ...more,
})
const steps = [{ interface: 'deploy', step: 'burnin_cpu' }]

const actions: Action[] = [
  onNode('GET', '', 'get', 200),
  onNode('GET', '/states', 'get_states', 200),
  onNode('GET', '/validate', 'validate', 200),
  onNode('GET', '/traits', 'traits:list', 200),
  onNode('PUT', '/traits', 'traits:set', 204, { body: { traits: ['CUSTOM_A'] } }),
  onNode('PUT', '/traits/CUSTOM_A', 'traits:set', 204),
  onNode('DELETE', '/traits', 'traits:delete', 204),
  onNode('GET', '/history', 'history:get', 200),
  onNode('GET', '/children', 'get', 200),
  onNode('GET', '/ports', 'get', 200),
  onNode('PUT', '/maintenance', 'set_maintenance', 202, { body: { reason: 'x' } }),
  onNode('DELETE', '/maintenance', 'clear_maintenance', 202),
  onNode('GET', '/management/boot_device', 'get_boot_device', 200),
  onNode('GET', '/management/boot_device/supported', 'get_boot_device', 200),
  onNode('PUT', '/management/boot_device', 'set_boot_device', 204, { body: { boot_device: 'pxe' } }),
  onNode('PUT', '/states/power', 'set_power_state', 202, { body: { target: 'power on' } }),
  onNode('PUT', '/states/provision', 'set_provision_state', 202, { body: { target: 'manage' } }),
  onNode('PUT', '/states/provision', ['set_provision_state', 'set_provision_state:clean_steps'], 202, {
    name: 'clean',
    body: { target: 'clean', clean_steps: steps },
    state: 'manageable',
  }),
  onNode('PUT', '/states/provision', ['set_provision_state', 'set_provision_state:service_steps'], 202, {
    name: 'service',
    body: { target: 'service', service_steps: steps },
    state: 'active',
  }),
]

/** Which rule guards which field, after the reference of Ironic's policy. */
const fields: [path: string, value: unknown, rule: string][] = [
  ['/instance_info/a', 1, 'update_instance_info'],
  ['/extra/a', 1, 'update_extra'],
  ['/driver_info/a', 1, 'update:driver_info'],
  ['/properties/a', 1, 'update:properties'],
  ['/instance_uuid', '6ccd1e7a-0000-4000-8000-00000000000', 'update:instance_uuid'],
  ['/instance_name', 'x', 'update_instance_info'],
  ['/lessee', 'nobody', 'update:lessee'],
  ['/owner', 'nobody', 'update:owner'],
  ['/driver', 'fake-hardware', 'update:driver_interfaces'],
  ['/power_interface', 'fake', 'update:driver_interfaces'],
  ['/network_data', {}, 'update:network_data'],
  ['/conductor_group', '', 'update:conductor_group'],
  ['/name', 'renamed', 'update:name'],
  ['/retired', true, 'update:retired'],
  ['/shard', 'x', 'update:shard'],
  ['/parent_node', null, 'update:parent_node'],
  ['/disable_power_off', true, 'update:disable_power_off'],
  ['/automated_clean', false, 'disable_cleaning'],
  ['/automated_clean', 'off', 'disable_cleaning'],
  ['/automated_clean', true, 'update'],
  ['/description', 'x', 'update'],
  ['/maintenance', true, 'update'],
  ['/resource_class', 'x', 'update'],
]

/** What a caller should get, when `rules` guard what it asks for. */
function expected(persona: Persona, rules: readonly string[], ok: number): number {
  if (!holds('baremetal:node:get', persona)) return 404
  return rules.every((rule) => holds(rule, persona)) ? ok : 403
}

describe.each(personas)('%s', (persona) => {
  it('does to a node of owner and lessee what the policy allows, and nothing else', async () => {
    const got: Record<string, number> = {}
    const wanted: Record<string, number> = {}
    for (const action of actions) {
      const node = await api.node()
      const put = { provision_state: action.state ?? 'enroll' }
      await api.db.updateTable('nodes').set(put).where('uuid', '=', node.uuid).execute()
      const answer = await api.as(persona, action.method, action.path(node), action.body)
      got[action.name] = answer.status
      wanted[action.name] = expected(persona, action.rules, action.ok)
      if (answer.status === 403)
        expect(faultOf(answer.body)).toMatch(/^Access was denied to the following resource: baremetal:node:/)
    }
    expect(got).toEqual(wanted)
  })

  it('changes the fields that it may, and no other', async () => {
    const got: Record<string, number> = {}
    const wanted: Record<string, number> = {}
    for (const [index, [path, value, rule]] of fields.entries()) {
      const node = await api.node()
      const unique =
        path === '/instance_uuid' ? crypto.randomUUID() : path === '/name' ? `${persona}-renamed` : value
      const { status } = await api.as(persona, 'PATCH', `/v1/nodes/${node.uuid}`, [
        { op: 'add', path, value: unique },
      ])
      const key = `${index} ${path} ${JSON.stringify(value)}`
      got[key] = status
      wanted[key] = expected(persona, [`baremetal:node:${rule}`], 200)
    }
    expect(got).toEqual(wanted)
  })

  it('does with ports, drivers, conductors and new nodes what the policy allows', async () => {
    const node = await api.node()
    const address = `02:00:00:00:01:${(10 + personas.indexOf(persona)).toString()}`
    const patch = [{ op: 'add', path: '/extra/a', value: 1 }]
    const visible = holds('baremetal:node:get', persona)
    const guarded = (rule: string, ok: number) => (visible ? (holds(rule, persona) ? ok : 403) : 404)
    const system = (rule: string) => (holds(rule, persona) ? 200 : 403)

    const made = await api.as(persona, 'POST', '/v1/ports', { node_uuid: node.uuid, address })
    expect(['create', made.status]).toEqual([
      'create',
      visible && holds('baremetal:port:create', persona) ? 201 : 403,
    ])
    const port =
      made.status === 201
        ? made
        : await api.as('system-admin', 'POST', '/v1/ports', { node_uuid: node.uuid, address })
    const url = `/v1/ports/${port.body.uuid}`
    expect((await api.as(persona, 'GET', url)).status).toBe(guarded('baremetal:port:get', 200))
    expect((await api.as(persona, 'PATCH', url, patch)).status).toBe(guarded('baremetal:port:update', 200))
    const removed = await api.as(persona, 'DELETE', url)
    expect(['delete', removed.status]).toEqual(['delete', guarded('baremetal:port:delete', 204)])

    expect((await api.as(persona, 'GET', '/v1/drivers')).status).toBe(system('baremetal:driver:get'))
    expect((await api.as(persona, 'GET', '/v1/drivers/ipmi')).status).toBe(system('baremetal:driver:get'))
    expect((await api.as(persona, 'GET', '/v1/drivers/ipmi/properties')).status).toBe(
      system('baremetal:driver:get_properties'),
    )
    expect((await api.as(persona, 'GET', '/v1/conductors')).status).toBe(system('baremetal:conductor:get'))

    const may =
      holds('baremetal:node:create:self_owned_node', persona) || holds('baremetal:node:create', persona)
    const own = await api.as(persona, 'POST', '/v1/nodes', { driver: 'fake-hardware' })
    expect(own.status).toBe(may ? 201 : 403)
    const deletes =
      holds('baremetal:node:delete', persona) || holds('baremetal:node:delete:self_owned_node', persona)
    expect((await api.as(persona, 'DELETE', `/v1/nodes/${node.uuid}`)).status).toBe(
      visible ? (deletes ? 204 : 403) : 404,
    )
  })
})

it('the policy read here is the one that is meant', () => {
  expect(holds('baremetal:node:get', 'lessee-reader')).toBe(true)
  expect(holds('baremetal:node:get', 'stranger')).toBe(false)
  expect(holds('baremetal:node:set_provision_state', 'lessee-member')).toBe(false)
  expect(holds('baremetal:node:set_provision_state', 'lessee-manager')).toBe(true)
  expect(holds('baremetal:driver:get', 'owner-admin')).toBe(false)
  expect(holds('baremetal:node:delete', 'system-admin')).toBe(true)
})
