/** Allocations through the API's door: the other tenant first. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type Persona, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

let classes = 0
/** A resource class of this test's own. */
const ownClass = () => `class-${++classes}`

/** A node that can be allocated. */
async function free(resourceClass: string, fields: Record<string, unknown> = {}, columns = {}) {
  const node = await api.node({ resource_class: resourceClass, ...fields })
  await api.db
    .updateTable('nodes')
    .set({ provision_state: 'available', power_state: 'power off', ...columns })
    .where('uuid', '=', node.uuid)
    .execute()
  return node
}

/** Asks for an allocation and waits for its outcome. */
async function allocate(who: Persona, body: Record<string, unknown>) {
  const { status, body: created, text } = await api.as(who, 'POST', '/v1/allocations', body)
  expect(status, text).toBe(201)
  return outcome(created.uuid)
}

async function outcome(uuid: string) {
  for (let round = 0; round < 500; round++) {
    const { body } = await api.as('system-reader', 'GET', `/v1/allocations/${uuid}`)
    if (body.state !== 'allocating') return body
    await new Promise((done) => setTimeout(done, 10))
  }
  throw new Error(`allocation ${uuid} has no outcome`)
}

const nodeOf = async (uuid: string) => (await api.as('system-admin', 'GET', `/v1/nodes/${uuid}`)).body
const uuidsOf = (answer: { body: { allocations: { uuid: string }[] } }) =>
  answer.body.allocations.map(({ uuid }) => uuid)

describe('an allocation of another project', () => {
  it('does not exist, in the words used for one that does not', async () => {
    const resourceClass = ownClass()
    await free(resourceClass)
    const { uuid } = await allocate('lessee-member', { resource_class: resourceClass, name: 'hidden-one' })
    for (const who of ['stranger', 'owner-admin', 'service'] as const)
      for (const ident of [uuid, 'hidden-one', 'no-such-allocation']) {
        const words = `Allocation ${ident} could not be found.`
        const path = `/v1/allocations/${ident}`
        const shown = await api.as(who, 'GET', path)
        expect([shown.status, faultOf(shown.body)]).toEqual([404, words])
        const changed = await api.as(who, 'PATCH', path, [{ op: 'remove', path: '/name' }])
        expect([changed.status, faultOf(changed.body)]).toEqual([404, words])
        const deleted = await api.as(who, 'DELETE', path)
        expect([deleted.status, faultOf(deleted.body)]).toEqual([404, words])
      }
    expect((await outcome(uuid)).state).toBe('active')
  })

  it('is in no list, count, filter or marker', async () => {
    const resourceClass = ownClass()
    const node = await free(resourceClass)
    const { uuid } = await allocate('lessee-member', { resource_class: resourceClass })
    expect(uuidsOf(await api.as('stranger', 'GET', '/v1/allocations'))).toEqual([])
    const byClass = `/v1/allocations?resource_class=${resourceClass}`
    expect(uuidsOf(await api.as('owner-reader', 'GET', byClass))).toEqual([])
    expect(uuidsOf(await api.as('lessee-reader', 'GET', byClass))).toEqual([uuid])
    expect(uuidsOf(await api.as('owner-reader', 'GET', `/v1/allocations?node=${node.uuid}`))).toEqual([])
    expect((await api.as('stranger', 'GET', `/v1/allocations?marker=${uuid}`)).status).toBe(404)
    const foreign = await api.as('stranger', 'GET', `/v1/allocations?owner=${api.projects.lessee}`)
    expect([foreign.status, faultOf(foreign.body)]).toEqual([
      403,
      'Access was denied to the following resource: baremetal:allocation:list',
    ])
  })

  it('is not told by a filter for a node that is hidden, in the words for one that is absent', async () => {
    const node = await free(ownClass())
    for (const who of ['stranger', 'system-admin'] as const) {
      const ident = who === 'stranger' ? node.uuid : randomUUID()
      const { status, body } = await api.as(who, 'GET', `/v1/allocations?node=${ident}`)
      expect([status, faultOf(body)]).toEqual([400, `Node ${ident} could not be found.`])
    }
  })

  it('is behind its node for those who see that', async () => {
    const resourceClass = ownClass()
    const node = await free(resourceClass)
    const { uuid } = await allocate('lessee-member', { resource_class: resourceClass })
    const path = `/v1/nodes/${node.uuid}/allocation`
    expect((await api.as('lessee-reader', 'GET', path)).body.uuid).toBe(uuid)
    expect((await api.as('stranger', 'GET', path)).status).toBe(404)
    expect((await api.as('stranger', 'DELETE', path)).status).toBe(404)
    expect((await api.as('owner-admin', 'GET', path)).status).toBe(403)
    expect((await api.as('owner-admin', 'DELETE', path)).status).toBe(403)
    expect((await api.as('lessee-reader', 'DELETE', path)).status).toBe(403)
    expect((await api.as('lessee-member', 'DELETE', path)).status).toBe(204)
    expect((await api.as('lessee-member', 'GET', path)).status).toBe(404)
  })
})

describe('who may allocate for whom', () => {
  const cases: [Persona, number][] = [
    ['system-admin', 201],
    ['system-member', 201],
    ['system-reader', 403],
    ['owner-admin', 201],
    ['owner-manager', 201],
    ['owner-member', 201],
    ['owner-reader', 403],
    ['lessee-admin', 201],
    ['lessee-member', 201],
    ['lessee-reader', 403],
    ['stranger', 201],
    ['service', 403],
  ]
  it.each(cases)('%s: %i', async (who, status) => {
    const body = { resource_class: 'none-has-this' }
    expect((await api.as(who, 'POST', '/v1/allocations', body)).status).toBe(status)
  })

  it('a project gets its own, the system what it names or nobody’s', async () => {
    const body = { resource_class: 'none-has-this' }
    const ownerOf = async (who: Persona, owner?: string | null) => {
      const answer = await api.as(who, 'POST', '/v1/allocations', {
        ...body,
        ...(owner === undefined ? {} : { owner }),
      })
      return answer.status === 201 ? answer.body.owner : answer.status
    }
    const { lessee, owner } = api.projects
    expect(await ownerOf('lessee-member')).toBe(lessee)
    expect(await ownerOf('lessee-member', null)).toBe(lessee)
    expect(await ownerOf('lessee-member', lessee)).toBe(lessee)
    expect(await ownerOf('lessee-admin', owner)).toBe(403)
    expect(await ownerOf('system-admin')).toBeNull()
    expect(await ownerOf('system-admin', owner)).toBe(owner)
  })

  it.each([
    ['lessee-reader', 403],
    ['lessee-member', 200],
    ['system-reader', 403],
    ['system-member', 200],
  ] as const)('%s changes it: %i', async (who, status) => {
    const { uuid } = await allocate('lessee-member', { resource_class: 'none-has-this' })
    const patch = [{ op: 'add', path: '/extra/a', value: 1 }]
    expect((await api.as(who, 'PATCH', `/v1/allocations/${uuid}`, patch)).status).toBe(status)
    expect((await api.as(who, 'DELETE', `/v1/allocations/${uuid}`)).status).toBe(status === 200 ? 204 : 403)
  })
})

describe('nodes of others', () => {
  it('are never taken', async () => {
    const resourceClass = ownClass()
    const node = await free(resourceClass)
    const refused = await allocate('stranger', { resource_class: resourceClass })
    expect(refused).toMatchObject({ state: 'error', node_uuid: null })
    // Not a word of there being such a node.
    expect(refused.last_error).toBe(
      `Failed to process allocation ${refused.uuid}: no available nodes match the resource class ${resourceClass}.`,
    )
    expect((await nodeOf(node.uuid)).instance_uuid).toBeNull()
    expect(await allocate('owner-member', { resource_class: resourceClass })).toMatchObject({
      state: 'active',
      node_uuid: node.uuid,
    })
  })

  it('could not be found as candidates, as those that are absent', async () => {
    const { uuid, name } = await free(ownClass())
    for (const ident of [uuid, name, 'no-such-node', randomUUID()]) {
      const { status, body } = await api.as('stranger', 'POST', '/v1/allocations', {
        resource_class: 'x',
        candidate_nodes: [ident],
      })
      expect([status, faultOf(body)]).toEqual([400, `candidate_nodes: ${ident} could not be found.`])
    }
  })

  it('could not be found for a backfill, as those that are absent', async () => {
    const { uuid, name } = await free(ownClass(), {}, { provision_state: 'active' })
    for (const ident of [uuid, name, 'no-such-node', randomUUID()]) {
      const { status, body } = await api.as('stranger', 'POST', '/v1/allocations', { node: ident })
      expect([status, faultOf(body)]).toEqual([400, `Node ${ident} could not be found.`])
    }
    // Not even with a right over all: it must be the owner's or lessee's of the allocation.
    const forStranger = { node: uuid, owner: api.projects.stranger }
    expect((await api.as('system-admin', 'POST', '/v1/allocations', forStranger)).status).toBe(400)
  })
})

describe('what an allocation takes', () => {
  it('answers at once with what begins, and where it is', async () => {
    const { status, body, headers } = await api.as('owner-member', 'POST', '/v1/allocations', {
      resource_class: 'none-has-this',
      name: 'fresh',
      traits: ['CUSTOM_B', 'CUSTOM_A'],
      extra: { a: 1 },
    })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      name: 'fresh',
      state: 'allocating',
      owner: api.projects.owner,
      node_uuid: null,
      candidate_nodes: [],
      traits: ['CUSTOM_A', 'CUSTOM_B'],
      extra: { a: 1 },
      last_error: null,
      updated_at: null,
    })
    expect(headers.location).toBe(`http://baremetal.test:6385/v1/allocations/${body.uuid}`)
    expect(body.links[0].href).toBe(headers.location)
  })

  it('marks its node, which is no longer free', async () => {
    const resourceClass = ownClass()
    const { uuid } = await free(resourceClass)
    const traits = ['CUSTOM_GPU', 'CUSTOM_FAST']
    await api.as('owner-admin', 'PUT', `/v1/nodes/${uuid}/traits`, { traits: [...traits, 'CUSTOM_OTHER'] })
    const wanted = { resource_class: resourceClass, traits: ['CUSTOM_GPU'] }
    const first = await allocate('lessee-member', wanted)
    expect(first).toMatchObject({ state: 'active', node_uuid: uuid, last_error: null })
    expect(await nodeOf(uuid)).toMatchObject({
      instance_uuid: first.uuid,
      allocation_uuid: first.uuid,
      instance_info: { traits: ['CUSTOM_GPU'] },
    })
    expect(await allocate('lessee-member', wanted)).toMatchObject({ state: 'error' })
  })

  it.each([
    ['in another state', {}, { provision_state: 'manageable' }],
    ['with an instance', {}, { instance_uuid: '6ccd1e7a-1111-4000-8000-000000000000' }],
    ['in maintenance', { maintenance: true }, {}],
    ['of unknown power', {}, { power_state: null }],
    ['that is a child', {}, { parent_node: randomUUID() }],
  ])('is no node %s', async (_, fields, columns) => {
    const resourceClass = ownClass()
    await free(resourceClass, fields, columns)
    expect((await allocate('owner-member', { resource_class: resourceClass })).state).toBe('error')
  })

  it('says whether class, candidates or traits are the trouble', async () => {
    const [resourceClass, other] = [ownClass(), ownClass()]
    const node = await free(resourceClass)
    const wrong = async (body: Record<string, unknown>) => (await allocate('owner-member', body)).last_error
    expect(await wrong({ resource_class: other })).toContain(
      `no available nodes match the resource class ${other}`,
    )
    expect(await wrong({ resource_class: other, candidate_nodes: [node.name] })).toContain(
      `none of the requested nodes are available and match the resource class ${other}`,
    )
    expect(await wrong({ resource_class: resourceClass, traits: ['CUSTOM_X', 'CUSTOM_Y'] })).toContain(
      'no suitable nodes have the requested traits CUSTOM_X, CUSTOM_Y',
    )
    await api.db.updateTable('nodes').set({ reservation: 'there' }).where('uuid', '=', node.uuid).execute()
    expect(await wrong({ resource_class: resourceClass })).toContain(
      'could not reserve any of 1 suitable nodes',
    )
  })

  it('waits a little for a node that is locked', async () => {
    const resourceClass = ownClass()
    const node = await free(resourceClass, {}, { reservation: 'there' })
    const { body } = await api.as('owner-member', 'POST', '/v1/allocations', {
      resource_class: resourceClass,
    })
    await new Promise((done) => setTimeout(done, 60))
    await api.db.updateTable('nodes').set({ reservation: null }).where('uuid', '=', node.uuid).execute()
    expect(await outcome(body.uuid)).toMatchObject({ state: 'active', node_uuid: node.uuid })
  })

  it('is a candidate by name or UUID, the one of its own name, else one that nobody else leases', async () => {
    const resourceClass = ownClass()
    const [one, two, three] = [
      await free(resourceClass),
      await free(resourceClass),
      await free(resourceClass),
    ]
    const mine = await free(resourceClass, { lessee: null })
    const wanted = { resource_class: resourceClass }
    const chosen = await allocate('owner-member', { ...wanted, candidate_nodes: [one.name, one.uuid] })
    expect(chosen).toMatchObject({ node_uuid: one.uuid, candidate_nodes: [one.uuid] })
    expect((await allocate('owner-member', { ...wanted, name: two.name })).node_uuid).toBe(two.uuid)
    expect((await allocate('owner-member', wanted)).node_uuid).toBe(mine.uuid)
    expect((await allocate('owner-member', wanted)).node_uuid).toBe(three.uuid)
  })

  it('takes a UUID of the caller’s choice, which nobody else may have', async () => {
    const uuid = randomUUID()
    const body = { resource_class: 'none-has-this', uuid, name: 'taken' }
    expect((await api.as('owner-member', 'POST', '/v1/allocations', body)).body.uuid).toBe(uuid)
    const again = await api.as('owner-member', 'POST', '/v1/allocations', { ...body, name: 'other' })
    expect([again.status, faultOf(again.body)]).toEqual([
      409,
      `An allocation with UUID ${uuid} already exists.`,
    ])
    const named = await api.as('owner-member', 'POST', '/v1/allocations', {
      resource_class: 'x',
      name: 'taken',
    })
    expect([named.status, faultOf(named.body)]).toEqual([
      409,
      'An allocation with name taken already exists.',
    ])
  })

  it('ends in error when its UUID is some instance’s already', async () => {
    const resourceClass = ownClass()
    const taken = await free(resourceClass, {}, { instance_uuid: randomUUID() })
    await free(resourceClass)
    const { instance_uuid: uuid } = await nodeOf(taken.uuid)
    expect(await allocate('owner-member', { resource_class: resourceClass, uuid })).toMatchObject({
      state: 'error',
    })
  })

  it.each([
    [{}, 'resource_class'],
    [{ resource_class: 'x'.repeat(81) }, 'resource_class'],
    [{ resource_class: 'x', traits: ['lower'] }, 'lower'],
    [{ resource_class: 'x', name: 'a b' }, 'a b'],
    [{ resource_class: 'x', name: '6ccd1e7a-0000-4000-8000-000000000000' }, 'UUID'],
    [{ resource_class: 'x', uuid: 'x' }, 'uuid'],
    [{ resource_class: 'x', state: 'active' }, 'state'],
    [{ resource_class: 'x', candidate_nodes: 'a' }, 'candidate_nodes'],
    [{ resource_class: 'x', extra: [] }, 'extra'],
  ])('answers 400 that names what is wrong: %j', async (body, named) => {
    const { status, body: answer } = await api.as('owner-member', 'POST', '/v1/allocations', body)
    expect(status).toBe(400)
    expect(faultOf(answer)).toContain(named)
  })
})

describe('the end of an allocation', () => {
  const taken = async (columns: Record<string, unknown> = {}) => {
    const resourceClass = ownClass()
    const node = await free(resourceClass)
    const { uuid } = await allocate('lessee-member', { resource_class: resourceClass })
    await api.db
      .updateTable('nodes')
      .set({ reservation: null, ...columns })
      .where('uuid', '=', node.uuid)
      .execute()
    return { uuid, node: node.uuid, path: `/v1/allocations/${uuid}` }
  }
  const gone = async ({ node, path }: { node: string; path: string }) => {
    expect((await api.as('system-admin', 'GET', path)).status).toBe(404)
    const { status, body } = await api.as('system-admin', 'GET', `/v1/nodes/${node}`)
    if (status === 200) {
      expect(body).toMatchObject({ instance_uuid: null, allocation_uuid: null })
      expect(body.instance_info).not.toHaveProperty('traits')
    }
  }

  it('is its deletion, which frees the node', async () => {
    const allocation = await taken()
    expect((await api.as('lessee-member', 'DELETE', allocation.path)).status).toBe(204)
    await gone(allocation)
  })

  it('is the deletion of one without a node', async () => {
    const { uuid } = await allocate('lessee-member', { resource_class: 'none-has-this' })
    expect((await api.as('lessee-member', 'DELETE', `/v1/allocations/${uuid}`)).status).toBe(204)
    expect((await api.as('lessee-member', 'GET', `/v1/allocations/${uuid}`)).status).toBe(404)
  })

  it.each([
    [{ provision_state: 'active' }],
    [{ provision_state: 'deploying', target_provision_state: 'active' }],
    [{ reservation: 'there' }],
  ])('is refused with 409 while the node is %j', async (columns) => {
    const allocation = await taken(columns)
    const { status, body } = await api.as('lessee-member', 'DELETE', allocation.path)
    expect([status, faultOf(body)]).toEqual([409, expect.stringContaining(allocation.node)])
    expect((await nodeOf(allocation.node)).allocation_uuid).toBe(allocation.uuid)
  })

  it('is not refused for an active node in maintenance, or one whose deployment failed', async () => {
    for (const columns of [
      { provision_state: 'active', maintenance: true },
      { provision_state: 'deploy failed', target_provision_state: 'active' },
    ]) {
      const allocation = await taken(columns)
      expect((await api.as('lessee-member', 'DELETE', allocation.path)).status).toBe(204)
      await gone(allocation)
    }
  })

  it('is the removal of instance_uuid from the node', async () => {
    const allocation = await taken()
    const { status, body } = await api.as('owner-member', 'PATCH', `/v1/nodes/${allocation.node}`, [
      { op: 'remove', path: '/instance_uuid' },
    ])
    expect([status, body.allocation_uuid]).toEqual([200, null])
    await gone(allocation)
  })

  it('is the deletion of the node', async () => {
    const allocation = await taken({ maintenance: true })
    expect((await api.as('owner-admin', 'DELETE', `/v1/nodes/${allocation.node}`)).status).toBe(204)
    await gone(allocation)
  })

  it('is the undeployment of the node', async () => {
    const allocation = await taken({ provision_state: 'active' })
    await api.as('owner-member', 'PUT', `/v1/nodes/${allocation.node}/states/provision`, {
      target: 'deleted',
    })
    await api.settled(allocation.node, 'available')
    await gone(allocation)
  })

  it('is not the end of the tenancy: owner and the leasing lessee stay while it lasts', async () => {
    const { node, path } = await taken()
    const change = (field: string, value: unknown) =>
      api.as('system-admin', 'PATCH', `/v1/nodes/${node}`, [{ op: 'add', path: `/${field}`, value }])
    expect((await change('owner', api.projects.stranger)).status).toBe(409)
    expect((await change('lessee', api.projects.stranger)).status).toBe(409)
    expect((await change('lessee', api.projects.lessee)).status).toBe(200)
    expect((await api.as('lessee-member', 'DELETE', path)).status).toBe(204)
    expect((await change('owner', api.projects.stranger)).status).toBe(200)
  })

  it('leaves the owner of a node free to change when nobody owns the allocation', async () => {
    const resourceClass = ownClass()
    const { uuid } = await free(resourceClass)
    await allocate('system-admin', { resource_class: resourceClass })
    const patch = [{ op: 'add', path: '/owner', value: api.projects.stranger }]
    expect((await api.as('system-admin', 'PATCH', `/v1/nodes/${uuid}`, patch)).status).toBe(200)
  })
})

describe('backfill', () => {
  const active = (columns: Record<string, unknown> = {}) =>
    free(ownClass(), {}, { provision_state: 'active', ...columns })

  it('records the allocation of an active node, with its instance as UUID and its class', async () => {
    const instance = randomUUID()
    const node = await active({ instance_uuid: instance })
    const { status, body } = await api.as('lessee-member', 'POST', '/v1/allocations', { node: node.name })
    expect([status, body]).toMatchObject([
      201,
      { uuid: instance, state: 'active', node_uuid: node.uuid, owner: api.projects.lessee },
    ])
    expect(body.resource_class).toBe((await nodeOf(node.uuid)).resource_class)
    expect((await nodeOf(node.uuid)).allocation_uuid).toBe(instance)
  })

  it('gives an instance to a node without one', async () => {
    const node = await active()
    const { body } = await api.as('owner-member', 'POST', '/v1/allocations', { node: node.uuid })
    expect(await nodeOf(node.uuid)).toMatchObject({ instance_uuid: body.uuid, allocation_uuid: body.uuid })
  })

  it.each([
    [{ provision_state: 'available' }, {}, 409],
    [{ instance_uuid: randomUUID() }, { uuid: randomUUID() }, 409],
    [{ reservation: 'there' }, {}, 409],
    [{}, { resource_class: 'another' }, 400],
    [{}, { traits: ['CUSTOM_ABSENT'] }, 400],
  ])('refuses a node with %j for %j with %i, and leaves nothing', async (columns, body, status) => {
    const node = await active(columns)
    const name = `backfill-${node.name}`
    const answer = await api.as('owner-member', 'POST', '/v1/allocations', { ...body, name, node: node.uuid })
    expect(answer.status, answer.text).toBe(status)
    expect((await api.as('owner-member', 'GET', `/v1/allocations/${name}`)).status).toBe(404)
    expect((await nodeOf(node.uuid)).allocation_uuid).toBeNull()
  })

  it('refuses a second one for the same node', async () => {
    const node = await active()
    const answers = await Promise.all(
      [1, 2, 3].map(() => api.as('owner-member', 'POST', '/v1/allocations', { node: node.uuid })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409])
  })
})

describe('showing and changing', () => {
  it('lists with fields, filters, sorting and pages', async () => {
    const resourceClass = ownClass()
    const made = []
    for (let index = 0; index < 3; index++)
      made.push(
        await allocate('owner-member', { resource_class: resourceClass, name: `${resourceClass}-${index}` }),
      )
    const list = `/v1/allocations?resource_class=${resourceClass}`
    const page = await api.as(
      'owner-reader',
      'GET',
      `${list}&limit=2&sort_key=name&sort_dir=desc&fields=uuid,name`,
    )
    expect(page.body.allocations.map((each: { name: string }) => each.name)).toEqual([
      `${resourceClass}-2`,
      `${resourceClass}-1`,
    ])
    expect(Object.keys(page.body.allocations[0])).toEqual(['uuid', 'name', 'links'])
    const next = await api.as('owner-reader', 'GET', page.body.next.replace('http://baremetal.test:6385', ''))
    expect(uuidsOf(next)).toEqual([made[0].uuid])
    expect(uuidsOf(await api.as('owner-reader', 'GET', `${list}&state=active`))).toEqual([])
    expect(uuidsOf(await api.as('owner-reader', 'GET', `${list}&state=error`))).toHaveLength(3)
    const ofOwner = `${list}&owner=${api.projects.owner}`
    expect(uuidsOf(await api.as('system-reader', 'GET', ofOwner))).toHaveLength(3)
    const ofLessee = `${list}&owner=${api.projects.lessee}`
    expect(uuidsOf(await api.as('system-reader', 'GET', ofLessee))).toEqual([])
    for (const wrong of ['detail=True', 'sort_key=traits', 'fields=nonsense', 'limit=0'])
      expect((await api.as('owner-reader', 'GET', `/v1/allocations?${wrong}`)).status).toBe(400)
  })

  it('honours the node filter for everybody', async () => {
    const resourceClass = ownClass()
    const node = await free(resourceClass)
    const { uuid } = await allocate('lessee-member', { resource_class: resourceClass })
    for (const who of ['system-reader', 'lessee-reader'] as const)
      expect(uuidsOf(await api.as(who, 'GET', `/v1/allocations?node=${node.name}`))).toEqual([uuid])
  })

  it('changes name and extra, nothing else', async () => {
    const { uuid } = await allocate('owner-member', { resource_class: 'none-has-this' })
    const patch = (operations: unknown) =>
      api.as('owner-member', 'PATCH', `/v1/allocations/${uuid}`, operations)
    const named = await patch([
      { op: 'add', path: '/name', value: `n-${uuid.slice(0, 8)}` },
      { op: 'add', path: '/extra/a', value: { b: 1 } },
    ])
    expect(named.body).toMatchObject({ name: `n-${uuid.slice(0, 8)}`, extra: { a: { b: 1 } } })
    const cleared = await patch([
      { op: 'remove', path: '/name' },
      { op: 'remove', path: '/extra' },
    ])
    expect(cleared.body).toMatchObject({ name: null, extra: {} })
    for (const [path, value] of [
      ['/owner', 'x'],
      ['/state', 'active'],
      ['/node_uuid', uuid],
      ['/resource_class', 'x'],
      ['/nonsense', 1],
      ['/name', 7],
      ['/name', 'a b'],
      ['/extra', 'x'],
    ])
      expect((await patch([{ op: 'add', path, value }])).status).toBe(400)
    expect((await patch({})).status).toBe(400)
  })
})

describe('microversions', () => {
  it('below 1.52 there are none', async () => {
    const status = async (
      method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
      path: string,
      version: string,
      body?: unknown,
    ) => (await api.as('owner-member', method, path, body, version)).status
    expect(await status('GET', '/v1/allocations', '1.51')).toBe(404)
    expect(await status('GET', '/v1/allocations/x', '1.51')).toBe(404)
    expect(await status('POST', '/v1/allocations', '1.51', { resource_class: 'x' })).toBe(405)
    expect(await status('PATCH', '/v1/allocations/x', '1.56', [])).toBe(405)
    expect(await status('DELETE', '/v1/allocations/x', '1.51')).toBe(405)
    const { uuid } = await free(ownClass())
    expect(await status('GET', `/v1/nodes/${uuid}/allocation`, '1.51')).toBe(404)
    expect(await status('DELETE', `/v1/nodes/${uuid}/allocation`, '1.51')).toBe(404)
  })

  it('node is of 1.58, owner of 1.60', async () => {
    const post = (body: unknown, version: string) =>
      api.as('owner-member', 'POST', '/v1/allocations', body, version)
    expect((await post({ node: 'x' }, '1.57')).status).toBe(406)
    expect((await post({ resource_class: 'x', owner: api.projects.owner }, '1.59')).status).toBe(406)
    const old = await post({ resource_class: 'none-has-this' }, '1.59')
    expect(old.status).toBe(201)
    expect(old.body).not.toHaveProperty('owner')
    expect((await api.as('owner-member', 'GET', `/v1/allocations/${old.body.uuid}`)).body.owner).toBe(
      api.projects.owner,
    )
    expect((await api.as('owner-member', 'GET', '/v1/allocations?owner=x', undefined, '1.59')).status).toBe(
      406,
    )
  })

  it('the entrance names the collection from 1.52', async () => {
    expect((await api.as(null, 'GET', '/v1', undefined, '1.51')).body).not.toHaveProperty('allocations')
    expect((await api.as(null, 'GET', '/v1', undefined, '1.52')).body).toHaveProperty('allocations')
  })
})

it('tells the audit who did it, and the owner of the node that it was done', async () => {
  const resourceClass = ownClass()
  const node = await free(resourceClass)
  const { uuid } = await allocate('lessee-member', { resource_class: resourceClass })
  await api.as('stranger', 'DELETE', `/v1/allocations/${uuid}`)
  await api.as('lessee-member', 'DELETE', `/v1/allocations/${uuid}`)
  const { body } = await api.as('owner-reader', 'GET', `/v1/audit?node=${node.uuid}&limit=1`)
  expect(body.audit[0]).toMatchObject({
    action: 'DELETE /v1/allocations/:allocation',
    outcome: 'allowed',
    target: { type: 'allocation', uuid },
  })
})
