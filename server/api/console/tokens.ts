/** esi-leap's console tokens, so that its clients and whatever opens its address work: `esi console auth token create`. */
import { Type } from 'typebox'
import { consoleTarget } from '../../access/index.ts'
import { dropTickets, issueTicket } from '../../console/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'
import { consoleFor, consoleOf, requireConsole, socketBase, ticketFor } from './console-access.ts'

/** esi-leap's default, seconds. */
const usualLifeSeconds = 600
const longestLifeSeconds = 86_400

export function tokenRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/console_auth_tokens',
      summary: 'Get a token with which a console opens at one address, until it expires (as in esi-leap)',
      rules: [
        'baremetal:node:get',
        'leasehold:console:read',
        'leasehold:console:write',
        'leasehold:console:take',
      ],
      body: Type.Object(
        {
          node_uuid_or_name: Type.String({ minLength: 1, maxLength: 255 }),
          // The client sends text.
          token_ttl: Type.Optional(Type.Union([Type.String(), Type.Integer(), Type.Null()])),
        },
        { additionalProperties: false },
      ),
      ok: 201,
      handler: async (call) => {
        const body = call.body as { node_uuid_or_name: string; token_ttl?: string | number | null }
        const lifeSeconds = lifeOf(body.token_ttl)
        const { node, console } = await consoleOf(
          deps,
          call,
          body.node_uuid_or_name,
          'leasehold:console:read',
          'leasehold:console:write',
        )
        const mayTake = deps.policy.allows(
          'leasehold:console:take',
          call.caller,
          consoleTarget(console?.span ?? node),
        )
        const { ticket } = await issueTicket(deps.db, {
          ...ticketFor(call, node, requireConsole(node, console)),
          mode: mayTake ? 'take' : 'write',
          origin: null,
          reusable: true,
          lifeSeconds,
        })
        return { node_uuid: node.uuid, token: ticket, access_url: `${socketBase(call)}/?token=${ticket}` }
      },
    },
    {
      method: 'DELETE',
      path: '/console_auth_tokens/:node',
      summary:
        'Make the console tokens of a node void that the caller’s project has got, and end what they opened (as in esi-leap)',
      rules: ['baremetal:node:get', 'leasehold:console:read'],
      ok: 200,
      handler: async (call) => {
        const { node } = await consoleFor(deps, call, 'leasehold:console:read')
        await dropTickets(
          deps.db,
          node.uuid,
          call.caller.systemScope === 'all' ? null : call.caller.projectId,
        )
        call.reply.type('application/json')
        return 'null'
      },
    },
  ]
}

/** @throws LeaseholdError 'invalid' naming the field. */
function lifeOf(given: string | number | null | undefined): number {
  if (given === undefined || given === null || given === '') return usualLifeSeconds
  const seconds = Number(given)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > longestLifeSeconds)
    throw new LeaseholdError(
      'invalid',
      `token_ttl must be a number of seconds from 1 to ${longestLifeSeconds}.`,
    )
  return seconds
}
