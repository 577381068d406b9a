/** Junos, on switches with Enhanced Layer 2 Software (EX, QFX): the language, over NETCONF. */
import { confirmSeconds, reservedWords, verdictOn } from '../netconf/verdict.ts'
import { orderedSteps } from '../steps.ts'
import type { NetconfReply, NetconfRequest } from '../transports/netconf-messages.ts'
import { element, findAll, netconfNamespace, textAt, type XmlElement } from '../transports/xml.ts'
import type { Dialect, PortIntent, SwitchTarget, Verdict, VlanIntent } from '../types.ts'
import { lagName, normalisePort } from './names.ts'
import { parseState, type SpanningTree } from './parse.ts'
import { render } from './render.ts'

/**
 * Settings: `spanningTree` is the protocol whose edge ports are set, `rstp` (the default), `mstp`, or `none` to leave
 * them alone; `memberOptions` is where this hardware says that a port is in a LAG, `gigether-options` (the default) or
 * `ether-options`.
 */
export function junos({
  settings = {},
}: Pick<SwitchTarget, 'settings'>): Dialect<NetconfRequest, NetconfReply> {
  const tree = (settings.spanningTree ?? 'rstp') as SpanningTree
  const memberOptions = settings.memberOptions ?? 'gigether-options'
  return {
    name: 'junos',
    capabilities: {
      vlans: 'explicit',
      lag: true,
      multiChassis: false,
      stpEdge: tree !== 'none',
      mtu: true,
      description: true,
      transaction: true,
      // A commit survives a restart.
      save: false,
    },
    normalisePort,
    lagName,
    readRequests: () => [
      { line: commitLog, operation: call('get-commit-information'), clock: 'unless-running' },
      { line: 'get-configuration', operation: { do: 'rpc', rpc: getConfiguration(tree) } },
      {
        line: 'get-interface-information',
        operation: { do: 'rpc', rpc: native('get-interface-information', [native('terse')]) },
      },
    ],
    parseState: (replies) => parseState(replies, tree),
    diff: (state, target) => orderedSteps(state, target, lagName),
    render: (steps, { before }) => render(steps, before, { tree, memberOptions }),
    classify,
    forbidden,
    forbiddenVlan,
    transaction: {
      begin: () => [lock],
      arm: (id) => [
        { line: 'validate', operation: { do: 'validate', source: 'candidate' } },
        {
          line: 'commit confirmed',
          operation: commit(id, [
            native('confirmed'),
            // In minutes, unlike that of NETCONF's own commit.
            native('confirm-timeout', String(confirmSeconds / 60)),
          ]),
          clock: confirmSeconds,
        },
      ],
      commit: (id) => [{ line: 'commit', operation: commit(id), clock: 'confirm' }],
      end: () => [{ line: 'unlock', operation: { do: 'unlock', target: 'candidate' } }],
      rollback: (id) => rollback(id),
    },
  }
}

const commitLog = 'get-commit-information'
const ownCommits = 'get-commit-information of our own commits'

/** Elements of operations, as opposed to those of the configuration. */
function native(
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Record<string, string> = {},
): XmlElement {
  return element(netconfNamespace, name, content, attributes)
}
function call(
  name: string,
  content: readonly XmlElement[] = [],
  attributes: Record<string, string> = {},
): NetconfRequest['operation'] {
  return { do: 'rpc', rpc: native(name, content, attributes) }
}

/** What is in force, with what comes from groups and interface ranges spelt out. */
function getConfiguration(tree: SpanningTree): XmlElement {
  const protocols = tree === 'none' ? [] : [native('protocols', [native(tree)])]
  const wanted = native('configuration', [
    native('interfaces'),
    native('vlans'),
    native('chassis', [native('aggregated-devices')]),
    ...protocols,
  ])
  return native('get-configuration', [wanted], { database: 'committed', inherit: 'inherit', format: 'xml' })
}

/** Junos's own commit, because it can be signed: what is undone later must be ours. */
function commit(id: string, options: readonly XmlElement[] = []): NetconfRequest['operation'] {
  return call('commit-configuration', [...options, native('log', signature(id))])
}
function signature(id: string): string {
  return `leasehold ${id}`
}

/** Refused while somebody has uncommitted changes there, so that they are not committed with ours. */
const lock: NetconfRequest = { line: 'lock', operation: { do: 'lock', target: 'candidate' } }

/**
 * Junos has no cancel-commit. What was committed is undone by loading what was before it, if the log of commits says
 * that ours is still the last: once when it was not confirmed, twice when it was and only the answer was lost.
 */
function rollback(id: string): NetconfRequest[] {
  const ours = (earlier: readonly NetconfReply[]): number => {
    const log = commitsOf(earlier.find(({ line }) => line === ownCommits))
    const last = log.findIndex(({ log: words }) => words !== signature(id))
    return last < 0 ? log.length : last
  }
  return [
    { ...lock, patient: true },
    { line: 'discard-changes', operation: { do: 'discard-changes' }, underLock: true },
    { line: ownCommits, operation: call('get-commit-information'), underLock: true },
    ...[1, 2].map(
      (back): NetconfRequest => ({
        line: `load rollback ${back}`,
        operation: call('load-configuration', [], { rollback: String(back) }),
        only: (earlier) => ours(earlier) === back,
      }),
    ),
    {
      line: 'commit',
      operation: call('commit-configuration', [native('log', `leasehold undid ${id}`)]),
      only: (earlier) => ours(earlier) > 0,
      clock: 'stop',
    },
  ]
}

function commitsOf(reply: NetconfReply | undefined): { log: string; comment: string }[] {
  return findAll(reply?.answer ?? undefined, 'commit-information', 'commit-history').map((one) => ({
    log: textAt(one, 'log') ?? '',
    comment: textAt(one, 'comment') ?? '',
  }))
}

function classify(reply: NetconfReply): Verdict {
  if (reply.line === commitLog && reply.answer !== null && reply.errors.length === 0) {
    const [last] = commitsOf(reply)
    if (last?.log.startsWith('leasehold ') && /confirmed, rollback in/.test(last.comment))
      return { is: 'retry', reply: `a commit waits to be confirmed or undone (${last.comment})` }
  }
  return verdictOn(reply, {
    busy: /configuration database (is )?(locked|modified)/i,
    missingVlan: /vlan.*(not (configured|defined|found)|does not exist|undefined)|(no|undefined) vlan/i,
  })
}

function forbidden(_port: string, intent: PortIntent): string | null {
  if (intent.description !== undefined && reservedWords.test(intent.description))
    return 'a description with words such as uplink or management would shut us out from the port'
  return intent.mtu !== undefined && intent.mtu > 9_202
    ? 'Junos takes MTUs up to 9216 with the Ethernet header, so 9202 without it'
    : null
}

function forbiddenVlan({ id, name }: VlanIntent): string | null {
  if (name === undefined) return null
  if (id === 1 || name === 'default')
    return id === 1 && name === 'default' ? null : 'default is the name of VLAN 1'
  if (!/^[A-Za-z][A-Za-z0-9_.-]*$/.test(name))
    return 'on Junos a VLAN’s name begins with a letter and has no colon'
  return name === 'all' || name === 'none' ? `${name} means something else on Junos` : null
}
