/** Networks: a VLAN of a pool, which its project, those it is shared with, and everybody if it is public may use. */
import { type Static, Type } from 'typebox'
import {
  changeNetwork,
  deleteNetwork,
  insertNetwork,
  NeutronError,
  type NeutronRow,
} from '../../../networking/index.ts'
import { network as resource } from './resources.ts'
import { allows, answer, type Call, ownRowFor, projectOf, type Route, requireRule } from './routes.ts'
import { description, ignored, name, nullable, number, optional, project, readNumber } from './schemas.ts'

const mtuBounds = [576, 16_000] as const
const vlanBounds = [1, 4094] as const
const fields = {
  name: optional(name),
  description: optional(description),
  admin_state_up: optional(Type.Boolean()),
  shared: optional(Type.Boolean()),
  'router:external': optional(Type.Boolean()),
  mtu: optional(number(...mtuBounds)),
  ...ignored,
}
const body = Type.Object(
  {
    ...fields,
    ...project,
    'provider:network_type': optional(nullable(Type.Literal('vlan'))),
    'provider:physical_network': optional(nullable(Type.String({ minLength: 1, maxLength: 64 }))),
    'provider:segmentation_id': optional(nullable(number(...vlanBounds))),
  },
  { additionalProperties: false },
)
type NetworkBody = Static<typeof body>

export const networkRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/networks',
    body: Type.Object({ network: body }, { additionalProperties: false }),
    ok: 201,
    handler: create,
  },
  {
    method: 'PUT',
    path: '/networks/:id',
    body: Type.Object(
      { network: Type.Object(fields, { additionalProperties: false }) },
      { additionalProperties: false },
    ),
    ok: 200,
    handler: update,
  },
  {
    method: 'DELETE',
    path: '/networks/:id',
    ok: 204,
    handler: async (call) => {
      const row = await ownRowFor(call, resource, 'leasehold:network:delete')
      await deleteNetwork(call.deps.db, row.id)
    },
  },
]

async function create(call: Call): Promise<unknown> {
  requireRule(call, 'leasehold:network:create')
  const given = (call.body as { network: NetworkBody }).network
  const vlan = readNumber('provider:segmentation_id', given['provider:segmentation_id'], ...vlanBounds)
  const physicalNetwork = given['provider:physical_network'] ?? undefined
  const restricted = ['shared', 'router:external'] as const
  if (vlan !== undefined || physicalNetwork !== undefined || given['provider:network_type'])
    requireRule(call, 'leasehold:network:create_restricted')
  if (restricted.some((each) => given[each])) requireRule(call, 'leasehold:network:create_restricted')
  const id = await insertNetwork(
    call.deps.db,
    {
      ...columnsOf(given),
      project_id: projectOf(call, given, 'leasehold:network:create_restricted'),
      shared: given.shared ?? false,
      external: given['router:external'] ?? false,
      physicalNetwork,
      vlan,
    },
    call.deps.config['networking.quota_networks'],
  )
  return answer(call, resource, id)
}

async function update(call: Call): Promise<unknown> {
  const row = await ownRowFor(call, resource, 'leasehold:network:update')
  const given = (call.body as { network: NetworkBody }).network
  requirePublic(call, row, given)
  await changeNetwork(call.deps.db, row.id, {
    ...columnsOf(given),
    ...(given.shared === undefined ? {} : { shared: given.shared }),
    ...(given['router:external'] === undefined ? {} : { external: given['router:external'] }),
  })
  return answer(call, resource, row.id)
}

/** What is public, or stops being so, is the operator's to say. */
function requirePublic(call: Call, row: NeutronRow, given: NetworkBody): void {
  for (const each of ['shared', 'router:external'] as const)
    if (given[each] !== undefined && given[each] !== row[each])
      if (!allows(call, 'leasehold:network:create_restricted'))
        throw new NeutronError(
          'forbidden',
          'PolicyNotAuthorized',
          'leasehold:network:create_restricted is disallowed by policy',
        )
}

const columnsOf = ({ name, description, admin_state_up, mtu }: NetworkBody) => ({
  ...(mtu === undefined ? {} : { mtu: readNumber('mtu', mtu, ...mtuBounds) as number }),
  ...(name === undefined ? {} : { name }),
  ...(description === undefined ? {} : { description }),
  ...(admin_state_up === undefined ? {} : { admin_state_up }),
})
