/** Subnets: addresses of a network, kept as data for whoever configures the machines. Nothing here serves DHCP. */
import { isIP } from 'node:net'
import { type Static, Type } from 'typebox'
import { changeSubnet, deleteSubnet, insertSubnet } from '../../../networking/index.ts'
import { network, subnet as resource } from './resources.ts'
import { answer, type Call, invalid, ownRowFor, type Route, requireRule, rowFor } from './routes.ts'
import { description, name, nullable, number, optional, project, uuid } from './schemas.ts'

const ip = Type.String({ maxLength: 45, pattern: '^[0-9a-fA-F.:]+$' })
const cidr = Type.String({ maxLength: 49, pattern: '^[0-9a-fA-F.:]+/[0-9]{1,3}$' })
const fields = {
  name: optional(name),
  description: optional(description),
  gateway_ip: optional(nullable(ip)),
  enable_dhcp: optional(Type.Boolean()),
  allocation_pools: optional(
    Type.Array(Type.Object({ start: ip, end: ip }, { additionalProperties: false }), { maxItems: 64 }),
  ),
  dns_nameservers: optional(Type.Array(ip, { maxItems: 16 })),
  host_routes: optional(
    Type.Array(Type.Object({ destination: cidr, nexthop: ip }, { additionalProperties: false }), {
      maxItems: 64,
    }),
  ),
}
const body = Type.Object(
  {
    ...fields,
    ...project,
    network_id: uuid,
    cidr,
    ip_version: optional(number(4, 6)),
  },
  { additionalProperties: false },
)
type NewSubnet = Static<typeof body>
type ChangedSubnet = Omit<NewSubnet, 'network_id' | 'cidr'>

export const subnetRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/subnets',
    body: Type.Object({ subnet: body }, { additionalProperties: false }),
    ok: 201,
    handler: create,
  },
  {
    method: 'PUT',
    path: '/subnets/:id',
    body: Type.Object(
      { subnet: Type.Object(fields, { additionalProperties: false }) },
      { additionalProperties: false },
    ),
    ok: 200,
    handler: async (call) => {
      const row = await ownRowFor(call, resource, 'leasehold:network:update')
      const given = (call.body as { subnet: ChangedSubnet }).subnet
      checkAddresses(given, row.ip_version as number)
      await changeSubnet(call.deps.db, row.id, columnsOf(given))
      return answer(call, resource, row.id)
    },
  },
  {
    method: 'DELETE',
    path: '/subnets/:id',
    ok: 204,
    handler: async (call) => {
      const row = await ownRowFor(call, resource, 'leasehold:network:update')
      await deleteSubnet(call.deps.db, row.id)
    },
  },
]

async function create(call: Call): Promise<unknown> {
  const given = (call.body as { subnet: NewSubnet }).subnet
  const of = await rowFor(call, network, given.network_id)
  requireRule(call, 'leasehold:network:update', of)
  const version = isIP(given.cidr.split('/')[0] ?? '')
  if (version === 0 || Number(given.ip_version ?? version) !== version)
    throw invalid(
      `Invalid input for cidr. Reason: '${given.cidr}' is not a valid IPv${given.ip_version ?? 4} subnet.`,
    )
  checkAddresses(given, version)
  const id = await insertSubnet(call.deps.db, {
    ...columnsOf(given),
    network_uuid: of.id,
    project_id: of.project_id,
    cidr: given.cidr,
  })
  return answer(call, resource, id)
}

function checkAddresses(given: ChangedSubnet, version: number): void {
  const addresses = [
    ...(given.gateway_ip ? [given.gateway_ip] : []),
    ...(given.allocation_pools ?? []).flatMap(({ start, end }) => [start, end]),
    ...(given.host_routes ?? []).map(({ nexthop }) => nexthop),
  ]
  const wrong = addresses.find((address) => isIP(address) !== version)
  if (wrong !== undefined) throw invalid(`'${wrong}' is not a valid IPv${version} address.`)
  const server = given.dns_nameservers?.find((address) => isIP(address) === 0)
  if (server !== undefined) throw invalid(`'${server}' is not a valid IP address.`)
}

const columnsOf = (given: ChangedSubnet) => ({
  ...(given.name === undefined ? {} : { name: given.name }),
  ...(given.description === undefined ? {} : { description: given.description }),
  ...(given.gateway_ip === undefined ? {} : { gateway_ip: given.gateway_ip }),
  ...(given.enable_dhcp === undefined ? {} : { enable_dhcp: given.enable_dhcp }),
  ...(given.allocation_pools === undefined
    ? {}
    : { allocation_pools: JSON.stringify(given.allocation_pools) }),
  ...(given.dns_nameservers === undefined ? {} : { dns_nameservers: given.dns_nameservers }),
  ...(given.host_routes === undefined ? {} : { host_routes: JSON.stringify(given.host_routes) }),
})
