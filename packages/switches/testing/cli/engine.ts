/**
 * A command line's configuration as its text: what is set stands there, what is default does not. A vendor is a table of
 * settings; a line that no setting knows is refused in the vendor's words.
 */
import type { VlanId } from '../../types.ts'
import { parseVlans } from '../../vlans.ts'

/** Lines by the setting they belong to. */
export type Lines = Map<string, readonly string[]>
export type Config = { globals: string[]; vlans: Map<VlanId, Lines>; interfaces: Map<string, Lines> }
export type Place = { kind: 'global' } | { kind: 'interface'; name: string } | { kind: 'vlan'; id: VlanId }

export type About = { config: Config; name: string; old: readonly string[]; has: (line: string) => boolean }

export type Setting = {
  key: string
  /** Of the line without a `no ` before it. */
  pattern: RegExp
  /** The lines that stand there afterwards; the line itself if absent. */
  set?: (match: RegExpExecArray, about: About) => readonly string[]
  unset?: (match: RegExpExecArray, about: About) => readonly string[]
  /** Words that refuse the line. */
  refuse?: (match: RegExpExecArray, about: About & { no: boolean }) => string | undefined
  /** Words that are printed although it is done. */
  says?: (match: RegExpExecArray, about: About & { no: boolean }) => string | undefined
}

export type Grammar = {
  /** The interface's name as the switch writes it; null for what is none. */
  interfaceName: (typed: string) => string | null
  lagName: (group: number) => string
  /** In the order in which the configuration shows them. */
  settings: readonly Setting[]
  vlanSettings: readonly Setting[]
  vlanLine: RegExp
  factory: (name: string) => Lines
  /** Settings that members of a group take over from it, if the switch does that. */
  copied: readonly string[]
  words: {
    invalid: string
    noInterface: (name: string) => string
    /** Why this VLAN cannot be made. */
    noVlan: (id: VlanId) => string | undefined
  }
}

export type Outcome = { place: Place; text: string; failed?: true }

/** Does one line of configuration mode. */
export function configure(grammar: Grammar, config: Config, place: Place, line: string): Outcome {
  const refused = (text: string): Outcome => ({ place, text, failed: true })
  if (line === 'exit') return { place: { kind: 'global' }, text: '' }
  const enter = /^(no |default )?interface (.+)$/.exec(line)
  const vlan = grammar.vlanLine.exec(line.replace(/^no /, ''))
  if (vlan) return vlanHeading(grammar, config, line.startsWith('no '), Number(vlan[1]), refused)
  if (enter) return interfaceHeading(grammar, config, enter[1], enter[2] as string, refused)
  if (place.kind === 'interface') {
    const own = config.interfaces.get(place.name)
    if (own === undefined) return refused(grammar.words.invalid)
    const done = apply(grammar.settings, grammar, own, line, { config, name: place.name })
    if (!done.failed) copyToMembers(grammar, config, place.name)
    return { place, ...done }
  }
  if (place.kind === 'vlan') {
    const own = config.vlans.get(place.id)
    if (own !== undefined)
      return { place, ...apply(grammar.vlanSettings, grammar, own, line, { config, name: String(place.id) }) }
  }
  return refused(grammar.words.invalid)
}

function vlanHeading(
  grammar: Grammar,
  config: Config,
  no: boolean,
  id: VlanId,
  refused: (text: string) => Outcome,
): Outcome {
  const why = grammar.words.noVlan(id)
  if (why !== undefined) return refused(why)
  if (no) config.vlans.delete(id)
  else if (!config.vlans.has(id)) config.vlans.set(id, new Map())
  return { place: no ? { kind: 'global' } : { kind: 'vlan', id }, text: '' }
}

function interfaceHeading(
  grammar: Grammar,
  config: Config,
  word: string | undefined,
  typed: string,
  refused: (text: string) => Outcome,
): Outcome {
  const name = grammar.interfaceName(typed)
  const isLag = name !== null && lagGroup(grammar, name) !== null
  if (name === null || (!config.interfaces.has(name) && !isLag))
    return refused(grammar.words.noInterface(typed))
  if (word === 'no ') {
    if (!isLag) return refused(grammar.words.invalid)
    for (const lines of config.interfaces.values())
      if (groupOf(lines) === lagGroup(grammar, name)) lines.delete('lag')
    config.interfaces.delete(name)
    return { place: { kind: 'global' }, text: '' }
  }
  if (word === 'default ' || !config.interfaces.has(name)) config.interfaces.set(name, grammar.factory(name))
  return { place: word === undefined ? { kind: 'interface', name } : { kind: 'global' }, text: '' }
}

function apply(
  settings: readonly Setting[],
  grammar: Grammar,
  own: Lines,
  typed: string,
  { config, name }: { config: Config; name: string },
): { text: string; failed?: true } {
  const no = typed.startsWith('no ')
  const line = no ? typed.slice(3) : typed
  for (const setting of settings) {
    const match = setting.pattern.exec(line)
    if (!match) continue
    const has = (wanted: string) => [...own.values()].some((lines) => lines.includes(wanted))
    const about: About = { config, name, old: own.get(setting.key) ?? [], has }
    const why = setting.refuse?.(match, { ...about, no })
    if (why !== undefined) return { text: why, failed: true }
    const says = setting.says?.(match, { ...about, no }) ?? ''
    const lines = no ? (setting.unset?.(match, about) ?? []) : (setting.set?.(match, about) ?? [line])
    if (lines.length === 0) own.delete(setting.key)
    else own.set(setting.key, lines)
    return { text: says }
  }
  return { text: grammar.words.invalid, failed: true }
}

function copyToMembers(grammar: Grammar, config: Config, lag: string): void {
  const group = lagGroup(grammar, lag)
  if (group === null) return
  const from = config.interfaces.get(lag)
  for (const lines of config.interfaces.values()) {
    if (groupOf(lines) !== group) continue
    for (const key of grammar.copied) {
      const own = from?.get(key)
      if (own) lines.set(key, own)
      else lines.delete(key)
    }
  }
}

/** `switchport trunk allowed vlan LIST`, `add LIST`, `none`, `all`, in the way that a list stands in a configuration. */
export function allowedSetting(allLine: readonly string[] = []): Setting {
  return {
    key: 'allowed',
    pattern: /^switchport trunk allowed vlan (?:(add|remove) )?(none|all|[\d,-]+)$/,
    set: ([, verb, list], { old }) => {
      if (list === 'all') return allLine
      const given = parseVlans(list as string)
      if (verb === undefined) return [allowedLine(given)]
      // Without a list there is nothing to add to: all VLANs stay allowed.
      if (old.length === 0) return verb === 'add' ? [] : old
      const has = parseVlans((old[0] as string).replace(/^switchport trunk allowed vlan /, ''))
      return [allowedLine(verb === 'add' ? [...has, ...given] : has.filter((id) => !given.includes(id)))]
    },
    unset: () => allLine,
  }
}

function allowedLine(ids: readonly VlanId[]): string {
  const sorted = [...new Set(ids)].sort((a, b) => a - b)
  const ranges: string[] = []
  for (let at = 0; at < sorted.length; at++) {
    const first = sorted[at] as number
    while (sorted[at + 1] === (sorted[at] as number) + 1) at++
    ranges.push(first === sorted[at] ? `${first}` : `${first}-${sorted[at]}`)
  }
  return `switchport trunk allowed vlan ${ranges.join(',') || 'none'}`
}

/** The group of a member, or null. */
export function groupOf(lines: Lines): number | null {
  const match = /^channel-group (\d+)/.exec(lines.get('lag')?.[0] ?? '')
  return match ? Number(match[1]) : null
}

export function lagGroup(grammar: Grammar, name: string): number | null {
  const group = Number(/\d+$/.exec(name)?.[0] ?? Number.NaN)
  return grammar.lagName(group) === name ? group : null
}

/** An interface's lines in the order of the table, below its heading. */
export function linesOf(settings: readonly Setting[], own: Lines): string[] {
  const keys = [...new Set(settings.map(({ key }) => key))]
  return [...keys, ...[...own.keys()].filter((key) => !keys.includes(key))].flatMap(
    (key) => own.get(key) ?? [],
  )
}

/** Names in the order in which people count: Ethernet2 before Ethernet10. */
export function sortedNames(config: Config): string[] {
  const rank = (name: string) => name.replace(/\d+/g, (digits) => digits.padStart(5, '0'))
  return [...config.interfaces.keys()].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
}
