/** What has to arrive, by IEEE 802.1Q, when all ports are as wanted and nothing changes. */
import type { PortIntent } from '@leasehold/switches'
import type { Delivery, Kind } from './watcher.ts'

/**
 * Compares a round with what the intents of the ports say. A port without an intent (as it was found) is left out.
 *
 * @returns frames that are `missing` and frames that are `extra`, in words
 */
export function compareRound(
  arrived: readonly Delivery[],
  kinds: readonly Kind[],
  intents: readonly (PortIntent | null)[],
): { missing: string[]; extra: string[]; expected: number } {
  const missing: string[] = []
  const must = new Set<string>()
  const may = new Set<string>()
  for (const [index, kind] of kinds.entries()) {
    const from = intents[kind.from]
    // What 802.1ad outside means to a port of customers differs from switch to switch: only the ledger judges it.
    if (from == null || kind.type === 0x88a8) continue
    const vlan = vlanOn(from, kind.tags)
    if (vlan === null) continue
    const inner = kind.tags.slice(1)
    for (const [to, intent] of intents.entries()) {
      if (to === kind.from || intent === null) continue
      const tags = tagsOut(intent, vlan)
      if (tags === null) continue
      const key = keyOf(index, to, [...tags, ...inner])
      may.add(key)
      // A frame to one address reaches it; others too, as long as the switch has not learned where it is.
      // Whether a native VLAN's frames may come tagged too differs from switch to switch.
      const native = from.mode === 'trunk' && from.native !== null && kind.tags[0] === from.native
      if ((kind.to === null || kind.to === to) && !native) must.add(key)
    }
  }
  const seen = new Set(arrived.map(({ kind, to, tags }) => keyOf(kind, to, tags)))
  for (const key of must) if (!seen.has(key)) missing.push(key)
  const known = (port: number) => intents[port] != null
  const extra = arrived
    .filter(({ kind, to }) => known(to) && known((kinds[kind] as Kind).from) && kinds[kind]?.type !== 0x88a8)
    .map(({ kind, to, tags }) => keyOf(kind, to, tags))
    .filter((key) => !may.has(key))
  return { missing: missing.map(say), extra: extra.map(say), expected: must.size }

  function say(key: string): string {
    const [kind = 0, to] = key.split(' ').map(Number)
    const { from, tags } = kinds[kind] as Kind
    return `${from}[${tags}] -> ${to}[${key.split(' ')[2]}]`
  }
}

function keyOf(kind: number, to: number, tags: readonly number[]): string {
  return `${kind} ${to} ${tags.join(',')}`
}

/** The VLAN that a frame with these tags is in when it has come in, or null if it is dropped. */
function vlanOn(intent: PortIntent, [outer = 0]: readonly number[]): number | null {
  if (intent.mode === 'idle' || !intent.adminUp) return null
  if (intent.mode === 'access') return outer === 0 ? intent.vlan : null
  if (outer === 0) return intent.native
  return intent.native === outer || intent.tagged.includes(outer) ? outer : null
}

/** The tags a frame of this VLAN goes out with, or null if it does not. */
function tagsOut(intent: PortIntent, vlan: number): number[] | null {
  if (intent.mode === 'idle' || !intent.adminUp) return null
  if (intent.mode === 'access') return intent.vlan === vlan ? [] : null
  if (intent.native === vlan) return []
  return intent.tagged.includes(vlan) ? [vlan] : null
}
