/** Steps as EOS's lines. */
import { type Block, membershipLines, renderBlocks } from '../cli/lines.ts'
import type { CliRequest } from '../transports/cli.ts'
import type { Step, VlanState } from '../types.ts'

export function render(steps: readonly Step[]): CliRequest[] {
  return renderBlocks(steps, blockOf)
}

export function vlanLines({ name, active }: Omit<VlanState, 'id'>): string[] {
  return [`name ${name}`, `state ${active ? 'active' : 'suspend'}`]
}

function blockOf(step: Step): Block {
  const context = 'port' in step ? `interface ${step.port}` : ''
  switch (step.kind) {
    case 'vlan': {
      const name = step.vlan.name === undefined ? [] : [`name ${step.vlan.name}`]
      return { context: `vlan ${step.vlan.id}`, lines: [...name, 'state active'] }
    }
    case 'remove-vlan':
      return { context: `no vlan ${step.vlan.id}`, lines: [], ends: true }
    case 'remove-lag':
      return { context: `no interface ${step.port}`, lines: [], ends: true }
    case 'make-lag':
      return { context, lines: ['switchport'] }
    case 'down':
      return { context, lines: ['shutdown'] }
    case 'up':
      return { context, lines: ['no shutdown'] }
    case 'leave-lag':
      return { context, lines: ['no channel-group'] }
    case 'join-lag':
      return { context, lines: ['switchport', `channel-group ${step.lag.group} mode ${step.lag.lacp}`] }
    case 'multi-chassis':
      return { context, lines: [`mlag ${step.number}`] }
    case 'membership':
      return { context, lines: membershipLines(step.from, step.to, words) }
    case 'settings':
      return { context, lines: settingsLines(step.set) }
  }
}

const words = { switched: ['switchport'], trunk: ['switchport mode trunk'] }

function settingsLines({ stpEdge, description }: Extract<Step, { kind: 'settings' }>['set']): string[] {
  const edge = stpEdge ? 'spanning-tree portfast' : 'no spanning-tree portfast'
  return [
    ...(stpEdge === undefined ? [] : [edge]),
    ...(description === undefined
      ? []
      : [description === '' ? 'no description' : `description ${description}`]),
  ]
}
