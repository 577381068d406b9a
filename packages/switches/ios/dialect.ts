/** Cisco IOS and IOS-XE: no transaction, so lines in a careful order, and the lines of before to go back by. */

import { verdictOf } from '../cli/classify.ts'
import { forbiddenDescription, forbiddenTrunk } from '../cli/config.ts'
import { type Block, commonBlock, membershipLines, renderBlocks, settingsLines } from '../cli/lines.ts'
import { restoreByLines } from '../cli/restore.ts'
import { plainShell } from '../cli/shell.ts'
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
  forbidden: (_port, intent) => forbiddenDescription(intent) ?? forbiddenTrunk(intent),
  forbiddenVlan,
  restore: (before, now, touched) =>
    restoreByLines(before, now, touched, {
      vlanHeading: (id) => `vlan ${id}`,
      vlanLines: ({ name, active }) => [`name ${name}`, `state ${active ? 'active' : 'suspend'}`],
      lagName,
    }),
  recoverable: true,
  saveRequests: () => [{ mode: 'exec', line: 'write memory' }],
}

export const iosShell: ShellProfile = { ...plainShell, prepare: ['terminal length 0', 'terminal width 511'] }

function forbiddenVlan({ id, name }: VlanIntent): string | null {
  if (id >= 1002 && id <= 1005) return 'IOS keeps the VLANs 1002 to 1005 for Token Ring and FDDI'
  if (id === 1) return name === undefined ? null : 'VLAN 1 cannot be renamed'
  return name !== undefined && /^VLAN\d{4}$/.test(name) && name !== `VLAN${String(id).padStart(4, '0')}`
    ? `${name} is the name that IOS gives to another VLAN`
    : null
}

function blockOf(step: Step, steps: readonly Step[], before: SwitchState): Block {
  const common = commonBlock(step)
  if (common) return common
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
    case 'join-lag': {
      // Only a port that is already as the group is may join it.
      const like = lagMembership(step.lag.group, steps, before)
      const same = like === null ? [] : switchportLines({ from: null, to: like })
      return { context, lines: [...same, `channel-group ${step.lag.group} mode ${step.lag.lacp}`] }
    }
    case 'membership':
      return { context, lines: switchportLines(step) }
    case 'settings':
      return { context, lines: settingsLines(step.set, step.to?.mode === 'trunk' ? edgeTrunk : edgeAccess) }
    default:
      return { context, lines: [] }
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

const noEdge = 'no spanning-tree portfast'
const edgeTrunk = { on: [noEdge, 'spanning-tree portfast trunk'], off: [noEdge] }
const edgeAccess = { on: [noEdge, 'spanning-tree portfast'], off: [noEdge] }

function classify(reply: CliReply): Verdict {
  // Not known to every model, and not needed by those: if one were, the lines that follow would be refused.
  const optional = reply.line.endsWith(encapsulation) || reply.line === 'switchport'
  if (optional && /Invalid input|Incomplete command/.test(reply.text)) return { is: 'ok' }
  return verdictOf(reply, words)
}

const words = {
  refusals: /^%|^Command rejected|^Error|authorization failed|^Bad VLAN|not allowed/i,
  informational:
    /^%\s?(Warning|Portfast|Access VLAN does not exist\. Creating|Generating|Bridge|Default VLAN)|^% ?(VLAN|Applying VLAN) .*(created|changes)/i,
  saved: { line: 'write memory', says: /\[OK\]/ },
}
