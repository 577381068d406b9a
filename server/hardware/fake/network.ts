/** A fake machine's network: it remembers which VIFs are attached, and lists them. */
import { LeaseholdError } from '../../errors.ts'
import type { NetworkInterface } from '../types.ts'
import { memoryOf, remembering } from './memory.ts'
import { fake, operate } from './operations.ts'

export const network: NetworkInterface = {
  ...fake('network'),
  listVifs: async (node) => (memoryOf(node).vifs ?? []).map((id) => ({ id })),
  async attachVif(node, { id }, bounds) {
    const vifs = memoryOf(node).vifs ?? []
    if (vifs.includes(String(id)))
      throw new LeaseholdError('conflict', `VIF ${id} is attached to node ${node.uuid} already.`)
    await operate(node, 'network.vif_attach', bounds)
    return remembering(node, { vifs: [...vifs, String(id)] })
  },
  async detachVif(node, id, bounds) {
    const vifs = memoryOf(node).vifs ?? []
    if (!vifs.includes(id))
      throw new LeaseholdError('invalid', `VIF ${id} is not attached to node ${node.uuid}.`)
    await operate(node, 'network.vif_detach', bounds)
    return remembering(node, { vifs: vifs.filter((each) => each !== id) })
  },
  async releaseVifs(node, bounds) {
    if (!memoryOf(node).vifs?.length) return {}
    await operate(node, 'network.vif_detach', bounds)
    return remembering(node, { vifs: [] })
  },
}
