/** Inspection rules: what an operator wants done with what inspections find. */
import { randomUUID } from 'node:crypto'
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import {
  changeInspectionRule,
  deleteInspectionRules,
  findInspectionRule,
  type InspectionRule,
  type InspectionRuleChanges,
  type InspectionRuleColumn,
  insertInspectionRule,
  listInspectionRules,
} from '../../inventory/index.ts'
import { checkInspectionRule } from '../../provision/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import {
  chooseFields,
  clearedValues,
  columnsOf,
  createSchema,
  type Field,
  gatePatch,
  selfLinks,
  showFields,
  sortColumn,
} from './fields.ts'
import { normalUuid } from './identifiers.ts'
import {
  inspectionRuleFields,
  inspectionRuleListFields,
  type RuleValues,
  ruleValues,
  inspectionRulesSince as since,
} from './inspection-rule-fields.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'
import { noteTarget, requireRule } from './node-access.ts'
import { nextLink, pageOf } from './page.ts'
import { detail, fields, paging, text } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const checkPatched = validatorOf(
  Type.Object(
    Object.fromEntries(
      inspectionRuleFields.flatMap((field) =>
        field.patch && field.schema ? [[field.name, field.schema]] : [],
      ),
    ),
  ),
)

export function inspectionRuleRoutes(deps: ApiDeps): Route[] {
  const one = '/inspection_rules/:rule'
  const reading = { since, below: 404, rules: ['baremetal:inspection_rule:get'], ok: 200 } as const
  const deleting = { since, below: 405, rules: ['baremetal:inspection_rule:delete'], ok: 204 } as const
  return [
    {
      ...reading,
      method: 'GET',
      path: '/inspection_rules',
      summary: 'List inspection rules',
      query: { ...paging, ...fields, ...detail, phase: text() },
      handler: (call) => showList(deps, call),
    },
    {
      method: 'POST',
      path: '/inspection_rules',
      summary: 'Create an inspection rule',
      rules: ['baremetal:inspection_rule:create'],
      since,
      below: 405,
      body: createSchema(inspectionRuleFields, ['actions']),
      ok: 201,
      handler: (call) => create(deps, call),
    },
    {
      ...deleting,
      method: 'DELETE',
      path: '/inspection_rules',
      summary: 'Delete all inspection rules',
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:inspection_rule:delete')
        await deleteInspectionRules(deps.db, 'all')
      },
    },
    {
      ...reading,
      method: 'GET',
      path: one,
      summary: 'Show an inspection rule',
      query: fields,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:inspection_rule:get')
        const asked = call.query.fields as string[] | undefined
        return show(call, await ruleFor(deps, call), chooseFields(inspectionRuleFields, asked, call.version))
      },
    },
    {
      method: 'PATCH',
      path: one,
      summary: 'Change an inspection rule',
      rules: ['baremetal:inspection_rule:update'],
      since,
      below: 405,
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      ...deleting,
      method: 'DELETE',
      path: one,
      summary: 'Delete an inspection rule',
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:inspection_rule:delete')
        await deleteInspectionRules(deps.db, { uuid: (await ruleFor(deps, call)).uuid })
      },
    },
  ]
}

const absent = (uuid: string): LeaseholdError =>
  new LeaseholdError('not-found', `Inspection rule ${uuid} could not be found.`)

/** A rule has no name: only its UUID leads to it. */
async function ruleFor(deps: ApiDeps, call: Call): Promise<InspectionRule> {
  const given = call.params.rule as string
  const uuid = normalUuid(given)
  if (!uuid) throw invalid(`Expected a UUID but received ${given.slice(0, 255)}.`)
  const rule = await findInspectionRule(deps.db, uuid)
  if (!rule) throw absent(uuid)
  noteTarget(call, 'inspection_rule', uuid)
  return rule
}

async function showList(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:inspection_rule:get')
  const { query } = call
  const asked = query.fields as string[] | undefined
  const full = query.detail === true
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const shown = chooseFields(
    inspectionRuleFields,
    asked,
    call.version,
    full ? undefined : inspectionRuleListFields,
  )
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(inspectionRuleFields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<InspectionRule>(shown, ['uuid']) as InspectionRuleColumn[]
  const filters = query.phase === undefined ? {} : { phase: query.phase as string }
  const order = { ...page, sortColumn: sortBy }
  const rows = (await listInspectionRules(deps.db, filters, order, columns)) as InspectionRule[]
  return {
    inspection_rules: rows.map((row) => show(call, row, shown)),
    ...nextLink(`${call.base}/v1/inspection_rules`, query, page, rows),
  }
}

const show = (
  call: Call,
  rule: InspectionRule,
  shown: readonly Field<InspectionRule>[] = inspectionRuleFields,
): Record<string, unknown> => ({
  ...showFields(shown, rule, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `inspection_rules/${rule.uuid}`),
})

const asColumns = (values: RuleValues) => ({
  ...values,
  conditions: JSON.stringify(values.conditions),
  actions: JSON.stringify(values.actions),
})

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:inspection_rule:create')
  const body = call.body as Record<string, unknown>
  const uuid = typeof body.uuid === 'string' ? normalUuid(body.uuid) : randomUUID()
  if (!uuid) throw invalid(`Expected a UUID for uuid but received ${body.uuid}.`)
  const values = ruleValues(body)
  checkInspectionRule(values)
  const rule = await insertInspectionRule(deps.db, { uuid, ...asColumns(values) })
  noteTarget(call, 'inspection_rule', uuid)
  call.reply.header('location', `${call.base}/v1/inspection_rules/${uuid}`)
  return show(call, rule)
}

const cleared = clearedValues(inspectionRuleFields)

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:inspection_rule:update')
  const operations = call.body as PatchOperation[]
  gatePatch(inspectionRuleFields, operations, call.version)
  const { uuid } = await ruleFor(deps, call)
  const rule = await changeInspectionRule(deps.db, uuid, (row) => patched(row, operations))
  if (!rule) throw absent(uuid)
  return show(call, rule)
}

function patched(rule: InspectionRule, operations: readonly PatchOperation[]): InspectionRuleChanges {
  const { priority, description, phase, sensitive, conditions, actions } = rule
  const before: RuleValues = { priority, description, phase, sensitive, conditions, actions }
  const { result } = applyPatch(before as unknown as Record<string, unknown>, operations, cleared)
  checkPatched(result)
  const after = ruleValues(result)
  if (rule.sensitive && !after.sensitive)
    throw invalid('Inspection rules cannot have the sensitive flag unset: write the rule anew.')
  checkInspectionRule(after)
  const [was, is] = [asColumns(before), asColumns(after)]
  return Object.fromEntries(
    Object.entries(is).filter(([name, value]) => was[name as keyof RuleValues] !== value),
  )
}
