/** Hardware type `ipmi`: power, boot device and console of real machines, over one UDP socket for all of them. */

import { createIpmiClient } from '@leasehold/ipmi'
import type { Logger } from 'pino'
import { inNetworks } from '../../addresses.ts'
import type { Config } from '../../config.ts'
import { absent, noInspect, noop, noopDeploy, noopManagement, noopNetwork, noRescue } from '../absent.ts'
import { serialDeps } from '../serial/access.ts'
import { createSshConsole } from '../serial/ssh.ts'
import { createTcpConsole } from '../serial/tcp.ts'
import type { HardwareType, NetworkInterface } from '../types.ts'
import { createAskBmc } from './bmc.ts'
import { createIpmiConsole } from './console.ts'
import { createIpmiManagement } from './management.ts'
import { createIpmiPower } from './power.ts'

export interface IpmiHardware {
  type: HardwareType
  /** Closes every session at its BMC, and the socket. */
  close(): Promise<void>
}

/** The hardware type and its client, which opens its socket at the first request. */
export function createIpmiHardware({
  config,
  log,
  networks = [],
}: {
  config: Config
  log: Logger
  /** Network interfaces besides `noop`. */
  networks?: readonly NetworkInterface[]
}): IpmiHardware {
  const commandTimeoutMs = config['ipmi.command_timeout_ms']
  const allowed = config['hardware.allowed_networks']
  const client = createIpmiClient({
    ...(allowed.length === 0 ? {} : { allows: inNetworks(allowed) }),
    maxConcurrent: config['ipmi.max_concurrent'],
    maxSessions: Math.max(4096, config['ipmi.max_concurrent']),
    replyTimeoutMs: config['ipmi.request_timeout_ms'],
    exchangeTimeoutMs: commandTimeoutMs,
    // A call may wait in line behind BMCs that are silent, and open a session, before its command's turn.
    deadlineMs: Math.max(60_000, 3 * commandTimeoutMs),
  })
  const ask = createAskBmc(client)
  const serial = serialDeps(config)

  return {
    type: {
      name: 'ipmi',
      interfaces: {
        bios: [absent('bios')],
        boot: [noop],
        console: [
          createIpmiConsole(ask),
          absent('console'),
          createSshConsole(serial),
          createTcpConsole(serial),
        ],
        deploy: [noopDeploy],
        firmware: [absent('firmware')],
        inspect: [noInspect],
        management: [createIpmiManagement(ask), noopManagement],
        network: [noopNetwork, ...networks],
        power: [createIpmiPower(ask)],
        raid: [absent('raid')],
        rescue: [noRescue],
        storage: [noop],
        vendor: [absent('vendor')],
      },
    },
    async close() {
      const { strayDatagrams } = client.stats()
      log.debug({ strayDatagrams }, 'closing IPMI sessions')
      await client.close()
    },
  }
}
