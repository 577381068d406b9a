/** Shards: how many nodes each has. For who sees all nodes. */
import { countShards } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { requireRule } from './node-access.ts'
import type { Route } from './routes.ts'

export const shardRoutes = (deps: ApiDeps): Route[] => [
  {
    method: 'GET',
    path: '/shards',
    summary: 'List shards with the number of their nodes; the nodes of none have the name null',
    rules: ['baremetal:shards:get'],
    since: 82,
    ok: 200,
    handler: async (call) => {
      requireRule(deps, call, 'baremetal:shards:get')
      return { shards: await countShards(deps.db) }
    },
  },
]
