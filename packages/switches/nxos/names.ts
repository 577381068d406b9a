/** Names of interfaces as NX-OS writes them. */

/**
 * `Eth1/1`, `ethernet 1/1/2` and `Po10` as `Ethernet1/1`, `Ethernet1/1/2`, `port-channel10`; null for everything that
 * is no switch port (mgmt0, Vlan10, loopback0) or no name at all.
 */
export function normalisePort(name: string): string | null {
  const ethernet = /^eth(?:ernet)?\s?(\d{1,3}(?:\/\d{1,3}){1,2})$/i.exec(name)
  if (ethernet) return `Ethernet${ethernet[1]}`
  const channel = /^po(?:rt-?channel)?\s?(\d{1,4})$/i.exec(name)
  if (channel && Number(channel[1]) >= 1 && Number(channel[1]) <= 4096) return lagName(Number(channel[1]))
  return null
}

export function lagName(group: number): string {
  return `port-channel${group}`
}
