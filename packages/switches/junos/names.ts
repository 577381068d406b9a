/** Names of interfaces as Junos writes them. */

/**
 * `ge-0/0/1`, `xe-0/0/1:2`, `ae10`, also with unit 0 behind them; null for everything that is no switch port (me0,
 * irb.10, lo0) or no name at all.
 */
export function normalisePort(name: string): string | null {
  const found = /^((?:ge|xe|et|mge)-\d{1,3}\/\d{1,2}\/\d{1,3}(?::\d)?|ae\d{1,4})(?:\.0)?$/i.exec(name)
  return found ? (found[1] as string).toLowerCase() : null
}

export function lagName(group: number): string {
  return `ae${group}`
}
