/** What Neutron's resources look like: a row an attribute, with who sees it, and what lists may be filtered by. */
import type { RuleName } from '../../../access/index.ts'
import type { Collection, NeutronRow } from '../../../networking/index.ts'

export interface Resource {
  /** As bodies wrap it. */
  name: string
  collection: Collection
  /** Of lists in bodies. */
  plural: string
  /** Neutron's words, and the type of its error. */
  title: string
  notFound: string
  list: RuleName
  listAll: RuleName
  attributes: Readonly<Record<string, Attribute>>
}

interface Attribute {
  show: (row: NeutronRow) => unknown
  /** Lists may be filtered by it: how a value is read. */
  filter?: (text: string) => unknown
  /** Lists may be sorted by it: it is never null. */
  sort?: true
  /** Seen by the resource's project, and by who sees everybody's. */
  own?: true
  /** Who sees it, and may filter by it. */
  rule?: RuleName
}

const asText = (text: string): string => text
/** As PostgreSQL writes it. */
const asBoolean = (text: string): string => (/^(1|t|true|on|y|yes)$/i.test(text) ? 'true' : 'false')

const is = (name: string, more: Partial<Attribute> = {}): Attribute => ({ show: (row) => row[name], ...more })
const text = (name: string): Attribute => is(name, { filter: asText })
const key = (name: string): Attribute => is(name, { filter: asText, sort: true })
const truth = (name: string): Attribute => is(name, { filter: asBoolean, sort: true })
const always = (value: unknown): Attribute => ({ show: () => value })
const time = (name: string): Attribute => ({
  show: (row) => `${(row[name] as Date).toISOString().slice(0, 19)}Z`,
})

const named = {
  id: key('id'),
  name: key('name'),
  description: text('description'),
  project_id: text('project_id'),
  tenant_id: { show: (row: NeutronRow) => row.project_id, filter: asText },
  tags: { ...is('tags'), filter: asText },
  created_at: time('created_at'),
  updated_at: time('updated_at'),
  revision_number: is('revision_number'),
}

const provider = (name: string): Attribute => ({ ...text(name), rule: 'leasehold:network:get_provider' })
const binding = (name: string, value?: Attribute): Attribute => ({
  ...(value ?? text(name)),
  rule: 'leasehold:network_port:get_binding',
})

export const network: Resource = {
  name: 'network',
  collection: 'networks',
  plural: 'networks',
  title: 'Network',
  notFound: 'NetworkNotFound',
  list: 'leasehold:network:list',
  listAll: 'leasehold:network:list_all',
  attributes: {
    ...named,
    admin_state_up: truth('admin_state_up'),
    status: key('status'),
    shared: truth('shared'),
    'router:external': truth('router:external'),
    mtu: is('mtu', { filter: asText }),
    subnets: is('subnets'),
    availability_zones: always([]),
    availability_zone_hints: always([]),
    ipv4_address_scope: always(null),
    ipv6_address_scope: always(null),
    l2_adjacency: always(true),
    port_security_enabled: always(false),
    'provider:network_type': provider('provider:network_type'),
    'provider:physical_network': provider('provider:physical_network'),
    'provider:segmentation_id': provider('provider:segmentation_id'),
  },
}

export const port: Resource = {
  name: 'port',
  collection: 'ports',
  plural: 'ports',
  title: 'Port',
  notFound: 'PortNotFound',
  list: 'leasehold:network_port:list',
  listAll: 'leasehold:network_port:list_all',
  attributes: {
    ...named,
    network_id: key('network_id'),
    admin_state_up: truth('admin_state_up'),
    status: key('status'),
    mac_address: is('mac_address', { filter: (value) => value.toLowerCase(), sort: true }),
    fixed_ips: is('fixed_ips', { filter: asText }),
    device_id: key('device_id'),
    device_owner: key('device_owner'),
    security_groups: always([]),
    allowed_address_pairs: always([]),
    extra_dhcp_opts: always([]),
    port_security_enabled: always(false),
    'binding:vnic_type': text('binding:vnic_type'),
    'binding:host_id': binding('binding:host_id'),
    'binding:profile': binding('binding:profile', is('binding:profile')),
    'binding:vif_type': binding('binding:vif_type', {
      show: (row) => (row['binding:host_id'] ? 'other' : 'unbound'),
    }),
    'binding:vif_details': binding('binding:vif_details', always({})),
    // Who sees a guest's port in a network of theirs sees no more of what the guest has.
    trunk_details: {
      ...is('trunk_details'),
      show: (row) => row.trunk_details ?? undefined,
      own: true,
    },
  },
}

export const trunk: Resource = {
  name: 'trunk',
  collection: 'trunks',
  plural: 'trunks',
  title: 'Trunk',
  notFound: 'TrunkNotFound',
  list: 'leasehold:network_port:list',
  listAll: 'leasehold:network_port:list_all',
  attributes: {
    ...named,
    port_id: key('port_id'),
    admin_state_up: truth('admin_state_up'),
    status: key('status'),
    sub_ports: is('sub_ports'),
  },
}

export const subnet: Resource = {
  name: 'subnet',
  collection: 'subnets',
  plural: 'subnets',
  title: 'Subnet',
  notFound: 'SubnetNotFound',
  list: 'leasehold:network:list',
  listAll: 'leasehold:network:list_all',
  attributes: {
    ...named,
    network_id: key('network_id'),
    cidr: key('cidr'),
    ip_version: is('ip_version', { filter: asText, sort: true }),
    gateway_ip: text('gateway_ip'),
    enable_dhcp: truth('enable_dhcp'),
    allocation_pools: is('allocation_pools'),
    dns_nameservers: is('dns_nameservers'),
    host_routes: is('host_routes'),
    ipv6_address_mode: always(null),
    ipv6_ra_mode: always(null),
    segment_id: always(null),
    service_types: always([]),
    subnetpool_id: always(null),
  },
}

export const rbacPolicy: Resource = {
  name: 'rbac_policy',
  collection: 'rbac-policies',
  plural: 'rbac_policies',
  title: 'RBAC policy',
  notFound: 'RbacPolicyNotFound',
  list: 'leasehold:network:list',
  listAll: 'leasehold:network:list_all',
  attributes: {
    id: key('id'),
    project_id: text('project_id'),
    tenant_id: named.tenant_id,
    object_type: key('object_type'),
    object_id: key('object_id'),
    action: key('action'),
    target_tenant: key('target_tenant'),
    target_project_id: { show: (row) => row.target_tenant, filter: asText },
  },
}

/** Names that are another attribute's, as columns have it. */
export const columnOf = (attribute: string): string =>
  ({ tenant_id: 'project_id', target_project_id: 'target_tenant' })[attribute] ?? attribute
