/** Who has which role where: grants on projects and on the system, and the list of all. Keystone v3, "Roles". */
import {
  assignRole,
  domain,
  expandRoles,
  getProject,
  getRole,
  getUser,
  listAssignments,
  listRoles,
  maxListed,
  type NamedAssignment,
  notFound,
  unassignRole,
} from '../../access/index.ts'
import { roleBody } from './roles.ts'
import { type Call, listOf, type Route, requireAdmin, text, truth } from './routes.ts'

/** The same four requests are made about a project and about the system. */
const grantRoutes = (path: string): Route[] => [
  {
    method: 'GET',
    path: `${path}/roles`,
    ok: 200,
    handler: async (call) => {
      const { userId, projectId } = await visibleGrant(call)
      const assigned = await listAssignments(call.deps.db, call.viewer, { userId, scope: { projectId } })
      const ids = new Set(assigned.map((assignment) => assignment.roleId))
      const roles = (await listRoles(call.deps.db)).filter((role) => ids.has(role.id))
      return listOf(
        call,
        'roles',
        roles.map((role) => roleBody(call.base, role)),
        false,
      )
    },
  },
  {
    method: 'GET', // and HEAD
    path: `${path}/roles/:role`,
    ok: 204,
    handler: async (call) => {
      const { userId, projectId } = await visibleGrant(call)
      const roleId = call.params.role as string
      const found = await listAssignments(call.deps.db, call.viewer, { userId, roleId, scope: { projectId } })
      if (found.length === 0) throw notFound('role assignment', roleId)
    },
  },
  {
    method: 'PUT',
    path: `${path}/roles/:role`,
    ok: 204,
    handler: async (call) => {
      const grant = await visibleGrant(call)
      requireAdmin(call, 'create_grant')
      await assignRole(call.deps.db, {
        ...grant,
        roleId: (await getRole(call.deps.db, call.params.role as string)).id,
      })
    },
  },
  {
    method: 'DELETE',
    path: `${path}/roles/:role`,
    ok: 204,
    handler: async (call) => {
      const grant = await visibleGrant(call)
      requireAdmin(call, 'revoke_grant')
      await unassignRole(call.deps.db, { ...grant, roleId: call.params.role as string })
    },
  },
]

/** User and project of the path. @throws LeaseholdError 'not-found' when one is hidden from the caller, too. */
async function visibleGrant(call: Call): Promise<{ userId: string; projectId: string | null }> {
  const { project, user } = call.params
  const projectId = project === undefined ? null : (await getProject(call.deps.db, call.viewer, project)).id
  return { userId: (await getUser(call.deps.db, call.viewer, user as string)).id, projectId }
}

export const assignmentRoutes: readonly Route[] = [
  ...grantRoutes('/projects/:project/users/:user'),
  ...grantRoutes('/system/users/:user'),
  {
    method: 'GET',
    path: '/role_assignments',
    ok: 200,
    handler: async (call) => {
      const { query, deps, viewer } = call
      // There are no groups, no roles on domains and nothing is inherited.
      const none = ['group.id', 'scope.domain.id', 'scope.OS-INHERIT:inherited_to'].some(
        (key) => key in query,
      )
      const projectId = text(query['scope.project.id'])
      const found = none
        ? []
        : await listAssignments(deps.db, viewer, {
            userId: text(query['user.id']),
            scope:
              projectId !== undefined
                ? { projectId }
                : truth(query['scope.system'])
                  ? { projectId: null }
                  : undefined,
          })
      const roleId = text(query['role.id'])
      const effective = truth(query.effective) ? await withImplied(call, found) : found
      const rows = roleId === undefined ? effective : effective.filter((each) => each.roleId === roleId)
      return listOf(
        call,
        'role_assignments',
        rows.map((assignment) => assignmentBody(call.base, assignment, truth(query.include_names) ?? false)),
        found.length === maxListed,
      )
    },
  },
]

/** Adds what each role implies, once for each user and scope. */
async function withImplied(call: Call, assignments: readonly NamedAssignment[]): Promise<NamedAssignment[]> {
  const roles = await listRoles(call.deps.db)
  const groups = Map.groupBy(assignments, (each) => `${each.userId} ${each.projectId}`)
  return [...groups.values()].flatMap((group) => {
    const names = expandRoles(group.map((each) => each.roleName))
    return roles
      .filter((role) => names.includes(role.name))
      .map((role) => ({ ...(group[0] as NamedAssignment), roleId: role.id, roleName: role.name }))
  })
}

const assignmentBody = (base: string, assignment: NamedAssignment, named: boolean) => {
  const { userId, projectId, roleId, userName, projectName, roleName } = assignment
  const ref = (id: string, name: string | null) => (named ? { id, name, domain } : { id })
  const place = projectId === null ? 'system' : `projects/${projectId}`
  return {
    scope: projectId === null ? { system: { all: true } } : { project: ref(projectId, projectName) },
    user: ref(userId, userName),
    role: named ? { id: roleId, name: roleName } : { id: roleId },
    links: { assignment: `${base}/identity/v3/${place}/users/${userId}/roles/${roleId}` },
  }
}
