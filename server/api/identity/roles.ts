/** `/roles`. Keystone v3, "Roles". */
import {
  createRole,
  deleteRole,
  describeRole,
  getRole,
  listRoles,
  maxListed,
  type Role,
} from '../../access/index.ts'
import { listOf, type Route, requireAdmin, text } from './routes.ts'
import { type ChangedRole, changedRoleBody, type NewRole, newRoleBody } from './schemas.ts'

export const roleRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/roles',
    ok: 200,
    handler: async (call) => {
      // Roles are of no domain.
      const ofDomain = text(call.query.domain_id) !== undefined
      const roles = ofDomain ? [] : await listRoles(call.deps.db, { name: text(call.query.name) })
      return listOf(
        call,
        'roles',
        roles.map((role) => roleBody(call.base, role)),
        roles.length === maxListed,
      )
    },
  },
  {
    method: 'POST',
    path: '/roles',
    body: newRoleBody,
    ok: 201,
    handler: async (call) => {
      requireAdmin(call, 'create_role')
      const { name, description } = (call.body as { role: NewRole }).role
      const role = await createRole(call.deps.db, { name, description: description ?? '' })
      return { role: roleBody(call.base, role) }
    },
  },
  {
    method: 'GET',
    path: '/roles/:id',
    ok: 200,
    handler: async (call) => ({
      role: roleBody(call.base, await getRole(call.deps.db, call.params.id as string)),
    }),
  },
  {
    method: 'PATCH',
    path: '/roles/:id',
    body: changedRoleBody,
    ok: 200,
    handler: async (call) => {
      requireAdmin(call, 'update_role')
      const { description } = (call.body as { role: ChangedRole }).role
      return {
        role: roleBody(call.base, await describeRole(call.deps.db, call.params.id as string, description)),
      }
    },
  },
  {
    method: 'DELETE',
    path: '/roles/:id',
    ok: 204,
    handler: async (call) => {
      requireAdmin(call, 'delete_role')
      await deleteRole(call.deps.db, call.params.id as string)
    },
  },
]

export const roleBody = (base: string, role: Role) => ({
  id: role.id,
  name: role.name,
  domain_id: null,
  description: role.description,
  options: {},
  links: { self: `${base}/identity/v3/roles/${role.id}` },
})
