/** A simulated switch whose ports are those of an Open vSwitch bridge, at every line that it is told. */
import { openSwitch } from '@leasehold/switches'
import type { Driver } from '@leasehold/switches/dialect'
import type { Dirt, Said, Seen, SimulatedSwitch } from '@leasehold/switches/testing'
import type { Stage } from './campaign.ts'
import type { Belonging } from './ledger.ts'
import { type Chance, guardFor } from './tenants.ts'
import type { Columns, Watcher } from './watcher.ts'

export type Mirror = {
  /** States of ports that were looked at with frames. */
  states: () => number
}

/** Port by port in the order of the nodes; frames of every kind are sent in each new state before the next line. */
export function mirror(device: SimulatedSwitch, watcher: Watcher, nodes: number): Mirror {
  let states = 0
  const show = (seen: Seen) => {
    const node = device.ports.indexOf(seen.port)
    if (node < 0 || node >= nodes) return
    states++
    watcher.set(`n${node}`, columnsOf(seen, node))
    watcher.round()
  }
  for (let node = 0; node < nodes; node++) show(device.seen(device.ports[node] as string))
  device.onPortState(show)
  return { states: () => states }
}

/** A port that forwards nothing is alone in a VLAN of its own. */
export function columnsOf({ untagged, tagged }: Seen, node: number): Columns {
  if (tagged === 'all') return { vlan_mode: 'native-untagged', tag: untagged ?? 4090, trunks: all }
  if (tagged.length === 0) return { vlan_mode: 'access', tag: untagged ?? 4000 + node, trunks: [] }
  const trunks = tagged.filter((id) => id < 4_000)
  if (untagged === null) return { vlan_mode: 'trunk', tag: null, trunks }
  return { vlan_mode: 'native-untagged', tag: untagged, trunks: [untagged, ...trunks] }
}

/** All that a switch forwards; what is above is ours. */
const all = Array.from({ length: 3_999 }, (_, index) => index + 1)

export function mirroredStage(device: SimulatedSwitch, driver?: Driver): Stage {
  return {
    port: (node) => device.ports[node] as string,
    open: () =>
      openSwitch(
        device.target(),
        {
          guard: guardFor(device.ports),
          gatherMs: 2,
          connectTimeoutMs: 5_000,
          commandTimeoutMs: 5_000,
          breakerFailures: 100,
        },
        driver,
      ),
    dirty: (node, chance) => {
      const port = device.ports[node] as string
      const dirt = chance.of<Dirt>(['factory', 'routed', 'trunk-all', 'stale'])
      device.makeDirty(port, dirt)
      return belongingOf(device.seen(port))
    },
    fault: (chance) => fault(device, chance),
  }
}

/** A routed port that becomes a switched one is in VLAN 1 for the length of a line: NX-OS has no word to prevent it. */
function belongingOf({ tagged }: Seen): Belonging {
  return tagged.length > 0 ? 'anything' : new Set(['untouched'])
}

/** A heading that went unheard would put the lines below it to another port; no switch is known to do that. */
const heading = /^(interface|vlan|exit|end|configure)\b/

function fault(device: SimulatedSwitch, chance: Chance): ReturnType<Stage['fault']> {
  const { faults } = device
  const name = chance.of(['refused', 'ignored', 'dropped', 'dropped', 'save failed', 'slow'])
  let left = chance.below(chance.one(3) ? 40 : 14)
  let struck = false
  const strikes = ({ line }: Said): boolean => {
    if (struck || /^(show|terminal|enable)\b/.test(line) || left-- > 0) return false
    struck = true
    return true
  }
  if (name === 'refused') faults.refuse = (said) => (strikes(said) ? '% Error: not today' : undefined)
  else if (name === 'ignored') faults.ignore = (said) => !heading.test(said.line) && strikes(said)
  else if (name === 'dropped') faults.drop = strikes
  else if (name === 'save failed') faults.failSave = struck = true
  else {
    Object.assign(faults, { loginDelayMs: 60, saveDelayMs: 60 })
    struck = true
  }
  return {
    name,
    end: () => {
      for (const one of Object.keys(faults)) delete faults[one as keyof typeof faults]
      return struck
    },
  }
}
