/** Row types of the tables of networks and switches; their meaning is told in migration 0013. */
import type { ColumnType, Generated } from 'kysely'

type Defaulted<T> = ColumnType<T, T | undefined, T>
type Created = ColumnType<Date, Date | undefined, never>
type Json<T = Record<string, unknown>> = ColumnType<T, string | undefined, string>
/** PostgreSQL's bigint, which the driver reads as text. */
type Big = ColumnType<string, number | string | undefined, number | string>

export interface SwitchesTable {
  id: Generated<string>
  uuid: string
  name: string
  driver: string
  address: string
  chassis_ids: Defaulted<string[]>
  physical_network: string
  quarantine_vlan: number
  trust: Json
  options: Json
  sealed_credentials: Buffer | null
  version: Defaulted<number>
  keeper: string | null
  keeper_beat_at: Defaulted<Date>
  fence: Big
  state: Defaulted<string>
  reason: string | null
  checked_at: Date | null
  unfinished: ColumnType<unknown, string | null | undefined, string | null>
  created_at: Created
  updated_at: Date | null
}

export type SwitchPortKind = 'node' | 'uplink' | 'protected'

export interface SwitchPortsTable {
  id: Generated<string>
  switch_id: string
  name: string
  aliases: Defaulted<string[]>
  kind: SwitchPortKind
  owner: string | null
  mtu: number | null
  description: string | null
  created_at: Created
  updated_at: Date | null
}

export interface VlanPoolsTable {
  id: Generated<string>
  uuid: string
  name: string
  physical_network: string
  ranges: string
  created_at: Created
  updated_at: Date | null
}

export interface VlansTable {
  id: Generated<string>
  physical_network: string
  vlan: number
  pool_id: string | null
  state: 'free' | 'used' | 'leaving'
  freed_at: Defaulted<Date>
}

interface Named {
  id: Generated<string>
  uuid: string
  name: Defaulted<string>
  description: Defaulted<string>
  project_id: string | null
  tags: Defaulted<string[]>
  created_at: Created
  updated_at: ColumnType<Date, Date | undefined, Date>
  revision: Defaulted<number>
}

export interface NetworksTable extends Named {
  vlan_id: string
  admin_state_up: Defaulted<boolean>
  mtu: Defaulted<number>
}

export interface NetworkRbacTable {
  id: Generated<string>
  uuid: string
  network_uuid: string
  project_id: string | null
  target_project: string
  action: 'access_as_shared' | 'access_as_external'
  created_at: Created
}

export interface SubnetsTable extends Named {
  network_uuid: string
  cidr: string
  gateway_ip: string | null
  enable_dhcp: Defaulted<boolean>
  allocation_pools: Json<{ start: string; end: string }[]>
  dns_nameservers: Defaulted<string[]>
  host_routes: Json<{ destination: string; nexthop: string }[]>
}

export interface NetworkPortsTable extends Named {
  network_uuid: string
  admin_state_up: Defaulted<boolean>
  /** Null for a copy of a Neutron's port, which keeps it. */
  mac_address: string | null
  fixed_ips: Json<{ subnet_id?: string; ip_address: string }[]>
  device_id: Defaulted<string>
  device_owner: Defaulted<string>
  binding_host_id: Defaulted<string>
  binding_vnic_type: Defaulted<string>
  binding_profile: Json
  automatic: Defaulted<boolean>
}

/** Copies of a Neutron's networks and ports; see migration 0017. */
export interface NeutronNetworksTable {
  network_uuid: string
  look_at: Date
}

export interface NeutronPortsTable {
  port_uuid: string
  generation: Big
  written_generation: Big
  attempts: Defaulted<number>
  retry_at: Defaulted<Date>
  error: string | null
}

export interface TrunksTable extends Named {
  port_uuid: string
  admin_state_up: Defaulted<boolean>
}

export interface TrunkSubportsTable {
  port_uuid: string
  trunk_uuid: string
}

export type NetworkRole = 'idle' | 'provisioning' | 'cleaning' | 'rescuing' | 'inspecting' | 'tenant'

export interface NodeNetworkingTable {
  node_uuid: string
  role: Defaulted<NetworkRole>
}

export interface NetworkRolesTable {
  role: string
  network_uuid: string
}

/** What is wanted of a switch port, or what it was seen to be. */
export type WantedLink =
  | { mode: 'idle' }
  | {
      mode: 'access' | 'trunk'
      /** Whose frames have no tag. */
      vlan: number
      network: string
      /** Of a trunk: what is tagged. */
      tagged?: { vlan: number; network: string }[]
      /** The node's port group whose ports work as one. */
      lag?: { group: string; protocol: 'lacp' | 'static' }
    }

export interface SwitchLinksTable {
  switch_port_id: string
  node_uuid: string | null
  port_uuid: string | null
  wanted: ColumnType<WantedLink, string, string>
  generation: Big
  wanted_since: Defaulted<Date>
  verified_generation: Big
  handover_generation: Big
  verified: ColumnType<WantedLink | null, string | null | undefined, string | null>
  verified_at: Date | null
  error: string | null
  attempts: Defaulted<number>
  retry_at: Defaulted<Date>
  drift: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>
  drift_since: Date | null
}

export interface SwitchVlansTable {
  switch_id: string
  vlan_id: string
  name: string
}

export interface SwitchLagsTable {
  switch_id: string
  portgroup_uuid: string
  number: number
}
