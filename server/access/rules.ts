/** The default access rules, Ironic's: who may do what. A `policy.yaml` replaces single rows (see `policy.ts`). */
import type { RuleDefinition } from '@leasehold/policy'

/** A default rule, with what it guards in words for operators. */
export interface Rule extends RuleDefinition {
  readonly check: string
  readonly description: string
}

/** The name of a default rule. */
export type RuleName = (typeof rules)[number]['name']

// Who: the parts that the checks below are made of.
const serviceRole = 'role:service and project_name:%(config.service_project_name)s'
const systemAdmin = 'role:admin and system_scope:all'
const systemService = 'role:service and system_scope:all'
const systemMember = '(role:member and system_scope:all) or rule:service_role'
const systemReader =
  '(role:reader and system_scope:all) or (role:service and system_scope:all) or rule:service_role'
const ownerAdmin = 'role:admin and project_id:%(node.owner)s'
const ownerManager = 'role:manager and project_id:%(node.owner)s'
const ownerMember = 'role:member and project_id:%(node.owner)s'
const ownerReader = 'role:reader and project_id:%(node.owner)s'
/** A service account of the owner's project; never one of the lessee's. */
const ownerService = 'role:service and project_id:%(node.owner)s'
const lesseeAdmin = 'role:admin and project_id:%(node.lessee)s'
const lesseeManager = 'role:manager and project_id:%(node.lessee)s'
const lesseeMember = 'role:member and project_id:%(node.lessee)s'
const lesseeReader = 'role:reader and project_id:%(node.lessee)s'

/** Holds if any of the checks does. */
const anyOf = (...checks: readonly string[]): string => checks.map((check) => `(${check})`).join(' or ')

// Checks that several rules share. OWN: as the node's owner; USE: as owner or lessee.
const CREATE_NODES = anyOf(systemAdmin, systemService)
const READ_ANY = anyOf('role:reader', 'role:service')
const USE_READER = anyOf(systemReader, ownerReader, lesseeReader, ownerService)
const USE_MEMBER = anyOf(systemMember, systemService, ownerMember, lesseeMember)
const OWN_READER = anyOf(systemReader, systemService, ownerReader, ownerService)
const OWN_MEMBER = anyOf(systemMember, systemService, ownerMember, ownerService)
const OWN_MANAGER = anyOf(systemMember, systemService, ownerAdmin, ownerManager, ownerService)
const OWN_MANAGER_STRICT = anyOf(systemAdmin, systemService, ownerAdmin, ownerManager, ownerService)
const OWN_MEMBER_USE_MANAGER = anyOf(OWN_MEMBER, lesseeAdmin, lesseeManager)
const USE_MANAGER = anyOf(OWN_MANAGER, lesseeAdmin, lesseeManager)
const ALLOCATION_READER = anyOf(systemReader, 'role:reader and project_id:%(allocation.owner)s')
const ALLOCATION_MEMBER = anyOf(systemMember, 'role:member and project_id:%(allocation.owner)s')
const ALLOCATION_CREATE = anyOf(systemMember, 'role:member')
const RUNBOOK_READER = anyOf(systemReader, 'role:reader and project_id:%(runbook.owner)s', 'role:service')
const RUNBOOK_MANAGER = anyOf(systemMember, 'role:manager and project_id:%(runbook.owner)s', 'role:service')
const RUNBOOK_CREATE = anyOf(systemMember, 'role:manager', 'role:service')
// Of a console: the tenant whose bytes it shows, which is the lessee where there is one, else the owner. As in Nova,
// what a machine prints is for members.
const TENANT_MEMBER = anyOf(systemAdmin, 'role:member and project_id:%(console.tenant)s')
const TENANT_MEMBER_OR_SHARED = anyOf(TENANT_MEMBER, 'role:member and project_id:%(console.shared_owner)s')
const TENANT_MANAGER = anyOf(systemAdmin, 'role:manager and project_id:%(console.tenant)s')
// Of networks, ports and subnets: the project that has them.
const NETWORK_CREATE = anyOf(systemMember, 'role:member')
const NETWORK_MEMBER = anyOf(systemMember, 'role:member and project_id:%(network.project)s')
const SEE_TARGETS = anyOf(systemReader, 'role:admin')

// Which tokens: a token of another scope is refused whatever its roles.
const ANY = null
const BOTH = ['system', 'project'] as const
const SYSTEM = ['system'] as const
const PROJECT = ['project'] as const

// biome-ignore format: one row a rule
/** Every rule there is. The order is Ironic's. */
export const rules = [
  // Helpers, for other rules and for operators' own.
  { name: 'admin_api', check: 'role:admin or role:administrator', scopes: ANY, description: 'An administrator, by role alone' },
  { name: 'public_api', check: 'is_public_api:True', scopes: ANY, description: 'A request to a route that needs no token' },
  { name: 'show_password', check: '!', scopes: ANY, description: 'See the secrets in driver_info and driver_internal_info' },
  { name: 'show_instance_secrets', check: '!', scopes: ANY, description: 'See the secrets in instance_info' },
  { name: 'service_role', check: serviceRole, scopes: ANY, description: 'A service account of the configured service project, while elevated access is on' },
  { name: 'is_member', check: '(project_domain_id:default or project_domain_id:None) and (project_name:demo or project_name:baremetal)', scopes: ANY, description: 'A token of project demo or baremetal in the default domain' },
  { name: 'is_observer', check: 'rule:is_member and (role:observer or role:baremetal_observer)', scopes: ANY, description: 'An observer in one of those projects' },
  { name: 'is_admin', check: 'rule:admin_api or (rule:is_member and role:baremetal_admin)', scopes: ANY, description: 'An administrator, or baremetal_admin in one of those projects' },
  { name: 'is_node_owner', check: 'project_id:%(node.owner)s', scopes: ANY, description: 'The token is of the project that owns the node' },
  { name: 'is_node_lessee', check: 'project_id:%(node.lessee)s', scopes: ANY, description: 'The token is of the project that leases the node' },
  { name: 'is_allocation_owner', check: 'project_id:%(allocation.owner)s', scopes: ANY, description: 'The token is of the project that owns the allocation' },

  // Nodes.
  { name: 'baremetal:node:create', check: CREATE_NODES, scopes: BOTH, description: 'Enrol a node for anybody' },
  { name: 'baremetal:node:create:self_owned_node', check: anyOf('role:admin', 'role:service'), scopes: BOTH, description: "Enrol a node that the caller's project owns" },
  { name: 'baremetal:node:list', check: READ_ANY, scopes: BOTH, description: "List the nodes the caller's project owns or leases" },
  { name: 'baremetal:node:list_all', check: systemReader, scopes: BOTH, description: 'List all nodes' },
  { name: 'baremetal:node:get', check: USE_READER, scopes: BOTH, description: 'See a node; to others it does not exist' },
  { name: 'baremetal:node:get:filter_threshold', check: systemReader, scopes: BOTH, description: 'See nodes whole, without asking for the fields below one by one' },
  { name: 'baremetal:node:get:last_error', check: OWN_READER, scopes: BOTH, description: "See a node's last_error" },
  { name: 'baremetal:node:get:reservation', check: OWN_READER, scopes: BOTH, description: "See which host holds a node's lock" },
  { name: 'baremetal:node:get:driver_internal_info', check: OWN_READER, scopes: BOTH, description: "See a node's driver_internal_info, secrets masked" },
  { name: 'baremetal:node:get:driver_info', check: OWN_READER, scopes: BOTH, description: "See a node's driver_info, secrets masked" },
  { name: 'baremetal:node:update:driver_info', check: OWN_MEMBER, scopes: BOTH, description: "Change how a node's BMC is reached" },
  { name: 'baremetal:node:update:properties', check: OWN_MEMBER, scopes: BOTH, description: "Change a node's properties" },
  { name: 'baremetal:node:update:chassis_uuid', check: systemAdmin, scopes: BOTH, description: 'Put a node into a chassis' },
  { name: 'baremetal:node:update:instance_uuid', check: OWN_MEMBER, scopes: BOTH, description: "Set a node's instance_uuid" },
  { name: 'baremetal:node:update:lessee', check: OWN_MEMBER, scopes: BOTH, description: 'Lend a node to a project, or take it back' },
  { name: 'baremetal:node:update:owner', check: systemMember, scopes: BOTH, description: 'Give a node to another owner' },
  { name: 'baremetal:node:update:driver_interfaces', check: OWN_MANAGER, scopes: BOTH, description: "Change a node's driver and interfaces" },
  { name: 'baremetal:node:update:network_data', check: OWN_MEMBER, scopes: BOTH, description: "Change the static network configuration of a node's ramdisk" },
  { name: 'baremetal:node:update:conductor_group', check: systemMember, scopes: BOTH, description: 'Move a node to another conductor group' },
  { name: 'baremetal:node:update:name', check: OWN_MEMBER, scopes: BOTH, description: 'Rename a node' },
  { name: 'baremetal:node:update:retired', check: OWN_MEMBER, scopes: BOTH, description: 'Retire a node, with the reason' },
  { name: 'baremetal:node:update', check: USE_MEMBER, scopes: BOTH, description: 'Change any field of a node that has no rule of its own' },
  { name: 'baremetal:node:update_extra', check: USE_MEMBER, scopes: BOTH, description: "Change a node's extra" },
  { name: 'baremetal:node:update_instance_info', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: "Change a node's instance_info and instance_name" },
  { name: 'baremetal:node:update_owner_provisioned', check: systemAdmin, scopes: SYSTEM, description: 'Give an active node to another owner' },
  { name: 'baremetal:node:delete', check: systemAdmin, scopes: BOTH, description: 'Remove a node' },
  { name: 'baremetal:node:delete:self_owned_node', check: ownerAdmin, scopes: BOTH, description: "Remove a node that the caller's project owns" },
  { name: 'baremetal:node:validate', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Ask whether a node has all that its interfaces need' },
  { name: 'baremetal:node:set_maintenance', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Put a node into maintenance' },
  { name: 'baremetal:node:clear_maintenance', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Take a node out of maintenance' },
  { name: 'baremetal:node:get_boot_device', check: OWN_MANAGER, scopes: BOTH, description: "See a node's boot device and those it supports" },
  { name: 'baremetal:node:set_boot_device', check: OWN_MANAGER, scopes: BOTH, description: "Change a node's boot device" },
  { name: 'baremetal:node:get_indicator_state', check: USE_READER, scopes: BOTH, description: "See a node's indicator lights" },
  { name: 'baremetal:node:set_indicator_state', check: OWN_MEMBER, scopes: BOTH, description: "Switch a node's indicator lights" },
  { name: 'baremetal:node:inject_nmi', check: OWN_MANAGER, scopes: BOTH, description: 'Send a non-maskable interrupt to a node' },
  { name: 'baremetal:node:get_states', check: USE_READER, scopes: BOTH, description: "See a node's states" },
  { name: 'baremetal:node:set_power_state', check: USE_MEMBER, scopes: BOTH, description: 'Switch a node on and off' },
  { name: 'baremetal:node:set_boot_mode', check: USE_MEMBER, scopes: BOTH, description: 'Choose UEFI or BIOS' },
  { name: 'baremetal:node:set_secure_boot', check: USE_MEMBER, scopes: BOTH, description: 'Switch secure boot' },
  { name: 'baremetal:node:set_provision_state', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Deploy, clean, rescue, inspect, undeploy a node' },
  { name: 'baremetal:node:set_provision_state:clean_steps', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Clean with steps of the caller\'s choice' },
  { name: 'baremetal:node:set_provision_state:service_steps', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Service with steps of the caller\'s choice' },
  { name: 'baremetal:node:set_raid_state', check: OWN_MEMBER, scopes: BOTH, description: "Set a node's wanted RAID configuration" },
  { name: 'baremetal:node:get_console', check: OWN_MEMBER, scopes: BOTH, description: 'Learn where the console is, and use it' },
  { name: 'baremetal:node:set_console_state', check: OWN_MEMBER, scopes: BOTH, description: 'Switch the console on and off' },
  { name: 'baremetal:node:vif:list', check: USE_READER, scopes: BOTH, description: "See the networks attached to a node" },
  { name: 'baremetal:node:vif:attach', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Attach a network to a node' },
  { name: 'baremetal:node:vif:detach', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Detach a network from a node' },
  { name: 'baremetal:node:traits:list', check: USE_READER, scopes: BOTH, description: "See a node's traits" },
  { name: 'baremetal:node:traits:set', check: OWN_MANAGER, scopes: BOTH, description: "Set a node's traits" },
  { name: 'baremetal:node:traits:delete', check: OWN_MANAGER, scopes: BOTH, description: "Remove a node's traits" },
  { name: 'baremetal:node:bios:get', check: USE_READER, scopes: BOTH, description: "See a node's BIOS settings" },
  { name: 'baremetal:node:disable_cleaning', check: systemAdmin, scopes: BOTH, description: 'Switch automated cleaning of a node off' },
  { name: 'baremetal:node:history:get', check: OWN_READER, scopes: BOTH, description: "See a node's history" },
  { name: 'baremetal:node:inventory:get', check: OWN_READER, scopes: BOTH, description: "See a node's inventory from inspection" },
  { name: 'baremetal:node:update:shard', check: systemAdmin, scopes: BOTH, description: "Set a node's shard" },
  { name: 'baremetal:shards:get', check: systemReader, scopes: BOTH, description: 'List shards' },
  { name: 'baremetal:node:update:parent_node', check: systemMember, scopes: BOTH, description: "Set a node's parent" },
  { name: 'baremetal:node:update:disable_power_off', check: systemAdmin, scopes: BOTH, description: 'Forbid that a node is ever switched off' },
  { name: 'baremetal:node:firmware:get', check: USE_READER, scopes: BOTH, description: "See a node's firmware versions" },
  { name: 'baremetal:node:vmedia:attach', check: USE_MEMBER, scopes: BOTH, description: 'Insert virtual media into a node' },
  { name: 'baremetal:node:vmedia:detach', check: USE_MEMBER, scopes: BOTH, description: 'Eject virtual media from a node' },
  { name: 'baremetal:node:vmedia:get', check: USE_READER, scopes: BOTH, description: "See a node's virtual media" },

  // Ports and port groups.
  { name: 'baremetal:port:get', check: USE_READER, scopes: BOTH, description: 'See a port' },
  { name: 'baremetal:port:list', check: READ_ANY, scopes: BOTH, description: "List the ports of the project's nodes" },
  { name: 'baremetal:port:list_all', check: systemReader, scopes: BOTH, description: 'List all ports' },
  { name: 'baremetal:port:create', check: OWN_MANAGER_STRICT, scopes: BOTH, description: 'Add a port to a node' },
  { name: 'baremetal:port:delete', check: OWN_MANAGER_STRICT, scopes: BOTH, description: 'Remove a port' },
  { name: 'baremetal:port:update', check: OWN_MANAGER, scopes: BOTH, description: 'Change a port' },
  { name: 'baremetal:portgroup:get', check: USE_READER, scopes: BOTH, description: 'See a port group' },
  { name: 'baremetal:portgroup:create', check: OWN_MANAGER_STRICT, scopes: BOTH, description: 'Add a port group to a node' },
  { name: 'baremetal:portgroup:delete', check: OWN_MANAGER_STRICT, scopes: BOTH, description: 'Remove a port group' },
  { name: 'baremetal:portgroup:update', check: OWN_MANAGER, scopes: BOTH, description: 'Change a port group' },
  { name: 'baremetal:portgroup:list', check: READ_ANY, scopes: BOTH, description: "List the port groups of the project's nodes" },
  { name: 'baremetal:portgroup:list_all', check: systemReader, scopes: BOTH, description: 'List all port groups' },

  // Chassis and drivers.
  { name: 'baremetal:chassis:get', check: systemReader, scopes: SYSTEM, description: 'See chassis' },
  { name: 'baremetal:chassis:create', check: systemAdmin, scopes: SYSTEM, description: 'Add a chassis' },
  { name: 'baremetal:chassis:delete', check: systemAdmin, scopes: SYSTEM, description: 'Remove a chassis' },
  { name: 'baremetal:chassis:update', check: systemMember, scopes: SYSTEM, description: 'Change a chassis' },
  { name: 'baremetal:driver:get', check: systemReader, scopes: SYSTEM, description: 'See drivers' },
  { name: 'baremetal:driver:get_properties', check: systemReader, scopes: SYSTEM, description: "See a driver's properties" },
  { name: 'baremetal:driver:get_raid_logical_disk_properties', check: systemReader, scopes: SYSTEM, description: "See the RAID properties a driver knows" },
  { name: 'baremetal:node:vendor_passthru', check: systemAdmin, scopes: BOTH, description: "Use a node's vendor methods" },
  { name: 'baremetal:driver:vendor_passthru', check: systemAdmin, scopes: SYSTEM, description: "Use a driver's vendor methods" },

  // The ramdisk has no token: the node's state and the agent's own token guard these.
  { name: 'baremetal:node:ipa_heartbeat', check: '', scopes: ANY, description: 'Report that the ramdisk runs' },
  { name: 'baremetal:driver:ipa_lookup', check: '', scopes: ANY, description: 'Find the node a ramdisk runs on' },
  { name: 'baremetal:driver:ipa_continue_inspection', check: '', scopes: ANY, description: 'Hand in what inspection found' },

  // Volumes.
  { name: 'baremetal:volume:list_all', check: systemReader, scopes: BOTH, description: 'List all volume connectors and targets' },
  { name: 'baremetal:volume:list', check: READ_ANY, scopes: BOTH, description: "List those of the project's nodes" },
  { name: 'baremetal:volume:get', check: USE_READER, scopes: BOTH, description: 'See a volume connector or target' },
  { name: 'baremetal:volume:create', check: USE_MANAGER, scopes: BOTH, description: 'Add a volume connector or target' },
  { name: 'baremetal:volume:delete', check: USE_MANAGER, scopes: BOTH, description: 'Remove a volume connector or target' },
  { name: 'baremetal:volume:update', check: OWN_MEMBER_USE_MANAGER, scopes: BOTH, description: 'Change a volume connector or target' },
  { name: 'baremetal:volume:view_target_properties', check: SEE_TARGETS, scopes: BOTH, description: "See a volume target's properties, secrets masked" },

  // Conductors, allocations, events.
  { name: 'baremetal:conductor:get', check: systemReader, scopes: BOTH, description: 'See conductors' },
  { name: 'baremetal:allocation:get', check: ALLOCATION_READER, scopes: BOTH, description: 'See an allocation' },
  { name: 'baremetal:allocation:list', check: READ_ANY, scopes: BOTH, description: "List the project's allocations" },
  { name: 'baremetal:allocation:list_all', check: systemReader, scopes: BOTH, description: 'List all allocations' },
  { name: 'baremetal:allocation:create', check: ALLOCATION_CREATE, scopes: BOTH, description: "Allocate a node to the caller's project" },
  { name: 'baremetal:allocation:create_restricted', check: systemMember, scopes: BOTH, description: 'Allocate a node to any project' },
  { name: 'baremetal:allocation:delete', check: ALLOCATION_MEMBER, scopes: BOTH, description: 'Remove an allocation' },
  { name: 'baremetal:allocation:update', check: ALLOCATION_MEMBER, scopes: BOTH, description: 'Change an allocation' },
  { name: 'baremetal:allocation:create_pre_rbac', check: '(rule:is_member and role:baremetal_admin) or (is_admin_project:True and role:admin)', scopes: PROJECT, description: 'Allocate without an owner, as before projects had rights' },
  { name: 'baremetal:events:post', check: systemAdmin, scopes: SYSTEM, description: 'Post external events' },

  // Deploy templates, runbooks, inspection rules.
  { name: 'baremetal:deploy_template:get', check: systemReader, scopes: BOTH, description: 'See deploy templates' },
  { name: 'baremetal:deploy_template:create', check: systemAdmin, scopes: BOTH, description: 'Add a deploy template' },
  { name: 'baremetal:deploy_template:delete', check: systemAdmin, scopes: BOTH, description: 'Remove a deploy template' },
  { name: 'baremetal:deploy_template:update', check: systemAdmin, scopes: BOTH, description: 'Change a deploy template' },
  { name: 'baremetal:runbook:get', check: RUNBOOK_READER, scopes: BOTH, description: 'See a runbook that is not public' },
  { name: 'baremetal:runbook:list', check: READ_ANY, scopes: BOTH, description: "List the project's runbooks and the public ones" },
  { name: 'baremetal:runbook:list_all', check: systemReader, scopes: BOTH, description: 'List all runbooks' },
  { name: 'baremetal:runbook:create', check: RUNBOOK_CREATE, scopes: BOTH, description: 'Write a runbook' },
  { name: 'baremetal:runbook:delete', check: RUNBOOK_MANAGER, scopes: BOTH, description: 'Remove a runbook' },
  { name: 'baremetal:runbook:update', check: RUNBOOK_MANAGER, scopes: BOTH, description: 'Change a runbook' },
  { name: 'baremetal:runbook:update:public', check: systemMember, scopes: BOTH, description: 'Make a runbook public, or take that back' },
  { name: 'baremetal:runbook:update:owner', check: systemMember, scopes: BOTH, description: 'Give a runbook to another owner' },
  { name: 'baremetal:runbook:use', check: RUNBOOK_MANAGER, scopes: BOTH, description: 'Run a runbook on a node' },
  { name: 'baremetal:inspection_rule:get', check: systemReader, scopes: BOTH, description: 'See an inspection rule' },
  { name: 'baremetal:inspection_rule:list_all', check: systemReader, scopes: BOTH, description: 'List inspection rules' },
  { name: 'baremetal:inspection_rule:create', check: systemAdmin, scopes: BOTH, description: 'Write an inspection rule' },
  { name: 'baremetal:inspection_rule:update', check: systemAdmin, scopes: BOTH, description: 'Change an inspection rule' },
  { name: 'baremetal:inspection_rule:delete', check: systemAdmin, scopes: BOTH, description: 'Remove an inspection rule' },

  // Leasehold's own.
  { name: 'leasehold:audit:list', check: READ_ANY, scopes: BOTH, description: "See what the caller's project did, and what others did to its nodes" },
  { name: 'leasehold:audit:list_all', check: systemReader, scopes: BOTH, description: 'See what everybody did' },
  { name: 'leasehold:console:list', check: READ_ANY, scopes: BOTH, description: "List the parts of consoles' journals that are the caller's project's" },
  { name: 'leasehold:console:list_all', check: systemAdmin, scopes: BOTH, description: "List those of everybody" },
  { name: 'leasehold:console:get', check: anyOf(OWN_MEMBER, TENANT_MEMBER_OR_SHARED), scopes: BOTH, description: "See whether a node's console is up, and why not" },
  { name: 'leasehold:console:enable', check: anyOf(OWN_MEMBER, TENANT_MEMBER), scopes: BOTH, description: "Switch a node's console on and off by Leasehold's own route" },
  { name: 'leasehold:console:read', check: TENANT_MEMBER_OR_SHARED, scopes: BOTH, description: 'Watch a console, and read its journal' },
  { name: 'leasehold:console:write', check: TENANT_MEMBER, scopes: BOTH, description: 'Type at a console that nobody else is typing at' },
  { name: 'leasehold:console:take', check: TENANT_MEMBER, scopes: BOTH, description: 'Take the keyboard from a writer who is idle, or oneself' },
  { name: 'leasehold:console:force', check: TENANT_MANAGER, scopes: BOTH, description: 'Take the keyboard from anybody at once' },
  { name: 'leasehold:console:keys', check: 'role:member', scopes: BOTH, description: 'Keep public keys of one’s own, with which one comes in by SSH' },
  { name: 'leasehold:console:share', check: TENANT_MANAGER, scopes: BOTH, description: 'Let the owner of a leased node read along' },
  { name: 'leasehold:switch:get', check: systemReader, scopes: SYSTEM, description: 'See switches, their ports, and what is wanted of each; never their credentials' },
  { name: 'leasehold:switch:create', check: systemAdmin, scopes: SYSTEM, description: 'Add a switch' },
  { name: 'leasehold:switch:update', check: systemAdmin, scopes: SYSTEM, description: 'Change a switch, its credentials, and which of its ports may be touched' },
  { name: 'leasehold:switch:delete', check: systemAdmin, scopes: SYSTEM, description: 'Remove a switch' },
  { name: 'leasehold:vlan_pool:get', check: systemReader, scopes: SYSTEM, description: 'See VLAN pools' },
  { name: 'leasehold:vlan_pool:create', check: systemAdmin, scopes: SYSTEM, description: 'Add a VLAN pool' },
  { name: 'leasehold:vlan_pool:update', check: systemAdmin, scopes: SYSTEM, description: 'Change a VLAN pool' },
  { name: 'leasehold:vlan_pool:delete', check: systemAdmin, scopes: SYSTEM, description: 'Remove a VLAN pool' },
  { name: 'leasehold:network:list', check: READ_ANY, scopes: BOTH, description: "See the networks and subnets of the caller's project, those shared with it, and public ones" },
  { name: 'leasehold:network:list_all', check: systemReader, scopes: BOTH, description: 'See all networks and subnets' },
  { name: 'leasehold:network:get_provider', check: systemReader, scopes: BOTH, description: "See which VLAN a network has" },
  { name: 'leasehold:network:create', check: NETWORK_CREATE, scopes: BOTH, description: "Make a network for the caller's project" },
  { name: 'leasehold:network:create_restricted', check: systemMember, scopes: BOTH, description: 'Make a public network, one of another project, or one with a certain VLAN; share with everybody' },
  { name: 'leasehold:network:update', check: NETWORK_MEMBER, scopes: BOTH, description: 'Change a network, and its subnets' },
  { name: 'leasehold:network:share', check: NETWORK_MEMBER, scopes: BOTH, description: 'Share a network with another project, see with whom it is, and take it back' },
  { name: 'leasehold:network:delete', check: NETWORK_MEMBER, scopes: BOTH, description: 'Remove a network' },
  { name: 'leasehold:network_port:list', check: READ_ANY, scopes: BOTH, description: "See the ports of the caller's project, and those of others in its networks" },
  { name: 'leasehold:network_port:list_all', check: systemReader, scopes: BOTH, description: 'See all ports of networks' },
  { name: 'leasehold:network_port:get_binding', check: systemReader, scopes: BOTH, description: 'See which node a port of a network is bound to' },
  { name: 'leasehold:network_port:create', check: NETWORK_CREATE, scopes: BOTH, description: "Make a port in a network for the caller's project" },
  { name: 'leasehold:network_port:create_restricted', check: systemMember, scopes: BOTH, description: 'Make a port of another project, or bind it' },
  { name: 'leasehold:network_port:update', check: NETWORK_MEMBER, scopes: BOTH, description: 'Change a port of a network' },
  { name: 'leasehold:network_port:delete', check: NETWORK_MEMBER, scopes: BOTH, description: "Remove a port of a network: for the port's project, and the network's" },
] as const satisfies readonly Rule[]
