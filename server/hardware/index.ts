/** Hardware: what a node's driver can do with its machine. Types and names are Ironic's. */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createFakeHardware } from './fake/type.ts'
import { createIpmiHardware } from './ipmi/type.ts'
import { createRegistry } from './registry.ts'
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
}

/**
 * The hardware types of this conductor: `fake-hardware` and `ipmi`. Opens no socket until a machine is asked for.
 * The caller closes it.
 */
export function createHardware({ config, log }: HardwareDeps): Hardware {
  const fake = createFakeHardware({ allowLocal: config['serial.allow_local'] })
  const ipmi = createIpmiHardware({ config, log })
  return createRegistry([fake, ipmi.type], () => ipmi.close())
}
