/** Lists of VLANs as people write them: `100-199,300`. */
import { LeaseholdError } from '../errors.ts'

/**
 * The VLAN ids of a list, each once, rising. IEEE 802.1Q: 1 to 4094.
 * @throws LeaseholdError 'invalid' naming the part that is none.
 */
export function parseRanges(text: string): number[] {
  const vlans = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*$/.exec(part)
    const first = Number(match?.[1])
    const last = Number(match?.[2] ?? match?.[1])
    if (!match || first < 1 || last > 4094 || first > last)
      throw new LeaseholdError(
        'invalid',
        `ranges: "${part.slice(0, 40)}" is no VLAN and no range of VLANs; write them as 100-199,300, each from 1 to 4094.`,
      )
    for (let vlan = first; vlan <= last; vlan++) vlans.add(vlan)
  }
  return [...vlans].sort((a, b) => a - b)
}

/** The shortest list of these VLANs. */
export function writeRanges(vlans: readonly number[]): string {
  const runs: [number, number][] = []
  for (const vlan of [...vlans].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last && vlan === last[1] + 1) last[1] = vlan
    else if (!last || vlan !== last[1]) runs.push([vlan, vlan])
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}
