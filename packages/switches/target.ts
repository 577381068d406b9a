/** From what a caller wants to a Target: checked at the door, names as the switch writes them, LAGs spelt out. */
import { SwitchError } from './errors.ts'
import type {
  Capabilities,
  Dialect,
  Lag,
  PortIntent,
  PortName,
  PortTarget,
  Settled,
  SwitchState,
  Target,
  VlanIntent,
  Wanted,
} from './types.ts'
import { checkVlan, sortVlans } from './vlans.ts'
import { checkDescription, checkVlanName } from './words.ts'

type Language = Pick<Dialect, 'normalisePort' | 'lagName' | 'capabilities' | 'forbidden' | 'forbiddenVlan'>

/** @throws SwitchError 'invalid', or 'unknown-port' for a name that no port of this kind of switch has */
export function targetOf(wanted: Wanted, language: Language): Target {
  const vlans = (wanted.vlans ?? []).map((vlan) => checkVlanIntent(vlan, language))
  const removeVlans = (wanted.removeVlans ?? []).map(
    (vlan) => checkVlanIntent(vlan, language) as Required<VlanIntent>,
  )
  for (const { name } of removeVlans) checkVlanName(name)
  const twice = [...vlans, ...removeVlans].map((vlan) => vlan.id)
  if (new Set(twice).size < twice.length) throw new SwitchError('invalid', 'a VLAN is named twice')

  const ports = new Map<PortName, PortTarget>()
  const lags = new Map<PortName, PortTarget>()
  for (const [given, intent] of Object.entries(wanted.ports ?? {})) {
    const name = portName(given, language)
    if (ports.has(name)) throw new SwitchError('invalid', `port ${name} is named twice`, { port: name })
    const checked = checkIntent(name, intent, language)
    ports.set(name, memberTarget(name, checked))
    if (checked.lag) addLag(lags, checked.lag, language.lagName(checked.lag.group), checked)
  }
  for (const [name, lag] of lags) {
    if (ports.has(name))
      throw new SwitchError('invalid', `${name} is wanted both by itself and by its members`, { port: name })
    ports.set(name, lag)
  }
  return { vlans, removeVlans, ports, removeLags: new Set() }
}

/** Adds the groups that lose their last member, if we may remove them. */
export function withLagRemovals(
  target: Target,
  state: SwitchState,
  mayRemove: (group: number) => boolean,
): Target {
  const removeLags = new Set<number>()
  for (const port of target.ports.values()) {
    const left = state.ports.get(port.name)?.lag?.group
    if (left === undefined || port.lag === undefined || port.lag?.group === left || !mayRemove(left)) continue
    if (membersAfter(left, state, target).length === 0) removeLags.add(left)
  }
  return { ...target, removeLags }
}

/** Several targets as one. They must not name the same port; the same VLAN only with the same name. */
export function mergeTargets(targets: readonly Target[]): Target {
  const vlans = new Map<number, VlanIntent>()
  for (const vlan of targets.flatMap((target) => target.vlans))
    vlans.set(vlan.id, { ...vlans.get(vlan.id), ...vlan })
  return {
    vlans: [...vlans.values()],
    removeVlans: targets.flatMap((target) => target.removeVlans),
    ports: new Map(targets.flatMap((target) => [...target.ports])),
    removeLags: new Set(),
  }
}

/** Whether two changes must not be in one batch: they name the same thing, so the later one is to have the last word. */
export function collide(a: Target, b: Target): boolean {
  const removed = (x: Target, y: Target) =>
    x.removeVlans.some(({ id }) => [...y.vlans, ...y.removeVlans].some((vlan) => vlan.id === id))
  const renamed = a.vlans.some((one) => b.vlans.some((two) => one.id === two.id && one.name !== two.name))
  return renamed || removed(a, b) || removed(b, a) || [...a.ports.keys()].some((name) => b.ports.has(name))
}

function membersAfter(group: number, state: SwitchState, target: Target): PortName[] {
  const staying = [...state.ports.values()].filter((port) => {
    const wanted = target.ports.get(port.name)
    return wanted === undefined || wanted.lag === undefined
      ? port.lag?.group === group
      : wanted.lag?.group === group
  })
  return staying.map((port) => port.name)
}

function portName(given: string, { normalisePort }: Language): PortName {
  const name = normalisePort(given)
  if (name === null)
    throw new SwitchError('unknown-port', `no port of this switch can be called ${JSON.stringify(given)}`, {
      port: given,
    })
  return name
}

function checkVlanIntent(vlan: VlanIntent, { forbiddenVlan }: Language): VlanIntent {
  checkVlan(vlan.id)
  if (vlan.name !== undefined) checkVlanName(vlan.name)
  const why = forbiddenVlan(vlan)
  if (why !== null) throw new SwitchError('invalid', `VLAN ${vlan.id}: ${why}`)
  return vlan.name === undefined ? { id: vlan.id } : { id: vlan.id, name: vlan.name }
}

type Checked = {
  membership: Settled
  adminUp: boolean
  stpEdge: boolean | null
  mtu: number | null
  description: string | null
  lag: Lag | null
}

function checkIntent(name: PortName, intent: PortIntent, language: Language): Checked {
  const refuse = (why: string): never => {
    throw new SwitchError('invalid', `port ${name}: ${why}`, { port: name })
  }
  const { capabilities } = language
  const lag = intent.mode === 'idle' ? null : (intent.lag ?? null)
  if (lag) checkLag(lag, capabilities, refuse)
  if (intent.mtu !== undefined) {
    if (!Number.isInteger(intent.mtu) || intent.mtu < 576 || intent.mtu > 9416)
      refuse(`MTU ${intent.mtu} is not between 576 and 9416`)
    if (!capabilities.mtu) refuse('the MTU of a port cannot be set on this kind of switch')
  }
  if (intent.description !== undefined) {
    checkDescription(intent.description)
    if (!capabilities.description) refuse('this kind of switch has no descriptions')
  }
  const membership = membershipOf(intent, refuse)
  const why = language.forbidden(name, intent)
  if (why !== null) refuse(why)
  return {
    membership,
    adminUp: intent.mode === 'idle' ? false : intent.adminUp,
    stpEdge: capabilities.stpEdge ? intent.stpEdge : null,
    mtu: intent.mtu ?? null,
    description: intent.description ?? null,
    lag,
  }
}

function membershipOf(intent: PortIntent, refuse: (why: string) => never): Settled {
  if (intent.mode === 'access') return { mode: 'access', vlan: checkVlan(intent.vlan) }
  if (intent.mode === 'idle') return { mode: 'access', vlan: checkVlan(intent.quarantine) }
  if (intent.mode !== 'trunk') return refuse(`unknown mode ${JSON.stringify((intent as PortIntent).mode)}`)
  const tagged = sortVlans(intent.tagged.map(checkVlan))
  const native = intent.native === null ? null : checkVlan(intent.native)
  if (native !== null && tagged.includes(native))
    refuse(`VLAN ${native} cannot be both native and tagged on one port`)
  if (native === null && tagged.length === 0) refuse('a trunk without any VLAN; use idle')
  return { mode: 'trunk', native, tagged }
}

function checkLag(lag: Lag, capabilities: Capabilities, refuse: (why: string) => never): void {
  if (!capabilities.lag) refuse('LAGs cannot be made on this kind of switch')
  if (!Number.isInteger(lag.group) || lag.group < 1 || lag.group > 4096)
    refuse(`LAG group ${lag.group} is not between 1 and 4096`)
  if (lag.lacp !== 'active' && lag.lacp !== 'passive') refuse('LACP is active or passive')
  if (lag.lacp === 'passive' && capabilities.lacpPassive === false)
    refuse('LACP is always active on this kind of switch')
  if (lag.multiChassis === undefined) return
  if (!capabilities.multiChassis) refuse('this kind of switch has no LAGs over two chassis')
  if (!Number.isInteger(lag.multiChassis) || lag.multiChassis < 1 || lag.multiChassis > 4096)
    refuse(`multi-chassis number ${lag.multiChassis} is not between 1 and 4096`)
}

function memberTarget(name: PortName, checked: Checked): PortTarget {
  const { lag, adminUp, description } = checked
  if (lag === null) return { name, ...checked, group: null, multiChassis: null }
  return {
    name,
    membership: null,
    adminUp,
    stpEdge: null,
    mtu: null,
    description,
    lag,
    group: null,
    multiChassis: null,
  }
}

/** The LAG's own interface is what its members want, and they must want the same. */
function addLag(lags: Map<PortName, PortTarget>, lag: Lag, name: PortName, member: Checked): void {
  const wanted: PortTarget = {
    name,
    membership: member.membership,
    adminUp: member.adminUp,
    stpEdge: member.stpEdge,
    mtu: member.mtu,
    description: null,
    lag: undefined,
    group: lag.group,
    multiChassis: lag.multiChassis ?? null,
  }
  const other = lags.get(name)
  if (other === undefined) lags.set(name, wanted)
  else if (JSON.stringify({ ...other, adminUp: true }) !== JSON.stringify({ ...wanted, adminUp: true }))
    throw new SwitchError('invalid', `the members of LAG group ${lag.group} are wanted differently`)
  else lags.set(name, { ...other, adminUp: other.adminUp || wanted.adminUp })
}
