/** NVUE's configuration tree: patches laid over it, what it refuses as a whole, and what follows for the frames. */
import type { Dirt, Seen } from '../device.ts'

export type Node = { [key: string]: Node | string | number | null }
type BridgePort = { access?: number; untagged?: number | 'none'; vlan?: Record<string, unknown> }
type Interface = {
  type?: string
  link?: { state?: Record<string, unknown> }
  bridge?: { domain?: { br_default?: BridgePort } }
  bond?: { mode?: string; member?: Record<string, unknown> }
}
export type Tree = {
  interface: Record<string, Interface>
  bridge: { domain: Record<string, { vlan?: Record<string, unknown> }> }
}

/** Lays `patch` over `node`: null takes away, objects are laid over objects, all else replaces. */
export function lay(node: Node, patch: Node): void {
  for (const [key, value] of Object.entries(patch)) {
    const old = node[key]
    if (value === null) delete node[key]
    else if (typeof value !== 'object') node[key] = value
    else {
      const inner: Node = typeof old === 'object' && old !== null ? old : {}
      lay(inner, value)
      node[key] = inner
    }
  }
}

/** Why a tree cannot be applied, or null. */
export function objection(tree: Tree, ports: readonly string[]): string | null {
  const members = new Map<string, string>()
  for (const [name, { bond }] of Object.entries(tree.interface))
    for (const member of Object.keys(bond?.member ?? {})) {
      if (members.has(member))
        return `Config invalid at interface.${name}.bond.member: ${member} is in two bonds`
      members.set(member, name)
    }
  for (const [name, { bridge, type }] of Object.entries(tree.interface)) {
    if (type !== 'bond' && type !== 'eth' && !ports.includes(name))
      return `Config invalid at interface.${name}: there is no such port`
    const port = bridge?.domain?.br_default
    if (port && members.has(name))
      return `Config invalid at interface.${name}.bridge: a member of ${members.get(name)} cannot be in a bridge`
    if (port?.access !== undefined && port.vlan !== undefined)
      return `Config invalid at interface.${name}.bridge.domain.br_default: access and vlan exclude each other`
  }
  return null
}

export function seenIn(tree: Tree, port: string): Seen {
  const nothing: Seen = { port, untagged: null, tagged: [] }
  const bond = Object.keys(tree.interface).find((name) => port in (tree.interface[name]?.bond?.member ?? {}))
  const up = (name: string) => {
    const own = tree.interface[name]
    return own !== undefined && !('down' in (own.link?.state ?? {}))
  }
  if (!up(port) || (bond !== undefined && !up(bond))) return nothing
  const own = tree.interface[bond ?? port]?.bridge?.domain?.br_default
  if (own === undefined) return nothing
  if (own.access !== undefined) return { port, untagged: own.access, tagged: [] }
  const untagged = own.untagged === 'none' ? null : (own.untagged ?? 1)
  if (own.vlan === undefined || 'all' in own.vlan) return { port, untagged, tagged: 'all' }
  const ids = Object.keys(own.vlan).map(Number)
  return { port, untagged, tagged: ids.filter((id) => id !== untagged).sort((a, b) => a - b) }
}

export function dirtyInterface(dirt: Dirt): Interface | undefined {
  const up = { type: 'swp', link: { state: { up: {} } } }
  if (dirt === 'factory') return undefined
  if (dirt === 'routed') return up
  if (dirt === 'trunk-all') return { ...up, bridge: { domain: { br_default: {} } } }
  const old: BridgePort = { untagged: 66, vlan: { 66: {}, 77: {}, 88: {} } }
  return { ...up, bridge: { domain: { br_default: old } } }
}

/** The order of keys makes no difference. */
export function canonical(tree: unknown): string {
  const sorted = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    const rows = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(rows.map(([key, one]) => [key, sorted(one)]))
  }
  return JSON.stringify(sorted(tree), null, 1)
}
