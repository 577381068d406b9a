/** Hardware: what a node's driver can do with its machine. Types and names are Ironic's. */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createFakeHardware } from './fake/type.ts'
import { createIpmiHardware } from './ipmi/type.ts'
import { createSwitchNetwork, type NodeWiring } from './network/switch.ts'
import { createRegistry } from './registry.ts'
import { serialDeps } from './serial/access.ts'
import type { Hardware } from './types.ts'

export {
  conductorDrivers,
  type DriverInterfaces,
  driverProperties,
  driverVendorMethods,
  raidProperties,
} from './description.ts'
export {
  callOf,
  changeMachine,
  checkChange,
  checkIsolated,
  type MachineChange,
  releaseMachine,
  titleOf,
  unsupported,
  vendorMethod,
  vendorMethodsOf,
} from './machine.ts'
export * from './types.ts'
export { type Validation, validateNode } from './validation.ts'

export interface HardwareDeps {
  config: Config
  log: Logger
  /** Sets networks on switches; without, no driver has the network interface `switch`. */
  wiring?: NodeWiring
}

/**
 * The hardware types of this conductor: `fake-hardware` and `ipmi`. Opens no socket until a machine is asked for.
 * The caller closes it.
 */
export function createHardware({ config, log, wiring }: HardwareDeps): Hardware {
  const networks = wiring ? [createSwitchNetwork(wiring)] : []
  const fake = createFakeHardware(serialDeps(config), networks)
  const ipmi = createIpmiHardware({ config, log, networks })
  return createRegistry([fake, ipmi.type], () => ipmi.close())
}
