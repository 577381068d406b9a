/** What is not as wanted, field by field: what a change has to do, and what is left after one that failed. */
import type {
  Difference,
  Membership,
  PortState,
  PortTarget,
  SwitchState,
  Target,
  VlanState,
} from './types.ts'
import { formatVlans } from './vlans.ts'

/** Everything in which a switch is not as wanted. Empty means done. */
export function differences(
  state: SwitchState,
  target: Target,
  lagName: (group: number) => string,
): Difference[] {
  const found: Difference[] = []
  const note = (what: string, field: string, is: string, wanted: string): void => {
    found.push({ what, field, is, wanted })
  }
  for (const vlan of target.vlans) {
    const is = state.vlans.get(vlan.id)
    if (is === undefined) note(`VLAN ${vlan.id}`, 'exists', 'no', 'yes')
    else {
      if (vlan.name !== undefined && vlan.name !== is.name)
        note(`VLAN ${vlan.id}`, 'name', is.name, vlan.name)
      if (!is.active) note(`VLAN ${vlan.id}`, 'state', 'suspended', 'active')
    }
  }
  for (const port of target.ports.values()) {
    const is = state.ports.get(port.name)
    if (is === undefined) note(port.name, 'exists', 'no', 'yes')
    else comparePort(is, port, (field, was, wanted) => note(port.name, field, was, wanted))
  }
  for (const group of target.removeLags)
    if (state.ports.has(lagName(group))) note(lagName(group), 'exists', 'yes', 'no')
  for (const vlan of target.removeVlans)
    if (state.vlans.has(vlan.id)) note(`VLAN ${vlan.id}`, 'exists', 'yes', 'no')
  return found
}

function comparePort(
  is: PortState,
  target: PortTarget,
  note: (field: string, is: string, wanted: string) => void,
): void {
  if (target.membership !== null) {
    const [has, wants] = [describeMembership(is.membership), describeMembership(target.membership)]
    if (has !== wants) note('membership', has, wants)
    if (is.leftovers.length > 0) note('leftovers', is.leftovers.join('; '), 'none')
  }
  if (target.lag !== undefined) {
    const [has, wants] = [describeLag(is.lag), describeLag(target.lag)]
    if (has !== wants) note('lag', has, wants)
  }
  if (target.multiChassis !== null && is.multiChassis !== target.multiChassis)
    note('multi-chassis', String(is.multiChassis ?? 'none'), String(target.multiChassis))
  if (target.stpEdge !== null && is.stpEdge !== target.stpEdge)
    note('spanning tree edge', yesNo(is.stpEdge), yesNo(target.stpEdge))
  if (target.mtu !== null && is.mtu !== target.mtu) note('mtu', String(is.mtu), String(target.mtu))
  if (target.description !== null && is.description !== target.description)
    note('description', is.description, target.description)
  if (is.adminUp !== target.adminUp) note('admin state', upDown(is.adminUp), upDown(target.adminUp))
}

/** In what two states of a switch differ, as far as a change touched it. Used to prove that it was undone. */
export function stateDifferences(
  before: SwitchState,
  now: SwitchState,
  touched: Target,
  lagName: (group: number) => string,
): Difference[] {
  const of = (what: string, was: string | undefined, is: string | undefined): Difference[] =>
    was === is ? [] : [{ what, field: 'state', is: is ?? 'absent', wanted: was ?? 'absent' }]
  const ids = [...touched.vlans, ...touched.removeVlans].map(({ id }) => id)
  const names = [...touched.ports.keys(), ...[...touched.removeLags].map(lagName)]
  return [
    ...ids.flatMap((id) => of(`VLAN ${id}`, vlanText(before.vlans.get(id)), vlanText(now.vlans.get(id)))),
    ...names.flatMap((name) => of(name, portText(before.ports.get(name)), portText(now.ports.get(name)))),
  ]
}

/** A membership in words; equal words mean equal memberships. */
export function describeMembership(membership: Membership): string {
  if (membership.mode === 'access') return `access ${membership.vlan}`
  if (membership.mode === 'routed') return 'routed'
  if (membership.mode === 'other') return membership.what
  const { native, tagged } = membership
  const list = tagged === 'all' ? 'all' : formatVlans(tagged) || 'none'
  return `trunk native ${native ?? 'none'} tagged ${list}`
}

/** Differences in one sentence, for errors. */
export function describeDifferences(list: readonly Difference[]): string {
  const words = list.map(({ what, field, is, wanted }) => `${what} ${field} is ${is}, not ${wanted}`)
  return words.length > 5 ? `${words.slice(0, 5).join('; ')}; and ${words.length - 5} more` : words.join('; ')
}

function describeLag(lag: { group: number; lacp: string } | null): string {
  return lag === null ? 'none' : `${lag.group} (LACP ${lag.lacp})`
}
function vlanText(vlan: VlanState | undefined): string | undefined {
  return vlan && `${vlan.name} ${vlan.active ? 'active' : 'suspended'}`
}
function portText(port: PortState | undefined): string | undefined {
  if (port === undefined) return undefined
  const { name: _, membership, ...rest } = port
  return `${describeMembership(membership)} ${JSON.stringify(rest, Object.keys(rest).concat('group', 'lacp').sort())}`
}
function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}
function upDown(value: boolean): string {
  return value ? 'up' : 'down'
}
