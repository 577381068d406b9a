/** How a route of the networking API is declared, and the way from a request to the rows a caller sees. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { type Caller, networkTarget, type RuleName } from '../../../access/index.ts'
import { LeaseholdError } from '../../../errors.ts'
import {
  findNeutron,
  listNeutron,
  NeutronError,
  type NeutronPage,
  type NeutronRow,
  type Visible,
} from '../../../networking/index.ts'
import { normalUuid } from '../../baremetal/identifiers.ts'
import type { ApiDeps } from '../../deps.ts'
import { denied } from './errors.ts'
import { columnOf, type Resource } from './resources.ts'

export interface Call {
  deps: ApiDeps
  caller: Caller
  params: Record<string, string>
  query: Record<string, unknown>
  body: unknown
  base: string
  request: FastifyRequest
  reply: FastifyReply
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/networking/v2.0`. */
  path: string
  body?: TSchema
  ok: number
  handler: (call: Call) => Promise<unknown>
}

export function registerRoutes(app: FastifyInstance, deps: ApiDeps, routes: readonly Route[]): void {
  for (const route of routes)
    app.route({
      method: route.method,
      url: `/v2.0${route.path}`,
      ...(route.body ? { schema: { body: route.body } } : {}),
      handler: async (request, reply) => {
        const answer = await route.handler({
          deps,
          caller: request.caller,
          params: request.params as Record<string, string>,
          query: request.query as Record<string, unknown>,
          body: request.body,
          base: `${app.publicBase(request)}/networking`,
          request,
          reply,
        })
        return reply.code(route.ok).send(answer)
      },
    })
}

export const allows = (call: Call, rule: RuleName, row?: { project_id: string | null }): boolean =>
  call.deps.policy.allows(rule, call.caller, row ? networkTarget(row) : undefined)

/** @throws NeutronError 'forbidden' naming the rule. */
export function requireRule(call: Call, rule: RuleName, row?: { project_id: string | null }): void {
  if (!allows(call, rule, row)) throw denied(rule)
}

/** Which rows of a kind the caller sees. @throws NeutronError 'forbidden' who sees none of anybody's. */
export function visible(call: Call, resource: Resource): Visible {
  if (allows(call, resource.listAll)) return { kind: 'all' }
  const { projectId } = call.caller
  if (projectId === null || !allows(call, resource.list)) throw denied(resource.list)
  return { kind: 'project', projectId }
}

export const notFound = ({ title, notFound: type }: Resource, id: string): NeutronError =>
  new NeutronError('not-found', type, `${title} ${id.slice(0, 255)} could not be found.`)

/** The row that an id names. @throws NeutronError 'not-found', the same for one that is absent and one that is hidden. */
export async function rowFor(call: Call, resource: Resource, id: string): Promise<NeutronRow> {
  const uuid = normalUuid(id)
  const row = uuid && (await findNeutron(call.deps.db, resource.collection, visible(call, resource), uuid))
  if (!row) throw notFound(resource, id)
  call.request.auditTarget = { type: resource.name, uuid: row.id, hidden: false }
  return row
}

/**
 * The row that a path names, for who may change it. One that is seen and may not be changed is forbidden, not absent.
 */
export async function ownRowFor(call: Call, resource: Resource, rule: RuleName): Promise<NeutronRow> {
  const row = await rowFor(call, resource, call.params.id as string)
  requireRule(call, rule, row)
  return row
}

/** A resource as this caller sees it. */
export function show(call: Call, resource: Resource, row: NeutronRow): Record<string, unknown> {
  const asked = valuesOf(call.query.fields)
  const theirs = row.project_id === call.caller.projectId || allows(call, resource.listAll)
  return Object.fromEntries(
    Object.entries(resource.attributes)
      .filter(
        ([name, { rule, own }]) =>
          (asked.length === 0 || asked.includes(name)) && mayShow(call, rule) && (!own || theirs),
      )
      .map(([name, attribute]) => [name, attribute.show(row)]),
  )
}

const mayShow = (call: Call, rule: RuleName | undefined): boolean => rule === undefined || allows(call, rule)

/** The same, wrapped, as it is now. */
export async function answer(call: Call, resource: Resource, id: string): Promise<Record<string, unknown>> {
  return { [resource.name]: show(call, resource, await rowFor(call, resource, id)) }
}

const pageWords = ['limit', 'marker', 'page_reverse', 'sort_key', 'sort_dir', 'fields']

/** A list, filtered by any attribute, a page at a time. */
export async function answerList(call: Call, resource: Resource): Promise<Record<string, unknown>> {
  const { deps, query } = call
  const page = pageOf(call, resource)
  const filters = filtersOf(call, resource)
  const seen = visible(call, resource)
  const rows = filters ? await listNeutron(deps.db, resource.collection, seen, filters, page) : []
  const links = linksOf(call, resource, page, rows, query.limit !== undefined)
  return { [resource.plural]: rows.map((row) => show(call, resource, row)), ...links }
}

function pageOf(call: Call, resource: Resource): NeutronPage {
  const { limit, marker, page_reverse: reverse } = call.query
  const [sortKey] = valuesOf(call.query.sort_key)
  const [direction] = valuesOf(call.query.sort_dir)
  const most = call.deps.config['api.max_limit']
  if (limit !== undefined && !/^\d{1,9}$/.test(String(limit)))
    throw invalid(`Invalid value for limit: ${String(limit).slice(0, 40)}`)
  if (sortKey !== undefined && !resource.attributes[columnOf(sortKey)]?.sort && sortKey !== 'created_at')
    throw invalid(`${sortKey.slice(0, 100)} is no attribute that a list can be sorted by.`)
  if (direction !== undefined && !/^(asc|desc)$/.test(direction)) throw invalid('sort_dir is asc or desc.')
  const uuid = marker === undefined ? undefined : normalUuid(String(marker))
  if (marker !== undefined && !uuid) throw invalid('The marker is no UUID.')
  return {
    limit: Math.min(Number(limit ?? most) || most, most),
    marker: uuid,
    sortKey: sortKey === undefined || sortKey === 'created_at' ? 'seq' : columnOf(sortKey),
    descending: direction === 'desc',
    reverse: /^(1|t|true)$/i.test(String(reverse)),
  }
}

/** What the query filters by; null when nothing can be found: it names what the caller does not see. */
function filtersOf(call: Call, resource: Resource): Record<string, unknown[]> | null {
  const filters: Record<string, unknown[]> = {}
  for (const [name, given] of Object.entries(call.query)) {
    if (pageWords.includes(name)) continue
    const attribute = Object.hasOwn(resource.attributes, name) ? resource.attributes[name] : undefined
    if (!attribute?.filter) throw invalid(`['${name.slice(0, 100)}'] is invalid attribute for filtering`)
    if (!mayShow(call, attribute.rule)) return null
    const values = valuesOf(given)
    if (values.some((value) => value.includes('\0'))) throw invalid(`${name} has a NUL character.`)
    const read = name === 'tags' ? values.flatMap((value) => value.split(',')) : values
    filters[columnOf(name)] = read.map(attribute.filter)
  }
  return filters
}

export const valuesOf = (given: unknown): string[] =>
  given === undefined ? [] : (Array.isArray(given) ? given : [given]).map(String)

function linksOf(
  call: Call,
  { collection, plural }: Resource,
  page: NeutronPage,
  rows: readonly NeutronRow[],
  paged: boolean,
): Record<string, unknown> {
  if (!paged && rows.length < page.limit) return {}
  const link = (rel: string, marker: string | undefined, reverse: boolean) => {
    if (marker === undefined) return []
    const parameters = new URLSearchParams()
    for (const [name, given] of Object.entries(call.query))
      if (!['marker', 'page_reverse', 'limit'].includes(name))
        for (const value of valuesOf(given)) parameters.append(name, value)
    parameters.set('limit', String(page.limit))
    parameters.set('marker', marker)
    if (reverse) parameters.set('page_reverse', 'True')
    return [{ rel, href: `${call.base}/v2.0/${collection}?${parameters}` }]
  }
  const full = rows.length === page.limit
  return {
    [`${plural}_links`]: [
      ...(full || page.reverse ? link('next', rows.at(-1)?.id, false) : []),
      ...(page.marker !== undefined && (full || !page.reverse) ? link('previous', rows[0]?.id, true) : []),
    ],
  }
}

export const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/**
 * The project that a new resource is for: the caller's own, or the one that is named by who may do that. The system
 * makes things without a project: the operator's.
 */
export function projectOf(
  call: Call,
  body: { project_id?: string | null; tenant_id?: string | null },
  restricted: RuleName,
): string | null {
  const asked = body.project_id ?? body.tenant_id
  if (asked === undefined || asked === null || asked === '' || asked === call.caller.projectId)
    return call.caller.projectId
  requireRule(call, restricted)
  return asked
}
