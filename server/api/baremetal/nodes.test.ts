/** Nodes through the API's door. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const fault = (body: { error_message: string }): string => {
  const inner = JSON.parse(body.error_message)
  return inner.faultstring ?? inner.description
}

describe('creating a node', () => {
  it('answers 201 with the whole node, its defaults and its address', async () => {
    const { status, body, headers } = await api.as('system-admin', 'POST', '/v1/nodes', {
      driver: 'fake-hardware',
    })
    expect(status).toBe(201)
    expect(headers.location).toBe(`http://baremetal.test:6385/v1/nodes/${body.uuid}`)
    expect(body).toMatchObject({
      name: null,
      driver: 'fake-hardware',
      owner: null,
      lessee: null,
      provision_state: 'enroll',
      power_state: null,
      maintenance: false,
      extra: {},
      traits: [],
      network_interface: 'noop',
      power_interface: 'fake',
      protected: false,
      conductor_group: '',
      reservation: null,
    })
    expect(body.conductor).not.toBeNull()
    expect(body.links[0]).toEqual({ href: `http://baremetal.test:6385/v1/nodes/${body.uuid}`, rel: 'self' })
    expect(body.states[1].href).toBe(`http://baremetal.test:6385/nodes/${body.uuid}/states`)
    expect(Date.parse(body.created_at)).not.toBeNaN()
  })

  it('makes a project administrator its owner, and refuses another owner', async () => {
    const mine = await api.as('owner-admin', 'POST', '/v1/nodes', { driver: 'fake-hardware' })
    expect([mine.status, mine.body.owner]).toEqual([201, api.projects.owner])
    const foreign = await api.as('owner-admin', 'POST', '/v1/nodes', {
      driver: 'fake-hardware',
      owner: api.projects.stranger,
    })
    expect(foreign.status).toBe(400)
    expect(fault(foreign.body)).toContain('owner')
  })

  it('is denied to a project member', async () => {
    const { status, body } = await api.as('owner-member', 'POST', '/v1/nodes', { driver: 'fake-hardware' })
    expect(status).toBe(403)
    expect(fault(body)).toBe('Access was denied to the following resource: baremetal:node:create')
  })

  it('answers 409 for a name or UUID that is taken, also by a node the caller does not see', async () => {
    const taken = await api.node()
    const again = await api.as('stranger', 'POST', '/v1/nodes', { driver: 'fake-hardware', name: taken.name })
    expect(again.status).toBe(409)
    expect(fault(again.body)).toBe(`A node with name ${taken.name} already exists.`)
    expect(
      (await api.as('system-admin', 'POST', '/v1/nodes', { driver: 'fake-hardware', uuid: taken.uuid }))
        .status,
    ).toBe(409)
  })

  it.each([
    [{}, 'driver'],
    [{ driver: 'nonesuch' }, 'nonesuch'],
    [{ driver: 'fake-hardware', reservation: 'me' }, 'reservation'],
    [{ driver: 'fake-hardware', name: 'a b' }, 'a b'],
    [{ driver: 'fake-hardware', name: 'detail' }, 'reserved'],
    [{ driver: 'fake-hardware', name: '6ccd1e7a-0000-4000-8000-000000000000' }, 'UUID'],
    [{ driver: 'fake-hardware', properties: 'no' }, 'properties'],
    [{ driver: 'fake-hardware', power_interface: 'ipmitool' }, 'power'],
    [{ driver: 'fake-hardware', uuid: 'x' }, 'uuid'],
    [{ driver: 'fake-hardware', description: 'x'.repeat(4097) }, 'description'],
    [{ driver: 'fake-hardware', extra: { a: 'nul\0' } }, 'NUL'],
  ])('answers 400 that names what is wrong: %j', async (body, named) => {
    const answer = await api.as('system-admin', 'POST', '/v1/nodes', body)
    expect(answer.status).toBe(400)
    expect(fault(answer.body)).toContain(named)
  })

  it('starts in available before 1.11 and refuses a field that is newer than the version', async () => {
    const old = await api.as('system-admin', 'POST', '/v1/nodes', { driver: 'fake-hardware' }, '1.10')
    expect(old.body.provision_state).toBe('available')
    const newer = await api.as(
      'system-admin',
      'POST',
      '/v1/nodes',
      { driver: 'fake-hardware', lessee: 'x' },
      '1.64',
    )
    expect(newer.status).toBe(406)
    expect(fault(newer.body)).toContain('1.65')
  })
})

describe('showing a node', () => {
  it('finds it by UUID in any writing and by name, and without /v1', async () => {
    const { uuid, name } = await api.node()
    for (const path of [uuid, uuid.toUpperCase(), uuid.replaceAll('-', ''), name])
      expect((await api.as('owner-reader', 'GET', `/v1/nodes/${path}`)).body.uuid).toBe(uuid)
    expect((await api.as('owner-reader', 'GET', `/nodes/${name}/`)).body.uuid).toBe(uuid)
  })

  it('does not exist for a stranger, in the words used for a node that does not exist', async () => {
    const { uuid, name } = await api.node()
    for (const ident of [uuid, name, 'no-such-node']) {
      const { status, body } = await api.as('stranger', 'GET', `/v1/nodes/${ident}`)
      expect([status, fault(body)]).toEqual([404, `Node ${ident} could not be found.`])
    }
  })

  it('masks secrets for the owner and hides BMC access from the lessee', async () => {
    const { uuid } = await api.node({ driver_info: { ipmi_password: 'hunter2', ipmi_address: '192.0.2.1' } })
    const owner = await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}`)
    expect(owner.body.driver_info).toEqual({ ipmi_password: '******', ipmi_address: '192.0.2.1' })
    const lessee = await api.as('lessee-admin', 'GET', `/v1/nodes/${uuid}`)
    expect(lessee.text).not.toContain('192.0.2.1')
    expect(lessee.body.driver_info.content).toContain('Redacted')
    expect(lessee.body.last_error).toContain('Redacted')
    const asked = await api.as('lessee-admin', 'GET', `/v1/nodes/${uuid}?fields=driver_info,uuid`)
    expect(asked.body.driver_info.content).toContain('Redacted')
    expect(Object.keys(asked.body).sort()).toEqual(['driver_info', 'links', 'uuid'])
    const states = await api.as('lessee-admin', 'GET', `/v1/nodes/${uuid}/states`)
    expect(states.body.last_error).toContain('Redacted')
  })

  it('has the fields of the version asked for and no newer ones', async () => {
    const { uuid } = await api.node()
    const at = async (version: string) =>
      Object.keys((await api.as('system-admin', 'GET', `/v1/nodes/${uuid}`, undefined, version)).body)
    const oldest = await at('1.1')
    expect(oldest).not.toContain('name')
    expect(oldest).toContain('driver_info')
    expect(await at('1.49')).not.toContain('owner')
    expect(await at('1.50')).toContain('owner')
    expect((await at('1.64')).includes('lessee')).toBe(false)
    expect(await at('1.109')).toContain('health')
    expect(
      (await api.as('system-admin', 'GET', `/v1/nodes/${uuid}?fields=owner`, undefined, '1.49')).status,
    ).toBe(406)
  })

  it('refuses unknown fields and parameters by name', async () => {
    const { uuid } = await api.node()
    const field = await api.as('system-admin', 'GET', `/v1/nodes/${uuid}?fields=uuid,foo`)
    expect([field.status, fault(field.body).includes('foo')]).toEqual([400, true])
    const parameter = await api.as('system-admin', 'GET', `/v1/nodes/${uuid}?bar=1`)
    expect([parameter.status, fault(parameter.body)]).toEqual([400, 'Unexpected arguments: bar'])
  })
})

describe('listing nodes', () => {
  it('shows to each what it owns or leases and nothing of others', async () => {
    const leased = await api.node()
    const owned = await api.node({ lessee: null })
    const foreign = await api.node({ owner: api.projects.stranger, lessee: null })
    const seen = async (who: Parameters<TestApi['as']>[0]) => {
      const { body } = await api.as(who, 'GET', '/v1/nodes?fields=uuid')
      return new Set(body.nodes.map((node: { uuid: string }) => node.uuid))
    }
    const [owner, lessee, stranger, all] = [
      await seen('owner-reader'),
      await seen('lessee-reader'),
      await seen('stranger'),
      await seen('system-reader'),
    ]
    expect([owner.has(leased.uuid), owner.has(owned.uuid), owner.has(foreign.uuid)]).toEqual([
      true,
      true,
      false,
    ])
    expect([lessee.has(leased.uuid), lessee.has(owned.uuid), lessee.has(foreign.uuid)]).toEqual([
      true,
      false,
      false,
    ])
    expect([stranger.has(leased.uuid), stranger.has(owned.uuid), stranger.has(foreign.uuid)]).toEqual([
      false,
      false,
      true,
    ])
    expect([leased, owned, foreign].every((node) => all.has(node.uuid))).toBe(true)
  })

  it('pages through every node once, in any order, following next', async () => {
    const made = []
    for (let index = 0; index < 7; index++)
      made.push(
        (await api.node({ resource_class: 'paged', shard: index % 3 === 0 ? null : `s${index % 2}` })).uuid,
      )
    for (const sort of ['id', 'shard', 'uuid', 'created_at', 'updated_at'])
      for (const direction of ['asc', 'desc']) {
        const seen: string[] = []
        let path = `/v1/nodes?resource_class=paged&limit=2&sort_key=${sort}&sort_dir=${direction}`
        for (let pages = 0; path && pages < 10; pages++) {
          const { body, status } = await api.as('owner-reader', 'GET', path)
          expect(status).toBe(200)
          seen.push(...body.nodes.map((node: { uuid: string }) => node.uuid))
          path = body.next ? body.next.slice('http://baremetal.test:6385'.length) : ''
        }
        expect([sort, direction, seen.toSorted()]).toEqual([sort, direction, made.toSorted()])
      }
  })

  it('answers 404 for a marker that is hidden, as for one that does not exist', async () => {
    const hidden = await api.node({ lessee: null })
    const answer = await api.as('lessee-reader', 'GET', `/v1/nodes?marker=${hidden.uuid}`)
    const absent = await api.as(
      'lessee-reader',
      'GET',
      '/v1/nodes?marker=6ccd1e7a-0000-4000-8000-000000000000',
    )
    expect([answer.status, absent.status]).toEqual([404, 404])
    expect(fault(answer.body).replace(hidden.uuid, 'X')).toBe(
      fault(absent.body).replace('6ccd1e7a-0000-4000-8000-000000000000', 'X'),
    )
  })

  it.each([
    ['limit=0', 400],
    ['limit=x', 400],
    ['marker=x', 400],
    ['sort_key=driver_info', 400],
    ['sort_dir=up', 400],
    ['associated=maybe', 400],
    ['detail=true&fields=uuid', 400],
    ['instance_uuid=x', 400],
    ['provision_state=nonesuch', 200],
  ])('answers ?%s with %i', async (query, status) => {
    expect((await api.as('system-admin', 'GET', `/v1/nodes?${query}`)).status).toBe(status)
  })

  it('filters', async () => {
    const node = await api.node({ resource_class: 'filtered', description: 'rack 12_4', maintenance: 'yes' })
    const found = async (query: string) =>
      (await api.as('system-admin', 'GET', `/v1/nodes?resource_class=filtered&${query}`)).body.nodes.map(
        (each: { uuid: string }) => each.uuid,
      )
    for (const query of [
      'maintenance=true',
      'associated=false',
      `owner=${api.projects.owner}`,
      `lessee=${api.projects.lessee}`,
      'description_contains=12_4',
      'driver=fake-hardware',
      'provision_state=enroll',
      `project=${api.projects.lessee}`,
      'sharded=0',
      'retired=f',
      'conductor_group=',
    ])
      expect([query, await found(query)]).toEqual([query, [node.uuid]])
    for (const query of [
      'maintenance=no',
      'associated=t',
      'owner=x',
      'description_contains=12%4',
      'driver=ipmi',
      'provision_state=active',
      'shard=a',
      'retired=true',
      'conductor=nobody',
    ])
      expect([query, await found(query)]).toEqual([query, []])
  })

  it('forbids a project to ask for another project', async () => {
    expect((await api.as('lessee-admin', 'GET', `/v1/nodes?project=${api.projects.owner}`)).status).toBe(403)
  })

  it('leaves children out unless they are asked for', async () => {
    const parent = await api.node({ resource_class: 'family' })
    const child = await api.node({ resource_class: 'family', parent_node: parent.name })
    const uuids = async (query: string) =>
      (await api.as('owner-reader', 'GET', `/v1/nodes?resource_class=family${query}`)).body.nodes.map(
        (node: { uuid: string }) => node.uuid,
      )
    expect(await uuids('')).toEqual([parent.uuid])
    expect(await uuids('&include_children=true')).toEqual([parent.uuid, child.uuid])
    expect(await uuids(`&parent_node=${parent.uuid}`)).toEqual([child.uuid])
    const { body } = await api.as('owner-reader', 'GET', `/v1/nodes/${parent.uuid}/children`)
    expect(body.children).toEqual([child.uuid])
    expect((await api.as('system-admin', 'DELETE', `/v1/nodes/${parent.uuid}`)).status).toBe(409)
  })
})

describe('changing a node', () => {
  const patch = (who: Parameters<TestApi['as']>[0], uuid: string, ...operations: unknown[]) =>
    api.as(who, 'PATCH', `/v1/nodes/${uuid}`, operations)

  it('adds, replaces and removes, also deep inside', async () => {
    const { uuid } = await api.node({ extra: { list: [1, 2], 'a/b': { c: 1 } } })
    const { status, body } = await patch(
      'owner-member',
      uuid,
      { op: 'add', path: '/extra/new', value: { deep: true } },
      { op: 'replace', path: '/extra/list/0', value: 'one' },
      { op: 'remove', path: '/extra/a~1b/c' },
      { op: 'add', path: '/name', value: 'renamed' },
    )
    expect(status).toBe(200)
    expect(body.extra).toEqual({ list: ['one', 2], 'a/b': {}, new: { deep: true } })
    expect(body.name).toBe('renamed')
    expect(body.updated_at).not.toBeNull()
  })

  it('lets each field be changed by those only who have its right', async () => {
    const { uuid } = await api.node()
    const outcome = async (who: Parameters<TestApi['as']>[0], path: string, value: unknown) =>
      (await patch(who, uuid, { op: 'add', path, value })).status
    expect(await outcome('lessee-member', '/extra/a', 1)).toBe(200)
    expect(await outcome('lessee-member', '/instance_info/a', 1)).toBe(403)
    expect(await outcome('lessee-manager', '/instance_info/a', 1)).toBe(200)
    expect(await outcome('lessee-admin', '/driver_info/a', 1)).toBe(403)
    expect(await outcome('lessee-admin', '/lessee', null)).toBe(403)
    expect(await outcome('owner-member', '/lessee', api.projects.lessee)).toBe(200)
    expect(await outcome('owner-admin', '/owner', api.projects.stranger)).toBe(403)
    expect(await outcome('lessee-reader', '/extra/a', 1)).toBe(403)
    expect(await outcome('stranger', '/extra/a', 1)).toBe(404)
    expect(await outcome('system-admin', '/owner', api.projects.owner)).toBe(200)
  })

  it.each([
    [[{ op: 'add', path: '/reservation', value: 'x' }], 'reservation'],
    [[{ op: 'remove', path: '/extra/absent' }], 'absent'],
    [[{ op: 'move', path: '/extra/a', from: '/extra/b' }], 'op'],
    [[{ op: 'add', path: 'extra', value: 1 }], 'path'],
    [[{ op: 'remove', path: '/driver' }], 'driver'],
    [[{ op: 'add', path: '/maintenance', value: 'perhaps' }], 'maintenance'],
    [[{ op: 'add', path: '/extra', value: [] }], 'extra'],
    [[{ op: 'replace', path: '/uuid', value: 'x' }], 'uuid'],
    [[{ op: 'add', path: '/protected_reason', value: 'x' }], 'protected'],
    [{ op: 'add', path: '/extra/a', value: 1 }, 'array'],
  ])('answers 400 that names what is wrong: %j', async (operations, named) => {
    const { uuid } = await api.node()
    const { status, body } = await api.as('system-admin', 'PATCH', `/v1/nodes/${uuid}`, operations)
    expect(status).toBe(400)
    expect(fault(body)).toContain(named)
  })

  it('takes what can be removed back to its default', async () => {
    const { uuid } = await api.node({
      conductor_group: '',
      description: 'x',
      maintenance: true,
      automated_clean: true,
    })
    const { status, body } = await patch(
      'system-admin',
      uuid,
      ...['description', 'maintenance', 'automated_clean', 'conductor_group', 'extra', 'name'].map(
        (name) => ({ op: 'remove', path: `/${name}` }),
      ),
    )
    expect(status).toBe(200)
    expect(body).toMatchObject({
      description: null,
      maintenance: false,
      automated_clean: null,
      conductor_group: '',
      extra: {},
      name: null,
    })
  })

  it('loses no change when many arrive at once', async () => {
    const { uuid } = await api.node()
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        patch('owner-member', uuid, { op: 'add', path: `/extra/k${index}`, value: index }),
      ),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(12).fill(200))
    const { body } = await api.as('owner-reader', 'GET', `/v1/nodes/${uuid}`)
    expect(Object.keys(body.extra)).toHaveLength(12)
  })

  it('answers 409 while another holds the lock, in the words that clients retry on', async () => {
    const { uuid } = await api.node()
    await api.db.updateTable('nodes').set({ reservation: 'elsewhere' }).where('uuid', '=', uuid).execute()
    const { status, body } = await patch('owner-member', uuid, { op: 'add', path: '/extra/a', value: 1 })
    expect([status, fault(body)]).toEqual([
      409,
      `Node ${uuid} is locked by host elsewhere, please retry after the current operation is completed.`,
    ])
    expect((await api.as('system-admin', 'DELETE', `/v1/nodes/${uuid}`)).status).toBe(409)
  })

  it('changes driver and interfaces together, and keeps to what the driver supports', async () => {
    const { uuid } = await api.node()
    const bad = await patch('owner-admin', uuid, { op: 'replace', path: '/driver', value: 'ipmi' })
    expect([bad.status, fault(bad.body).includes('interface')]).toEqual([400, true])
    const good = await api.as('owner-admin', 'PATCH', `/v1/nodes/${uuid}?reset_interfaces=true`, [
      { op: 'replace', path: '/driver', value: 'ipmi' },
    ])
    expect([good.status, good.body.power_interface]).toEqual([200, 'ipmitool'])
  })
})

describe('deleting a node', () => {
  it('is for its owner project’s administrator and the system’s', async () => {
    const mine = await api.node()
    expect((await api.as('lessee-admin', 'DELETE', `/v1/nodes/${mine.uuid}`)).status).toBe(403)
    expect((await api.as('owner-manager', 'DELETE', `/v1/nodes/${mine.uuid}`)).status).toBe(403)
    expect((await api.as('owner-admin', 'DELETE', `/v1/nodes/${mine.uuid}`)).status).toBe(204)
    expect((await api.as('owner-admin', 'GET', `/v1/nodes/${mine.uuid}`)).status).toBe(404)
  })

  it('refuses a node that is in use', async () => {
    const { uuid } = await api.node({ instance_uuid: '6ccd1e7a-1111-4000-8000-000000000001' })
    expect((await api.as('system-admin', 'DELETE', `/v1/nodes/${uuid}`)).status).toBe(409)
    await api.as('system-admin', 'PUT', `/v1/nodes/${uuid}/maintenance`, {})
    expect((await api.as('system-admin', 'DELETE', `/v1/nodes/${uuid}`)).status).toBe(204)
  })
})
