/** Which port or port group of a node a VIF goes to, when whoever attaches it leaves the choice to the service. */
import type { Selectable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { PortgroupsTable, PortsTable } from '../store/index.ts'

type PortRow = Pick<
  Selectable<PortsTable>,
  'uuid' | 'portgroup_uuid' | 'physical_network' | 'pxe_enabled' | 'internal_info'
>
type GroupRow = Pick<Selectable<PortgroupsTable>, 'uuid' | 'internal_info'>

/** What is asked to be attached, and where if that is said. */
export interface WantedVif {
  id: string
  port_uuid?: string
  portgroup_uuid?: string
}

/** Where it goes. */
export type VifPlace = { kind: 'port' | 'portgroup'; uuid: string }

interface Candidate extends VifPlace {
  physicalNetwork: string | null
  pxeEnabled: boolean
}

/**
 * The place for a VIF among a node's ports and port groups. `physicalNetworks` are those that the VIF's network has
 * segments in; null when it has none of its own, and any will do.
 *
 * A port without a physical network takes any VIF, but one that has a fitting one is preferred; then groups before
 * ports, then ports that boot. The ports of a group are the group, unless one of them carries a VIF by itself.
 *
 * @throws LeaseholdError 'conflict' when the node has the VIF already, 'invalid' when nothing free fits.
 */
export function choosePort(
  ports: readonly PortRow[],
  groups: readonly GroupRow[],
  vif: WantedVif,
  physicalNetworks: ReadonlySet<string> | null,
): VifPlace {
  const holder = [...groups, ...ports].find((each) => vifOf(each) === vif.id)
  if (holder)
    throw new LeaseholdError('conflict', `VIF ${vif.id} is attached to ${holder.uuid} of this node already.`)
  const fits = ({ kind, uuid, physicalNetwork }: Candidate) =>
    (vif.port_uuid === undefined || (kind === 'port' && uuid === vif.port_uuid)) &&
    (vif.portgroup_uuid === undefined || (kind === 'portgroup' && uuid === vif.portgroup_uuid)) &&
    (physicalNetwork === null || physicalNetworks === null || physicalNetworks.has(physicalNetwork))
  const best = candidatesOf(ports, groups)
    .filter(fits)
    .sort((a, b) => rank(a) - rank(b))[0]
  if (!best)
    throw new LeaseholdError(
      'invalid',
      `No free port of this node can take VIF ${vif.id}${physicalNetworks ? ` (physical networks ${[...physicalNetworks].join(', ')})` : ''}; detach another VIF, or name a port that is free.`,
    )
  return { kind: best.kind, uuid: best.uuid }
}

/** The VIF that a port or a port group carries, or null. */
export const vifOf = ({ internal_info }: Pick<PortRow, 'internal_info'>): string | null =>
  (internal_info.tenant_vif_port_id as string | null | undefined) ?? null

/** What is free, groups as one. */
function candidatesOf(ports: readonly PortRow[], groups: readonly GroupRow[]): Candidate[] {
  const membersOf = (uuid: string) => ports.filter((port) => port.portgroup_uuid === uuid)
  /** Groups of which a port carries a VIF by itself: their ports are single ports. */
  const split = new Set(
    groups.filter(({ uuid }) => membersOf(uuid).some((port) => vifOf(port) !== null)).map(({ uuid }) => uuid),
  )
  const whole = groups.flatMap((group): Candidate[] => {
    const [member] = membersOf(group.uuid)
    if (!member || split.has(group.uuid) || vifOf(group) !== null) return []
    return [
      {
        kind: 'portgroup',
        uuid: group.uuid,
        physicalNetwork: member.physical_network,
        pxeEnabled: true,
      },
    ]
  })
  const single = ports
    .filter((port) => vifOf(port) === null)
    .filter((port) => port.portgroup_uuid === null || split.has(port.portgroup_uuid))
    .map(
      (port): Candidate => ({
        kind: 'port',
        uuid: port.uuid,
        physicalNetwork: port.physical_network,
        pxeEnabled: port.pxe_enabled,
      }),
    )
  return [...whole, ...single]
}

const rank = ({ physicalNetwork, kind, pxeEnabled }: Candidate): number =>
  (physicalNetwork === null ? 4 : 0) + (kind === 'port' ? 2 : 0) + (pxeEnabled ? 0 : 1)
