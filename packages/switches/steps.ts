/**
 * The order in which a switch is brought from what is to what is wanted, so that at every moment a port takes part
 * only in what it took part in before or only in what it is to take part in.
 */
import { describeMembership } from './differences.ts'
import type { PortState, PortTarget, Step, SwitchState, Target } from './types.ts'

/** Steps for everything that differs; none if all is as wanted. */
export function orderedSteps(
  state: SwitchState,
  target: Target,
  lagName: (group: number) => string,
): readonly Step[] {
  // Ports on their way out come first, so that a tenant is gone from a port before another one comes to a port.
  const ports = [...target.ports.values()].sort((a, b) => Number(a.adminUp) - Number(b.adminUp))
  const moves = ports.map((port) => moveOf(state.ports.get(port.name), port))
  const all = (kind: keyof Move, from = moves): Step[] => from.flatMap((move) => move[kind])
  // Ports that have to do with LAGs need each other's steps in order; the others are done one after another.
  const inLags = moves.filter(({ leave, make, join }) => leave.length + make.length + join.length > 0)
  const alone = moves.filter((move) => !inLags.includes(move))
  return [
    ...vlanSteps(state, target),
    ...all('down'),
    ...alone.flatMap((move) => [...move.membership, ...move.settings, ...move.multiChassis, ...move.up]),
    ...all('leave'),
    ...all('make'),
    ...all('membership', inLags),
    ...all('settings', inLags),
    ...all('multiChassis', inLags),
    ...all('join'),
    ...lagRemovals(state, target, lagName),
    ...all('up', inLags),
    ...target.removeVlans
      .filter((vlan) => state.vlans.has(vlan.id))
      .map((vlan): Step => ({ kind: 'remove-vlan', vlan })),
  ]
}

type Move = Record<
  'down' | 'leave' | 'make' | 'membership' | 'settings' | 'multiChassis' | 'join' | 'up',
  Step[]
>

function moveOf(is: PortState | undefined, target: PortTarget): Move {
  const port = target.name
  const leaves = is !== undefined && leavesLag(is, target)
  const joins = target.lag != null && (is?.lag == null || leaves)
  // Of a port that leaves a LAG nobody knows what is left on it: all of it is said again.
  const fresh = is === undefined || leaves
  const { membership } = target
  const changes =
    membership !== null &&
    (fresh || describeMembership(is.membership) !== describeMembership(membership) || is.leftovers.length > 0)
  const unsettled = is !== undefined && is.membership.mode !== 'access' && is.membership.mode !== 'trunk'
  // A port that changes its nature does so while it is down: in between it may be in the switch's default VLAN.
  const down = is?.adminUp === true && (!target.adminUp || leaves || joins || (changes && unsettled))
  const from = fresh || unsettled ? null : is.membership
  const set = settingsOf(is, target, fresh || changes)
  const multiChassis = target.multiChassis !== null && is?.multiChassis !== target.multiChassis
  // A port said anew may have been taken down on the way.
  const up = target.adminUp && (down || is?.adminUp !== true || (changes && from === null))
  return {
    down: down ? [{ kind: 'down', port }] : [],
    leave: leaves ? [{ kind: 'leave-lag', port, group: is.lag.group }] : [],
    make: is === undefined && target.group !== null ? [{ kind: 'make-lag', port, group: target.group }] : [],
    membership: changes ? [{ kind: 'membership', port, from, to: membership }] : [],
    settings: set === null ? [] : [set],
    multiChassis: multiChassis
      ? [{ kind: 'multi-chassis', port, number: target.multiChassis as number }]
      : [],
    join: joins ? [{ kind: 'join-lag', port, lag: target.lag as NonNullable<PortTarget['lag']> }] : [],
    up: up ? [{ kind: 'up', port }] : [],
  }
}

function settingsOf(is: PortState | undefined, target: PortTarget, again: boolean): Step | null {
  const set: Extract<Step, { kind: 'settings' }>['set'] = {}
  const { stpEdge, mtu, description, membership } = target
  // How spanning tree's edge is said depends on the mode, so it is said again with every change of membership.
  if (stpEdge !== null && (again || is?.stpEdge !== stpEdge)) set.stpEdge = stpEdge
  if (mtu !== null && is?.mtu !== mtu) set.mtu = mtu
  if (description !== null && (is?.description ?? '') !== description) set.description = description
  return Object.keys(set).length === 0 ? null : { kind: 'settings', port: target.name, to: membership, set }
}

function vlanSteps(state: SwitchState, target: Target): Step[] {
  return target.vlans.flatMap((vlan): Step[] => {
    const is = state.vlans.get(vlan.id)
    if (is?.active && (vlan.name === undefined || vlan.name === is.name)) return []
    return [{ kind: 'vlan', vlan, exists: is !== undefined }]
  })
}

function lagRemovals(state: SwitchState, target: Target, lagName: (group: number) => string): Step[] {
  return [...target.removeLags]
    .filter((group) => state.ports.has(lagName(group)))
    .map((group): Step => ({ kind: 'remove-lag', port: lagName(group), group }))
}

function leavesLag(
  is: PortState,
  target: PortTarget,
): is is PortState & { lag: NonNullable<PortState['lag']> } {
  return is.lag !== null && target.lag !== undefined && !sameLag(is.lag, target.lag)
}

function sameLag(is: NonNullable<PortState['lag']>, target: PortTarget['lag']): boolean {
  return target != null && is.group === target.group && is.lacp === target.lacp
}
