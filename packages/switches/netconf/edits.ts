/**
 * What ordered steps come to for a switch that takes all of them in one commit: one edit a port, no way stations.
 * The order of the steps keeps tenants apart line by line; here the commit does.
 */
import type { Lag, Settled, Step, VlanIntent } from '../types.ts'

export type PortEdit = {
  port: string
  /** The group whose interface this is and which it has to make. */
  make?: number
  adminUp?: boolean
  membership?: Settled
  /** What the port is to be, for settings that are said differently by mode; null for a member of a LAG. */
  stpEdge?: boolean
  mtu?: number
  description?: string
  leave?: number
  join?: Lag
}

export type Edits = {
  vlans: { vlan: VlanIntent; exists: boolean }[]
  ports: PortEdit[]
  removeLags: { port: string; group: number }[]
  removeVlans: Required<VlanIntent>[]
}

export function editsOf(steps: readonly Step[]): Edits {
  const edits: Edits = { vlans: [], ports: [], removeLags: [], removeVlans: [] }
  const byPort = new Map<string, PortEdit>()
  const of = (port: string): PortEdit => {
    const known = byPort.get(port)
    if (known) return known
    const fresh: PortEdit = { port }
    byPort.set(port, fresh)
    edits.ports.push(fresh)
    return fresh
  }
  for (const step of steps)
    switch (step.kind) {
      case 'vlan':
        edits.vlans.push({ vlan: step.vlan, exists: step.exists })
        break
      case 'remove-vlan':
        edits.removeVlans.push(step.vlan)
        break
      case 'remove-lag':
        edits.removeLags.push({ port: step.port, group: step.group })
        break
      case 'down':
        of(step.port).adminUp = false
        break
      case 'up':
        of(step.port).adminUp = true
        break
      case 'make-lag':
        of(step.port).make = step.group
        break
      case 'leave-lag':
        of(step.port).leave = step.group
        break
      case 'join-lag':
        of(step.port).join = step.lag
        break
      case 'membership':
        of(step.port).membership = step.to
        break
      case 'settings':
        Object.assign(of(step.port), step.set)
        break
      case 'multi-chassis':
        // No dialect that uses this has it among its capabilities, so nobody can have asked for it.
        break
    }
  return edits
}
