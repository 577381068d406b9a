/** `/users/{id}/application_credentials`. Keystone v3, "Application Credentials". */
import {
  type ApplicationCredential,
  createCredential,
  deleteCredential,
  getCredential,
  listCredentials,
} from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { type Call, listOf, type Route, requireAdmin, text } from './routes.ts'
import { type NewCredential, newCredentialBody } from './schemas.ts'
import { visibleUser } from './users.ts'

const path = '/users/:id/application_credentials'

export const credentialRoutes: readonly Route[] = [
  {
    method: 'GET',
    path,
    ok: 200,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      const found = await listCredentials(call.deps.db, id, { name: text(call.query.name) })
      return listOf(
        call,
        'application_credentials',
        found.map((credential) => credentialBody(call.base, credential)),
        false,
      )
    },
  },
  {
    method: 'POST',
    path,
    body: newCredentialBody,
    ok: 201,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      const projectId = requireOwner(call, id)
      const wanted = (call.body as { application_credential: NewCredential }).application_credential
      const { credential, secret } = await createCredential(
        call.deps.db,
        { userId: id, projectId, roles: call.session.caller.roles },
        {
          name: wanted.name,
          description: wanted.description,
          secret: wanted.secret,
          roles: wanted.roles ?? undefined,
          unrestricted: wanted.unrestricted ?? false,
          expiresAt: readExpiry(wanted.expires_at),
        },
      )
      return { application_credential: { ...credentialBody(call.base, credential), secret } }
    },
  },
  {
    method: 'GET',
    path: `${path}/:credential`,
    ok: 200,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      const credential = await getCredential(call.deps.db, id, call.params.credential as string)
      return { application_credential: credentialBody(call.base, credential) }
    },
  },
  {
    method: 'DELETE',
    path: `${path}/:credential`,
    ok: 204,
    handler: async (call) => {
      const { id } = await visibleUser(call)
      if (id === call.viewer.userId) refuseRestricted(call)
      else requireAdmin(call, 'delete_application_credential')
      await deleteCredential(call.deps.db, id, call.params.credential as string)
    },
  },
]

/** Only the user makes credentials, with a token of the project they are for. @returns the project's id. */
function requireOwner(call: Call, userId: string): string {
  if (userId !== call.viewer.userId)
    throw new LeaseholdError('forbidden', 'Only the user may make application credentials for the user.')
  refuseRestricted(call)
  if (!call.session.project)
    throw new LeaseholdError(
      'forbidden',
      'An application credential is for one project: use a token of that project.',
    )
  return call.session.project.id
}

/** A stolen restricted credential must not be able to make itself a successor. */
function refuseRestricted(call: Call): void {
  if (call.session.applicationCredential?.restricted)
    throw new LeaseholdError(
      'forbidden',
      'A token of a restricted application credential may not manage application credentials.',
    )
}

/** ISO 8601; UTC when it names no zone. @throws LeaseholdError 'invalid' */
function readExpiry(value: string | null | undefined): Date | null {
  if (value === null || value === undefined) return null
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?$/.exec(value)
  const date = new Date(match ? `${match[1]}${match[2] ?? 'Z'}` : Number.NaN)
  if (Number.isNaN(date.getTime()))
    throw new LeaseholdError('invalid', 'expires_at: must be a time such as 2030-12-31T23:59:59Z')
  if (date.getTime() <= Date.now()) throw new LeaseholdError('invalid', 'expires_at: must be in the future')
  return date
}

const credentialBody = (base: string, credential: ApplicationCredential) => ({
  id: credential.id,
  name: credential.name,
  description: credential.description,
  user_id: credential.user_id,
  project_id: credential.project_id,
  system: null,
  roles: credential.roles,
  unrestricted: credential.unrestricted,
  expires_at: credential.expires_at ? credential.expires_at.toISOString().replace('Z', '000') : null,
  links: {
    self: `${base}/identity/v3/users/${credential.user_id}/application_credentials/${credential.id}`,
  },
})
