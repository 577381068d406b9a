/** Creating, changing and deleting nodes: the conditions that depend on what else is so. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type TestApi, testApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const admin = 'system-admin'
const create = (fields: Record<string, unknown>) =>
  api.as(admin, 'POST', '/v1/nodes', { driver: 'fake-hardware', ...fields })
const set = (path: string, value: unknown) => ({ op: 'add', path, value })
const patch = (uuid: string, ...operations: unknown[]) =>
  api.as(admin, 'PATCH', `/v1/nodes/${uuid}`, operations)
async function nodeIn(columns: Record<string, unknown>): Promise<string> {
  const { uuid } = await api.node()
  await api.db
    .updateTable('nodes')
    .set({ ...columns, health: 'OK' })
    .where('uuid', '=', uuid)
    .execute()
  return uuid
}

describe('creating', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ retired_reason: 'old' }, 'retired'],
    [{ retired: false, retired_reason: 'old' }, 'retired'],
    [{ protected: true }, 'protected'],
    [{ reservation: 'x' }, 'reservation'],
    [{ driver: 'nonesuch' }, 'drivers are'],
    [{ driver: '__proto__' }, 'drivers are'],
    [{ conductor_group: 'nowhere' }, 'conductor group nowhere'],
    [{ conductor_group: 'a b' }, 'conductor_group'],
    [{ power_interface: 'nonesuch' }, 'choose one of'],
    [{ chassis_uuid: '6ccd1e7a-0000-4000-8000-000000000000' }, 'Chassis'],
    [{ instance_uuid: 'x' }, 'UUID'],
    [{ uuid: 'x' }, 'UUID'],
    [{ name: 'detail' }, 'reserved'],
    [{ name: '6ccd1e7a000040008000000000000000' }, 'UUID'],
    [{ name: 'a b' }, 'name'],
    [{ resource_class: 'x'.repeat(81) }, 'resource_class'],
    [{ description: 'x'.repeat(4097) }, 'description'],
    [{ network_data: { links: [] } }, 'network_data'],
    [{ extra: { a: '\0' } }, 'NUL'],
    [{ 'extra\0': 1 }, 'NUL'],
    [{ parent_node: 'absent' }, 'parent_node'],
  ])('refuses %j naming what is wrong', async (fields, words) => {
    const answer = await create(fields)
    expect([answer.status, faultOf(answer.body)]).toEqual([400, expect.stringContaining(words)])
  })

  it('knows a taken name, UUID and instance in any writing', async () => {
    const instance = '6ccd1e7a-1111-4000-8000-00000000000a'
    const { uuid } = await api.node({ name: 'taken', instance_uuid: instance })
    for (const fields of [
      { name: 'taken' },
      { uuid: uuid.toUpperCase() },
      { instance_uuid: instance.toUpperCase() },
    ])
      expect((await create(fields)).status).toBe(409)
  })

  it('names the instance by instance_info, unless it has a name', async () => {
    expect((await create({ instance_info: { display_name: 'web' } })).body.instance_name).toBe('web')
    expect(
      (await create({ instance_info: { display_name: 'web' }, instance_name: 'own' })).body.instance_name,
    ).toBe('own')
    expect((await create({ instance_info: { display_name: 7 } })).body.instance_name).toBeNull()
  })

  it('takes booleans as words, and lower-cases the conductor group', async () => {
    const { body } = await create({
      maintenance: 'ON',
      retired: 'y',
      disable_power_off: '0',
      secure_boot: 'T',
    })
    expect(body).toMatchObject({
      maintenance: true,
      retired: true,
      disable_power_off: false,
      secure_boot: true,
    })
  })
})

describe('changing', () => {
  it.each<[Record<string, unknown>, unknown[], number]>([
    [{ provision_state: 'cleaning', target_provision_state: 'available' }, [set('/extra/a', 1)], 409],
    [{ provision_state: 'deploying', target_provision_state: 'active' }, [], 409],
    [{ provision_state: 'deploy failed', target_provision_state: 'active' }, [set('/extra/a', 1)], 200],
    [{ provision_state: 'clean failed', target_provision_state: 'available' }, [set('/extra/a', 1)], 200],
    [{ provision_state: 'inspecting', target_provision_state: 'manageable' }, [set('/extra/a', 1)], 409],
    [
      {
        provision_state: 'cleaning',
        target_provision_state: 'available',
        maintenance: true,
        instance_uuid: '6ccd1e7a-2222-4000-8000-000000000001',
      },
      [{ op: 'remove', path: '/instance_uuid' }],
      200,
    ],
    [
      {
        provision_state: 'cleaning',
        target_provision_state: 'available',
        instance_uuid: '6ccd1e7a-2222-4000-8000-000000000002',
      },
      [{ op: 'remove', path: '/instance_uuid' }],
      409,
    ],
    [{ provision_state: 'active' }, [set('/power_interface', 'fake')], 200],
    [{ provision_state: 'active' }, [set('/rescue_interface', 'no-rescue')], 409],
    [{ provision_state: 'active', maintenance: true }, [set('/rescue_interface', 'no-rescue')], 200],
    [{ provision_state: 'manageable' }, [set('/rescue_interface', 'no-rescue')], 200],
    [{ provision_state: 'active' }, [set('/resource_class', 'other')], 409],
    [{ provision_state: 'active', resource_class: null }, [set('/resource_class', 'first')], 200],
    [{ provision_state: 'active' }, [set('/protected', true), set('/protected_reason', 'x')], 200],
    [{ provision_state: 'manageable' }, [set('/protected', true)], 409],
    [{ provision_state: 'active' }, [set('/protected_reason', 'x')], 400],
    [{ provision_state: 'available' }, [set('/retired', true)], 409],
    [{ provision_state: 'manageable' }, [set('/retired', true), set('/retired_reason', 'x')], 200],
    [
      { instance_uuid: '6ccd1e7a-2222-4000-8000-000000000003' },
      [set('/instance_uuid', '6ccd1e7a-2222-4000-8000-000000000004')],
      409,
    ],
    [
      { instance_uuid: '6ccd1e7a-2222-4000-8000-00000000000a' },
      [set('/instance_uuid', '6CCD1E7A-2222-4000-8000-00000000000A')],
      200,
    ],
    [{ console_enabled: true }, [set('/driver', 'ipmi')], 400],
    [{ reservation: 'elsewhere' }, [set('/extra/a', 1)], 409],
    [{}, [set('/automated_clean', { toString: 1 })], 400],
    [{}, [set('/maintenance', null)], 400],
    [{}, [set('/extra', null)], 400],
    [{}, [set('/name', '')], 200],
  ])('a node with %j by %j answers %i', async (columns, operations, status) => {
    const uuid = await nodeIn(columns)
    const answer = await patch(uuid, ...operations)
    expect([answer.status, answer.text]).toEqual([status, expect.anything()])
  })

  it('takes the reasons away with what they were for', async () => {
    const uuid = await nodeIn({
      provision_state: 'active',
      protected: true,
      protected_reason: 'x',
      retired: true,
      retired_reason: 'y',
    })
    const { body } = await patch(uuid, set('/protected', false), { op: 'remove', path: '/retired' })
    expect(body).toMatchObject({
      protected: false,
      protected_reason: null,
      retired: false,
      retired_reason: null,
    })
  })

  it('lets nobody but the system change the owner of an active node', async () => {
    const uuid = await nodeIn({ provision_state: 'active' })
    const give = [set('/owner', api.projects.stranger)]
    expect((await api.as('system-member', 'PATCH', `/v1/nodes/${uuid}`, give)).status).toBe(409)
    expect((await patch(uuid, ...give)).status).toBe(200)
  })

  it('keeps families in one hand', async () => {
    const [parent, child, foreign] = [
      await api.node(),
      await api.node(),
      await api.node({ owner: api.projects.stranger }),
    ]
    expect((await patch(child.uuid, set('/parent_node', child.uuid))).status).toBe(400)
    expect((await patch(child.uuid, set('/parent_node', foreign.uuid))).status).toBe(400)
    expect((await patch(child.uuid, set('/parent_node', parent.name))).body.parent_node).toBe(parent.uuid)
    expect((await patch(child.uuid, set('/owner', api.projects.stranger))).status).toBe(400)
    expect((await patch(child.uuid, { op: 'remove', path: '/parent_node' })).body.parent_node).toBeNull()
  })

  it('is judged by the tenants of the row that is written, not of one read before', async () => {
    const { uuid } = await api.node()
    // The lessee waits for the lock; meanwhile the lease ends.
    await api.db.updateTable('nodes').set({ reservation: 'x' }).where('uuid', '=', uuid).execute()
    const late = api.as('lessee-member', 'PATCH', `/v1/nodes/${uuid}`, [set('/extra/late', true)])
    await new Promise((done) => setTimeout(done, 25))
    await api.db
      .updateTable('nodes')
      .set({ reservation: null, lessee: null })
      .where('uuid', '=', uuid)
      .execute()
    const { status, body } = await late
    expect([status, faultOf(body)]).toEqual([404, `Node ${uuid} could not be found.`])
    expect((await api.as(admin, 'GET', `/v1/nodes/${uuid}`)).body.extra).toEqual({})
  })
})

describe('deleting', () => {
  it.each<[Record<string, unknown>, number]>([
    [{ provision_state: 'enroll' }, 204],
    [{ provision_state: 'manageable' }, 204],
    [{ provision_state: 'available' }, 204],
    [{ provision_state: 'adopt failed' }, 204],
    [{ provision_state: 'active' }, 409],
    [{ provision_state: 'active', maintenance: true }, 204],
    [{ provision_state: 'active', maintenance: true, protected: true }, 403],
    [{ instance_uuid: '6ccd1e7a-3333-4000-8000-000000000001' }, 409],
    [{ instance_uuid: '6ccd1e7a-3333-4000-8000-000000000002', maintenance: true }, 204],
    [{ reservation: 'x' }, 409],
  ])('a node with %j answers %i', async (columns, status) => {
    const uuid = await nodeIn(columns)
    expect((await api.as(admin, 'DELETE', `/v1/nodes/${uuid}`)).status).toBe(status)
    expect((await api.as(admin, 'GET', `/v1/nodes/${uuid}`)).status).toBe(status === 204 ? 404 : 200)
  })

  it('never takes a node that went into use between the look and the deed', async () => {
    for (let round = 0; round < 10; round++) {
      const uuid = await nodeIn({ provision_state: 'available' })
      const [gone, ordered] = await Promise.all([
        api.as(admin, 'DELETE', `/v1/nodes/${uuid}`),
        api.as(admin, 'PUT', `/v1/nodes/${uuid}/states/provision`, { target: 'active' }),
      ])
      const both = gone.status === 204 && ordered.status === 202
      expect([gone.status, ordered.status, both]).toEqual([gone.status, ordered.status, false])
    }
  })
})
