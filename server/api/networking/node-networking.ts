/** A node's networks as they are on the switches, and whether a caller may attach what it names. Leasehold's own. */
import { nodeTarget } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../inventory/index.ts'
import {
  bindingsOfNode,
  findNeutron,
  linksOfNode,
  type NeutronRow,
  type NodeBinding,
  type NodeLink,
  roleOfNode,
  type Visible,
  vifNotFound,
} from '../../networking/index.ts'
import { isoTime } from '../baremetal/fields.ts'
import { normalUuid } from '../baremetal/identifiers.ts'
import { nodeOfAnyName } from '../baremetal/node-access.ts'
import type { Call, Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'

export function nodeNetworkingRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes/:node/networking',
      summary: "Show what is wanted of a node's switch ports, and whether they are so (Leasehold’s own)",
      rules: ['baremetal:node:get', 'baremetal:node:vif:list'],
      ok: 200,
      handler: async (call) => {
        const node = await nodeOfAnyName(deps, call, call.params.node as string, 'baremetal:node:vif:list')
        const links = await linksOfNode(deps.db, node.uuid)
        const whole = deps.policy.allows('baremetal:node:get:last_error', call.caller, nodeTarget(node))
        return {
          node: node.uuid,
          interface: node.interfaces.network ?? null,
          role: await roleOfNode(deps.db, node.uuid),
          verified: links.every(({ verified, drift }) => verified && drift === null),
          links: links.map((link) => show(link, whole)),
          ...(deps.networking.upstream && {
            bindings: (await bindingsOfNode(deps.db, node.uuid)).map((each) => showBinding(each, whole)),
          }),
        }
      },
    },
  ]
}

/** What a switch says in its own words may name what is not the tenant's to know: it is shown with `last_error`. */
const show = (link: NodeLink, whole: boolean): Record<string, unknown> => ({
  port_uuid: link.port_uuid,
  switch: link.switch,
  switch_port: link.switch_port,
  wanted: withoutVlan(link.wanted),
  verified: link.verified,
  verified_at: isoTime(link.verified_at),
  error: link.error === null || whole ? link.error : 'the switch has not done it yet',
  drift: link.drift === null || whole ? link.drift : {},
})

const showBinding = ({ vif, written, error }: NodeBinding, whole: boolean): Record<string, unknown> => ({
  vif,
  written,
  error: error === null || whole ? error : 'Neutron has not taken it yet',
})

/** Which VLAN a network has is the operator's to know. */
const withoutVlan = (wanted: NodeLink['wanted']): Record<string, unknown> =>
  wanted.mode === 'idle'
    ? wanted
    : { ...wanted, vlan: undefined, tagged: wanted.tagged?.map(({ network }) => ({ network })) }

/**
 * Whether the caller may use the port or network that it wants to attach to a node with switched networks. Whether
 * the node's tenant may is judged where it is attached.
 * @throws LeaseholdError 'invalid', or 'not-found' of a Neutron; the same for what is absent and what is another's.
 */
export async function checkVifCaller(deps: ApiDeps, call: Call, node: Node, id: string): Promise<void> {
  if (node.interfaces.network !== 'switch') return
  const uuid = normalUuid(id)
  if (deps.networking.upstream) {
    if (uuid && (await seesUpstream(deps, call, uuid))) return
    throw vifNotFound(id)
  }
  if (uuid && (await finds(deps, call, uuid))) return
  throw new LeaseholdError(
    'invalid',
    `VIF ${id} could not be found: name a port, or a network, that the node's tenant may use.`,
  )
}

/** Neutron itself says what a caller sees. Not to who sees everybody's ports: it knows no tokens of the system. */
async function seesUpstream(deps: ApiDeps, call: Call, uuid: string): Promise<boolean> {
  if (deps.policy.allows('leasehold:network_port:list_all', call.caller)) return true
  const token = call.request.headers['x-auth-token']
  if (typeof token !== 'string' || !deps.policy.allows('leasehold:network_port:list', call.caller))
    return false
  const projectId = await deps.networking.upstream?.projectOf(token, uuid)
  return projectId !== undefined && projectId !== null && projectId === call.caller.projectId
}

async function finds(deps: ApiDeps, call: Call, uuid: string): Promise<boolean> {
  const seen = (kind: 'network' | 'network_port'): Visible | undefined => {
    if (deps.policy.allows(`leasehold:${kind}:list_all`, call.caller)) return { kind: 'all' }
    const { projectId } = call.caller
    return projectId === null || !deps.policy.allows(`leasehold:${kind}:list`, call.caller)
      ? undefined
      : { kind: 'project', projectId }
  }
  const [ports, networks] = [seen('network_port'), seen('network')]
  return (
    (ports !== undefined && isUsable(ports, await findNeutron(deps.db, 'ports', ports, uuid))) ||
    (networks !== undefined && (await findNeutron(deps.db, 'networks', networks, uuid)) !== undefined)
  )
}

/** A guest's port in one's own network is seen, and not one's own to use. */
const isUsable = (visible: Visible, port: NeutronRow | undefined): boolean =>
  port !== undefined && (visible.kind === 'all' || port.project_id === visible.projectId)
