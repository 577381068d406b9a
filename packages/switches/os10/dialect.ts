/** Dell SmartFabric OS10: what IOS calls the native VLAN is a trunk's access VLAN, and lists of VLANs only add up. */

import { verdictOf } from '../cli/classify.ts'
import {
  channelGroupIn,
  forbiddenDescription,
  portsIn,
  protectedBecause,
  sectionsOf,
  unknownSwitchport,
  value,
} from '../cli/config.ts'
import { type Block, commonBlock, listParts, renderBlocks, settingsLines } from '../cli/lines.ts'
import { restoreByLines } from '../cli/restore.ts'
import { orderedSteps } from '../steps.ts'
import type { CliReply, CliRequest } from '../transports/cli.ts'
import type { Dialect, Membership, PortState, Step, SwitchState, VlanId, VlanState } from '../types.ts'
import { parseVlans } from '../vlans.ts'

export const os10: Dialect<CliRequest, CliReply> = {
  name: 'dell-os10',
  capabilities: {
    vlans: 'explicit',
    lag: true,
    multiChassis: true,
    stpEdge: true,
    mtu: true,
    description: true,
    transaction: false,
    save: true,
  },
  normalisePort,
  lagName,
  readRequests: () => [{ mode: 'exec', line: 'show running-configuration' }],
  parseState,
  diff: (state, target) => orderedSteps(state, target, lagName),
  render: (steps, { before }) => renderBlocks(steps, (step) => blockOf(step, before)),
  classify: (reply) => verdictOf(reply, { refusals: /^%|^error/i, informational: /^% ?Warning/i }),
  forbidden: (_port, intent) => forbiddenDescription(intent),
  forbiddenVlan: ({ id }) => (id === 4094 ? 'OS10 keeps VLAN 4094 for VLT' : null),
  restore: (before, now, touched) =>
    restoreByLines(before, now, touched, {
      vlanHeading: (id) => `interface vlan ${id}`,
      vlanLines: ({ name, active }) => [
        name === '' ? 'no description' : `description ${name}`,
        active ? 'no shutdown' : 'shutdown',
      ],
      lagName,
      // Without its VLAN an access port falls back to VLAN 1, a trunk to none.
      first: { away: /^no switchport$/, again: /^switchport mode trunk$/ },
      // A port that is switched again is in VLAN 1 at first.
      last: (old) =>
        old.includes('switchport mode trunk') && value(old, 'switchport access vlan') === undefined
          ? ['no switchport access vlan']
          : [],
      negate: (line) => {
        if (line === 'no switchport' || line === 'switchport mode trunk') return 'switchport mode access'
        return /^switchport trunk allowed|^spanning-tree/.test(line) ? `no ${line}` : undefined
      },
    }),
  recoverable: true,
  saveRequests: () => [{ mode: 'exec', line: 'write memory' }],
}

/** `Eth1/1/1`, `ethernet 1/1/1:2` and `po10` as OS10 writes them; null for what is no switch port. */
function normalisePort(name: string): string | null {
  const ethernet = /^eth(?:ernet)?\s?(\d{1,3}\/\d{1,3}\/\d{1,3}(?::\d)?)$/i.exec(name)
  if (ethernet) return `ethernet${ethernet[1]}`
  const channel = /^po(?:rt-channel)?\s?([1-9]\d{0,3})$/i.exec(name)
  return channel ? lagName(Number(channel[1])) : null
}
function lagName(group: number): string {
  return `port-channel${group}`
}

function parseState([config]: readonly CliReply[]): SwitchState {
  const vlans = new Map<VlanId, VlanState>([[1, { id: 1, name: '', active: true }]])
  const sections = sectionsOf(config?.text ?? '')
  for (const { heading, lines } of sections) {
    const id = Number(/^interface vlan ?(\d+)$/.exec(heading)?.[1])
    const active = !lines.includes('shutdown')
    if (id > 0) vlans.set(id, { id, name: value(lines, 'description') ?? '', active })
  }
  const domains = sections.filter(({ heading }) => heading.startsWith('vlt-domain'))
  const vlt = new Set(domains.flatMap(({ lines }) => lines.flatMap(discovery)))
  const ports = portsIn(sections, { normalisePort, lagName }, (name, lines) =>
    portOf(name, lines, vlt.has(name)),
  )
  return { vlans, ports }
}

/** `discovery-interface ethernet1/1/29-1/1/30`: the ports that tie two switches together. */
function discovery(line: string): string[] {
  const match = /^discovery-interface ethernet(\d+\/\d+\/)(\d+)(?:-(?:\d+\/\d+\/)?(\d+))?$/.exec(line)
  if (!match) return []
  const [first, last] = [Number(match[2]), Number(match[3] ?? match[2])]
  return Array.from({ length: last - first + 1 }, (_, index) => `ethernet${match[1]}${first + index}`)
}

function portOf(name: string, lines: readonly string[], vlt: boolean): PortState {
  const unknown = unknownSwitchport(lines, [
    /^switchport (mode (access|trunk)|access vlan \d+|trunk allowed vlan .*)$/,
  ])
  const trunk = lines.includes('switchport mode trunk')
  const access = value(lines, 'switchport access vlan')
  const listed = listedIn(lines)
  const membership: Membership = lines.includes('no switchport')
    ? { mode: 'routed' }
    : unknown !== undefined
      ? { mode: 'other', what: `a port with "${unknown}"` }
      : trunk
        ? { mode: 'trunk', native: access === undefined ? null : Number(access), tagged: listed }
        : { mode: 'access', vlan: Number(access ?? 1) }
  const multiChassis = value(lines, 'vlt-port-channel')
  return {
    name,
    membership,
    adminUp: !lines.includes('shutdown'),
    stpEdge: lines.includes('spanning-tree port type edge'),
    mtu: Number(value(lines, 'mtu') ?? 1532),
    description: value(lines, 'description') ?? '',
    lag: channelGroupIn(lines),
    multiChassis: multiChassis === undefined ? null : Number(multiChassis),
    protected: vlt ? 'it is a VLT discovery link' : protectedBecause(lines, membership.mode !== 'routed'),
    leftovers: membership.mode === 'access' && listed.length > 0 ? [`trunk VLANs ${listed.join(',')}`] : [],
    lines,
  }
}

function listedIn(lines: readonly string[]): VlanId[] {
  const start = 'switchport trunk allowed vlan '
  return lines
    .filter((line) => line.startsWith(start))
    .flatMap((line) => parseVlans(line.slice(start.length)))
}

function blockOf(step: Step, before: SwitchState): Block {
  const common = commonBlock(step)
  if (common) return common
  const context = 'port' in step ? `interface ${step.port}` : ''
  switch (step.kind) {
    case 'vlan': {
      const name = step.vlan.name === undefined ? [] : [`description ${step.vlan.name}`]
      return {
        context: `interface vlan ${step.vlan.id}`,
        lines: [...name, 'no shutdown', 'exit'],
        ends: true,
      }
    }
    case 'remove-vlan':
      return { context: `no interface vlan ${step.vlan.id}`, lines: [], ends: true }
    case 'join-lag': {
      const old = listedIn(before.ports.get(step.port)?.lines ?? [])
      const join = ['no switchport', `channel-group ${step.lag.group} mode ${step.lag.lacp}`]
      return { context, lines: [...listLines('no ', old), ...join] }
    }
    case 'multi-chassis':
      return { context, lines: [`vlt-port-channel ${step.number}`] }
    case 'membership':
      return { context, lines: membershipLines(step, listedIn(before.ports.get(step.port)?.lines ?? [])) }
    case 'settings':
      return { context, lines: settingsLines(step.set, edge) }
    default:
      return { context, lines: [] }
  }
}

const edge = { on: ['spanning-tree port type edge'], off: ['no spanning-tree port type edge'] }

/** Out of the old VLANs, then the untagged one, then into the new ones. */
function membershipLines(
  { from, to }: Extract<Step, { kind: 'membership' }>,
  listed: readonly VlanId[],
): string[] {
  const start = from === null ? ['switchport mode access'] : []
  if (to.mode === 'access') {
    const swap = [`switchport access vlan ${to.vlan}`, 'switchport mode access']
    return [...start, ...listLines('no ', listed), ...swap]
  }
  const kept = from?.mode === 'trunk' ? listed.filter((id) => to.tagged.includes(id)) : []
  const untagged = to.native === null ? 'no switchport access vlan' : `switchport access vlan ${to.native}`
  const dropped = listed.filter((id) => !kept.includes(id))
  const added = to.tagged.filter((id) => !kept.includes(id))
  return [...start, ...listLines('no ', dropped), 'switchport mode trunk', untagged, ...listLines('', added)]
}

function listLines(no: string, ids: readonly VlanId[]): string[] {
  return ids.length === 0
    ? []
    : listParts(ids, 180).map((list) => `${no}switchport trunk allowed vlan ${list}`)
}
