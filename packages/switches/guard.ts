/** Who may be touched: deny by default, by configuration before the switch is asked and by what it says after. */
import { SwitchError } from './errors.ts'
import type { Dialect, Guard, PortName, PortTarget, SwitchState, Target, VlanId } from './types.ts'
import { parseVlans } from './vlans.ts'

export type Keeper = {
  /** Refuses what the configuration does not list. @throws SwitchError 'not-allowed' */
  admit: (target: Target) => void
  /** Refuses what the switch says must not be touched. @throws SwitchError 'unknown-port' | 'not-allowed' | 'missing-vlan' */
  inspect: (target: Target, state: SwitchState) => void
  mayRemoveLag: (group: number) => boolean
}

/** @throws SwitchError 'invalid' for a guard that cannot be read */
export function keeperOf(
  guard: Guard,
  dialect: Pick<Dialect, 'normalisePort' | 'capabilities' | 'lagName'>,
): Keeper {
  const ports = new Set(guard.ports.map((name) => listed(name, dialect)))
  const vlans = new Set(parseVlans(guard.vlans))
  const groups = new Set(guard.lagGroups === undefined ? [] : parseVlans(guard.lagGroups))
  const mayRemoveLag = (group: number) => groups.has(group)

  function admit(target: Target): void {
    for (const port of target.ports.values()) admitPort(port)
    for (const { id } of [...target.vlans, ...target.removeVlans]) admitVlan(id)
  }
  function admitPort(port: PortTarget): void {
    if (port.group !== null) {
      if (!groups.has(port.group)) deny(port.name, `LAG group ${port.group} is not one that may be used`)
    } else if (!ports.has(port.name)) deny(port.name, 'it is not listed as a port that may be changed')
    for (const id of vlansOf(port)) admitVlan(id, port.name)
  }
  function admitVlan(id: VlanId, port?: PortName): void {
    if (!vlans.has(id)) deny(port ?? `VLAN ${id}`, `VLAN ${id} is not in the range that may be used`)
  }

  function inspect(target: Target, state: SwitchState): void {
    for (const port of target.ports.values()) inspectPort(port, state)
    if (dialect.capabilities.vlans === 'explicit')
      for (const port of target.ports.values()) findVlans(port, target, state)
    for (const { id, name } of target.removeVlans) inspectRemoval(id, name, target, state)
  }
  function inspectPort(port: PortTarget, state: SwitchState): void {
    const is = state.ports.get(port.name)
    if (is === undefined) {
      if (port.group !== null) return
      throw new SwitchError('unknown-port', `the switch has no port ${port.name}`, { port: port.name })
    }
    if (is.protected !== null) deny(port.name, is.protected)
    if (is.membership.mode === 'other') deny(port.name, `it is set up as ${is.membership.what}`)
    if (is.lag !== null && !groups.has(is.lag.group))
      deny(port.name, `it is a member of ${dialect.lagName(is.lag.group)}, which is not ours`)
    if (port.group === null) return
    for (const member of state.ports.values())
      if (member.lag?.group === port.group && !ports.has(member.name))
        deny(port.name, `its member ${member.name} is not listed as a port that may be changed`)
  }
  return { admit, inspect, mayRemoveLag }
}

function findVlans(port: PortTarget, target: Target, state: SwitchState): void {
  for (const id of vlansOf(port))
    if (!state.vlans.has(id) && !target.vlans.some((vlan) => vlan.id === id))
      throw new SwitchError(
        'missing-vlan',
        `${port.name} is to be in VLAN ${id}, which the switch does not have`,
        {
          port: port.name,
        },
      )
}

function inspectRemoval(id: VlanId, name: string, target: Target, state: SwitchState): void {
  const is = state.vlans.get(id)
  if (is === undefined) return
  if (is.name !== name) deny(`VLAN ${id}`, `its name is ${is.name}, not ${name}: somebody else made it`)
  for (const port of state.ports.values()) {
    const { membership } = target.ports.get(port.name) ?? {}
    const after = membership ?? port.membership
    const uses =
      (after.mode === 'access' && after.vlan === id) ||
      (after.mode === 'trunk' &&
        (after.native === id || (after.tagged !== 'all' && after.tagged.includes(id))))
    if (uses && port.protected === null) deny(`VLAN ${id}`, `${port.name} still uses it`)
  }
}

function vlansOf({ membership }: PortTarget): readonly VlanId[] {
  if (membership === null) return []
  if (membership.mode === 'access') return [membership.vlan]
  return membership.native === null ? membership.tagged : [membership.native, ...membership.tagged]
}

function listed(name: string, { normalisePort }: Pick<Dialect, 'normalisePort'>): PortName {
  const normal = normalisePort(name)
  if (normal === null)
    throw new SwitchError('invalid', `the guard lists ${JSON.stringify(name)}, which is no port`)
  return normal
}

function deny(port: PortName, why: string): never {
  throw new SwitchError('not-allowed', `${port} must not be changed: ${why}`, { port })
}
