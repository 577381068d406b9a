/** What has happened to a node, told to its owner. */
import { LeaseholdError } from '../../errors.ts'
import { findHistory, type HistoryEntry, listHistory, type Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { isoTime, selfLinks } from './fields.ts'
import { normalUuid } from './identifiers.ts'
import { nodeFor } from './node-access.ts'
import { shownState } from './node-fields.ts'
import { nextLink, pageOf } from './page.ts'
import { boolean, paging } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

export function historyRoutes(deps: ApiDeps): Route[] {
  const rules = ['baremetal:node:get', 'baremetal:node:history:get'] as const
  return [
    {
      method: 'GET',
      path: '/nodes/:node/history',
      summary: 'List what has happened to a node',
      rules,
      since: 78,
      query: { ...paging, detail: boolean() },
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:history:get')
        const page = pageOf(call.query, deps.config['api.max_limit'])
        const key = (call.query.sort_key as string | undefined) ?? 'created_at'
        if (!['id', 'uuid', 'created_at', 'severity', 'event', 'event_type'].includes(key))
          throw invalid(
            `The sort_key value "${key.slice(0, 100)}" is an invalid field for sorting; use created_at, uuid, severity, event or event_type.`,
          )
        const entries = await listHistory(deps.db, node.uuid, { ...page, sortColumn: key })
        const shown = entries.map((entry) => showHistory(call, node, entry, call.query.detail === true))
        return {
          history: shown,
          ...nextLink(
            `${call.base}/v1/nodes/${node.uuid}/history`,
            { ...call.query, sort_key: key },
            page,
            entries,
          ),
        }
      },
    },
    {
      method: 'GET',
      path: '/nodes/:node/history/:entry',
      summary: 'Show one thing that has happened to a node',
      rules,
      since: 78,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:history:get')
        const asked = call.params.entry as string
        const uuid = normalUuid(asked)
        const entry = uuid ? await findHistory(deps.db, node.uuid, uuid) : undefined
        if (!entry)
          throw new LeaseholdError(
            'not-found',
            `Node history record ${asked.slice(0, 100)} could not be found.`,
          )
        return showHistory(call, node, entry, true)
      },
    },
  ]
}

function showHistory(call: Call, node: Node, entry: HistoryEntry, full: boolean): Record<string, unknown> {
  const short = full || entry.event.length <= 255 ? entry.event : `${entry.event.slice(0, 251)}...`
  return {
    uuid: entry.uuid,
    created_at: isoTime(entry.created_at),
    severity: entry.severity,
    event: short,
    ...(full
      ? {
          event_type: entry.event_type,
          conductor: entry.conductor,
          user: entry.user_id,
          ...(call.version >= 113 ? { project: entry.project_id } : {}),
          ...(call.version >= 115
            ? {
                state: shownState(entry.state, call.version),
                target_provision_state: entry.target_provision_state,
                duration_seconds: entry.duration_seconds,
              }
            : {}),
        }
      : {}),
    links: selfLinks(call.base, `nodes/${node.uuid}/history/${entry.uuid}`),
  }
}
