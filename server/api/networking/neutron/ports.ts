/** Ports of networks: what is attached to a node as a VIF. */
import { type Static, Type } from 'typebox'
import { changePort, deletePort, deletePortOffTrunks, insertPort } from '../../../networking/index.ts'
import { normalMac, normalUuid } from '../../baremetal/identifiers.ts'
import { denied } from './errors.ts'
import { network, port as resource } from './resources.ts'
import {
  allows,
  answer,
  type Call,
  invalid,
  ownRowFor,
  projectOf,
  type Route,
  requireRule,
  rowFor,
} from './routes.ts'
import { description, name, nullable, optional, project, uuid } from './schemas.ts'

const nothing = Type.Array(Type.Unknown(), { maxItems: 0 })
const fields = {
  name: optional(name),
  description: optional(description),
  admin_state_up: optional(Type.Boolean()),
  mac_address: optional(Type.String({ maxLength: 32 })),
  fixed_ips: optional(
    Type.Array(
      Type.Object(
        {
          subnet_id: optional(uuid),
          ip_address: Type.String({ maxLength: 45, pattern: '^[0-9a-fA-F.:]+$' }),
        },
        { additionalProperties: false },
      ),
      { maxItems: 16 },
    ),
  ),
  device_id: optional(Type.String({ maxLength: 255 })),
  device_owner: optional(Type.String({ maxLength: 255 })),
  'binding:host_id': optional(nullable(Type.String({ maxLength: 255 }))),
  'binding:vnic_type': optional(Type.Union([Type.Literal('normal'), Type.Literal('baremetal')])),
  'binding:profile': optional(nullable(Type.Record(Type.String({ maxLength: 255 }), Type.Unknown()))),
  // There is no filter between a machine and its switch port: rules that would be promised could not be kept.
  security_groups: optional(nothing),
  allowed_address_pairs: optional(nothing),
  extra_dhcp_opts: optional(nothing),
  port_security_enabled: optional(Type.Boolean()),
}
const body = Type.Object({ ...fields, ...project, network_id: uuid }, { additionalProperties: false })
type NewPort = Static<typeof body>
type ChangedPort = Omit<NewPort, 'network_id'>

export const portRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/ports',
    body: Type.Object({ port: body }, { additionalProperties: false }),
    ok: 201,
    handler: create,
  },
  {
    method: 'PUT',
    path: '/ports/:id',
    body: Type.Object(
      { port: Type.Object(fields, { additionalProperties: false }) },
      { additionalProperties: false },
    ),
    ok: 200,
    handler: update,
  },
  {
    method: 'DELETE',
    path: '/ports/:id',
    ok: 204,
    handler: async (call) => {
      const row = await rowFor(call, resource, call.params.id as string)
      const mine = allows(call, 'leasehold:network_port:delete', row)
      const networkOwner = { project_id: row.network_project as string | null }
      // As in Neutron: a network's project puts guests out of it, or it could never take back what it has shared.
      if (!mine && !allows(call, 'leasehold:network_port:delete', networkOwner))
        throw denied('leasehold:network_port:delete')
      // They need not take it off a trunk first, which they do not see.
      await (mine ? deletePortOffTrunks : deletePort)(call.deps.db, row.id)
    },
  },
]

async function create(call: Call): Promise<unknown> {
  requireRule(call, 'leasehold:network_port:create')
  const given = (call.body as { port: NewPort }).port
  checkBinding(call, given)
  const { id: networkId } = await rowFor(call, network, given.network_id)
  const id = await insertPort(
    call.deps.db,
    {
      ...columnsOf(given),
      network_uuid: networkId,
      project_id: projectOf(call, given, 'leasehold:network_port:create_restricted'),
      mac_address: macOf(given),
    },
    call.deps.config['networking.quota_ports'],
  )
  return answer(call, resource, id)
}

async function update(call: Call): Promise<unknown> {
  const row = await ownRowFor(call, resource, 'leasehold:network_port:update')
  const given = (call.body as { port: ChangedPort }).port
  checkBinding(call, given)
  const mac = macOf(given)
  await changePort(call.deps.db, row.id, { ...columnsOf(given), ...(mac ? { mac_address: mac } : {}) })
  return answer(call, resource, row.id)
}

/** Where a port is bound says this service, when it is attached; a service of the cloud may, too. */
function checkBinding(call: Call, given: ChangedPort): void {
  if (given['binding:host_id'] !== undefined || given['binding:profile'] !== undefined)
    requireRule(call, 'leasehold:network_port:create_restricted')
}

function macOf({ mac_address: given }: ChangedPort): string | undefined {
  if (given === undefined) return undefined
  const mac = normalMac(given)
  if (!mac) throw invalid(`Invalid input for mac_address. Reason: '${given}' is not a valid MAC address.`)
  return mac
}

const columnsOf = (given: ChangedPort) => ({
  ...(given.name === undefined ? {} : { name: given.name }),
  ...(given.description === undefined ? {} : { description: given.description }),
  ...(given.admin_state_up === undefined ? {} : { admin_state_up: given.admin_state_up }),
  ...(given.device_id === undefined ? {} : { device_id: given.device_id }),
  ...(given.device_owner === undefined ? {} : { device_owner: given.device_owner }),
  ...(given.fixed_ips === undefined
    ? {}
    : {
        fixed_ips: JSON.stringify(
          given.fixed_ips.map(({ subnet_id, ip_address }) => ({
            ...(subnet_id === undefined ? {} : { subnet_id: normalUuid(subnet_id) }),
            ip_address,
          })),
        ),
      }),
  ...(given['binding:host_id'] === undefined ? {} : { binding_host_id: given['binding:host_id'] ?? '' }),
  ...(given['binding:vnic_type'] === undefined ? {} : { binding_vnic_type: given['binding:vnic_type'] }),
  ...(given['binding:profile'] === undefined
    ? {}
    : { binding_profile: JSON.stringify(given['binding:profile'] ?? {}) }),
})
