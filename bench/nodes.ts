/** The nodes that measurements are made with: all are made alike, named so that they are found again, and deleted. */
import type { Client } from './client.ts'
import { forEach } from './load.ts'

/** Every node of a measurement is named so; whatever else an endpoint holds is left alone. */
export const namePrefix = 'leasehold-bench-'
const seedPrefix = `${namePrefix}seed-`
const owners = 100
const callersAtOnce = 8

interface Listed {
  uuid: string
  name: string | null
}

/** A project id of 32 characters: nodes are spread evenly over 100 of them. */
export const ownerOf = (index: number): string => `project${String(index % owners).padStart(25, '0')}`

/** The body of a POST of one node: the same to every endpoint. */
export const nodeBody = (name: string, index: number, resourceClass = 'baremetal') => ({
  name,
  driver: 'fake-hardware',
  owner: ownerOf(index),
  resource_class: resourceClass,
  driver_info: { address: `192.0.2.${index % 256}`, username: 'operator', password: 'not shown' },
  properties: {
    cpu_arch: 'x86_64',
    cpus: 64,
    memory_mb: 524288,
    local_gb: 1788,
    capabilities: 'boot_mode:uefi,secure_boot:true',
  },
  extra: { hall: index % 4, rack: `rack-${index % 50}`, unit: index % 42, serial: `SN${1_000_000 + index}` },
})

/** Sees to it that so many seed nodes are there. @returns their UUIDs */
export async function seed(client: Client, count: number): Promise<string[]> {
  const present = (await listAll(client)).filter((node) => node.name?.startsWith(seedPrefix))
  const names = new Set(present.map((node) => node.name))
  const missing = Array.from({ length: count }, (_, index) => index).filter(
    (index) => !names.has(`${seedPrefix}${index}`),
  )
  const made: string[] = []
  await forEach(missing, callersAtOnce, async (index) => {
    const node = await client.json<Listed>('POST', '/v1/nodes', nodeBody(`${seedPrefix}${index}`, index))
    made.push(node.uuid)
  })
  return [...present.map((node) => node.uuid), ...made]
}

/** Deletes every node whose name begins so. */
export async function deleteNodes(client: Client, prefix: string): Promise<void> {
  const doomed = (await listAll(client)).filter((node) => node.name?.startsWith(prefix))
  await forEach(doomed, callersAtOnce, (node) => client.send('DELETE', `/v1/nodes/${node.uuid}`))
}

/** Every node's UUID and name, following the links to next pages. */
async function listAll(client: Client): Promise<Listed[]> {
  const nodes: Listed[] = []
  let path: string | undefined = '/v1/nodes?limit=1000&fields=uuid,name'
  while (path !== undefined) {
    const page: { nodes: Listed[]; next?: string } = await client.json('GET', path)
    nodes.push(...page.nodes)
    const next: URL | undefined = page.next === undefined ? undefined : new URL(page.next)
    path = next && next.pathname + next.search
  }
  return nodes
}
