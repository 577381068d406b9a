/** A simulated switch with a command line: its configurations, its faults, who looks on, and a user's place in it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SwitchTarget, VlanId } from '../../types.ts'
import type { Counts, Dirt, Faults, Said, Seen, SimulatedSwitch } from '../device.ts'
import { type Config, configure, type Grammar, groupOf, type Lines, type Place } from './engine.ts'

/** What a port does by its lines, whoever wrote them. */
export type Behaviour = {
  up: boolean
  switched: boolean
  trunk: boolean
  access: VlanId
  native: VlanId | null
  allowed: readonly VlanId[] | 'all'
}

export type Vendor = {
  grammar: Grammar
  /** Names of `count` physical ports. */
  ports: (count: number) => string[]
  globals: readonly string[]
  runningConfig: (config: Config) => string
  behaviour: (lines: Lines) => Behaviour
  dirty: (dirt: Dirt) => Lines
  /** Whether a line puts a port into VLANs. */
  membershipLine: RegExp
  /** A port that the operator keeps for an uplink. */
  uplink: Lines
  save: { line: string; good: string; bad: string }
  /** Everything in exec mode beside saving; undefined for an unknown line. */
  exec: (box: Box, line: string) => Answer | undefined
}

/** What is printed; `json` where the line was to be answered with structure. */
export type Answer = { text: string; failed?: boolean; json?: unknown }

export type Box = {
  vendor: Vendor
  running: Config
  startup: Config
  faults: Faults
  counts: Counts
  /** Every line that came, in order. */
  lines: string[]
  observers: ((seen: Seen) => void)[]
  /** To be called after whatever may have changed a port. */
  observe: () => void
}

export function createBox(vendor: Vendor, portCount: number): Box {
  const config: Config = {
    globals: [...vendor.globals],
    vlans: new Map([[1, new Map()]]),
    interfaces: new Map(),
  }
  for (const name of vendor.ports(portCount)) config.interfaces.set(name, vendor.grammar.factory(name))
  config.interfaces.set(vendor.ports(portCount).at(-1) as string, new Map(vendor.uplink))
  const last = new Map<string, string>()
  const box: Box = {
    vendor,
    running: config,
    startup: structuredClone(config),
    faults: {},
    counts: { logins: 0, writes: 0, saves: 0 },
    lines: [],
    observers: [],
    observe: () => {
      for (const name of vendor.ports(portCount)) {
        const seen = seenBy(box, name)
        const text = JSON.stringify(seen)
        if (last.get(name) === text) continue
        last.set(name, text)
        for (const observer of box.observers) observer(seen)
      }
    },
  }
  box.observe()
  return box
}

/** One user's place: null for exec mode. `candidate` is what configuration lines change; the running one if absent. */
export type User = { place: Place | null; candidate?: Config }

/** What came of a line; null: the connection is to break, undefined: no answer at all. */
export async function runLine(box: Box, user: User, line: string): Promise<Answer | null | undefined> {
  const { faults, counts, vendor } = box
  const said: Said = { line, context: headingOf(user.place) }
  box.lines.push(line)
  if (faults.drop?.(said)) return null
  if (faults.hang?.(said)) return undefined
  const words = faults.refuse?.(said)
  if (words !== undefined) return { text: words, failed: true }
  if (user.place === null) {
    if (line !== vendor.save.line)
      return vendor.exec(box, line) ?? { text: vendor.grammar.words.invalid, failed: true }
    await sleep(faults.saveDelayMs ?? 0)
    if (faults.failSave) return { text: vendor.save.bad, failed: true }
    counts.saves++
    box.startup = structuredClone(box.running)
    return { text: vendor.save.good }
  }
  counts.writes++
  if (faults.ignore?.(said)) return { text: '' }
  const done = configure(vendor.grammar, user.candidate ?? box.running, user.place, line)
  user.place = done.place
  if (user.candidate === undefined) box.observe()
  return { text: done.text, ...(done.failed ? { failed: true } : {}) }
}

/** Everything of a SimulatedSwitch but its doors. */
export function faceOf(
  box: Box,
  portCount: number,
): Omit<SimulatedSwitch, 'target' | 'close'> & { box: Box; lines: string[] } {
  const { vendor } = box
  return {
    box,
    lines: box.lines,
    ports: vendor.ports(portCount).slice(0, -2),
    protectedPort: vendor.ports(portCount).at(-1),
    faults: box.faults,
    counts: box.counts,
    config: () => vendor.runningConfig(box.running),
    saved: () => vendor.runningConfig(box.startup),
    makeDirty: (port, dirt) => {
      box.running.interfaces.set(port, vendor.dirty(dirt))
      box.observe()
    },
    isAbout: ({ line, context }, port) => context === `interface ${port}` && vendor.membershipLine.test(line),
    onPortState: (observer) => {
      box.observers.push(observer)
    },
    seen: (port) => seenBy(box, port),
  }
}

export type CommonTarget = Pick<SwitchTarget, 'address' | 'username' | 'password'>

function seenBy({ running, vendor }: Box, port: string): Seen {
  const nothing: Seen = { port, untagged: null, tagged: [] }
  const own = running.interfaces.get(port)
  if (own === undefined || !vendor.behaviour(own).up) return nothing
  const group = groupOf(own)
  const lines = group === null ? own : running.interfaces.get(vendor.grammar.lagName(group))
  if (lines === undefined) return nothing
  const { up, switched, trunk, access, native, allowed } = vendor.behaviour(lines)
  if (!up || !switched) return nothing
  if (!trunk) return { port, untagged: running.vlans.has(access) ? access : null, tagged: [] }
  if (allowed === 'all') return { port, untagged: native, tagged: 'all' }
  return { port, untagged: native, tagged: allowed.filter((id) => id !== native) }
}

function headingOf(place: Place | null): string {
  if (place?.kind === 'interface') return `interface ${place.name}`
  return place?.kind === 'vlan' ? `vlan ${place.id}` : ''
}
