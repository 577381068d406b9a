/** VIFs and roles of nodes whose network interface is `switch`. What follows from them for switch ports is derived. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import { choosePort, type Node, vifOf } from '../inventory/index.ts'
import type { Db, NetworkRole } from '../store/index.ts'
import { isHandedOver, linksOfNode, type NodeLink, quarantineUnverified } from './links.sql.ts'
import type { Bounds, NetworkingDeps, Wiring } from './types.ts'
import { bindingsOfNode, type Upstream } from './upstream/index.ts'
import { copiedPort, type FreePort, portFor } from './vif-ports.sql.ts'

/** What a request waits for the switch before it answers, milliseconds; the work goes on without it. */
const requestWaitMs = 10_000
const lookMs = 50

/** With `upstream` ports and networks are a Neutron's; without, our own. */
export function createWiring(
  { db, config }: Pick<NetworkingDeps, 'db' | 'config'>,
  upstream?: Upstream,
): Wiring {
  /** As long as a switch may take, which may be starting anew. */
  const patient = ({ signal }: Bounds): Bounds => ({
    signal: AbortSignal.any([
      signal,
      AbortSignal.timeout(config['networking.isolation_timeout_seconds'] * 1000),
    ]),
  })
  return {
    listVifs: async (node) => (await placesOf(db, node.uuid)).vifs.map(({ vif }) => ({ id: vif })),

    async attachVif(node, vif, bounds) {
      // Before the transaction: a Neutron may be slow, and nobody waits for it with a node in hand.
      const found = await upstream?.find(String(vif.id), node.lessee ?? node.owner, node.uuid)
      await db.transaction().execute(async (trx) => {
        await stillTheirs(trx, node)
        if (found) await upstream?.copy(trx, found)
        const port = found
          ? await copiedPort(trx, found.port.id, node)
          : await portFor(trx, String(vif.id), node, config['networking.quota_ports'])
        await attach(trx, node, vif, port)
        if (node.provision_state === 'active') await setRole(trx, node, 'tenant')
      })
      await settledWithin(db, node.uuid, requestWaitMs, bounds)
      if (found) await boundWithin(db, node.uuid, found.port.id, requestWaitMs, bounds)
    },

    async detachVif(node, id, bounds) {
      await db.transaction().execute(async (trx) => {
        await stillTheirs(trx, node)
        const { vifs } = await placesOf(trx, node.uuid)
        const matching = vifs.filter(({ vif, network }) => vif === id || network === id)
        const [found] = matching
        if (!found || matching.length > 1)
          throw new LeaseholdError('invalid', `VIF ${id} is not attached to node ${node.uuid}.`)
        await detach(trx, node, found)
      })
      await settledWithin(db, node.uuid, requestWaitMs, bounds)
    },

    async releaseVifs(node, bounds) {
      await db.transaction().execute(async (trx) => {
        await stillTheirs(trx, node)
        for (const place of (await placesOf(trx, node.uuid)).vifs) await detach(trx, node, place)
      })
      await verified(db, node.uuid, patient(bounds))
    },

    async enter(node, role, bounds) {
      const begun = await db.transaction().execute(async (trx) => {
        await stillTheirs(trx, node)
        // Nowhere else to go: the node stays where it is.
        if (role === 'rescuing' && !(await hasNetwork(trx, role))) return false
        await setRole(trx, node, role)
        return true
      })
      if (!begun) return
      try {
        await checkPlaces(db, node, role)
        await verified(db, node.uuid, patient(bounds))
      } catch (error) {
        if (role === 'idle') await quarantineUnverified(db, 0, node.uuid)
        throw error
      }
    },

    async checkIsolated({ uuid }) {
      if (!(await isHandedOver(db, uuid)))
        throw new LeaseholdError(
          'conflict',
          `Node ${uuid} has changed hands, and its switch ports are not yet verified to be out of the networks they were in. Try again in a moment; GET /v1/nodes/${uuid}/networking says how they are.`,
          { retryAfterSeconds: 1 },
        )
    },
  }
}

/**
 * Holds the node's tenants as they are until the end of the transaction.
 * @throws LeaseholdError 'conflict' when they are not those that the caller has seen, or the lock has gone.
 */
async function stillTheirs(trx: Db, node: Node): Promise<void> {
  const now = await trx
    .selectFrom('nodes')
    .select(['owner', 'lessee', 'generation'])
    .where('uuid', '=', node.uuid)
    .forShare()
    .executeTakeFirst()
  if (now?.owner !== node.owner || now.lessee !== node.lessee || now.generation !== node.generation)
    throw new LeaseholdError('conflict', `Node ${node.uuid} has changed hands meanwhile; look at it again.`)
}

async function setRole(trx: Db, node: Node, role: NetworkRole): Promise<void> {
  await sql`SELECT networking_refresh(${node.uuid}::uuid)`.execute(trx)
  await trx.updateTable('node_networking').set({ role }).where('node_uuid', '=', node.uuid).execute()
  await sql`SELECT networking_refresh(${node.uuid}::uuid)`.execute(trx)
  // What has failed before is tried anew, at once.
  await sql`
    UPDATE switch_links SET attempts = 0, retry_at = now()
    WHERE node_uuid = ${node.uuid} AND generation > verified_generation`.execute(trx)
  await sql`SELECT pg_notify('leasehold_networking', ${node.uuid})`.execute(trx)
}

const hasNetwork = async (db: Db, role: NetworkRole): Promise<boolean> =>
  (await db.selectFrom('network_roles').select('role').where('role', '=', role).executeTakeFirst()) !==
  undefined

interface Place {
  kind: 'port' | 'portgroup'
  uuid: string
  vif: string
  network: string | null
  automatic: boolean
}

/** A node's ports and groups, and the VIFs on them. */
async function placesOf(db: Db, nodeUuid: string) {
  const ports = await db
    .selectFrom('ports')
    .selectAll()
    .where('node_uuid', '=', nodeUuid)
    .orderBy('id')
    .execute()
  const groups = await db
    .selectFrom('portgroups')
    .selectAll()
    .where('node_uuid', '=', nodeUuid)
    .orderBy('id')
    .execute()
  const held = [
    ...groups.map((row) => ({ kind: 'portgroup' as const, row })),
    ...ports.map((row) => ({ kind: 'port' as const, row })),
  ].flatMap(({ kind, row }) => {
    const vif = vifOf(row)
    return vif === null ? [] : [{ kind, uuid: row.uuid, vif }]
  })
  const known = new Map(
    held.length === 0
      ? []
      : (
          await db
            .selectFrom('network_ports')
            .select(['uuid', 'network_uuid', 'automatic'])
            .where(sql<boolean>`uuid::text = ANY (${held.map(({ vif }) => vif)}::text[])`)
            .execute()
        ).map((row) => [row.uuid, row]),
  )
  const vifs: Place[] = held.map((place) => ({
    ...place,
    network: known.get(place.vif)?.network_uuid ?? null,
    automatic: known.get(place.vif)?.automatic ?? false,
  }))
  return { ports, groups, vifs }
}

async function attach(
  trx: Db,
  node: Node,
  vif: Readonly<Record<string, unknown>>,
  port: FreePort,
): Promise<void> {
  const { ports, groups } = await placesOf(trx, node.uuid)
  const place = choosePort(
    ports,
    groups,
    {
      id: port.uuid,
      ...(vif.port_uuid === undefined ? {} : { port_uuid: String(vif.port_uuid).toLowerCase() }),
      ...(vif.portgroup_uuid === undefined
        ? {}
        : { portgroup_uuid: String(vif.portgroup_uuid).toLowerCase() }),
    },
    new Set([port.physical_network]),
  )
  const chosen = ports.filter((each) =>
    place.kind === 'port' ? each.uuid === place.uuid : each.portgroup_uuid === place.uuid,
  )
  const address = chosen[0]?.address
  // As Ironic does: the network's port has the machine's address. Another port may have it there already; and a
  // copy has none, its address is written back to Neutron.
  const taken =
    port.mac_address === null ||
    (await trx
      .selectFrom('network_ports')
      .select('id')
      .where('network_uuid', '=', port.network_uuid)
      .where('mac_address', '=', address ?? '')
      .where('uuid', '<>', port.uuid)
      .executeTakeFirst())
  await trx
    .updateTable('network_ports')
    .set({
      binding_host_id: node.uuid,
      binding_vnic_type: 'baremetal',
      binding_profile: JSON.stringify({
        local_link_information: chosen.map(({ local_link_connection }) => local_link_connection),
      }),
      ...(address && !taken ? { mac_address: address } : {}),
      updated_at: new Date(),
    })
    .where('uuid', '=', port.uuid)
    .execute()
  await trx
    .updateTable(place.kind === 'port' ? 'ports' : 'portgroups')
    .set({ internal_info: sql`internal_info || ${JSON.stringify({ tenant_vif_port_id: port.uuid })}::jsonb` })
    .where('uuid', '=', place.uuid)
    .execute()
}

async function detach(trx: Db, _node: Node, place: Place): Promise<void> {
  if (place.automatic) {
    // What it is on is told by the database.
    await trx.deleteFrom('network_ports').where('uuid', '=', place.vif).execute()
    return
  }
  if (place.network)
    await trx
      .updateTable('network_ports')
      .set({ binding_host_id: '', binding_profile: '{}', updated_at: new Date() })
      .where('uuid', '=', place.vif)
      .execute()
  await trx
    .updateTable(place.kind === 'port' ? 'ports' : 'portgroups')
    .set({ internal_info: sql`internal_info - 'tenant_vif_port_id'` })
    .where('uuid', '=', place.uuid)
    .execute()
}

/**
 * Checks that what the role needs is derived to be so.
 * @throws LeaseholdError 'invalid' that says which port lacks what.
 */
async function checkPlaces(db: Db, node: Node, role: NetworkRole): Promise<void> {
  if (role === 'idle') return
  const links = await linksOfNode(db, node.uuid)
  const wired = (port: string) =>
    links.some(({ port_uuid, wanted }) => port_uuid === port && wanted.mode !== 'idle')
  if (role === 'tenant') {
    const { ports, vifs } = await placesOf(db, node.uuid)
    for (const { kind, uuid, vif } of vifs) {
      const members = ports.filter((port) =>
        kind === 'port' ? port.uuid === uuid : port.portgroup_uuid === uuid,
      )
      const missing = members.find((port) => !wired(port.uuid))
      if (missing || members.length === 0)
        throw new LeaseholdError(
          'invalid',
          `VIF ${vif}: port ${missing?.uuid ?? uuid} can not be put into its network. Its local_link_connection must name a port of kind "node" of a switch of the network's physical network, which the operator has listed for this node's owner and no other node is on; the network and the VIF must be up, and the node's tenant must be allowed to use it.`,
        )
    }
    return
  }
  // What a machine is plugged into may be what its inspection is to find out.
  if (
    role !== 'inspecting' &&
    (await hasNetwork(db, role)) &&
    !links.some(({ wanted }) => wanted.mode !== 'idle')
  )
    throw new LeaseholdError(
      'invalid',
      `No port of node ${node.uuid} can be put into the network for ${role}: none with pxe_enabled has a local_link_connection that names a switch port which is listed for its owner.`,
    )
}

/** Returns once every link of a node is verified. @throws LeaseholdError 'unavailable' that says which is not, and why. */
async function verified(db: Db, nodeUuid: string, bounds: Bounds): Promise<void> {
  for (;;) {
    const links = await linksOfNode(db, nodeUuid)
    const open = links.filter((link) => !link.verified)
    if (open.length === 0) return
    const [late] = open
    if (late && bounds.signal.aborted) throw notVerified(open.find(({ error }) => error !== null) ?? late)
    await sleep(lookMs, undefined, { signal: bounds.signal }).catch(() => {})
  }
}

const notVerified = ({ switch: name, switch_port, error }: NodeLink): LeaseholdError =>
  new LeaseholdError(
    'unavailable',
    `Switch port ${name} ${switch_port} could not be verified to be as wanted: ${error ?? 'its switch has not answered in time'}.`,
  )

async function settledWithin(db: Db, nodeUuid: string, waitMs: number, bounds: Bounds): Promise<void> {
  const signal = AbortSignal.any([bounds.signal, AbortSignal.timeout(waitMs)])
  await verified(db, nodeUuid, { signal }).catch((error: unknown) => {
    if (!(error instanceof LeaseholdError)) throw error
  })
}

/** Waits until Neutron has been told of a binding, or says something against it, which its node's networking shows. */
async function boundWithin(
  db: Db,
  nodeUuid: string,
  port: string,
  waitMs: number,
  bounds: Bounds,
): Promise<void> {
  const signal = AbortSignal.any([bounds.signal, AbortSignal.timeout(waitMs)])
  while (!signal.aborted) {
    const binding = (await bindingsOfNode(db, nodeUuid)).find(({ vif }) => vif === port)
    if (!binding || binding.written || binding.error !== null) return
    await sleep(lookMs, undefined, { signal }).catch(() => {})
  }
}
