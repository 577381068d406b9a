/**
 * Steps as OVSDB transactions, one that takes ports out and one with all rows as they will be. Each has a wait that
 * holds only if nobody changed the rows since they were read.
 */
import type { Operation, OvsdbRequest } from '../transports/ovsdb.ts'
import type { Step } from '../types.ts'
import { columnsFor, descriptionKey, type PortRow, type Rows, type Uuid } from './rows.ts'

/** A port as it will be. `bridge` null: its row goes. */
type Draft = Omit<PortRow, 'uuid'> & {
  uuid: Uuid | null
  bridge: 'main' | 'parked' | null
  was: 'main' | 'parked' | null
}

export type Names = {
  bridge: string
  parking: string
  lagName: (group: number) => string
  /** How long a port that leaves a network stays parked before it may come back. */
  settleMs: number
}

export function render(steps: readonly Step[], rows: Rows, names: Names): OvsdbRequest[] {
  const drafts = draftsOf(rows, names)
  const interfaceOf = new Map([...rows.interfaces].map(([uuid, { name }]) => [name, uuid]))
  for (const step of steps) take(step, drafts, interfaceOf, names)
  return [
    ...requestsFor(drafts, rows, names),
    ...steps.flatMap((step) =>
      step.kind === 'settings' && step.set.description !== undefined
        ? [describeRequest(step.port, step.set.description)]
        : [],
    ),
  ]
}

/** Rows of these ports as they were, whatever that was. */
export function renderBack(touched: Iterable<string>, before: Rows, now: Rows, names: Names): OvsdbRequest[] {
  const drafts = draftsOf(now, names)
  const old = draftsOf(before, names)
  const described: OvsdbRequest[] = []
  const descriptions = new Map(
    [...now.interfaces.values()].map(({ name, description }) => [name, description]),
  )
  for (const name of touched) {
    const was = old.get(name)
    const is = drafts.get(name)
    if (was) drafts.set(name, { ...was, uuid: is?.uuid ?? null, was: is?.was ?? null })
    else if (is) is.bridge = null
  }
  for (const { name, description } of before.interfaces.values())
    if ([...touched].includes(name) && descriptions.get(name) !== description)
      described.push(describeRequest(name, description))
  return [...requestsFor(drafts, now, names), ...described]
}

function requestsFor(drafts: Map<string, Draft>, rows: Rows, names: Names): OvsdbRequest[] {
  const before = draftsOf(rows, names)
  const changed = [...drafts.values()].filter(
    (draft) => JSON.stringify(draft) !== JSON.stringify(before.get(draft.name)),
  )
  const leaving = changed.filter((draft) => leaves(draft, before.get(draft.name)))
  for (const draft of leaving) draft.was = 'parked'
  const parks = leaving.length > 0 || changed.some(({ bridge }) => bridge === 'parked')
  return [
    ...(parks ? parkingRequests(rows, names) : []),
    // One after another: ports that go together may swap their numbers in the datapath, and flows of before go by those.
    ...leaving.flatMap((draft, index) => [
      leaveRequest(before.get(draft.name) as Draft, names),
      settleRequest(index < leaving.length - 1 ? Math.ceil(names.settleMs / 4) : names.settleMs),
    ]),
    ...changed.flatMap((draft, index) => portRequests(draft, before.get(draft.name), index, names)),
  ]
}

/**
 * Whether a port that forwards gives up something. Such a port is parked in a transaction of its own first: the daemon
 * says that it has taken a change over when flows of before still pass frames, for some milliseconds, and what it
 * learns of addresses from those outlasts them. A port that stayed would get its old neighbours' frames for minutes.
 */
function leaves(draft: Draft, before: Draft | undefined): boolean {
  if (before?.bridge !== 'main') return false
  const { mode, tag, trunks, interfaces, bridge } = before
  return (
    draft.bridge !== bridge ||
    JSON.stringify([draft.mode, draft.tag, draft.trunks]) !== JSON.stringify([mode, tag, trunks]) ||
    interfaces.some((uuid) => !draft.interfaces.includes(uuid))
  )
}

function leaveRequest(draft: Draft, names: Names): OvsdbRequest {
  const reference = ['uuid', draft.uuid]
  const parked: Draft = { ...draft, bridge: 'parked' }
  return {
    line: `port ${draft.name}: bridge=${names.parking}`,
    port: draft.name,
    operations: [expectation(draft), ...moveOperations(parked, reference, names)],
    undo: moveOperations({ ...draft, was: 'parked' }, reference, names),
  }
}

function settleRequest(settleMs: number): OvsdbRequest {
  return { line: `wait ${settleMs} ms for flows of before to be gone`, operations: [], settleMs }
}

function draftsOf(rows: Rows, { bridge, parking }: Names): Map<string, Draft> {
  const drafts = new Map<string, Draft>()
  for (const [where, name] of [
    ['main', bridge],
    ['parked', parking],
  ] as const)
    for (const uuid of rows.bridges.get(name)?.ports ?? []) {
      const row = rows.ports.get(uuid)
      if (row) drafts.set(row.name, { ...row, bridge: where, was: where })
    }
  return drafts
}

function take(step: Step, drafts: Map<string, Draft>, interfaceOf: Map<string, Uuid>, names: Names): void {
  if (!('port' in step)) return
  const draft = drafts.get(step.port)
  const fresh = (interfaces: Uuid[]): Draft => {
    const none = { mode: 'access', tag: null, trunks: [], lacp: '' } as const
    const draft: Draft = { ...none, uuid: null, name: step.port, interfaces, bridge: 'parked', was: null }
    drafts.set(step.port, draft)
    return draft
  }
  switch (step.kind) {
    case 'down':
    case 'up':
      if (draft && draft.bridge !== null) draft.bridge = step.kind === 'up' ? 'main' : 'parked'
      break
    case 'make-lag':
      fresh([])
      break
    case 'leave-lag': {
      const own = interfaceOf.get(step.port) ?? ''
      const lag = drafts.get(names.lagName(step.group))
      if (lag) lag.interfaces = lag.interfaces.filter((uuid) => uuid !== own)
      fresh([own])
      break
    }
    case 'join-lag': {
      const lag = drafts.get(names.lagName(step.lag.group))
      if (lag && draft) {
        lag.interfaces = [...lag.interfaces, ...draft.interfaces].sort()
        lag.lacp = step.lag.lacp
        draft.bridge = null
      }
      break
    }
    case 'remove-lag':
      if (draft) draft.bridge = null
      break
    case 'membership':
      if (draft) Object.assign(draft, columnsFor(step.to))
      break
  }
}

function portRequests(draft: Draft, before: Draft | undefined, index: number, names: Names): OvsdbRequest[] {
  if (draft.uuid === null && draft.bridge === null) return []
  const reference = draft.uuid === null ? ['named-uuid', `port${index}`] : ['uuid', draft.uuid]
  const operations: Operation[] = []
  if (draft.uuid === null)
    operations.push({ op: 'insert', table: 'Port', 'uuid-name': `port${index}`, row: rowOf(draft, true) })
  else if (before) {
    const where = [['name', '==', draft.name]]
    operations.push(expectation(before))
    if (draft.bridge !== null) {
      operations.push({ op: 'update', table: 'Port', where, row: rowOf(draft, draft.lacp !== before.lacp) })
    }
  }
  operations.push(...moveOperations(draft, reference, names))
  return [{ line: words(draft, names), port: draft.name, operations }]
}

/** Holds only if the row is as it was read. */
function expectation({ name, mode, tag, trunks, interfaces }: Draft): Operation {
  const seen = columnsOf({ mode, tag, trunks, interfaces })
  const where = [['name', '==', name]]
  return {
    op: 'wait',
    timeout: 0,
    table: 'Port',
    where,
    columns: Object.keys(seen),
    until: '==',
    rows: [seen],
  }
}

function rowOf(draft: Draft, withLag: boolean): Record<string, unknown> {
  const { name, mode, tag, trunks, interfaces, lacp, uuid } = draft
  return {
    ...columnsOf({ mode, tag, trunks, interfaces }),
    ...(uuid === null ? { name } : {}),
    // Fast: a dead member is noticed within 3 seconds even where the link stays up, instead of within 90.
    ...(withLag && lacp !== ''
      ? { lacp, bond_mode: 'balance-tcp', other_config: ['map', [['lacp-time', 'fast']]] }
      : {}),
  }
}

function columnsOf({ mode, tag, trunks, interfaces }: Pick<Draft, 'mode' | 'tag' | 'trunks' | 'interfaces'>) {
  return {
    vlan_mode: mode === '' ? ['set', []] : mode,
    tag: tag === null ? ['set', []] : tag,
    trunks: ['set', [...trunks]],
    interfaces: ['set', interfaces.map((uuid) => ['uuid', uuid])],
  }
}

function describeRequest(port: string, description: string): OvsdbRequest {
  const mutations: unknown[] = [['external_ids', 'delete', ['set', [descriptionKey]]]]
  if (description !== '') mutations.push(['external_ids', 'insert', ['map', [[descriptionKey, description]]]])
  const operation = { op: 'mutate', table: 'Interface', where: [['name', '==', port]], mutations }
  return { line: `interface ${port}: description ${description || '[]'}`, port, operations: [operation] }
}

/** In and out of bridges. A row that is in none is gone. */
function moveOperations(draft: Draft, reference: unknown[], names: Names): Operation[] {
  if (draft.bridge === draft.was) return []
  const mutate = (bridge: 'main' | 'parked', how: 'insert' | 'delete'): Operation => ({
    op: 'mutate',
    table: 'Bridge',
    where: [['name', '==', bridge === 'main' ? names.bridge : names.parking]],
    mutations: [['ports', how, ['set', [reference]]]],
  })
  return [
    ...(draft.was === null ? [] : [mutate(draft.was, 'delete')]),
    ...(draft.bridge === null ? [] : [mutate(draft.bridge, 'insert')]),
  ]
}

/** The bridge for ports that are down: it has no flows and gets none (fail mode secure), so it forwards nothing. */
function parkingRequests(rows: Rows, { bridge, parking }: Names): OvsdbRequest[] {
  const existing = rows.bridges.get(parking)
  const line = `bridge ${parking}, which forwards nothing`
  if (existing?.failMode === 'secure') return []
  if (existing) {
    const where = [['name', '==', parking]]
    return [{ line, operations: [{ op: 'update', table: 'Bridge', where, row: { fail_mode: 'secure' } }] }]
  }
  const datapath = rows.bridges.get(bridge)?.datapath ?? ''
  return [
    {
      line,
      operations: [
        {
          op: 'insert',
          table: 'Interface',
          'uuid-name': 'idleinterface',
          row: { name: parking, type: 'internal' },
        },
        {
          op: 'insert',
          table: 'Port',
          'uuid-name': 'idleport',
          row: { name: parking, interfaces: ['named-uuid', 'idleinterface'] },
        },
        {
          op: 'insert',
          table: 'Bridge',
          'uuid-name': 'idlebridge',
          row: {
            name: parking,
            datapath_type: datapath,
            fail_mode: 'secure',
            ports: ['named-uuid', 'idleport'],
          },
        },
        {
          op: 'mutate',
          table: 'Open_vSwitch',
          where: [],
          mutations: [['bridges', 'insert', ['set', [['named-uuid', 'idlebridge']]]]],
        },
      ],
    },
  ]
}

function words(draft: Draft, { bridge, parking }: Names): string {
  if (draft.bridge === null) return `port ${draft.name}: gone`
  const where = draft.bridge === 'main' ? bridge : parking
  const lag = draft.lacp === '' ? '' : ` lacp=${draft.lacp} interfaces=${draft.interfaces.length}`
  const trunks = draft.trunks.length > 0 ? draft.trunks.join(',') : '[]'
  return `port ${draft.name}: bridge=${where} vlan_mode=${draft.mode} tag=${draft.tag ?? '[]'} trunks=${trunks}${lag}`
}
