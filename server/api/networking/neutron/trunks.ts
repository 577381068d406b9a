/** Trunks of ports: one network untagged, the others tagged with the VLAN that each has. */
import { type Static, Type } from 'typebox'
import {
  addSubports,
  changeTrunk,
  deleteTrunk,
  findEachNeutron,
  insertTrunk,
  type NeutronRow,
  removeSubports,
} from '../../../networking/index.ts'
import { normalUuid } from '../../baremetal/identifiers.ts'
import { port, trunk as resource } from './resources.ts'
import {
  answer,
  type Call,
  invalid,
  notFound,
  ownRowFor,
  type Route,
  requireRule,
  rowFor,
  show,
  visible,
} from './routes.ts'
import { description, name, optional, project, uuid } from './schemas.ts'

const subport = Type.Object(
  {
    port_id: uuid,
    segmentation_type: optional(Type.String({ maxLength: 32 })),
    segmentation_id: optional(Type.Unknown()),
  },
  { additionalProperties: false },
)
const subports = Type.Array(subport, { maxItems: 256 })
type Subport = Static<typeof subport>
const fields = {
  name: optional(name),
  description: optional(description),
  admin_state_up: optional(Type.Boolean()),
}
const body = Type.Object(
  { ...fields, ...project, port_id: uuid, sub_ports: optional(subports) },
  { additionalProperties: false },
)
const change = Type.Object(fields, { additionalProperties: false })
const wrapped = <T extends typeof body | typeof change>(inner: T) =>
  Type.Object({ trunk: inner }, { additionalProperties: false })
const listed = Type.Object({ sub_ports: subports }, { additionalProperties: false })

export const trunkRoutes: readonly Route[] = [
  { method: 'POST', path: '/trunks', body: wrapped(body), ok: 201, handler: create },
  {
    method: 'PUT',
    path: '/trunks/:id',
    body: wrapped(change),
    ok: 200,
    handler: async (call) => {
      const row = await own(call)
      await changeTrunk(call.deps.db, row.id, (call.body as { trunk: Static<typeof change> }).trunk)
      return answer(call, resource, row.id)
    },
  },
  {
    method: 'DELETE',
    path: '/trunks/:id',
    ok: 204,
    handler: async (call) => deleteTrunk(call.deps.db, (await own(call)).id),
  },
  {
    method: 'GET',
    path: '/trunks/:id/get_subports',
    ok: 200,
    handler: async (call) => ({
      sub_ports: (await rowFor(call, resource, call.params.id as string)).sub_ports,
    }),
  },
  {
    method: 'PUT',
    path: '/trunks/:id/add_subports',
    body: listed,
    ok: 200,
    handler: async (call) => {
      const row = await own(call)
      const given = (call.body as Static<typeof listed>).sub_ports
      await addSubports(call.deps.db, row.id, await subportsOf(call, given))
      return bare(call, row.id)
    },
  },
  {
    method: 'PUT',
    path: '/trunks/:id/remove_subports',
    body: listed,
    ok: 200,
    handler: async (call) => {
      const row = await own(call)
      const given = (call.body as Static<typeof listed>).sub_ports
      await removeSubports(call.deps.db, row.id, await portsOf(call, given))
      return bare(call, row.id)
    },
  },
]

const own = (call: Call): Promise<NeutronRow> => ownRowFor(call, resource, 'leasehold:network_port:update')

/** As Neutron has it for these two: without the name around it. */
const bare = async (call: Call, id: string) => show(call, resource, await rowFor(call, resource, id))

async function create(call: Call): Promise<unknown> {
  requireRule(call, 'leasehold:network_port:create')
  const given = (call.body as { trunk: Static<typeof body> }).trunk
  const parent = await portFor(call, given.port_id)
  const asked = given.project_id ?? given.tenant_id
  if (asked !== undefined && asked !== null && asked !== '' && asked !== parent.project_id)
    throw invalid('project_id: a trunk is of the project of its parent port.')
  const id = await insertTrunk(
    call.deps.db,
    {
      ...(given.name === undefined ? {} : { name: given.name }),
      ...(given.description === undefined ? {} : { description: given.description }),
      ...(given.admin_state_up === undefined ? {} : { admin_state_up: given.admin_state_up }),
      project_id: parent.project_id,
      port_uuid: parent.id,
    },
    await subportsOf(call, given.sub_ports ?? []),
  )
  return answer(call, resource, id)
}

/** A port that the caller may change. One that is seen and may not be changed is forbidden, not absent. */
async function portFor(call: Call, id: string): Promise<NeutronRow> {
  const row = await rowFor(call, port, id)
  requireRule(call, 'leasehold:network_port:update', row)
  return row
}

/** What is to be tagged. A VLAN is never translated into another one, so there is nothing to choose. */
function subportsOf(call: Call, given: readonly Subport[]): Promise<string[]> {
  for (const { port_id: id, segmentation_type: type, segmentation_id: vlan } of given) {
    if (type !== 'inherit')
      throw invalid(
        `sub_ports: port ${id} has segmentation_type ${JSON.stringify(type) ?? 'not given'}; it must be "inherit": frames are tagged with the VLAN of the port’s network.`,
      )
    if (vlan !== undefined && vlan !== null)
      throw invalid(`sub_ports: port ${id} must have no segmentation_id: it is that of the port’s network.`)
  }
  return portsOf(call, given)
}

async function portsOf(call: Call, given: readonly Subport[]): Promise<string[]> {
  const ids = given.map(({ port_id }) => normalUuid(port_id) as string)
  if (new Set(ids).size < ids.length) throw invalid('sub_ports: a port is named twice.')
  const rows = await findEachNeutron(call.deps.db, port.collection, visible(call, port), ids)
  for (const id of ids) {
    const row = rows.find((each) => each.id === id)
    if (!row) throw notFound(port, id)
    requireRule(call, 'leasehold:network_port:update', row)
  }
  return ids
}
