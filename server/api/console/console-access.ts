/** The way to a console: found, allowed, and at the conductor that keeps it. */
import { Readable } from 'node:stream'
import { consoleTarget, type RuleName } from '../../access/index.ts'
import { type ConsoleRow, findConsole, type Proof, type Span } from '../../console/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../inventory/index.ts'
import { denied, nodeOfAnyName } from '../baremetal/node-access.ts'
import type { Call } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'

/**
 * The node, when the caller sees it and every rule holds for its console as it is now.
 * @throws LeaseholdError 'not-found', 'forbidden'.
 */
export async function consoleFor(
  deps: ApiDeps,
  call: Call,
  ...rules: readonly RuleName[]
): Promise<{ node: Node; console: ConsoleRow | undefined }> {
  const ident = (call.params.node ?? '') as string
  return consoleOf(deps, call, ident, ...rules)
}

/** The same for a node that is named elsewhere. */
export async function consoleOf(
  deps: ApiDeps,
  call: Call,
  ident: string,
  ...rules: readonly RuleName[]
): Promise<{ node: Node; console: ConsoleRow | undefined }> {
  const node = await nodeOfAnyName(deps, call, ident)
  const console = await findConsole(deps.db, node.uuid)
  // By whose span it is: the node may have changed hands since it was read.
  const target = consoleTarget(console?.span ?? node)
  for (const rule of rules) if (!deps.policy.allows(rule, call.caller, target)) throw denied(rule)
  return { node, console }
}

/** @throws LeaseholdError 'conflict' for a console that is off. */
export function requireConsole(node: Node, console: ConsoleRow | undefined): ConsoleRow {
  if (console) return console
  throw new LeaseholdError(
    'conflict',
    `The console of node ${node.uuid} has never been on; PUT /v1/nodes/${node.uuid}/console {"enabled": true} switches it on.`,
  )
}

/** What every ticket for this caller and console has. */
export const ticketFor = (call: Call, node: Node, console: ConsoleRow) => ({
  nodeUuid: node.uuid,
  spanId: console.span.id,
  userId: call.caller.userId,
  projectId: call.caller.projectId,
  proof: proofOf(call),
})

function proofOf({ request }: Call): Proof {
  const header = (name: string) => request.headers[name] as string | undefined
  const serviceToken = header('x-service-token')
  return {
    kind: 'token',
    token: header('x-auth-token') ?? '',
    ...(serviceToken === undefined ? {} : { serviceToken }),
  }
}

/** Base of WebSocket addresses. */
export const socketBase = (call: Call): string => call.base.replace(/^http/, 'ws')

const forwardedHeader = 'x-leasehold-forwarded'
/** So soon it must begin to answer. A journal takes longer; both ends hang up on a stream that stands still. */
const forwardMs = 30_000

/**
 * The answer of the conductor that keeps the node's console, when that is another one; undefined when it is not.
 * @throws LeaseholdError 'unavailable' when that one does not answer, or has sent the call to one that does not keep it
 */
export async function forwarded(deps: ApiDeps, call: Call, node: Pick<Node, 'uuid'>): Promise<unknown> {
  const { request, reply } = call
  if (request.headers[forwardedHeader]) {
    // Anybody may send the header: what this host has on disk of a console that it does not keep is no answer.
    if (deps.consoles.watchers(node.uuid)) return undefined
    throw new LeaseholdError('unavailable', 'This conductor does not keep the console any more; try again.', {
      retryAfterSeconds: 1,
    })
  }
  const base = await deps.consoles.keptAt(node.uuid)
  if (base === undefined) return undefined
  const passed = [
    'x-auth-token',
    'x-service-token',
    'x-openstack-ironic-api-version',
    'x-openstack-request-id',
  ]
  const headers = Object.fromEntries(
    passed.flatMap((name) => (request.headers[name] ? [[name, String(request.headers[name])]] : [])),
  )
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), forwardMs)
  try {
    const answer = await fetch(`${base}${request.url}`, {
      method: request.method,
      headers: { ...headers, [forwardedHeader]: '1' },
      signal: late.signal,
    })
    call.status = answer.status
    for (const name of ['content-type', 'content-disposition']) {
      const value = answer.headers.get(name)
      if (value) reply.header(name, value)
    }
    return answer.body ? Readable.fromWeb(answer.body as never) : ''
  } catch (error) {
    throw new LeaseholdError(
      'unavailable',
      'The conductor that keeps this console does not answer; try again.',
      {
        cause: error,
        retryAfterSeconds: 1,
      },
    )
  } finally {
    clearTimeout(timer)
  }
}

/** For those who read a span: whether it is theirs to read. */
export const mayReadSpan = (deps: ApiDeps, call: Call, span: Span, current: boolean): boolean =>
  deps.policy.allows('leasehold:console:read', call.caller, consoleTarget(span)) &&
  (current || call.caller.systemScope === 'all' || deps.config['console.former_tenants_read'])
