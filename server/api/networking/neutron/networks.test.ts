/** Neutron's networks, ports, subnets and sharing: the other tenant first. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type Persona, type TestApi, testApi } from '../../testing.ts'
import { errorOf, type Method, type Neutron, neutronOf } from './testing.ts'

let api: TestApi
let neutron: Neutron
beforeAll(async () => {
  api = await testApi({ 'networking.quota_networks': 12, 'networking.quota_ports': 20 })
  neutron = neutronOf(api)
  const pool = { name: 'tenants', ranges: '100-139' }
  expect((await api.as('system-admin', 'POST', '/v1/vlan_pools', pool)).status).toBe(201)
})
afterAll(() => api.close())

const as = (who: Persona | null, method: Method, path: string, body?: unknown) =>
  neutron.as(who, method, path, body)
const absent = '6ccd1e7a-0000-4000-8000-000000000000'
/** Without what is different of every answer, and the ids that were sent. */
const comparable = ({ status, text }: Answer, ...sent: string[]) => [
  status,
  sent.reduce((all, id) => all.replaceAll(id, '<it>'), text),
]

describe('a stranger', () => {
  it('cannot tell another project’s network, port, subnet or policy from one that is not there', async () => {
    const network = await neutron.network('lessee-member', { name: 'ZEBRA', description: 'ZEBRA' })
    const port = await neutron.port('lessee-member', network.id, { name: 'ZEBRA', device_id: 'ZEBRA' })
    const subnet = (
      await as('lessee-member', 'POST', '/subnets', {
        subnet: { network_id: network.id, cidr: '10.20.30.0/24', name: 'ZEBRA' },
      })
    ).body.subnet
    const policy = await neutron.share('lessee-member', network.id, api.projects.owner)
    const bodies: Record<string, unknown> = {
      networks: { network: { name: 'x' } },
      ports: { port: { name: 'x' } },
      subnets: { subnet: { name: 'x' } },
    }
    let compared = 0
    for (const [path, id] of [
      ['networks', network.id],
      ['ports', port.id],
      ['subnets', subnet.id],
      ['rbac-policies', policy],
    ] as const) {
      const requests: [Method, string, unknown?][] = [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '?fields=name'],
        ...(path in bodies
          ? ([
              ['PUT', '', bodies[path]],
              ['GET', '/tags'],
              ['PUT', '/tags', { tags: ['x'] }],
              ['DELETE', '/tags'],
            ] as [Method, string, unknown?][])
          : []),
      ]
      for (const [method, tail, body] of requests) {
        const real = await as('stranger', method, `/${path}/${id}${tail}`, body)
        const none = await as('stranger', method, `/${path}/${absent}${tail}`, body)
        expect([method, path, real.status]).toEqual([method, path, 404])
        expect(comparable(real, id, absent)).toEqual(comparable(none, id, absent))
        compared++
      }
      // Lists, whatever they filter by, and pages that go on after it.
      const queries = ['', `?id=${id}`, '?limit=1', ...(path in bodies ? ['?name=ZEBRA'] : [])]
      if (path === 'networks') queries.push('?provider:segmentation_id=100')
      for (const query of queries) {
        const { status, body, text } = await as('stranger', 'GET', `/${path}${query}`)
        expect([path, query, status]).toEqual([path, query, 200])
        expect(Object.values(body)[0]).toEqual([])
        expect(text).not.toContain('ZEBRA')
      }
      const real = await as('stranger', 'GET', `/${path}?marker=${id}`)
      const none = await as('stranger', 'GET', `/${path}?marker=${absent}`)
      expect(comparable(real, id, absent)).toEqual(comparable(none, id, absent))
    }
    expect(compared).toBeGreaterThan(20)
    // What names the network in a body.
    const within: [string, (id: string) => unknown][] = [
      ['/ports', (id) => ({ port: { network_id: id } })],
      ['/subnets', (id) => ({ subnet: { network_id: id, cidr: '10.0.0.0/24' } })],
      [
        '/rbac-policies',
        (id) => ({
          rbac_policy: {
            object_type: 'network',
            object_id: id,
            action: 'access_as_shared',
            target_tenant: api.projects.stranger,
          },
        }),
      ],
    ]
    for (const [path, body] of within) {
      const real = await as('stranger', 'POST', path, body(network.id))
      const none = await as('stranger', 'POST', path, body(absent))
      expect([path, real.status]).toEqual([path, 404])
      expect(comparable(real, network.id, absent)).toEqual(comparable(none, network.id, absent))
    }
    expect((await as('lessee-reader', 'GET', `/networks/${network.id}`)).body.network.name).toBe('ZEBRA')
  })

  it('makes nothing for others, nothing public, and chooses no VLAN', async () => {
    for (const more of [
      { project_id: api.projects.lessee },
      { tenant_id: api.projects.lessee },
      { shared: true },
      { 'router:external': true },
      { 'provider:segmentation_id': 101 },
      { 'provider:physical_network': 'default' },
    ])
      expect(errorOf(await as('stranger', 'POST', '/networks', { network: more })).slice(0, 2)).toEqual([
        403,
        'PolicyNotAuthorized',
      ])
    const own = await neutron.network('stranger')
    expect((await as('stranger', 'PUT', `/networks/${own.id}`, { network: { shared: true } })).status).toBe(
      403,
    )
    const everybody = {
      object_type: 'network',
      object_id: own.id,
      action: 'access_as_shared',
      target_tenant: '*',
    }
    expect((await as('stranger', 'POST', '/rbac-policies', { rbac_policy: everybody })).status).toBe(403)
    expect(Object.keys(own).filter((name) => name.startsWith('provider:'))).toEqual([])
    const bound = { network_id: own.id, 'binding:host_id': 'x' }
    expect((await as('stranger', 'POST', '/ports', { port: bound })).status).toBe(403)
    expect((await as('stranger', 'GET', '/networks?provider:segmentation_id=100')).body.networks).toEqual([])
    await as('stranger', 'DELETE', `/networks/${own.id}`)
  })

  it('without a token is told nothing but where the API is', async () => {
    expect((await api.as(null, 'GET', '/networking/')).body.versions[0]).toMatchObject({ id: 'v2.0' })
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/networks'],
      ['GET', '/extensions'],
      ['POST', '/networks'],
      ['GET', '/nonesuch'],
    ] as const) {
      const { status, headers } = await as(null, method, path)
      expect([path, status]).toEqual([path, 401])
      expect(headers['www-authenticate']).toMatch(/^Keystone uri=/)
    }
  })
})

describe('a network', () => {
  it('has a VLAN of the pool, which the operator alone sees', async () => {
    const made = await neutron.network('lessee-member', { name: 'data', mtu: 9000 })
    expect(made).toMatchObject({
      name: 'data',
      mtu: 9000,
      project_id: api.projects.lessee,
      tenant_id: api.projects.lessee,
      status: 'ACTIVE',
      shared: false,
      'router:external': false,
      subnets: [],
    })
    const seen = (await as('system-reader', 'GET', `/networks/${made.id}`)).body.network
    expect(seen).toMatchObject({ 'provider:network_type': 'vlan', 'provider:physical_network': 'default' })
    expect(seen['provider:segmentation_id']).toBeGreaterThanOrEqual(100)
    const found = await as(
      'system-reader',
      'GET',
      `/networks?provider:segmentation_id=${seen['provider:segmentation_id']}`,
    )
    expect(found.body.networks.map(({ id }: { id: string }) => id)).toEqual([made.id])
  })

  it('shares no VLAN with another, however many are made at once, and quotas hold', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => as('owner-member', 'POST', '/networks', { network: {} })),
    )
    const refused = answers.filter(({ status }) => status !== 201)
    expect(refused.map(errorOf).map(([status, type]) => `${status} ${type}`)).toEqual(
      Array(18).fill('409 OverQuota'),
    )
    const { rows } = await api.pool.query('SELECT vlan_id FROM networks')
    expect(new Set(rows.map(({ vlan_id }) => vlan_id)).size).toBe(rows.length)
    for (const { body } of answers)
      if (body.network) await as('owner-member', 'DELETE', `/networks/${body.network.id}`)
  })

  it('that is gone leaves its VLAN in quarantine', async () => {
    const { id } = await neutron.network('lessee-member')
    const vlan = (await as('system-reader', 'GET', `/networks/${id}`)).body.network[
      'provider:segmentation_id'
    ]
    expect((await as('lessee-member', 'DELETE', `/networks/${id}`)).status).toBe(204)
    const again = { 'provider:segmentation_id': vlan, 'provider:physical_network': 'default' }
    const answer = await as('system-admin', 'POST', '/networks', { network: again })
    expect(errorOf(answer).slice(0, 2)).toEqual([409, 'VlanIdInUse'])
    const row = await api.db.selectFrom('vlans').selectAll().where('vlan', '=', vlan).executeTakeFirst()
    expect(row).toMatchObject({ state: 'leaving' })
  })

  it('is used by another project as long as it is shared with it, and not a moment less', async () => {
    const { id } = await neutron.network('owner-member', { name: 'shared' })
    expect((await as('lessee-member', 'GET', `/networks/${id}`)).status).toBe(404)
    const policy = await neutron.share('owner-member', id, api.projects.lessee)
    expect((await as('lessee-member', 'GET', `/networks/${id}`)).body.network.shared).toBe(false)
    expect((await as('stranger', 'GET', `/networks/${id}`)).status).toBe(404)
    // To use is not to have.
    for (const [method, body] of [
      ['PUT', { network: { name: 'mine' } }],
      ['DELETE', undefined],
    ] as const)
      expect((await as('lessee-admin', method, `/networks/${id}`, body)).status).toBe(403)
    expect((await as('lessee-admin', 'GET', `/rbac-policies?object_id=${id}`)).body.rbac_policies).toEqual([])
    const port = await neutron.port('lessee-member', id)
    expect(errorOf(await as('owner-member', 'DELETE', `/rbac-policies/${policy}`)).slice(0, 2)).toEqual([
      409,
      'RbacPolicyInUse',
    ])
    expect(errorOf(await as('owner-member', 'DELETE', `/networks/${id}`)).slice(0, 2)).toEqual([
      409,
      'NetworkInUse',
    ])
    expect((await as('lessee-member', 'DELETE', `/ports/${port.id}`)).status).toBe(204)
    expect((await as('owner-member', 'DELETE', `/rbac-policies/${policy}`)).status).toBe(204)
    expect((await as('lessee-member', 'GET', `/networks/${id}`)).status).toBe(404)
    expect((await as('owner-member', 'DELETE', `/networks/${id}`)).status).toBe(204)
  })

  it('shows its project the guests’ ports, to be removed and not to be changed; nobody else sees them', async () => {
    const { id } = await neutron.network('owner-member')
    const policy = await neutron.share('owner-member', id, api.projects.lessee)
    const fellow = await neutron.share('owner-member', id, api.projects.stranger)
    const [own, guest] = [await neutron.port('owner-member', id), await neutron.port('lessee-member', id)]
    // A guest in the same network is as much of a stranger as anybody.
    expect((await as('stranger', 'GET', `/networks/${id}`)).status).toBe(200)
    for (const method of ['GET', 'PUT', 'DELETE'] as const)
      for (const [who, port] of [
        ['stranger', guest],
        ['stranger', own],
        ['lessee-admin', own],
      ] as const) {
        const body = method === 'PUT' ? { port: { name: 'x' } } : undefined
        const real = await as(who, method, `/ports/${port.id}`, body)
        const none = await as(who, method, `/ports/${absent}`, body)
        expect([who, method, real.status]).toEqual([who, method, 404])
        expect(comparable(real, port.id, absent)).toEqual(comparable(none, port.id, absent))
      }
    for (const who of ['stranger', 'lessee-admin'] as const) {
      const { ports } = (await as(who, 'GET', `/ports?network_id=${id}`)).body
      expect([who, ports.map((each: { id: string }) => each.id)]).toEqual([
        who,
        who === 'stranger' ? [] : [guest.id],
      ])
    }
    const seen = (await as('owner-reader', 'GET', `/ports/${guest.id}`)).body.port
    expect(seen).toMatchObject({ id: guest.id, project_id: api.projects.lessee, network_id: id })
    expect(Object.keys(seen).filter((name) => /^binding:(host|profile|vif)/.test(name))).toEqual([])
    const { ports } = (await as('owner-reader', 'GET', `/ports?network_id=${id}`)).body
    expect(ports.map((each: { id: string }) => each.id)).toEqual([own.id, guest.id])
    expect((await as('owner-admin', 'PUT', `/ports/${guest.id}`, { port: { name: 'x' } })).status).toBe(403)
    expect((await as('owner-admin', 'PUT', `/ports/${guest.id}/tags`, { tags: ['x'] })).status).toBe(403)
    expect((await as('owner-reader', 'DELETE', `/ports/${guest.id}`)).status).toBe(403)
    expect((await as('owner-member', 'DELETE', `/ports/${guest.id}`)).status).toBe(204)
    expect((await as('lessee-member', 'GET', `/ports/${guest.id}`)).status).toBe(404)
    for (const share of [policy, fellow])
      expect((await as('owner-member', 'DELETE', `/rbac-policies/${share}`)).status).toBe(204)
    await as('owner-member', 'DELETE', `/ports/${own.id}`)
    expect((await as('owner-member', 'DELETE', `/networks/${id}`)).status).toBe(204)
  })

  it('stops being shared and gets a port at the same moment: one of the two is refused', async () => {
    for (let round = 0; round < 5; round++) {
      const { id } = await neutron.network('owner-member')
      const policy = await neutron.share('owner-member', id, api.projects.lessee)
      const [made, ended] = await Promise.all([
        as('lessee-member', 'POST', '/ports', { port: { network_id: id } }),
        as('owner-member', 'DELETE', `/rbac-policies/${policy}`),
      ])
      expect([
        [201, 409],
        [404, 204],
      ]).toContainEqual([made.status, ended.status])
      if (made.status === 201) await as('lessee-member', 'DELETE', `/ports/${made.body.port.id}`)
      expect((await as('owner-member', 'DELETE', `/networks/${id}`)).status).toBe(204)
    }
  })

  it('of the operator may be public, or external: that is seen, and not used', async () => {
    const open = await neutron.network('system-admin', { name: 'public', shared: true })
    const external = await neutron.network('system-admin', { name: 'uplink', 'router:external': true })
    for (const { id } of [open, external])
      expect((await as('stranger', 'GET', `/networks/${id}`)).status).toBe(200)
    const port = await neutron.port('stranger', open.id)
    expect((await as('stranger', 'POST', '/ports', { port: { network_id: external.id } })).status).toBe(404)
    const hidden = { network: { shared: false } }
    expect((await as('system-admin', 'PUT', `/networks/${open.id}`, hidden)).status).toBe(409)
    await as('stranger', 'DELETE', `/ports/${port.id}`)
    expect((await as('system-admin', 'PUT', `/networks/${open.id}`, hidden)).status).toBe(200)
    expect((await as('stranger', 'GET', `/networks/${open.id}`)).status).toBe(404)
  })
})

describe('ports and subnets', () => {
  it('are made, found by what they have, changed and removed', async () => {
    const { id } = await neutron.network('lessee-member', { name: 'n' })
    const subnet = { network_id: id, cidr: '10.1.0.0/24', ip_version: 4, gateway_ip: '10.1.0.1' }
    const made = (await as('lessee-member', 'POST', '/subnets', { subnet })).body.subnet
    expect(made).toMatchObject({ ...subnet, enable_dhcp: false, project_id: api.projects.lessee })
    expect((await as('lessee-member', 'GET', `/networks/${id}`)).body.network.subnets).toEqual([made.id])
    for (const wrong of [
      { cidr: '10.1.0.128/25' },
      { cidr: '10.2.0.1/24' },
      { cidr: '10.2.0.0/33' },
      { cidr: 'fd00::/64' },
      { cidr: '10.2.0.0/24', gateway_ip: 'fd00::1' },
    ])
      expect(
        (await as('lessee-member', 'POST', '/subnets', { subnet: { ...subnet, ...wrong } })).status,
      ).toBe(400)
    const port = await neutron.port('lessee-member', id, {
      name: 'p',
      mac_address: 'FA:16:3E:00:00:01',
      fixed_ips: [{ subnet_id: made.id, ip_address: '10.1.0.5' }],
      security_groups: [],
    })
    expect(port).toMatchObject({ mac_address: 'fa:16:3e:00:00:01', status: 'DOWN', security_groups: [] })
    const same = { port: { network_id: id, mac_address: 'fa:16:3e:00:00:01' } }
    expect(errorOf(await as('lessee-member', 'POST', '/ports', same))[1]).toBe('MacAddressInUse')
    const refused = { port: { network_id: id, security_groups: [absent] } }
    expect((await as('lessee-member', 'POST', '/ports', refused)).status).toBe(400)
    for (const query of [
      'name=p',
      'mac_address=FA:16:3e:00:00:01',
      'fixed_ips=ip_address%3D10.1.0.5',
      `network_id=${id}`,
      'device_id=',
      'name=x&name=p',
    ]) {
      const { body } = await as('lessee-reader', 'GET', `/ports?${query}&network_id=${id}`)
      expect([query, body.ports?.map((each: { id: string }) => each.id)]).toEqual([query, [port.id]])
    }
    expect((await as('lessee-reader', 'GET', '/ports?nonesuch=1')).status).toBe(400)
    expect((await as('lessee-reader', 'GET', `/ports?fields=id&network_id=${id}`)).body).toEqual({
      ports: [{ id: port.id }],
    })
    const put = await as('lessee-member', 'PUT', `/ports/${port.id}`, { port: { device_id: 'x', name: 'q' } })
    expect(put.body.port).toMatchObject({ device_id: 'x', name: 'q', revision_number: 1 })
    expect((await as('lessee-member', 'PUT', `/ports/${port.id}/tags`, { tags: ['a', 'b'] })).body).toEqual({
      tags: ['a', 'b'],
    })
    expect((await as('lessee-member', 'GET', '/ports?tags=a,b')).body.ports).toHaveLength(1)
    expect((await as('lessee-reader', 'DELETE', `/ports/${port.id}`)).status).toBe(403)
    expect((await as('lessee-member', 'DELETE', `/ports/${port.id}`)).status).toBe(204)
    expect((await as('lessee-member', 'DELETE', `/networks/${id}`)).status).toBe(204)
    expect((await as('lessee-member', 'GET', `/subnets/${made.id}`)).status).toBe(404)
  })

  it('are listed in pages, forth and back, each once', async () => {
    const { id } = await neutron.network('lessee-member')
    const names = ['e', 'b', 'd', 'a', 'c']
    for (const name of names) await neutron.port('lessee-member', id, { name })
    for (const [query, wanted] of [
      ['', names],
      ['&sort_key=name', [...names].sort()],
      ['&sort_key=name&sort_dir=desc', [...names].sort().reverse()],
    ] as const) {
      const seen: string[] = []
      let path: string | undefined = `/networking/v2.0/ports?limit=2&network_id=${id}${query}`
      let back: string | undefined
      while (path) {
        const { body } = await api.as('lessee-reader', 'GET', path, undefined, null)
        seen.push(...body.ports.map(({ name }: { name: string }) => name))
        const link = (rel: string) =>
          body.ports_links
            ?.find((each: { rel: string }) => each.rel === rel)
            ?.href.replace(/^http:\/\/[^/]+/, '')
        back ??= seen.length === 4 ? link('previous') : undefined
        path = link('next')
      }
      expect(seen).toEqual(wanted)
      const { body } = await api.as('lessee-reader', 'GET', back as string, undefined, null)
      expect(body.ports.map(({ name }: { name: string }) => name)).toEqual(wanted.slice(0, 2))
    }
  })

  it('never exceed their quota, however many are made at once', async () => {
    const { id } = await neutron.network('stranger')
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => as('stranger', 'POST', '/ports', { port: { network_id: id } })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]))
  })
})
