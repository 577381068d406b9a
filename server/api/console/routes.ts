/** Consoles over HTTP: how they are, who may come in, what they have shown. Leasehold's own, beside Ironic's states/console. */
import { Type } from 'typebox'
import { consoleTarget, nodeTarget, type RuleName } from '../../access/index.ts'
import { type ConsoleRow, issueTicket, type Mode, modes, shareSpan } from '../../console/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../inventory/index.ts'
import { isoTime, looseBoolean } from '../baremetal/fields.ts'
import { normalUuid } from '../baremetal/identifiers.ts'
import { switchConsole } from '../baremetal/node-console.ts'
import type { Call, Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'
import { consoleFor, forwarded, requireConsole, socketBase, ticketFor } from './console-access.ts'
import { journalQuery, journalRoutes, sendJournal } from './journal.ts'
import { tokenRoutes } from './tokens.ts'

export function ownConsoleRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/console'
  return [
    {
      method: 'GET',
      path,
      summary:
        "Show how a node's console is (Leasehold’s own); with an HTTP upgrade: the console itself, a WebSocket",
      rules: [
        'baremetal:node:get',
        'leasehold:console:get',
        'leasehold:console:read',
        'baremetal:node:get:last_error',
      ],
      ok: 200,
      handler: async (call) => {
        const { node, console } = await consoleFor(deps, call, 'leasehold:console:get')
        return (await forwarded(deps, call, node)) ?? showConsole(deps, call, node, console)
      },
    },
    {
      method: 'PUT',
      path,
      summary: "Switch a node's console on or off, or let the node's owner read along (Leasehold’s own)",
      rules: ['baremetal:node:get', 'leasehold:console:enable', 'leasehold:console:share'],
      body: Type.Object(
        { enabled: Type.Optional(looseBoolean), shared_with_owner: Type.Optional(Type.Boolean()) },
        { additionalProperties: false, minProperties: 1 },
      ),
      ok: 202,
      handler: async (call) => {
        const body = call.body as { enabled?: unknown; shared_with_owner?: boolean }
        const rules: RuleName[] = [
          ...(body.enabled === undefined ? [] : (['leasehold:console:enable'] as const)),
          ...(body.shared_with_owner === undefined ? [] : (['leasehold:console:share'] as const)),
        ]
        const { node, console } = await consoleFor(deps, call, ...rules)
        if (body.enabled !== undefined) await switchConsole(deps, call, node, body.enabled)
        if (body.shared_with_owner === undefined) return undefined
        if (!console)
          throw new LeaseholdError('conflict', 'There is no console to share yet; switch it on first.')
        await shareSpan(deps.db, node.uuid, console.span.id, body.shared_with_owner)
        return undefined
      },
    },
    {
      method: 'POST',
      path: `${path}/tickets`,
      summary: 'Get a ticket, good once, to open a console from a browser (Leasehold’s own)',
      rules: [
        'baremetal:node:get',
        'leasehold:console:read',
        'leasehold:console:write',
        'leasehold:console:take',
        'leasehold:console:force',
      ],
      body: Type.Object(
        { mode: Type.Optional(Type.Union(modes.map((mode) => Type.Literal(mode)))) },
        { additionalProperties: false },
      ),
      ok: 201,
      handler: async (call) => {
        const mode: Mode = (call.body as { mode?: Mode }).mode ?? 'write'
        const { node, console } = await consoleFor(
          deps,
          call,
          'leasehold:console:read',
          `leasehold:console:${mode}`,
        )
        const { ticket, expiresAt } = await issueTicket(deps.db, {
          ...ticketFor(call, node, requireConsole(node, console)),
          mode,
          origin: call.request.headers.origin ?? null,
          reusable: false,
          lifeSeconds: deps.config['console.ticket_seconds'],
        })
        return {
          ticket,
          expires_at: isoTime(expiresAt),
          url: `${socketBase(call)}/v1/nodes/${node.uuid}/console?ticket=${ticket}`,
        }
      },
    },
    {
      method: 'DELETE',
      path: `${path}/watchers/:watcher`,
      summary: 'Send a watcher of a console away (Leasehold’s own)',
      rules: ['baremetal:node:get', 'leasehold:console:force'],
      ok: 204,
      handler: async (call) => {
        const { node } = await consoleFor(deps, call, 'leasehold:console:force')
        const id = normalUuid(call.params.watcher as string)
        if (!id)
          throw new LeaseholdError('invalid', 'A watcher is named by its UUID; GET the console lists them.')
        const elsewhere = await forwarded(deps, call, node)
        if (elsewhere !== undefined) return elsewhere
        if (!deps.consoles.expel(node.uuid, id))
          throw new LeaseholdError('not-found', `Watcher ${id} could not be found.`)
        return undefined
      },
    },
    {
      method: 'GET',
      path: `${path}/journal`,
      summary: 'Read what a console has shown in the present lease (Leasehold’s own)',
      rules: ['baremetal:node:get', 'leasehold:console:read'],
      query: journalQuery,
      ok: 200,
      handler: async (call) => {
        const { node, console } = await consoleFor(deps, call, 'leasehold:console:read')
        return (
          (await forwarded(deps, call, node)) ??
          sendJournal(deps, call, requireConsole(node, console), node.name ?? node.uuid)
        )
      },
    },
    ...journalRoutes(deps),
    ...tokenRoutes(deps),
  ]
}

function showConsole(deps: ApiDeps, call: Call, node: Node, console: ConsoleRow | undefined) {
  const mayWatch = deps.policy.allows(
    'leasehold:console:read',
    call.caller,
    consoleTarget(console?.span ?? node),
  )
  return {
    node: node.uuid,
    enabled: node.console_enabled,
    interface: node.interfaces.console ?? null,
    state: console?.state ?? 'idle',
    since: console ? isoTime(console.stateSince) : null,
    ...healthOf(
      node,
      console,
      deps.policy.allows('baremetal:node:get:last_error', call.caller, nodeTarget(node)),
    ),
    shared_with_owner: console?.span.shared_with_owner ?? false,
    websocket: `${socketBase(call)}/v1/nodes/${node.uuid}/console`,
    page: `${call.base}/consoles/${node.name ?? node.uuid}`,
    // Who watches, and how far the journal goes, is for those who may watch.
    watchers: mayWatch ? (deps.consoles.watchers(node.uuid) ?? []) : null,
    journal: mayWatch && console ? { start: console.span.start, end: console.end } : null,
  }
}

/** Whether a console is well, why not, and what to do. */
function healthOf(
  node: Node,
  console: ConsoleRow | undefined,
  mayKnow: boolean,
): { health: string; reason: string | null } {
  if (!node.console_enabled)
    return { health: 'OFF', reason: `PUT /v1/nodes/${node.uuid}/console {"enabled": true} switches it on` }
  if (console?.state === 'up')
    return console.tcpTrouble && mayKnow
      ? { health: 'WARNING', reason: `It is up, but without a TCP door: ${console.tcpTrouble}` }
      : { health: 'OK', reason: null }
  if (console?.reason) return { health: 'CRITICAL', reason: mayKnow ? console.reason : console.plainReason }
  const waiting =
    'No conductor has taken it up yet; check that one runs for the node’s driver and conductor group'
  return { health: 'WARNING', reason: console?.state === 'idle' || !console ? waiting : 'It is being opened' }
}
