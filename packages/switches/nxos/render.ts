/** Steps as NX-OS's lines, in an order in which a port is never in VLANs of before and of after at once. */
import type { CliRequest } from '../transports/cli.ts'
import type { Membership, PortName, Settled, Step, VlanId } from '../types.ts'
import { formatVlans } from '../vlans.ts'

export function render(steps: readonly Step[]): CliRequest[] {
  const requests: CliRequest[] = []
  let context = ''
  for (const step of steps) {
    const block = blockOf(step)
    const port = 'port' in step ? { port: step.port } : {}
    const lines = block.context === context ? block.lines : [block.context, ...block.lines]
    for (const line of lines) if (line !== '') requests.push({ mode: 'configure', line, ...port })
    context = block.ends ? '' : block.context
  }
  return requests
}

/** Lines below a heading. `ends`: the heading is no place to go on from. */
type Block = { context: string; lines: readonly string[]; ends?: true }

function blockOf(step: Step): Block {
  switch (step.kind) {
    case 'vlan':
      // What is said of a VLAN takes effect when its mode is left.
      return {
        context: `vlan ${step.vlan.id}`,
        lines: [
          ...(step.vlan.name === undefined ? [] : [`name ${step.vlan.name}`]),
          'state active',
          'no shutdown',
          'exit',
        ],
        ends: true,
      }
    case 'remove-vlan':
      return { context: `no vlan ${step.vlan.id}`, lines: [], ends: true }
    case 'remove-lag':
      return { context: `no interface ${step.port}`, lines: [], ends: true }
    case 'make-lag':
      return { context: `interface ${step.port}`, lines: ['switchport'] }
    case 'down':
      return { context: `interface ${step.port}`, lines: ['shutdown'] }
    case 'up':
      return { context: `interface ${step.port}`, lines: ['no shutdown'] }
    case 'leave-lag':
      return { context: `interface ${step.port}`, lines: ['no channel-group'] }
    case 'join-lag':
      // A port must be switched, as the group is, before it may join; `force` brings the rest into line.
      return {
        context: `interface ${step.port}`,
        lines: ['switchport', `channel-group ${step.lag.group} force mode ${step.lag.lacp}`],
      }
    case 'multi-chassis':
      return { context: `interface ${step.port}`, lines: [`vpc ${step.number}`] }
    case 'membership':
      return { context: `interface ${step.port}`, lines: membershipLines(step.port, step.from, step.to) }
    case 'settings':
      return { context: `interface ${step.port}`, lines: settingsLines(step) }
  }
}

function membershipLines(port: PortName, from: Membership | null, to: Settled): string[] {
  // A routed port is down by default and a switched one up, so one that becomes switched may come up with that, in
  // VLAN 1: it is taken down with the very next line. A port-channel has no members yet.
  const start =
    from !== null ? [] : port.startsWith('port-channel') ? ['switchport'] : ['switchport', 'shutdown']
  if (to.mode === 'access')
    return [
      ...start,
      // While the port is still a trunk this only prepares; `mode access` then swaps all at once.
      `switchport access vlan ${to.vlan}`,
      'switchport mode access',
      // Without a list a trunk carries all VLANs, so a later change of mode must find an empty one.
      'switchport trunk allowed vlan none',
      'no switchport trunk native vlan',
    ]
  const native =
    to.native === null || to.native === 1
      ? 'no switchport trunk native vlan'
      : `switchport trunk native vlan ${to.native}`
  const wanted = to.native === null ? [...to.tagged] : [to.native, ...to.tagged]
  if (from?.mode === 'trunk') {
    const kept = keptOf(from, wanted)
    return [
      ...allowedLines(kept),
      native,
      ...(kept.length === wanted.length ? [] : allowedLines(wanted)),
      'no switchport access vlan',
    ]
  }
  return [
    ...start,
    'switchport trunk allowed vlan none',
    native,
    'switchport mode trunk',
    ...allowedLines(wanted),
    'no switchport access vlan',
  ]
}

/** What a trunk carries before and after: all it may carry in between. */
function keptOf(from: Extract<Membership, { mode: 'trunk' }>, wanted: readonly VlanId[]): VlanId[] {
  const { tagged, native } = from
  return tagged === 'all' ? [...wanted] : wanted.filter((id) => id === native || tagged.includes(id))
}

/** The exact list; long ones in several lines, as the switch takes about 250 characters a line. */
function allowedLines(ids: readonly VlanId[]): string[] {
  const lines: string[] = []
  let part = ''
  for (const range of formatVlans(ids).split(',')) {
    if (part !== '' && part.length + range.length > 180) {
      lines.push(part)
      part = ''
    }
    part = part === '' ? range : `${part},${range}`
  }
  lines.push(part || 'none')
  return lines.map((list, index) => `switchport trunk allowed vlan ${index === 0 ? '' : 'add '}${list}`)
}

function settingsLines({ set, to }: Extract<Step, { kind: 'settings' }>): string[] {
  const edge = to?.mode === 'trunk' ? 'edge trunk' : 'edge'
  return [
    ...(set.stpEdge === undefined
      ? []
      : [set.stpEdge ? `spanning-tree port type ${edge}` : 'no spanning-tree port type']),
    ...(set.mtu === undefined ? [] : [`mtu ${set.mtu}`]),
    ...(set.description === undefined
      ? []
      : [set.description === '' ? 'no description' : `description ${set.description}`]),
  ]
}
