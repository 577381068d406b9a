/** The way back for switches that cannot undo: what is not as it was is taken away, what is missing is said again. */
import type { CliRequest } from '../transports/cli.ts'
import type { PortState, SwitchState, Target, VlanState } from '../types.ts'

export type RestoreWords = {
  vlanHeading: (id: number) => string
  /** The lines that make a VLAN what it was; below its heading. */
  vlanLines: (vlan: VlanState) => readonly string[]
  lagName: (group: number) => string
  /** How a line is taken back, where `no` and the whole line would not do. */
  negate?: (line: string) => string | undefined
  /** Lines to take back, and then lines to say again, before all others, where what those mean depends on them. */
  first?: { away: RegExp; again: RegExp }
  /** What to say after all for a port that had these lines: against what comes by itself. */
  last?: (old: readonly string[]) => readonly string[]
}

/**
 * Lines that bring what `touched` names from `now` back to `before`, from the lines that `PortState.lines` remembers.
 * Ports that differ are down meanwhile. A group that was not there goes; one that went comes back before its members.
 */
export function restoreByLines(
  before: SwitchState,
  now: SwitchState,
  touched: Target,
  words: RestoreWords,
): CliRequest[] {
  const names = new Set([...touched.ports.keys(), ...[...touched.removeLags].map(words.lagName)])
  const ids = [...touched.vlans, ...touched.removeVlans].map(({ id }) => id)
  const lags = new Set(
    [...touched.ports.values()].filter((port) => port.group !== null).map(({ name }) => name),
  )
  const ports = [...names].sort((a, b) => Number(isLag(b)) - Number(isLag(a)))
  function isLag(name: string): boolean {
    return lags.has(name) || !touched.ports.has(name)
  }
  const gone = [...lags].filter((name) => !before.ports.has(name) && now.ports.has(name))
  return [
    ...ids.flatMap((id) => {
      const was = before.vlans.get(id)
      if (was === undefined || sameVlan(was, now.vlans.get(id))) return []
      return lines([words.vlanHeading(id), ...words.vlanLines(was), 'exit'])
    }),
    // All leave their new group before any group goes or comes back.
    ...ports.flatMap((name) => leaveLines(before.ports.get(name), now.ports.get(name), words)),
    ...gone.flatMap((name) => lines([`no interface ${name}`], name)),
    ...ports.flatMap((name) => portLines(before.ports.get(name), now.ports.get(name), words)),
    ...ids
      .filter((id) => !before.vlans.has(id) && now.vlans.has(id))
      .flatMap((id) => lines([`no ${words.vlanHeading(id)}`])),
  ]
}

function leaveLines(
  was: PortState | undefined,
  is: PortState | undefined,
  words: RestoreWords,
): CliRequest[] {
  const group = is?.lines?.find((line) => line.startsWith('channel-group '))
  if (is === undefined || group === undefined || was?.lines?.includes(group)) return []
  return lines([`interface ${is.name}`, 'shutdown', negated(group, words)], is.name)
}

function portLines(was: PortState | undefined, is: PortState | undefined, words: RestoreWords): CliRequest[] {
  if (was?.lines === undefined || is?.lines?.join('\n') === was.lines.join('\n')) return []
  const old = was.lines.filter((line) => !isAdmin(line))
  const current = (is?.lines ?? []).filter((line) => !isAdmin(line) && !line.startsWith('channel-group '))
  const wrong = current.filter((line) => !old.includes(line))
  // A list goes and comes as a whole: its parts mean nothing without each other.
  const lists = (all: readonly string[]) => all.filter((line) => /^switchport trunk allowed vlan/.test(line))
  const listDiffers = lists(old).join() !== lists(current).join()
  const missing = old.filter((line) => !current.includes(line) || (listDiffers && lists([line]).length > 0))
  const away = wrong.filter((line) => words.first?.away.test(line))
  const again = missing.filter((line) => words.first?.again.test(line))
  const first = [...away, ...again]
  const takenBack = (all: readonly string[]) => new Set(all.map((line) => negated(line, words)))
  return lines(
    [
      `interface ${was.name}`,
      'shutdown',
      ...takenBack(away),
      ...again,
      ...takenBack(wrong.filter((line) => !first.includes(line))),
      ...missing.filter((line) => !first.includes(line)),
      ...(words.last?.(old) ?? []),
      ...(was.adminUp ? ['no shutdown'] : []),
    ],
    was.name,
  )
}

function negated(line: string, { negate }: RestoreWords): string {
  const special = negate?.(line)
  if (special !== undefined) return special
  if (line.startsWith('no ')) return line.slice(3)
  const setting = settings.find((start) => line.startsWith(`${start} `))
  return `no ${setting ?? line}`
}

/** What takes one value: `no` and the setting's name bring its default back. */
const settings = [
  'switchport mode',
  'switchport access vlan',
  'switchport trunk native vlan',
  'switchport trunk allowed vlan',
  'switchport trunk encapsulation',
  'switchport voice vlan',
  'spanning-tree portfast',
  'spanning-tree port type',
  'description',
  'mtu',
  'channel-group',
]

function isAdmin(line: string): boolean {
  return line === 'shutdown' || line === 'no shutdown'
}
function sameVlan(was: VlanState, is: VlanState | undefined): boolean {
  return is?.name === was.name && is.active === was.active
}
function lines(texts: readonly string[], port?: string): CliRequest[] {
  return texts.map((line) => ({ mode: 'configure', line, ...(port === undefined ? {} : { port }) }))
}
