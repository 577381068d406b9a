/**
 * `fake-hardware`: machines that exist only in their rows, for demonstrations and tests. Every interface works.
 *
 * A fake machine has no memory but its node: its power state is `power_state`, its boot device `boot_device`, the rest
 * is in `driver_internal_info`. Callers record what is returned to them, so it survives any restart, and any conductor
 * can drive it.
 */
import { LeaseholdError } from '../../errors.ts'
import { absent, noInspect, noop, noopDeploy, noopManagement, noopNetwork, noRescue } from '../absent.ts'
import { checkRaidConfig, logicalDiskProperties } from '../raid.ts'
import type { SerialDeps } from '../serial/access.ts'
import { createSshConsole } from '../serial/ssh.ts'
import { createTcpConsole } from '../serial/tcp.ts'
import {
  type HardwareType,
  type InspectInterface,
  type NetworkInterface,
  type PowerInterface,
  powerTargets,
  type RaidInterface,
  type RescueInterface,
} from '../types.ts'
import { console } from './console.ts'
import { inventoryOf, propertiesOf } from './machine.ts'
import { management } from './management.ts'
import { network } from './network.ts'
import { fake, operate } from './operations.ts'
import { vendor } from './vendor.ts'

const power: PowerInterface = {
  ...fake('power'),
  supported: powerTargets,
  async getState(node, bounds) {
    await operate(node, 'power.get_state', bounds)
    return node.power_state === 'power on' ? 'power on' : 'power off'
  },
  async setState(node, target, bounds) {
    const timeout = AbortSignal.timeout(bounds.timeoutMs)
    try {
      await operate(node, 'power.set_state', { signal: AbortSignal.any([bounds.signal, timeout]) })
    } catch (error) {
      if (!timeout.aborted || bounds.signal.aborted || error instanceof LeaseholdError) throw error
      throw new LeaseholdError(
        'unavailable',
        `Fake machine: ${target} took longer than ${bounds.timeoutMs} ms; lower driver_info's fake_delay_ms or allow more time.`,
      )
    }
  },
}

const inspect: InspectInterface = {
  ...fake('inspect'),
  async inspect(node, bounds) {
    if ((await operate(node, 'inspect.inspect', bounds)) === 'wait') return 'wait'
    return { properties: propertiesOf(node), ...inventoryOf(node) }
  },
  async abort(node, bounds) {
    await operate(node, 'inspect.abort', bounds)
  },
}

const rescue: RescueInterface = {
  ...fake('rescue'),
  rescue: (node, bounds) => operate(node, 'rescue.rescue', bounds),
  async unrescue(node, bounds) {
    await operate(node, 'rescue.unrescue', bounds)
  },
}

const raid: RaidInterface = { ...fake('raid'), logicalDiskProperties, checkConfig: checkRaidConfig }

/** The defaults (first of each) are those of Ironic with every fake interface enabled. */
export const createFakeHardware = (
  serial: SerialDeps,
  networks: readonly NetworkInterface[] = [],
): HardwareType => ({
  name: 'fake-hardware',
  interfaces: {
    bios: [fake('bios'), absent('bios')],
    boot: [fake('boot')],
    console: [console, absent('console'), createSshConsole(serial), createTcpConsole(serial)],
    deploy: [fake('deploy'), noopDeploy],
    firmware: [fake('firmware'), absent('firmware')],
    inspect: [inspect, noInspect],
    management: [management, noopManagement],
    network: [noopNetwork, network, ...networks],
    power: [power],
    raid: [raid, absent('raid')],
    rescue: [rescue, noRescue],
    storage: [noop, fake('storage')],
    vendor: [vendor, absent('vendor')],
  },
})
