/** What belongs to a node (ports, port groups, volume connectors and targets): found, listed, created, changed alike. */
import { type TSchema, Type } from 'typebox'
import { nodeTarget, visibleRows } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import {
  deleteOwned,
  findNode,
  findOwned,
  listOwned,
  type Node,
  type Owned,
  type OwnedFilters,
  type OwnedTable,
  withLock,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import {
  chooseFields,
  clearedValues,
  columnsOf,
  type Field,
  gatePatch,
  selfLinks,
  showFields,
  sortColumn,
  type View,
} from './fields.ts'
import { lookupOf, normalUuid } from './identifiers.ts'
import { applyPatch, type PatchOperation } from './json-patch.ts'
import { denied, lockOptions, noteTarget, requireRules } from './node-access.ts'
import { nextLink, pageOf } from './page.ts'
import type { Call } from './routes.ts'

/** One kind of what belongs to a node. */
export interface PartKind<Table extends OwnedTable> {
  table: Table
  /** As its policy rules have it. */
  resource: 'port' | 'portgroup' | 'volume'
  /** As sentences about it begin, and its word in paths and in the audit. */
  title: string
  word: string
  /** Where it is, below `/v1`, and what lists call it. */
  path: string
  collection: string
  /** Whether it may be addressed by name. */
  named: boolean
  fields: readonly Field<Owned<Table>>[]
  /** Fields of a list entry when none are asked for. */
  listFields: readonly string[]
  /** Fields that a PATCH cannot remove. */
  required: readonly string[]
  /** Checks what a PATCH has changed by the fields' schemas: `patchedCheck(fields)`. */
  checkPatched: (given: unknown) => void
  /** Links to what belongs to it, on full answers. */
  subLinks?: (row: Owned<Table>, view: View) => Record<string, unknown>
  /** Takes from what is about to be shown what this caller may not see. */
  redact?: (
    deps: ApiDeps,
    call: Call,
    rows: readonly Owned<Table>[],
    shown: readonly Record<string, unknown>[],
  ) => Promise<Record<string, unknown>[]>
}

export interface FoundPart<Table extends OwnedTable> {
  row: Owned<Table>
  node: Node
}

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
const absent = (kind: { title: string }, ident: string): LeaseholdError =>
  new LeaseholdError('not-found', `${kind.title} ${ident.slice(0, 255)} could not be found.`)

/**
 * What an identifier names, and its node, when the caller may see the node and the rule holds.
 * @throws LeaseholdError 'not-found', the same for what is absent and what is hidden; 'forbidden'; 'invalid' for no UUID
 * where there are no names.
 */
export async function partFor<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  ident: string,
  action?: 'get' | 'update' | 'delete',
): Promise<FoundPart<Table>> {
  const by = lookupOf(ident, kind.named)
  if (!by && !kind.named) throw invalid(`Expected a UUID but received ${ident.slice(0, 255)}.`)
  const row = by && (await findOwned(deps.db, kind.table, by))
  const node = row && (await findNode(deps.db, { uuid: row.node_uuid }))
  const seen = node && sees(deps, call, node)
  if (row && node) noteTarget(call, kind.word, row.uuid, node, !seen)
  if (!row || !seen) throw absent(kind, ident)
  if (action) requireRules(deps, call, node, [`baremetal:${kind.resource}:${action}`])
  return { row, node }
}

const sees = (deps: ApiDeps, call: Call, node: Node): boolean =>
  deps.policy.allows('baremetal:node:get', call.caller, nodeTarget(node))

/** `GET` of one: as the query's `fields` ask, or whole. */
export async function showPart<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
): Promise<unknown> {
  const asked = call.query.fields as string[] | undefined
  const fields = chooseFields(kind.fields, asked, call.version)
  const { row } = await partFor(deps, call, kind, call.params[kind.word] as string, 'get')
  return (await showAll(deps, call, kind, [row], fields, asked === undefined))[0]
}

/**
 * One page of a list, at `path` below `/v1`.
 * @throws LeaseholdError 'forbidden' for who may list neither all nor those of a project.
 */
export async function showPartList<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  filters: OwnedFilters<Table>,
  path: string,
  full: boolean,
): Promise<unknown> {
  const { query } = call
  const asked = query.fields as string[] | undefined
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const fields = chooseFields(kind.fields, asked, call.version, full ? undefined : kind.listFields)
  const visible = visibleRows(deps.policy, call.caller, kind.resource)
  if (visible.kind === 'forbidden') throw denied(`baremetal:${kind.resource}:list`)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(kind.fields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<Owned<Table>>(fields, ['uuid', 'node_uuid'])
  const rows = (await listOwned(
    deps.db,
    kind.table,
    visible,
    filters,
    { ...page, sortColumn: sortBy },
    columns,
  )) as Owned<Table>[]
  const shown = await showAll(deps, call, kind, rows, fields, full)
  return { [kind.collection]: shown, ...nextLink(`${call.base}/v1${path}`, query, page, rows) }
}

async function showAll<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  rows: readonly Owned<Table>[],
  fields: readonly Field<Owned<Table>>[],
  full: boolean,
  redacted = true,
): Promise<Record<string, unknown>[]> {
  const view: View = { version: call.version, base: call.base }
  const shown = rows.map((row) => ({
    ...showFields(fields, row, view),
    links: selfLinks(call.base, `${kind.path.slice(1)}/${row.uuid}`),
    ...(full ? kind.subLinks?.(row, view) : {}),
  }))
  return redacted && kind.redact ? kind.redact(deps, call, rows, shown) : shown
}

/** What was created, whole and as given, and where it is. */
export async function showCreated<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  row: Owned<Table>,
  node: Node,
): Promise<unknown> {
  noteTarget(call, kind.word, row.uuid, node)
  call.reply.header('location', `${call.base}/v1${kind.path}/${row.uuid}`)
  const fields = chooseFields(kind.fields, undefined, call.version)
  return (await showAll(deps, call, kind, [row], fields, true, false))[0]
}

/**
 * The node of something new. Whether a hidden node exists is not told: who may not create gets 403 either way.
 * @throws LeaseholdError 'forbidden', 'invalid'.
 */
export async function nodeOfNew<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  ident: string,
  names = false,
): Promise<Node> {
  const by = lookupOf(ident, names)
  const node = by && (await findNode(deps.db, by))
  const seen = node && sees(deps, call, node) ? node : undefined
  requireRules(deps, call, seen ?? { owner: null, lessee: null }, [`baremetal:${kind.resource}:create`])
  if (!seen) throw invalid(`Node ${ident.slice(0, 255)} could not be found.`)
  return seen
}

/**
 * `PATCH` of one: `write` gets it under its node's lock, with what the patch changes and the node it moves to, and
 * answers the row it wrote, undefined when it is gone.
 * @throws LeaseholdError for what cannot be patched so, as `partFor`, and whatever `write` throws.
 */
export async function patchPart<Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  write: (
    part: FoundPart<Table>,
    given: Readonly<Record<string, unknown>>,
    home: Node,
  ) => Promise<Owned<Table> | undefined>,
): Promise<unknown> {
  const operations = call.body as PatchOperation[]
  gatePatch(kind.fields, operations, call.version)
  // A patch that cannot be is refused before the lock is waited for, and judged again by what the lock holds.
  const prepare = async ({ row, node }: FoundPart<Table>) => {
    const given = givenBy(kind, row, operations, call.base)
    const home = typeof given.node_uuid === 'string' ? await newHome(deps, call, node, given.node_uuid) : node
    return { given, home }
  }
  return underLock(deps, call, kind, 'update', prepare, async (part, { given, home }) => {
    const written = await write(part, given, home)
    if (!written) throw absent(kind, part.row.uuid)
    const fields = chooseFields(kind.fields, undefined, call.version)
    return (await showAll(deps, call, kind, [written], fields, true))[0]
  })
}

/**
 * Runs `work` on what the path names while its node is locked, on the rows as they are then. `prepare` is asked before,
 * too: what it throws does not wait for the lock.
 */
async function underLock<Table extends OwnedTable, Prepared, T>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  action: 'update' | 'delete',
  prepare: (part: FoundPart<Table>) => Promise<Prepared>,
  work: (part: FoundPart<Table>, prepared: Prepared) => Promise<T>,
): Promise<T> {
  const ident = call.params[kind.word] as string
  const found = await partFor(deps, call, kind, ident, action)
  await prepare(found)
  const { node } = found
  return withLock(deps.db, node.uuid, lockOptions(deps), async () => {
    const part = await partFor(deps, call, kind, ident, action)
    if (part.node.uuid !== node.uuid)
      throw new LeaseholdError(
        'conflict',
        `${kind.title} ${part.row.uuid} has moved to another node, please retry.`,
      )
    return work(part, await prepare(part))
  })
}

/** The fields whose values a patch changes, checked by their schemas. */
function givenBy<Table extends OwnedTable>(
  kind: PartKind<Table>,
  row: Owned<Table>,
  operations: readonly PatchOperation[],
  base: string,
): Record<string, unknown> {
  const before = showFields(kind.fields, row, { version: Number.POSITIVE_INFINITY, base })
  const { result, changed } = applyPatch(before, operations, clearedValues(kind.fields))
  for (const name of kind.required)
    if (changed.includes(name) && result[name] === null)
      throw invalid(`${name} can not be removed; replace it.`)
  const given = Object.fromEntries(changed.map((name) => [name, result[name]]))
  kind.checkPatched(given)
  return given
}

/** Makes the check of the fields that a patch has changed. @returns a function that throws LeaseholdError 'invalid'. */
export function patchedCheck<Row>(fields: readonly Field<Row>[]): (given: unknown) => void {
  const properties: Record<string, TSchema> = {}
  for (const field of fields)
    if (field.patch && field.schema) properties[field.name] = Type.Optional(field.schema)
  return validatorOf(Type.Object(properties))
}

/** Something moves only to a node that the caller sees and that has the same owner; one text for every refusal. */
async function newHome(deps: ApiDeps, call: Call, from: Node, asked: string): Promise<Node> {
  const by = lookupOf(asked, false)
  const to = by && (await findNode(deps.db, by))
  if (!to || !sees(deps, call, to) || to.owner !== from.owner)
    throw invalid(
      `Node ${asked.slice(0, 255)} could not be found, or its owner is not the owner of node ${from.uuid}.`,
    )
  return to
}

/** `DELETE` of one, under its node's lock; `check` may still refuse. */
export const deletePart = <Table extends OwnedTable>(
  deps: ApiDeps,
  call: Call,
  kind: PartKind<Table>,
  check: (part: FoundPart<Table>) => void = () => undefined,
): Promise<void> =>
  underLock(
    deps,
    call,
    kind,
    'delete',
    async (part) => check(part),
    async (part) => void (await deleteOwned(deps.db, kind.table, part.row)),
  )

/** @throws LeaseholdError 'invalid' for a UUID of a new resource that is none. */
export function uuidOfNew(given: unknown): string {
  if (given === undefined || given === null) return crypto.randomUUID()
  const uuid = normalUuid(String(given))
  if (!uuid) throw invalid(`Expected a UUID for uuid but received ${String(given).slice(0, 100)}.`)
  return uuid
}
