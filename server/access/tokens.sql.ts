/**
 * Tokens of the standalone strategy: 256 random bits, stored only as their SHA-256. What a token is worth is found
 * anew at each validation: the roles its user has now on its scope.
 */
import { randomBytes } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../store/index.ts'
import { type Caller, expandRoles } from './caller.ts'
import { assignedRoles, type Standing, standingCaller } from './standing.ts'
import { hashOf } from './token-cache.ts'

/** A valid token: who it speaks for, where, and how it was got. */
export interface Session {
  caller: Caller
  user: { id: string; name: string }
  project: { id: string; name: string } | null
  applicationCredential: { id: string; name: string; restricted: boolean } | null
  methods: string[]
  /** Its own audit id, then that of the first of the chain it was got with. */
  auditIds: string[]
  issuedAt: Date
  expiresAt: Date
}

export type Scope = { projectId: string } | { system: true } | { unscoped: true }

/** What a new token is made of. */
export interface NewToken {
  userId: string
  scope: Scope
  methods: string[]
  applicationCredentialId: string | null
  lifeSeconds: number
  /** Never outlived: expiry of the application credential, or of the token it was got with. */
  notAfter: Date | null
  /** The password hash that was verified: the token is not made if that has changed meanwhile. */
  passwordHash?: string
  /** The token it was got with: the token is not made if that has been revoked meanwhile. */
  parent?: { hash: Buffer; auditId: string }
}

const prefix = 'lh_'
const tokenPattern = /^lh_[\w-]{43}$/

/** Stores a new token and answers it; undefined when what it rests on has gone meanwhile. */
export async function issueToken(db: Db, wanted: NewToken): Promise<string | undefined> {
  const token = prefix + randomBytes(32).toString('base64url')
  const auditId = randomBytes(16).toString('base64url')
  const projectId = 'projectId' in wanted.scope ? wanted.scope.projectId : null
  // FOR SHARE waits for a change of the user that is under way, and makes a later one wait for this token: a
  // password change deletes every token made with the old password, this one among them.
  const { numAffectedRows } = await sql`
    INSERT INTO tokens (token_hash, user_id, project_id, system_scope, application_credential_id, methods, audit_ids,
                        issued_at, expires_at)
    SELECT ${hashOf(token)}, u.id, ${projectId}, ${'system' in wanted.scope}, ${wanted.applicationCredentialId},
           ${wanted.methods}::text[], ${wanted.parent ? [auditId, wanted.parent.auditId] : [auditId]}::text[],
           now(), LEAST(now() + make_interval(secs => ${wanted.lifeSeconds}), ${wanted.notAfter}::timestamptz)
    FROM users u
    WHERE u.id = ${wanted.userId} AND u.enabled
      AND (${wanted.passwordHash ?? null}::text IS NULL OR u.password_hash = ${wanted.passwordHash ?? null})
      AND (${wanted.parent === undefined} OR EXISTS (
            SELECT FROM tokens WHERE token_hash = ${wanted.parent?.hash ?? null} AND expires_at > now()))
    FOR SHARE OF u`.execute(db)
  return numAffectedRows === 1n ? token : undefined
}

/** Finds what a token is worth now; undefined when it is worth nothing, for whatever reason. */
export async function findSession(db: Db, token: string): Promise<Session | undefined> {
  return (await findSessions(db, [token])).get(token)
}

/** The same of many tokens at once; those that are worth nothing are left out. */
export async function findSessions(db: Db, tokens: readonly string[]): Promise<Map<string, Session>> {
  const byHash = new Map(
    tokens.filter((token) => tokenPattern.test(token)).map((token) => [hashOf(token).toString('hex'), token]),
  )
  if (byHash.size === 0) return new Map()
  const hashes = [...byHash.keys()].map((hash) => Buffer.from(hash, 'hex'))
  const { rows } = await sessionRows(hashes).execute(db)
  return new Map(
    rows.flatMap((row) => {
      const session = sessionOf(row)
      const hash = row.token_hash.toString('hex')
      return session ? [[byHash.get(hash) as string, session] as const] : []
    }),
  )
}

/**
 * A text that stays the same for as long as all that `findSessions` would say of these tokens does, given by their
 * SHA-256. Reading it is much cheaper than the thousand rows behind it.
 */
export async function fingerprintOfSessions(db: Db, hashes: readonly Buffer[]): Promise<string> {
  const { rows } = await sql<{ fingerprint: string | null }>`
    SELECT md5(string_agg(s::text, ';' ORDER BY s.token_hash)) AS fingerprint
    FROM (${sessionRows(hashes)}) s`.execute(db)
  return rows[0]?.fingerprint ?? ''
}

const sessionRows = (hashes: readonly Buffer[]): RawBuilder<SessionRow> => sql<SessionRow>`
  SELECT t.token_hash, t.user_id, u.name AS user_name, u.domain_id AS user_domain_id,
         t.project_id, p.name AS project_name, p.domain_id AS project_domain_id, t.system_scope,
         c.id AS credential_id, c.name AS credential_name, c.unrestricted,
         t.methods, t.audit_ids, t.issued_at, t.expires_at,
         ${assignedRoles('t', sql`t.system_scope`)} AS assigned,
         ARRAY(SELECT r.name FROM roles r WHERE r.id = ANY (c.role_ids)) AS credential_roles
  FROM tokens t
  JOIN users u ON u.id = t.user_id
  LEFT JOIN projects p ON p.id = t.project_id
  LEFT JOIN application_credentials c ON c.id = t.application_credential_id
  WHERE t.token_hash = ANY (${hashes}::bytea[]) AND t.expires_at > now() AND u.enabled
    AND (p.id IS NULL OR p.enabled)`

function sessionOf(row: SessionRow): Session | undefined {
  const roles = rolesOf(row)
  if (!roles) return undefined
  const proof = { tokenHash: row.token_hash.toString('hex'), expiresAt: row.expires_at }
  const caller = standingCaller(row, roles, proof)
  return {
    caller,
    user: { id: row.user_id, name: row.user_name },
    project: row.project_id === null ? null : { id: row.project_id, name: row.project_name as string },
    applicationCredential:
      row.credential_id === null
        ? null
        : { id: row.credential_id, name: row.credential_name as string, restricted: !row.unrestricted },
    methods: row.methods,
    auditIds: row.audit_ids,
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
  }
}

/** Makes a token void. Does nothing when it is. */
export async function revokeToken(db: Db, token: string): Promise<void> {
  await db.deleteFrom('tokens').where('token_hash', '=', hashOf(token)).execute()
}

/** Makes every token of a user void: when the password changes or the user is disabled. */
export async function revokeTokensOfUser(db: Db, userId: string): Promise<void> {
  await db.deleteFrom('tokens').where('user_id', '=', userId).execute()
}

/**
 * Deletes tokens that have expired, at most `batchSize` in one statement and 100 batches in one call.
 * @returns how many were deleted.
 */
export async function purgeExpiredTokens(db: Db, batchSize = 1000): Promise<number> {
  let purged = 0
  for (let batch = 0; batch < 100; batch++) {
    const { numAffectedRows = 0n } = await sql`
      DELETE FROM tokens WHERE token_hash IN (
        SELECT token_hash FROM tokens WHERE expires_at <= now() LIMIT ${batchSize} FOR UPDATE SKIP LOCKED)`.execute(
      db,
    )
    purged += Number(numAffectedRows)
    if (numAffectedRows < BigInt(batchSize)) break
  }
  return purged
}

interface SessionRow extends Standing {
  token_hash: Buffer
  credential_id: string | null
  credential_name: string | null
  unrestricted: boolean | null
  methods: string[]
  audit_ids: string[]
  issued_at: Date
  expires_at: Date
  assigned: string[]
  credential_roles: string[]
}

/** Roles of a session; undefined when its scope gives none, or a credential has one its user no longer has. */
function rolesOf(row: SessionRow): string[] | undefined {
  if (row.project_id === null && !row.system_scope) return []
  const assigned = expandRoles(row.assigned)
  const roles = row.credential_id === null ? assigned : row.credential_roles
  return roles.length > 0 && roles.every((role) => assigned.includes(role)) ? roles : undefined
}
