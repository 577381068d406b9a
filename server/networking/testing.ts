/** Switches in memory, for tests: they do what they are told, remember in which order, and fail when they are to. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Difference, PortIntent, Wanted } from '@leasehold/switches'
import type { OpenSwitch, SwitchHandle } from './types.ts'

/** Waits for something to be so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 20_000) {
  for (const end = Date.now() + timeoutMs; !(await isSo()); await sleep(10))
    if (Date.now() > end) throw new Error(`Has not happened within ${timeoutMs} ms: ${what}`)
}

/** What a port is. As it comes from the factory it is in every VLAN. */
export type FabricPort =
  | { mode: 'factory' }
  | { mode: 'idle'; vlan: number }
  | { mode: 'access'; vlan: number; lag?: number }
  | { mode: 'trunk'; native: number | null; tagged: readonly number[]; lag?: number }

export interface FabricSwitch {
  ports: Map<string, FabricPort>
  vlans: Map<number, string>
  /** Every change, in order: `Eth1 access 100`. */
  log: string[]
  /** While set, nothing is answered but this. */
  down: Error | undefined
  /** Called for each port before it is changed; may throw or wait. */
  before: ((port: string, to: FabricPort) => Promise<void> | void) | undefined
  sessions: number
  /** Changes a port as somebody else would. */
  tamper(port: string, to: FabricPort): void
}

export interface Fabric {
  open: OpenSwitch
  at(address: string): FabricSwitch
  /** Ports whose frames reach each other: of each VLAN those that are in it. */
  reach(): Map<number | 'all', string[]>
}

export class FabricError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export function createFabric(): Fabric {
  const switches = new Map<string, FabricSwitch & { watchers: Set<() => void> }>()
  const at = (address: string) => {
    const known = switches.get(address)
    if (known) return known
    const fresh: FabricSwitch & { watchers: Set<() => void> } = {
      ports: new Map(),
      vlans: new Map(),
      log: [],
      down: undefined,
      before: undefined,
      sessions: 0,
      watchers: new Set(),
      tamper(port, to) {
        fresh.ports.set(port, to)
        for (const told of fresh.watchers) told()
      },
    }
    switches.set(address, fresh)
    return fresh
  }
  const open: OpenSwitch = ({ address }, { guard }): SwitchHandle => {
    const it = at(address)
    const check = (wanted: Wanted) => {
      if (it.down) throw it.down
      for (const name of Object.keys(wanted.ports ?? {})) {
        if (!guard.ports.includes(name)) throw new FabricError('not-allowed', `${name} is not listed`)
        if (!it.ports.has(name)) throw new FabricError('unknown-port', `the switch has no port ${name}`)
      }
    }
    return {
      async read() {
        throw new Error('nobody reads a whole switch here')
      },
      async plan(wanted) {
        check(wanted)
        const differences = Object.entries(wanted.ports ?? {}).flatMap(([name, intent]): Difference[] => {
          const [is, to] = [JSON.stringify(it.ports.get(name)), JSON.stringify(stateOf(intent))]
          return is === to ? [] : [{ what: name, field: 'membership', is, wanted: to }]
        })
        return { steps: [], lines: [], differences }
      },
      async apply(wanted) {
        it.sessions++
        check(wanted)
        for (const { id, name } of wanted.vlans ?? []) {
          if (!it.vlans.has(id)) it.log.push(`vlan ${id}`)
          it.vlans.set(id, name ?? it.vlans.get(id) ?? '')
        }
        for (const [name, intent] of Object.entries(wanted.ports ?? {})) {
          const to = stateOf(intent)
          await it.before?.(name, to)
          if (it.down) throw it.down
          if (JSON.stringify(it.ports.get(name)) === JSON.stringify(to)) continue
          it.ports.set(name, to)
          it.log.push(`${name} ${to.mode}${to.mode === 'access' ? ` ${to.vlan}` : ''}`)
        }
        for (const { id, name } of wanted.removeVlans ?? []) {
          if (!it.vlans.has(id)) continue
          if (it.vlans.get(id) !== name) throw new FabricError('not-allowed', `VLAN ${id} is not ours`)
          if ([...it.ports.values()].some((port) => port.mode !== 'idle' && vlansOf(port).includes(id)))
            throw new FabricError('not-allowed', `VLAN ${id} is in use`)
          it.vlans.delete(id)
          it.log.push(`no vlan ${id}`)
        }
        return { changes: [], verified: true, saved: true }
      },
      watch: async (changed) => {
        it.watchers.add(changed)
        return async () => void it.watchers.delete(changed)
      },
      close: async () => {},
    }
  }
  return {
    open,
    at,
    reach() {
      const reach = new Map<number | 'all', string[]>()
      for (const [address, { ports }] of switches)
        for (const [name, port] of ports) {
          if (port.mode === 'idle') continue
          for (const vlan of vlansOf(port))
            reach.set(vlan, [...(reach.get(vlan) ?? []), `${address} ${name}`])
        }
      return reach
    },
  }
}

function stateOf(intent: PortIntent): FabricPort {
  if (intent.mode === 'idle') return { mode: 'idle', vlan: intent.quarantine }
  if (intent.mode === 'access')
    return { mode: 'access', vlan: intent.vlan, ...(intent.lag ? { lag: intent.lag.group } : {}) }
  const { native, tagged, lag } = intent
  return { mode: 'trunk', native, tagged, ...(lag ? { lag: lag.group } : {}) }
}

const vlansOf = (port: Exclude<FabricPort, { mode: 'idle' }>): (number | 'all')[] => {
  if (port.mode === 'factory') return ['all']
  if (port.mode === 'access') return [port.vlan]
  return [...(port.native === null ? [] : [port.native]), ...port.tagged]
}
