/** A Neutron as its client: what we ask it, and what we make of its answers. Networking API v2.0. */
import type { ServiceAnswer, ServiceSession } from '../../access/index.ts'

/** A network as Neutron has it. */
export interface UpstreamNetwork {
  id: string
  projectId: string | null
  up: boolean
  mtu: number
  /** Null for what is no VLAN. */
  segment: { physicalNetwork: string; vlan: number } | null
  /** Who may use it besides its project: `access_as_shared`. */
  shares: { id: string; target: string }[]
}

/** A port as Neutron has it. */
export interface UpstreamPort {
  id: string
  networkId: string
  projectId: string | null
  up: boolean
  host: string
  profile: Record<string, unknown>
  /** It is the parent of a trunk: of several networks on one port. */
  trunk: boolean
}

export interface NeutronClient {
  /**
   * Those of the networks that there are. At most 50 at once.
   * @throws Error when there is no answer, or the service user may not see what networks are made of.
   */
  networks(ids: readonly string[]): Promise<UpstreamNetwork[]>
  /** The same of ports. */
  ports(ids: readonly string[]): Promise<UpstreamPort[]>
  /** Whose a port is that a caller sees, by the caller's own token; undefined for one that it does not. */
  projectOf(token: string, portId: string): Promise<string | null | undefined>
  /** @throws Error with what Neutron says against it. */
  updatePort(id: string, port: Record<string, unknown>): Promise<void>
  /**
   * Whether the service user is shown what networks are made of, as an administrator is; undefined where there is no
   * network to tell by. Without that, what is only hidden would look as if it were gone.
   */
  seesAll(): Promise<boolean | undefined>
}

/** What fits into one request. */
export const mostIds = 50
const mostPages = 100

export function createNeutronClient(session: ServiceSession, userName: string): NeutronClient {
  const list = async (
    collection: string,
    filters: Record<string, readonly string[]>,
  ): Promise<Record<string, unknown>[]> => {
    const query = new URLSearchParams(
      Object.entries(filters).flatMap(([name, values]) => values.map((value) => [name, value])),
    )
    const key = collection.replaceAll('-', '_')
    const all: Record<string, unknown>[] = []
    // As many pages as its own limit makes of it.
    for (let page = 0; page < mostPages; page++) {
      const answer = await session.request('GET', `/${collection}?${query}`)
      const body = (answer.body ?? {}) as Record<string, { rel?: unknown }[] | undefined>
      const rows = body[key] as Record<string, unknown>[] | undefined
      if (answer.status !== 200 || !Array.isArray(rows)) throw refused(`its ${collection}`, answer)
      all.push(...rows)
      const last = rows.at(-1)
      if (!last || 'limit' in filters || !body[`${key}_links`]?.some(({ rel }) => rel === 'next')) return all
      query.set('marker', String(last.id))
    }
    throw new Error(`it has more than ${mostPages} pages of ${collection}`)
  }
  const hidden = () =>
    new Error(
      `it does not show user ${userName} what networks are made of: give it the roles admin and service on its project`,
    )

  return {
    async networks(ids) {
      if (ids.length === 0) return []
      const rows = await list('networks', { id: ids, fields: networkFields })
      if (rows.some((row) => !('provider:network_type' in row))) throw hidden()
      const shares =
        rows.length === 0
          ? []
          : await list('rbac-policies', {
              object_type: ['network'],
              action: ['access_as_shared'],
              object_id: rows.map(({ id }) => String(id)),
            })
      return rows.map((row) => networkOf(row, shares))
    },
    ports: async (ids) =>
      ids.length === 0 ? [] : (await list('ports', { id: ids, fields: portFields })).map(portOf),
    async projectOf(token, portId) {
      const path = `/ports/${encodeURIComponent(portId)}?fields=project_id`
      const answer = await session.request('GET', path, { token })
      if ([401, 403, 404].includes(answer.status)) return undefined
      const { port } = (answer.body ?? {}) as { port?: { project_id?: unknown } }
      if (answer.status !== 200 || !port) throw refused('a port', answer)
      return textOf(port.project_id)
    },
    async updatePort(id, port) {
      const answer = await session.request('PUT', `/ports/${id}`, { body: { port } })
      if (answer.status !== 200)
        throw refused(
          `port ${id}${answer.status === 403 ? ` (user ${userName} needs the roles admin and service on its project)` : ''}`,
          answer,
        )
    },
    async seesAll() {
      const [row] = await list('networks', { limit: ['1'], fields: ['id', 'provider:network_type'] })
      return row && 'provider:network_type' in row
    },
  }
}

const networkFields = [
  'id',
  'project_id',
  'admin_state_up',
  'mtu',
  'provider:network_type',
  'provider:physical_network',
  'provider:segmentation_id',
]
const portFields = [
  'id',
  'network_id',
  'project_id',
  'admin_state_up',
  'binding:host_id',
  'binding:profile',
  'trunk_details',
]

function networkOf(
  row: Record<string, unknown>,
  shares: readonly Record<string, unknown>[],
): UpstreamNetwork {
  const [type, physicalNetwork, vlan] = [
    row['provider:network_type'],
    row['provider:physical_network'],
    row['provider:segmentation_id'],
  ]
  return {
    id: String(row.id),
    projectId: textOf(row.project_id),
    up: row.admin_state_up === true,
    mtu: typeof row.mtu === 'number' && row.mtu > 0 ? row.mtu : 1500,
    segment:
      type === 'vlan' && typeof physicalNetwork === 'string' && Number.isInteger(vlan)
        ? { physicalNetwork, vlan: vlan as number }
        : null,
    shares: shares
      .filter(({ object_id }) => object_id === row.id)
      .map((share) => ({
        id: String(share.id),
        target: String(share.target_project ?? share.target_tenant),
      })),
  }
}

const portOf = (row: Record<string, unknown>): UpstreamPort => ({
  id: String(row.id),
  networkId: String(row.network_id),
  projectId: textOf(row.project_id),
  up: row.admin_state_up === true,
  host: textOf(row['binding:host_id']) ?? '',
  profile: (row['binding:profile'] as Record<string, unknown> | null | undefined) ?? {},
  trunk: row.trunk_details !== undefined && row.trunk_details !== null,
})

/** Neutron's null and its empty text are the same. */
const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

function refused(what: string, { status, body }: ServiceAnswer): Error {
  const said = (body as { NeutronError?: { message?: unknown } } | undefined)?.NeutronError?.message
  return new Error(
    `it answered HTTP ${status} for ${what}${typeof said === 'string' ? `: ${said.slice(0, 500)}` : ''}`,
  )
}
