/** Who belonged to which tenant, when: what frames are judged by. */
import type { Delivery, Kind } from './watcher.ts'

/** Names of tenants. `anything`: a port as it was found, a trunk of all VLANs, which nobody promised anything about. */
export type Belonging = ReadonlySet<string> | 'anything'

export type Ledger = {
  /** From this moment on the port belongs there. */
  set: (port: number, belonging: Belonging, at: number) => void
  now: (port: number) => Belonging
  /** All that a port belonged to between two moments. */
  during: (port: number, from: number, to: number) => Belonging
}

export const nobody: Belonging = new Set()

type Entry = { at: number; belonging: Belonging }

/** Ports begin as ones that nobody promised anything about. */
export function createLedger(ports: number): Ledger {
  const pages = Array.from({ length: ports }, (): Entry[] => [{ at: 0, belonging: 'anything' }])
  const page = (port: number) => pages[port] as Entry[]
  return {
    set: (port, belonging, at) => void page(port).push({ at, belonging }),
    now: (port) => page(port).at(-1)?.belonging ?? nobody,
    during: (port, from, to) => {
      let all: Belonging = nobody
      const entries = page(port)
      for (let index = entries.length - 1; index >= 0; index--) {
        const { at, belonging } = entries[index] as Entry
        if (at <= to) all = both(all, belonging)
        if (at <= from) break
      }
      return all
    },
  }
}

export function both(a: Belonging, b: Belonging): Belonging {
  return a === 'anything' || b === 'anything' ? 'anything' : new Set([...a, ...b])
}

/**
 * Frames that must not have arrived, in words: no tenant was the sender's and the receiver's at any moment between
 * sending and arrival. The sender's side counts from the sending on, as the switch may have taken the frame later.
 */
export function crossings(deliveries: readonly Delivery[], kinds: readonly Kind[], ledger: Ledger): string[] {
  return deliveries.flatMap(({ to, kind, sent, got, tags, number }) => {
    const { from, tags: as } = kinds[kind] as Kind
    const theirs = ledger.during(from, sent, got)
    const ours = ledger.during(to, sent, got)
    if (meet(theirs, ours)) return []
    return [
      `frame ${number} of node ${from} (${words(theirs)}), tagged [${as}], reached node ${to} (${words(ours)}) with [${tags}] after ${got - sent} us`,
    ]
  })
}

function meet(a: Belonging, b: Belonging): boolean {
  if (a === 'anything') return b === 'anything' || b.size > 0
  if (b === 'anything') return a.size > 0
  return [...a].some((one) => b.has(one))
}

export function words(belonging: Belonging): string {
  return belonging === 'anything' ? 'anything' : [...belonging].join('+') || 'nobody'
}
