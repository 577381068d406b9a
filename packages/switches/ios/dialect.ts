/** Cisco IOS and IOS-XE: no transaction, so lines in a careful order, and the lines of before to go back by. */
import { reserved } from '../cli/config.ts'
import { type Block, membershipLines, renderBlocks } from '../cli/lines.ts'
import { restoreByLines } from '../cli/restore.ts'
import { orderedSteps } from '../steps.ts'
import type { CliReply, CliRequest } from '../transports/cli.ts'
import type { ShellProfile } from '../transports/shell.ts'
import type { Dialect, Settled, Step, SwitchState, Verdict, VlanIntent } from '../types.ts'
import { lagName, normalisePort, parseState } from './parse.ts'

export const ios: Dialect<CliRequest, CliReply> = {
  name: 'cisco-ios',
  capabilities: {
    vlans: 'explicit',
    lag: true,
    multiChassis: false,
    stpEdge: true,
    mtu: false,
    description: true,
    transaction: false,
    save: true,
  },
  normalisePort,
  lagName,
  readRequests: () => [
    { mode: 'exec', line: 'show running-config' },
    { mode: 'exec', line: 'show vlan brief' },
    { mode: 'exec', line: 'show interfaces switchport' },
  ],
  parseState,
  diff: (state, target) => orderedSteps(state, target, lagName),
  render: (steps, { before }) => renderBlocks(steps, (step) => blockOf(step, steps, before)),
  classify,
  forbidden: (_port, intent) => {
    if (intent.description !== undefined && reserved.test(intent.description))
      return 'a description with words such as uplink or management would shut us out from the port'
    return null
  },
  forbiddenVlan,
  restore: (before, now, touched) =>
    restoreByLines(before, now, touched, {
      vlanHeading: (id) => `vlan ${id}`,
      vlanLines: ({ name, active }) => [`name ${name}`, `state ${active ? 'active' : 'suspend'}`],
      lagName,
    }),
  saveRequests: () => [{ mode: 'exec', line: save }],
}

const save = 'write memory'

export const iosShell: ShellProfile = {
  promptTail: /^(?:\([\w./-]+\))?[#>] ?$/,
  prepare: ['terminal length 0', 'terminal width 511'],
  enterConfigure: 'configure terminal',
  leaveConfigure: 'end',
  pager: /--More--/,
  questions: [{ asks: /\[confirm\]\s*$|\[startup-config\]\?\s*$/, answer: '' }],
  jsonSuffix: '',
}

function forbiddenVlan({ id, name }: VlanIntent): string | null {
  if (id >= 1002 && id <= 1005) return 'IOS keeps the VLANs 1002 to 1005 for Token Ring and FDDI'
  if (id === 1) return name === undefined ? null : 'VLAN 1 cannot be renamed'
  return name !== undefined && /^VLAN\d{4}$/.test(name) && name !== `VLAN${String(id).padStart(4, '0')}`
    ? `${name} is the name that IOS gives to another VLAN`
    : null
}

function blockOf(step: Step, steps: readonly Step[], before: SwitchState): Block {
  const context = 'port' in step ? `interface ${step.port}` : ''
  switch (step.kind) {
    case 'vlan': {
      const name = step.vlan.name === undefined ? [] : [`name ${step.vlan.name}`]
      const wake = step.exists ? ['state active', 'no shutdown'] : []
      // What is said of a VLAN takes effect when its mode is left.
      return { context: `vlan ${step.vlan.id}`, lines: [...name, ...wake, 'exit'], ends: true }
    }
    case 'remove-vlan':
      return { context: `no vlan ${step.vlan.id}`, lines: [], ends: true }
    case 'remove-lag':
      return { context: `no interface ${step.port}`, lines: [], ends: true }
    case 'make-lag':
      return { context, lines: [] }
    case 'down':
      return { context, lines: ['shutdown'] }
    case 'up':
      return { context, lines: ['no shutdown'] }
    case 'leave-lag':
      return { context, lines: ['no channel-group'] }
    case 'join-lag': {
      // Only a port that is already as the group is may join it.
      const like = lagMembership(step.lag.group, steps, before)
      const same = like === null ? [] : switchportLines({ from: null, to: like })
      return { context, lines: [...same, `channel-group ${step.lag.group} mode ${step.lag.lacp}`] }
    }
    case 'multi-chassis':
      return { context, lines: [] }
    case 'membership':
      return { context, lines: switchportLines(step) }
    case 'settings':
      return { context, lines: settingsLines(step) }
  }
}

function lagMembership(group: number, steps: readonly Step[], before: SwitchState): Settled | null {
  const name = lagName(group)
  for (const step of steps) if (step.kind === 'membership' && step.port === name) return step.to
  const is = before.ports.get(name)?.membership
  if (is?.mode === 'access') return is
  return is?.mode === 'trunk' && is.tagged !== 'all' ? { ...is, tagged: is.tagged } : null
}

function switchportLines({ from, to }: Pick<Extract<Step, { kind: 'membership' }>, 'from' | 'to'>): string[] {
  const lines = membershipLines(from, to, {
    switched: ['switchport'],
    trunk: [encapsulation, 'switchport mode trunk'],
  })
  return [...lines, 'no switchport voice vlan', ...(to.mode === 'access' ? [`no ${encapsulation}`] : [])]
}

/** Needed by models that also know ISL; those that do not refuse it, which does no harm. */
const encapsulation = 'switchport trunk encapsulation dot1q'

function settingsLines({ set, to }: Extract<Step, { kind: 'settings' }>): string[] {
  const edge = to?.mode === 'trunk' ? 'spanning-tree portfast trunk' : 'spanning-tree portfast'
  return [
    ...(set.stpEdge === undefined ? [] : ['no spanning-tree portfast', ...(set.stpEdge ? [edge] : [])]),
    ...(set.description === undefined
      ? []
      : [set.description === '' ? 'no description' : `description ${set.description}`]),
  ]
}

function classify({ line, text, mode }: CliReply): Verdict {
  if (line.endsWith(encapsulation) && /Invalid input/.test(text)) return { is: 'ok' }
  const said = text.split('\n').map((one) => one.trim())
  // What a show command prints is not ours: a description may say ERROR. Only its first lines can be a refusal.
  const where = mode === 'exec' && line.startsWith('show ') ? said.slice(0, 2) : said
  const reply = where.find((one) => refusals.test(one) && !informational.test(one))
  if (reply !== undefined) {
    if (/locked|in use by|try again|busy/i.test(reply)) return { is: 'retry', reply }
    if (/^interface /.test(line)) return { is: 'error', code: 'unknown-port', reply }
    if (/authorization failed|privilege/i.test(reply)) return { is: 'error', code: 'auth', reply }
    return { is: 'error', reply }
  }
  if (line === save && !/\[OK\]/.test(text))
    return { is: 'error', reply: text || 'the switch did not say [OK]' }
  return { is: 'ok' }
}

const refusals = /^%|^Command rejected|^ERROR|^Error|authorization failed|^Bad VLAN|not allowed/i
/** Begins like a refusal and is none. */
const informational =
  /^%\s?(Warning|Portfast|Access VLAN does not exist\. Creating|Generating|Bridge|Default VLAN)|^% ?(VLAN|Applying VLAN) .*(created|changes)/i
