/** `/users`. Keystone v3, "Users". */
import {
  changePassword,
  createUser,
  deleteUser,
  getUser,
  listProjects,
  listUsers,
  maxListed,
  proveOwnPassword,
  type User,
  updateUser,
} from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { projectList } from './projects.ts'
import { type Call, listOf, type Route, requireAdmin, text, truth } from './routes.ts'
import {
  type ChangedUser,
  changedUserBody,
  type NewUser,
  newUserBody,
  type PasswordBody,
  passwordBody,
} from './schemas.ts'

export const userRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/users',
    ok: 200,
    handler: async (call) => {
      const elsewhere = (text(call.query.domain_id) ?? 'default') !== 'default'
      const users = elsewhere
        ? []
        : await listUsers(call.deps.db, call.viewer, {
            name: text(call.query.name),
            enabled: truth(call.query.enabled),
          })
      return listOf(
        call,
        'users',
        users.map((user) => userBody(call.base, user)),
        users.length === maxListed,
      )
    },
  },
  {
    method: 'POST',
    path: '/users',
    body: newUserBody,
    ok: 201,
    handler: async (call) => {
      requireAdmin(call, 'create_user')
      const { user } = call.body as { user: NewUser }
      return { user: userBody(call.base, await createUser(call.deps.db, user)) }
    },
  },
  {
    method: 'GET',
    path: '/users/:id',
    ok: 200,
    handler: async (call) => ({ user: userBody(call.base, await visibleUser(call)) }),
  },
  {
    method: 'PATCH',
    path: '/users/:id',
    body: changedUserBody,
    ok: 200,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      requireAdmin(call, 'update_user')
      const { user } = call.body as { user: ChangedUser }
      return { user: userBody(call.base, await updateUser(call.deps.db, id, user)) }
    },
  },
  {
    method: 'DELETE',
    path: '/users/:id',
    ok: 204,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      requireAdmin(call, 'delete_user')
      await deleteUser(call.deps.db, id)
    },
  },
  {
    method: 'POST',
    path: '/users/:id/password',
    body: passwordBody,
    ok: 204,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      if (id !== call.viewer.userId)
        throw new LeaseholdError('forbidden', 'Only the user changes the password so; administrators set it.')
      const { original_password: original, password } = (call.body as PasswordBody).user
      const verified = await proveOwnPassword(call.deps, id, original, call.request.ip)
      await changePassword(call.deps.db, id, verified, password)
    },
  },
  {
    method: 'GET',
    path: '/users/:id/projects',
    ok: 200,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      return projectList(call, await listProjects(call.deps.db, call.viewer, { ofUser: id }))
    },
  },
]

/** @throws LeaseholdError 'not-found' when it is hidden from the caller, too. */
export const visibleUser = (call: Call): Promise<User> =>
  getUser(call.deps.db, call.viewer, call.params.id as string)

const userBody = (base: string, user: User) => ({
  id: user.id,
  name: user.name,
  domain_id: user.domain_id,
  description: user.description,
  email: user.email,
  ...(user.default_project_id === null ? {} : { default_project_id: user.default_project_id }),
  enabled: user.enabled,
  password_expires_at: null,
  options: {},
  links: { self: `${base}/identity/v3/users/${user.id}` },
})
