/** Runbooks: lists of clean or service steps that somebody has approved for nodes of certain traits. */
import { randomUUID } from 'node:crypto'
import { visibleRows } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import {
  changeRunbook,
  deleteRunbook,
  insertRunbook,
  listRunbooks,
  type NewRunbook,
  type Runbook,
  type RunbookChanges,
  type RunbookColumn,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import {
  asBoolean,
  chooseFields,
  clearedValues,
  columnsOf,
  type Field,
  gateBody,
  gatePatch,
  selfLinks,
  showFields,
  sortColumn,
} from './fields.ts'
import { normalUuid } from './identifiers.ts'
import { applyPatch, type PatchOperation, patchBody, rootOf } from './json-patch.ts'
import { denied, noteTarget, requireRule } from './node-access.ts'
import { nextLink, pageOf } from './page.ts'
import { detail, fields, paging, text } from './query.ts'
import type { Call, Route } from './routes.ts'
import { absentRunbook, requireRunbookRules, runbookFor } from './runbook-access.ts'
import {
  checkRunbook,
  checkRunbookName,
  patchable,
  runbookColumns,
  runbookCreateBody,
  runbookFields,
  runbookListFields,
  runbooksSince as since,
} from './runbook-fields.ts'
import { type GivenStep, requireStepRules } from './stored-steps.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
const ident = (call: Call): string => call.params.runbook as string

export function runbookRoutes(deps: ApiDeps): Route[] {
  const one = '/runbooks/:runbook'
  return [
    {
      method: 'GET',
      path: '/runbooks',
      summary: 'List runbooks',
      rules: ['baremetal:runbook:list', 'baremetal:runbook:list_all'],
      since,
      below: 404,
      query: { ...paging, ...fields, ...detail, project: text() },
      ok: 200,
      handler: (call) => showList(deps, call),
    },
    {
      method: 'POST',
      path: '/runbooks',
      summary: 'Create a runbook',
      rules: ['baremetal:runbook:create'],
      since,
      below: 405,
      body: runbookCreateBody,
      ok: 201,
      handler: (call) => create(deps, call),
    },
    {
      method: 'GET',
      path: one,
      summary: 'Show a runbook',
      rules: ['baremetal:runbook:get'],
      since,
      below: 404,
      query: fields,
      ok: 200,
      handler: async (call) => {
        const runbook = await runbookFor(deps, call, ident(call), ['baremetal:runbook:get'], true)
        const asked = call.query.fields as string[] | undefined
        return show(call, runbook, chooseFields(runbookFields, asked, call.version))
      },
    },
    {
      method: 'PATCH',
      path: one,
      summary: 'Change a runbook',
      rules: [
        'baremetal:runbook:update',
        'baremetal:runbook:update:owner',
        'baremetal:runbook:update:public',
      ],
      since,
      below: 405,
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Delete a runbook',
      rules: ['baremetal:runbook:delete'],
      since,
      below: 405,
      ok: 204,
      handler: async (call) => {
        const runbook = await runbookFor(deps, call, ident(call), ['baremetal:runbook:delete'])
        if (!(await deleteRunbook(deps.db, runbook))) throw absentRunbook(ident(call))
      },
    },
  ]
}

async function showList(deps: ApiDeps, call: Call): Promise<unknown> {
  const { query } = call
  const visible = visibleRows(deps.policy, call.caller, 'runbook', query.project as string | undefined)
  if (visible.kind === 'forbidden') throw denied('baremetal:runbook:list')
  const asked = query.fields as string[] | undefined
  const full = query.detail === true
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const shown = chooseFields(runbookFields, asked, call.version, full ? undefined : runbookListFields)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(runbookFields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<Runbook>(shown, ['uuid']) as RunbookColumn[]
  const rows = (await listRunbooks(deps.db, visible, { ...page, sortColumn: sortBy }, columns)) as Runbook[]
  return {
    runbooks: rows.map((row) => show(call, row, shown)),
    ...nextLink(`${call.base}/v1/runbooks`, query, page, rows),
  }
}

const show = (
  call: Call,
  runbook: Runbook,
  shown: readonly Field<Runbook>[] = chooseFields(runbookFields, undefined, call.version),
): Record<string, unknown> => ({
  ...showFields(shown, runbook, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `runbooks/${runbook.uuid}`),
})

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:runbook:create')
  const body = call.body as Record<string, unknown>
  gateBody(runbookFields, body, call.version)
  checkRunbookName(body.name as string, call.version)
  requireStepRules(deps, call, body.steps as GivenStep[])
  const uuid = typeof body.uuid === 'string' ? normalUuid(body.uuid) : randomUUID()
  if (!uuid) throw invalid(`Expected a UUID for uuid but received ${body.uuid}.`)
  const owner = ownerOfNew(call, body)
  const runbook = await insertRunbook(deps.db, { ...runbookColumns(body), owner, uuid } as NewRunbook)
  noteTarget(call, 'runbook', runbook.uuid)
  call.reply.header('location', `${call.base}/v1/runbooks/${runbook.uuid}`)
  return show(call, runbook)
}

/** Whose a new runbook is: of the caller's project, but for callers of the whole system. */
function ownerOfNew(call: Call, body: Readonly<Record<string, unknown>>): string | null {
  const asked = (body.owner as string | null | undefined) || null
  const isPublic = asBoolean(body.public)
  const { projectId, systemScope } = call.caller
  if (systemScope !== 'all' && projectId !== null) {
    if (asked !== null && asked !== projectId)
      throw invalid('owner: a runbook made with a token of a project belongs to that project; leave it out.')
    if (isPublic) throw invalid('public: a runbook made with a token of a project can not be public.')
    return projectId
  }
  if (isPublic && asked !== null) throw invalid(ownedAndPublic)
  return asked
}

const ownedAndPublic = 'There cannot be an owner for a public runbook: give owner, or make it public.'

const cleared = clearedValues(runbookFields)

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  const operations = call.body as PatchOperation[]
  gatePatch(runbookFields, operations, call.version)
  const rules = rulesOf(operations)
  const { uuid } = await runbookFor(deps, call, ident(call), rules)
  const runbook = await changeRunbook(deps.db, uuid, (row) => {
    // It may have got another owner since.
    requireRunbookRules(deps, call, row, rules)
    return patched(deps, call, row, operations)
  })
  if (!runbook) throw absentRunbook(ident(call))
  return show(call, runbook)
}

function rulesOf(operations: readonly PatchOperation[]) {
  const ruleOf = (operation: PatchOperation) =>
    operation.path.startsWith('/owner')
      ? 'baremetal:runbook:update:owner'
      : operation.path.startsWith('/public')
        ? 'baremetal:runbook:update:public'
        : 'baremetal:runbook:update'
  return operations.length === 0
    ? (['baremetal:runbook:update'] as const)
    : [...new Set(operations.map(ruleOf))]
}

function patched(
  deps: ApiDeps,
  call: Call,
  runbook: Runbook,
  operations: readonly PatchOperation[],
): RunbookChanges {
  const named = (root: string) => operations.some((operation) => rootOf(operation) === root)
  const before = patchable(runbook)
  // Whoever decides who may use a runbook decides it whole: what is public, or no more so, belongs to nobody.
  const base = named('public') ? { ...before, owner: null } : before
  const { result } = applyPatch(base, operations, cleared)
  checkRunbook(result)
  const after = runbookColumns(result)
  if (after.public && (after.owner || named('owner'))) throw invalid(ownedAndPublic)
  if (named('steps')) requireStepRules(deps, call, result.steps as GivenStep[])
  const unchanged = runbookColumns(before)
  return Object.fromEntries(
    Object.entries(after).filter(([name, value]) => unchanged[name as keyof RunbookChanges] !== value),
  )
}
