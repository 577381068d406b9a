/** Writes lines for the same family, in an order in which a port is never in VLANs of before and of after at once. */
import type { CliRequest } from '../transports/cli.ts'
import type { Membership, Settled, Step, VlanId } from '../types.ts'
import { formatVlans } from '../vlans.ts'

/** Lines below a heading. `ends`: the heading is no place to go on from. */
export type Block = { context: string; lines: readonly string[]; ends?: true }

/** A block a step; a heading is said once for neighbours. */
export function renderBlocks(steps: readonly Step[], blockOf: (step: Step) => Block): CliRequest[] {
  const requests: CliRequest[] = []
  let context = ''
  for (const step of steps) {
    const block = blockOf(step)
    const port = 'port' in step ? { port: step.port } : {}
    const lines = block.context === context ? block.lines : [block.context, ...block.lines]
    for (const line of lines) requests.push({ mode: 'configure', line, ...port })
    context = block.ends ? '' : block.context
  }
  return requests
}

/** The blocks that every vendor says alike; undefined for the steps in which they differ. */
export function commonBlock(step: Step): Block | undefined {
  if (step.kind === 'remove-lag') return { context: `no interface ${step.port}`, lines: [], ends: true }
  if (step.kind === 'down') return { context: `interface ${step.port}`, lines: ['shutdown'] }
  if (step.kind === 'up') return { context: `interface ${step.port}`, lines: ['no shutdown'] }
  if (step.kind === 'leave-lag') return { context: `interface ${step.port}`, lines: ['no channel-group'] }
  return undefined
}

/** Lines for what is set; `edge` is how a vendor says that spanning tree need not wait, and that it must. */
export function settingsLines(
  { stpEdge, mtu, description }: Extract<Step, { kind: 'settings' }>['set'],
  edge: { on: readonly string[]; off: readonly string[] },
): string[] {
  return [
    ...(stpEdge === undefined ? [] : stpEdge ? edge.on : edge.off),
    ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
    ...(description === undefined
      ? []
      : [description === '' ? 'no description' : `description ${description}`]),
  ]
}

/** How a dialect makes a port a switched one and a trunk. */
export type MembershipWords = { switched: readonly string[]; trunk: readonly string[] }

export function membershipLines(from: Membership | null, to: Settled, words: MembershipWords): string[] {
  const start = from === null ? words.switched : []
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
  const kept = from?.mode === 'trunk' ? keptOf(from, wanted) : []
  return [
    ...start,
    ...allowedLines(kept),
    native,
    ...words.trunk,
    ...(kept.length === wanted.length ? [] : allowedLines(wanted)),
    'no switchport access vlan',
  ]
}

/** What a trunk carries before and after: all it may carry in between. */
export function keptOf(from: Extract<Membership, { mode: 'trunk' }>, wanted: readonly VlanId[]): VlanId[] {
  const { tagged, native } = from
  return tagged === 'all' ? [...wanted] : wanted.filter((id) => id === native || tagged.includes(id))
}

/** The exact list; long ones in several lines, as switches take about 250 characters a line. */
export function allowedLines(ids: readonly VlanId[]): string[] {
  return listParts(ids, 180).map(
    (list, index) => `switchport trunk allowed vlan ${index === 0 ? '' : 'add '}${list || 'none'}`,
  )
}

/** A list of VLANs as texts of at most so many characters; [''] for none. */
export function listParts(ids: readonly VlanId[], length: number): string[] {
  const parts = ['']
  for (const range of formatVlans(ids).split(',')) {
    const last = parts.at(-1) as string
    if (last !== '' && last.length + range.length > length) parts.push(range)
    else parts[parts.length - 1] = last === '' ? range : `${last},${range}`
  }
  return parts
}
