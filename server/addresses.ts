/** IP addresses: lists of networks, and which addresses are this very host's. */
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Whether an address is in one of these: addresses, and networks such as 10.0.0.0/8. IPv4 in IPv6's clothes counts as IPv4. */
export function inNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = familyOf(address)
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address))
}

/** Whether one of this host's interfaces has the address now. */
export function isOwnAddress(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return inNetworks(own.map((each) => each.address))(address)
}

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4')
