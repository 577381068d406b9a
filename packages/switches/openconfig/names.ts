/** OpenConfig's namespaces, and names of interfaces, which every vendor chooses for itself. */

const base = 'http://openconfig.net/yang/'

/** The published models'. Vlans of the switch are in that of network instances, not in that of VLANs. */
export const namespaces = {
  interfaces: `${base}interfaces`,
  ethernet: `${base}interfaces/ethernet`,
  aggregate: `${base}interfaces/aggregate`,
  vlan: `${base}vlan`,
  networkInstance: `${base}network-instance`,
  lacp: `${base}lacp`,
  spanningTree: `${base}spanning-tree`,
  spanningTreeTypes: `${base}spanning-tree/types`,
  interfaceTypes: 'urn:ietf:params:xml:ns:yang:iana-if-type',
} as const

/** As the switch writes it: OpenConfig says nothing of how names look, so they are only checked. */
export function normalisePort(name: string): string | null {
  return /^[A-Za-z][A-Za-z0-9/:._-]{0,63}$/.test(name) ? name : null
}

/** Names of LAG interfaces, from a setting such as `Port-Channel%`. */
export type LagNames = { of: (group: number) => string; group: (name: string) => number | null }

export function lagNames(pattern: string): LagNames {
  const [start = '', end = ''] = pattern.split('%')
  return {
    of: (group) => `${start}${group}${end}`,
    group: (name) => {
      const middle = name.slice(start.length, name.length - end.length)
      const fits = name.startsWith(start) && name.endsWith(end) && /^[1-9]\d{0,3}$/.test(middle)
      return fits ? Number(middle) : null
    },
  }
}
