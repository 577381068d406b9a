/** Row types of every table, as Kysely reads and writes them. A table's meaning is told in its migration. */
import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type {
  ConsoleHoldersTable,
  ConsoleKeysTable,
  ConsoleSpansTable,
  ConsolesTable,
  ConsoleTicketsTable,
} from './consoles.ts'
import type { BiosSettingsTable, FirmwareComponentsTable, NodeInventoryTable } from './machine.ts'
import type {
  NetworkPortsTable,
  NetworkRbacTable,
  NetworkRolesTable,
  NetworksTable,
  NeutronNetworksTable,
  NeutronPortsTable,
  NodeNetworkingTable,
  SubnetsTable,
  SwitchesTable,
  SwitchLagsTable,
  SwitchLinksTable,
  SwitchPortsTable,
  SwitchVlansTable,
  TrunkSubportsTable,
  TrunksTable,
  VlanPoolsTable,
  VlansTable,
} from './networking.ts'

type Json = JSONColumnType<Record<string, unknown>, string | undefined, string>
type JsonOr<T extends object | null> = ColumnType<T, string | null, string | null>
type Created = ColumnType<Date, Date | undefined, never>
/** A column the database fills when it is left out. */
type Defaulted<T> = ColumnType<T, T | undefined, T>

export interface NodesTable {
  /** Creation order: the default sort key. */
  id: Generated<string>
  uuid: string
  name: string | null
  driver: string
  driver_info: Json
  driver_internal_info: Json
  properties: Json
  instance_info: Json
  extra: Json
  instance_uuid: string | null
  instance_name: string | null
  chassis_uuid: string | null
  resource_class: string | null
  owner: string | null
  lessee: string | null
  conductor_group: Defaulted<string>
  maintenance: Defaulted<boolean>
  maintenance_reason: string | null
  fault: string | null
  power_state: string | null
  target_power_state: string | null
  provision_state: string
  target_provision_state: string | null
  provision_updated_at: Date | null
  last_error: string | null
  /** Host that holds the node's lock, or null. */
  reservation: string | null
  /** Raised by one at each taking of the lock: the fencing number, and the tail of the workflow's id. */
  generation: Defaulted<number>
  /** Raised by one at each change through the API: a change is written only to the row that was read. */
  version: Defaulted<number>
  /** Workflow that holds the lock; null for a lock that a request holds only while it lasts. */
  workflow_id: string | null
  /** What that workflow is to do, or what goes on once a wait is over: read and written by `provision` alone. */
  work: JsonOr<Record<string, unknown> | null>
  automated_clean: boolean | null
  clean_step: Json
  deploy_step: Json
  service_step: Json
  raid_config: Json
  target_raid_config: Json
  console_enabled: Defaulted<boolean>
  inspection_started_at: Date | null
  inspection_finished_at: Date | null
  protected: Defaulted<boolean>
  protected_reason: string | null
  retired: Defaulted<boolean>
  retired_reason: string | null
  description: string | null
  network_data: Json
  boot_mode: string | null
  secure_boot: boolean | null
  shard: string | null
  parent_node: string | null
  allocation_uuid: string | null
  disable_power_off: Defaulted<boolean>
  health: string | null
  /** The 13 interfaces: `{power: 'ipmitool', ...}`. */
  interfaces: ColumnType<Record<string, string>, string, string>
  /** Last known boot device, for drivers that cannot be asked: `{boot_device, persistent}`. */
  boot_device: JsonOr<{ boot_device: string; persistent: boolean } | null>
  traits: Defaulted<string[]>
  created_at: Created
  updated_at: Date | null
}

export interface PortsTable {
  id: Generated<string>
  uuid: string
  node_uuid: string
  address: string
  name: string | null
  description: string | null
  extra: Json
  internal_info: Json
  local_link_connection: Json
  pxe_enabled: Defaulted<boolean>
  portgroup_uuid: string | null
  physical_network: string | null
  is_smartnic: Defaulted<boolean>
  vendor: string | null
  category: string | null
  available_for_dynamic_portgroup: Defaulted<boolean>
  created_at: Created
  updated_at: Date | null
}

export interface ChassisTable {
  id: Generated<string>
  uuid: string
  description: string | null
  extra: Json
  created_at: Created
  updated_at: Date | null
}

export interface PortgroupsTable {
  id: Generated<string>
  uuid: string
  node_uuid: string
  name: string | null
  address: string | null
  extra: Json
  internal_info: Json
  mode: string
  properties: Json
  standalone_ports_supported: Defaulted<boolean>
  /** What the ports of the group have, too, when it is set. */
  physical_network: string | null
  category: string | null
  dynamic_portgroup: Defaulted<boolean>
  created_at: Created
  updated_at: Date | null
}

export interface VolumeConnectorsTable {
  id: Generated<string>
  uuid: string
  node_uuid: string
  type: string
  connector_id: string
  extra: Json
  created_at: Created
  updated_at: Date | null
}

export interface VolumeTargetsTable {
  id: Generated<string>
  uuid: string
  node_uuid: string
  volume_type: string
  properties: Json
  boot_index: number
  volume_id: string
  extra: Json
  created_at: Created
  updated_at: Date | null
}

export interface ConductorsTable {
  id: Generated<string>
  hostname: string
  conductor_group: string
  /** Hardware types it drives, with what each supports: `{name: {type: {default, enabled}}}`. */
  drivers: ColumnType<Record<string, Record<string, { default: string; enabled: string[] }>>, string, string>
  online: boolean
  /** Refreshed by the conductor; one that is older than the liveness limit is dead. */
  heartbeat_at: Date
  created_at: Created
  updated_at: Date | null
}

export interface NodeHistoryTable {
  id: Generated<string>
  uuid: string
  node_uuid: string
  created_at: Created
  severity: string
  event: string
  event_type: string
  conductor: string | null
  user_id: string | null
  project_id: string | null
  state: string | null
  target_provision_state: string | null
  duration_seconds: number | null
}

export interface ProjectsTable {
  id: string
  name: string
  domain_id: Defaulted<string>
  description: Defaulted<string>
  enabled: Defaulted<boolean>
  created_at: Created
}

export interface UsersTable {
  id: string
  name: string
  domain_id: Defaulted<string>
  description: Defaulted<string>
  email: string | null
  default_project_id: string | null
  enabled: Defaulted<boolean>
  password_hash: string | null
  created_at: Created
}

export interface RolesTable {
  id: string
  name: string
  description: Defaulted<string>
}

export interface RoleAssignmentsTable {
  user_id: string
  role_id: string
  /** Null: the assignment is on the system. */
  project_id: string | null
}

export interface ApplicationCredentialsTable {
  id: string
  name: string
  description: Defaulted<string>
  user_id: string
  project_id: string
  secret_hash: string
  role_ids: string[]
  unrestricted: boolean
  expires_at: Date | null
  created_at: Created
}

export interface TokensTable {
  /** SHA-256 of the token; the token itself is never stored. */
  token_hash: Buffer
  user_id: string
  project_id: string | null
  system_scope: boolean
  application_credential_id: string | null
  methods: string[]
  audit_ids: string[]
  issued_at: Date
  expires_at: Date
}

export interface AuditTable {
  id: Generated<string>
  uuid: string
  at: Created
  request_id: string
  user_id: string | null
  project_id: string | null
  system_scope: boolean
  action: string
  path: string
  target_type: string | null
  target_uuid: string | null
  node_uuid: string | null
  owner: string | null
  lessee: string | null
  outcome: string
  status: number
  reason: string | null
}

/** One step of a deploy template (`priority`) or of a runbook (`order`). */
export interface StoredStep {
  interface: string
  step: string
  args: Record<string, unknown>
  priority?: number
  order?: number
}

export interface DeployTemplatesTable {
  id: Generated<string>
  uuid: string
  name: string
  steps: ColumnType<StoredStep[], string, string>
  extra: Json
  created_at: Created
  updated_at: Date | null
}

export interface RunbooksTable {
  id: Generated<string>
  uuid: string
  name: string
  description: string | null
  steps: ColumnType<StoredStep[], string, string>
  disable_ramdisk: Defaulted<boolean>
  extra: Json
  owner: string | null
  public: Defaulted<boolean>
  traits: Defaulted<string[]>
  created_at: Created
  updated_at: Date | null
}

/** A condition or an action of an inspection rule. */
export interface StoredRulePart {
  op: string
  args: unknown[] | Record<string, unknown>
  loop?: unknown[] | Record<string, unknown>
  multiple?: 'any' | 'all' | 'first' | 'last'
}

export interface InspectionRulesTable {
  id: Generated<string>
  uuid: string
  priority: Defaulted<number>
  description: string | null
  phase: Defaulted<string>
  sensitive: Defaulted<boolean>
  conditions: ColumnType<StoredRulePart[], string | undefined, string>
  actions: ColumnType<StoredRulePart[], string, string>
  created_at: Created
  updated_at: Date | null
}

export interface AllocationsTable {
  id: Generated<string>
  uuid: string
  name: string | null
  state: 'allocating' | 'active' | 'error'
  owner: string | null
  node_uuid: string | null
  resource_class: string | null
  traits: Defaulted<string[]>
  candidate_nodes: Defaulted<string[]>
  extra: Json
  last_error: string | null
  attempts: Defaulted<number>
  retry_at: Defaulted<Date>
  created_at: Created
  updated_at: Date | null
}

export interface Database {
  allocations: AllocationsTable
  audit: AuditTable
  bios_settings: BiosSettingsTable
  firmware_components: FirmwareComponentsTable
  node_inventory: NodeInventoryTable
  nodes: NodesTable
  ports: PortsTable
  portgroups: PortgroupsTable
  volume_connectors: VolumeConnectorsTable
  volume_targets: VolumeTargetsTable
  chassis: ChassisTable
  conductors: ConductorsTable
  console_holders: ConsoleHoldersTable
  console_keys: ConsoleKeysTable
  console_spans: ConsoleSpansTable
  console_tickets: ConsoleTicketsTable
  consoles: ConsolesTable
  network_ports: NetworkPortsTable
  network_rbac: NetworkRbacTable
  network_roles: NetworkRolesTable
  networks: NetworksTable
  neutron_networks: NeutronNetworksTable
  neutron_ports: NeutronPortsTable
  node_history: NodeHistoryTable
  node_networking: NodeNetworkingTable
  deploy_templates: DeployTemplatesTable
  runbooks: RunbooksTable
  inspection_rules: InspectionRulesTable
  projects: ProjectsTable
  users: UsersTable
  roles: RolesTable
  role_assignments: RoleAssignmentsTable
  application_credentials: ApplicationCredentialsTable
  subnets: SubnetsTable
  switch_lags: SwitchLagsTable
  trunks: TrunksTable
  trunk_subports: TrunkSubportsTable
  switch_links: SwitchLinksTable
  switch_ports: SwitchPortsTable
  switch_vlans: SwitchVlansTable
  switches: SwitchesTable
  tokens: TokensTable
  vlan_pools: VlanPoolsTable
  vlans: VlansTable
}
