/** The RAID configuration that a node is to have; the clean and deploy steps of its RAID interface make it. */
import { LeaseholdError } from '../../errors.ts'
import { unsupported } from '../../hardware/index.ts'
import type { ApiDeps } from '../deps.ts'
import { anyObject } from './fields.ts'
import { changeAllowed, nodeFor } from './node-access.ts'
import { requireDriven } from './node-machine.ts'
import type { Route } from './routes.ts'

export function raidRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'PUT',
      path: '/nodes/:node/states/raid',
      summary: "Set a node's wanted RAID configuration",
      rules: ['baremetal:node:get', 'baremetal:node:set_raid_state'],
      since: 12,
      below: 406,
      body: anyObject,
      ok: 204,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:set_raid_state')
        await requireDriven(deps, node)
        const config = call.body as Record<string, unknown>
        await changeAllowed(deps, call, node, ['baremetal:node:set_raid_state'], (current) => {
          const { checkConfig } = deps.hardware.implementation(current, 'raid')
          // Of all that a driver can lack, this alone is a 404.
          if (!checkConfig) throw new LeaseholdError('not-found', unsupported(current, 'raid').message)
          // Nothing wanted is what unsets a configuration.
          if (Object.keys(config).length > 0) checkConfig(config)
          return { target_raid_config: JSON.stringify(config) }
        })
      },
    },
  ]
}
