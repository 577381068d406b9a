/** Simulated switches and machines plugged into them, for tests of the room with the real drivers. */
import { randomUUID } from 'node:crypto'
import type { SwitchTarget } from '@leasehold/switches'
import type { Node } from '../../inventory/index.ts'
import type { Db } from '../../store/index.ts'
import { insertSwitch, putSwitchPorts } from '../switches.sql.ts'
import { openVault } from '../vault.ts'

/** A switch whose ports are for any project's nodes. */
export async function addSwitch(
  db: Db,
  keyFile: string,
  name: string,
  target: SwitchTarget,
  ports: readonly string[],
  options: Record<string, unknown> = {},
): Promise<string> {
  const uuid = randomUUID()
  const { username, password } = target
  const credentials = username && password ? { username, password } : {}
  const { id } = await insertSwitch(db, {
    uuid,
    name,
    driver: target.driver,
    address: `${target.address}:${target.port}`,
    physical_network: 'default',
    quarantine_vlan: 999,
    trust: JSON.stringify({
      host_keys: target.trust.hostKeys ?? [],
      certificates: target.trust.certificates ?? [],
    }),
    options: JSON.stringify({ ...(target.settings ? { settings: target.settings } : {}), ...options }),
    sealed_credentials: (await openVault(keyFile)).seal(uuid, credentials),
    keeper: null,
    reason: null,
    checked_at: null,
    updated_at: null,
  })
  await putSwitchPorts(db, id, ports.map((port) => ({ name: port, kind: 'node', owner: '*' })) as never)
  return uuid
}

/** An active node; each port is plugged into [switch, switch port], all of them in a port group if it has a mode. */
export async function addNode(
  db: Db,
  owner: string,
  plugged: readonly (readonly [string, string])[],
  mode?: string,
): Promise<Node & { portgroup: string | null }> {
  const uuid = randomUUID()
  await db
    .insertInto('nodes')
    .values({
      uuid,
      driver: 'fake-hardware',
      owner,
      provision_state: 'active',
      interfaces: JSON.stringify({ network: 'switch' }),
    } as never)
    .execute()
  const portgroup = mode === undefined ? null : randomUUID()
  if (portgroup)
    await db
      .insertInto('portgroups')
      .values({ uuid: portgroup, node_uuid: uuid, mode } as never)
      .execute()
  for (const [name, port] of plugged)
    await db
      .insertInto('ports')
      .values({
        uuid: randomUUID(),
        node_uuid: uuid,
        portgroup_uuid: portgroup,
        address: `02:00:00:${uuid.slice(0, 2)}:${randomUUID().slice(0, 2)}:${randomUUID().slice(0, 2)}`,
        local_link_connection: JSON.stringify({ switch_info: name, port_id: port }),
      } as never)
      .execute()
  const node = await db.selectFrom('nodes').selectAll().where('uuid', '=', uuid).executeTakeFirstOrThrow()
  return { ...node, portgroup }
}
