/** What has to be read back before a port comes up, where each line takes effect by itself. */
import type { PortState, PortTarget, SwitchState, Target } from './types.ts'

/**
 * A trunk that is made of a port whose list of VLANs is not known to be empty carries whatever that list has, should
 * the line that sets it go unheard. Such a port is brought up, and such a LAG gets its members, in a second stage,
 * after the first one has been read back.
 */
export function stagesOf(
  before: SwitchState,
  target: Target,
  lagName: (group: number) => string,
): readonly Target[] {
  const risky = new Set(
    [...target.ports.values()]
      .filter((port) => port.adminUp && becomesTrunk(before.ports.get(port.name), port))
      .map(({ name }) => name),
  )
  if (risky.size === 0) return [target]
  const ports = new Map<string, PortTarget>()
  for (const port of target.ports.values()) {
    if (port.lag && risky.has(lagName(port.lag.group))) continue
    // A LAG without members forwards nothing, up or not.
    const down = risky.has(port.name) && port.group === null
    ports.set(port.name, down ? { ...port, adminUp: false } : port)
  }
  return [{ ...target, ports, removeVlans: [], removeLags: new Set() }, target]
}

function becomesTrunk(is: PortState | undefined, { membership, lag }: PortTarget): boolean {
  if (membership?.mode !== 'trunk' || is?.membership.mode === 'trunk') return false
  const known = is?.membership.mode === 'access' && is.leftovers.length === 0
  const leaves = is?.lag != null && lag !== undefined
  return !known || leaves
}
