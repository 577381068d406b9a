/** What the driver library is told of a switch, made of its row: how to reach it, and what may be touched there. */
import type { Lag, PortIntent, SwitchOptions, SwitchTarget } from '@leasehold/switches'
import type { Link } from './links.sql.ts'
import { parseRanges, writeRanges } from './ranges.ts'
import type { Switch } from './switches.sql.ts'
import type { Credentials } from './vault.ts'

interface TrustRow {
  host_keys?: string[]
  ca?: string
  certificates?: string[]
  insecure?: NonNullable<SwitchTarget['trust']['insecure']>
}
interface OptionsRow {
  lag_groups?: string
  peer?: string
  save?: boolean
  settings?: Record<string, string>
}

/** How to reach it. The address may end in a port. */
export function targetOf(row: Switch, credentials: Credentials): SwitchTarget {
  const trust = row.trust as TrustRow
  const { settings } = row.options as OptionsRow
  const { host, port } = splitAddress(row.address)
  return {
    driver: row.driver,
    address: host,
    ...(port === undefined ? {} : { port }),
    ...(credentials.username === undefined ? {} : { username: credentials.username }),
    ...(credentials.password === undefined ? {} : { password: credentials.password }),
    ...(credentials.private_key === undefined ? {} : { privateKey: credentials.private_key }),
    ...(credentials.client_certificate === undefined || credentials.client_key === undefined
      ? {}
      : {
          clientCertificate: {
            certificate: credentials.client_certificate,
            key: credentials.client_key,
          },
        }),
    trust: {
      ...(trust.host_keys ? { hostKeys: trust.host_keys } : {}),
      ...(trust.ca ? { ca: trust.ca } : {}),
      ...(trust.certificates ? { certificates: trust.certificates } : {}),
      ...(trust.insecure ? { insecure: trust.insecure } : {}),
    },
    ...(settings ? { settings } : {}),
  }
}

/** `host`, `host:port`, `[v6]:port`; an IPv6 address without brackets and a Unix socket are whole. */
function splitAddress(address: string): { host: string; port?: number } {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:/]+)):(?<port>\d{1,5})$/.exec(address)
  if (!match) return { host: address.replace(/^\[([^\]]+)\]$/, '$1') }
  return { host: match.groups?.six ?? match.groups?.host ?? '', port: Number(match.groups?.port) }
}

/** What may be touched there: ports of nodes, VLANs of its physical network, LAGs of the numbers that are ours. */
export function optionsOf(
  row: Switch,
  ports: readonly string[],
  vlans: readonly number[],
): Omit<SwitchOptions, 'onEvent'> {
  const { lag_groups: lagGroups, save } = row.options as OptionsRow
  return {
    guard: { ports: [...ports], vlans: writeRanges(vlans), ...(lagGroups ? { lagGroups } : {}) },
    ...(save === undefined ? {} : { save }),
    applyTimeoutMs: applyTimeoutMs,
  }
}

/** From the order to its end, milliseconds. A switch is slow to save; one that takes longer is as good as gone. */
export const applyTimeoutMs = 60_000

/** The name of the switch that it makes a pair with (vPC, MLAG, VLT). */
export const peerOf = (row: Switch): string | undefined => (row.options as OptionsRow).peer

export const lagGroupsOf = (row: Switch): number[] => {
  const { lag_groups } = row.options as OptionsRow
  return lag_groups ? parseRanges(lag_groups) : []
}

/** A LAG's number on this switch, and the one that both switches of a pair know it by. */
export type LagNumbers = Pick<Lag, 'group' | 'multiChassis'>

/** What the library is asked to make of a port. */
export function intentOf(row: Switch, link: Link, lag: LagNumbers | undefined): PortIntent {
  const { wanted, mtu, nodeUuid } = link
  if (wanted.mode === 'idle')
    return { mode: 'idle', quarantine: row.quarantine_vlan, stpEdge: false, description: 'leasehold: idle' }
  return {
    ...(wanted.tagged === undefined
      ? { mode: 'access', vlan: wanted.vlan }
      : { mode: 'trunk', native: wanted.vlan, tagged: wanted.tagged.map(({ vlan }) => vlan) }),
    adminUp: true,
    stpEdge: true,
    description: `leasehold: node ${nodeUuid}`,
    ...(mtu === null ? {} : { mtu }),
    ...(lag === undefined ? {} : { lag: { ...lag, lacp: 'active' as const } }),
  }
}
