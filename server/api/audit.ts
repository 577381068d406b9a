/** The audit's two doors: every changing and every denied call goes in, each project reads its own at `/audit`. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { nodeTarget } from '../access/index.ts'
import {
  type AuditFilters,
  type AuditRow,
  type AuditVisible,
  createRecorder,
  listAudit,
} from '../audit/index.ts'
import { LeaseholdError, messageOf } from '../errors.ts'
import { isoTime } from './baremetal/fields.ts'
import { denied } from './baremetal/node-access.ts'
import { pageOf } from './baremetal/page.ts'
import { limit, type QuerySchema, text, uuid } from './baremetal/query.ts'
import type { Call, Route } from './baremetal/routes.ts'
import type { ApiDeps } from './deps.ts'

/** What a request was about, noted by whoever found it. */
export interface AuditTarget {
  type: string
  uuid: string
  /** The node it is or belongs to, with its tenants at that time. */
  node?: { uuid: string; owner: string | null; lessee: string | null }
  /** True for what exists but not for this caller. */
  hidden?: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    auditTarget: AuditTarget | null
    /** What the error handler told the caller. */
    auditReason: string | null
  }
}

/** Records the calls of the routes in `scope`, before their answers leave. */
export function recordCalls(scope: FastifyInstance, deps: ApiDeps): void {
  const recorder = createRecorder(deps.db)
  scope.addHook('onSend', async (request, reply) => {
    const outcome = outcomeOf(request, reply.statusCode)
    if (!outcome) return
    const { caller, auditTarget: target } = request
    try {
      await recorder.record({
        request_id: request.id,
        user_id: caller.userId,
        project_id: caller.projectId,
        system_scope: caller.systemScope === 'all',
        action: `${request.method} ${request.routeOptions.url ?? ''}`,
        path: (request.url.split('?')[0] ?? '').slice(0, 1000),
        target_type: target?.type ?? null,
        target_uuid: target?.uuid ?? null,
        node_uuid: target?.node?.uuid ?? null,
        owner: target?.node?.owner ?? null,
        lessee: target?.node?.lessee ?? null,
        outcome,
        status: reply.statusCode,
        reason: request.auditReason?.slice(0, 500) ?? null,
      })
    } catch (error) {
      // What was done is done and has to be told; the log keeps what the audit could not.
      request.log.error({ err: error, outcome }, `audit: a call could not be recorded: ${messageOf(error)}`)
    }
  })
}

/** `hidden`: denied by a 404, to a caller who must not learn that there is something. */
function outcomeOf(request: FastifyRequest, status: number): string | undefined {
  if (!request.caller || request.caller.isPublicApi || status === 401) return undefined
  if (status === 404 && request.auditTarget?.hidden) return 'hidden'
  if (status === 403) return 'denied'
  if (request.method === 'GET' || request.method === 'HEAD') return undefined
  return status < 400 ? 'allowed' : 'failed'
}

const time = {
  type: 'string',
  read: (value: string, name: string) => {
    const date = new Date(value)
    if (Number.isNaN(date.getTime()))
      throw new LeaseholdError(
        'invalid',
        `Invalid time for query parameter ${name}: write it as 2026-11-23T20:00:00Z.`,
      )
    return date
  },
} as const

const outcomes = ['allowed', 'denied', 'failed', 'hidden']
const filters: QuerySchema = {
  node: uuid(),
  user: text(),
  project: text(),
  outcome: {
    type: 'string',
    read: (value) => {
      if (!outcomes.includes(value))
        throw new LeaseholdError('invalid', `outcome must be one of ${outcomes.join(', ')}.`)
      return value
    },
  },
  request_id: text(),
  since: time,
  until: time,
}

export function auditRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/audit',
      summary: 'List who did what, newest first (Leasehold’s own)',
      rules: ['leasehold:audit:list', 'leasehold:audit:list_all'],
      query: { limit, marker: uuid(), ...filters },
      ok: 200,
      handler: async (call) => {
        const { query } = call
        const visible = visibleAudit(deps, call)
        const page = pageOf(query, deps.config['api.max_limit'])
        const rows = await listAudit(deps.db, visible, filtersOf(query), page)
        if (!rows) throw new LeaseholdError('not-found', `Marker ${page.marker} could not be found.`)
        const last = rows.at(-1)
        const more = new URLSearchParams({
          ...textQuery(call.request),
          limit: String(page.limit),
          marker: last?.uuid ?? '',
        })
        return {
          audit: rows.map((row) => show(row, visible)),
          ...(last && rows.length === page.limit ? { next: `${call.base}/v1/audit?${more}` } : {}),
        }
      },
    },
  ]
}

function visibleAudit(deps: ApiDeps, call: Call): AuditVisible {
  if (deps.policy.allows('leasehold:audit:list_all', call.caller)) return { kind: 'all' }
  const { projectId } = call.caller
  if (
    projectId === null ||
    !deps.policy.allows('leasehold:audit:list', call.caller, nodeTarget({ owner: projectId }))
  )
    throw denied('leasehold:audit:list')
  return { kind: 'project', projectId }
}

const filtersOf = (query: Record<string, unknown>): AuditFilters => ({
  ...(query.node ? { nodeUuid: query.node as string } : {}),
  ...(query.user ? { userId: query.user as string } : {}),
  ...(query.project ? { projectId: query.project as string } : {}),
  ...(query.outcome ? { outcome: query.outcome as string } : {}),
  ...(query.request_id ? { requestId: query.request_id as string } : {}),
  ...(query.since ? { since: query.since as Date } : {}),
  ...(query.until ? { until: query.until as Date } : {}),
})

const textQuery = (request: FastifyRequest): Record<string, string> =>
  Object.fromEntries(
    Object.entries(request.query as Record<string, unknown>).map(([name, value]) => [name, String(value)]),
  )

/** A row. An owner learns that its lessee called, and what came of it, but not what the lessee was told. */
function show(row: AuditRow, visible: AuditVisible): Record<string, unknown> {
  const own = visible.kind === 'all' || row.project_id === visible.projectId
  return {
    uuid: row.uuid,
    at: isoTime(row.at),
    request_id: row.request_id,
    user: row.user_id,
    project: row.project_id,
    system_scope: row.system_scope,
    action: row.action,
    path: own ? row.path : null,
    target: row.target_type === null ? null : { type: row.target_type, uuid: row.target_uuid },
    node: row.node_uuid,
    outcome: row.outcome,
    status: row.status,
    reason: own ? row.reason : null,
  }
}
