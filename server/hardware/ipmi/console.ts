/**
 * Console over IPMI: Serial over LAN. Its name is that of Ironic's nodes, for records that people have; neither
 * ipmitool nor socat is run.
 */
import { IpmiError, type SolOptions, type SolQuirk, solQuirks } from '@leasehold/ipmi'
import { LeaseholdError } from '../../errors.ts'
import type { ConsoleInterface, Line, LineEvents, LineOptions, Node } from '../types.ts'
import type { AskBmc } from './bmc.ts'
import { ipmiProperties, readBmcAccess, readBoolean } from './driver-info.ts'
import { explain } from './errors.ts'

const quirkNames = Object.keys(solQuirks) as SolQuirk[]

const properties = {
  ...ipmiProperties,
  ipmi_sol_quirks: `What this BMC does differently about Serial over LAN, separated by commas: ${quirkNames.join(', ')}. Optional.`,
  ipmi_sol_encryption:
    'Whether console data is encrypted; default is true. False is for BMCs that refuse it. Optional.',
} as const

/** The console interface `ipmitool-socat`. */
export function createIpmiConsole(ask: AskBmc): ConsoleInterface {
  return {
    name: 'ipmitool-socat',
    properties,
    validate(node) {
      readBmcAccess(node)
      readSolSettings(node)
    },
    // Nothing is started: whoever keeps the console opens it as long as the node says that it is enabled.
    start: async () => ({ console_enabled: true }),
    stop: async () => ({ console_enabled: false }),
    open: (node, events, options) => openLine(ask, node, events, options),
  }
}

async function openLine(
  ask: AskBmc,
  node: Node,
  events: LineEvents,
  { signal, whenTaken, keepAliveMs, remembered }: LineOptions,
): Promise<Line> {
  const { quirks, encryption } = readSolSettings(node)
  const { address, port } = readBmcAccess(node).target
  // A session of another BMC means nothing to this one.
  const sameBmc = remembered?.address === address && remembered.port === port
  const previous = sameBmc && Number.isInteger(remembered.session) ? Number(remembered.session) : undefined
  const sol: SolOptions = {
    onData: (bytes) => events.data(bytes),
    onActivating: () => events.activating(),
    onSession: (session) => events.remember({ session, address, port }),
    onDrained: () => events.drained(),
    onNoted: (event) => events.noted(event),
    onLost: (error) => events.lost({ taken: error.code === 'taken', error: asError(explain(error, signal)) }),
    whenTaken,
    keepAliveMs,
    quirks,
    encryption,
    ...(previous === undefined ? {} : { previousSessionId: previous }),
  }
  const console = await ask(node, { signal }, (client, target, call) => client.openSol(target, sol, call))
  return {
    write: (bytes) => console.write(bytes),
    get queued() {
      return console.queued
    },
    sendBreak: () => console.sendBreak(),
    close: () => console.close(),
  }
}

interface SolSettings {
  quirks: readonly SolQuirk[]
  encryption: boolean
}

/** @throws LeaseholdError 'invalid' naming the key and what it must be. */
function readSolSettings({ driver_info: info }: Pick<Node, 'driver_info'>): SolSettings {
  return {
    quirks: readQuirks(info.ipmi_sol_quirks),
    encryption: readBoolean('ipmi_sol_encryption', info.ipmi_sol_encryption, true),
  }
}

function readQuirks(value: unknown): readonly SolQuirk[] {
  if (value == null) return []
  const names = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value]
  return names
    .map((name) => String(name).trim())
    .filter((name) => name !== '')
    .map((name) => {
      const known = quirkNames.find((each) => each === name)
      if (known !== undefined) return known
      throw new LeaseholdError(
        'invalid',
        `driver_info: ipmi_sol_quirks must be some of ${quirkNames.join(', ')}.`,
      )
    })
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new IpmiError('session-lost', 'the console was lost')
