/**
 * Logging in with the standalone strategy: from a proof of who somebody is, and the scope they want, to a token.
 * Keystone v3, "Authentication and token management". Every refusal has the same words, so that nobody learns which
 * part was wrong.
 */
import type { Db } from '../store/index.ts'
import { domain } from './identities.ts'
import { verifyPassword } from './passwords.ts'
import { effectiveRoles } from './roles.sql.ts'
import { unauthenticated } from './standalone.ts'
import type { Throttle } from './throttle.ts'
import { hashOf } from './token-cache.ts'
import { findSession, issueToken, type NewToken, type Scope, type Session } from './tokens.sql.ts'

export interface DomainRef {
  id?: string | undefined
  name?: string | undefined
}

/** A user or a project: by id, or by name in a domain. */
export interface Ref {
  id?: string | undefined
  name?: string | undefined
  domain?: DomainRef | undefined
}

/** How somebody proves who they are. */
export type Proof =
  | { method: 'password'; user: Ref; password: string }
  | { method: 'application_credential'; id?: string; name?: string; user?: Ref; secret: string }
  | { method: 'token'; token: string }

/** Undefined: the default project, if the user has one and a role there; else no scope. */
export type WantedScope = { project: Ref } | { system: true } | { unscoped: true } | undefined

export interface LoginDeps {
  db: Db
  throttle: Throttle
  /** Life of a token, seconds. */
  tokenSeconds: number
}

/**
 * Issues a token.
 * @param address where the request came from: failures are counted by it.
 * @throws LeaseholdError 'unauthenticated', 'too-many' after failures, 'unavailable' when too many log in at once.
 */
export async function login(
  deps: LoginDeps,
  proof: Proof,
  wanted: WantedScope,
  address: string,
): Promise<{ token: string; session: Session }> {
  const token = await issueToken(deps.db, await newToken(deps, proof, wanted, address))
  const session = token === undefined ? undefined : await findSession(deps.db, token)
  if (token === undefined || !session) throw unauthenticated()
  return { token, session }
}

/**
 * Verifies the password of a user that is known by id, for a change of it.
 * @returns the hash that was verified.
 * @throws as `login`.
 */
export async function proveOwnPassword(
  deps: LoginDeps,
  userId: string,
  password: string,
  address: string,
): Promise<string> {
  const { passwordHash } = await provePassword(deps, { id: userId }, password, address)
  return passwordHash
}

const newToken = (deps: LoginDeps, proof: Proof, wanted: WantedScope, address: string): Promise<NewToken> => {
  switch (proof.method) {
    case 'password':
      return byPassword(deps, proof, wanted, address)
    case 'application_credential':
      return byApplicationCredential(deps, proof, wanted, address)
    case 'token':
      return byToken(deps, proof.token, wanted)
  }
}

async function byPassword(
  deps: LoginDeps,
  proof: Proof & { method: 'password' },
  wanted: WantedScope,
  address: string,
): Promise<NewToken> {
  const user = await provePassword(deps, proof.user, proof.password, address)
  return {
    userId: user.id,
    scope: wanted
      ? await scopeFor(deps.db, user.id, wanted)
      : await defaultScope(deps.db, user.id, user.defaultProjectId),
    methods: ['password'],
    applicationCredentialId: null,
    lifeSeconds: deps.tokenSeconds,
    notAfter: null,
    passwordHash: user.passwordHash,
  }
}

async function provePassword(
  { db, throttle }: LoginDeps,
  ref: Ref,
  password: string,
  address: string,
): Promise<{ id: string; passwordHash: string; defaultProjectId: string | null }> {
  const user = await findUser(db, ref)
  // Known users are counted by id, so that asking by name and by id is not two allowances.
  await proveSecret(throttle, user?.id ?? `${ref.id ?? ref.name}`, address, {
    secret: password,
    hash: user?.password_hash ?? null,
    usable: user?.enabled === true,
  })
  if (!user?.password_hash) throw unauthenticated()
  return { id: user.id, passwordHash: user.password_hash, defaultProjectId: user.default_project_id }
}

async function byApplicationCredential(
  { db, throttle, tokenSeconds }: LoginDeps,
  proof: Proof & { method: 'application_credential' },
  wanted: WantedScope,
  address: string,
): Promise<NewToken> {
  // The credential is bound to its project.
  if (wanted) throw unauthenticated()
  const owner = proof.id === undefined && proof.user ? await findUser(db, proof.user) : undefined
  const credential = await db
    .selectFrom('application_credentials as c')
    .innerJoin('users as u', 'u.id', 'c.user_id')
    .select(['c.id', 'c.user_id', 'c.project_id', 'c.secret_hash', 'c.expires_at', 'u.enabled'])
    .where((eb) =>
      proof.id === undefined
        ? eb.and([eb('c.name', '=', proof.name ?? ''), eb('c.user_id', '=', owner?.id ?? '')])
        : eb('c.id', '=', proof.id),
    )
    .executeTakeFirst()
  const unknown = proof.id ?? `${proof.user?.id ?? proof.user?.name} ${proof.name}`
  await proveSecret(throttle, credential?.id ?? unknown, address, {
    secret: proof.secret,
    hash: credential?.secret_hash ?? null,
    usable: credential?.enabled === true && !(credential.expires_at && credential.expires_at <= new Date()),
  })
  if (!credential) throw unauthenticated()
  return {
    userId: credential.user_id,
    scope: { projectId: credential.project_id },
    methods: ['application_credential'],
    applicationCredentialId: credential.id,
    lifeSeconds: tokenSeconds,
    notAfter: credential.expires_at,
  }
}

/** A token for another scope of the same user; it does not outlive the first. */
async function byToken(deps: LoginDeps, token: string, wanted: WantedScope): Promise<NewToken> {
  const parent = await findSession(deps.db, token)
  if (!parent) throw unauthenticated()
  const { applicationCredential: credential, project } = parent
  const scope = await scopeOfChild(deps.db, parent, wanted)
  // A credential's token stays with the credential's project.
  if (credential && !('projectId' in scope && scope.projectId === project?.id)) throw unauthenticated()
  return {
    userId: parent.user.id,
    scope,
    methods: [...new Set([...parent.methods, 'token'])],
    applicationCredentialId: credential?.id ?? null,
    lifeSeconds: deps.tokenSeconds,
    notAfter: parent.expiresAt,
    parent: { hash: hashOf(token), auditId: parent.auditIds.at(-1) as string },
  }
}

async function scopeOfChild(db: Db, parent: Session, wanted: WantedScope): Promise<Scope> {
  if (wanted) return scopeFor(db, parent.user.id, wanted)
  if (parent.project) return { projectId: parent.project.id }
  return parent.caller.systemScope === 'all' ? { system: true } : { unscoped: true }
}

/** Compares a secret, slowed down by earlier failures, which it counts. */
async function proveSecret(
  throttle: Throttle,
  account: string,
  address: string,
  proof: { secret: string; hash: string | null; usable: boolean },
): Promise<void> {
  throttle.check(account, address)
  const right = await verifyPassword(proof.secret, proof.hash)
  if (right && proof.usable) {
    throttle.succeeded(account, address)
    return
  }
  throttle.failed(account, address)
  throw unauthenticated()
}

const findUser = async (db: Db, ref: Ref) =>
  ref.id === undefined && !isDefaultDomain(ref.domain)
    ? undefined
    : await db
        .selectFrom('users')
        .select(['id', 'password_hash', 'enabled', 'default_project_id'])
        .where((eb) =>
          ref.id === undefined
            ? eb.and([eb('name', '=', ref.name ?? ''), eb('domain_id', '=', domain.id)])
            : eb('id', '=', ref.id),
        )
        .executeTakeFirst()

/** Names of domains do not tell case apart in Keystone's databases, and clients are written so. */
const isDefaultDomain = (ref: DomainRef | undefined): boolean =>
  ref?.id === undefined ? ref?.name?.toLowerCase() === domain.name.toLowerCase() : ref.id === domain.id

/** @throws LeaseholdError 'unauthenticated' where the user has no role. */
async function scopeFor(db: Db, userId: string, wanted: NonNullable<WantedScope>): Promise<Scope> {
  if ('unscoped' in wanted) return wanted
  if ('system' in wanted) {
    if ((await effectiveRoles(db, userId, null)).length === 0) throw unauthenticated()
    return wanted
  }
  const { project: ref } = wanted
  const project =
    ref.id === undefined && !isDefaultDomain(ref.domain)
      ? undefined
      : await db
          .selectFrom('projects')
          .select('id')
          .where('enabled', '=', true)
          .where((eb) =>
            ref.id === undefined
              ? eb.and([eb('name', '=', ref.name ?? ''), eb('domain_id', '=', domain.id)])
              : eb('id', '=', ref.id),
          )
          .executeTakeFirst()
  if (!project || (await effectiveRoles(db, userId, project.id)).length === 0) throw unauthenticated()
  return { projectId: project.id }
}

async function defaultScope(db: Db, userId: string, projectId: string | null): Promise<Scope> {
  if (projectId === null) return { unscoped: true }
  return await scopeFor(db, userId, { project: { id: projectId } }).catch(() => ({ unscoped: true as const }))
}
