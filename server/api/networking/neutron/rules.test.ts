/** The networking API's rules, each asked by real requests of every kind of caller and held against the reference. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { holds, networkRules } from '../../policy-matrix/reference.ts'
import { type CallerName, callerNames, createWorld, type World } from '../../policy-matrix/world.ts'
import { type Neutron, neutronOf } from './testing.ts'

let world: World
let neutron: Neutron
beforeAll(async () => {
  world = await createWorld()
  neutron = neutronOf(world.api)
  await world.api.as('system-admin', 'POST', '/v1/vlan_pools', { name: 'tenants', ranges: '1000-1999' })
})
afterAll(() => world.close())

type Rules = (name: string, owned?: boolean) => boolean
interface Row {
  name: string
  rules: readonly string[]
  /** What the caller gets. */
  ask: (caller: CallerName) => Promise<unknown>
  /** The same by the rules: `owned` asks about what is of the lessee's project. */
  want: (rules: Rules, project: string | null) => unknown
}

const send = (caller: CallerName, method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown) =>
  world.ask(caller, method, `/networking/v2.0${path}`, body)
const lessee = () => world.api.projects.lessee
const sees = (rules: Rules, project: string | null, kind: string): 'all' | 'own' | 'none' | 403 =>
  rules(`${kind}:list_all`)
    ? 'all'
    : project === null || !rules(`${kind}:list`)
      ? 403
      : project === lessee()
        ? 'own'
        : 'none'
/** What somebody gets who does something to what is the lessee's. */
const changes = (rules: Rules, project: string | null, kind: string, rule: string, ok: number) => {
  const seen = sees(rules, project, kind)
  if (seen === 403) return 403
  if (seen === 'none') return 404
  return rules(`${kind}:${rule}`, true) ? ok : 403
}
/** A port's project may use its network, however much else of it its maker sees. */
const mayUse = (seen: string | 403, project: string | null) =>
  seen !== 'none' && (project === null || project === lessee())
/** A network of the lessee's, the only one there is. */
const network = async () => {
  await world.api.db.deleteFrom('network_ports').execute()
  await world.api.db.deleteFrom('networks').execute()
  return neutron.network('lessee-member')
}
const status = async (answer: Promise<{ status: number }>) => (await answer).status

const rows: Row[] = [
  {
    name: 'list networks',
    rules: ['network:list', 'network:list_all'],
    ask: async (caller) => {
      const { id } = await network()
      const { status, body } = await send(caller, 'GET', `/networks?id=${id}`)
      return status === 200 ? body.networks.length : status
    },
    want: (rules, project) => {
      const seen = sees(rules, project, 'network')
      return seen === 403 ? 403 : seen === 'none' ? 0 : 1
    },
  },
  {
    name: 'see the VLAN of a network',
    rules: ['network:get_provider'],
    ask: async (caller) => {
      const { id } = await network()
      const { status, body } = await send(caller, 'GET', `/networks/${id}`)
      return status === 200 ? 'provider:segmentation_id' in body.network : status
    },
    want: (rules, project) => {
      const seen = changes(rules, project, 'network', 'list', 200)
      return seen === 200 ? rules('network:get_provider') : seen
    },
  },
  {
    name: 'make a network',
    rules: ['network:create'],
    ask: (caller) => status(send(caller, 'POST', '/networks', { network: {} })),
    want: (rules) => (rules('network:create') ? 201 : 403),
  },
  {
    name: 'make a public network',
    rules: ['network:create_restricted'],
    ask: (caller) => status(send(caller, 'POST', '/networks', { network: { shared: true } })),
    want: (rules) => (rules('network:create') && rules('network:create_restricted') ? 201 : 403),
  },
  {
    name: 'change a network',
    rules: ['network:update'],
    ask: async (caller) =>
      status(send(caller, 'PUT', `/networks/${(await network()).id}`, { network: { name: 'x' } })),
    want: (rules, project) => changes(rules, project, 'network', 'update', 200),
  },
  {
    name: 'remove a network',
    rules: ['network:delete'],
    ask: async (caller) => status(send(caller, 'DELETE', `/networks/${(await network()).id}`)),
    want: (rules, project) => changes(rules, project, 'network', 'delete', 204),
  },
  {
    name: 'share a network',
    rules: ['network:share'],
    ask: async (caller) =>
      status(
        send(caller, 'POST', '/rbac-policies', {
          rbac_policy: {
            object_type: 'network',
            object_id: (await network()).id,
            action: 'access_as_shared',
            target_tenant: 'another',
          },
        }),
      ),
    want: (rules, project) => {
      const seen = changes(rules, project, 'network', 'share', 201)
      return seen === 403 && sees(rules, project, 'network') !== 403 ? 404 : seen
    },
  },
  {
    name: 'list ports',
    rules: ['network_port:list', 'network_port:list_all'],
    ask: async (caller) => {
      const { id } = await neutron.port('lessee-member', (await network()).id)
      const { status, body } = await send(caller, 'GET', `/ports?id=${id}`)
      return status === 200 ? body.ports.length : status
    },
    want: (rules, project) => {
      const seen = sees(rules, project, 'network_port')
      return seen === 403 ? 403 : seen === 'none' ? 0 : 1
    },
  },
  {
    name: 'see where a port is bound',
    rules: ['network_port:get_binding'],
    ask: async (caller) => {
      const { id } = await neutron.port('lessee-member', (await network()).id)
      const { status, body } = await send(caller, 'GET', `/ports/${id}`)
      return status === 200 ? 'binding:host_id' in body.port : status
    },
    want: (rules, project) => {
      const seen = changes(rules, project, 'network_port', 'list', 200)
      return seen === 200 ? rules('network_port:get_binding') : seen
    },
  },
  {
    name: 'make a port',
    rules: ['network_port:create'],
    ask: async (caller) =>
      status(send(caller, 'POST', '/ports', { port: { network_id: (await network()).id } })),
    want: (rules, project) => {
      if (!rules('network_port:create')) return 403
      const seen = sees(rules, project, 'network')
      return seen === 403 ? 403 : mayUse(seen, project) ? 201 : 404
    },
  },
  {
    name: 'bind a port',
    rules: ['network_port:create_restricted'],
    ask: async (caller) => {
      const { id } = await network()
      return status(send(caller, 'POST', '/ports', { port: { network_id: id, 'binding:host_id': 'x' } }))
    },
    want: (rules, project) => {
      if (!rules('network_port:create') || !rules('network_port:create_restricted')) return 403
      return mayUse(sees(rules, project, 'network'), project) ? 201 : 404
    },
  },
  {
    name: 'change a port',
    rules: ['network_port:update'],
    ask: async (caller) => {
      const { id } = await neutron.port('lessee-member', (await network()).id)
      return status(send(caller, 'PUT', `/ports/${id}`, { port: { name: 'x' } }))
    },
    want: (rules, project) => changes(rules, project, 'network_port', 'update', 200),
  },
  {
    name: 'remove a port',
    rules: ['network_port:delete'],
    ask: async (caller) => {
      const { id } = await neutron.port('lessee-member', (await network()).id)
      return status(send(caller, 'DELETE', `/ports/${id}`))
    },
    want: (rules, project) => changes(rules, project, 'network_port', 'delete', 204),
  },
]

describe.each(rows.map((row) => [row.name, row] as const))('%s', (_, { ask, want }) => {
  const expected = (caller: CallerName, own: Record<string, string> = {}) => {
    const credentials = world.credentials(caller)
    const rules: Rules = (name, owned) =>
      holds(`leasehold:${name}`, credentials, { ...(owned ? { 'network.project': lessee() } : {}), ...own })
    return want(rules, credentials.project_id)
  }

  it('gives every caller what the rules give', async () => {
    for (const caller of callerNames) {
      const got = await ask(caller)
      expect([caller, got]).toEqual([caller, caller === 'nobody' ? 401 : expected(caller)])
    }
  })

  it('and services of the service project what it gives them where they are elevated', async () => {
    world.elevate(true)
    try {
      expect(await ask('service')).toEqual(expected('service', { 'config.service_project_name': 'service' }))
    } finally {
      world.elevate(false)
    }
  })
})

it('every rule of the networking API has a row', () => {
  const asked = rows.flatMap(({ rules }) => rules.map((name) => `leasehold:${name}`))
  expect(networkRules.filter((name) => !asked.includes(name))).toEqual([])
})
