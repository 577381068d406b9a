/** Requests about consoles, by Leasehold's own rules. */
import { type Gate, locked, type PolicyRequest, plain, seen } from './request.ts'

const needs = (name: string): Gate => ({ rules: [`leasehold:console:${name}`], no: 403 })
const path = '/nodes/:node/console'

export const consoleRequests: PolicyRequest[] = [
  plain(`GET ${path}`, [seen, needs('get')], [200]),
  plain(`PUT ${path}`, [seen, needs('enable')], locked, { body: { enabled: false } }),
  plain(`PUT ${path}`, [seen, needs('share')], [202], {
    variant: 'sharing',
    body: { shared_with_owner: false },
  }),
  plain(`POST ${path}/tickets`, [seen, needs('read')], [201], { variant: 'to read', body: { mode: 'read' } }),
  ...['write', 'take', 'force'].map((mode) =>
    plain(`POST ${path}/tickets`, [seen, needs('read'), needs(mode)], [201], {
      variant: `to ${mode}`,
      body: { mode },
    }),
  ),
  plain(`DELETE ${path}/watchers/:watcher`, [seen, needs('force')], [400]),
  plain(`GET ${path}/journal`, [seen, needs('read')], [200]),
  plain(`GET ${path}/search`, [seen, needs('read')], [200], { query: 'text=x' }),
  plain(
    'GET /console_spans',
    [{ rules: ['leasehold:console:list', 'leasehold:console:list_all'], no: 403 }],
    [200],
  ),
  plain('GET /console_spans/:span/journal', [{ rules: ['leasehold:console:read'], no: 404 }], [200]),
  plain('POST /console_auth_tokens', [seen, needs('read'), needs('write')], [201], {
    body: ({ node }: Record<string, string>) => ({ node_uuid_or_name: node }),
  }),
  plain('DELETE /console_auth_tokens/:node', [seen, needs('read')], [200]),
]
