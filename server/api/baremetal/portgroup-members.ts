/** What ports and their group ask of each other. */
import { LeaseholdError } from '../../errors.ts'
import type { Port, Portgroup } from '../../inventory/index.ts'

export type Membership = Pick<
  Port,
  'node_uuid' | 'pxe_enabled' | 'physical_network' | 'portgroup_uuid' | 'uuid'
>

const conflict = (message: string): LeaseholdError => new LeaseholdError('conflict', message)

/**
 * Checks a port that is to be in `group` beside `others`, and returns the physical network it is to have. A port that
 * joins without one takes the group's.
 *
 * @param before the port as it is, null for a new one
 * @throws LeaseholdError 'invalid' for a group of another node, or for another network than the group's from 1.102 on;
 * 'conflict' for a port that must not boot in its group, or for two networks in one group.
 */
export function physicalNetworkInGroup(
  group: Portgroup,
  others: readonly Port[],
  port: Membership,
  before: Membership | null,
  version: number,
): string | null {
  if (group.node_uuid !== port.node_uuid) throw groupNotFound(group.uuid, port.node_uuid)
  const joins = before?.portgroup_uuid !== group.uuid
  const rewired = port.physical_network !== (before?.physical_network ?? null)
  if (!joins && rewired && version >= 102)
    throw new LeaseholdError(
      'invalid',
      `The physical_network of port ${port.uuid} can not be changed while it is in portgroup ${group.uuid}; change the portgroup's.`,
    )
  if (port.pxe_enabled && !group.standalone_ports_supported && (joins || !before?.pxe_enabled))
    throw conflict(
      `Port ${port.uuid} can not have pxe_enabled in portgroup ${group.uuid}, which does not support standalone ports.`,
    )
  const network = joins ? (port.physical_network ?? group.physical_network) : port.physical_network
  if (!joins && !rewired) return network
  const [other] = others.filter((each) => each.uuid !== port.uuid)
  const asked = other ? other.physical_network : group.physical_network
  if ((other || asked !== null) && network !== asked)
    throw conflict(
      `Port ${port.uuid} has the physical network ${network ?? 'none'}, but portgroup ${group.uuid} has ${asked ?? 'none'}; all ports of a portgroup have the same.`,
    )
  return network
}

/** One text for a group that is not there, that the caller does not see, and that is of another node. */
export const groupNotFound = (ident: string, nodeUuid: string): LeaseholdError =>
  new LeaseholdError('invalid', `Portgroup ${ident.slice(0, 255)} could not be found on node ${nodeUuid}.`)

/** @throws LeaseholdError 'conflict' when a port of the group works by itself, which the group is no longer to support. */
export function checkStandalone(group: Portgroup, ports: readonly Port[]): void {
  const alone = ports.filter((port) => port.pxe_enabled || port.internal_info.tenant_vif_port_id)
  if (alone.length > 0)
    throw conflict(
      `Portgroup ${group.uuid} must support standalone ports: ${alone
        .map((port) => port.uuid)
        .slice(0, 5)
        .join(', ')} have pxe_enabled or a VIF.`,
    )
}
