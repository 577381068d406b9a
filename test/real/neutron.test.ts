/**
 * `networking.provider: neutron` in a cloud: a real Keystone, a real Neutron, the unmodified `openstack` client, and
 * this service with a simulated Nexus on real sockets.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Nexus, startNexus } from '../../packages/switches/testing/nxos/simulator.ts'
import { until } from '../../server/networking/testing.ts'
import { endLaunched, launch, type Service } from '../../server/testing.ts'
import { type Clients, startClients } from './clients.ts'
import { type KeystoneServer, startKeystone } from './keystone-server.ts'
import { type NeutronServer, startNeutron } from './neutron-server.ts'

let keystone: KeystoneServer
let neutron: NeutronServer
let nexus: Nexus
let clients: Clients
let service: Service
let directory: string
/** Ids of projects. */
const projects: Record<string, string> = {}
const people = { physics: 'ann', chemistry: 'eve', service: 'ironic' }

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-neutron-test-'))
  ;[keystone, nexus, clients] = await Promise.all([startKeystone(), startNexus({ ports: 8 }), startClients()])
  await populate()
  neutron = await startNeutron({
    ...{ url: keystone.url, username: 'neutron', password: passwordOf('neutron'), project: 'service' },
  })
  await endpoint('network', neutron.url)
  const { network: cleaning } = await net('admin', 'POST', '/networks', {
    network: {
      ...{ name: 'cleaning', 'provider:network_type': 'vlan' },
      ...{ 'provider:physical_network': 'default', 'provider:segmentation_id': 199 },
    },
  })
  service = launch([
    ...['--data', join(directory, 'data'), '--listen', '127.0.0.1:0'],
    ...['--auth-strategy', 'keystone', '--keystone-url', keystone.url],
    ...['--keystone-username', 'ironic', '--keystone-password', passwordOf('ironic')],
    ...['--networking-provider', 'neutron', '--networking-cleaning-network', cleaning.id],
    ...['--networking-poll-seconds', '1', '--networking-switches-file', await switchesFile()],
  ])
  await endpoint('baremetal', await service.listening())
}, 180_000)
afterAll(async () => {
  await service?.end('SIGTERM')
  await endLaunched()
  await Promise.all([clients?.close(), nexus?.close(), neutron?.remove(), keystone?.remove()])
  await rm(directory, { recursive: true, force: true })
})

// biome-ignore lint/suspicious/noExplicitAny: what other programs print, read by the tests only
type Printed = any
type Caller = (line: string) => Promise<string>
const passwordOf = (user: string) => `${user}-password`

/** `openstack LINE` as somebody. @throws Error with its words when it fails. */
const caller =
  (username: string, password: string, scope: Record<string, string>): Caller =>
  async (line) => {
    const { code, stdout, stderr } = await clients.run('openstack', line, {
      OS_AUTH_URL: keystone.url,
      OS_USERNAME: username,
      OS_PASSWORD: password,
      OS_USER_DOMAIN_NAME: 'Default',
      OS_IDENTITY_API_VERSION: '3',
      ...scope,
    })
    if (code !== 0) throw new Error(`openstack ${line}: ${stderr || stdout}`)
    return stdout
  }
const inProject = (name: string) => ({ OS_PROJECT_NAME: name, OS_PROJECT_DOMAIN_NAME: 'Default' })
const lessee: Caller = (line) => caller('ann', passwordOf('ann'), inProject('physics'))(line)
const json = async (line: string): Promise<Printed> => JSON.parse(await lessee(`${line} -f json`))

/** Asks Keystone, or this service, as the administrator: the client takes seconds for each of this many. */
async function ask(method: string, url: string, body?: unknown, token = adminToken): Promise<Printed> {
  const response = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      'x-auth-token': token,
      'openstack-api-version': 'baremetal latest',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
let adminToken: string
async function login(name: string, password: string, scope: object): Promise<string> {
  const user = { name, domain: { id: 'default' }, password }
  const auth = { identity: { methods: ['password'], password: { user } }, scope }
  const response = await fetch(`${keystone.url}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth }),
  })
  const token = response.headers.get('x-subject-token')
  if (!token) throw new Error(`login of ${name}: ${response.status}`)
  return token
}
const project = (name: string) => ({ project: { name, domain: { id: 'default' } } })
const create = async (kind: string, fields: object): Promise<string> =>
  (await ask('POST', `${keystone.url}/${kind}s`, { [kind]: fields }))[kind].id
const endpoint = async (service: string, url: string): Promise<void> => {
  await create('endpoint', { service_id: services[service], interface: 'public', region_id: 'one', url })
}
/** Ids, by type. */
const services: Record<string, string> = {}
/** Grants of the service user: `admin` is taken from it, and given back. */
let ironicIs: (method: 'PUT' | 'DELETE', role: string) => Promise<void>

/** Projects, their people, and the services in the catalog. */
async function populate(): Promise<void> {
  adminToken = await login('admin', keystone.adminPassword, project('admin'))
  const roles: Record<string, string> = {}
  for (const { id, name } of (await ask('GET', `${keystone.url}/roles`)).roles) roles[name] = id
  const user = async (name: string, where: string, role: string) => {
    const id = await create('user', { name, domain_id: 'default', password: passwordOf(name) })
    const grant = (method: string, which: string) =>
      ask(method, `${keystone.url}/projects/${projects[where]}/users/${id}/roles/${roles[which]}`)
    await grant('PUT', role)
    return grant
  }
  for (const name of ['lab', ...Object.keys(people)])
    projects[name] = await create('project', { name, domain_id: 'default' })
  await user(people.physics, 'physics', 'manager')
  await user(people.chemistry, 'chemistry', 'member')
  await user('neutron', 'service', 'service')
  ironicIs = await user(people.service, 'service', 'admin')
  await ironicIs('PUT', 'service')
  await create('region', { id: 'one' })
  for (const type of ['network', 'baremetal']) services[type] = await create('service', { type, name: type })
}

async function switchesFile(): Promise<string> {
  const { address, port, username, password, trust } = nexus.nxapi()
  const file = join(directory, 'switches.yaml')
  const ports = Object.fromEntries(
    nexus.ports.slice(0, 5).map((name) => [name, { kind: 'node', owner: projects.lab }]),
  )
  const tor = {
    name: 'tor',
    driver: 'cisco-nxos-nxapi',
    address: `${address}:${port}`,
    quarantine_vlan: 999,
    credentials: { username, password },
    trust,
    ports,
  }
  const document = { vlan_pools: [{ name: 'neutron', ranges: '100-199' }], switches: [tor] }
  await writeFile(file, JSON.stringify(document))
  return file
}

/** This service, as the operator of all nodes. */
const nodes = async (method: string, path: string, body?: unknown) => {
  systemToken ??= await login('admin', keystone.adminPassword, { system: { all: true } })
  return ask(method, `${await service.listening()}/v1${path}`, body, systemToken)
}
let systemToken: string | undefined

let used = 0
/** An active node of project `lab`, lent to `physics`. */
async function machine() {
  const name = `node-${++used}`
  const port = nexus.ports[used - 1] as string
  const address = `52:54:00:00:00:0${used}`
  const { uuid } = await nodes('POST', '/nodes', {
    ...{ name, driver: 'fake-hardware', network_interface: 'switch' },
    ...{ owner: projects.lab, lessee: projects.physics },
  })
  const link = { switch_info: 'tor', switch_id: '00:00:00:00:00:01', port_id: port }
  await nodes('POST', '/ports', { node_uuid: uuid, address, local_link_connection: link })
  for (const [target, state] of [
    ['manage', 'manageable'],
    ['provide', 'available'],
    ['active', 'active'],
  ]) {
    await nodes('PUT', `/nodes/${uuid}/states/provision`, { target })
    await until(
      `${name} is ${state}`,
      async () => {
        const node = await nodes('GET', `/nodes/${uuid}`)
        if (/failed|error/.test(node.provision_state)) throw new Error(`${node.last_error}`)
        return node.provision_state === state && node.reservation === null
      },
      60_000,
    )
  }
  return { uuid: uuid as string, name, port, address }
}
type Person = 'ann' | 'eve'
const tokens: Record<string, string> = {}
const tokenOf = async (who: Person): Promise<string> => {
  tokens[who] ??= await login(who, passwordOf(who), project(who === 'ann' ? 'physics' : 'chemistry'))
  return tokens[who]
}
/** Neutron, asked by somebody. */
const net = async (who: Person | 'admin', method: string, path: string, body?: unknown) =>
  ask(method, `${neutron.url}/v2.0${path}`, body, who === 'admin' ? adminToken : await tokenOf(who))
/** This service, asked to attach or detach. */
const vifs = async (who: Person | 'operator', method: string, node: string, vif: string) => {
  const url = `${await service.listening()}/v1/nodes/${node}/vifs`
  return who === 'operator'
    ? nodes(method, `/nodes/${node}/vifs`, { id: vif })
    : method === 'POST'
      ? ask('POST', url, { id: vif }, await tokenOf(who))
      : ask('DELETE', `${url}/${vif}`, undefined, await tokenOf(who))
}
const portOf = async (id: string) => (await net('admin', 'GET', `/ports/${id}`)).port
/** Which VLAN a network is, is the operator's to know. */
const vlanOf = async (id: string): Promise<number> =>
  (await net('admin', 'GET', `/networks/${id}`)).network['provider:segmentation_id']
const network = async (who: Person) => {
  const { id } = (await net(who, 'POST', '/networks', { network: { name: 'data' } })).network
  return { id: id as string, vlan: await vlanOf(id) }
}
const newPort = async (who: Person, networkId: string): Promise<string> =>
  (await net(who, 'POST', '/ports', { port: { network_id: networkId } })).port.id
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    (answer) => {
      throw new Error(`was to fail, and says ${JSON.stringify(answer)}`)
    },
    (error: Error) => error.message,
  )
const untagged = (port: string) => nexus.seen(port).untagged
const isIn = (port: string, vlan: number | null) =>
  until(`${port} in VLAN ${vlan}, not ${untagged(port)}`, () => untagged(port) === vlan, 60_000)
const hasVlan = (vlan: number) =>
  nexus
    .config()
    .split('\n')
    .some((line) => line.trim() === `vlan ${vlan}`)
const becomesBound = (id: string, host: string) =>
  until(
    `${id} is bound to ${host || 'nothing'}`,
    async () => (await portOf(id))['binding:host_id'] === host,
    60_000,
  )

describe('a lessee with a network and a port of Neutron', () => {
  it('puts its machine into it, as the switch and Neutron both say, and takes it out', async () => {
    const node = await machine()
    // Its port was in the operator's network while it was cleaned.
    expect(nexus.lines).toContain('switchport access vlan 199')
    const data = await json('network create data')
    const vlan = await vlanOf(data.id)
    const nic = await json(`port create nic --network ${data.id}`)
    await lessee(`baremetal node vif attach ${node.uuid} ${nic.id}`)
    await isIn(node.port, vlan)
    expect(hasVlan(vlan)).toBe(true)
    await becomesBound(nic.id, node.uuid)
    const link = { switch_info: 'tor', switch_id: '00:00:00:00:00:01', port_id: node.port }
    expect(await portOf(nic.id)).toMatchObject({
      'binding:vnic_type': 'baremetal',
      'binding:profile': { local_link_information: [link] },
      mac_address: node.address,
    })
    expect((await json(`port show ${nic.id}`)).mac_address).toBe(node.address)
    expect(await lessee(`baremetal node vif list ${node.uuid} -f value`)).toContain(nic.id)
    await lessee(`baremetal node vif detach ${node.uuid} ${nic.id}`)
    await isIn(node.port, null)
    await becomesBound(nic.id, '')
    await until('it has an address of Neutron’s', async () =>
      (await portOf(nic.id)).mac_address.startsWith('fa:16:3e'),
    )
    expect((await portOf(nic.id))['binding:profile']).toEqual({})
    await until('the VLAN is off the switch', () => !hasVlan(vlan), 60_000)
    // The network and its port are the lessee's as ever.
    await net('ann', 'DELETE', `/ports/${nic.id}`)
    await net('ann', 'DELETE', `/networks/${data.id}`)
  }, 300_000)

  it('gets nothing of another tenant’s but what is shared with it', async () => {
    const node = await machine()
    const theirs = await network('eve')
    const their = await newPort('eve', theirs.id)
    const absent = '6ccd1e7a-0000-4000-8000-000000000000'
    for (const who of ['ann', 'operator'] as const)
      for (const id of [their, absent]) expect(await refusal(vifs(who, 'POST', node.uuid, id))).toMatch(`404`)
    expect((await portOf(their))['binding:host_id']).toBe('')
    const share = { object_type: 'network', object_id: theirs.id, action: 'access_as_shared' }
    const { rbac_policy: policy } = await net('eve', 'POST', '/rbac-policies', {
      rbac_policy: { ...share, target_tenant: projects.physics },
    })
    const mine = await newPort('ann', theirs.id)
    // A guest's port in its own network is not the other tenant's to use, nor is the machine.
    expect(await refusal(vifs('eve', 'POST', node.uuid, mine))).toMatch('404')
    await vifs('ann', 'POST', node.uuid, mine)
    await isIn(node.port, theirs.vlan)
    // Neutron does not end a share that a port depends on; it lets the network's owner remove the port.
    expect(await refusal(net('eve', 'DELETE', `/rbac-policies/${policy.id}`))).toMatch(/409/)
    await net('ann', 'DELETE', `/ports/${mine}`)
    await isIn(node.port, null)
    expect((await nodes('GET', `/nodes/${node.uuid}/vifs`)).vifs).toEqual([])
  }, 300_000)

  it('is out of it at once while Neutron is away, which is told when it is back', async () => {
    const node = await machine()
    const data = await network('ann')
    const nic = await newPort('ann', data.id)
    await vifs('ann', 'POST', node.uuid, nic)
    await isIn(node.port, data.vlan)
    await becomesBound(nic, node.uuid)
    await neutron.stop()
    await vifs('ann', 'DELETE', node.uuid, nic)
    await isIn(node.port, null)
    expect(await refusal(vifs('ann', 'POST', node.uuid, nic))).toMatch(/503.*Neutron does not answer/)
    await neutron.start()
    await becomesBound(nic, '')
    await vifs('ann', 'POST', node.uuid, nic)
    await isIn(node.port, data.vlan)
    await becomesBound(nic, node.uuid)
    // It is bound again when somebody unbinds it.
    await net('admin', 'PUT', `/ports/${nic}`, { port: { 'binding:host_id': '' } })
    await becomesBound(nic, node.uuid)
    // And stays where it is when Neutron hides everything from us, as we are no administrator any more.
    await ironicIs('PUT', 'member')
    await ironicIs('DELETE', 'admin')
    await ironicIs('DELETE', 'service')
    await new Promise((done) => setTimeout(done, 6000))
    expect(untagged(node.port)).toBe(data.vlan)
    await ironicIs('PUT', 'admin')
    await ironicIs('PUT', 'service')
    // A machine that changes hands has nothing left of it.
    await nodes('PATCH', `/nodes/${node.uuid}`, [{ op: 'remove', path: '/lessee' }])
    await isIn(node.port, null)
    await becomesBound(nic, '')
  }, 300_000)
})
