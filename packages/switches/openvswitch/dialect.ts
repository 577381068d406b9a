/** Open vSwitch: VLANs, LAGs and idle ports as rows of its database. */
import { SwitchError } from '../errors.ts'
import { orderedSteps } from '../steps.ts'
import type { Operation, OvsdbReply, OvsdbRequest } from '../transports/ovsdb.ts'
import type { Dialect, PortState, SwitchState, SwitchTarget, Verdict } from '../types.ts'
import { type Names, render, renderBack } from './render.ts'
import { leftoversOf, membershipOf, type PortRow, type Rows, readRows } from './rows.ts'

/**
 * `target.settings.bridge` names the bridge whose ports are switch ports. A port that is down is in a second bridge,
 * `settings.parking` or `<bridge>-idle`, that forwards nothing: OVSDB itself cannot take a link down. A port that
 * leaves a network is there for `settings.settleMs` (250) before it may enter another one.
 *
 * @throws SwitchError 'invalid'
 */
export function openvswitch(target: SwitchTarget): Dialect<OvsdbRequest, OvsdbReply> {
  const bridge = target.settings?.bridge ?? ''
  const parking = target.settings?.parking ?? `${bridge}-idle`
  for (const name of [bridge, parking])
    if (!/^[A-Za-z0-9_.-]{1,15}$/.test(name))
      throw new SwitchError(
        'invalid',
        `settings.bridge and settings.parking are names of bridges, up to 15 characters; ${JSON.stringify(name)} is none`,
      )
  const settleMs = Number(target.settings?.settleMs ?? 250)
  if (!Number.isInteger(settleMs) || settleMs < 0 || settleMs > 10_000)
    throw new SwitchError('invalid', 'settings.settleMs is a number of milliseconds, up to 10000')
  const names: Names = { bridge, parking, lagName, settleMs }
  /** A state's rows: what is written refers to rows by their UUIDs, which nobody outside needs to see. */
  const rowsOf = new WeakMap<SwitchState, Rows>()
  return {
    name: 'openvswitch',
    capabilities: {
      vlans: 'implicit',
      lag: true,
      multiChassis: false,
      stpEdge: false,
      mtu: false,
      description: true,
      transaction: true,
      save: false,
    },
    normalisePort: (name) => (/^[A-Za-z0-9_][A-Za-z0-9_./-]{0,14}$/.test(name) ? name : null),
    lagName,
    readRequests: () => [
      select('Open_vSwitch', ['_uuid']),
      select('Bridge', ['_uuid', 'name', 'ports', 'fail_mode', 'datapath_type']),
      select('Port', ['_uuid', 'name', 'vlan_mode', 'tag', 'trunks', 'interfaces', 'lacp']),
      select('Interface', ['_uuid', 'name', 'type', 'external_ids']),
    ],
    parseState: (replies) => {
      const rows = readRows(replies)
      const state = stateOf(rows, names)
      rowsOf.set(state, rows)
      return state
    },
    diff: (state, wanted) => orderedSteps(state, wanted, lagName),
    render: (steps, { before }) => {
      const rows = rowsOf.get(before)
      if (rows === undefined)
        throw new SwitchError('invalid', 'render needs a state that this dialect has read')
      return render(steps, rows, names)
    },
    classify,
    restore: (before, now, touched) => {
      const [was, is] = [rowsOf.get(before), rowsOf.get(now)]
      if (was === undefined || is === undefined)
        throw new SwitchError('invalid', 'restore needs states that this dialect has read')
      const lags = [...touched.removeLags].map(lagName)
      return renderBack(new Set([...touched.ports.keys(), ...lags]), was, is, names)
    },
    forbidden: (port) => (port === bridge || port === parking ? 'it is the bridge itself' : null),
    forbiddenVlan: () => null,
  }
}

function lagName(group: number): string {
  return `bond${group}`
}

function select(table: string, columns: string[]): OvsdbRequest {
  const operation: Operation = { op: 'select', table, where: [], columns }
  return { line: `select ${table}`, operations: [operation] }
}

function classify({ failed, text }: OvsdbReply): Verdict {
  if (!failed) return { is: 'ok' }
  // A wait that did not hold: somebody changed the row since it was read, so it has to be read again.
  return /^timed out/.test(text) ? { is: 'retry', reply: text } : { is: 'error', reply: text }
}

function stateOf(rows: Rows, names: Names): SwitchState {
  const ports = new Map<string, PortState>()
  const main = rows.bridges.get(names.bridge)
  if (main === undefined)
    throw new SwitchError(
      'invalid',
      `Open vSwitch has no bridge ${names.bridge}; it has ${[...rows.bridges.keys()].join(', ') || 'none'}`,
    )
  const parked = rows.bridges.get(names.parking)
  // A parking bridge that forwards after all is none: its ports count as up, so that they are made right.
  const parks = parked?.failMode === 'secure'
  for (const [bridge, up] of [
    [main, true],
    [parked, !parks],
  ] as const)
    for (const uuid of bridge?.ports ?? []) {
      const row = rows.ports.get(uuid)
      if (row && row.name !== bridge?.name) addPort(ports, row, up, rows)
    }
  return { vlans: new Map(), ports }
}

function addPort(ports: Map<string, PortState>, row: PortRow, up: boolean, rows: Rows): void {
  const interfaces = row.interfaces.flatMap((uuid) => rows.interfaces.get(uuid) ?? [])
  const isLag = interfaces.length > 1 || interfaces.some(({ name }) => name !== row.name)
  const group = Number(/^bond(\d+)$/.exec(row.name)?.[1] ?? 0)
  const odd = interfaces.find(({ type }) => !ordinary.has(type))
  const state: PortState = {
    name: row.name,
    membership: membershipOf(row),
    adminUp: up,
    stpEdge: false,
    mtu: null,
    description: isLag ? '' : (interfaces[0]?.description ?? ''),
    lag: null,
    multiChassis: null,
    protected: odd ? `it is a ${odd.type} port` : null,
    leftovers: leftoversOf(row),
  }
  ports.set(row.name, state)
  if (!isLag) return
  const lacp = row.lacp === 'active' || row.lacp === 'passive' ? row.lacp : 'on'
  for (const { name, description } of interfaces)
    ports.set(name, { ...state, name, description, lag: { group, lacp }, leftovers: [] })
}

/** Types of interfaces that lead to a machine; tunnels, patches and internal ones are the operator's. */
const ordinary = new Set([
  '',
  'system',
  'dpdk',
  'dummy',
  'tap',
  'afxdp',
  'afxdp-nonpmd',
  'dpdkvhostuser',
  'dpdkvhostuserclient',
])
