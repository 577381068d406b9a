/** The routes of what belongs to a node: lists, at the top and below parents, and single ones. */
import type { TSchema } from 'typebox'
import type { OwnedFilters, OwnedTable } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { patchBody } from './json-patch.ts'
import { nodeFor } from './node-access.ts'
import { type PartKind, showPart, showPartList } from './node-parts.ts'
import { fields, paging, type QuerySchema } from './query.ts'
import type { Call, Route } from './routes.ts'

export interface PartLists<Table extends OwnedTable> {
  kind: PartKind<Table>
  /** What summaries call them: 'port groups'. */
  plural: string
  since: number
  filters: QuerySchema
  filtersOf: (call: Call) => Promise<OwnedFilters<Table>>
  /** The query parameter that asks for full objects, and whether there is a path that does. */
  detail: QuerySchema
  detailPath: boolean
}

/** Something below which there is a list of what belongs to it. */
export interface PartParent {
  path: string
  /** What summaries call it: 'node'. */
  noun: string
  since: number
  /** The parent that the caller names, when it sees it: its path and what its own have in their columns. */
  find: (call: Call) => Promise<{ path: string; having: Readonly<Record<string, string>> }>
}

/** The node as a parent, since the given version. */
export const nodeParent = (deps: ApiDeps, since: number): PartParent => ({
  path: '/nodes/:node',
  noun: 'node',
  since,
  find: async (call) => {
    const { uuid } = await nodeFor(deps, call, call.params.node as string)
    return { path: `/nodes/${uuid}`, having: { node_uuid: uuid } }
  },
})

/** The list and, where there is one, its `/detail`; all of the kind, or those of a parent. */
export function listRoutes<Table extends OwnedTable>(
  deps: ApiDeps,
  lists: PartLists<Table>,
  parent?: PartParent,
): Route[] {
  const { kind } = lists
  const of = parent ? ` of a ${parent.noun}` : ''
  const handler = (tail: '' | '/detail') => async (call: Call) => {
    const above = await parent?.find(call)
    const wanted = await lists.filtersOf(call)
    const having = { ...wanted.having, ...above?.having } as NonNullable<typeof wanted.having>
    const full = tail === '/detail' || call.query.detail === true
    return showPartList(
      deps,
      call,
      kind,
      { ...wanted, having },
      `${above?.path ?? ''}${kind.path}${tail}`,
      full,
    )
  }
  const both = {
    method: 'GET',
    rules: [
      // A filter by node finds it first, as a parent in the path is.
      'baremetal:node:get',
      `baremetal:${kind.resource}:list`,
      `baremetal:${kind.resource}:list_all`,
    ],
    since: Math.max(lists.since, parent?.since ?? 0),
    ok: 200,
    within: parent !== undefined,
  } as const
  const path = `${parent?.path ?? ''}${kind.path}`
  const plain: Route = {
    ...both,
    path,
    summary: `List the ${lists.plural}${of}`,
    query: { ...paging, ...fields, ...lists.detail, ...lists.filters },
    handler: handler(''),
  }
  if (!lists.detailPath) return [plain]
  return [
    plain,
    {
      ...both,
      path: `${path}/detail`,
      summary: `List the ${lists.plural}${of} with all their fields`,
      query: { ...paging, ...lists.filters },
      handler: handler('/detail'),
    },
  ]
}

export interface PartActions {
  /** What summaries call one: 'port group'. */
  noun: string
  since: number
  createBody: TSchema
  create: (call: Call) => Promise<unknown>
  update: (call: Call) => Promise<unknown>
  remove: (call: Call) => Promise<void>
}

/** Creating, showing, changing and deleting one. */
export function itemRoutes<Table extends OwnedTable>(
  deps: ApiDeps,
  kind: PartKind<Table>,
  actions: PartActions,
): Route[] {
  const { noun, since } = actions
  const rules = (action: 'create' | 'get' | 'update' | 'delete') =>
    ['baremetal:node:get', `baremetal:${kind.resource}:${action}`] as const
  const path = `${kind.path}/:${kind.word}`
  return [
    {
      method: 'POST',
      path: kind.path,
      summary: `Create a ${noun}`,
      rules: rules('create'),
      since,
      body: actions.createBody,
      ok: 201,
      handler: actions.create,
    },
    {
      method: 'GET',
      path,
      summary: `Show a ${noun}`,
      rules: rules('get'),
      since,
      query: fields,
      ok: 200,
      handler: (call) => showPart(deps, call, kind),
    },
    {
      method: 'PATCH',
      path,
      summary: `Change a ${noun}`,
      rules: rules('update'),
      since,
      body: patchBody,
      ok: 200,
      handler: actions.update,
    },
    {
      method: 'DELETE',
      path,
      summary: `Delete a ${noun}`,
      rules: rules('delete'),
      since,
      ok: 204,
      handler: actions.remove,
    },
  ]
}
