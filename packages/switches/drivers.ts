/** The kinds of switches there are: a dialect over a transport, by name. */
import { plainShell } from './cli/shell.ts'
import { eos } from './eos/dialect.ts'
import { ios, iosShell } from './ios/dialect.ts'
import { junos } from './junos/dialect.ts'
import { nvue } from './nvue/dialect.ts'
import { nxos } from './nxos/dialect.ts'
import { nxosShell } from './nxos/shell.ts'
import { openconfig } from './openconfig/dialect.ts'
import { openvswitch } from './openvswitch/dialect.ts'
import { os10 } from './os10/dialect.ts'
import { sonic } from './sonic/dialect.ts'
import { eapiTransport } from './transports/eapi.ts'
import { execTransport } from './transports/exec.ts'
import { netconfTransport } from './transports/netconf.ts'
import { nxapiTransport } from './transports/nxapi.ts'
import { ovsdbTransport } from './transports/ovsdb.ts'
import { restTransport } from './transports/rest.ts'
import { shellTransport } from './transports/shell.ts'
import type { Dialect, Driver, Reply, Request, SwitchTarget, Transport } from './types.ts'

export const drivers: Readonly<Record<string, Driver>> = {
  'arista-eos-eapi': driver(eapiTransport, eos),
  'cisco-ios-ssh': driver(shellTransport(iosShell), () => ios),
  'cisco-nxos-nxapi': driver(nxapiTransport, () => nxos),
  'cisco-nxos-ssh': driver(shellTransport(nxosShell), () => nxos),
  'cumulus-nvue': driver(restTransport({ root: '/nvue_v1', port: 8765, hello: '/revision/applied' }), nvue),
  'dell-os10-ssh': driver(shellTransport(plainShell), () => os10),
  'junos-netconf': driver(netconfTransport({ requires: ['candidate:', 'confirmed-commit:'] }), junos),
  'openconfig-netconf': driver(
    netconfTransport({ requires: ['candidate:', 'confirmed-commit:1.1'] }),
    openconfig,
  ),
  openvswitch: driver(ovsdbTransport, openvswitch),
  'sonic-ssh': driver(execTransport, () => sonic),
}

/** Pairs a transport with a dialect that speaks its requests and replies. */
export function driver<Q extends Request, A extends Reply>(
  transport: Transport<Q, A>,
  dialectFor: (target: SwitchTarget) => Dialect<Q, A>,
): Driver {
  // The core hands a dialect only the replies of its own transport, so the pair is sound where the types cannot say so.
  return { transport, dialectFor } as unknown as Driver
}
