/**
 * Neutron's resources as rows: what each is read from, who sees which, and one page of them. Attributes have the
 * API's names here, so that a filter needs no translation.
 */
import { type RawBuilder, sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Db } from '../store/index.ts'

export type Collection = 'networks' | 'ports' | 'subnets' | 'rbac-policies' | 'trunks'

/** Whose rows: everything, or what a project has, or what is shared with it. */
export type Visible = { kind: 'all' } | { kind: 'project'; projectId: string }

export interface NeutronRow extends Record<string, unknown> {
  id: string
  project_id: string | null
  name: string
}

export interface NeutronPage {
  limit: number
  marker?: string | undefined
  sortKey: string
  descending: boolean
  /** Towards the start of the list. */
  reverse: boolean
}

/** The VLANs of what is tagged are told to whoever sees the trunk: the machine has to use them. */
function subportsOf(trunk: RawBuilder<unknown>, addresses: boolean): RawBuilder<unknown> {
  return sql`COALESCE((SELECT jsonb_agg(jsonb_build_object('port_id', sp.uuid, 'segmentation_type', 'vlan',
      'segmentation_id', v.vlan) ${addresses ? sql`|| jsonb_build_object('mac_address', sp.mac_address)` : sql``}
      ORDER BY v.vlan)
    FROM trunk_subports s JOIN network_ports sp ON sp.uuid = s.port_uuid
    JOIN networks n ON n.uuid = sp.network_uuid JOIN vlans v ON v.id = n.vlan_id
    WHERE s.trunk_uuid = ${trunk}), '[]')`
}

/** What each collection is read from; `seq` is the order of making. */
const sources: Record<Collection, RawBuilder<unknown>> = {
  networks: sql`
    SELECT n.id AS seq, n.uuid AS id, n.name, n.description, n.project_id, n.admin_state_up, n.mtu, n.tags,
      n.created_at, n.updated_at, n.revision AS revision_number,
      CASE WHEN n.admin_state_up THEN 'ACTIVE' ELSE 'DOWN' END AS status,
      EXISTS (SELECT FROM network_rbac b WHERE b.network_uuid = n.uuid AND b.target_project = '*'
        AND b.action = 'access_as_shared') AS shared,
      EXISTS (SELECT FROM network_rbac b WHERE b.network_uuid = n.uuid AND b.target_project = '*'
        AND b.action = 'access_as_external') AS "router:external",
      ARRAY(SELECT s.uuid::text FROM subnets s WHERE s.network_uuid = n.uuid ORDER BY s.id) AS subnets,
      'vlan'::text AS "provider:network_type", v.physical_network AS "provider:physical_network",
      v.vlan AS "provider:segmentation_id"
    FROM networks n JOIN vlans v ON v.id = n.vlan_id`,
  ports: sql`
    SELECT p.id AS seq, p.uuid AS id, p.name, p.description, p.project_id, p.network_uuid AS network_id,
      p.admin_state_up, p.mac_address, p.fixed_ips, p.device_id, p.device_owner, p.tags,
      p.binding_host_id AS "binding:host_id", p.binding_vnic_type AS "binding:vnic_type",
      p.binding_profile AS "binding:profile", p.automatic,
      p.created_at, p.updated_at, p.revision AS revision_number,
      (SELECT n.project_id FROM networks n WHERE n.uuid = p.network_uuid) AS network_project,
      -- Live once every switch port of it has been read back to be in its network.
      CASE WHEN p.admin_state_up AND COALESCE((
          SELECT bool_and(l.verified_generation = l.generation AND (l.wanted ->> 'network' = p.network_uuid::text
            OR l.wanted @> jsonb_build_object('tagged', jsonb_build_array(jsonb_build_object('network', p.network_uuid)))))
          FROM ports i LEFT JOIN portgroups g ON g.uuid = i.portgroup_uuid
          JOIN switch_links l ON l.port_uuid = i.uuid
          WHERE i.node_uuid::text = vif.binding_host_id
            AND COALESCE(g.internal_info ->> 'tenant_vif_port_id', i.internal_info ->> 'tenant_vif_port_id') = vif.uuid::text
        ), false) THEN 'ACTIVE' ELSE 'DOWN' END AS status,
      (SELECT jsonb_build_object('trunk_id', t.uuid, 'sub_ports', ${subportsOf(sql`t.uuid`, true)})
        FROM trunks t WHERE t.port_uuid = p.uuid) AS trunk_details
    FROM network_ports p
    -- What is on a trunk is where its parent port is.
    LEFT JOIN trunk_subports on_trunk ON on_trunk.port_uuid = p.uuid
    LEFT JOIN trunks trunk ON trunk.uuid = on_trunk.trunk_uuid
    JOIN network_ports vif ON vif.uuid = COALESCE(trunk.port_uuid, p.uuid)`,
  subnets: sql`
    SELECT s.id AS seq, s.uuid AS id, s.name, s.description, s.project_id, s.network_uuid AS network_id,
      s.cidr::text AS cidr, family(s.cidr) AS ip_version, s.gateway_ip, s.enable_dhcp, s.allocation_pools,
      s.dns_nameservers, s.host_routes, s.tags, s.created_at, s.updated_at, s.revision AS revision_number
    FROM subnets s`,
  trunks: sql`
    SELECT t.id AS seq, t.uuid AS id, t.name, t.description, t.project_id, t.port_uuid AS port_id,
      t.admin_state_up, t.tags, t.created_at, t.updated_at, t.revision AS revision_number,
      ${subportsOf(sql`t.uuid`, false)} AS sub_ports,
      -- Neutron's ACTIVE: the parent port is bound, and its switch ports have what is wanted of them.
      CASE WHEN t.admin_state_up AND COALESCE((
          SELECT bool_and(l.verified_generation = l.generation AND l.wanted ->> 'mode' <> 'idle')
          FROM ports i LEFT JOIN portgroups g ON g.uuid = i.portgroup_uuid
          JOIN switch_links l ON l.port_uuid = i.uuid
          WHERE i.node_uuid::text = p.binding_host_id
            AND COALESCE(g.internal_info ->> 'tenant_vif_port_id', i.internal_info ->> 'tenant_vif_port_id') = p.uuid::text
        ), false) THEN 'ACTIVE' ELSE 'DOWN' END AS status
    FROM trunks t JOIN network_ports p ON p.uuid = t.port_uuid`,
  'rbac-policies': sql`
    SELECT b.id AS seq, b.uuid AS id, '' AS name, b.project_id, 'network'::text AS object_type,
      b.network_uuid AS object_id, b.action, b.target_project AS target_tenant,
      (SELECT n.project_id FROM networks n WHERE n.uuid = b.network_uuid) AS network_project
    FROM network_rbac b`,
}

const sharedNetwork = (network: RawBuilder<unknown>, projectId: string): RawBuilder<boolean> =>
  sql<boolean>`network_visible(${network}, ${projectId})`

/** Which rows a project sees: the wall between tenants, for lists and for single ones alike. */
const visibleTo: Record<Collection, (projectId: string) => RawBuilder<boolean>> = {
  networks: (projectId) => sql`(r.project_id = ${projectId} OR ${sharedNetwork(sql`r.id`, projectId)})`,
  // Whose network it is sees who is in it.
  ports: (projectId) => sql`(r.project_id = ${projectId} OR r.network_project = ${projectId})`,
  // Not whose network it is: what else is on the same cable is not theirs to know.
  trunks: (projectId) => sql`r.project_id = ${projectId}`,
  subnets: (projectId) => sharedNetwork(sql`r.network_id`, projectId),
  'rbac-policies': (projectId) => sql`(r.project_id = ${projectId} OR r.network_project = ${projectId})`,
}

const predicate = (collection: Collection, visible: Visible): RawBuilder<boolean> =>
  visible.kind === 'all' ? sql`true` : visibleTo[collection](visible.projectId)

/** One page. Each filter holds when the attribute is one of its values; null finds what is empty. */
export async function listNeutron(
  db: Db,
  collection: Collection,
  visible: Visible,
  filters: Readonly<Record<string, readonly unknown[]>>,
  page: NeutronPage,
): Promise<NeutronRow[]> {
  const seen = predicate(collection, visible)
  const source = sources[collection]
  const conditions = Object.entries(filters).map(([name, values]) => filterOf(name, values))
  const key = page.sortKey === 'seq' ? sql`r.seq` : sql`COALESCE(${sql.ref(`r.${page.sortKey}`)}::text, '')`
  const forward = page.descending === page.reverse
  const direction = forward ? sql`ASC` : sql`DESC`
  if (page.marker !== undefined) {
    if (!(await findNeutron(db, collection, visible, page.marker)))
      throw new LeaseholdError('not-found', `The marker ${page.marker} could not be found.`)
    conditions.push(
      sql`(${key}, r.seq) ${forward ? sql`>` : sql`<`} (SELECT ${key}, r.seq FROM (${source}) AS r WHERE r.id = ${page.marker})`,
    )
  }
  const where = sql.join([seen, ...conditions], sql` AND `)
  const { rows } = await sql<NeutronRow>`
    SELECT r.* FROM (${source}) AS r WHERE ${where}
    ORDER BY ${key} ${direction}, r.seq ${direction} LIMIT ${page.limit}`.execute(db)
  return page.reverse ? rows.reverse() : rows
}

function filterOf(name: string, values: readonly unknown[]): RawBuilder<boolean> {
  if (name === 'fixed_ips')
    return sql`EXISTS (SELECT FROM jsonb_array_elements(r.fixed_ips) AS ip
      WHERE 'ip_address=' || (ip ->> 'ip_address') = ANY (${values}::text[])
        OR 'subnet_id=' || (ip ->> 'subnet_id') = ANY (${values}::text[]))`
  if (name === 'tags') return sql`r.tags @> ${values}::text[]`
  const texts = values.map(String)
  return sql`COALESCE(${sql.ref(`r.${name}`)}::text, '') = ANY (${texts}::text[])`
}

/** A row that somebody sees; undefined for one that is absent or hidden. */
export async function findNeutron(
  db: Db,
  collection: Collection,
  visible: Visible,
  id: string,
): Promise<NeutronRow | undefined> {
  return (await findEachNeutron(db, collection, visible, [id]))[0]
}

/** The rows of these ids that somebody sees, in any order. */
export async function findEachNeutron(
  db: Db,
  collection: Collection,
  visible: Visible,
  ids: readonly string[],
): Promise<NeutronRow[]> {
  const { rows } = await sql<NeutronRow>`
    SELECT r.* FROM (${sources[collection]}) AS r
    WHERE r.id = ANY (${[...ids]}::uuid[]) AND ${predicate(collection, visible)}`.execute(db)
  return rows
}
