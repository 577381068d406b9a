/** Ports as they are found in the wild. */
import type { Dirt } from '../device.ts'
import { type Config, factoryInterface } from './model.ts'

export function dirtyInterface(config: Config, port: string, dirt: Dirt): void {
  const at = config.interfaces.findIndex(({ name }) => name === port)
  const fresh = factoryInterface(port, config.defaults)
  config.interfaces[at] = fresh
  if (dirt === 'routed') Object.assign(fresh, { switched: false, shutdown: false })
  if (dirt === 'trunk-all') Object.assign(fresh, { switched: true, mode: 'trunk', shutdown: false })
  if (dirt === 'stale')
    Object.assign(fresh, {
      switched: true,
      shutdown: false,
      access: 1,
      native: 66,
      allowed: [66, 77, 88],
      edge: 'edge trunk',
      description: 'somebody was here',
    })
}
