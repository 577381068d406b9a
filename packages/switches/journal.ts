/** What a process that is killed in the middle of a change leaves to the next one, in words that outlive it. */
import { SwitchError } from './errors.ts'
import type { Journal, PortState, PortTarget, SwitchState, Target, VlanState } from './types.ts'

/** A change as it is remembered: what is needed to take it back. */
export type Remembered = { id: string; before: SwitchState; target: Target; since: number }

/** Raised when an entry's form changes. */
const version = 1

type Entry = {
  version: typeof version
  /** Absent where only the save may be missing. */
  change?: {
    id: string
    /** Milliseconds since 1970. */
    since: number
    before: { vlans: VlanState[]; ports: PortState[] }
    target: Omit<Target, 'ports' | 'removeLags'> & { ports: PortTarget[]; removeLags: number[] }
  }
}

/** Writes a journal, or nothing where there is none. */
export function journalist(journal: Journal | undefined, lagName: (group: number) => string) {
  return {
    /**
     * Notes that nothing is owed to the switch; that something may be in force that is not saved; or that a change was
     * begun, which is to be taken back.
     *
     * @throws SwitchError 'busy': who cannot write it down may have lost the switch to another process
     */
    async note(what: 'nothing' | 'unsaved' | Omit<Remembered, 'since'>): Promise<void> {
      const change = typeof what === 'object' ? { ...what, since: Date.now() } : undefined
      try {
        await journal?.write(what === 'nothing' ? null : entryOf(change, lagName))
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        throw new SwitchError('busy', `the change could not be written down: ${why}`, { cause: error })
      }
    },
    /** What was noted last; undefined for nothing. */
    async inherit(): Promise<'unsaved' | Remembered | undefined> {
      const entry = (await journal?.read()) ?? null
      return entry === null ? undefined : (changeOf(entry) ?? 'unsaved')
    },
  }
}

function entryOf(change: Remembered | undefined, lagName: (group: number) => string): Entry {
  if (change === undefined) return { version }
  const { id, since, before, target } = change
  return {
    version,
    change: {
      id,
      since,
      before: touched(before, target, lagName),
      target: { ...target, ports: [...target.ports.values()], removeLags: [...target.removeLags] },
    },
  }
}

/** @returns undefined for an entry without a change, or one in a form of another release. */
function changeOf(entry: unknown): Remembered | undefined {
  const { version: form, change } = entry as Partial<Entry>
  if (form !== version || change === undefined) return undefined
  const { id, since, before, target } = change
  return {
    id,
    since,
    before: { vlans: new Map(before.vlans.map((vlan) => [vlan.id, vlan])), ports: byName(before.ports) },
    target: { ...target, ports: byName(target.ports), removeLags: new Set(target.removeLags) },
  }
}

/** Of a state what a change names, and the groups that its ports were in. */
function touched(state: SwitchState, target: Target, lagName: (group: number) => string) {
  const names = new Set([...target.ports.keys(), ...[...target.removeLags].map(lagName)])
  for (const name of [...names]) {
    const group = state.ports.get(name)?.lag?.group
    if (group !== undefined) names.add(lagName(group))
  }
  const ids = new Set([...target.vlans, ...target.removeVlans].map(({ id }) => id))
  return {
    vlans: [...state.vlans.values()].filter(({ id }) => ids.has(id)),
    ports: [...state.ports.values()].filter(({ name }) => names.has(name)),
  }
}

const byName = <T extends { name: string }>(list: readonly T[]): Map<string, T> =>
  new Map(list.map((one) => [one.name, one]))
