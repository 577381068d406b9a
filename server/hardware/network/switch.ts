/** Network interface `switch`: a node's networks are set on the switch ports that its ports are connected to. */
import type { NetworkInterface, NetworkRole, Node } from '../types.ts'

/** What sets them: the room of networks, which stands beside this one. */
export interface NodeWiring {
  listVifs(node: Node): Promise<{ id: string }[]>
  attachVif(
    node: Node,
    vif: Readonly<Record<string, unknown>>,
    bounds: { signal: AbortSignal },
  ): Promise<void>
  detachVif(node: Node, id: string, bounds: { signal: AbortSignal }): Promise<void>
  releaseVifs(node: Node, bounds: { signal: AbortSignal }): Promise<void>
  enter(node: Node, role: NetworkRole, bounds: { signal: AbortSignal }): Promise<void>
  checkIsolated(node: Pick<Node, 'uuid'>): Promise<void>
}

/** What it knows of a node is in tables of its own: nothing is for the node's row to remember. */
export const createSwitchNetwork = (wiring: NodeWiring): NetworkInterface => ({
  name: 'switch',
  properties: {},
  validate: () => {},
  listVifs: (node) => wiring.listVifs(node),
  attachVif: async (node, vif, bounds) => {
    await wiring.attachVif(node, vif, bounds)
    return {}
  },
  detachVif: async (node, id, bounds) => {
    await wiring.detachVif(node, id, bounds)
    return {}
  },
  releaseVifs: async (node, bounds) => {
    await wiring.releaseVifs(node, bounds)
    return {}
  },
  enter: (node, role, bounds) => wiring.enter(node, role, bounds),
  checkIsolated: (node) => wiring.checkIsolated(node),
})
