/** Steps as EOS's lines. */
import { type Block, commonBlock, membershipLines, renderBlocks, settingsLines } from '../cli/lines.ts'
import type { CliRequest } from '../transports/cli.ts'
import type { Step, VlanState } from '../types.ts'

export function render(steps: readonly Step[]): CliRequest[] {
  return renderBlocks(steps, blockOf)
}

export function vlanLines({ name, active }: Omit<VlanState, 'id'>): string[] {
  return [`name ${name}`, `state ${active ? 'active' : 'suspend'}`]
}

function blockOf(step: Step): Block {
  const common = commonBlock(step)
  if (common) return common
  const context = 'port' in step ? `interface ${step.port}` : ''
  switch (step.kind) {
    case 'vlan': {
      const name = step.vlan.name === undefined ? [] : [`name ${step.vlan.name}`]
      return { context: `vlan ${step.vlan.id}`, lines: [...name, 'state active'] }
    }
    case 'remove-vlan':
      return { context: `no vlan ${step.vlan.id}`, lines: [], ends: true }
    case 'make-lag':
      return { context, lines: ['switchport'] }
    case 'join-lag':
      return { context, lines: ['switchport', `channel-group ${step.lag.group} mode ${step.lag.lacp}`] }
    case 'multi-chassis':
      return { context, lines: [`mlag ${step.number}`] }
    case 'membership':
      return { context, lines: membershipLines(step.from, step.to, words) }
    case 'settings':
      return { context, lines: settingsLines(step.set, edge) }
    default:
      return { context, lines: [] }
  }
}

const words = { switched: ['switchport'], trunk: ['switchport mode trunk'] }

const edge = { on: ['spanning-tree portfast'], off: ['no spanning-tree portfast'] }
