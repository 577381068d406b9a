/**
 * Three tenants do anything in any order. After every call, whatever each of them can read is searched for what belongs
 * to the others: every object carries markers of its own, and a model knows who may read which of them now.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import { baremetalRoutes } from './app.ts'
import type { ApiDeps } from './deps.ts'
import { type Answer, type Persona, type TestApi, testApi } from './testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const tenants = {
  owner: 'owner-admin',
  lessee: 'lessee-admin',
  stranger: 'stranger',
} as const satisfies Record<string, Persona>
type Tenant = keyof typeof tenants
const names = Object.keys(tenants) as Tenant[]

interface Held {
  uuid: string
  /** In every field that who sees the node may read. */
  marker: string
  /** In the fields that are its owner's alone. */
  secret: string
  owner: Tenant
  lessee: Tenant | null
  /** UUIDs of what belongs to it. */
  parts: string[]
}

const actor = fc.constantFrom(...names)
const pick = fc.nat(50)
const call = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('create' as const), who: actor }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('port' as const), who: actor, at: pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('part' as const),
      who: actor,
      at: pick,
      path: fc.constantFrom('portgroups', 'volume/connectors', 'volume/targets'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('lend' as const),
      who: actor,
      at: pick,
      to: fc.constantFrom(...names, null),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('write' as const), who: actor, at: pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('provision' as const),
      who: actor,
      at: pick,
      target: fc.constantFrom('manage', 'provide', 'active', 'deleted', 'nonsense'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('power' as const),
      who: actor,
      at: pick,
      target: fc.constantFrom('power on', 'power off'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), who: actor, at: pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pry' as const),
      who: actor,
      at: pick,
      query: fc.constantFrom('marker', 'parent_node', 'node', 'instance_uuid'),
    }),
  },
)
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never

it('no tenant ever reads a byte that is another’s', { timeout: 120_000 }, async () => {
  const lists = listPaths()
  let serial = 0
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 10, maxLength: 25 }), async (calls) => {
      const held: Held[] = []
      try {
        for (const each of calls) {
          const { who, answer } = await perform(each, held, () => `x${(++serial).toString(36)}x`)
          assertClean(who, answer, held, `the answer to ${JSON.stringify(each)}`)
          for (const tenant of names)
            for (const path of lists)
              assertClean(
                tenant,
                await api.as(tenants[tenant], 'GET', path),
                held,
                `${path} for ${tenant} after ${JSON.stringify(each)}`,
              )
        }
      } finally {
        for (const node of held) {
          await api.db.deleteFrom('nodes').where('uuid', '=', node.uuid).execute()
        }
      }
    }),
    { numRuns: 8 },
  )
})

/** Every list that needs no parent, with all it can show. */
function listPaths(): string[] {
  const paths = baremetalRoutes({ config: defaultConfig() } as ApiDeps)
    .filter(
      (route) =>
        route.method === 'GET' &&
        !route.path.includes(':') &&
        route.rules !== 'public' &&
        !route.path.endsWith('/validate'),
    )
    .map((route) => `/v1${route.path}${route.query && 'detail' in route.query ? '?detail=true' : ''}`)
  expect(paths).toContain('/v1/nodes/detail')
  return paths
}

async function perform(
  each: Call,
  held: Held[],
  mark: () => string,
): Promise<{ who: Tenant; answer: Answer }> {
  const { who } = each
  const as = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown) =>
    api.as(tenants[who], method, path, body)
  const node = 'at' in each ? held[each.at % Math.max(held.length, 1)] : undefined
  if (each.kind === 'create') return { who, answer: await create(who, held, mark) }
  if (!node) return { who, answer: await as('GET', '/v1/nodes') }
  const path = `/v1/nodes/${node.uuid}`
  const done = async (answer: Answer, then: () => void) => {
    if (answer.status < 300) then()
    return { who, answer }
  }
  switch (each.kind) {
    case 'port': {
      const mac = `52:54:00:${[...crypto.getRandomValues(new Uint8Array(3))].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`
      const answer = await as('POST', '/v1/ports', {
        node_uuid: node.uuid,
        address: mac,
        extra: { note: node.marker },
        description: node.marker,
      })
      return done(answer, () => node.parts.push(answer.body.uuid))
    }
    case 'part': {
      const answer = await as('POST', `/v1/${each.path}`, {
        node_uuid: node.uuid,
        extra: { note: node.marker },
        ...partBody(each.path, who === node.owner ? { auth_password: node.secret } : {}),
      })
      return done(answer, () => node.parts.push(answer.body.uuid))
    }
    case 'lend': {
      const value = each.to === null ? null : api.projects[each.to]
      return done(await as('PATCH', path, [{ op: 'add', path: '/lessee', value }]), () => {
        node.lessee = each.to
      })
    }
    case 'write':
      return done(
        await as('PATCH', path, [
          { op: 'add', path: '/extra/more', value: node.marker },
          ...(who === node.owner ? [{ op: 'add', path: '/driver_info/bmc', value: node.secret }] : []),
        ]),
        () => {},
      )
    case 'provision':
      return done(await as('PUT', `${path}/states/provision`, { target: each.target }), () => {})
    case 'power':
      return done(await as('PUT', `${path}/states/power`, { target: each.target }), () => {})
    case 'delete':
      return done(await as('DELETE', path), () => void held.splice(held.indexOf(node), 1))
    case 'pry':
      return {
        who,
        answer: await as(
          'GET',
          `/v1/${each.query === 'node' ? 'ports' : 'nodes'}?${each.query}=${node.uuid}`,
        ),
      }
  }
}

let partSerial = 0
function partBody(path: string, properties: object): object {
  const text = `part-${++partSerial}`
  if (path === 'portgroups') return { name: text }
  if (path === 'volume/connectors') return { type: 'iqn', connector_id: text }
  return { volume_type: 'iscsi', boot_index: partSerial, volume_id: text, properties }
}

async function create(who: Tenant, held: Held[], mark: () => string): Promise<Answer> {
  const [marker, secret] = [mark(), mark()]
  const answer = await api.as(tenants[who], 'POST', '/v1/nodes', {
    name: `node-${marker}`,
    driver: 'fake-hardware',
    description: marker,
    resource_class: marker,
    extra: { [marker]: marker },
    properties: { note: marker },
    instance_info: { display_name: marker },
    shard: null,
    driver_info: { bmc: secret, fake_fail: 'deploy.deploy', fake_fail_message: secret },
  })
  expect(answer.status).toBe(201)
  held.push({ uuid: answer.body.uuid, marker, secret, owner: who, lessee: null, parts: [] })
  return answer
}

function assertClean(tenant: Tenant, answer: Answer, held: readonly Held[], where: string): void {
  expect(answer.status, where).toBeLessThan(500)
  for (const node of held) {
    const owns = node.owner === tenant
    const sees = owns || node.lessee === tenant
    if (!sees && (answer.text.includes(node.marker) || node.parts.some((uuid) => answer.text.includes(uuid))))
      expect.fail(`${where} tells of ${node.owner}'s node: ${answer.text}`)
    if (!owns && answer.text.includes(node.secret))
      expect.fail(`${where} tells what is ${node.owner}'s alone: ${answer.text}`)
  }
}
