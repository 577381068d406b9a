/** Who calls: the facts of a validated token, and how policy rules see them. */
import type { Credentials } from '@leasehold/policy'

/** How the caller was authenticated. `none` is the open mode on loopback: every rule holds but those for secrets. */
export type AuthMethod = 'keystone' | 'standalone' | 'none'

/** The service that sent a request on a user's behalf, from its own `X-Service-Token`. */
export interface ServiceIdentity {
  readonly userId: string
  readonly userDomainId: string | null
  readonly projectId: string | null
  readonly projectDomainId: string | null
  readonly roles: readonly string[]
}

/** A caller. Immutable: what policy makes of it is remembered for as long as the object lives. */
export interface Caller {
  readonly userId: string | null
  readonly userName: string | null
  readonly userDomainId: string | null
  /** Null for a token of the system or of a domain. */
  readonly projectId: string | null
  readonly projectName: string | null
  readonly projectDomainId: string | null
  readonly domainId: string | null
  readonly systemScope: 'all' | null
  /** With the implied ones: see `expandRoles`. */
  readonly roles: readonly string[]
  readonly isAdminProject: boolean
  /** True on the routes that need no token: lookup, heartbeat, continue_inspection. */
  readonly isPublicApi: boolean
  readonly service: ServiceIdentity | null
  /** A hash of the token, to find what was opened with it. Never the token. */
  readonly tokenHash: string | null
  readonly expiresAt: Date | null
  readonly authMethod: AuthMethod
}

/** Makes a caller from the fields that are known: the others are null or false, implied roles are added. */
export function callerOf(known: Partial<Caller> & Pick<Caller, 'authMethod' | 'roles'>): Caller {
  return Object.freeze({ ...nobody, ...known, roles: Object.freeze(expandRoles(known.roles)) })
}

/** What each role includes, in Keystone's default role hierarchy. `service` includes nothing. */
const impliedRoles: Readonly<Record<string, string>> = {
  admin: 'manager',
  manager: 'member',
  member: 'reader',
}

/** Adds the roles that each of `roles` implies, once each, after those given. Case does not matter. */
export function expandRoles(roles: readonly string[]): string[] {
  const expanded = [...roles]
  const present = new Set(roles.map((role) => role.toLowerCase()))
  for (const role of roles) {
    let implied = impliedRole(role)
    while (implied !== undefined) {
      if (!present.has(implied)) expanded.push(implied)
      present.add(implied)
      implied = impliedRole(implied)
    }
  }
  return expanded
}

const impliedRole = (role: string): string | undefined => {
  const name = role.toLowerCase()
  return Object.hasOwn(impliedRoles, name) ? impliedRoles[name] : undefined
}

/** The names a rule may use before the colon; those of Ironic's request context. */
export const credentialNames = [
  'user_id',
  'user_domain_id',
  'project_id',
  'project_name',
  'project_domain_id',
  'domain_id',
  'system_scope',
  'roles',
  'is_admin_project',
  'is_public_api',
  'service_user_id',
  'service_user_domain_id',
  'service_project_id',
  'service_project_domain_id',
  'service_roles',
] as const

/** The caller as policy rules see it. */
export function credentials(caller: Caller): Credentials & Record<(typeof credentialNames)[number], unknown> {
  return {
    user_id: caller.userId,
    user_domain_id: caller.userDomainId,
    project_id: caller.projectId,
    project_name: caller.projectName,
    project_domain_id: caller.projectDomainId,
    domain_id: caller.domainId,
    system_scope: caller.systemScope,
    roles: caller.roles,
    is_admin_project: caller.isAdminProject,
    is_public_api: caller.isPublicApi,
    service_user_id: caller.service?.userId ?? null,
    service_user_domain_id: caller.service?.userDomainId ?? null,
    service_project_id: caller.service?.projectId ?? null,
    service_project_domain_id: caller.service?.projectDomainId ?? null,
    service_roles: caller.service?.roles ?? [],
  }
}

const nobody: Caller = {
  userId: null,
  userName: null,
  userDomainId: null,
  projectId: null,
  projectName: null,
  projectDomainId: null,
  domainId: null,
  systemScope: null,
  roles: [],
  isAdminProject: false,
  isPublicApi: false,
  service: null,
  tokenHash: null,
  expiresAt: null,
  authMethod: 'keystone',
}

/** The caller of a route that needs no token. */
export const publicCaller: Caller = Object.freeze({ ...nobody, isPublicApi: true })
