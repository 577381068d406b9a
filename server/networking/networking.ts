/** The room put together: wiring for drivers in every process, and a keeper of switches in those that start it. */
import { openSwitch } from '@leasehold/switches'
import { type Keeper, startKeeper } from './keeper.ts'
import { setRoles } from './roles.sql.ts'
import type { Networking, NetworkingDeps } from './types.ts'
import { checkProvider, createUpstream } from './upstream/index.ts'
import { createWiring } from './wiring.ts'

export function createNetworking(deps: NetworkingDeps): Networking {
  const log = deps.log.child({ room: 'networking' })
  const provider = deps.config['networking.provider']
  const upstream = provider === 'neutron' ? createUpstream({ ...deps, log }) : undefined
  let keeper: Keeper | undefined
  return {
    ...createWiring(deps, upstream),
    ...(upstream ? { upstream } : {}),
    async start() {
      await checkProvider(deps.db, provider)
      await upstream?.start()
      await setRoles(deps.db, deps.config, log)
      keeper ??= startKeeper({ ...deps, log, open: deps.open ?? openSwitch, changed: () => upstream?.wake() })
    },
    async stop() {
      const stopping = keeper
      keeper = undefined
      await upstream?.stop()
      await stopping?.stop()
    },
    census: () => keeper?.census() ?? { switches: 0, unreachable: 0 },
  }
}
