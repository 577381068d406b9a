/** Conductors: the processes that work on nodes. */
import { LeaseholdError } from '../../errors.ts'
import type { Conductor } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { chooseFields, type Field, plain, selfLinks, showFields, sortColumn, time } from './fields.ts'
import { requireRule } from './node-access.ts'
import { nextLink, pageOf } from './page.ts'
import { boolean, fields, paging, text } from './query.ts'
import type { Call, Route } from './routes.ts'

const conductorFields: readonly Field<Conductor>[] = [
  plain('hostname', 49),
  plain('conductor_group', 49),
  { name: 'alive', since: 49, columns: [], show: (conductor) => conductor.alive },
  {
    name: 'drivers',
    since: 49,
    columns: ['drivers'],
    show: (conductor) => Object.keys(conductor.drivers).sort(),
  },
  time('created_at', 49),
  time('updated_at', 49),
]
const shortFields = ['hostname', 'conductor_group', 'alive']

export function conductorRoutes(deps: ApiDeps): Route[] {
  const common = { method: 'GET', rules: ['baremetal:conductor:get'], since: 49, ok: 200 } as const
  return [
    {
      ...common,
      path: '/conductors',
      summary: 'List conductors',
      // The marker of a conductor is its host name.
      query: { ...paging, marker: text(), ...fields, detail: boolean() },
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:conductor:get')
        const { query } = call
        const asked = query.fields as string[] | undefined
        if (query.detail && asked)
          throw new LeaseholdError('invalid', "Can't fetch a subset of fields with 'detail' set")
        const shown = chooseFields(
          conductorFields,
          asked,
          call.version,
          query.detail ? undefined : shortFields,
        )
        const page = pageOf(query, deps.config['api.max_limit'])
        const ordered = sorted(
          await deps.conductors.all(),
          sortColumn(conductorFields, query.sort_key as string | undefined, call.version),
          page.sortDirection,
        )
        const rows = after(ordered, page.marker).slice(0, page.limit)
        const last = rows.map((row) => ({ uuid: row.hostname }))
        return {
          conductors: rows.map((row) => show(call, row, shown)),
          ...nextLink(`${call.base}/v1/conductors`, query, page, last),
        }
      },
    },
    {
      ...common,
      path: '/conductors/:host',
      summary: 'Show a conductor',
      query: fields,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:conductor:get')
        const host = call.params.host as string
        const conductor = (await deps.conductors.all()).find((each) => each.hostname === host)
        if (!conductor)
          throw new LeaseholdError('not-found', `Conductor ${host.slice(0, 255)} could not be found.`)
        return show(
          call,
          conductor,
          chooseFields(conductorFields, call.query.fields as string[] | undefined, call.version),
        )
      },
    },
  ]
}

/** There are few conductors, and all are in memory already. */
function sorted(conductors: readonly Conductor[], column: string, direction: 'asc' | 'desc'): Conductor[] {
  const key = (conductor: Conductor) => {
    const value = conductor[column as keyof Conductor]
    return value instanceof Date ? value.toISOString() : String(value ?? '')
  }
  const ascending =
    column === 'id'
      ? [...conductors]
      : conductors.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
  return direction === 'asc' ? ascending : ascending.reverse()
}

function after(conductors: readonly Conductor[], marker: string | undefined): readonly Conductor[] {
  if (marker === undefined) return conductors
  const at = conductors.findIndex((conductor) => conductor.hostname === marker)
  if (at < 0) throw new LeaseholdError('not-found', `Conductor ${marker.slice(0, 255)} could not be found.`)
  return conductors.slice(at + 1)
}

const show = (
  call: Call,
  conductor: Conductor,
  shown: readonly Field<Conductor>[],
): Record<string, unknown> => ({
  ...showFields(shown, conductor, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `conductors/${conductor.hostname}`),
})
