/** SONiC: commands of a Linux shell that change tables of a database; undone by a checkpoint of it. */
import { forbiddenDescription } from '../cli/config.ts'
import { orderedSteps } from '../steps.ts'
import type { CliReply, CliRequest } from '../transports/cli.ts'
import type {
  Dialect,
  Membership,
  PortIntent,
  Settled,
  Step,
  SwitchState,
  Verdict,
  VlanId,
} from '../types.ts'
import { formatVlans } from '../vlans.ts'
import { lagName, normalisePort, parseState } from './parse.ts'

export const sonic: Dialect<CliRequest, CliReply> = {
  name: 'sonic',
  capabilities: {
    vlans: 'explicit',
    lag: true,
    // The LACP of SONiC always speaks first.
    lacpPassive: false,
    multiChassis: false,
    stpEdge: false,
    mtu: true,
    description: true,
    transaction: true,
    save: true,
  },
  normalisePort,
  lagName,
  readRequests: () => [{ mode: 'exec', line: 'sonic-cfggen -d --print-data' }],
  parseState: ([reply]) => parseState(reply?.text ?? ''),
  diff: (state, target) => orderedSteps(state, target, lagName),
  render: (steps, { before }) =>
    steps.flatMap((step) =>
      linesOf(step, before).map((line) => ({
        ...config(line),
        ...('port' in step ? { port: step.port } : {}),
      })),
    ),
  classify,
  forbidden,
  forbiddenVlan: ({ id, name }) => (id === 1 && name !== undefined ? 'SONiC keeps VLAN 1 for itself' : null),
  transaction: {
    begin: () => [config(dropCheckpoint), config(`config checkpoint ${checkpoint}`)],
    rollback: () => [config(`config rollback ${checkpoint}`)],
    end: () => [config(dropCheckpoint)],
  },
  recoverable: true,
  saveRequests: () => [config('config save -y')],
}

/** One name, used again and again, so that killed processes leave one behind at most. */
const checkpoint = 'leasehold'
const dropCheckpoint = `config delete-checkpoint ${checkpoint}`

function config(line: string): CliRequest {
  return { mode: 'configure', line: `sudo ${line}` }
}

function forbidden(port: string, intent: PortIntent): string | null {
  const used =
    intent.mode === 'access'
      ? [intent.vlan]
      : intent.mode === 'idle'
        ? [intent.quarantine]
        : [...intent.tagged, intent.native]
  if (used.includes(1)) return 'SONiC keeps VLAN 1 for itself'
  if (intent.mtu !== undefined && intent.mode !== 'idle' && intent.lag)
    return 'members of a LAG take their MTU from it'
  if (intent.description !== undefined && port.startsWith('PortChannel'))
    return 'a PortChannel of SONiC has no description'
  return forbiddenDescription(intent)
}

function linesOf(step: Step, before: SwitchState): string[] {
  const was = 'port' in step ? before.ports.get(step.port)?.membership : undefined
  switch (step.kind) {
    case 'vlan': {
      const { id, name } = step.vlan
      const add = step.exists ? [] : [`config vlan add ${id}`]
      // There is no command for a VLAN's name, but the database has a place for it.
      return name === undefined ? add : [...add, `${hset(`VLAN|Vlan${id}`)} description ${name}`]
    }
    case 'remove-vlan':
      return [`config vlan del ${step.vlan.id}`]
    case 'down':
      return [`config interface shutdown ${step.port}`]
    case 'up':
      return [`config interface startup ${step.port}`]
    case 'make-lag':
      return [`config portchannel add ${step.port}`]
    case 'remove-lag':
      return [...leaveAll(step.port, was), `config portchannel del ${step.port}`]
    case 'leave-lag':
      return [`config portchannel member del ${lagName(step.group)} ${step.port}`]
    case 'join-lag':
      // A member is in no VLAN by itself.
      return [
        ...leaveAll(step.port, was),
        `config switchport mode routed ${step.port}`,
        `config portchannel member add ${lagName(step.lag.group)} ${step.port}`,
      ]
    case 'multi-chassis':
      return []
    case 'membership':
      return membershipLines(step.port, step.from ?? was, step.to)
    case 'settings': {
      const { mtu, description } = step.set
      const table = `PORT|${step.port}`
      return [
        ...(mtu === undefined ? [] : [`config interface mtu ${step.port} ${mtu}`]),
        ...(description === undefined
          ? []
          : description === ''
            ? [`sonic-db-cli CONFIG_DB hdel '${table}' description`]
            : [`${hset(table)} description '${description}'`]),
      ]
    }
  }
}

/** Out of what is not wanted, then the mode, then into what is missing: the old untagged VLAN must be left first. */
function membershipLines(port: string, from: Membership | undefined, to: Settled): string[] {
  const is = memberOf(from)
  const wanted = memberOf(to)
  const stays = is.untagged === wanted.untagged
  const drop = is.tagged.filter((id) => !wanted.tagged.includes(id))
  const add = wanted.tagged.filter((id) => !is.tagged.includes(id))
  return [
    ...memberLines('del', drop, port),
    ...(stays || is.untagged === null ? [] : memberLines('del', [is.untagged], port)),
    `config switchport mode ${to.mode} ${port}`,
    ...(stays || wanted.untagged === null ? [] : [`config vlan member add -u ${wanted.untagged} ${port}`]),
    ...memberLines('add', add, port),
  ]
}

function leaveAll(port: string, from: Membership | undefined): string[] {
  const { untagged, tagged } = memberOf(from)
  return [
    ...memberLines('del', tagged, port),
    ...(untagged === null ? [] : memberLines('del', [untagged], port)),
  ]
}

function memberOf(membership: Membership | undefined): {
  untagged: VlanId | null
  tagged: readonly VlanId[]
} {
  if (membership?.mode === 'access') return { untagged: membership.vlan, tagged: [] }
  if (membership?.mode !== 'trunk') return { untagged: null, tagged: [] }
  return { untagged: membership.native, tagged: membership.tagged === 'all' ? [] : membership.tagged }
}

/** `-m` takes several at once; each command takes about a second of a switch's time. */
function memberLines(verb: 'add' | 'del', ids: readonly VlanId[], port: string): string[] {
  if (ids.length === 0) return []
  return [`config vlan member ${verb} ${ids.length === 1 ? '' : '-m '}${formatVlans(ids)} ${port}`]
}

function hset(key: string): string {
  return `sonic-db-cli CONFIG_DB hset '${key}'`
}

function classify({ line, text, failed }: CliReply): Verdict {
  // Dropping what is not there, and a mode that a port has already: as it should be.
  if (line.endsWith(dropCheckpoint) || /is already in \w+ mode/.test(text)) return { is: 'ok' }
  const lines = text.split('\n').map((one) => one.trim())
  const bad = line.startsWith('sudo ') ? lines.find((one) => /^(Error|Traceback)\b/i.test(one)) : undefined
  if (!failed && bad === undefined) return { is: 'ok' }
  const reply = bad ?? lines.at(-1) ?? ''
  if (/lock|another .*(running|progress)/i.test(reply)) return { is: 'retry', reply }
  if (/a password is required|not in the sudoers/i.test(text)) return { is: 'error', code: 'auth', reply }
  return { is: 'error', reply: reply || 'it ended with an error and said nothing' }
}
