/** `/projects`. Keystone v3, "Projects". */
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  maxListed,
  type Project,
  updateProject,
} from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { type Call, listOf, type Route, requireAdmin, text, truth } from './routes.ts'
import { type ChangedProject, changedProjectBody, type NewProject, newProjectBody } from './schemas.ts'

export const projectRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/projects',
    ok: 200,
    handler: async (call) => {
      const { query } = call
      // There is one domain, and every project is directly in it.
      const elsewhere = ['domain_id', 'parent_id'].some(
        (key) => (text(query[key]) ?? 'default') !== 'default',
      )
      const found =
        elsewhere || truth(query.is_domain)
          ? []
          : await listProjects(call.deps.db, call.viewer, {
              name: text(query.name),
              enabled: truth(query.enabled),
            })
      // As Keystone has it, and the same whether there is such a project or not: clients then take an id at its word,
      // so that a tenant can name another in what it shares.
      if (found.length === 0 && text(query.name) !== undefined && !call.viewer.seesAll)
        throw new LeaseholdError(
          'forbidden',
          'You are not authorized to perform the requested action: identity:list_projects.',
        )
      return projectList(call, found)
    },
  },
  {
    method: 'POST',
    path: '/projects',
    body: newProjectBody,
    ok: 201,
    handler: async (call) => {
      requireAdmin(call, 'create_project')
      const { project } = call.body as { project: NewProject }
      return { project: projectBody(call.base, await createProject(call.deps.db, project)) }
    },
  },
  {
    method: 'GET',
    path: '/projects/:id',
    ok: 200,
    handler: async (call) => ({ project: projectBody(call.base, await visibleProject(call)) }),
  },
  {
    method: 'PATCH',
    path: '/projects/:id',
    body: changedProjectBody,
    ok: 200,
    handler: async (call) => {
      const { id } = await visibleProject(call)
      requireAdmin(call, 'update_project')
      const { project } = call.body as { project: ChangedProject }
      return { project: projectBody(call.base, await updateProject(call.deps.db, id, project)) }
    },
  },
  {
    method: 'DELETE',
    path: '/projects/:id',
    ok: 204,
    handler: async (call) => {
      const { id } = await visibleProject(call)
      requireAdmin(call, 'delete_project')
      await deleteProject(call.deps.db, id)
    },
  },
]

/** @throws LeaseholdError 'not-found' when it is hidden from the caller, too. */
const visibleProject = (call: Call): Promise<Project> =>
  getProject(call.deps.db, call.viewer, call.params.id as string)

export const projectList = (call: Call, projects: readonly Project[]) =>
  listOf(
    call,
    'projects',
    projects.map((project) => projectBody(call.base, project)),
    projects.length === maxListed,
  )

export const projectBody = (base: string, project: Project) => ({
  id: project.id,
  name: project.name,
  domain_id: project.domain_id,
  description: project.description,
  enabled: project.enabled,
  parent_id: project.domain_id,
  is_domain: false,
  tags: [],
  options: {},
  links: { self: `${base}/identity/v3/projects/${project.id}` },
})
