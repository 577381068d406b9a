/** `/console_keys`: public keys of one's own for the SSH door, each for the scope of the token it was added with. */
import { Type } from 'typebox'
import { findSession } from '../../access/index.ts'
import {
  addKey,
  type ConsoleKey,
  deleteKey,
  type KeyOwner,
  listKeys,
  readPublicKey,
} from '../../console/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { isoTime } from '../baremetal/fields.ts'
import { normalUuid } from '../baremetal/identifiers.ts'
import { noteTarget, requireRule } from '../baremetal/node-access.ts'
import type { Call, Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'

const rule = 'leasehold:console:keys'
const newKey = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }),
    public_key: Type.String({ minLength: 1, maxLength: 4096 }),
  },
  { additionalProperties: false },
)

export function consoleKeyRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/console_keys',
      summary: 'List the caller’s own keys for consoles by SSH (Leasehold’s own)',
      rules: [rule],
      ok: 200,
      handler: async (call) => ({ console_keys: (await listKeys(deps.db, ownerOf(deps, call))).map(show) }),
    },
    {
      method: 'POST',
      path: '/console_keys',
      summary: 'Add a key with which the caller comes in by SSH (Leasehold’s own)',
      rules: [rule],
      body: newKey,
      ok: 201,
      handler: async (call) => {
        const owner = ownerOf(deps, call)
        await refuseCredential(deps, call)
        const { name, public_key } = call.body as { name: string; public_key: string }
        const key = await addKey(deps.db, owner, { name, key: readPublicKey(public_key) })
        noteTarget(call, 'console_key', key.id)
        return show(key)
      },
    },
    {
      method: 'DELETE',
      path: '/console_keys/:key',
      summary: 'Delete a key; who came in with it is cut (Leasehold’s own)',
      rules: [rule],
      ok: 204,
      handler: async (call) => {
        const owner = ownerOf(deps, call)
        await refuseCredential(deps, call)
        const ident = call.params.key as string
        const id = normalUuid(ident)
        const deleted = id && (await deleteKey(deps.db, owner, id))
        if (!deleted)
          throw new LeaseholdError('not-found', `Console key ${ident.slice(0, 255)} could not be found.`)
        noteTarget(call, 'console_key', deleted.id)
      },
    },
  ]
}

/** @throws LeaseholdError 'forbidden'; 'invalid' where users are not this service's own. */
function ownerOf(deps: ApiDeps, call: Call): KeyOwner {
  requireRule(deps, call, rule)
  const { userId, projectId, systemScope } = call.caller
  if (deps.config['auth.strategy'] !== 'standalone' || userId === null)
    throw new LeaseholdError(
      'invalid',
      'Keys are kept only with auth.strategy standalone, where this service knows its users: a Keystone does not say whether they still may come in. Give a token as the password of ssh instead.',
    )
  if (projectId === null && systemScope === null)
    throw new LeaseholdError('invalid', 'A key is for one project or for the system: use a token of that.')
  return { userId, projectId }
}

/**
 * A key is worth all roles of its user and outlives every token. An application credential, restricted or not, is
 * worth some of them and can be deleted: it must not make what is left behind then.
 */
async function refuseCredential(deps: ApiDeps, call: Call): Promise<void> {
  const session = await findSession(deps.db, String(call.request.headers['x-auth-token'] ?? ''))
  if (session?.applicationCredential)
    throw new LeaseholdError(
      'forbidden',
      'A token of an application credential may not manage console keys, which are worth all roles of its user and would outlive it: use the password’s.',
    )
}

const show = (key: ConsoleKey) => ({
  id: key.id,
  name: key.name,
  user_id: key.user_id,
  project_id: key.project_id,
  fingerprint: key.fingerprint,
  public_key: key.public_key,
  created_at: isoTime(key.created_at),
})
