/** A stand-in of a Neutron, and of the Keystone beside it, on a real socket: a real one is in test/real/neutron.test.ts. */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Row = Record<string, unknown> & { id: string }

export interface NeutronStandIn {
  /** Of the Keystone; Neutron is in its catalog. */
  url: string
  networks: Map<string, Row>
  ports: Map<string, Row>
  /** RBAC policies: which network is shared with which project, or `*`. */
  shares: Map<string, Row>
  /** Projects of callers' tokens. */
  callers: Map<string, string>
  /** Every request, such as `GET /networks`. */
  log: string[]
  /** While set, no request to Neutron is answered. */
  down: boolean
  /** Whether the service user is an administrator. */
  rights: boolean
  /** Rows in one answer at most. */
  pageLimit: number
  /** While set, what a change of a port is refused with. */
  refusal: { status: number; message: string } | undefined
  network(fields: Record<string, unknown>): Row
  port(network: Row, fields: Record<string, unknown>): Row
  share(network: Row, target: string): Row
  close(): Promise<void>
}

export async function startNeutron(): Promise<NeutronStandIn> {
  const networks = new Map<string, Row>()
  const ports = new Map<string, Row>()
  const shares = new Map<string, Row>()
  const collections: Record<string, Map<string, Row>> = { networks, ports, 'rbac-policies': shares }
  const serviceToken = 'of-the-service-user'
  const add = (rows: Map<string, Row>, row: Record<string, unknown>): Row => {
    const whole = { id: randomUUID(), ...row }
    rows.set(whole.id, whole)
    return whole
  }

  const server = createServer((request, response) => {
    void answer(request, response).catch((error: Error) => send(response, 500, { error: error.message }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const it: NeutronStandIn = {
    url,
    networks,
    ports,
    shares,
    callers: new Map(),
    log: [],
    down: false,
    rights: true,
    pageLimit: 1000,
    refusal: undefined,
    network: (fields) =>
      add(networks, {
        admin_state_up: true,
        mtu: 1500,
        'provider:network_type': 'vlan',
        'provider:physical_network': 'default',
        ...fields,
      }),
    port: (network, fields) =>
      add(ports, {
        network_id: network.id,
        admin_state_up: true,
        mac_address: randomMac(),
        'binding:host_id': '',
        'binding:vnic_type': 'normal',
        'binding:profile': {},
        ...fields,
      }),
    share: (network, target) =>
      add(shares, {
        object_type: 'network',
        action: 'access_as_shared',
        object_id: network.id,
        target_project: target,
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return it

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : undefined
    if (pathname === '/v3/auth/tokens') {
      response.setHeader('x-subject-token', serviceToken)
      return send(response, 201, { token: { expires_at: new Date(Date.now() + 3_600_000).toISOString() } })
    }
    if (pathname === '/v3/auth/catalog')
      return send(response, 200, {
        catalog: [
          { type: 'network', endpoints: [{ interface: 'public', region_id: 'one', url: `${url}/neutron/` }] },
        ],
      })
    const [, collection = '', id] = /^\/neutron\/v2\.0\/([^/]+)(?:\/([^/]+))?$/.exec(pathname) ?? []
    it.log.push(`${request.method} /${collection}`)
    if (it.down) return void request.socket.destroy()
    const token = String(request.headers['x-auth-token'])
    const project = it.callers.get(token)
    if (token !== serviceToken && project === undefined)
      return send(response, 401, { error: 'no such token' })
    const rows = collections[collection]
    if (!rows) return send(response, 404, {})
    const isAdmin = token === serviceToken && it.rights
    const seen = (row: Row) => isAdmin || row.project_id === (project ?? 'of the service user')
    const shown = (row: Row): Record<string, unknown> =>
      isAdmin
        ? row
        : Object.fromEntries(Object.entries(row).filter(([name]) => !/^(provider|binding):/.test(name)))
    if (id === undefined) {
      const found = [...rows.values()].filter(
        (row) =>
          seen(row) &&
          ['id', 'object_id'].every(
            (name) => !searchParams.has(name) || searchParams.getAll(name).includes(String(row[name])),
          ),
      )
      const start = found.findIndex((row) => row.id === searchParams.get('marker')) + 1
      const limit = Math.min(it.pageLimit, Number(searchParams.get('limit') ?? it.pageLimit))
      const key = collection.replace('-', '_')
      return send(response, 200, {
        [key]: found.slice(start, start + limit).map(shown),
        ...(found.length > start + limit ? { [`${key}_links`]: [{ rel: 'next', href: '' }] } : {}),
      })
    }
    const row = rows.get(id)
    if (!row || !seen(row)) return send(response, 404, { NeutronError: { message: `${id} not found` } })
    if (request.method === 'PUT') {
      if (it.refusal)
        return send(response, it.refusal.status, { NeutronError: { message: it.refusal.message } })
      const { mac_address: mac, ...others } = body.port
      const fresh = mac === null ? randomMac() : mac
      const bound = row['binding:host_id'] !== '' && (others['binding:host_id'] ?? 'still') !== ''
      if (fresh !== undefined && fresh !== row.mac_address && bound)
        return send(response, 409, { NeutronError: { message: 'port is already bound' } })
      if ([...rows.values()].some((each) => each !== row && each.mac_address === fresh))
        return send(response, 409, { NeutronError: { message: `The mac address ${fresh} is in use` } })
      Object.assign(row, others, fresh === undefined ? {} : { mac_address: fresh })
    }
    send(response, 200, { port: shown(row) })
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const randomMac = (): string =>
  `fa:16:3e:${randomUUID()
    .slice(0, 6)
    .replace(/..(?!$)/g, '$&:')}`
