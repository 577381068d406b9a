/** Sharing networks: RBAC policies, as Neutron calls them. */
import { type Static, Type } from 'typebox'
import { deleteShare, insertShare } from '../../../networking/index.ts'
import { network, rbacPolicy as resource } from './resources.ts'
import { answer, type Call, invalid, notFound, type Route, requireRule, rowFor } from './routes.ts'
import { optional, project, projectId, uuid } from './schemas.ts'

const body = Type.Object(
  {
    ...project,
    object_type: Type.Literal('network'),
    object_id: uuid,
    action: Type.Union([Type.Literal('access_as_shared'), Type.Literal('access_as_external')]),
    target_tenant: optional(projectId),
    target_project_id: optional(projectId),
  },
  { additionalProperties: false },
)

export const rbacRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/rbac-policies',
    body: Type.Object({ rbac_policy: body }, { additionalProperties: false }),
    ok: 201,
    handler: create,
  },
  {
    method: 'DELETE',
    path: '/rbac-policies/:id',
    ok: 204,
    handler: async (call) => {
      const row = await rowFor(call, resource, call.params.id as string)
      requireRule(call, 'leasehold:network:share', { project_id: row.network_project as string | null })
      requirePublic(call, String(row.target_tenant), String(row.action))
      await deleteShare(call.deps.db, String(row.object_id), row.id)
    },
  },
]

async function create(call: Call): Promise<unknown> {
  const given = (call.body as { rbac_policy: Static<typeof body> }).rbac_policy
  const target = given.target_project_id ?? given.target_tenant
  if (target === undefined) throw invalid('target_tenant: say with which project.')
  const of = await rowFor(call, network, given.object_id)
  // Who merely uses a network learns nothing of what else there is to it.
  if (!call.deps.policy.allows('leasehold:network:share', call.caller, { 'network.project': of.project_id }))
    throw notFound(network, given.object_id)
  requirePublic(call, target, given.action)
  const id = await insertShare(call.deps.db, {
    network: of.id,
    projectId: of.project_id,
    target,
    action: given.action,
  })
  return answer(call, resource, id)
}

function requirePublic(call: Call, target: string, action: string): void {
  if (target === '*' || action === 'access_as_external')
    requireRule(call, 'leasehold:network:create_restricted')
}
