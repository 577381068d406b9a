/** Steps as NX-OS's lines, in an order in which a port is never in VLANs of before and of after at once. */
import { type Block, commonBlock, membershipLines, renderBlocks, settingsLines } from '../cli/lines.ts'
import type { CliRequest } from '../transports/cli.ts'
import type { Settled, Step } from '../types.ts'

export function render(steps: readonly Step[]): CliRequest[] {
  return renderBlocks(steps, blockOf)
}

function blockOf(step: Step): Block {
  const common = commonBlock(step)
  if (common) return common
  const context = 'port' in step ? `interface ${step.port}` : ''
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
    case 'make-lag':
      return { context, lines: ['switchport'] }
    case 'join-lag':
      // A port must be switched, as the group is, before it may join; `force` brings the rest into line.
      return {
        context,
        lines: ['switchport', `channel-group ${step.lag.group} force mode ${step.lag.lacp}`],
      }
    case 'multi-chassis':
      return { context, lines: [`vpc ${step.number}`] }
    case 'membership':
      return { context, lines: switchportLines(step) }
    case 'settings':
      return { context, lines: settingsLines(step.set, edgeOf(step.to)) }
    default:
      return { context, lines: [] }
  }
}

function switchportLines({ port, from, to }: Extract<Step, { kind: 'membership' }>): string[] {
  // A routed port is down by default and a switched one up, so one that becomes switched may come up with that, in
  // VLAN 1: it is taken down with the very next line. A port-channel has no members yet.
  const switched = port.startsWith('port-channel') ? ['switchport'] : ['switchport', 'shutdown']
  return membershipLines(from, to, { switched, trunk: ['switchport mode trunk'] })
}

function edgeOf(to: Settled | null): { on: string[]; off: string[] } {
  const word = to?.mode === 'trunk' ? 'edge trunk' : 'edge'
  return { on: [`spanning-tree port type ${word}`], off: ['no spanning-tree port type'] }
}
