/** The way back: from the state before a change, the target that restores what the change touched. */
import { SwitchError } from './errors.ts'
import type { PortState, PortTarget, SwitchState, Target, VlanIntent } from './types.ts'

/** @throws SwitchError 'partial' where the state before cannot be asked for (a routed port, a trunk of all VLANs) */
export function reverseOf(
  before: SwitchState,
  now: SwitchState,
  target: Target,
  lagName: (group: number) => string,
): Target {
  const ports = new Map<string, PortTarget>()
  const removeLags = new Set<number>()
  for (const port of target.ports.values()) {
    const was = before.ports.get(port.name)
    if (was !== undefined) ports.set(port.name, portBefore(was, port.group, before, lagName))
    else if (port.group !== null) removeLags.add(port.group)
  }
  for (const group of target.removeLags) {
    const was = before.ports.get(lagName(group))
    if (was !== undefined) ports.set(was.name, portBefore(was, group, before, lagName))
  }
  const touched = [...target.vlans, ...target.removeVlans].map(({ id }) => id)
  const vlans = touched.flatMap((id): VlanIntent[] => {
    const was = before.vlans.get(id)
    return was === undefined ? [] : [{ id, name: was.name }]
  })
  const removeVlans = touched.flatMap((id) => {
    const is = now.vlans.get(id)
    return before.vlans.has(id) || is === undefined ? [] : [{ id, name: is.name }]
  })
  return { vlans, removeVlans, ports, removeLags }
}

function portBefore(
  was: PortState,
  group: number | null,
  before: SwitchState,
  lagName: (group: number) => string,
): PortTarget {
  const { name, membership, lag } = was
  const all = membership.mode === 'trunk' && membership.tagged === 'all'
  if ((membership.mode !== 'access' && membership.mode !== 'trunk') || all || lag?.lacp === 'on')
    throw new SwitchError('partial', `what ${name} was before cannot be said in lines of ours`, {
      port: name,
    })
  const inLag = lag !== null && before.ports.has(lagName(lag.group))
  return {
    name,
    membership: inLag ? null : (membership as NonNullable<PortTarget['membership']>),
    adminUp: was.adminUp,
    stpEdge: inLag ? null : was.stpEdge,
    mtu: inLag ? null : was.mtu,
    description: was.description,
    lag: group === null ? (lag as (PortTarget['lag'] & object) | null) : undefined,
    group,
    multiChassis: was.multiChassis,
  }
}
