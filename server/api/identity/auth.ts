/** `/auth`: tokens, and where the caller could act. Keystone v3, "Authentication and token management". */
import type { FastifyInstance } from 'fastify'
import {
  domain,
  effectiveRoles,
  findSession,
  listProjects,
  login,
  notFound,
  type Proof,
  revokeToken,
  rolesNamed,
  type Session,
  unauthenticated,
  type WantedScope,
} from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { catalogOf } from './catalog.ts'
import { projectBody } from './projects.ts'
import { baseOf, type Call, header, type IdentityDeps, listOf, type Route, truth } from './routes.ts'
import { type LoginBody, loginBody } from './schemas.ts'

/** `POST /auth/tokens`, the one route whose caller has no token yet. */
export function registerLogin(app: FastifyInstance, deps: IdentityDeps): void {
  app.route({
    method: 'POST',
    url: '/v3/auth/tokens',
    schema: { body: loginBody },
    handler: async (request, reply) => {
      const { auth } = request.body as LoginBody
      const { token, session } = await login(
        deps,
        proofOf(auth.identity),
        scopeOf(auth.scope),
        request.ip,
      ).catch((error: unknown) => {
        if (error instanceof LeaseholdError)
          deps.log.info({ address: request.ip, code: error.code }, 'login refused')
        throw error
      })
      reply.code(201).header('x-subject-token', token)
      return tokenBody(deps, session, wantsCatalog(request.query) ? baseOf(deps, request) : undefined)
    },
  })
}

export const sessionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/auth/tokens',
    ok: 200,
    handler: async (call) => {
      const { token, session } = await subjectOf(call, { read: true })
      call.reply.header('x-subject-token', token)
      return tokenBody(call.deps, session, wantsCatalog(call.query) ? call.base : undefined)
    },
  },
  {
    method: 'DELETE',
    path: '/auth/tokens',
    ok: 204,
    handler: async (call) => revokeToken(call.deps.db, (await subjectOf(call, { read: false })).token),
  },
  {
    method: 'GET',
    path: '/auth/projects',
    ok: 200,
    handler: async (call) => {
      const projects = await listProjects(call.deps.db, ownOnly(call), { enabled: true })
      return listOf(
        call,
        'projects',
        projects.map((project) => projectBody(call.base, project)),
        false,
      )
    },
  },
  {
    method: 'GET',
    path: '/auth/system',
    ok: 200,
    handler: async (call) => {
      const roles = await effectiveRoles(call.deps.db, call.viewer.userId, null)
      return listOf(call, 'system', roles.length > 0 ? [{ all: true }] : [], false)
    },
  },
  {
    method: 'GET',
    path: '/auth/domains',
    ok: 200,
    handler: async (call) => listOf(call, 'domains', [], false),
  },
]

const ownOnly = (call: Call) => ({ seesAll: false, userId: call.viewer.userId })

const wantsCatalog = (query: unknown): boolean => !truth((query as Record<string, unknown>).nocatalog)

/** The token that a request is about, if the caller may know of it: their own, or any for readers and services. */
async function subjectOf(
  call: Call,
  { read }: { read: boolean },
): Promise<{ token: string; session: Session }> {
  const token = header(call.request, 'x-subject-token')
  if (!token)
    throw new LeaseholdError(
      'invalid',
      'X-Subject-Token: is missing; it is the token that the request is about.',
    )
  const own = token === header(call.request, 'x-auth-token')
  const session = own ? call.session : await findSession(call.deps.db, token)
  const { caller } = call.session
  const mayAny = read
    ? call.viewer.seesAll || caller.roles.includes('service')
    : caller.systemScope === 'all' && caller.roles.includes('admin')
  if (!session || !(mayAny || session.user.id === call.viewer.userId))
    throw notFound('token', 'the one in X-Subject-Token')
  return { token, session }
}

type Identity = LoginBody['auth']['identity']

/** @throws LeaseholdError 'invalid' when a part is missing, 'unauthenticated' for methods there are not. */
function proofOf(identity: Identity): Proof {
  const [method = ''] = identity.methods
  if (method === 'password' && identity.password) {
    const { password, ...user } = identity.password.user
    return { method, user: required(user, 'auth.identity.password.user'), password }
  }
  if (method === 'application_credential' && identity.application_credential) {
    const { id, name, user, secret } = identity.application_credential
    if (id !== undefined) return { method, id, secret }
    if (name === undefined || !user)
      throw missing('auth.identity.application_credential: id, or name and user')
    return { method, name, user: required(user, 'auth.identity.application_credential.user'), secret }
  }
  if (method === 'token' && identity.token) return { method, token: identity.token.id }
  if (['password', 'application_credential', 'token'].includes(method))
    throw missing(`auth.identity.${method}`)
  throw unauthenticated()
}

function scopeOf(scope: LoginBody['auth']['scope']): WantedScope {
  if (scope === undefined) return undefined
  if (scope === 'unscoped') return { unscoped: true }
  if (scope.system && !scope.project) return { system: true }
  if (scope.project && !scope.system) return { project: required(scope.project, 'auth.scope.project') }
  // A domain, a trust: nobody has roles there.
  throw unauthenticated()
}

/** A user or project must be said by id or by name. */
function required<T extends { id?: string | undefined; name?: string | undefined }>(ref: T, path: string): T {
  if (ref.id === undefined && ref.name === undefined) throw missing(`${path}: id, or name with domain`)
  return ref
}

const missing = (what: string): LeaseholdError => new LeaseholdError('invalid', `${what} is missing.`)

/** A token as Keystone tells it; without a base, without the catalog. */
async function tokenBody(deps: IdentityDeps, session: Session, base: string | undefined) {
  const { caller, project, applicationCredential: credential } = session
  const scoped = project !== null || caller.systemScope === 'all'
  return {
    token: {
      methods: session.methods,
      user: { ...session.user, domain, password_expires_at: null },
      audit_ids: session.auditIds,
      issued_at: timestamp(session.issuedAt),
      expires_at: timestamp(session.expiresAt),
      ...(project ? { project: { ...project, domain }, is_domain: false } : {}),
      ...(caller.systemScope === 'all' ? { system: { all: true } } : {}),
      ...(scoped
        ? { roles: (await rolesNamed(deps.db, caller.roles)).map(({ id, name }) => ({ id, name })) }
        : {}),
      ...(scoped && base !== undefined ? { catalog: catalogOf(base) } : {}),
      ...(credential ? { application_credential: credential } : {}),
    },
  }
}

/** Keystone writes microseconds. */
const timestamp = (date: Date): string => date.toISOString().replace('Z', '000Z')
