/** What the newest inspection of a node has found, shown to its owner. */
import { LeaseholdError } from '../../errors.ts'
import { findInventory } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { nodeFor } from './node-access.ts'
import type { Route } from './routes.ts'

export function inventoryRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes/:node/inventory',
      summary: "Show what a node's inspection has found",
      rules: ['baremetal:node:get', 'baremetal:node:inventory:get'],
      since: 81,
      ok: 200,
      handler: async (call) => {
        const { uuid } = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:inventory:get')
        const found = await findInventory(deps.db, uuid)
        if (!found)
          throw new LeaseholdError('not-found', `Node ${uuid} has no inventory: it was not inspected yet.`)
        return { inventory: found.inventory, plugin_data: found.plugin_data }
      },
    },
  ]
}
