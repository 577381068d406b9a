/** OpenConfig's models over NETCONF: interfaces, VLANs and LACP said the same way on every switch that has them. */
import { confirmSeconds, reservedWords, verdictOn } from '../netconf/verdict.ts'
import { orderedSteps } from '../steps.ts'
import type { NetconfReply, NetconfRequest } from '../transports/netconf-messages.ts'
import { element, type XmlElement } from '../transports/xml.ts'
import type { Dialect, PortIntent, SwitchTarget } from '../types.ts'
import { lagNames, namespaces, normalisePort } from './names.ts'
import { parseState } from './parse.ts'
import { render } from './render.ts'
import { restore } from './restore.ts'

/**
 * Settings: `networkInstance` that has the VLANs (`default`); `lagName` as the switch calls LAG interfaces, with % for
 * the number (`Port-Channel%`); `spanningTree: openconfig` where it has that model, so that edge ports are set;
 * `untagged: dropped` where it is known that a trunk without a native VLAN drops untagged frames: the model does not
 * say so, and without this such trunks are refused.
 */
export function openconfig({
  settings = {},
}: Pick<SwitchTarget, 'settings'>): Dialect<NetconfRequest, NetconfReply> {
  const networkInstance = settings.networkInstance ?? 'default'
  const lags = lagNames(settings.lagName ?? 'Port-Channel%')
  const tree = settings.spanningTree === 'openconfig'
  return {
    name: 'openconfig',
    capabilities: {
      vlans: 'explicit',
      lag: true,
      multiChassis: false,
      stpEdge: tree,
      mtu: true,
      description: true,
      transaction: true,
      // Where there is a startup configuration; elsewhere a commit survives a restart.
      save: true,
    },
    normalisePort,
    lagName: lags.of,
    readRequests: () => [
      { line: 'get interfaces', operation: { do: 'get', filter: [interfaceNames()] } },
      {
        line: 'get-config running',
        operation: { do: 'get-config', source: 'running', filter: configuration(networkInstance, tree) },
      },
    ],
    parseState: (replies) => parseState(replies, { networkInstance, lags }),
    diff: (state, target) => orderedSteps(state, target, lags.of),
    render: (steps, { before }) => render(steps, before, { networkInstance, lags }),
    restore: (before, now, touched) => restore(before, now, touched, { networkInstance, lags }),
    classify: (reply) => verdictOn(reply),
    forbidden: (port, intent) => forbidden(port, intent, settings),
    forbiddenVlan: () => null,
    transaction: {
      begin: () => [lock],
      arm: () => [
        // Not validated first: a commit does that too, and after a validate netconfd 2.13 takes it for one of nothing.
        {
          line: 'commit confirmed',
          // No `persist`: the switch goes back by itself as soon as this session is gone, not only when time is over.
          operation: { do: 'commit', confirmed: { timeoutSeconds: confirmSeconds } },
          clock: confirmSeconds,
        },
      ],
      commit: () => [{ line: 'commit', operation: { do: 'commit' }, clock: 'confirm' }],
      end: () => [{ line: 'unlock candidate', operation: { do: 'unlock', target: 'candidate' } }],
      rollback: () => [
        // Whoever has the lock knows that our broken session has lost it, and is gone with all that it left unconfirmed.
        { ...lock, patient: true },
        {
          line: 'cancel-commit',
          operation: { do: 'cancel-commit' },
          // There is nothing to cancel before the commit; what is true in the end is read back.
          accept: ['invalid-value', 'operation-failed', 'data-missing', 'missing-element'],
          clock: 'stop',
          underLock: true,
        },
        { line: 'discard-changes', operation: { do: 'discard-changes' }, underLock: true },
      ],
    },
    saveRequests: () => [
      {
        line: 'copy-config running startup',
        operation: { do: 'copy-config', source: 'running', target: 'startup' },
        ifCapable: 'startup:',
      },
    ],
  }
}

/**
 * Of the candidate only. While it holds a lock of running, a session keeps netconfd 2.13 from taking back what that
 * session left unconfirmed; and nothing gets into running but through the candidate.
 */
const lock: NetconfRequest = { line: 'lock candidate', operation: { do: 'lock', target: 'candidate' } }

/** Every interface there is, configured or not. */
function interfaceNames(): XmlElement {
  const make = (name: string, content: readonly XmlElement[] = []) =>
    element(namespaces.interfaces, name, content)
  return make('interfaces', [make('interface', [make('name')])])
}

function configuration(networkInstance: string, tree: boolean): XmlElement[] {
  const make = (name: string, content: string | readonly XmlElement[] = []) =>
    element(namespaces.networkInstance, name, content)
  const instance = make('network-instance', [make('name', networkInstance), make('vlans')])
  return [
    element(namespaces.interfaces, 'interfaces'),
    make('network-instances', [instance]),
    element(namespaces.lacp, 'lacp'),
    ...(tree
      ? [element(namespaces.spanningTree, 'stp', [element(namespaces.spanningTree, 'interfaces')])]
      : []),
  ]
}

function forbidden(
  _port: string,
  intent: PortIntent,
  settings: Readonly<Record<string, string>>,
): string | null {
  if (intent.description !== undefined && reservedWords.test(intent.description))
    return 'a description with words such as uplink or management would shut us out from the port'
  if (intent.mode === 'trunk' && intent.native === null && settings.untagged !== 'dropped')
    return 'OpenConfig does not say what becomes of untagged frames on a trunk without a native VLAN; where they are dropped, set untagged: dropped'
  return null
}
