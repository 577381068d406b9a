/** The demonstration's switch: a tenant's machine is really put into the tenant's network on it, over NX-API. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestApi, testApi } from './api/testing.ts'
import { type Demo, startDemo } from './demo.ts'
import { until } from './networking/testing.ts'

let api: TestApi
let demo: Demo
const port = 'Ethernet1/5'
const start = () => startDemo({ ...api.deps, passwordOf: async () => 'correct horse' })

beforeAll(async () => {
  api = await testApi({ 'networking.retry_ms': 20 })
  demo = await start()
  await api.deps.networking.start()
})
afterAll(async () => {
  await api.close()
  await demo.close()
})

const done = async (...request: Parameters<TestApi['as']>) => {
  const { status, body, text } = await api.as(...request)
  if (status >= 400) throw new Error(`${request[1]} ${request[2]}: ${status} ${text}`)
  return body
}
const links = async (node: string) =>
  (await done('owner-admin', 'GET', `/v1/nodes/${node}/networking`)).links as Record<string, unknown>[]
const inNetwork = () => {
  const config = demo.labSwitch.config()
  const vlan = demo.labSwitch.seen(port).untagged
  return vlan !== null && vlan >= 100 && vlan <= 199 && new RegExp(`^vlan ${vlan}$`, 'm').test(config)
}
const verified = (node: string) =>
  until(`${node} is verified`, async () => (await links(node))[0]?.verified === true)

it('has machine-5 in its owner’s network, and again when the switch has come back from the factory', async () => {
  const { network } = await done(
    'owner-admin',
    'POST',
    '/networking/v2.0/networks',
    { network: { name: 'data' } },
    null,
  )
  await done('owner-admin', 'POST', '/v1/nodes/machine-5/vifs', { id: network.id })
  await verified('machine-5')
  expect(inNetwork()).toBe(false)
  await done('owner-admin', 'PUT', '/v1/nodes/machine-5/states/provision', { target: 'active' })
  await api.settled('machine-5', 'active')
  await verified('machine-5')
  expect(inNetwork()).toBe(true)

  await api.deps.networking.stop()
  await demo.close()
  demo = await start()
  expect(await links('machine-5')).toEqual([expect.objectContaining({ verified: false })])
  expect(inNetwork()).toBe(false)
  await api.deps.networking.start()
  await verified('machine-5')
  expect(inNetwork()).toBe(true)

  // As a service that is killed does it: nobody has taken leave of the switch.
  await demo.close()
  demo = await start()
  await verified('machine-5')
  expect(inNetwork()).toBe(true)
}, 60_000)

it('has no other machine on the switch, and lets only the owner’s machines have the owner’s ports', async () => {
  const { nodes } = await done('system-admin', 'GET', '/v1/nodes?fields=name,network_interface')
  const plugged = nodes.filter((node: Record<string, string>) => node.network_interface === 'switch')
  expect(plugged.map(({ name }: { name: string }) => name).sort()).toEqual(['machine-5', 'machine-6'])
  const { ports } = await done('system-admin', 'GET', '/v1/switches/lab-switch/ports')
  expect(ports.map(({ owner }: { owner: string | null }) => owner)).toEqual([
    ...Array(6).fill(api.projects.owner),
    ...Array(6).fill(null),
  ])
})

it('leaves what its operator has changed, but for where the switch is', async () => {
  await done('system-admin', 'PUT', '/v1/switches/lab-switch/ports/Ethernet1%2F7', { kind: 'protected' })
  await done('system-admin', 'PATCH', '/v1/vlan_pools/tenants', [
    { op: 'replace', path: '/ranges', value: '100-120' },
  ])
  const before = await done('system-admin', 'GET', '/v1/switches/lab-switch')
  await demo.close()
  demo = await start()
  const after = await done('system-admin', 'GET', '/v1/switches/lab-switch')
  expect(after.uuid).toBe(before.uuid)
  expect(after.address).not.toBe(before.address)
  const { ports } = await done('system-admin', 'GET', '/v1/switches/lab-switch/ports')
  expect(ports).toHaveLength(12)
  expect(ports.find(({ name }: { name: string }) => name === 'Ethernet1/7').kind).toBe('protected')
  expect((await done('system-admin', 'GET', '/v1/vlan_pools')).vlan_pools).toEqual([
    expect.objectContaining({ name: 'tenants', ranges: '100-120' }),
  ])
})
